"""Calls: what is said, what a key means, what Twilio may report, and who may say so."""

import json
from collections.abc import Callable
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from console.sentences import PHRASES
from notifiers.conversation import KEY, SAY, TRIES
from notifiers.spoken import SENTENCES, VOICES, plain
from notifiers.text import SAMPLES, Texts
from notifiers.voice import A_MACHINE, MACHINE, NOBODY, STATUS, Settings, Voice, recordings
from vorab.errors import Malformed, OutcomeUnknown, Refused, TemporaryFailure
from vorab.model import MINUTE, SECOND, Delivery, Instant, Notification, NotificationId, Priority, Purpose
from vorab.ports import Called, HttpResponse, Told
from vorab.testing.phones import Fault, Line, Phones, PhoneWorld
from vorab.words import LANGUAGES, phrase

PAYLOADS = Path(__file__).parents[4] / "shared" / "payloads" / "twilio_webhooks.jsonl"
T0 = Instant(1_800_000_000_000_000)
ANA, US, HOOKS = "+12025550121", "+12025550100", "https://vorab.example/hooks"
SID = "CA" + "0" * 31 + "1"
ALARM = "\n".join(
    (
        "[high] Vorab, high priority.",
        "[door-held-open] Door open 2 minutes.",
        "[gate-b12] Terminal one, level two, gate B twelve.",
        "Close it, look for people.",
    )
)


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
    given = {"account_sid": world.account, "auth_token": world.token, "sender": US, "public_url": HOOKS}
    return Settings(**given | changes)


@pytest.fixture
def voice(world: PhoneWorld) -> Voice:
    return Voice(settings(world), world)


def message(text: str = ALARM, **changes: Any) -> Notification:
    fields: dict[str, Any] = {
        "id": NotificationId("inc.1.ana.voice"),
        "incident": "inc",
        "number": 1,
        "person": "ana",
        "channel": "voice",
        "purpose": Purpose.REQUEST,
        "address": ANA,
        "text": text,
        "token": "4821",
        "priority": Priority.HIGH,
        "created_at": T0,
        "expires_at": Instant(T0 + MINUTE),
    }
    return Notification(**fields | changes)


def told(**changes: Any) -> Told:
    fields: dict[str, Any] = {
        "notification": message(),
        "language": "en",
        "goes": "",
        "by_him": False,
        "is_over": False,
        "is_awaited": True,
        "why": ["security", "4 min on foot"],
        "way": ["terminal one", "level two", "gate B twelve"],
        "seconds": 240,
        "action": "Close it, look for people.",
    }
    return Told(**fields | changes)


BEN_GOES = {"is_awaited": False, "goes": "Ben"}


class Canned:
    """Answers every request with the same, and remembers the last."""

    def __init__(self, status: int, body: object) -> None:
        self.response = HttpResponse(status, json.dumps(body).encode())
        self.asked: tuple[str, str, list[tuple[str, str]]] = ("", "", [])

    def request(self, method: str, url: str, **more: Any) -> HttpResponse:
        self.asked = (method, url, list(more.get("form") or []))
        return self.response


class Caller:
    """Twilio, with one person on the line: follows what our answers tell it to ask next."""

    def __init__(self, voice: Voice, told: Told | None = None, sid: str = SID) -> None:
        self.voice, self.told, self.sid = voice, told, sid
        self.away = False
        self.called = Called([])
        self.next = {"Redirect": voice._twilio.address(message().id, SAY), "Gather": ""}

    def look(self, notification: str) -> Told | None:
        if self.away:
            raise TemporaryFailure("locked")
        return self.told if self.told and self.told.notification.id == notification else None

    def asks(self, url: str, **fields: str) -> "Caller":
        form = {"CallSid": self.sid, "AccountSid": self.voice.settings.account_sid, "To": ANA, "From": US} | fields
        token = self.voice.settings.auth_token.get_secret_value()
        signature = RequestValidator(token).compute_signature(url, form)
        path = urlsplit(url).path.removeprefix("/hooks")
        inside = url.replace("https://vorab.example/hooks", "http://127.0.0.1:8080")
        self.called = self.voice.webhook(path, inside, list(form.items()), signature, self.look)
        return self.obeys(self.called.answer)

    def obeys(self, answer: bytes) -> "Caller":
        self.response = ElementTree.fromstring(answer)
        self.next = {
            "Gather": next((one.attrib["action"] for one in self.response.iter("Gather")), ""),
            "Redirect": next((one.text or "" for one in self.response.iter("Redirect")), ""),
        }
        return self

    def picks_up(self) -> "Caller":
        return self.asks(self.next["Redirect"], CallStatus="in-progress")

    def waits(self) -> "Caller":
        return self.picks_up()

    def presses(self, digit: str) -> "Caller":
        return self.asks(self.next["Gather"], Digits=digit, msg="Gather End")

    def hears(self, *words: str) -> "Caller":
        assert not [word for word in words if word.lower() not in self.said.lower()], self.said
        return self

    @property
    def said(self) -> str:
        return " ".join(one.text or "" for one in self.response.iter() if one.tag in ("Say", "Play"))

    @property
    def before_a_key(self) -> str:
        return " ".join(one.text or "" for one in self.response.findall("Say"))

    @property
    def is_over(self) -> bool:
        return not any(self.next.values())

    @property
    def item(self) -> tuple[str, str, dict[str, str]]:
        (item,) = self.called.items
        return item.id, item.kind, item.body


