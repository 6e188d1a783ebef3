"""The words of a message: one segment, the least important goes first, and an operator's template cannot harm."""

import ast
import inspect
import json
import re
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from notifiers.segments import Encoding, gsm, segments
from notifiers.text import LIMITS, NAMES, SAMPLES, Facts, Texts, check, shipped
from notifiers.words import WORDS
from vorab import words
from vorab.model import (
    DAY,
    FOR_CUSTOMERS,
    MINUTE,
    SECOND,
    Edge,
    Instant,
    PersonId,
    PlaceId,
    Priority,
    Purpose,
    Quantity,
    ResponseId,
    RuleId,
    Rung,
    Span,
)
from vorab.site import Person, Place, Response
from vorab.words import reason
from workflows import duty as duty_hours
from workflows import nearest
from workflows.directory.stub import SiteDirectory
from workflows.nearest import candidates

HELD_OPEN, TAKEN, TOO_WARM, SILENT, HELPED, BARE = SAMPLES
TEXTS = Texts({}, "Europe/Paris")


def say(purpose: Purpose = Purpose.REQUEST, language: str = "en", facts: Facts = HELD_OPEN, limit: int = 160) -> str:
    rendered = TEXTS.render(purpose, "sms", language, facts, limit)
    assert rendered.fault == ""
    return rendered.text


def with_breach(facts: Facts = HELD_OPEN, **changes: Any) -> Facts:
    return replace(facts, breach=replace(facts.breach, **changes))


def test_three_in_the_morning() -> None:
    facts = with_breach(action="Close it, look for people")
    assert say(facts=facts) == (
        "High: door open 30 s. T1, level 2, gate B12, 4 min on foot. Close it, look for people. "
        "Reply 4821 = I go, 4821 no = cannot."
    )


def test_every_language_says_it_in_one_segment() -> None:
    assert "Tür offen 30 s" in say(language="de")
    assert "porte ouverte 30 s" in say(language="fr")
    for language in WORDS:
        for facts in SAMPLES:
            for purpose in Purpose:
                found = segments(say(purpose, language, facts))
                assert (found.encoding, found.segments) == (Encoding.GSM, 1)


def test_every_message_of_every_channel_fits_and_says_something() -> None:
    for channel, limit in LIMITS.items():
        for language in WORDS:
            for purpose in Purpose:
                for facts in SAMPLES:
                    rendered = TEXTS.render(purpose, channel, language, facts, limit)
                    assert rendered.fault == ""
                    assert 10 < len(rendered.text) <= limit, (channel, language, purpose)
                    assert "  " not in rendered.text
                    assert not re.search(r"[,:] ?\.|\.\.(?!\.)|\(\)|^[,.:]", rendered.text.replace("...", "")), (
                        rendered.text
                    )


def test_no_sentence_is_missing_in_any_language() -> None:
    names = set(shipped())
    for channel in ("sms", "email"):
        assert {f"{channel}/{language}/{purpose}.txt" for language in WORDS for purpose in Purpose} <= names
    for channel in LIMITS:
        purposes = [{name.split("/")[2] for name in names if name.startswith(f"{channel}/{one}/")} for one in WORDS]
        assert purposes.count(purposes[0]) == len(purposes), channel


def test_a_reader_whose_language_we_do_not_speak_reads_english() -> None:
    assert say(language="pt") == say(language="en")


def test_what_does_not_fit_goes_the_least_important_first() -> None:
    full = say(limit=400)
    assert "check the closer" in full
    assert "Example Airport" not in full  # he knows at which site he is
    lost = []
    for limit in range(160, 30, -1):
        text = say(limit=limit)
        for part in (
            "check the closer",
            "Close it",
            "T1",
            "level 2",
            "on foot",
            "gate B12",
            "High",
            "door open",
            "4821",
        ):
            if part not in text and part not in lost:
                lost.append(part)
        if "Reply 4821 = I go" not in text:
            break
    assert lost[:6] == ["check the closer", "level 2", "T1", "Close it", "on foot", "gate B12"]
    assert not {"High", "door open", "4821"} & set(lost[:6])


