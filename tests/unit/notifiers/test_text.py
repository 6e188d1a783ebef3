"""The words of a message: one segment, the least important goes first, and an operator's template cannot harm."""

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from notifiers.segments import Encoding, gsm, segments
from notifiers.text import NAMES, SAMPLES, Facts, Texts, check, shipped
from notifiers.words import WORDS
from vorab import words
from vorab.model import DAY, MINUTE, SECOND, Edge, Instant, Priority, Purpose, Quantity, Span

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
    assert lost[:6] == ["check the closer", "Close it", "T1", "level 2", "on foot", "gate B12"]
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


def test_a_fault_names_its_line() -> None:
    assert check({"sms/en/request.txt": "{{ what }}\n{{ nope }}"})[0].startswith("sms/en/request.txt:2: unknown name")


def test_a_request_without_its_code_is_found_beforehand() -> None:
    assert "cannot be answered" in check({"sms/en/request.txt": "{{ what }}"})[0]


@pytest.mark.parametrize("name", ["sms/en/requests.txt", "sms/xx/request.txt", "request.txt", "../sms/en/request.txt"])
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
