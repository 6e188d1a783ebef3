"""Segments as the networks count them (3GPP TS 23.038, 23.040)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.segments import Encoding, gsm, segments, shorten


@pytest.mark.parametrize(
    ("text", "encoding", "characters", "count", "left"),
    [
        ("", Encoding.GSM, 0, 1, 160),
        ("a" * 160, Encoding.GSM, 160, 1, 0),
        ("a" * 161, Encoding.GSM, 161, 2, 145),  # 153 + 8, so 145 left in the second
        ("a" * 306, Encoding.GSM, 306, 2, 0),
        ("a" * 307, Encoding.GSM, 307, 3, 152),
        ("€" * 80, Encoding.GSM, 160, 1, 0),  # two septets each
        ("€" * 81, Encoding.GSM, 162, 2, 143),  # 76 fit into 153, the 77th is not torn: 5 in the second, 10 of 153
        ("é" * 160, Encoding.GSM, 160, 1, 0),
        ("ê" + "a" * 69, Encoding.UCS2, 70, 1, 0),
        ("ê" + "a" * 70, Encoding.UCS2, 71, 2, 63),
        ("😀" * 35, Encoding.UCS2, 70, 1, 0),  # two code units each
        ("😀" * 36, Encoding.UCS2, 72, 2, 61),  # 33 in the first part, 3 in the second
    ],
)
def test_what_a_text_costs(text: str, encoding: Encoding, characters: int, count: int, left: int) -> None:
    found = segments(text)
    assert (found.encoding, found.characters, found.segments, found.left) == (encoding, characters, count, left)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("être – là\u202f!", "etre - là !"),
        ("“Gate” B12…", '"Gate" B12...'),
        ("28.1\u00a0°C", "28.1 C"),
        ("Łódź", "Lodz"),
        ("e\u0302tre", "etre"),
        ("plain", "plain"),
        ("fenêtre 窓", "fenêtre 窓"),  # cannot become GSM-7: left as it is
        ("zero\u200bwidth", "zerowidth"),
    ],
)
def test_look_alikes_replace_what_the_alphabet_lacks(text: str, plain: str) -> None:
    assert gsm(text) == plain


def test_a_long_text_is_cut_after_a_word() -> None:
    assert shorten("Close it, look for people who passed", 20) == "Close it, look for.."
    assert shorten("short", 20) == "short"
    assert shorten("abcdef", 2) == "ab"
    assert shorten("abcdef", 0) == ""


@given(st.text(), st.integers(0, 200))
def test_a_shortened_text_fits(text: str, limit: int) -> None:
    assert segments(shorten(text, limit)).characters <= max(limit, 0)


@given(st.text())
def test_the_parts_hold_all_characters(text: str) -> None:
    found = segments(text)
    single, joined = (160, 153) if found.encoding is Encoding.GSM else (70, 67)
    assert found.characters <= (single if found.segments == 1 else joined * found.segments)
    assert found.left >= 0


@given(st.text())
def test_smart_encoding_never_costs_a_segment_more(text: str) -> None:
    assert segments(gsm(text)).segments <= segments(text).segments or len(gsm(text)) > len(text)
