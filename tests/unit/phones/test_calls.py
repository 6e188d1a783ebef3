"""Calls behave like the provider's: its own OpenAPI file is the judge where it is at hand."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from vorab.errors import OutcomeUnknown
from vorab.model import SECOND, Instant, Span
from vorab.ports import HttpResponse
from vorab.testing.phones import Fault, Line, Phones, PhoneWorld
from vorab.testing.phones.conversation import MAX_DOCUMENTS
from vorab.testing.phones.world import Form, Reports

SPEC = Path(__file__).parents[4] / "shared" / "specs" / "twilio_api_v2010.json"
T0 = Instant(1_800_000_000_000_000)
ANA, BEN, US = "+12025550121", "+12025550122", "+12025550100"
LOGIN = ("AC" + "0" * 31 + "1", "token")
API = f"https://api.twilio.com/2010-04-01/Accounts/{LOGIN[0]}/Calls"
OURS = "https://vorab.example/twilio"
KEYS = '<Gather numDigits="1" timeout="8" action="/twilio/voice/key?m=1&amp;k=2"><Say>1 to take.</Say></Gather>'


def response(*verbs: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{"".join(verbs)}</Response>'.encode()


class Ours:
    """Our webhooks: what they are told, and the answers a test has laid down for each path."""

    def __init__(self) -> None:
        self.at = T0
        self.told: list[tuple[str, dict[str, str]]] = []
        self.signatures: list[str] = []
        self.answers = {
            "voice": response("<Say>High. Door open, gate B twelve.</Say>", KEYS, "<Say>Good bye.</Say>"),
            "voice/key": response("<Say>It is yours.</Say>"),
        }

    def now(self) -> Instant:
        return self.at

    def passes(self, world: PhoneWorld, seconds: float) -> None:
        self.at = Instant(self.at + int(seconds * SECOND))
        world.tick()

    def post(self, url: str, form: Form, signature: str) -> HttpResponse | None:
        self.told.append((url, dict(form)))
        self.signatures.append(signature)
        path = url.removeprefix(f"{OURS}/").partition("?")[0]
        answer = self.answers.get(path, b"")
        return HttpResponse(200, answer)

    def events(self) -> list[str]:
        return [form["CallStatus"] for url, form in self.told if "/status" in url]

    def to(self, path: str) -> list[dict[str, str]]:
        return [form for url, form in self.told if url.partition("?")[0] == f"{OURS}/{path}"]


@pytest.fixture
def ours() -> Ours:
    return Ours()


@pytest.fixture
def world(ours: Ours) -> PhoneWorld:
    return PhoneWorld(ours, *LOGIN, post=ours.post)


@pytest.fixture
def phone(world: PhoneWorld) -> Phones:
    return Phones(world, {"ana": ANA, "ben": BEN})


def create(world: PhoneWorld, to: str = BEN, events: str = "initiated ringing answered completed", **more: str) -> Any:
    fields = {"To": to, "From": US, "Url": f"{OURS}/voice?m=1&k=2", "Timeout": "25"}
    fields |= {"StatusCallback": f"{OURS}/voice/status?m=1"} | more
    form = [*fields.items(), *(("StatusCallbackEvent", event) for event in events.split())]
    return world.request("POST", f"{API}.json", form=form, auth=LOGIN)


def shown(answer: HttpResponse) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(answer.body)
    return told


def call(world: PhoneWorld, sid: str) -> dict[str, Any]:
    return shown(world.request("GET", f"{API}/{sid}.json", auth=LOGIN))


def update(world: PhoneWorld, sid: str, status: str) -> HttpResponse:
    return world.request("POST", f"{API}/{sid}.json", form=[("Status", status)], auth=LOGIN)


# --- the conversation -------------------------------------------------------------------------------------------------


def test_a_call_reads_like_the_conversation_it_is(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    sid = shown(create(world))["sid"]
    phone("ben").rings()
    ours.passes(world, 4)
    phone("ben").picks_up().hears("high", "Gate B twelve", "1 to take")
    ours.passes(world, 3)
    phone("ben").presses("1").hears("yours").nothing_more()
    assert ours.to("voice/key") == [ours.to("voice")[0] | {"Digits": "1", "FinishedOnKey": "", "msg": "Gather End"}]
    assert ours.events() == ["initiated", "ringing", "in-progress", "completed"]
    assert (call(world, sid)["status"], call(world, sid)["duration"]) == ("completed", "3")
    assert world.unexpected() == []
    [entry] = world.received(BEN, "call")
    assert entry.text == "High. Door open, gate B twelve. 1 to take. It is yours."
    assert world.alerts == []


def test_what_was_said_before_the_key_is_not_heard_after_it(world: PhoneWorld, phone: Phones) -> None:
    create(world)
    phone("ben").rings().picks_up().presses("1")
    with pytest.raises(AssertionError, match=r"ben: 'gate B' not heard\n  1\. It is yours\."):
        phone("ben").hears("gate B")


def test_a_call_that_nobody_expected_is_listed(world: PhoneWorld, phone: Phones) -> None:
    create(world)
    assert world.unexpected() == [f"{BEN}: call, ringing: nobody picked up"]
    with pytest.raises(AssertionError, match=r"ben got more than expected:\n  1\. call, ringing"):
        phone("ben").nothing_more()
    with pytest.raises(AssertionError, match="ana's telephone does not ring"):
        phone("ana").rings()
    with pytest.raises(AssertionError, match="ana cannot pick up: nobody has called"):
        phone("ana").picks_up()


def test_nobody_picks_up(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    sid = shown(create(world))["sid"]
    ours.passes(world, 24.9)
    phone("ben").rings()
    assert call(world, sid)["status"] == "ringing"
    ours.passes(world, 0.1)
    assert ours.events() == ["initiated", "ringing", "no-answer"]
    assert call(world, sid)["duration"] is None
    with pytest.raises(AssertionError, match="ben cannot pick up: the last call is no-answer"):
        phone("ben").picks_up()


@pytest.mark.parametrize(
    ("line", "after", "events"),
    [
        (Line.BUSY, 0, ["initiated", "busy"]),
        (Line.FAILED, 0, ["initiated", "failed"]),
        (Line.NO_ANSWER, 25, ["initiated", "ringing", "no-answer"]),
        (Line.VOICEMAIL, 8, ["initiated", "ringing", "in-progress", "completed"]),
        (Line.LISTENS, 0, ["initiated", "ringing", "in-progress", "completed"]),
        (Line.PRESSES_1, 0, ["initiated", "ringing", "in-progress", "completed"]),
    ],
)
def test_every_line_ends_as_it_says(world: PhoneWorld, ours: Ours, line: Line, after: float, events: list[str]) -> None:
    world.lines[BEN] = line
    create(world)
    ours.passes(world, 0)
    assert (ours.events() == events) == (after == 0)
    ours.passes(world, after)
    assert ours.events() == events
    assert len(ours.to("voice/key")) == (line is Line.PRESSES_1)


def test_an_answering_machine_is_told_and_can_be_hung_up_on(world: PhoneWorld, ours: Ours) -> None:
    world.lines[BEN] = Line.VOICEMAIL
    asks = {"MachineDetection": "Enable", "AsyncAmd": "true", "AsyncAmdStatusCallback": f"{OURS}/voice/machine?m=1"}
    sid = shown(create(world, **asks))["sid"]
    world.tick()
    assert [form["AnsweredBy"] for form in ours.to("voice/machine")] == ["machine_start"]
    assert call(world, sid)["answered_by"] == "machine_start"
    assert update(world, sid, "completed").status == 200
    world.tick()
    assert ours.events()[-1] == "completed"
    [entry] = world.received(BEN, "call")
    assert "Door open" in entry.text


def test_a_call_ends_at_its_limit_whatever_is_said(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    ours.answers["voice"] = response("<Pause length='3600'/>")
    create(world, TimeLimit="300")
    phone("ben").rings().picks_up()
    ours.passes(world, 299)
    assert ours.events()[-1] == "in-progress"
    ours.passes(world, 1)
    assert (ours.events()[-1], ours.to("voice/status")[-1]["CallDuration"]) == ("completed", "300")


def test_a_person_is_told_to_be_one_and_only_where_that_was_asked(world: PhoneWorld, ours: Ours, phone: Phones) -> None:
    create(world)
    phone("ben").rings().picks_up().hangs_up()
    assert ours.to("voice/machine") == []
    create(world, MachineDetection="Enable", AsyncAmd="true", AsyncAmdStatusCallback=f"{OURS}/voice/machine")
    phone("ben").rings().picks_up()
    assert [form["AnsweredBy"] for form in ours.to("voice/machine")] == ["human"]


def test_whoever_is_on_the_telephone_is_busy_for_the_next(world: PhoneWorld, ours: Ours, phone: Phones) -> None:
    create(world)
    phone("ben").rings().picks_up()
    assert call(world, shown(create(world))["sid"])["status"] == "busy"
    phone("ben").nothing_more().hangs_up()
    create(world)
    phone("ben").rings()


def test_a_call_that_rings_can_be_declined(world: PhoneWorld, ours: Ours, phone: Phones) -> None:
    create(world)
    phone("ben").rings().hangs_up()
    assert ours.events() == ["initiated", "ringing", "busy"]
    with pytest.raises(AssertionError, match="ben cannot hang up: the last call is busy"):
        phone("ben").hangs_up()


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_outside_a_gather_does_nothing(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    ours.answers["voice"] = response("<Say>High.</Say>", '<Pause length="3"/>', KEYS)
    create(world)
    phone("ben").rings().picks_up().hears("high").presses("1")
    ours.passes(world, 3)
    assert ours.to("voice/key") == []
    phone("ben").hears("1 to take").presses("1").hears("yours")


def test_a_key_within_a_gather_cuts_short_what_it_says(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    world.speech = Span(SECOND)
    ours.answers["voice"] = response("<Say>Hi</Say>", KEYS.replace("<Say>", "<Say>Now</Say><Say>"))
    create(world)
    phone("ben").rings().picks_up().hears("Hi").presses("2")
    ours.passes(world, 2)
    phone("ben").hears("Now").presses("2").hears("yours")
    assert [form["Digits"] for form in ours.to("voice/key")] == ["2"]
    assert "1 to take" not in world.received(BEN, "call")[0].text


def test_a_gather_without_a_key_is_passed_when_its_time_is_over(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    create(world)
    phone("ben").rings().picks_up()
    ours.passes(world, 7.9)
    with pytest.raises(AssertionError, match="'good bye' not heard"):
        phone("ben").hears("good bye")
    ours.passes(world, 0.1)
    phone("ben").hears("good bye")
    assert ours.to("voice/key") == []
    with pytest.raises(AssertionError, match="ben cannot press 1: the last call is completed"):
        phone("ben").presses("1")


@pytest.mark.parametrize(
    ("gather", "keys", "digits"),
    [
        ('numDigits="3"', "123", ["123"]),
        ('numDigits="3"', "12", ["12"]),  # the time is over
        ('numDigits="3"', "12#4", ["12"]),
        ('finishOnKey="*"', "1#2*", ["1#2"]),
        ("", "", []),
        ('actionOnEmptyResult="true"', "", [""]),
        ('numDigits="many" timeout="soon"', "1", ["1"]),
    ],
)
def test_keys_are_gathered(
    world: PhoneWorld, phone: Phones, ours: Ours, gather: str, keys: str, digits: list[str]
) -> None:
    ours.answers["voice"] = response(f'<Gather action="voice/key" {gather}/>', "<Pause length='60'/>")
    ours.answers["voice/key"] = response("<Pause length='60'/>")
    create(world)
    phone("ben").rings().picks_up().presses(keys)
    ours.passes(world, 5)
    assert [form["Digits"] for form in ours.to("voice/key")] == digits


@pytest.mark.parametrize("key", ["", "12", "a", "\n", "١"])
def test_what_is_no_key_is_refused(world: PhoneWorld, key: str) -> None:
    with pytest.raises(ValueError, match="is no key of a telephone"):
        world.press(BEN, key)


# --- TwiML ------------------------------------------------------------------------------------------------------------


def test_a_recording_is_heard_as_its_file_name(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    ours.answers["voice"] = response("<Play>/recordings/de/door-open.wav?v=2</Play>")
    create(world)
    phone("ben").rings().picks_up().hears("[door-open.wav]")
    [said] = world.calls(BEN)[0].said
    assert (said.sound, said.language) == ("https://vorab.example/recordings/de/door-open.wav?v=2", "")


def test_a_redirect_is_followed_and_a_circle_of_them_ends(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    ours.answers["voice"] = response("<Say>once</Say>", "<Redirect>voice/again</Redirect>", "<Say>never</Say>")
    ours.answers["voice/again"] = response("<Redirect/>")
    create(world)
    phone("ben").rings().picks_up().hears("once", "application error")
    assert len(ours.to("voice/again")) == MAX_DOCUMENTS - 1
    assert world.alerts == [f"more than {MAX_DOCUMENTS} documents in one call"]
    assert ours.events()[-1] == "completed"


def test_a_document_may_come_with_the_request(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    create(world, Url="", Twiml="<Response><Say language='de-DE'>Guten Tag</Say><Hangup/><Say>never</Say></Response>")
    phone("ben").rings().picks_up().hears("guten tag")
    assert world.calls(BEN)[0].said[0].language == "de-DE"
    assert ours.events()[-1] == "completed"


@pytest.mark.parametrize(
    ("body", "alert"),
    [
        (b"<!doctype html><html><body>502 Bad gateway</body></html>", "12100"),
        (b"<html><body/></html>", "12102"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><Response><Say>&b;</Say></Response>', "12100"),
        (b"", "12100"),
        (b"cat", "12100"),
        (b"\x00\xff" * 100, "12100"),
        (b"<?xml version='1.0' encoding='cat'?><Response/>", "12100"),
        (b"<Response><Say>never closed", "12100"),
        (response(*["<Say>endless</Say>"] * 10_000), "11750"),
        (b"<a>" * 20_000, "12100"),
    ],
)
def test_what_is_no_twiml_ends_the_call_with_words(
    world: PhoneWorld, phone: Phones, ours: Ours, body: bytes, alert: str
) -> None:
    ours.answers["voice"] = body
    create(world)
    phone("ben").rings().picks_up().hears("application error")
    assert [told.split()[0] for told in world.alerts] == [alert]
    assert ours.events()[-1] == "completed"


def test_unknown_verbs_are_passed_over(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    ours.answers["voice"] = response(
        "<Speak>no</Speak>",
        "<Gather numDigits='1'><Dial>+1</Dial></Gather>",
        "<Say/>",
        '<Pause length="x"/>',
        "<Say>yes</Say>",
    )
    create(world)
    phone("ben").rings().picks_up()
    ours.passes(world, 6)
    phone("ben").hears("yes")
    assert ["Speak within Response" in world.alerts[0], "Dial within Gather" in world.alerts[1]] == [True, True]
    assert world.calls(BEN)[0].text == "yes"


@pytest.mark.parametrize("status", [None, 404, 500, 302])
def test_a_webhook_that_fails_ends_the_call(world: PhoneWorld, phone: Phones, status: int | None) -> None:
    world.post = lambda *_: None if status is None else HttpResponse(status, response("<Say>no</Say>"))
    create(world)
    phone("ben").rings().picks_up().hears("application error")
    assert world.alerts[0].startswith("11200")


def test_whoever_hangs_up_before_the_answer_hears_nothing(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    create(world)
    phone("ben").rings()
    world.pick_up(BEN)
    phone("ben").hangs_up()
    assert world.calls(BEN)[0].said == []
    assert len(ours.to("voice")) == 1


# --- reports ----------------------------------------------------------------------------------------------------------


def test_every_request_is_signed_and_reports_are_numbered(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    create(world)
    phone("ben").rings().picks_up().presses("1")
    for (url, form), signature in zip(ours.told, ours.signatures, strict=True):
        assert signature == world.signature(url, list(form.items()))
    reports = ours.to("voice/status")
    assert [report["SequenceNumber"] for report in reports] == ["0", "1", "2", "3"]
    assert [report.get("CallDuration") for report in reports] == [None, None, None, "0"]


@pytest.mark.parametrize(
    ("events", "told"),
    [("", ["completed"]), ("answered", ["in-progress"]), ("ringing completed", ["ringing", "completed"])],
)
def test_only_the_events_that_were_asked_for_are_told(
    world: PhoneWorld, phone: Phones, ours: Ours, events: str, told: list[str]
) -> None:
    create(world, events=events)
    phone("ben").rings().picks_up().presses("1")
    assert ours.events() == told


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        (Reports.LOST, []),
        (Reports.TWICE, ["initiated", "initiated", "busy", "busy"]),
        (Reports.REORDERED, ["busy", "initiated"]),
    ],
)
def test_reports_may_be_lost_doubled_or_reordered(
    world: PhoneWorld, ours: Ours, reports: Reports, told: list[str]
) -> None:
    world.reports = reports
    world.lines[BEN] = Line.BUSY
    create(world)
    world.tick()
    assert ours.events() == told


# --- the API ----------------------------------------------------------------------------------------------------------


def test_a_call_looks_as_the_openapi_file_says(world: PhoneWorld) -> None:
    if not SPEC.exists():
        pytest.skip("Twilio's OpenAPI file stands beside the project, in ../shared/specs")
    schemas = json.loads(SPEC.read_text())["components"]["schemas"]
    schema = schemas["api.v2010.account.call"]["properties"]
    told = shown(create(world))
    assert set(told) == set(schema)
    for name, value in told.items():
        if "pattern" in schema[name] and value is not None:
            assert re.fullmatch(schema[name]["pattern"], value), name
    assert told["status"] in schemas["call_enum_status"]["enum"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": ""}, 21201),
        ({"From": ""}, 21213),
        ({"To": "112"}, 21211),
        ({"Url": ""}, 21205),
        ({"Url": "file:///etc/passwd"}, 21205),
        ({"Timeout": "4"}, 20001),
        ({"Timeout": "soon"}, 20001),
        ({"TimeLimit": "0"}, 20001),
        ({"Timeout": "9" * 5000}, 20001),
    ],
)
def test_a_wrong_request_is_answered_with_its_code(world: PhoneWorld, fields: dict[str, str], code: int) -> None:
    answer = create(world, **fields)
    assert (answer.status, shown(answer)["code"]) == (400, code)
    assert world.calls(BEN) == []
    assert len(world.asked) == 1


def test_the_list_is_filtered_newest_first(world: PhoneWorld, ours: Ours) -> None:
    sids = []
    for to in (ANA, BEN, ANA):
        sids.append(shown(create(world, to))["sid"])
        ours.passes(world, 30)

    def listed(query: str) -> list[str]:
        answer = shown(world.request("GET", f"{API}.json?{query}", auth=LOGIN))
        return [told["sid"] for told in answer["calls"]]

    assert listed("PageSize=2") == sids[:0:-1]
    assert listed("To=%2B12025550121&Status=no-answer") == [sids[2], sids[0]]
    assert listed("StartTime%3E=2027-01-15T08:00:30Z") == sids[:0:-1]
    assert listed("Status=ringing") == listed("From=%2B19999999999") == []
    world.list_lag = Span(31 * SECOND)
    assert listed("") == sids[1::-1]
    world.list_fails = True
    assert world.request("GET", f"{API}.json", auth=LOGIN).status == 500


def test_a_telephone_that_rings_can_be_stopped(world: PhoneWorld, ours: Ours, phone: Phones) -> None:
    sid = shown(create(world))["sid"]
    phone("ben").rings()
    assert shown(update(world, sid, "completed"))["status"] == "canceled"
    assert shown(update(world, sid, "completed"))["code"] == 21220
    world.tick()
    assert ours.events()[-1] == "canceled"


def test_canceled_leaves_alone_whoever_is_talking(world: PhoneWorld, phone: Phones) -> None:
    sid = shown(create(world))["sid"]
    phone("ben").rings().picks_up()
    assert shown(update(world, sid, "canceled"))["status"] == "in-progress"
    assert shown(update(world, sid, "completed"))["status"] == "completed"
    assert update(world, sid, "asleep").status == update(world, "CA0", "completed").status - 4 == 400


@pytest.mark.parametrize(("on", "accepted"), [("create", 0), ("fetch", 1), ("update", 1), ("list", 1)])
def test_calls_go_wrong_as_messages_do(world: PhoneWorld, on: str, accepted: int) -> None:
    world.fail(Fault.ERROR_BEFORE, on=on)
    sid = shown(create(world)).get("sid", "")
    answers = [
        world.request("GET", f"{API}/{sid}.json", auth=LOGIN),
        world.request("GET", f"{API}.json", auth=LOGIN),
        update(world, sid, "canceled"),
    ]
    assert len(world.calls(BEN)) == accepted
    assert (500 in [answer.status for answer in answers]) == bool(accepted)
    assert world.asked == [BEN]


def test_a_lost_answer_does_not_stop_the_call(world: PhoneWorld, phone: Phones) -> None:
    world.fail(Fault.TIMEOUT_AFTER, to=BEN)
    with pytest.raises(OutcomeUnknown):
        create(world)
    phone("ben").rings()


def test_a_call_that_is_delayed_rings_later(world: PhoneWorld, phone: Phones, ours: Ours) -> None:
    world.delay = Span(10 * SECOND)
    create(world)
    with pytest.raises(AssertionError, match="does not ring"):
        phone("ben").rings()
    ours.passes(world, 10)
    phone("ben").rings()
    ours.passes(world, 24.9)
    phone("ben").picks_up()