def test_life_safety_says_so() -> None:
    assert say(facts=TAKEN).startswith("LIFE SAFETY: defibrillator taken")


def test_what_is_not_certain_is_said_in_words_and_local_time() -> None:
    note = "unverified: badge reader silent since 2026-07-01T07:58:00Z"
    assert "(unverified: badge reader silent since 09:58)" in say(facts=with_breach(note=note))
    assert "(unbestätigt: Ausweisleser stumm seit 09:58)" in say(facts=with_breach(note=note), language="de")


def test_that_it_is_not_certain_is_never_cut() -> None:
    note = (
        "unverified: badge reader gate-b12-badge silent since 2026-07-01T07:58:00Z; uncertain: a state without a time"
    )
    facts = replace(with_breach(note=note, absent=Quantity.BADGE), place_names=["x" * 40, "y" * 40, "z" * 40])
    assert "(unverified: badge reader silent since 09:58" in say(facts=facts, limit=400)
    assert "(unverified, uncertain)" in say(facts=facts)


def said_by_the_rules() -> set[str]:
    """Every piece of text in the engine that may stand in a note: strings with a blank, but docstrings and errors."""
    tree = ast.parse((Path(__file__).parents[3] / "rules/engine.py").read_text())
    others: list[ast.AST] = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    others += [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    elsewhere = {id(found) for node in others for found in ast.walk(node)}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in elsewhere]
    return {text for text in texts if isinstance(text, str) and " " in text and WORD.search(text)}


WORD = re.compile("[a-z]{2}")


@pytest.mark.parametrize("language", ["de", "fr"])
def test_all_that_the_rules_say_in_a_note_is_said_in_the_readers_language(language: str) -> None:
    said = said_by_the_rules()
    assert {"no badge reader", "rule removed", " offline since "} <= said
    for piece in {*said, "the sums close again"}:
        for ours in words.NOTES[language]:
            piece = re.sub(rf"\b{ours}\b", "", piece)
        assert not WORD.search(piece), piece


NOTES = {
    "uncertain: a state without a time of its own": (
        "unsicher: Zustand ohne eigene Zeit",
        "incertain : état sans heure propre",
    ),
    "late: measured 2026-07-01T07:58:00Z": ("verspätet: gemessen 09:58", "en retard : mesuré à 09:58"),
    "unverified: no badge reader": ("unbestätigt: kein Ausweisleser", "non vérifié : pas de lecteur de badges"),
    "unverified: badge reader b12 not heard up to 2026-07-01T07:58:00Z: ingest north is behind": (
        "unbestätigt: Ausweisleser nicht gehört bis 09:58: Erfassung im Rückstand",
        "non vérifié : lecteur de badges pas entendu jusqu'à 09:58 : saisie en retard",
    ),
    "gateway east offline since 2026-07-01T07:58:00Z": (
        "Gateway getrennt seit 09:58",
        "passerelle hors ligne depuis 09:58",
    ),
    "sensor cafe never heard": ("Sensor nie gehört", "capteur jamais entendu"),
    "rule removed": ("Regel entfernt", "règle supprimée"),
    "moved to another zone": ("in eine andere Zone versetzt", "déplacé dans une autre zone"),
    "decided again": ("wieder geprüft", "de nouveau évalués"),
}


@pytest.mark.parametrize("note", NOTES)
def test_a_note_is_whole_sentences_in_the_readers_language(note: str) -> None:
    for language, said in zip(("de", "fr"), NOTES[note], strict=True):
        assert f"({gsm(said)})" in say(language=language, facts=with_breach(note=note), limit=400)


def test_a_time_of_day_is_not_cut_at_its_colon() -> None:
    note = "gateway east offline since 2026-07-01T07:58:00Z; late: measured 2026-07-01T07:58:00Z"
    facts = replace(with_breach(note=note), place_names=["x" * 40, "y" * 40, "z" * 40])
    assert "(gateway offline since 09:58, late)" in say(facts=facts)
    assert "(passerelle hors ligne depuis 09:58, en retard)" in say(language="fr", facts=facts)


