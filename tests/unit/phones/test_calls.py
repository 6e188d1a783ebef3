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
from vorab.testing.phones.calls import MAX_DOCUMENTS
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
    with pytest.raises(AssertionError, match="ben got more than expected:\n  1. call, ringing"):
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