Call = Callable[..., Caller]


@pytest.fixture
def call(voice: Voice) -> Call:
    return lambda **changes: Caller(voice, told(**changes)).picks_up()


# --- the conversation -------------------------------------------------------------------------------------------------


def test_the_alarm_is_named_before_a_key_counts(call: Call) -> None:
    caller = call().hears("high priority", "gate B twelve", "close it", "press 1 if you go", "9 for help")
    assert caller.before_a_key == ("Vorab, high priority. Door open 2 minutes. Terminal one, level two, gate B twelve.")
    assert caller.called.items == []
    gather = next(caller.response.iter("Gather"))
    assert (gather.get("numDigits"), gather.get("finishOnKey")) == ("1", "")


def test_one_takes_it(call: Call) -> None:
    caller = call().presses("1").hears("it is yours", "terminal one, level two", "4 minutes", "look for people")
    body = {"channel": "voice", "provider_id": SID, "notification": "inc.1.ana.voice", "meaning": "taken"}
    assert caller.item == (f"{SID}/key", "key", body)
    assert caller.is_over


def test_two_is_a_no(call: Call) -> None:
    caller = call().presses("2").hears("noted", "others")
    assert (caller.item[0], caller.item[2]["meaning"]) == (f"{SID}/key", "declined")
    assert caller.is_over


def test_three_says_it_again(call: Call) -> None:
    caller = call()
    first = caller.said
    assert caller.presses("3").presses("3").said == first
    assert caller.called.items == []


def test_nine_says_why_he_and_what_to_do_and_changes_nothing(call: Call) -> None:
    caller = call().presses("9").hears("because: security, 4 min on foot", "what to do: close it", "press 1")
    assert caller.called.items == []
    assert caller.presses("1").item[2]["meaning"] == "taken"


def test_without_reasons_and_without_an_action_help_still_says_the_keys(call: Call) -> None:
    call(why=[], action="").presses("9").hears("press 1")


def test_the_third_wrong_key_ends_it(call: Call) -> None:
    caller = call()
    for key in ("4", "#"):
        caller.presses(key).hears("means nothing", "press 1")
        assert caller.called.items == []
    assert caller.presses("*").hears("means nothing", "goodbye").is_over


def test_wrong_keys_are_counted_over_the_whole_call(call: Call) -> None:
    caller = call().presses("7").presses("9").presses("3").waits().presses("8")
    assert caller.presses("0").is_over


def test_a_right_key_after_wrong_ones_counts(call: Call) -> None:
    assert call().presses("7").presses("8").presses("1").item[2]["meaning"] == "taken"


@pytest.mark.parametrize("digits", ["", "11", "12", "1#", "300", "１", "1 ", "a", "\x00"])
def test_what_is_no_single_key_decides_nothing(call: Call, digits: str) -> None:
    assert call().presses(digits).hears("means nothing").called.items == []


def test_nobody_who_presses_nothing_hears_it_for_ever(call: Call) -> None:
    caller = call()
    caller.waits().hears("gate B twelve", "press 1", "no key was pressed")
    assert not caller.next["Redirect"]
    assert caller.next["Gather"]