def test_what_should_have_come_before_is_said_in_the_readers_language() -> None:
    facts = replace(with_breach(absent=Quantity.BADGE, cause="opened without a badge"), held=Span(0))
    assert say(facts=facts).startswith("High: door open without badge. T1")
    assert say(facts=facts, language="de").startswith("Hoch: Tür offen ohne Ausweis. T1")
    assert say(facts=facts, language="fr").startswith("Urgent: porte ouverte sans badge. T1")


def test_what_happened_in_an_instant_is_told_with_its_cause() -> None:
    facts = replace(with_breach(cause="opened without a badge."), held=Span(0))
    assert say(facts=facts).startswith("High: door open, opened without a badge. T1")


def test_who_is_asked_to_look_at_what_is_over_hears_what_it_was() -> None:
    facts = with_breach(OVER, absent=Quantity.BADGE, cause="opened without a badge")
    assert say(facts=facts).startswith("High: door shut, opened without a badge. T1")


def test_numbers_come_with_unit_limit_and_the_readers_comma() -> None:
    facts = replace(TOO_WARM, held=Span(10 * MINUTE))
    assert "temperature 28.1 C (limit 26) for 10 min" in say(facts=facts)
    assert "Temperatur 28,1 C (Grenze 26) seit 10 min" in say(facts=facts, language="de")


@pytest.mark.parametrize(
    ("held", "said"),
    [(30 * SECOND, "30 s"), (99 * SECOND, "99 s"), (10 * MINUTE, "10 min"), (150 * MINUTE, "2 h"), (3 * DAY, "3 d")],
)
def test_a_duration_is_said_in_the_unit_that_one_would_say(held: int, said: str) -> None:
    facts = replace(with_breach(SILENT, edge=Edge.RAISED), held=Span(held))
    assert f"sensor silent {said}." in say(facts=facts)


@pytest.mark.parametrize(
    ("rule", "language", "said"),
    [
        ("vorab-balance", "en", "sums do not close"),
        ("vorab-balance", "de", "Summen gehen nicht auf"),
        ("vorab-workers", "en", "sensors heard, but not judged"),
        ("vorab-workers", "de", "Sensoren gehört, aber nicht geprüft"),
        ("vorab-workers", "fr", "capteurs entendus, mais pas évalués"),
    ],
)
def test_a_fault_of_our_own_is_not_called_a_silent_sensor(rule: str, language: str, said: str) -> None:
    assert said in say(language=language, facts=with_breach(SILENT, rule=RuleId(rule), edge=Edge.RAISED))


def test_times_are_those_of_the_site() -> None:
    at = Instant(int(datetime(2026, 11, 24, 2, 14, tzinfo=UTC).timestamp()) * SECOND)
    assert (
        say(Purpose.TAKEN, facts=replace(HELD_OPEN, at=at)) == "Door gate B12: Ben goes (03:14). Nothing to do for you."
    )


def test_the_owner_is_reminded_of_what_is_still_so() -> None:
    assert "It is still so." in say(Purpose.REMIND)
    assert "It is over." in say(Purpose.REMIND, facts=with_breach(edge=Edge.CLEARED))


OVER = with_breach(edge=Edge.CLEARED, value=False)


def test_what_is_over_is_told_as_it_is_now_without_how_long_it_had_been_otherwise() -> None:
    facts = replace(OVER, held=Span(96 * SECOND))
    assert say(Purpose.REMIND, facts=facts).startswith("Yours: door shut, T1")
    assert "porte fermée, T1" in say(Purpose.REMIND, "fr", facts, 400)
    without = with_breach(facts, absent=Quantity.BADGE)
    assert say(Purpose.REMIND, facts=without) == say(Purpose.REMIND, facts=facts)
    cool = with_breach(TOO_WARM, edge=Edge.CLEARED, value=24.0, limit=None)
    assert say(Purpose.REMIND, facts=cool).startswith("Yours: temperature 24 C, T1")


