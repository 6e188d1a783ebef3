"""What people ask of an ingest: rows that the console and the command line write into the store."""

import contextlib
import logging
import sqlite3
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from vorab.model import PersonId

log = logging.getLogger("vorab.commands")

Number = Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]  #: of a row


class Again(Struct, frozen=True):
    """The body of a `quarantine-again`."""

    numbers: Annotated[list[Number], Meta(max_length=10_000)] | None = None  #: None = all that wait


def understood(name: str, kind: str, body: str) -> Again | None:
    """What a command asks for; None: that is not known, and was told."""
    if kind != "quarantine-again":
        log.error("command %s is unknown: %s", name, kind)
        return None
    try:
        return msgspec.json.decode(body, type=Again)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
        log.error("command %s is passed over: %s", name, error)
        return None


class Obeys(Protocol):
    """Who carries them out: deploy.capture.Capture."""

    def quarantine_again(self, command: str, by: PersonId, numbers: list[int] | None) -> None: ...


class Commands:
    """Those in contact.db, which is read-only here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken = 0  #: number of the last row seen by this process; the log knows which were applied
        self._told = ""  #: what was last said to be wrong with the file

    def obey(self, capture: Obeys) -> None:
        """Every new command once.  What is wrong with one, or with the file, is told and stops nothing."""
        for number, name, by, kind, body in self._new():
            self._taken = number
            again = understood(name, kind, body)
            if again:
                capture.quarantine_again(name, PersonId(by), again.numbers)

    def _new(self) -> list[tuple[int, str, str, str, str]]:
        if not self._path.exists():
            return []
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as store:
                query = 'SELECT number, id, "by", kind, body FROM commands WHERE number > ? ORDER BY number'
                return store.execute(query, (self._taken,)).fetchall()
        except sqlite3.OperationalError:  # contact is just making it, or has it locked: at the next look
            return []
        except sqlite3.Error as error:
            if str(error) != self._told:
                self._told = str(error)
                log.error("%s: no commands are heard: %s", self._path, error)
            return []