def test_who_picks_up_after_it_was_taken_hears_who_goes(call: Call) -> None:
    caller = call(**BEN_GOES).hears("Ben goes", "nothing to do for you")
    assert caller.is_over
    assert (caller.item[0], caller.item[2]["state"]) == (f"{SID}/delivered", "delivered")


def test_taken_while_he_listens_he_hears_it_with_the_next_key(call: Call) -> None:
    for key in ("3", "9", "5"):
        caller = call()
        caller.told = told(**BEN_GOES)
        assert caller.presses(key).hears("Ben goes").is_over
        assert caller.item[2]["state"] == "delivered"


@pytest.mark.parametrize(("key", "meaning"), [("1", "taken"), ("2", "declined")])
def test_an_answer_that_comes_too_late_is_noted_and_told_so(call: Call, key: str, meaning: str) -> None:
    caller = call()
    caller.told = told(**BEN_GOES)
    caller.presses(key).hears("Ben goes", "nothing to do")
    assert caller.item[2]["meaning"] == meaning


def test_over_is_said(call: Call) -> None:
    assert call(is_awaited=False, is_over=True, goes="Ben").hears("it is over", "nothing to do").is_over
    assert call(is_awaited=False).hears("nothing to do").is_over


def test_who_took_it_by_another_channel_hears_the_way(call: Call) -> None:
    caller = call(is_awaited=False, by_him=True, goes="Ana").hears("already", "gate B twelve", "close it")
    assert caller.is_over


def test_who_goes_may_still_say_no(call: Call) -> None:
    caller = call()
    caller.told = told(is_awaited=False, by_him=True, goes="Ana")
    assert caller.presses("2").hears("noted").item[2]["meaning"] == "declined"


def test_a_message_that_is_not_known_is_told_in_every_language(voice: Voice) -> None:
    caller = Caller(voice).picks_up().hears(*SENTENCES["unknown"])
    assert caller.is_over
    assert caller.called.items == []


@pytest.mark.parametrize(("seconds", "said"), [(1, "One minute"), (61, "2 minutes"), (None, "yours")])
def test_the_minutes_are_rounded_up(call: Call, seconds: int | None, said: str) -> None:
    caller = call(seconds=seconds, way=[]).presses("1").hears(said)
    assert ("minute" in caller.said) is (seconds is not None)


@pytest.mark.parametrize(
    ("language", "voice_name", "yours"), [("de", "de-DE", "Sie übernehmen es"), ("fr", "fr-FR", "Merci")]
)
def test_he_is_spoken_to_in_his_language(call: Call, language: str, voice_name: str, yours: str) -> None:
    caller = call(language=language, why=["on duty until 06:00"]).presses("9")
    assert "on duty" not in caller.said
    caller.presses("1").hears(yours)
    assert {one.get("language") for one in caller.response.iter("Say")} == {voice_name}


@pytest.mark.parametrize("language", ["", "it", "EN"])
def test_who_speaks_another_language_is_spoken_to_in_english(call: Call, language: str) -> None:
    assert {one.get("language") for one in call(language=language).response.iter("Say")} == {"en-GB"}


def test_no_sentence_is_missing_in_any_language() -> None:
    assert list(VOICES.values()) == ["en-GB", "de-DE", "fr-FR"]
    for name, three in SENTENCES.items():
        assert len(three) == len(LANGUAGES), name
        gaps = [[gap for _, gap, _, _ in Formatter().parse(one) if gap is not None] for one in three]
        assert all(three), name
        assert gaps[0] == gaps[1] == gaps[2], name
        assert len(set(three)) == len(three), f"{name} is not translated"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("sample", SAMPLES)
def test_the_shipped_text_is_a_sentence_a_line(language: str, sample: Any) -> None:
    text = Texts({}, "Europe/Paris").render(Purpose.REQUEST, "voice", language, sample, Voice.limit)
    assert not text.fault
    lines = text.text.splitlines()
    assert [line.partition("]")[0] for line in lines[:2]] == [f"[{sample.priority}", "[door-held-open"]
    assert "gate B12" in lines[2] or not sample.place_names
    assert all(line.strip().endswith(".") for line in lines)


# --- recordings -------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    for name in ("en/high.wav", "en/gate-b12.mp3", "en/call-keys.wav", "en/notes.txt", "de/door.wav", "it/high.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"RIFF")
    (tmp_path / "en" / "folder.wav").mkdir()
    (tmp_path / "en" / "outside.wav").symlink_to("/etc/hostname")
    return tmp_path


