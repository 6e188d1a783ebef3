"""What a person wrote back.  Only a deliberate answer counts (DESIGN §3, law 7).

An answer carries the digits of the request, and besides them nothing but words that we know: "4821", "4821 no",
"4821 here", "4821 help", "done 4821".  Anything else is no answer: an auto-reply, a tap-back that quotes our text, a
second code.
"""

import re
import unicodedata

from msgspec import Struct

from vorab.model import Meaning

#: Longer texts are conversation, quotation or an auto-reply.
MAX_CHARACTERS = 40
#: Only ASCII digits: a code in other digits did not come from our text.
_CODE = re.compile(r"[0-9]{4,6}")
_SEPARATORS = re.compile(r"[\s,;.:!=\-–—\"“”„«»()]+")
_APOSTROPHES = str.maketrans("", "", "'’‘")  # can't = cant, j'y = jy

_MEANING = {
    **dict.fromkeys(["yes", "go", "going", "coming"], Meaning.TAKEN),
    **dict.fromkeys(["ja", "gehe", "komme", "oui", "jy", "vais", "viens", "prends", "jarrive"], Meaning.TAKEN),
    **dict.fromkeys(["no", "not", "cannot", "cant", "nein", "nicht", "non", "pas", "peux"], Meaning.DECLINED),
    **dict.fromkeys(["done", "finished", "fertig", "erledigt", "fini", "fait", "terminé"], Meaning.DONE),
    **dict.fromkeys(["here", "there", "arrived", "da", "ort", "angekommen", "place", "là"], Meaning.ARRIVED),
    **dict.fromkeys(["arrivé", "arrivée"], Meaning.ARRIVED),  # but j'arrive: I am coming
    **dict.fromkeys(["help", "hilfe", "aide", "daide"], Meaning.HELP),
    **dict.fromkeys(["?", "why", "warum", "wieso", "pourquoi"], Meaning.WHY),
}
#: Words that may stand beside one that has a meaning: "I cannot", "ich bin vor Ort", "je suis sur place", "ok, done".
_FILLERS = frozenset(
    [
        *("ok", "okay", "i", "im", "am", "can", "need", "please", "thanks"),
        *("ich", "bin", "kann", "vor", "brauche", "bitte", "danke"),
        *("je", "ne", "suis", "sur", "besoin", "jai", "merci"),
    ]
)
#: The keywords with which the provider itself blocks and unblocks a number; the whole text, without a code.
_ALONE = {
    **dict.fromkeys(
        ["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "stopp", "arret", "arrêt"], Meaning.STOP
    ),
    **dict.fromkeys(["start", "unstop"], Meaning.START),
}


class Reply(Struct, frozen=True):
    code: str  #: the digits; "" with STOP and START
    meaning: Meaning


def parse(text: str) -> Reply | None:
    """What this text answers, and to which request; None = it is not an answer."""
    words = _words(text)
    if len(words) == 1 and words[0] in _ALONE:
        return Reply("", _ALONE[words[0]])
    codes = [word for word in words if _CODE.fullmatch(word)]
    if len(codes) != 1:
        return None
    said = [word for word in words if word not in _FILLERS and word != codes[0]]
    meanings = {_MEANING[word] for word in said if word in _MEANING}
    if len(meanings) > 1 or any(word not in _MEANING for word in said):
        return None
    return Reply(codes[0], meanings.pop() if meanings else Meaning.TAKEN)


def _words(text: str) -> list[str]:
    """The words in small letters; a question mark is a word of its own; nothing of a text that is too long."""
    visible = "".join(c for c in unicodedata.normalize("NFC", text[:1600]) if unicodedata.category(c) != "Cf").strip()
    if len(visible) > MAX_CHARACTERS:
        return []
    plain = visible.casefold().translate(_APOSTROPHES)
    return [word for word in _SEPARATORS.split(plain.replace("?", " ? ")) if word]