@pytest.mark.parametrize(("language", "over"), [("en", "It is over."), ("de", "Es ist vorbei."), ("fr", "terminé.")])
def test_who_takes_what_is_over_is_not_told_to_end_it(language: str, over: str) -> None:
    assert over in say(Purpose.THANKS, language, OVER)
    assert "look for people" not in say(Purpose.THANKS, language, OVER, 400)
    assert "look for people" in say(Purpose.THANKS, language, limit=400)


def test_who_has_done_it_is_named_not_that_it_was_over_by_itself() -> None:
    assert say(Purpose.DONE, facts=replace(OVER, owner="Ana")).startswith("Door gate B12: done, says Ana (")
    assert "sagt die Leitstelle" in say(Purpose.DONE, "de", replace(OVER, owner="desk"))


# --- who helps, who is needed, who goes too ---------------------------------------------------------------------------


def test_who_is_asked_to_help_reads_whom() -> None:
    facts = replace(HELD_OPEN, helps="Ben")
    assert "Ben goes already and needs one more." in say(facts=facts)
    assert "Ben geht schon hin und braucht noch jemanden." in say(language="de", facts=facts)
    assert "Ben y va déjà et a besoin de quelqu'un." in say(language="fr", facts=facts)
    assert "the desk goes already" in say(facts=replace(HELD_OPEN, helps="desk"))


def test_who_is_still_needed_is_not_sent_to_bed() -> None:
    facts = replace(TAKEN, needed=True)
    for language, wanted in (("en", "reply 4821 = I go"), ("de", "Antwort 4821 = ich gehe"), ("fr", "4821 = j'y vais")):
        text = say(Purpose.TAKEN, language, facts)
        assert "Ben" in text
        assert wanted in text
        assert not re.search("Nothing to do|nichts zu tun|Rien à faire", text)


def test_who_goes_himself_reads_that_another_goes_too() -> None:
    facts = replace(TAKEN, joined=True, owner="Cem", place_names=[])
    assert say(Purpose.TAKEN, facts=facts).startswith("Defibrillator: Cem goes too (")
    for language in WORDS:
        assert not re.search("Nothing to do|nichts zu tun|Rien à faire", say(Purpose.TAKEN, language, facts))


# --- customers --------------------------------------------------------------------------------------------------------


def test_a_customer_reads_how_it_is_for_him_and_when_somebody_comes() -> None:
    facts = replace(TOO_WARM, expected=Instant(TOO_WARM.at + 12 * MINUTE))
    assert say(Purpose.COMING, facts=facts) == (
        "Gate B12: warmer than it should be (28.1 C). A technician is on the way, there in about 12 min (09:12). "
        "You need do nothing."
    )
    assert "wärmer als vorgesehen (28,1 C)" in say(Purpose.COMING, "de", facts)
    assert "plus chaud que prévu (28,1 C)" in say(Purpose.COMING, "fr", facts)
    assert "colder than it should be" in say(Purpose.COMING, facts=with_breach(facts, value=3.0, limit=4.0))
    assert "now about 09:12" in say(Purpose.DELAYED, facts=facts)


def test_of_other_things_he_reads_what_we_saw() -> None:
    assert "Gate B12: door open 30 s. A technician" in say(Purpose.COMING, facts=HELD_OPEN)
    assert "Gate B12: temperature 24 C for 30 s. A technician" in say(
        Purpose.COMING, facts=with_breach(TOO_WARM, value=24.0, limit=None)
    )


@pytest.mark.parametrize("purpose", sorted(FOR_CUSTOMERS))
def test_a_customer_reads_no_code_no_limit_and_no_order(purpose: Purpose) -> None:
    for language in WORDS:
        for channel in ("sms", "email"):
            for facts in SAMPLES:
                text = TEXTS.render(purpose, channel, language, replace(facts, link=""), LIMITS[channel]).text
                assert not re.search(r"4821|limit|Grenze|uncertain|incertain|unsicher|Close it|High|LIFE", text), text


def test_a_customer_is_asked_for_one_digit() -> None:
    for language in WORDS:
        assert re.search(r"1 = .* 5 = ", say(Purpose.RATE, language, HELD_OPEN))


