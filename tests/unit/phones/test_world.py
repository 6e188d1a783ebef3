"""The phone world behaves like the provider: its own OpenAPI file is the judge where it is at hand."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from vorab.errors import OutcomeUnknown, TemporaryFailure
from vorab.model import MINUTE, SECOND, Instant, Span
from vorab.ports import HttpResponse
from vorab.testing.phones import Fault, Phones, PhoneWorld
from vorab.testing.phones.world import Reports

SPEC = Path(__file__).parents[4] / "shared" / "specs" / "twilio_api_v2010.json"
T0 = Instant(1_800_000_000_000_000)
ANA, BEN, US = "+12025550121", "+12025550122", "+12025550100"
LOGIN = ("AC" + "0" * 31 + "1", "token")
API = f"https://api.twilio.com/2010-04-01/Accounts/{LOGIN[0]}/Messages"


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
def told() -> list[tuple[str, dict[str, str], str]]:
    return []


@pytest.fixture
def world(clock: Clock, told: list[Any]) -> PhoneWorld:
    def post(url: str, form: Any, signature: str) -> HttpResponse:
        told.append((url, dict(form), signature))
        return HttpResponse(200, b"")

    return PhoneWorld(clock, *LOGIN, webhook="https://vorab.example/twilio/sms", post=post)


def create(world: PhoneWorld, to: str = ANA, body: str = "hello", **more: str) -> HttpResponse:
    form = {"To": to, "From": US, "Body": body} | more
    return world.request("POST", f"{API}.json", form=list(form.items()), auth=LOGIN)


def shown(answer: HttpResponse) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(answer.body)
    return told


def listed(world: PhoneWorld, query: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = shown(world.request("GET", f"{API}.json?{query}", auth=LOGIN))["messages"]
    return messages


# --- the API ----------------------------------------------------------------------------------------------------------


def test_a_message_is_accepted_then_shown_on_the_handset(world: PhoneWorld) -> None:
    answer = create(world)
    assert (answer.status, shown(answer)["status"]) == (201, "queued")
    assert [entry.text for entry in world.received(ANA)] == ["hello"]
    assert shown(world.request("GET", f"{API}/{shown(answer)['sid']}.json", auth=LOGIN))["status"] == "delivered"


def test_a_message_looks_as_the_openapi_file_says(world: PhoneWorld) -> None:
    if not SPEC.exists():
        pytest.skip("Twilio's OpenAPI file stands beside the project, in ../shared/specs")
    schema = json.loads(SPEC.read_text())["components"]["schemas"]["api.v2010.account.message"]["properties"]
    message = shown(create(world))
    assert set(message) == set(schema)
    for name, value in message.items():
        if "pattern" in schema[name] and value is not None:
            assert re.fullmatch(schema[name]["pattern"], value), name


@pytest.mark.parametrize("auth", [None, (LOGIN[0], "wrong"), ("AC" + "9" * 32, LOGIN[1]), ("", "")])
def test_another_login_is_refused(world: PhoneWorld, auth: tuple[str, str] | None) -> None:
    answer = world.request("POST", f"{API}.json", form=[("To", ANA)], auth=auth)
    assert (answer.status, shown(answer)["code"]) == (401, 20003)
    assert not world.ledger


@pytest.mark.parametrize(
    ("form", "code"),
    [({"To": ""}, 21604), ({"From": ""}, 21603), ({"Body": ""}, 21602), ({"To": "112"}, 21211), ({"To": "+x"}, 21211)],
)
def test_a_wrong_request_is_answered_with_its_code(world: PhoneWorld, form: dict[str, str], code: int) -> None:
    fields = {"To": ANA, "From": US, "Body": "hello"} | form
    answer = world.request("POST", f"{API}.json", form=list(fields.items()), auth=LOGIN)
    assert (answer.status, shown(answer)["code"]) == (400, code)


def test_the_list_is_filtered_and_comes_in_pages_newest_first(world: PhoneWorld, clock: Clock) -> None:
    for number in range(5):
        create(world, body=f"to ana {number}")
        create(world, BEN, "to ben")
        clock.advance(1)
    world.write(ANA, "4821")
    assert [m["body"] for m in listed(world, "To=%2B12025550121&PageSize=2")] == ["to ana 4", "to ana 3"]
    assert [m["body"] for m in listed(world, "To=%2B12025550121&PageSize=2&Page=2")] == ["to ana 0"]
    assert [m["body"] for m in listed(world, f"To=%2B{US[1:]}")] == ["4821"]
    assert len(listed(world, "DateSent%3E=2027-01-15T08:00:03Z")) == 5
    assert listed(world, "To=%2B19999999999") == []


def test_the_list_may_lag(world: PhoneWorld, clock: Clock) -> None:
    world.list_lag = Span(5 * SECOND)
    create(world)
    assert listed(world, "") == []
    clock.advance(5)
    assert len(listed(world, "")) == 1


def test_a_message_that_waits_longer_than_its_validity_is_not_delivered(world: PhoneWorld, clock: Clock) -> None:
    world.paced = True
    sids = [shown(create(world, body="x" * 160, ValidityPeriod="2"))["sid"] for _ in range(5)]
    clock.advance(60)
    world.tick()
    ends = [shown(world.request("GET", f"{API}/{sid}.json", auth=LOGIN)) for sid in sids]
    assert [end["status"] for end in ends] == ["delivered"] * 3 + ["failed"] * 2
    assert ends[-1]["error_code"] == 30036


def test_a_paced_sender_sends_one_segment_a_second(world: PhoneWorld, clock: Clock) -> None:
    world.paced = True
    create(world, body="x" * 161)
    create(world, BEN)
    assert (len(world.received(ANA)), len(world.received(BEN))) == (1, 0)
    clock.advance(2)
    world.tick()
    assert len(world.received(BEN)) == 1


def test_stop_is_obeyed_until_start(world: PhoneWorld) -> None:
    create(world)
    world.write(ANA, "Stop ")
    assert shown(create(world))["code"] == 21610
    world.write(ANA, "START")
    assert create(world).status == 201


# --- webhooks ---------------------------------------------------------------------------------------------------------


def statuses(told: list[Any]) -> list[str]:
    return [form["MessageStatus"] for _, form, _ in told]


def test_reports_are_signed_and_in_order(world: PhoneWorld, told: list[Any]) -> None:
    create(world, StatusCallback="https://vorab.example/twilio/status?m=1&k=2")
    assert told == [], "a report comes after the answer"
    world.tick()
    assert statuses(told) == ["queued", "sent", "delivered"]
    url, form, signature = told[0]
    assert url == "https://vorab.example/twilio/status?m=1&k=2"
    assert signature == world.signature(url, list(form.items()))


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        (Reports.LOST, []),
        (Reports.TWICE, ["queued", "queued", "sent", "sent", "delivered", "delivered"]),
        (Reports.REORDERED, ["delivered", "sent", "queued"]),
    ],
)
def test_reports_may_be_lost_doubled_or_reordered(
    world: PhoneWorld, told: list[Any], reports: Reports, expected: list[str]
) -> None:
    world.reports = reports
    create(world, StatusCallback="https://vorab.example/twilio/status")
    world.tick()
    assert statuses(told) == expected


def test_a_report_comes_when_its_time_has_come(world: PhoneWorld, told: list[Any], clock: Clock) -> None:
    world.delay = Span(MINUTE)
    create(world, StatusCallback="https://vorab.example/twilio/status")
    world.tick()
    assert statuses(told) == ["queued", "sent"]
    assert not world.received(ANA)
    clock.advance(60)
    world.tick()
    assert statuses(told)[-1] == "delivered"


def test_what_a_person_writes_is_told_and_kept(world: PhoneWorld, told: list[Any]) -> None:
    create(world)
    sid = world.write(ANA, "4821")
    world.tick()
    ((url, form, _),) = told
    assert url == "https://vorab.example/twilio/sms"
    assert (form["From"], form["To"], form["Body"], form["MessageSid"]) == (ANA, US, "4821", sid)
    world.post = None  # the webhook is down
    world.write(ANA, "4821 no")
    world.tick()
    assert [m["body"] for m in listed(world, f"To=%2B{US[1:]}")] == ["4821 no", "4821"]


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        (Fault.ERROR_BEFORE, False),
        (Fault.ERROR_AFTER, True),
        (Fault.HTML, True),
        (Fault.WRONG_JSON, True),
        (Fault.HUGE, True),
        (Fault.SLOW, True),
        (Fault.TOO_MANY, False),
        (Fault.BAD_REQUEST, False),
        (Fault.TIMEOUT_BEFORE, False),
        (Fault.TIMEOUT_AFTER, True),
        (Fault.RESET_BEFORE, False),
        (Fault.RESET_AFTER, True),
        (Fault.REFUSED, False),
    ],
)
def test_a_fault_happens_as_often_as_asked_and_says_whether_the_message_was_accepted(
    world: PhoneWorld, fault: Fault, accepted: bool
) -> None:
    world.fail(fault, times=1)
    with contextlib.suppress(TemporaryFailure if fault is Fault.REFUSED else OutcomeUnknown):
        create(world)
    assert len(world.received(ANA)) == accepted
    assert create(world).status == 201


def test_a_fault_may_be_for_one_handset_only(world: PhoneWorld) -> None:
    world.fail(Fault.ERROR_BEFORE, to=BEN)
    assert (create(world, ANA).status, create(world, BEN).status) == (201, 500)


# --- words for tests --------------------------------------------------------------------------------------------------


@pytest.fixture
def phone(world: PhoneWorld) -> Phones:
    return Phones(world, {"ana": ANA, "ben": BEN})


def test_a_scenario_reads_like_a_conversation(world: PhoneWorld, phone: Phones, told: list[Any]) -> None:
    create(world, ANA, "High: door open, gate B12. Reply 4821 = I go")
    phone("ana").receives_sms("Gate b12", "open").and_replies(phone("ana").code)
    assert told[-1][1]["Body"] == "4821"
    create(world, ANA, "Thank you")
    phone("ana").receives_sms("thank").nothing_more()
    assert world.unexpected() == []


def test_a_message_that_nobody_expected_is_listed(world: PhoneWorld, phone: Phones) -> None:
    create(world, ANA, "one")
    create(world, ANA, "two")
    phone("ana").receives_sms("one")
    assert world.unexpected() == [f"{ANA}: two"]
    with pytest.raises(AssertionError, match=r"ana got more than expected:\n  1\. two"):
        phone("ana").nothing_more()


def test_a_wrong_expectation_shows_what_is_there(world: PhoneWorld, phone: Phones) -> None:
    with pytest.raises(AssertionError, match="ben got no message; wanted 'door'"):
        phone("ben").receives_sms("door")
    create(world, BEN, "water found")
    with pytest.raises(AssertionError, match=r"ben: 'door' not in the next message\n  1\. water found"):
        phone("ben").receives_sms("water", "door")
