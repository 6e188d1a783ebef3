"""Text messages through Twilio: what its answers mean, and what its webhooks may say."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from notifiers.sms import Settings, Sms
from notifiers.twilio_account import ERRORS, masked
from vorab.errors import Malformed, OutcomeUnknown, Refused, TemporaryFailure
from vorab.model import MINUTE, SECOND, Delivery, Instant, Notification, NotificationId, Priority, Purpose
from vorab.ports import HttpResponse
from vorab.testing.phones import Fault, PhoneWorld

PAYLOADS = Path(__file__).parents[4] / "shared" / "payloads" / "twilio_webhooks.jsonl"
T0 = Instant(1_800_000_000_000_000)
ANA, US = "+12025550121", "+12025550100"
SID = "SM" + "0" * 31 + "1"


class Clock:
    def __init__(self) -> None:
        self.at = T0

    def now(self) -> Instant:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at = Instant(self.at + int(seconds * SECOND))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> PhoneWorld:
    return PhoneWorld(clock)


def settings(world: PhoneWorld, **changes: Any) -> Settings:
    return Settings(
        **{
            "account_sid": world.account,
            "auth_token": world.token,
            "sender": US,
            "public_url": "https://vorab.example/hooks",
        }
        | changes
    )


@pytest.fixture
def sms(world: PhoneWorld) -> Sms:
    return Sms(settings(world), world)


def message(text: str = "High: door open. Reply 4821 = I go", number: int = 1, **changes: Any) -> Notification:
    fields: dict[str, Any] = {
        "id": NotificationId(f"inc.{number}.ana.sms"),
        "incident": "inc",
        "number": number,
        "person": "ana",
        "channel": "sms",
        "purpose": Purpose.REQUEST,
        "address": ANA,
        "text": text,
        "token": "4821",
        "priority": Priority.HIGH,
        "created_at": T0,
        "expires_at": Instant(T0 + MINUTE),
    }
    return Notification(**fields | changes)


class Canned:
    """Answers every request with the same, and remembers the last."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.response = HttpResponse(status, body, headers or {})
        self.form: list[tuple[str, str]] = []
        self.url = ""

    def request(self, method: str, url: str, **more: Any) -> HttpResponse:
        self.url, self.form = url, list(more.get("form") or [])
        return self.response


# --- sending ----------------------------------------------------------------------------------------------------------


def test_a_message_reaches_the_handset(sms: Sms, world: PhoneWorld) -> None:
    receipt = sms.send(message())
    assert (receipt.state, receipt.provider_id) == (Delivery.SENT, SID)
    assert [entry.text for entry in world.received(ANA)] == [message().text]


def test_what_is_asked_of_the_provider(world: PhoneWorld) -> None:
    canned = Canned(201, json.dumps({"sid": SID, "status": "queued"}).encode())
    Sms(settings(world), canned).send(message())
    form = dict(canned.form)
    assert canned.url == f"https://api.twilio.com/2010-04-01/Accounts/{world.account}/Messages.json"
    assert (form["To"], form["From"], form["ValidityPeriod"]) == (ANA, US, "60")
    assert form["StatusCallback"].startswith("https://vorab.example/hooks/twilio/status?m=inc.1.ana.sms&k=")
    assert world.token not in str(canned.form)


@pytest.mark.parametrize(
    ("span", "asked"), [(0, "1"), (-MINUTE, "1"), (5 * SECOND, "5"), (1_000_000 * SECOND, "36000")]
)
def test_the_validity_stays_within_what_twilio_takes(world: PhoneWorld, span: int, asked: str) -> None:
    canned = Canned(201, json.dumps({"sid": SID, "status": "queued"}).encode())
    Sms(settings(world), canned).send(message(expires_at=Instant(T0 + span)))
    assert dict(canned.form)["ValidityPeriod"] == asked


def test_without_a_public_url_there_is_no_callback(world: PhoneWorld) -> None:
    canned = Canned(201, json.dumps({"sid": SID, "status": "queued"}).encode())
    Sms(settings(world, public_url=""), canned).send(message())
    assert "StatusCallback" not in dict(canned.form)


