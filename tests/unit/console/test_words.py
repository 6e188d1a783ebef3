"""Every sentence in every language: nothing missing, nothing left in English, numbers and times as people have them."""

import ast
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import pytest
from msgspec.structs import replace

import console
from console import sentences
from console.words import DESK, Words
from deploy import simulator
from notifiers.twilio_account import ERRORS
from tests.unit.console.conftest import START, site
from vorab.model import (
    HOUR,
    MINUTE,
    SECOND,
    Answer,
    Breach,
    Candidate,
    Delivery,
    Edge,
    Incident,
    Instant,
    Meaning,
    NotificationId,
    PersonId,
    PlaceId,
    Priority,
    Purpose,
    Quantity,
    ResponseId,
    RuleId,
    Rung,
    SensorId,
    Span,
    breach_id,
)
from vorab.site import Person
from vorab.words import CHANNELS, LANGUAGES, NOTES, REASONS, THINGS, Three, reason
from workflows.directory.stub import SiteDirectory
from workflows.incident import (
    BreachEdge,
    DeliveryFailed,
    Event,
    FollowUpDue,
    Opened,
    Rated,
    ReminderDue,
    RungDue,
    Talked,
    step,
)

BEN, ANA, GUS, HANA = PersonId("ben"), PersonId("ana"), PersonId("gus"), PersonId("hana")
SITE = replace(
    site(Path()),
    people=[
        Person(BEN, "Ben", ["security"], "en"),
        Person(ANA, "Ana", ["security"], "en"),
        Person(GUS, "Gus", ["rescue"], "en"),
        Person(HANA, "Hana", [], "en"),
    ],
)
OTHERS = LANGUAGES[1:]
ANYTHING = SITE.sensors[0]
FOLDER = Path(console.__file__).parent
languages = pytest.mark.parametrize("language", LANGUAGES)
others = pytest.mark.parametrize("language", OTHERS)


def words(language: str) -> Words:
    return Words(language, SITE, SiteDirectory(SITE))


# --- the tables -------------------------------------------------------------------------------------------------------


def every_table() -> Iterator[tuple[str, Mapping[Any, Three]]]:
    for path in FOLDER.glob("*sentences.py"):
        for name, table in vars(import_module(f"console.{path.stem}")).items():
            if isinstance(table, Mapping) and name.isupper():
                yield name, table


def tables() -> Iterator[tuple[str, Three]]:
    for name, table in every_table():
        yield from ((f"{name}: {key}", three) for key, three in table.items())
    yield from ((three[0], three) for three in (*sentences.PHRASES, *REASONS))
    yield from CHANNELS.items()


def placeholders(sentence: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(sentence) if name is not None)


@pytest.mark.parametrize(("name", "three"), list(tables()))
def test_a_sentence_is_there_in_every_language_with_the_same_placeholders(name: str, three: Three) -> None:
    assert len(three) == len(LANGUAGES)
    assert all(isinstance(one, str) and one.strip() == one and one for one in three)
    assert len({tuple(placeholders(one)) for one in three}) == 1


@languages
def test_every_value_has_its_word(language: str) -> None:
    assert set(THINGS[language]) == set(Quantity)
    spoken = words(language)
    assert set(spoken.priorities) == set(Priority)
    assert all(spoken.told(purpose) != purpose.value for purpose in Purpose)
    assert all(spoken.receipt("sms", state, "", False) for state in Delivery)
    assert {state.value for state in Delivery} <= set(sentences.RECEIPTS)
    assert {meaning.value for meaning in Meaning} <= set(sentences.SAID)
    assert set(NOTES["de"]) == set(NOTES["fr"])


def test_pages_and_scripts_use_no_text_that_is_missing() -> None:
    sources = [path.read_text() for kind in ("pages/*.html", "static/*.js") for path in FOLDER.glob(kind)]
    used = {name for source in sources for name in re.findall(r"\b(?:t|texts)\.([a-z_]+)\b", source)}
    assert used - {key for _, table in every_table() for key in table} == {"line_ends"}  # made of PHRASES