def test_what_is_recorded_is_played_else_spoken(world: PhoneWorld, recorded: Path) -> None:
    voice = Voice(settings(world, recordings=str(recorded)), world)
    caller = Caller(voice, told()).picks_up().hears("door open 2 minutes", "close it")
    assert [one.text for one in caller.response.iter("Play")] == [
        f"{HOOKS}/recordings/en/high.wav",
        f"{HOOKS}/recordings/en/gate-b12.mp3",
        f"{HOOKS}/recordings/en/call-keys.wav",
    ]
    caller = Caller(voice, told(language="de")).picks_up()
    assert not list(caller.response.iter("Play"))
    caller.hears("Vorab, high priority")


def test_only_recordings_of_the_folder_are_known(recorded: Path, tmp_path: Path) -> None:
    known = {("en", "high.wav"), ("en", "gate-b12.mp3"), ("en", "call-keys.wav"), ("de", "door.wav")}
    assert set(recordings(recorded)) == known
    assert recordings(tmp_path / "absent") == {}


def test_a_slash_in_a_name_is_a_hyphen_in_the_file(world: PhoneWorld, recorded: Path) -> None:
    voice = Voice(settings(world, recordings=str(recorded)), world)
    text = told(notification=message("[gate/b12] The gate.\n[../../high] No."))
    Caller(voice, text).picks_up().hears("gate-b12.mp3", "No.")


def test_on_a_screen_a_text_is_without_the_names_of_its_recordings() -> None:
    assert plain("[high] Vorab.\nClose it.\n[x\n[a/b]c") == "Vorab.\nClose it.\n[x\nc"


@pytest.mark.parametrize("line", ["[", "[]", "[x", "]", "[high", "[high] ", "[] x", "[a b] c", ""])
def test_brackets_that_name_nothing_hurt_nobody(call: Call, line: str) -> None:
    call(notification=message(f"{line}\n{ALARM}")).hears("press 1")


# --- hostile texts ----------------------------------------------------------------------------------------------------

HOSTILE = [
    "</Say><Dial>+18005550199</Dial><Say>",
    "<Hangup/>",
    "]]> <![CDATA[ &amp; &#0; \" '",
    "\x00\x07\x1b[31m\ud800\ufffe\u202e{name}",
    "{reasons} {0} %s",
    "9" * 10_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_only_ever_spoken(call: Call, text: str) -> None:
    caller = call(notification=message(f"{text}\n{ALARM}"), why=[text], way=[text], action=text)
    for told_ in (caller, caller.presses("9"), caller.presses("1"), call(**BEN_GOES | {"goes": text})):
        tags = {one.tag for one in told_.response.iter()}
        assert tags <= {"Response", "Say", "Gather", "Redirect"}
        assert len(told_.called.answer) < 64 * 1024
        assert all(character.isprintable() for character in told_.said)


@runs(deadline=None)
@given(st.text(max_size=300), st.text(max_size=30))
def test_any_text_is_well_formed(text: str, name: str) -> None:
    world = PhoneWorld(Clock())
    call = Caller(Voice(settings(world), world), told(notification=message(text), action=name, goes=name, why=[name]))
    call.picks_up().presses("9").presses("1")


# --- the store is away ------------------------------------------------------------------------------------------------


def test_while_the_store_is_away_he_waits_and_then_hears_it(call: Call) -> None:
    caller = call()
    caller.away = True
    caller.presses("9").hears(*SENTENCES["moment"])
    assert not caller.next["Gather"]
    assert next(caller.response.iter("Pause")).get("length") == "2"
    caller.away = False
    caller.waits().hears("because")


def test_a_key_that_meets_an_absent_store_is_not_lost(call: Call) -> None:
    caller = call()
    caller.away = True
    caller.presses("1").waits().waits()
    assert caller.called.items == []
    caller.away = False
    assert caller.waits().hears("it is yours").item[:2] == (f"{SID}/key", "key")


def test_a_key_that_could_not_be_stored_is_asked_for_again(call: Call) -> None:
    """The console answers `otherwise` when the inbox is away."""
    caller = call().presses("1")
    caller.obeys(caller.called.otherwise).hears("one moment")
    assert "yours" not in caller.said
    assert {one.get("language") for one in caller.response.iter("Say")} == {"en-GB"}
    assert caller.waits().hears("it is yours").item[2]["meaning"] == "taken"


def test_in_the_end_he_is_told_that_nothing_was_noted(call: Call) -> None:
    caller = call()
    caller.away = True
    caller.presses("1")
    for _ in range(TRIES - 1):
        caller.waits().hears("one moment")
    assert caller.waits().hears(*SENTENCES["away"]).is_over


# --- reports ----------------------------------------------------------------------------------------------------------


def report(voice: Voice, path: str = STATUS, **fields: str) -> list[tuple[str, dict[str, str]]]:
    caller = Caller(voice).asks(voice._twilio.address(message().id, path), **fields)
    return [(item.id, item.body) for item in caller.called.items]


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress", "answered"])
def test_a_call_under_way_brings_our_id_and_the_providers_together(voice: Voice, status: str) -> None:
    ((item, body),) = report(voice, CallStatus=status)
    assert item == f"{SID}/sent"
    assert (body["notification"], body["provider_id"], body["state"]) == ("inc.1.ana.voice", SID, "sent")
    assert "hang_up" not in body


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("busy", "busy"),
        ("no-answer", "nobody picked up"),
        ("failed", "the call did not come through"),
        ("canceled", "hung up before anybody picked up"),
        ("completed", "answered, but nobody pressed a key"),
    ],
)
def test_a_call_without_a_key_is_nobody(voice: Voice, status: str, reason: str) -> None:
    ((item, body),) = report(voice, CallStatus=status, CallDuration="0")
    assert item == f"{SID}/failed"
    assert (body["state"], body["reason"]) == ("failed", reason)


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_the_desk_reads_the_reasons_in_its_language(language: str) -> None:
    for text in (*NOBODY.values(), A_MACHINE):
        assert phrase(text, language, PHRASES) != text