@pytest.mark.parametrize(
    ("status", "code", "state", "reason"),
    [
        (400, 21211, Delivery.FAILED, "21211 not a valid number"),
        (400, 21610, Delivery.FAILED, "21610 opted out: this person wrote STOP"),
        (400, 99999, Delivery.FAILED, "HTTP 400 about +120•••21"),
        (401, 20003, Delivery.FAILED, "20003 the account SID or the auth token is wrong"),
        (404, 20404, Delivery.FAILED, "20404 no such account or message"),
        (408, 0, Delivery.UNKNOWN, "HTTP 408 about +120•••21"),
        (425, 0, Delivery.UNKNOWN, "HTTP 425 about +120•••21"),
        (429, 20429, Delivery.READY, "too many requests"),
        (302, 0, Delivery.UNKNOWN, "HTTP 302 about +120•••21"),
        (500, 20500, Delivery.UNKNOWN, "HTTP 500 about +120•••21"),
        (503, 20503, Delivery.UNKNOWN, "HTTP 503 about +120•••21"),
    ],
)
def test_every_refusal_has_its_meaning(world: PhoneWorld, status: int, code: int, state: Delivery, reason: str) -> None:
    body = json.dumps({"code": code, "message": f"about {ANA}", "status": status}).encode()
    receipt = Sms(settings(world), Canned(status, body)).send(message())
    assert (receipt.state, receipt.reason) == (state, reason)


@pytest.mark.parametrize(
    ("told", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("-1", None), ("1e9", None), ("9" * 50, None)]
)
def test_a_provider_that_asks_to_wait_says_how_long(world: PhoneWorld, told: str, seconds: float | None) -> None:
    receipt = Sms(settings(world), Canned(429, b"", {"retry-after": told})).send(message())
    assert (receipt.state, receipt.retry_after_s) == (Delivery.READY, seconds)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"sid": null, "status": "queued"}',
        b'{"sid": "SM1", "status": "queued"}',
        b'{"sid": {"a": 1}, "status": "queued"}',
        b'{"status": "queued"}',
        b'{"sid": "' + SID.encode() + b'", "status": ["queued"]}',
        b'{"sid": "' + SID.encode() + b'", "status": "queued", "date_sent": "Mon, 99 Foo 2026 99:99:99"}',
        b"[" * 50_000,
        b'{"a":' * 20_000,
        b"NaN",
    ],
)
def test_an_answer_that_cannot_be_understood_leaves_the_outcome_unknown(world: PhoneWorld, body: bytes) -> None:
    receipt = Sms(settings(world), Canned(201, body)).send(message())
    assert receipt.state in (Delivery.UNKNOWN, Delivery.SENT)
    assert receipt.state is Delivery.UNKNOWN or receipt.provider_id == SID


def test_a_status_of_a_later_api_is_still_a_message(world: PhoneWorld) -> None:
    canned = Canned(201, json.dumps({"sid": SID, "status": "on-its-way"}).encode())
    assert Sms(settings(world), canned).send(message()).state is Delivery.SENT


@pytest.mark.parametrize("fault", list(Fault))
def test_what_may_have_been_accepted_is_never_called_anything_else(sms: Sms, world: PhoneWorld, fault: Fault) -> None:
    world.fail(fault)
    receipt = sms.send(message())
    shown = len(world.received(ANA))
    match receipt.state:
        case Delivery.SENT:
            assert shown == 1
        case Delivery.READY | Delivery.FAILED:
            assert shown == 0
        case state:
            assert state is Delivery.UNKNOWN


# --- asking -----------------------------------------------------------------------------------------------------------


def test_a_message_whose_answer_was_lost_is_found_by_its_text(sms: Sms, world: PhoneWorld) -> None:
    world.fail(Fault.TIMEOUT_AFTER)
    assert sms.send(message()).state is Delivery.UNKNOWN
    found = sms.find(message(), T0)
    assert found is not None
    assert (found.state, found.provider_id) == (Delivery.DELIVERED, SID)


def test_another_message_with_the_same_code_is_not_mistaken_for_it(sms: Sms) -> None:
    sms.send(message("Thank you. Reply 4821 done", 2))
    assert sms.find(message(), T0) is None


