"""Twilio's own description judges what we ask, and refuses what is wrong."""

from typing import Any
from urllib.parse import quote

import pytest

from notifiers import sms, voice
from tests.twilio_spec import Description, Judged, description, faults
from vorab.model import MINUTE, SECOND, Delivery, Instant, Notification, NotificationId, Priority, Purpose
from vorab.testing.phones import PhoneWorld

T0 = Instant(1_800_000_000_000_000)
ANA, US = "+12025550121", "+12025550100"
ACCOUNT = "https://api.twilio.com/2010-04-01/Accounts/AC" + "0" * 31 + "1"
MESSAGE = {"To": ANA, "From": US, "Body": "Door open"}
CALL = {"To": ANA, "From": US, "Url": "https://vorab.example/twilio/voice?m=1&k=2", "Timeout": "25"}
AMD = {"MachineDetection": "Enable", "AsyncAmd": "true", "AsyncAmdStatusCallback": "https://vorab.example/x"}


@pytest.fixture(scope="module")
def described() -> Description:
    return description()


class Clock:
    def now(self) -> Instant:
        return T0


def message(channel: str) -> Notification:
    fields: dict[str, Any] = {"incident": "inc", "number": 1, "person": "ana", "channel": channel, "token": "4821"}
    fields |= {"purpose": Purpose.REQUEST, "priority": Priority.HIGH, "created_at": T0}
    fields |= {"expires_at": Instant(T0 + MINUTE), "id": NotificationId(f"inc.1.ana.{channel}")}
    return Notification(**fields, address=ANA, text="Door open.\n<&> Ça va ? 28,1 °C")


@pytest.mark.parametrize("public_url", ["", "https://vorab.example/hooks"])
def test_every_request_of_ours_is_as_described(described: Description, public_url: str) -> None:
    world = PhoneWorld(Clock())
    judged = Judged(world, described)
    given = {"account_sid": world.account, "auth_token": world.token, "sender": US, "public_url": public_url}
    texts = sms.Sms(sms.Settings.model_validate(given), judged)
    assert texts.status(texts.send(message("sms")).provider_id).state is Delivery.DELIVERED
    assert texts.find(message("sms"), T0)
    texts.replies(Instant(T0 - SECOND))
    kinds = ["POST Messages.json", "GET Messages.json", f"GET Messages/SM{1:032x}.json"]
    if public_url:
        calls = voice.Voice(voice.Settings.model_validate(given), judged)
        sid = calls.send(message("voice")).provider_id
        assert calls.find(message("voice"), T0)
        assert calls.status(sid).state is Delivery.SENT
        calls.hang_up(sid)
        kinds += ["POST Calls.json", "GET Calls.json", f"GET Calls/{sid}.json", f"POST Calls/{sid}.json"]
    assert sorted(set(judged.asked)) == sorted(kinds)


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("POST", "Messages.json", MESSAGE),
        ("POST", "Messages.json", MESSAGE | {"ValidityPeriod": "60", "StatusCallback": "https://x.example/?a=1"}),
        ("POST", "Messages.json", {"To": ANA, "MessagingServiceSid": "MG" + "0" * 32, "MediaUrl": "https://x.example"}),
        ("POST", "Calls.json", CALL | AMD),
        ("POST", "Calls.json", {"To": ANA, "From": US, "Twiml": "<Response/>"}),
        ("POST", f"Calls/CA{'0' * 32}.json", {"Status": "completed"}),
        ("GET", f"Calls.json?To={quote(ANA)}&Status=in-progress&StartTime%3E=2026-11-24T20:00:00Z&PageSize=40", None),
        ("GET", f"Messages/MM{'0' * 32}.json", None),
    ],
)
def test_what_is_right_passes(described: Description, method: str, path: str, form: dict[str, str] | None) -> None:
    assert faults(described, method, f"{ACCOUNT}/{path}", list(form.items()) if form else None) == []


