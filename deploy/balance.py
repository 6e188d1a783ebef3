"""Law 2, conservation: what came in is accounted for, by two witnesses that do not know of each other.

received = stored + duplicate + ignored + quarantined, for each run of an ingest: the packet reader's count, and the log
breaches = opened an incident + attached to one + suppressed: the log's numbers, and the incidents'
messages = delivered + waiting + given up: the count of those ordered, and the rows of the outbox
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import select

from deploy.store.apply import take
from deploy.store.tables import incidents
from deploy.store.transaction import Transaction
from vorab import wire
from vorab.model import Breach, Delivery, Edge, Priority, ResponseId, RuleId, SensorId, breach_id

RULE, SUBJECT, RESPONSE = RuleId("vorab-balance"), SensorId("vorab"), ResponseId("instruments")


class Sum(Struct, frozen=True):
    """One side is what was counted when it came, the other where each one is now."""

    of: str
    came: int
    parts: dict[str, int]

    @property
    def missing(self) -> int:
        """How many are not accounted for; negative = more than came."""
        return self.came - sum(self.parts.values())

    def __str__(self) -> str:
        parts = " + ".join(f"{number} {name}" for name, number in self.parts.items())
        return f"{self.of}: {self.came} = {parts}" + (f"; {self.missing} missing" if self.missing else "")


class Balance(Struct, frozen=True):
    sums: list[Sum]
    stored: dict[tuple[str, int], int] = {}  #: by ingest and run, of the log up to `position`
    position: int = 0
    whole_since: int = 0  #: runs that began earlier are not judged: house-keeping has deleted part of them

    @property
    def faults(self) -> list[str]:
        """What does not close, in words."""
        return [str(one) for one in self.sums if one.missing]


def balance(capture: Path, contact: Path, before: Balance | None = None) -> Balance:
    """The sums of these two databases now; `before`: one drawn up earlier, so that the log is not read from its start.

    Both files must exist.
    """
    with _reading(contact) as books, _reading(capture) as log:
        cursors = dict(books.execute("SELECT name, value FROM cursors").fetchall())
        stored, position = _stored(log, before)
        whole_since = before.whole_since if before else _whole_since(log)
        sums = [
            *_runs(log, stored, whole_since),
            _breaches(log, books, cursors.get("breaches", 0)),
            _messages(books, cursors.get("messages", 0)),
        ]
    return Balance(sums, stored, position, whole_since)


def report(tx: Transaction, found: Balance) -> None:
    """A sum that does not close is a fault of its own: an audit line, and an incident if the site says whom to ask."""
    opened = _open_fault(tx)
    if found.faults and opened is None:
        tx.note("balance does not close", SUBJECT, "; ".join(found.faults))
        if tx.world.directory.response(RESPONSE) is not None:
            take(tx, _breach(tx, "; ".join(found.faults)))
    elif not found.faults and opened is not None and opened.edge is not Edge.CLEARED:
        take(tx, _cleared(tx, opened))


def _breach(tx: Transaction, what: str) -> Breach:
    return Breach(
        id=breach_id(RULE, SUBJECT, tx.at),
        number=0,
        edge=Edge.RAISED,
        rule=RULE,
        subject=SUBJECT,
        onset=tx.at,
        at=tx.at,
        priority=Priority.HIGH,
        respond=RESPONSE,
        rules_hash="",
        note=what,
        cause="Something on the way was lost or counted twice",
        action="Compare the sums: vorab log",
    )


def _cleared(tx: Transaction, opened: Breach) -> Breach:
    return replace(opened, number=opened.number + 1, edge=Edge.CLEARED, at=tx.at, note="the sums close again")


def _open_fault(tx: Transaction) -> Breach | None:
    body = tx.connection.scalar(_OPEN_FAULT)
    return None if body is None else wire.unpack(body, wire.INCIDENT).breach


_OPEN_FAULT = select(incidents.c.body).where(incidents.c.resolved_at.is_(None), incidents.c.subject == SUBJECT)


# --- the sums ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """One state of the file, as it is now."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        yield connection


def _stored(log: sqlite3.Connection, before: Balance | None) -> tuple[dict[tuple[str, int], int], int]:
    """Messages in the log by ingest and run, and the position up to which they were counted."""
    stored = dict(before.stored) if before else {}
    position = before.position if before else 0
    last = log.execute("SELECT max(position) FROM batches").fetchone()[0] or position
    rows = log.execute(
        "SELECT ingest, run, sum(messages) FROM batches WHERE position > ? AND position <= ? GROUP BY ingest, run",
        (position, last),
    )
    for ingest, run, messages in rows:
        stored[ingest, run] = stored.get((ingest, run), 0) + messages
    return stored, last


def _whole_since(log: sqlite3.Connection) -> int:
    """The first run whose records are all there."""
    first = log.execute("SELECT position, run FROM batches ORDER BY position LIMIT 1").fetchone()
    return 0 if first is None or first[0] == 1 else int(first[1]) + 1


def _runs(log: sqlite3.Connection, stored: dict[tuple[str, int], int], whole_since: int) -> list[Sum]:
    quarantined = {
        (ingest, run): number
        for ingest, run, number in log.execute("SELECT ingest, run, count(*) FROM quarantine GROUP BY ingest, run")
    }
    return [
        Sum(
            f"messages of ingest {ingest}, run {run}",
            received,
            {
                "stored": stored.get((ingest, run), 0),
                "duplicate": duplicates,
                "ignored": ignored,
                "quarantined": quarantined.get((ingest, run), 0),
            },
        )
        for ingest, run, received, duplicates, ignored in log.execute(
            "SELECT ingest, run, received, duplicates, ignored FROM runs WHERE run >= ? ORDER BY run", (whole_since,)
        )
    ]


def _breaches(log: sqlite3.Connection, books: sqlite3.Connection, taken: int) -> Sum:
    """Up to the last one that contact took.  Numbers run from 1 without a gap; house-keeping deletes from the start."""
    first, number = log.execute("SELECT min(number), count(*) FROM breaches WHERE number <= ?", (taken,)).fetchone()
    opened, edges = books.execute(
        "SELECT count(*), coalesce(sum(next_edge), 0) FROM incidents WHERE breach NOT LIKE ?", (f"{RULE}/%",)
    ).fetchone()
    kept = dict(books.execute("SELECT state, count(*) FROM breaches GROUP BY state").fetchall())
    came = number + (first - 1 if first is not None else taken)
    return Sum("breaches", came, {"opened": opened, "attached": edges - opened, **kept})


def _messages(books: sqlite3.Connection, ordered: int) -> Sum:
    found = dict(books.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall())
    waiting = (Delivery.READY, Delivery.SENDING, Delivery.SENT, Delivery.UNKNOWN)
    return Sum(
        "messages",
        ordered,
        {
            "delivered": found.get(Delivery.DELIVERED, 0),
            "waiting": sum(found.get(state, 0) for state in waiting),
            "given up": sum(found.get(state, 0) for state in (Delivery.FAILED, Delivery.WITHDRAWN)),
        },
    )