@others
def test_whatever_the_api_refuses_is_said_in_the_readers_language(language: str) -> None:
    """Found in the source: each constant reason of an HTTPException."""
    spoken = words(language)
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "HTTPException":
                match node.args[1]:
                    case ast.Constant(value=str(text)):
                        assert spoken.phrase(text) != text, f"{path.name}: {text}"


@others
def test_errors_of_providers_and_devices_are_said_in_the_readers_language(language: str) -> None:
    spoken = words(language)
    assert [text for code, text in ERRORS.items() if text in spoken.phrase(f"{code} {text}")] == []
    labels = [label for kind in simulator.KINDS.values() for label in kind.actions.values()]
    labels += [text for story in simulator.STORIES for text in (story.label, story.line)]
    labels += [
        kind.shown(simulator.Thing(ANYTHING, "", is_on))[0]
        for kind in simulator.KINDS.values()
        for is_on in (False, True)
    ]
    assert [label for label in labels if spoken.phrase(label) == label] == []


# --- a whole incident -------------------------------------------------------------------------------------------------


def breach(edge: Edge = Edge.RAISED, number: int = 0, **more: Any) -> Breach:
    known: dict[str, Any] = {
        "rule": RuleId("door-unauthorised"),
        "priority": Priority.HIGH,
        "quantity": Quantity.OPEN,
        "value": edge is not Edge.CLEARED,
        "cause": {"en": "wedged", "de": "verkeilt", "fr": "coincée"},
    } | more
    at = Instant(START + number * MINUTE)
    return Breach(
        id=breach_id(known["rule"], SensorId("door"), START),
        number=number,
        edge=edge,
        subject=SensorId("door"),
        onset=START,
        at=Instant(at + 30 * SECOND),
        respond=ResponseId("r"),
        rules_hash="",
        **known,
    )


def weighed(*people: PersonId) -> list[Candidate]:
    """With every reason that there is."""
    reasons = [three[0].replace("{}", "2") for three in REASONS]
    return [Candidate(person, True, reasons, 240, ["sms", "voice"]) for person in people]


def says(by: str, meaning: Meaning, roles: list[str], seconds: int | None = 240) -> Answer:
    return Answer(
        f"{by}{meaning}", PersonId(by), meaning, START, "desktop" if by == DESK else "sms", "", roles, seconds
    )


def fails(person: PersonId, channel: str, number: int, purpose: Purpose = Purpose.REQUEST) -> DeliveryFailed:
    return DeliveryFailed(
        NotificationId("n"), number, person, channel, "30003 the phone is switched off or out of reach", purpose
    )


SECURITY = Rung("security", 1, ["sms", "voice"], MINUTE)
RESCUE = Rung("rescue", 1, ["sms", "voice"], Span(0), at_once=True)
NOTE = "unverified: badge reader b12 silent since 2025-11-24T09:58:00Z; late: measured 2025-11-24T09:57:00Z"