@pytest.mark.parametrize("answered_by", ["machine_start", "machine_end_beep", "machine_end_other", "fax"])
@pytest.mark.parametrize("path", [STATUS, MACHINE])
def test_a_machine_is_hung_up_on(voice: Voice, path: str, answered_by: str) -> None:
    ((item, body),) = report(voice, path, AnsweredBy=answered_by, CallStatus="in-progress")
    assert item == f"{SID}/failed"
    assert (body["state"], body["reason"], body["hang_up"]) == ("failed", "a machine answered", "yes")


@pytest.mark.parametrize("answered_by", ["human", "unknown", "", "cat"])
def test_what_is_not_known_to_be_a_machine_may_be_a_person(voice: Voice, answered_by: str) -> None:
    assert report(voice, MACHINE, AnsweredBy=answered_by) == []


@pytest.mark.parametrize("status", ["", "cat", "COMPLETED", "x" * 4000])
def test_a_status_that_is_none_is_malformed(voice: Voice, status: str) -> None:
    with pytest.raises(Malformed):
        report(voice, CallStatus=status)


# --- who may say so ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", Voice.paths)
@pytest.mark.parametrize("signature", ["", "invalidsig", "é", "=" * 10_000])
def test_a_forged_signature_is_refused(voice: Voice, path: str, signature: str) -> None:
    url = voice._twilio.address(message().id, path)
    form = [("CallSid", SID), ("To", ANA), ("Digits", "1"), ("CallStatus", "completed")]
    with pytest.raises(Refused):
        voice.webhook(path, url, form, signature, lambda _: told())


@pytest.mark.parametrize("path", Voice.paths)
@pytest.mark.parametrize("query", ["", "m=inc.1.ana.voice", "m=inc.1.ana.voice&k=" + "0" * 32, "m=&k="])
def test_a_call_that_is_not_ours_is_refused(voice: Voice, path: str, query: str) -> None:
    with pytest.raises(Refused):
        Caller(voice, told()).asks(f"{HOOKS}{path}?{query}", Digits="1", CallStatus="completed")


def test_the_key_of_one_message_opens_no_other(voice: Voice) -> None:
    other = voice._twilio.address("inc.2.ana.voice", KEY).replace("inc.2", "inc.1")
    with pytest.raises(Refused):
        Caller(voice, told()).asks(other, Digits="1")