def test_an_older_message_with_the_same_text_is_not_mistaken_for_it(sms: Sms, clock: Clock) -> None:
    sms.send(message())
    clock.advance(120)
    assert sms.find(message(), clock.now()) is None


def test_another_message_with_the_same_text_is_not_mistaken_for_it(sms: Sms, clock: Clock) -> None:
    first = sms.send(message())
    assert sms.find(message(), T0, {first.provider_id}) is None
    clock.advance(20)
    second = sms.send(message())
    found = sms.find(message(), clock.now(), {first.provider_id})
    assert found is not None
    assert found.provider_id == second.provider_id


def test_a_list_over_several_pages_is_read_to_its_end(sms: Sms, clock: Clock) -> None:
    sms.send(message())
    for number in range(90):
        sms.send(message(f"other {number}", number + 2))
    assert sms.find(message(), T0) is not None


def test_a_list_that_lags_or_fails_is_no_proof_of_absence(sms: Sms, world: PhoneWorld) -> None:
    sms.send(message())
    world.list_fails = True
    with pytest.raises(TemporaryFailure):
        sms.find(message(), T0)


@pytest.mark.parametrize("fault", [Fault.HTML, Fault.WRONG_JSON, Fault.HUGE, Fault.TOO_MANY, Fault.RESET_BEFORE])
@pytest.mark.parametrize("question", ["list", "fetch"])
def test_a_question_without_an_answer_may_be_asked_again(
    sms: Sms, world: PhoneWorld, fault: Fault, question: str
) -> None:
    world.fail(fault, on=question)
    with pytest.raises(TemporaryFailure):
        sms.find(message(), T0) if question == "list" else sms.status(SID)


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (("delivered", None), Delivery.DELIVERED, ""),
        (("undelivered", 30003), Delivery.FAILED, "30003 the phone is switched off or out of reach"),
        (("failed", 30034), Delivery.FAILED, "30034 the sender is not registered with the carriers"),
        (("failed", 39999), Delivery.FAILED, "error 39999"),
        (("failed", None), Delivery.FAILED, "undelivered"),
    ],
)
def test_what_became_of_a_message(
    sms: Sms, world: PhoneWorld, outcome: tuple[str, int | None], state: Delivery, reason: str
) -> None:
    world.outcomes[ANA] = outcome
    receipt = sms.status(sms.send(message()).provider_id)
    assert (receipt.state, receipt.reason) == (state, reason)


def test_no_reply_is_lost_among_many(sms: Sms, world: PhoneWorld, clock: Clock) -> None:
    sms.send(message())
    for number in range(250):
        world.write(ANA, str(number))
    assert {one.text for one in sms.replies(T0)} == {str(number) for number in range(250)}


def test_replies_are_heard_by_asking(sms: Sms, world: PhoneWorld, clock: Clock) -> None:
    sms.send(message())
    clock.advance(3600)
    world.write(ANA, "4821")
    (heard,) = sms.replies(clock.now())
    assert (heard.sender, heard.text, heard.channel, heard.at) == (ANA, "4821", "sms", clock.now())
    clock.advance(3600)
    assert sms.replies(clock.now()) == []


# --- addresses and settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["+12025550121", "+33612345678", "+4915112345678"])
def test_a_mobile_is_accepted(sms: Sms, address: str) -> None:
    assert sms.accepts(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "not an E.164"),
        ("112", "not an E.164"),
        ("+112", "not an E.164"),
        ("0612345678", "not an E.164"),
        ("+33 6 12 34 56 78", "not an E.164"),
        ("+336１2345678", "not an E.164"),
        ("whatsapp:+33612345678", "not an E.164"),
        ("ana@example.org", "not an E.164"),
        ("+33612", "not an E.164"),
        ("+999612345678", "in no country"),
        ("+33012345678", "no such number"),
        ("+33899123456", "not the number of a mobile"),  # premium rate
        ("+33123456789", "not the number of a mobile"),  # a landline
    ],
)
def test_what_cannot_get_a_text_message(sms: Sms, address: str, reason: str) -> None:
    assert reason in (sms.accepts(address) or "")