WRONG: list[tuple[str, str, dict[str, str], str]] = [
    ("POST", "Messages.json", {"From": US, "Body": "x"}, "To is missing"),
    ("POST", "Messages.json", {"To": ANA, "Body": "x"}, "without From"),
    ("POST", "Messages.json", {"To": ANA, "From": US}, "without Body"),
    ("POST", "Messages.json", MESSAGE | {"Text": "x"}, "no field Text"),
    ("POST", "Messages.json", MESSAGE | {"to": ANA}, "no field to"),
    ("POST", "Messages.json", MESSAGE | {"To": "0612345678"}, "To is"),
    ("POST", "Messages.json", MESSAGE | {"ValidityPeriod": "soon"}, "ValidityPeriod is"),
    ("POST", "Messages.json", MESSAGE | {"ValidityPeriod": "36001"}, "ValidityPeriod is"),
    ("POST", "Messages.json", MESSAGE | {"StatusCallback": "/twilio/status"}, "StatusCallback is"),
    ("POST", "Messages.json", MESSAGE | {"ForceDelivery": "True"}, "ForceDelivery is"),
    ("POST", "Messages.json", MESSAGE | {"RiskCheck": "maybe"}, "RiskCheck is"),
    ("POST", "Messages.json", MESSAGE | {"MessagingServiceSid": "MG1"}, "MessagingServiceSid is"),
    ("POST", "Calls.json", {"To": ANA, "Url": "https://x.example"}, "From is missing"),
    ("POST", "Calls.json", {"To": ANA, "From": US}, "none or several"),
    ("POST", "Calls.json", CALL | {"Twiml": "<Response/>"}, "none or several"),
    ("POST", "Calls.json", CALL | {"Url": "vorab.example/twilio"}, "Url is"),
    ("POST", "Calls.json", CALL | {"Timeout": "25.0"}, "Timeout is"),
    ("POST", "Calls.json", CALL | {"Timeout": "3"}, "Timeout is"),
    ("POST", "Calls.json", CALL | {"StatusCallbackMethod": "BREW"}, "StatusCallbackMethod is"),
    (
        "POST",
        "Calls.json",
        CALL | {"StatusCallbackEvent": "done", "StatusCallback": CALL["Url"]},
        "StatusCallbackEvent",
    ),
    ("POST", "Calls.json", CALL | {"StatusCallbackEvent": "ringing"}, "without StatusCallback"),
    ("POST", "Calls.json", CALL | {"MachineDetection": "true"}, "MachineDetection is"),
    ("POST", "Calls.json", CALL | {"AsyncAmd": "true"}, "without MachineDetection"),
    ("POST", "Calls.json", CALL | AMD | {"AsyncAmd": "True"}, "AsyncAmd is"),
    ("POST", "Calls.json", CALL | {"Body": "x"}, "no field Body"),
    ("POST", f"Calls/CA{'0' * 32}.json", {"Status": "hung-up"}, "Status is"),
    ("POST", f"Calls/CA{'0' * 32}.json", {}, "an update of nothing"),
    ("POST", f"Calls/SM{'0' * 32}.json", {"Status": "completed"}, "Sid is"),
    ("GET", "Messages/XX1.json", {}, "Sid is"),
    ("GET", "Messages.json?PageSize=1001", {}, "PageSize is"),
    ("GET", "Messages.json?Number=1", {}, "no field Number"),
    ("GET", "Messages.json?DateSent%3E=yesterday", {}, "DateSent> is"),
    ("GET", "Calls.json?Status=over", {}, "Status is"),
    ("GET", "Calls.json", {"Status": "completed"}, "none is read"),
    ("PUT", "Calls.json", CALL, "PUT is not to be had"),
    ("POST", "Faxes.json", CALL, "there is no"),
]


@pytest.mark.parametrize(("method", "path", "form", "fault"), WRONG)
def test_what_is_wrong_is_refused(
    described: Description, method: str, path: str, form: dict[str, str], fault: str
) -> None:
    found = faults(described, method, f"{ACCOUNT}/{path}", list(form.items()))
    assert [one for one in found if fault in one], found


def test_a_field_twice_and_a_wrong_account_are_refused(described: Description) -> None:
    doubled = [*MESSAGE.items(), ("Body", "again")]
    assert faults(described, "POST", f"{ACCOUNT}/Messages.json", doubled) == ["Body more than once"]
    elsewhere = "https://api.twilio.com/2010-04-01/Accounts/me/Messages.json"
    assert faults(described, "POST", elsewhere, list(MESSAGE.items())) == ["AccountSid is 'me'"]


def test_a_repeated_field_may_be_repeated(described: Description) -> None:
    events = [("StatusCallbackEvent", "ringing"), ("StatusCallbackEvent", "completed")]
    form = [*CALL.items(), ("StatusCallback", "https://x.example"), *events]
    assert faults(described, "POST", f"{ACCOUNT}/Calls.json", form) == []