def test_a_key_or_a_digit_that_was_changed_on_the_way_is_refused(voice: Voice, call: Call) -> None:
    caller = call()
    url, form = caller.next["Gather"], {"CallSid": SID, "To": ANA, "Digits": "2"}
    signature = RequestValidator(voice.settings.auth_token.get_secret_value()).compute_signature(url, form)
    for forged, fields in ((url, form | {"Digits": "1"}), (f"{url}&d=1", form), (url.replace("w=0", "w=2"), form)):
        with pytest.raises(Refused):
            voice.webhook(KEY, forged, list(fields.items()), signature, caller.look)


def test_a_replay_is_the_same_row(call: Call) -> None:
    caller = call()
    url = caller.next["Gather"]
    first = caller.presses("1").called
    assert caller.asks(url, Digits="1", msg="Gather End").called == first
    assert caller.asks(url, Digits="2").item[0] == first.items[0].id, "the first key of a call is the one that counts"


def test_another_call_is_another_row_and_says_which(voice: Voice) -> None:
    """Whose call it is the inbox knows: it has the id that Twilio gave when we dialled."""
    foreign = "CA" + "f" * 32
    caller = Caller(voice, told(), foreign).picks_up().presses("1")
    assert (caller.item[0], caller.item[2]["provider_id"]) == (f"{foreign}/key", foreign)


@pytest.mark.parametrize("number", ["", "+12025550199", "+1202555012１", "client:ana"])
def test_a_call_to_another_number_is_malformed(voice: Voice, number: str) -> None:
    for path in (SAY, KEY):
        with pytest.raises(Malformed):
            Caller(voice, told()).asks(voice._twilio.address(message().id, path), To=number, Digits="1")