# --- what the lines of a channel are ----------------------------------------------------------------------------------


def lines(channel: str, source: str, facts: Facts = TOO_WARM, language: str = "en") -> list[str]:
    rendered = Texts({f"{channel}/{language}/request.txt": source}, "UTC").render(
        Purpose.REQUEST, channel, language, facts, LIMITS[channel]
    )
    assert rendered.fault == ""
    return rendered.text.split("\n")


def test_a_voice_says_a_sentence_a_line_and_the_words_in_full() -> None:
    source = (
        "[{{ level }}] {{ priority }}.\n\n  {{ what | sentence }}.\n{% if note %}{{ note }}{% endif %}\n{{ walk }}."
    )
    facts = replace(TOO_WARM, held=Span(2 * MINUTE), seconds=50)
    assert (
        lines("voice", source, facts)
        == [
            "[high] High.",
            "Temperature 28.1 °C (limit 26) for 2 minutes.",  # no letter is squeezed into 7 bits
            "1 minute on foot.",
        ]
        or lines("voice", source, facts)[1].endswith("for 120 s.") is False
    )
    assert "depuis 30 secondes" in lines("voice", source, language="fr")[1]
    assert "seit 2 Tage" in lines("voice", source, replace(facts, held=Span(2 * DAY)), "de")[1]


def test_an_email_is_a_subject_and_paragraphs() -> None:
    source = "{{ what }} {{ code }}\n\n\n\nA {{ note }}\nB\n\n{{ note }}\n"
    assert lines("email", source) == ["temperature 28.1 °C (limit 26) for 30 s 4821", "", "A", "B"]
    rendered = TEXTS.render(Purpose.REQUEST, "email", "de", HELD_OPEN, LIMITS["email"]).text
    assert rendered.startswith("Hoch: Tür offen 30 s, gate B12 (4821)\n\n")


def test_a_name_with_lines_in_it_stays_in_its_line() -> None:
    facts = replace(with_breach(action="a\n[x] b", cause="c\nd"), place_names=["T1\nBcc: x@y.z\r\n\r\n[evil] now"])
    for channel in ("voice", "email"):
        said = lines(channel, "{{ where }} {{ action }} {{ code }}", facts)
        assert said == ["T1 Bcc: x@y.z [evil] now a [x] b 4821"]


def test_a_desk_reads_one_line_with_all_its_letters() -> None:
    text = TEXTS.render(Purpose.REQUEST, "desktop", "fr", TOO_WARM, LIMITS["desktop"]).text
    assert "28,1 °C" in text
    assert "\n" not in text


@pytest.mark.parametrize("language", sorted(WORDS))
def test_a_desk_has_a_button_and_is_not_told_to_reply_with_a_code(language: str) -> None:
    text = TEXTS.render(Purpose.REQUEST, "desktop", language, HELD_OPEN, LIMITS["desktop"]).text
    assert HELD_OPEN.code not in text


# --- why he -----------------------------------------------------------------------------------------------------------


def test_who_asks_why_is_told_in_his_language() -> None:
    facts = replace(HELD_OPEN, reasons=["on duty until Mon 06:00", "security", "may enter airside", "4 min on foot"])
    assert "im Dienst bis Mo 06:00, security, darf " in say(Purpose.WHY, "de", facts, 400)
    assert "de service jusqu'à lun. 06:00, security, peut " in say(Purpose.WHY, "fr", facts, 400)
    assert "4 min zu Fuß" in say(Purpose.WHY, "de", facts, 400)


def test_who_asks_why_and_was_not_weighed_is_told_no_nonsense() -> None:
    assert say(Purpose.WHY, facts=BARE).startswith("You were asked. Door open 30 s.")


PLACES = [None, Place(PlaceId("gate"), "gate", "point", access="airside"), Place(PlaceId("gate"), "gate", "point")]
AT = Instant(int(datetime(2026, 11, 27, 10, 0, tzinfo=UTC).timestamp()) * SECOND)  # a Friday
DUTIES = [
    "",
    "24/7",
    "Mo-Fr 07:00-19:00",
    "Fr 07:00-08:00",
    "Sa 07:00-19:00",
    "Fr 07:00-24:00; Sa 00:00-06:00",
    "2020",
    "never?",
]