DOOR: list[Event] = [
    Opened(breach(absent=Quantity.BADGE, note=NOTE), "4821", [SECURITY]),
    RungDue(weighed(BEN, ANA)),
    fails(BEN, "sms", 2),
    says(BEN, Meaning.WHY, ["security"]),
    says(BEN, Meaning.DECLINED, ["security"]),
    RungDue([]),
    RungDue(weighed(ANA)),
    says(ANA, Meaning.TAKEN, ["security"]),
    says(ANA, Meaning.HELP, ["security"]),
    RungDue(weighed(BEN)),
    says(DESK, Meaning.TAKEN, []),
    says(ANA, Meaning.ARRIVED, ["security"]),
    Talked(PersonId(DESK), PlaceId("t1"), 12),
    says(ANA, Meaning.STOP, []),
    says(ANA, Meaning.START, []),
    says(ANA, Meaning.DONE, ["security"]),
    ReminderDue(),
    BreachEdge(breach(Edge.CLEARED, 1)),
]
AED: list[Event] = [
    Opened(
        breach(rule=RuleId("aed-taken"), quantity=Quantity.TAKEN, value=True, priority=Priority.LIFE_SAFETY),
        "1",
        [RESCUE, SECURITY],
        needs=["rescue", "security"],
    ),
    RungDue(weighed(GUS), [weighed(ANA)]),
    says(ANA, Meaning.TAKEN, ["security"]),
    says(GUS, Meaning.TAKEN, ["rescue"]),
    BreachEdge(
        breach(Edge.CLEARED, 1, rule=RuleId("aed-taken"), quantity=Quantity.TAKEN, priority=Priority.LIFE_SAFETY)
    ),
    says(GUS, Meaning.DONE, ["rescue"]),
]
WARM: dict[str, Any] = {
    "rule": RuleId("room-too-warm"),
    "quantity": Quantity.TEMPERATURE,
    "value": 28.14,
    "limit": 26.0,
}
ROOM: list[Event] = [
    Opened(breach(**WARM), "2", [SECURITY], customers={HANA: ["sms", "email"]}),
    BreachEdge(breach(Edge.LEVEL, 1, **WARM)),
    RungDue(weighed(BEN)),
    says(BEN, Meaning.TAKEN, ["security"]),
    fails(HANA, "sms", 4, Purpose.COMING),
    ReminderDue(),
    says(BEN, Meaning.DONE, ["security"]),
    BreachEdge(breach(Edge.CLEARED, 2, **(WARM | {"value": 25.0}))),
    FollowUpDue(),
    Rated(HANA, 4),
]
SILENT: list[Event] = [
    Opened(
        breach(
            rule=RuleId("sensor-silent"),
            quantity=None,
            value=None,
            note="gateway g1 offline since 2025-11-24T09:58:00Z",
        ),
        "3",
        [],
    ),
    RungDue([]),
    BreachEdge(breach(Edge.CLEARED, 1, rule=RuleId("sensor-silent"), quantity=None, value=None)),
]
STORIES = {"door": DOOR, "aed": AED, "room": ROOM, "silent": SILENT}
stories = pytest.mark.parametrize("story", STORIES)


def played(story: str) -> Iterator[tuple[Incident, Event]]:
    incident: Incident | None = None
    for number, event in enumerate(STORIES[story]):
        at = Instant(START + number * HOUR)
        incident, _ = step(incident, event, incident.wake_at or at if incident else at)
        yield incident, event


def told(language: str, story: str) -> list[str]:
    """All that the desk shows of it."""
    spoken = words(language)
    found: list[str] = []
    for incident, event in played(story):
        found += [spoken.headline(incident.breach), spoken.beside(incident.breach), spoken.note(incident.breach)]
        found += [spoken.of(incident.breach.cause), spoken.priorities[incident.breach.priority]]
        found += [spoken.status(incident), spoken.line(event), *spoken.details(event)]
    for purpose in Purpose:
        found.append(f"{spoken.told(purpose)} {spoken.channel('voice')}")
    found += [
        spoken.receipt(channel, state, "no delivery report in 60 s", True) for channel in CHANNELS for state in Delivery
    ]
    return found


def test_the_stories_have_every_event_in_them() -> None:
    found = {type(event) for events in STORIES.values() for event in events}
    assert found == set(get_args(Event))
    meanings = {event.meaning for event in DOOR if isinstance(event, Answer)}
    assert meanings == set(Meaning)


@stories
@languages
def test_every_event_of_every_story_is_said(language: str, story: str) -> None:
    said = told(language, story)
    assert not [text for text in said if re.search(r"[{}]|None|\bPurpose\b", text)]
    assert all(words(language).line(event) for _, event in played(story))


#: The same in two languages, or nobody's words: names, roles, sensors.
COMMON = {
    *("ben", "ana", "gus", "hana", "security", "rescue", "gate", "gateway", "badge", "sms", "email", "e-mail", "stop"),
    *(
        "messages",
        "defibrillator",
        "min",
        "sensor",
        "incident",
        "voice",
        "lift",
        "b12",
        "report",
        "prise",
        "normal",
        "est",
        "absent",
    ),
}


