"""What is wrong in a site folder: file, line, column, and the way out.  All of it in one run."""

import difflib
from collections.abc import Iterable

from msgspec import Struct

from vorab.errors import ConfigurationError


class Fault(Struct, frozen=True, order=True):
    file: str  #: relative to the site folder
    line: int  #: from 1
    column: int  #: from 1
    message: str
    warning: bool = False  #: the site works; somebody should look all the same

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        return f"{self.file}:{self.line}:{self.column}: {kind}{self.message}"


class Faults(ConfigurationError):
    """Everything that is wrong in one site folder; nothing was changed and nothing may start."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one; None where none is like it."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """`unknown role 'securty'; did you mean 'security'?`, or the list of what there is."""
    words = sorted({str(each) for each in known})
    like = nearest(word, words)
    if like:
        return f"unknown {what} {word!r}; did you mean {like!r}?"
    if not words:
        return f"unknown {what} {word!r}; there is none yet"
    return f"unknown {what} {word!r}; there is {', '.join(words[:12])}{' …' if len(words) > 12 else ''}"
