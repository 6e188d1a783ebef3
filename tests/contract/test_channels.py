"""What every channel must keep.  A new channel is finished when its name is in the list and this passes."""

import pickle
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from pydantic import BaseModel

import notifiers
from notifiers import channels
from vorab.errors import ConfigurationError, OutcomeUnknown, TemporaryFailure
from vorab.model import MINUTE, SECOND, Delivery, Instant, Notification, Priority, Purpose, Receipt
from vorab.ports import HttpResponse
from vorab.site import ChannelSettings
from vorab.testing.phones import Fault, PhoneWorld

T0 = Instant(1_800_000_000_000_000)
ACCOUNT = "AC" + "0" * 31 + "1"

#: Name → settings that work with the provider of `world`, and an address.
CHANNELS: dict[str, tuple[dict[str, object], str]] = {
    "sms": ({"account_sid": ACCOUNT, "auth_token": "a planted token", "sender": "+12025550100"}, "+12025550121"),
}
names = pytest.mark.parametrize("name", CHANNELS)


class Clock:
    def now(self) -> Instant:
        return T0


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld(Clock(), ACCOUNT, "a planted token")


def build(name: str, http: Any) -> Any:
    return channels.build([ChannelSettings(name, CHANNELS[name][0])], http)[name]


def message(name: str, **changes: Any) -> Notification:
    fields: dict[str, Any] = {
        "id": f"inc.1.ana.{name}",
        "incident": "inc",
        "number": 1,
        "person": "ana",
        "channel": name,
        "purpose": Purpose.REQUEST,
        "address": CHANNELS[name][1],
        "text": "High: door open 30 s. Reply 4821 = I go, 4821 no = cannot.",
        "token": "4821",
        "priority": Priority.HIGH,
        "created_at": T0,
        "expires_at": Instant(T0 + MINUTE),
    }
    return Notification(**fields | changes)


@names
def test_the_settings_are_the_schema(name: str) -> None:
    """Every field with its sentence; what is unknown is refused."""
    settings: type[BaseModel] = channels.load(name).Settings
    assert all((field.description or "").endswith(".") for field in settings.model_fields.values())
    with pytest.raises(ConfigurationError, match=rf"channels\.{name}\.nope"):
        channels.build([ChannelSettings(name, {**CHANNELS[name][0], "nope": 1})])


@names
def test_a_missing_setting_is_named_and_no_secret_is_shown(name: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        channels.build([ChannelSettings(name, {"auth_token": "a planted token"})])
    assert f"channels.{name}." in str(error.value)
    assert "planted" not in str(error.value)


@names
def test_a_message_is_handed_over_once(name: str, world: PhoneWorld) -> None:
    receipt = build(name, world).send(message(name))
    assert receipt.state is Delivery.SENT
    assert receipt.provider_id
    assert [entry.text for entry in world.ledger] == [message(name).text]


@names
def test_the_limit_is_a_number_of_characters(name: str, world: PhoneWorld) -> None:
    assert build(name, world).limit >= 100


@names
@pytest.mark.parametrize("address", ["", " ", "nobody", "+1", "\x00", "+12025550121; drop", "９" * 400])
def test_an_address_that_cannot_be_used_is_told_in_words(name: str, world: PhoneWorld, address: str) -> None:
    channel = build(name, world)
    assert channel.accepts(CHANNELS[name][1]) is None
    assert channel.accepts(address)


@names
@pytest.mark.parametrize("fault", list(Fault))
def test_whatever_the_provider_answers_is_a_receipt(name: str, world: PhoneWorld, fault: Fault) -> None:
    world.fail(fault)
    receipt = build(name, world).send(message(name))
    assert isinstance(receipt, Receipt)
    if receipt.state in (Delivery.READY, Delivery.FAILED):
        assert world.ledger == [], "it said that nothing was sent"
    if receipt.state is not Delivery.SENT:
        assert receipt.reason


@names
@pytest.mark.parametrize(
    ("error", "state"),
    [(TemporaryFailure("refused", 2), Delivery.READY), (OutcomeUnknown("reset"), Delivery.UNKNOWN)],
)
def test_what_the_client_raises_is_a_receipt(name: str, error: Exception, state: Delivery) -> None:
    class Failing:
        def request(self, *_: Any, **__: Any) -> HttpResponse:
            raise error

    assert build(name, Failing()).send(message(name)).state is state


@names
def test_a_message_whose_answer_was_lost_can_be_found(name: str, world: PhoneWorld) -> None:
    channel = build(name, world)
    if not hasattr(channel, "find"):
        pytest.skip("this provider cannot be asked")
    assert channel.find(message(name), T0) is None
    world.fail(Fault.TIMEOUT_AFTER)
    assert channel.send(message(name)).state is Delivery.UNKNOWN
    found = channel.find(message(name), T0)
    assert found.state in (Delivery.SENT, Delivery.DELIVERED)
    assert channel.status(found.provider_id).provider_id == found.provider_id


@names
def test_a_provider_that_cannot_be_asked_is_a_temporary_failure(name: str, world: PhoneWorld) -> None:
    channel = build(name, world)
    if not hasattr(channel, "find"):
        pytest.skip("this provider cannot be asked")
    world.list_fails = True
    with pytest.raises(TemporaryFailure):
        channel.find(message(name), T0)
    with pytest.raises(TemporaryFailure):
        channel.replies(Instant(T0 - SECOND))


@names
def test_the_secret_is_shown_nowhere(name: str, world: PhoneWorld) -> None:
    channel = build(name, world)
    receipt = channel.send(message(name))
    assert "planted" not in f"{channel!r} {channel.settings!r} {receipt!r}"
    assert b"planted" not in pickle.dumps(receipt)


def test_a_channel_that_does_not_exist_is_a_configuration_error() -> None:
    for name in ("pigeon", "http", "text", "../sms", "sms.Sms", ""):
        with pytest.raises(ConfigurationError, match="no channel is called"):
            channels.load(name)


def test_the_list_holds_every_channel_of_ours() -> None:
    modules = [import_module(f"notifiers.{module.name}") for module in iter_modules(notifiers.__path__)]
    with_settings = [module.__name__.split(".")[1] for module in modules if hasattr(module, "Settings")]
    assert with_settings == list(CHANNELS)