@stories
@others
def test_no_word_of_english_is_left(language: str, story: str) -> None:
    def spoken_in(one: str) -> set[str]:
        return {word for text in told(one, story) for word in re.findall(r"[^\W\d_]{3,}", text.lower())}

    assert spoken_in(language) & spoken_in("en") - COMMON == set()


# --- where it stands --------------------------------------------------------------------------------------------------


def statuses(language: str, story: str) -> list[str]:
    spoken = words(language)
    return [spoken.status(incident) for incident, _ in played(story)]


def test_a_role_of_which_nobody_goes_is_missed() -> None:
    assert statuses("en", "aed")[2] == "Ana goes, nobody of rescue yet"
    assert statuses("de", "aed")[2] == "Ana geht hin, noch niemand von rescue"
    assert statuses("fr", "aed")[2] == "Ana y va, encore personne de rescue"
    assert statuses("en", "aed")[3] == "Ana and Gus go"
    assert statuses("en", "aed")[4] == "Ana and Gus go, it is over: done?"


def test_who_needs_help_is_not_alone_for_long() -> None:
    asked = statuses("en", "door")
    assert asked[8:11] == ["Ana goes, one more is wanted", "Ana goes, one more is wanted", "Ana and Desk go"]
    assert asked[15] == "Ana and Desk go, still broken"
    assert asked[17] == "healed by itself"  # the ladder had begun again
    assert statuses("en", "aed")[5] == "resolved by Ana"


def test_who_reads_another_language_than_the_house_reads_what_was_found() -> None:
    """A rule is named in the language of the house."""
    door, room = breach(absent=Quantity.BADGE), breach(**WARM)
    assert [words(one).headline(door) for one in LANGUAGES] == [
        "Door unauthorised",
        "Tür offen ohne Ausweis",
        "Porte ouverte sans badge",
    ]
    assert [f"{words(one).headline(room)}: {words(one).beside(room)}" for one in LANGUAGES] == [
        "Room too warm: 28.1 °C, limit 26 °C",
        "Temperatur: 28,1 °C, Grenze 26 °C",
        "Température: 28,1 °C, limite 26 °C",
    ]
    over = breach(Edge.CLEARED, 1, absent=Quantity.BADGE)
    assert [words(one).headline(over) for one in OTHERS] == ["Tür offen ohne Ausweis", "Porte ouverte sans badge"]
    assert words("de").line(BreachEdge(over)) == "Vorbei: Tür zu"
    balance = breach(rule=RuleId("vorab-balance"), quantity=None, value=None)
    assert words("de").headline(balance) == "Die Summen gehen nicht auf"


def test_times_in_a_note_are_those_of_the_site() -> None:
    assert words("de").note(breach(note=NOTE)) == (
        "unbestätigt: Ausweisleser b12 stumm seit 10:58; verspätet: gemessen 10:57"
    )


def test_a_sensor_may_be_called_like_a_word_of_ours() -> None:
    note = "unverified: badge reader sensor-silent never heard"
    assert words("de").note(breach(note=note)) == "unbestätigt: Ausweisleser sensor-silent nie gehört"


@pytest.mark.parametrize(
    "text", ["{}", "{0}", "{who}", "%s", "", " ", "busy ", "on duty until {}", "\x00", "a" * 10_000]
)
@languages
def test_what_comes_from_outside_is_only_ever_text(language: str, text: str) -> None:
    spoken = words(language)
    assert spoken.phrase(text) is not None
    assert reason(text, language) is not None
    assert text in spoken.receipt("sms", "failed", f"x{text}", False)
    assert text in spoken.line(Rated(PersonId(f"x{text}"), 3))


@others
@pytest.mark.parametrize(
    "reason",
    [
        "the loudspeaker says nothing",
        "the loudspeaker breaks off its answer",
        "the loudspeaker cannot be reached, or the connection broke",
        "the loudspeaker: answers that nobody asked for",
    ],
)
def test_why_an_open_line_has_ended_is_known_to_the_page_in_its_language(language: str, reason: str) -> None:
    said = words(language).line_ends()[reason]
    assert said != reason
    assert "loudspeaker" not in said