def test_numbers_kept_for_fiction_are_good_for_a_demo_only(world: PhoneWorld, sms: Sms) -> None:
    assert sms.accepts("+33639980001") == "no such number can exist"
    assert Sms(settings(world, allow_private=True), world).accepts("+33639980001") is None


def test_only_the_countries_of_the_settings(world: PhoneWorld) -> None:
    french = Sms(settings(world, countries=["FR"]), world)
    assert french.accepts("+33612345678") is None
    assert "DE" in (french.accepts("+4915112345678") or "")


@given(st.text())
def test_any_address_is_judged_without_a_fault(address: str) -> None:
    world = PhoneWorld(Clock())
    assert Sms(settings(world), world).accepts(address)


def test_the_token_is_shown_nowhere(world: PhoneWorld, sms: Sms) -> None:
    shown = f"{sms.settings!r} {sms.settings.model_dump()} {sms.settings.model_dump_json()} {vars(sms.settings)}"
    assert world.token not in shown


@pytest.mark.parametrize(
    "wrong",
    [
        {"account_sid": "AC1"},
        {"auth_token": ""},
        {"sender": "0612345678"},
        {"base_url": "ftp://x"},
        {"base_url": "https://x/y?z"},
        {"public_url": "https://x/"},
        {"public_url": "x"},
        {"nope": 1},
    ],
)
def test_wrong_settings_are_refused(world: PhoneWorld, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(world, **wrong)


def test_every_setting_has_its_sentence() -> None:
    assert all(field.description and field.description.endswith(".") for field in Settings.model_fields.values())


def test_numbers_are_masked() -> None:
    assert masked("to +33612345678 failed") == "to +336•••78 failed"
    assert masked("code 4821") == "code 4821"
    assert all(text.isprintable() for text in ERRORS.values())


# --- webhooks ---------------------------------------------------------------------------------------------------------

HOOKS = "https://vorab.example/hooks"


def sign(url: str, form: list[tuple[str, str]], token: str) -> str:
    """As Twilio's own SDK does it."""
    signature: str = RequestValidator(token).compute_signature(url, dict(form))
    return signature


def nobody(_notification: str) -> None:
    """No message is known."""


def inbound(**changes: str) -> list[tuple[str, str]]:
    world = PhoneWorld(Clock())
    fields = {"MessageSid": SID, "AccountSid": world.account, "From": ANA, "To": US, "Body": "4821", "NumMedia": "0"}
    return list((fields | changes).items())


def deliver(sms: Sms, form: list[tuple[str, str]], path: str = "/twilio/sms", query: str = "") -> Any:
    url = f"{path}?{query}" if query else path
    token = sms.settings.auth_token.get_secret_value()
    return sms.webhook(path, f"http://inside:8080{url}", form, sign(f"{HOOKS}{url}", form, token), nobody).items


def test_a_signed_reply_becomes_a_row_of_the_inbox(sms: Sms) -> None:
    (item,) = deliver(sms, inbound(Body=" 4821\u200b no\n"))
    assert (item.id, item.kind) == (SID, "reply")
    assert item.body == {"channel": "sms", "sender": ANA, "to": US, "text": "4821  no"}


def test_a_repeated_webhook_has_the_same_id(sms: Sms) -> None:
    assert deliver(sms, inbound()) == deliver(sms, inbound())


def test_a_status_callback_brings_our_id_and_the_providers_together(sms: Sms, world: PhoneWorld) -> None:
    told: list[Any] = []
    world.post = lambda url, form, signature: told.append((url, form, signature))
    sms.send(message())
    world.tick()
    items = [
        sms.webhook(urlsplit(url).path.removeprefix("/hooks"), url, form, signature, nobody).items[0]
        for url, form, signature in told
    ]
    assert [item.id for item in items] == [f"{SID}/sent", f"{SID}/sent", f"{SID}/delivered"]
    assert items[-1].body["notification"] == message().id
    assert items[-1].body["provider_id"] == SID


@pytest.mark.parametrize("signature", ["", "invalidsig", "é", "=" * 10_000])
def test_a_forged_signature_is_refused(sms: Sms, signature: str) -> None:
    with pytest.raises(Refused):
        sms.webhook("/twilio/sms", f"{HOOKS}/twilio/sms", inbound(), signature, nobody)


def test_a_signature_of_another_text_or_place_is_refused(sms: Sms) -> None:
    token = sms.settings.auth_token.get_secret_value()
    good = sign(f"{HOOKS}/twilio/sms", inbound(), token)
    for path, form in (("/twilio/sms", inbound(Body="4821 no")), ("/twilio/status", inbound())):
        with pytest.raises(Refused):
            sms.webhook(path, f"{HOOKS}{path}", form, good, nobody)
    with pytest.raises(Refused):
        sms.webhook("/twilio/sms", f"{HOOKS}/twilio/sms?x=1", inbound(), good, nobody)


def test_the_host_of_the_request_does_not_count(sms: Sms) -> None:
    token = sms.settings.auth_token.get_secret_value()
    evil = "https://evil.example/hooks/twilio/sms"
    with pytest.raises(Refused):
        sms.webhook("/twilio/sms", evil, inbound(), sign(evil, inbound(), token), nobody)


def test_both_tokens_hold_while_one_is_being_replaced(world: PhoneWorld) -> None:
    sms = Sms(settings(world, auth_token="the new one", previous_auth_token=world.token), world)
    url = f"{HOOKS}/twilio/sms"
    for token in ("the new one", world.token):
        assert sms.webhook("/twilio/sms", url, inbound(), sign(url, inbound(), token), nobody).items


@pytest.mark.parametrize(
    "changes",
    [
        {"MessageSid": ""},
        {"MessageSid": "SM1"},
        {"MessageSid": "CA" + "0" * 32},
        {"MessageSid": SID + "\n"},
        {"AccountSid": "AC" + "9" * 32},
        {"From": "anonymous"},
        {"From": "whatsapp:+12025550121"},
        {"From": "+1202555012١"},
        {"To": "+12025550199"},
        {"To": ""},
        {"Body": "x" * 5000},
    ],
)
def test_a_signed_reply_in_the_wrong_form_is_malformed(sms: Sms, changes: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        deliver(sms, inbound(**changes))


def test_a_missing_or_repeated_field_and_too_many_of_them_are_malformed(sms: Sms) -> None:
    for form in ([], [("MessageSid", SID)], inbound() + [(f"x{n}", "") for n in range(200)]):
        with pytest.raises(Malformed):
            deliver(sms, form)
    doubled = [*inbound(), ("Body", "4821 no")]
    signature = PhoneWorld(Clock()).signature(f"{HOOKS}/twilio/sms", doubled)
    with pytest.raises(Malformed, match="twice"):
        sms.webhook("/twilio/sms", f"{HOOKS}/twilio/sms", doubled, signature, nobody)


@pytest.mark.parametrize(
    "query", ["", "m=other&k=1", "m=inc.1.ana.sms&k=" + "0" * 32, f"k={quote('ü')}&m={quote('ü')}"]
)
def test_a_report_for_a_message_that_is_not_ours_is_refused(sms: Sms, query: str) -> None:
    with pytest.raises(Refused):
        deliver(sms, [("MessageSid", SID), ("MessageStatus", "delivered")], "/twilio/status", query)


def test_bytes_that_are_no_text_cannot_break_the_check(sms: Sms) -> None:
    with pytest.raises(Refused):
        sms.webhook("/twilio/sms", "http://x/\ud800?m=\ud800", [("\ud800", "\udfff")], "\ud800", nobody)


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=50)), max_size=20), st.text(max_size=50))
def test_no_form_passes_without_the_token(form: list[tuple[str, str]], signature: str) -> None:
    world = PhoneWorld(Clock())
    with pytest.raises(Refused):
        Sms(settings(world), world).webhook("/twilio/sms", f"{HOOKS}/twilio/sms", form, signature, nobody)


