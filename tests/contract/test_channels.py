"""What every channel must keep.  A new channel is finished when its name is in the list and this passes."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from pydantic import BaseModel

import notifiers
from notifiers import channels
from notifiers.email import Email
from vorab.errors import ConfigurationError, OutcomeUnknown, TemporaryFailure
from vorab.model import MINUTE, SECOND, Delivery, Instant, Notification, Priority, Purpose, Receipt
from vorab.ports import HttpResponse
from vorab.site import ChannelSettings
from vorab.testing.phones import Fault, PhoneWorld

T0 = Instant(1_800_000_000_000_000)
ACCOUNT = "AC" + "0" * 31 + "1"
SECRET = "a planted token"
TWILIO: dict[str, object] = {"account_sid": ACCOUNT, "auth_token": SECRET, "sender": "+12025550100"}
MAIL: dict[str, object] = {"host": "mail.example", "password": SECRET, "sender": "alarm@airport.com"}
NO_NUMBERS = ("", " ", "nobody", "+1", "\x00", "+12025550121; drop", "９" * 400)

#: The protocols of vorab.ports that a channel may implement besides Channel.
ABILITIES = {
    "Finds": ("find", "status"),
    "Hears": ("replies",),
    "Hooks": ("webhook", "paths"),
    "HangsUp": ("hang_up",),
}


@dataclass(frozen=True)
class Case:
    """One channel, and what the tests must know of it."""

    settings: dict[str, object]  #: that work with the provider that `world` plays
    address: str
    refused: tuple[str, ...]  #: what it must not take for an address
    arrived: Callable[[PhoneWorld], list[str]]  #: what has reached people: the texts, or whom it rings
    shows: str  #: how the text of `message` is among that
    abilities: frozenset[str] = field(default_factory=frozenset)
    by_http: bool = False  #: the provider is asked by the HTTP client, and not in another way


def shown(world: PhoneWorld) -> list[str]:
    return [entry.text for entry in world.ledger]


TEXT = "High: door open 30 s. Reply 4821 = I go, 4821 no = cannot."
CHANNELS: dict[str, Case] = {
    "desktop": Case(
        settings={},
        address="control-room",
        refused=("", " ", "+1", "\x00", "a b", "a/b", "-a", "９" * 400),
        arrived=lambda _world: [TEXT],  # the row is the message: every page of the desk has it with the commit
        shows=TEXT,
    ),
    "email": Case(
        settings=MAIL,
        address="ana@airport.com",
        refused=("", " ", "nobody", "@", "a@b", "a@b.example\r\nBcc: c@d.com", "Ana <ana@airport.com>", "９" * 400),
        arrived=shown,
        shows=TEXT,
    ),
    "sms": Case(
        settings=TWILIO,
        address="+12025550121",
        refused=NO_NUMBERS,
        arrived=shown,
        shows=TEXT,
        abilities=frozenset({"Finds", "Hears", "Hooks"}),
        by_http=True,
    ),
    "voice": Case(
        settings=TWILIO | {"public_url": "https://vorab.example"},
        address="+12025550121",
        refused=NO_NUMBERS,
        arrived=lambda world: [call.to for call in world.calls("+12025550121")],
        shows="+12025550121",
        abilities=frozenset({"Finds", "Hooks", "HangsUp"}),
        by_http=True,
    ),
}


def those(ability: Callable[[Case], bool]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [name for name, case in CHANNELS.items() if ability(case)])


every = those(lambda _case: True)
by_http = those(lambda case: case.by_http)
finding = those(lambda case: "Finds" in case.abilities)
hearing = those(lambda case: "Hears" in case.abilities)
hanging_up = those(lambda case: "HangsUp" in case.abilities)
configured = those(lambda case: bool(case.settings))


class Clock:
    def now(self) -> Instant:
        return T0


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld(Clock(), ACCOUNT, SECRET)


def build(name: str, http: Any) -> Any:
    channel: Any = channels.build([ChannelSettings(name, CHANNELS[name].settings)], http)[name]
    if isinstance(channel, Email) and isinstance(http, PhoneWorld):
        return Email(channel.settings, http, lambda _settings, letter: http.mail(letter))
    return channel


def message(name: str, **changes: Any) -> Notification:
    fields: dict[str, Any] = {
        "id": f"inc.1.ana.{name}",
        "incident": "inc",
        "number": 1,
        "person": "ana",
        "channel": name,
        "purpose": Purpose.REQUEST,
        "address": CHANNELS[name].address,
        "text": f"Door open\n{TEXT}" if name == "email" else TEXT,
        "token": "4821",
        "priority": Priority.HIGH,
        "created_at": T0,
        "expires_at": Instant(T0 + MINUTE),
    }
    return Notification(**fields | changes)


# --- every channel ----------------------------------------------------------------------------------------------------


@every
def test_the_settings_are_the_schema(name: str) -> None:
    """Every field with its sentence; what is unknown is refused."""
    settings: type[BaseModel] = channels.load(name).Settings
    assert all((field.description or "").endswith(".") for field in settings.model_fields.values())
    with pytest.raises(ConfigurationError, match=rf"channels\.{name}\.nope"):
        channels.build([ChannelSettings(name, {**CHANNELS[name].settings, "nope": 1})])


@configured
def test_a_missing_setting_is_named_and_no_secret_is_shown(name: str) -> None:
    secrets: dict[str, object] = {key: value for key, value in CHANNELS[name].settings.items() if value == SECRET}
    with pytest.raises(ConfigurationError) as error:
        channels.build([ChannelSettings(name, secrets)])
    assert f"channels.{name}." in str(error.value)
    assert "planted" not in str(error.value)


@every
def test_a_message_is_handed_over_once(name: str, world: PhoneWorld) -> None:
    receipt = build(name, world).send(message(name))
    assert receipt.state in (Delivery.SENT, Delivery.DELIVERED)
    assert receipt.provider_id
    (arrived,) = CHANNELS[name].arrived(world)
    assert CHANNELS[name].shows in arrived


@every
def test_it_says_what_the_router_must_know(name: str, world: PhoneWorld) -> None:
    channel = build(name, world)
    assert channel.limit >= 100
    assert isinstance(channel.requests_only, bool)
    assert isinstance(channel.shows_pictures, bool)


@every
def test_it_has_the_abilities_of_the_list_whole_and_no_other(name: str, world: PhoneWorld) -> None:
    channel = build(name, world)
    for ability, members in ABILITIES.items():
        has = [hasattr(channel, member) for member in members]
        assert has == [ability in CHANNELS[name].abilities] * len(members), ability


@every
def test_an_address_that_cannot_be_used_is_told_in_words(name: str, world: PhoneWorld) -> None:
    channel = build(name, world)
    assert channel.accepts(CHANNELS[name].address) is None
    for address in CHANNELS[name].refused:
        assert channel.accepts(address), address


@every
@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "<Response>\r\n.\r\n</Response>", "x" * 5000])
def test_any_text_is_handed_over_or_refused_in_words(name: str, world: PhoneWorld, text: str) -> None:
    receipt = build(name, world).send(message(name, text=text))
    assert receipt.state in (Delivery.SENT, Delivery.DELIVERED) or receipt.reason


@configured
def test_the_secret_is_shown_nowhere(name: str, world: PhoneWorld) -> None:
    channel = build(name, world)
    receipt = channel.send(message(name))
    assert "planted" not in f"{channel!r} {channel.settings!r} {receipt!r}"
    assert b"planted" not in pickle.dumps(receipt)


# --- those whose provider is asked by HTTP ----------------------------------------------------------------------------


@by_http
@pytest.mark.parametrize("fault", list(Fault))
def test_whatever_the_provider_answers_is_a_receipt(name: str, world: PhoneWorld, fault: Fault) -> None:
    world.fail(fault)
    receipt = build(name, world).send(message(name))
    assert isinstance(receipt, Receipt)
    if receipt.state in (Delivery.READY, Delivery.FAILED):
        assert CHANNELS[name].arrived(world) == [], "it said that nothing was sent"
    if receipt.state is not Delivery.SENT:
        assert receipt.reason


class Failing:
    """An HTTP client to which this happens."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def request(self, *_: Any, **__: Any) -> HttpResponse:
        raise self.error


