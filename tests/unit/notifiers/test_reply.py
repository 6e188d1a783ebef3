"""What counts as an answer, and above all what does not (law 7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.reply import Reply, parse
from vorab.model import Meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("4821", Meaning.TAKEN),
        (" 4821 \n", Meaning.TAKEN),
        ("4821.", Meaning.TAKEN),
        ("“4821”", Meaning.TAKEN),
        ("4821 ok", Meaning.TAKEN),
        ("Yes 4821", Meaning.TAKEN),
        ("4821 = I go", Meaning.TAKEN),
        ("4821 ich gehe", Meaning.TAKEN),
        ("4821 j'y vais", Meaning.TAKEN),
        ("4821 j’y vais", Meaning.TAKEN),
        ("4821 no", Meaning.DECLINED),
        ("NO 4821", Meaning.DECLINED),
        ("4821no", None),
        ("4821, no!", Meaning.DECLINED),
        ("4821 can't", Meaning.DECLINED),
        ("4821 nein", Meaning.DECLINED),
        ("4821 kann nicht", Meaning.DECLINED),
        ("non 4821", Meaning.DECLINED),
        ("4821 je ne peux pas", Meaning.DECLINED),
        ("4821 done", Meaning.DONE),
        ("Done: 4821", Meaning.DONE),
        ("4821 ok, done", Meaning.DONE),
        ("4821 erledigt", Meaning.DONE),
        ("4821 fini", Meaning.DONE),
        ("4821 terminé", Meaning.DONE),
        ("4821 termine\u0301", Meaning.DONE),
        ("4821 here", Meaning.ARRIVED),
        ("I'm here, 4821", Meaning.ARRIVED),
        ("4821 arrived.", Meaning.ARRIVED),
        ("4821 da", Meaning.ARRIVED),
        ("4821 ich bin da", Meaning.ARRIVED),
        ("4821 vor Ort", Meaning.ARRIVED),
        ("4821 angekommen", Meaning.ARRIVED),
        ("4821 sur place", Meaning.ARRIVED),
        ("4821 je suis là", Meaning.ARRIVED),
        ("4821 arrivé", Meaning.ARRIVED),
        ("4821 arrive\u0301e", Meaning.ARRIVED),
        ("4821 j'arrive", Meaning.TAKEN),  # I am coming
        ("4821 help", Meaning.HELP),
        ("Need help! 4821", Meaning.HELP),
        ("4821 Hilfe", Meaning.HELP),
        ("4821 brauche Hilfe", Meaning.HELP),
        ("4821 aide", Meaning.HELP),
        ("4821 j'ai besoin d'aide", Meaning.HELP),
        ("4821 ?", Meaning.WHY),
        ("4821?", Meaning.WHY),
        ("4821 why?", Meaning.WHY),
        ("\u200e4821\u200b no", Meaning.DECLINED),
    ],
)
def test_an_answer_is_the_code_and_words_that_we_know(text: str, meaning: Meaning | None) -> None:
    assert parse(text) == (None if meaning is None else Reply("4821", meaning))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("STOP", Meaning.STOP),
        ("stop.", Meaning.STOP),
        ("StopAll", Meaning.STOP),
        ("Unsubscribe", Meaning.STOP),
        ("ARRÊT", Meaning.STOP),
        ("arret", Meaning.STOP),
        ("Stopp", Meaning.STOP),
        ("START", Meaning.START),
        ("unstop", Meaning.START),
    ],
)
def test_stop_and_start_need_no_code(text: str, meaning: Meaning) -> None:
    assert parse(text) == Reply("", meaning)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "no",
        "yes",
        "done",
        "123",  # too short for a code
        "1234567",  # too long
        "4821 7310",  # two codes
        "4821 = I go, 4821 no = cannot",  # our own text, sent back
        "4821 yes no",  # two meanings
        "4821 done?",
        "4821 not here",
        "4821 nicht da",
        "4821 no help",
        "4821 pas arrivé",
        "4821 arrive",  # which of the two?
        "4821 here, done",
        "4821 there?",
        "help",
        "HELP",
        "Hilfe",
        "da",
        "Is there help for 4821",
        "There is no place like 4821",
        "4821 tomorrow",
        "4821 stop",
        "please stop",
        "do not stop 4821",
        "Liked “High: door open 30 s. Reply 4821 = I go”",
        "Loved “4821”",
        "👍 4821",
        "Reacted 👍 to “Reply 4821”",
        "Automatic reply: 4821",
        "I am out of office until 4821",
        "Sorry, I'm driving. 4821",
        "Je suis absent. 4821",
        "Abwesenheitsnotiz 4821",
        "4821 " + "no " * 30,
        "４８２１",
        "٤٨٢١",  # Arabic-Indic digits
        "४८२१ no",  # Devanagari digits
        "48 21",
        "48\u200b21 4821",
        "4821\x00no",
        "+4821",
        "4821/no",
        "<b>4821</b>",
    ],
)
def test_what_is_no_answer(text: str) -> None:
    assert parse(text) is None


@given(st.text())
def test_any_text_is_read_without_a_fault_and_never_by_chance(text: str) -> None:
    found = parse(text)
    assert found is None or found.code in text.replace("\u200b", "") or found.meaning in (Meaning.STOP, Meaning.START)


@given(st.text(alphabet="0123456789 no?done=.,", max_size=30))
def test_an_answer_always_carries_one_code_of_the_text(text: str) -> None:
    found = parse(text)
    assert found in (None, Reply("", Meaning.STOP)) or (found.code in text and 4 <= len(found.code) <= 6)  # "end"