@pytest.mark.parametrize("path", Voice.paths)
@pytest.mark.parametrize(
    "changes", [{"CallSid": ""}, {"CallSid": "CA1"}, {"CallSid": "SM" + "0" * 32}, {"AccountSid": "AC" + "9" * 32}]
)
def test_a_signed_call_in_the_wrong_form_is_malformed(voice: Voice, path: str, changes: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        Caller(voice, told()).asks(voice._twilio.address(message().id, path), CallStatus="completed", **changes)


@pytest.mark.parametrize("w", ["-1", "x", "９", "9999", "1e3", ""])
def test_our_own_counters_come_back_as_numbers_or_not_at_all(voice: Voice, w: str) -> None:
    url = voice._twilio.address(message().id, KEY, w=w, n=w, t=w)
    Caller(voice, told()).asks(url, Digits="7").hears("means nothing", "press 1")


# --- dialling ---------------------------------------------------------------------------------------------------------


def test_what_is_asked_of_the_provider(world: PhoneWorld) -> None:
    canned = Canned(201, {"sid": SID, "status": "queued"})
    receipt = Voice(settings(world), canned).send(message())
    assert (receipt.state, receipt.provider_id, receipt.report_within_s) == (Delivery.SENT, SID, 85.0)
    method, url, form = canned.asked
    assert (method, url) == ("POST", f"https://api.twilio.com/2010-04-01/Accounts/{world.account}/Calls.json")
    fields = dict(form)
    assert (fields["To"], fields["From"], fields["Timeout"], fields["TimeLimit"]) == (ANA, US, "25", "300")
    assert (fields["MachineDetection"], fields["AsyncAmd"]) == ("Enable", "true")
    for name, path in (("Url", SAY), ("StatusCallback", STATUS), ("AsyncAmdStatusCallback", MACHINE)):
        assert fields[name].startswith(f"{HOOKS}{path}?m=inc.1.ana.voice&k=")
    events = [value for name, value in form if name == "StatusCallbackEvent"]
    assert events == ["initiated", "ringing", "answered", "completed"]
    assert world.token not in str(form)
    assert "door" not in str(form).lower(), "what it is about is told to who picks up"


@pytest.mark.parametrize(("span", "rings"), [(0, "5"), (-MINUTE, "5"), (10 * SECOND, "10"), (MINUTE, "25")])
def test_it_does_not_ring_longer_than_the_message_holds(world: PhoneWorld, span: int, rings: str) -> None:
    canned = Canned(201, {"sid": SID, "status": "queued"})
    Voice(settings(world), canned).send(message(expires_at=Instant(T0 + span)))
    assert dict(canned.asked[2])["Timeout"] == rings


def test_without_a_public_url_nobody_is_called(world: PhoneWorld) -> None:
    receipt = Voice(settings(world, public_url=""), world).send(message())
    assert (receipt.state, world.asked) == (Delivery.FAILED, [])
    assert "public_url" in receipt.reason


@pytest.mark.parametrize("fault", list(Fault))
def test_what_may_have_been_dialled_is_never_called_anything_else(
    voice: Voice, world: PhoneWorld, fault: Fault
) -> None:
    world.fail(fault)
    receipt = voice.send(message())
    rang = len(world.calls(ANA))
    match receipt.state:
        case Delivery.SENT:
            assert rang == 1
        case Delivery.READY | Delivery.FAILED:
            assert rang == 0
        case state:
            assert state is Delivery.UNKNOWN


@pytest.mark.parametrize(
    ("code", "reason"), [(21211, "not a valid number"), (21215, "this country"), (21219, "trial"), (13227, "country")]
)
def test_a_refusal_has_its_meaning(world: PhoneWorld, code: int, reason: str) -> None:
    receipt = Voice(settings(world), Canned(400, {"code": code, "message": "no"})).send(message())
    assert receipt.state is Delivery.FAILED
    assert reason in receipt.reason


@pytest.mark.parametrize(
    "body", [{}, [], None, {"sid": None}, {"sid": "CA1"}, {"sid": "SM" + "0" * 32}, {"sid": SID, "answered_by": [1]}]
)
def test_an_answer_that_cannot_be_understood_leaves_the_outcome_unknown(world: PhoneWorld, body: object) -> None:
    assert Voice(settings(world), Canned(201, body)).send(message()).state is Delivery.UNKNOWN


# --- asking -----------------------------------------------------------------------------------------------------------


def test_a_call_whose_answer_was_lost_is_found_by_number_and_time(
    voice: Voice, world: PhoneWorld, clock: Clock
) -> None:
    assert voice.find(message(), T0) is None
    world.fail(Fault.TIMEOUT_AFTER)
    assert voice.send(message()).state is Delivery.UNKNOWN
    found = voice.find(message(), T0)
    assert found is not None
    assert (found.state, found.provider_id) == (Delivery.SENT, world.calls(ANA)[0].sid)
    assert voice.find(message(), T0, {found.provider_id}) is None
    assert voice.find(message(address="+12025550122"), T0) is None
    clock.advance(3600)
    assert voice.find(message(), clock.now()) is None


def test_of_several_calls_the_first_that_is_no_other_message(voice: Voice, world: PhoneWorld, clock: Clock) -> None:
    world.lines[ANA] = Line.BUSY
    first, second = voice.send(message()), voice.send(message())
    world.tick()
    found = voice.find(message(), T0, {first.provider_id})
    assert found is not None
    assert (found.provider_id, found.state, found.reason) == (second.provider_id, Delivery.FAILED, "busy")


@pytest.mark.parametrize(
    ("line", "state", "reason"),
    [
        (Line.RINGS, Delivery.SENT, ""),
        (Line.BUSY, Delivery.FAILED, "busy"),
        (Line.FAILED, Delivery.FAILED, "the call did not come through"),
        (Line.VOICEMAIL, Delivery.FAILED, "a machine answered"),
    ],
)
def test_what_became_of_a_call_can_be_asked(
    voice: Voice, world: PhoneWorld, line: Line, state: Delivery, reason: str
) -> None:
    world.lines[ANA] = line
    sid = voice.send(message()).provider_id
    world.tick()
    receipt = voice.status(sid)
    assert (receipt.state, receipt.provider_id, receipt.reason) == (state, sid, reason)


def test_a_telephone_that_rings_can_be_silenced(voice: Voice, world: PhoneWorld) -> None:
    sid = voice.send(message()).provider_id
    world.tick()
    voice.hang_up(sid)
    assert world.calls(ANA)[0].status == "canceled"
    voice.hang_up(sid)  # it is over already
    voice.hang_up("CA" + "9" * 32)  # there is none


@pytest.mark.parametrize(("status", "code"), [(500, 20500), (429, 20429), (401, 20003), (400, 99999)])
def test_what_could_not_be_silenced_is_told(world: PhoneWorld, status: int, code: int) -> None:
    with pytest.raises(TemporaryFailure):
        Voice(settings(world), Canned(status, {"code": code, "message": "no"})).hang_up(SID)


def test_a_provider_that_cannot_be_reached_is_a_temporary_failure(world: PhoneWorld) -> None:
    class Failing:
        def request(self, *_: Any, **__: Any) -> HttpResponse:
            raise OutcomeUnknown("reset")

    voice = Voice(settings(world), Failing())
    with pytest.raises(TemporaryFailure):
        voice.status(SID)
    with pytest.raises(TemporaryFailure):
        voice.hang_up(SID)
    with pytest.raises(TemporaryFailure):
        voice.find(message(), T0)


# --- addresses and settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["+12025550121", "+33612345678", "+33123456789", "+4930123456"])
def test_a_telephone_is_accepted(voice: Voice, address: str) -> None:
    assert voice.accepts(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [("112", "E.164"), ("+112", "E.164"), ("+33899123456", "person's"), ("+999612345678", "country"), ("", "E.164")],
)
def test_what_cannot_be_called(voice: Voice, address: str, reason: str) -> None:
    assert reason in (voice.accepts(address) or "")


@pytest.mark.parametrize("wrong", [{"ring": 4}, {"ring": 121}, {"ring": "long"}, {"nope": 1}, {"sender": "0612345678"}])
def test_wrong_settings_are_refused(world: PhoneWorld, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(world, **wrong)


# --- recorded webhooks ------------------------------------------------------------------------------------------------


def kept(*kinds: str) -> list[Any]:
    if not PAYLOADS.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason="../shared/payloads is not on this machine"))]
    records = map(json.loads, PAYLOADS.read_text("utf-8").splitlines())
    return [pytest.param(record, id=record["id"]) for record in records if record["kind"] in kinds]


