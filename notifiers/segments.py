"""What a text costs as a text message: alphabet, characters, segments (3GPP TS 23.038 and 23.040).

Example: 160 letters a are one segment, 161 are two of 153; one ê among them makes it UCS-2, and 70 or 67 each.
"""

import unicodedata
from enum import StrEnum

from msgspec import Struct

#: Characters of the GSM 7-bit alphabet in one text message, and in each part of a joined one.
SINGLE, JOINED = 160, 153
#: The same for UCS-2, in UTF-16 code units.
SINGLE_UCS2, JOINED_UCS2 = 70, 67

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("^{}\\[~]|€\f")  #: two septets each: an escape and the character
_LOOK_ALIKES = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("‘’‚‛′´`ʼ", "'"),
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000\t", " "),
        "…": "...",
        "•": "*",
        "·": "-",
        "°": "",
        "×": "x",
        "œ": "oe",
        "Œ": "OE",
        "ł": "l",
        "Ł": "L",
        "→": "->",
        "≤": "<=",
        "≥": ">=",
        "µ": "u",
        "³": "3",
        "²": "2",
    }
)


class Encoding(StrEnum):
    GSM = "GSM-7"
    UCS2 = "UCS-2"


class Count(Struct, frozen=True):
    encoding: Encoding
    characters: int  #: septets of GSM-7, or UTF-16 code units
    segments: int
    left: int  #: characters that still fit into the last segment


def segments(text: str) -> Count:
    """What this text costs; an empty one is one segment.  A character is never torn over two parts."""
    widths = [_width(character) for character in text]
    encoding, single, joined = Encoding.GSM, SINGLE, JOINED
    if 0 in widths:
        encoding, single, joined = Encoding.UCS2, SINGLE_UCS2, JOINED_UCS2
        widths = [1 + (character > "\uffff") for character in text]
    characters = sum(widths)
    if characters <= single:
        return Count(encoding, characters, 1, single - characters)
    count, used = 1, 0
    for width in widths:
        if used + width > joined:
            count, used = count + 1, 0
        used += width
    return Count(encoding, characters, count, joined - used)


def gsm(text: str) -> str:
    """The text with look-alikes of what GSM-7 lacks (ê = e, – = -), if that makes all of it GSM-7; else unchanged."""
    if all(map(_width, text)):
        return text
    plain = "".join(map(_plain, unicodedata.normalize("NFC", text).translate(_LOOK_ALIKES)))
    return plain if all(map(_width, plain)) else text


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters as `segments` counts them, cut after a word if one ends in the last half, with "..".

    A limit below three leaves what fits, without the dots.
    """
    if segments(text).characters <= limit:
        return text
    dots = ".." if limit >= 3 else ""
    room = limit - len(dots)
    cut = text
    while (excess := segments(cut).characters - room) > 0:
        cut = cut[: max(0, len(cut) - max(1, excess // 2))]
    head, space, _ = cut.rpartition(" ")
    if space and text[len(cut)] != " " and len(head) >= room // 2:
        cut = head
    return cut.rstrip(" ,.;:-") + dots


def _width(character: str) -> int:
    """Septets in GSM-7; 0 = not in its alphabet."""
    return 1 if character in _BASIC else 2 if character in _EXTENSION else 0


def _plain(character: str) -> str:
    """The character without its accents where GSM-7 has it only so; nothing for what has no width."""
    if _width(character):
        return character
    if unicodedata.category(character) in ("Cf", "Mn"):
        return ""
    base = "".join(c for c in unicodedata.normalize("NFD", character) if not unicodedata.combining(c))
    return base or character