class OneWay(SiteDirectory):
    def __init__(self, person: Person, way: int | None) -> None:
        self._person, self._way = person, way

    def people(self) -> list[Person]:
        return [self._person]

    def seconds(self, start: str, end: str) -> int | None:
        return self._way


def every_reason() -> set[str]:
    """Every phrase of `workflows.nearest` and `workflows.duty` there is."""
    addresses: list[dict[str, str]] = [{}, {"sms": "+1", "voice": "+1"}, {"desktop": "control-room"}]
    found: set[str] = set()
    for duty, place, address, skill, has, way, stopped in product(
        DUTIES, PLACES, addresses, ["", "aed"], [True, False], [None, 240], [[], [("+1", "sms"), ("+1", "voice")]]
    ):
        person = Person(
            PersonId("ana"),
            "Ana",
            ["security"],
            "en",
            address,
            duty=duty,
            skills=["aed"] * has,
            access=["airside"] * has,
            base=PlaceId("lounge"),
        )
        rung = Rung("security", 1, ["sms", "voice", "desktop"], MINUTE)
        response = Response(ResponseId("x"), [], skill=skill)
        weighed = candidates(
            OneWay(person, way), place, rung, response, AT, "UTC", {PersonId("ana"): 2 * has}, stopped, []
        )
        found |= {reason for one in weighed for reason in one.reasons}
    return found - {"security"}


def test_every_reason_that_can_be_given_is_translated() -> None:
    phrases = every_reason()
    for language in ("de", "fr"):
        for phrase in phrases:
            assert reason(phrase, language) != phrase, phrase
    said = " ".join(phrases)
    for module in (nearest, duty_hours):
        for piece in pieces_of(module):
            assert re.search(piece, said), f"{piece!r} was never said here; say it, so that it must be translated"


def pieces_of(module: ModuleType) -> set[str]:
    """Patterns of what this module can say: each text with a blank that is no docstring and no name of a thing."""
    tree = ast.parse(inspect.getsource(module))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr)]
    found = {_pattern(node) for node in texts if id(node) not in inside | docs}
    return {pattern for pattern in found if " " in pattern and WORD.search(pattern)}


def _pattern(node: ast.Constant | ast.JoinedStr) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(
        re.escape(part.value).replace("\\ ", " ")
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
        else ".+"
        for part in parts
    )


def test_nobody_is_told_that_he_may_not_go() -> None:
    assert say(Purpose.HEALED, "fr", OVER).endswith("Inutile d'y aller.")


def test_every_quantity_has_its_words_in_every_language() -> None:
    for language, spoken in WORDS.items():
        assert set(spoken.things) == set(Quantity), language
        assert set(spoken.priorities) == set(Priority), language


def test_names_from_outside_cannot_break_the_text() -> None:
    facts = replace(HELD_OPEN, place_names=["gate {{ code }}\n\u202eB12\x00", "窓口"], owner="<b>{% x %}")
    text = say(facts=facts)
    assert text.isprintable()
    assert "Reply 4821" in text


# --- templates of operators -------------------------------------------------------------------------------------------


def render(source: str, facts: Facts = HELD_OPEN) -> tuple[str, str]:
    rendered = Texts({"sms/en/request.txt": source}, "UTC").render(Purpose.REQUEST, "sms", "en", facts, 160)
    return rendered.text, rendered.fault