# --- recorded webhooks ------------------------------------------------------------------------------------------------


def recorded(*kinds: str) -> list[Any]:
    if not PAYLOADS.exists():
        return []
    records = map(json.loads, PAYLOADS.read_text("utf-8").splitlines())
    return [pytest.param(record, id=record["id"]) for record in records if record["kind"] in kinds]


def hearing(record: dict[str, Any]) -> tuple[Sms, list[tuple[str, str]], str]:
    """The channel of the account that this record was sent to."""
    form = [(name, value) for name, value in parse_qsl(record["body"], keep_blank_values=True)]
    fields = dict(form)
    world = PhoneWorld(Clock(), fields.get("AccountSid", "AC" + "0" * 31 + "1"))
    sender = fields.get("To", "").removeprefix("whatsapp:") or US
    return Sms(settings(world, sender=sender, public_url="https://example.com"), world), form, world.token


@pytest.mark.parametrize("record", recorded("inbound_sms", "inbound_sms_media", "inbound_sms_base64"))
def test_recorded_replies_are_understood(record: dict[str, Any]) -> None:
    sms, form, token = hearing(record)
    (item,) = sms.webhook("/twilio/webhook", record["url"], form, sign(record["url"], form, token), nobody).items
    assert item.body["text"] == record["expect"]["body"]
    assert item.body["sender"] == record["expect"].get("from", item.body["sender"])
    assert item.id == record["expect"].get("message_sid", item.id)