@by_http
@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TemporaryFailure("refused", 2), Delivery.READY),
        (OutcomeUnknown("reset"), Delivery.UNKNOWN),
        (ConfigurationError("not https"), Delivery.FAILED),
    ],
)
def test_what_the_client_raises_is_a_receipt(name: str, error: Exception, state: Delivery) -> None:
    assert build(name, Failing(error)).send(message(name)).state is state


# --- those whose provider can be asked, hears, or hangs up ------------------------------------------------------------


@finding
def test_a_message_whose_answer_was_lost_can_be_found(name: str, world: PhoneWorld) -> None:
    channel = build(name, world)
    assert channel.find(message(name), T0) is None
    world.fail(Fault.TIMEOUT_AFTER)
    assert channel.send(message(name)).state is Delivery.UNKNOWN
    found = channel.find(message(name), T0)
    assert found.state in (Delivery.SENT, Delivery.DELIVERED)
    assert channel.status(found.provider_id).provider_id == found.provider_id
    assert channel.find(message(name), T0, {found.provider_id}) is None


@finding
def test_a_provider_that_cannot_be_asked_is_a_temporary_failure(name: str, world: PhoneWorld) -> None:
    world.list_fails = True
    with pytest.raises(TemporaryFailure):
        build(name, world).find(message(name), T0)
    with pytest.raises(TemporaryFailure):
        build(name, Failing(OutcomeUnknown("reset"))).status("x")


@hearing
def test_replies_that_cannot_be_asked_for_are_a_temporary_failure(name: str, world: PhoneWorld) -> None:
    world.list_fails = True
    with pytest.raises(TemporaryFailure):
        build(name, world).replies(Instant(T0 - SECOND))


@hanging_up
def test_what_rings_can_be_silenced_more_than_once(name: str, world: PhoneWorld) -> None:
    channel = build(name, world)
    receipt = channel.send(message(name))
    for _ in range(2):
        channel.hang_up(receipt.provider_id)
    with pytest.raises(TemporaryFailure):
        build(name, Failing(OutcomeUnknown("reset"))).hang_up(receipt.provider_id)


# --- the list ---------------------------------------------------------------------------------------------------------


def test_a_channel_that_does_not_exist_is_a_configuration_error() -> None:
    for name in ("pigeon", "http", "text", "twilio_account", "../sms", "sms.Sms", ""):
        with pytest.raises(ConfigurationError, match="no channel is called"):
            channels.load(name)


def test_the_list_holds_every_channel_of_ours() -> None:
    modules = [import_module(f"notifiers.{module.name}") for module in iter_modules(notifiers.__path__)]
    with_settings = [module.__name__.split(".")[1] for module in modules if hasattr(module, "Settings")]
    assert with_settings == list(CHANNELS)