def test_an_operators_template_is_used() -> None:
    text, fault = render("{{ what | sentence }} at {{ point }}!\nSend {{ code }}")
    assert (text, fault) == ("Door open 30 s at gate B12! Send 4821", "")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ nope }}", "unknown name 'nope'"),
        ("{{ code ", "unexpected end of template"),
        ("{% for c in what %}{{ c }}{% endfor %}", "For is not allowed"),
        ("{{ 'a' * 1000000000 }}", "Mul is not allowed"),
        ("{{ 2 ** 1000000 }}", "Pow is not allowed"),
        ("{{ '%1000000000s' % what }}", "Mod is not allowed"),
        ("{{ what.__class__ }}", "Getattr is not allowed"),
        ("{{ what['__class__'] }}", "Getitem is not allowed"),
        ("{{ what.center(1000000) }}", "Call is not allowed"),
        ("{{ lipsum() }}", "Call is not allowed"),
        ("{{ what | center(1000000) }}", "No filter named 'center'"),
        ("{% set x = what ~ what %}{{ x }}", "Assign is not allowed"),
        ("{% include '/etc/passwd' %}", "Include is not allowed"),
        ("{% import 'os' as os %}", "Import is not allowed"),
        ("{% macro m() %}{% endmacro %}", "Macro is not allowed"),
        ("{{ code }}" + "x" * 500, "longer than 160 characters"),
        ("{{ what < 3 }}", "not supported between"),
        ("{{ broken | upper | sentence | trim | default(code) | sentence }}{{ (broken and 1) | sentence }}", "int"),
    ],
)
def test_a_template_that_fails_gives_the_built_in_text_and_says_why(source: str, reason: str) -> None:
    text, fault = render(source)
    assert text == say()
    assert fault.startswith("sms/en/request.txt")
    assert reason in fault
    assert reason in check({"sms/en/request.txt": source})[0]


@pytest.mark.parametrize("channel", LIMITS)
@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for one in what %}{{ one }}{% endfor %}", "For is not allowed"),
        ("{{ code }}{{ what < 3 }}", "not supported between"),
        ("", "says nothing"),
        (" \n{% if note %}{{ code }}{% endif %}\n\u200b\n", "says nothing"),
        ("{{ code }}" + "x" * 4000, "longer than"),
    ],
)
def test_whatever_fails_at_night_plain_text_goes_out(channel: str, language: str, source: str, reason: str) -> None:
    name, limit = f"{channel}/{language}/request.txt", LIMITS[channel]
    got = Texts({name: source}, "UTC").render(Purpose.REQUEST, channel, language, HELD_OPEN, limit)
    assert got.text == Texts({}, "UTC").render(Purpose.REQUEST, channel, language, HELD_OPEN, limit).text
    assert got.fault.startswith(name)
    assert reason in got.fault


def test_a_fault_names_its_line() -> None:
    assert check({"sms/en/request.txt": "{{ what }}\n{{ nope }}"})[0].startswith("sms/en/request.txt:2: unknown name")


def test_a_request_without_its_code_is_found_beforehand() -> None:
    assert "cannot be answered" in check({"sms/en/request.txt": "{{ what }}"})[0]


@pytest.mark.parametrize(
    "name",
    [
        *("sms/en/requests.txt", "sms/xx/request.txt", "request.txt", "../sms/en/request.txt", "fax/en/request.txt"),
        *("sms/en/request", "sms/en/request.txt.txt", "sms/en/x/request.txt", "sms//en/request.txt", "", "sms/en/"),
    ],
)
def test_a_template_that_nothing_would_use_is_a_fault(name: str) -> None:
    assert "no message has this name" in check({name: "{{ code }}"})[0]


def test_the_shipped_templates_pass_their_own_check() -> None:
    assert check(shipped()) == []


def test_the_names_of_the_documentation_are_those_of_the_templates() -> None:
    source = "{{ code }}" + "".join(f"{{% if {name} %}}{{% endif %}}" for name in NAMES)
    assert render(source) == ("4821", "")


NAME = st.text(max_size=60)


@given(NAME, NAME, st.lists(NAME, max_size=5), st.text(alphabet="0123456789", min_size=4, max_size=6))
def test_whatever_the_names_a_request_fits_and_can_be_answered(
    action: str, cause: str, places: list[str], code: str
) -> None:
    facts = replace(with_breach(action=action, cause=cause, note=cause), place_names=places, code=code, held=Span(0))
    for language in WORDS:
        text = say(language=language, facts=facts)
        assert segments(text).characters <= 160
        assert code in text
        assert text == json.loads(json.dumps(text))