def recorded_call(record: dict[str, Any], path: str) -> Caller:
    """The channel of the account that this record was sent to, and the message that it may be about."""
    fields = dict(parse_qsl(record["body"], keep_blank_values=True))
    world = PhoneWorld(Clock(), fields.get("AccountSid", "AC" + "0" * 32))
    voice = Voice(settings(world), world)
    told_ = told(notification=message(address=fields.get("To", ANA)))
    return Caller(voice, told_, fields["CallSid"]).asks(voice._twilio.address(message().id, path), **fields)


@pytest.mark.parametrize("record", kept("voice_outbound_answered", "voice_inbound"))
def test_a_recorded_call_hears_the_alarm(record: dict[str, Any]) -> None:
    recorded_call(record, SAY).hears("gate B twelve", "press 1")


@pytest.mark.parametrize("record", kept("voice_gather"))
def test_recorded_keys_mean_what_they_say(record: dict[str, Any]) -> None:
    caller = recorded_call(record, KEY)
    if record["expect"]["digits"] == "1":
        assert caller.item[2]["meaning"] == "taken"
    else:
        caller.hears("means nothing")


@pytest.mark.parametrize("record", kept("call_status"))
def test_recorded_reports_mean_what_they_say(record: dict[str, Any]) -> None:
    body = recorded_call(record, STATUS).item[2]
    is_machine = record["expect"].get("answered_by", "").startswith("machine")
    assert (body["state"], body.get("hang_up", "")) == ("failed", "yes" if is_machine else "")


# --- a whole conversation, Twilio played by the phone world -----------------------------------------------------------


def test_a_whole_conversation(clock: Clock) -> None:
    stands = told()
    items: list[tuple[str, str]] = []
    world = PhoneWorld(clock)
    voice = Voice(settings(world), world)

    def post(url: str, form: Any, signature: str) -> HttpResponse:
        path = urlsplit(url).path.removeprefix("/hooks")
        called = voice.webhook(path, url, form, signature, lambda _: stands)
        items.extend((item.kind, item.body.get("meaning") or item.body["state"]) for item in called.items)
        return HttpResponse(200, called.answer)

    world.post = post
    phone = Phones(world, {"ana": ANA})
    voice.send(message())
    phone("ana").rings().picks_up().hears("high", "gate B twelve", "press 1").presses("9").hears("because: security")
    phone("ana").presses("5").hears("means nothing").presses("1").hears("yours", "4 minutes on foot")
    assert ("key", "taken") in items
    assert items[-1] == ("status", "failed"), "completed; the key before it has made it delivered"
    assert world.alerts == []

    stands = replace(stands, is_awaited=False, goes="Ben")
    voice.send(message())
    phone("ana").rings().picks_up().hears("Ben goes", "nothing to do")
    world.lines[ANA] = Line.VOICEMAIL
    voice.send(message())
    phone("ana").rings()
    assert world.alerts == []
    assert ("status", "failed") in items[-3:]
    phone("ana").nothing_more()