@pytest.mark.parametrize("record", recorded("inbound_whatsapp"))
def test_a_recorded_message_of_another_channel_is_malformed(record: dict[str, Any]) -> None:
    sms, form, token = hearing(record)
    with pytest.raises(Malformed):
        sms.webhook("/twilio/webhook", record["url"], form, sign(record["url"], form, token), nobody)


@pytest.mark.parametrize("record", recorded("message_status"))
def test_recorded_reports_are_understood_or_malformed(record: dict[str, Any]) -> None:
    sms, form, token = hearing(record)
    sent = Canned(201, json.dumps({"sid": SID, "status": "queued"}).encode())
    Sms(sms.settings, sent).send(message())
    query = urlsplit(dict(sent.form)["StatusCallback"]).query
    signature = sign(f"https://example.com/twilio/status?{query}", form, token)
    if "error" in record["expect"]:
        with pytest.raises(Malformed):
            sms.webhook("/twilio/status", f"/twilio/status?{query}", form, signature, nobody)
        return
    (item,) = sms.webhook("/twilio/status", f"/twilio/status?{query}", form, signature, nobody).items
    final = item.body["state"] in ("delivered", "failed")
    assert final is record["expect"]["final"]
    assert str(record["expect"].get("error_code", "")) in item.body["reason"]


FORMS = [one for one in recorded("signature_vector") if one.values[0]["params"]]  # text messages never come as JSON


@pytest.mark.parametrize("record", FORMS)
def test_recorded_signatures(record: dict[str, Any]) -> None:
    """A right signature passes the check and is then judged by its fields; a wrong one is refused."""
    parts = urlsplit(record["url"])
    world = PhoneWorld(Clock())
    sms = Sms(settings(world, auth_token=record["auth_token"], public_url=f"{parts.scheme}://{parts.netloc}"), world)
    form = [(name, value) for name, value in record["params"]]
    with pytest.raises(Malformed if record["expect"]["valid"] else Refused):
        sms.webhook(parts.path, record["url"], form, record["headers"]["X-Twilio-Signature"], nobody)


def test_the_recorded_webhooks_are_there() -> None:
    if not PAYLOADS.exists():
        pytest.skip("the recorded webhooks stand beside the project, in ../shared/payloads")
    assert len(recorded("signature_vector")) >= 8


def test_what_a_client_raises_never_leaves_the_channel(world: PhoneWorld) -> None:
    class Failing:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def request(self, method: str, url: str, **more: Any) -> HttpResponse:
            raise self.error

    for error, state in (
        (TemporaryFailure("refused", 3.0), Delivery.READY),
        (OutcomeUnknown("reset"), Delivery.UNKNOWN),
        (RuntimeError("a fault of ours"), Delivery.UNKNOWN),
    ):
        sms = Sms(settings(world), Failing(error))
        assert sms.send(message()).state is state
        with pytest.raises(TemporaryFailure):
            sms.find(message(), T0)
