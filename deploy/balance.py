"""Law 2, conservation: what came in is accounted for, by two witnesses that do not know of each other.

received = stored + duplicate + ignored + quarantined, for each run of an ingest: the packet reader's count, and the log
breaches = opened an incident + attached to one + suppressed: the log's numbers, and the incidents'
messages = delivered + waiting + given up: the count of those ordered, and the rows of the outbox

On PostgreSQL the workers have counted what stands in Kafka (deploy.received), and written the rows of the breaches.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, Engine, select, text

from deploy import own_faults
from deploy.log import progress
from deploy.log.tables import checkpoints
from deploy.own_faults import Fault
from deploy.received import Tallies, received
from deploy.store.store import cursor
from deploy.store.transaction import Transaction
from vorab.model import Delivery, RuleId, SensorId
from vorab.site import Site

RULE = RuleId("vorab-balance")
FAULT = Fault(
    RULE,
    SensorId("vorab"),
    what="balance does not close",
    over="the sums close again",
    cause={
        "en": "Something on the way was lost or counted twice",
        "de": "Unterwegs ging etwas verloren oder wurde doppelt gezählt",
        "fr": "Quelque chose s'est perdu en route ou a été compté deux fois",
    },
    action={
        "en": "Compare the sums: vorab balance",
        "de": "Die Summen vergleichen: vorab balance",
        "fr": "Comparer les sommes : vorab balance",
    },
)

Run = tuple[str, int]  #: an ingest, and when it was started


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
    stored: dict[Run, int] = {}
    quarantined: dict[Run, int] = {}
    position: int = 0  #: of the last record that was counted
    number: int = 0  #: of the last quarantined message that was counted
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
        before = before or Balance([], whole_since=_whole_since(log))
        stored, position = _counted(log, _STORED, before.stored, before.position)
        quarantined, number = _counted(log, _QUARANTINED, before.quarantined, before.number)
        sums = [
            *_runs(log, stored, quarantined, before.whole_since),
            _breaches(log, books, cursors.get("breaches", 0), cursors.get("breaches/urgent", 0)),
            _messages(dict(books.execute(str(_OUTBOX)).fetchall()), cursors.get("messages", 0)),
        ]
    return Balance(sums, stored, quarantined, position, number, before.whole_since)


def of_store(store: Engine, site: Site) -> Balance:
    """The sums of a store on PostgreSQL, as it is now.  Raises Corrupt for counts that cannot be read."""
    with store.begin() as books:
        rows = books.execute(_FOUND).fetchall()
        states = {state: number for state, number, _, _ in rows}
        came = sum(states.values())
        states.pop("applied", None)
        opened, known = next(((row[2], row[3]) for row in rows if row[0] == "applied"), (0, 0))
        parts = {"opened": opened, "attached": known - opened, **states}
        messages = {state: int(number) for state, number in books.execute(_OUTBOX)}
        sums = [Sum("breaches", came, parts), _messages(messages, cursor(books, "messages"))]
        return Balance([*_of_kafka(books, site), *sums])


def _of_kafka(books: Connection, site: Site) -> list[Sum]:
    """Once every partition has been counted."""
    if site.log is None:
        return []
    known = checkpoints.c
    rows = books.execute(select(known.topic, known.part, known.tallies))
    told = {(topic, part): Tallies(tallies).told() for topic, part, tallies in rows}
    places = progress.parts(site)
    if not all(place in told for place in places):
        return []
    return [
        Sum(
            f"messages of ingest {ingest}, run {run}",
            found.stored + found.quarantined + found.counts.duplicates + found.counts.ignored + found.missing,
            {
                "stored": found.stored,
                "duplicate": found.counts.duplicates,
                "ignored": found.counts.ignored,
                "quarantined": found.quarantined,
            },
        )
        for (ingest, run), found in received([told[place] for place in places]).items()
    ]


#: By state: how many edges, of how many incidents that took them, and how many of them those incidents know.
_FOUND = text(
    "SELECT state, count(*), count(DISTINCT incident) FILTER (WHERE known), count(*) FILTER (WHERE known) FROM"
    " (SELECT breaches.state, incidents.id AS incident, breaches.edge < incidents.next_edge AS known"
    " FROM breaches LEFT JOIN incidents ON incidents.breach = breaches.id) AS edges GROUP BY state ORDER BY state"
)
_OUTBOX = text("SELECT state, count(*) FROM outbox GROUP BY state")


def report(tx: Transaction, found: Balance) -> None:
    """A sum that does not close is a fault of its own: an audit line, and an incident if the site says whom to ask."""
    own_faults.report(tx, FAULT, found.faults)


# --- the sums ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """One state of the file, as it is now."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        yield connection


_STORED = "SELECT ingest, run, sum(messages), max(position) FROM batches WHERE position > ? GROUP BY ingest, run"
_QUARANTINED = "SELECT ingest, run, count(*), max(number) FROM quarantine WHERE number > ? GROUP BY ingest, run"


def _counted(log: sqlite3.Connection, query: str, before: dict[Run, int], start: int) -> tuple[dict[Run, int], int]:
    """Messages by run, those counted before and those after `start`; and where to go on."""
    counted, last = dict(before), start
    for ingest, run, messages, end in log.execute(query, (start,)):
        counted[ingest, run] = counted.get((ingest, run), 0) + messages
        last = max(last, end)
    return counted, last


def _whole_since(log: sqlite3.Connection) -> int:
    """The first run whose records are all there."""
    first = log.execute("SELECT position, run FROM batches ORDER BY position LIMIT 1").fetchone()
    return 0 if first is None or first[0] == 1 else int(first[1]) + 1


def _runs(log: sqlite3.Connection, stored: dict[Run, int], quarantined: dict[Run, int], whole_since: int) -> list[Sum]:
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


def _breaches(log: sqlite3.Connection, books: sqlite3.Connection, taken: int, urgent: int) -> Sum:
    """Up to the last one that contact took, and those of life safety that it took before their turn."""
    query = "SELECT count(*) FROM breaches WHERE number <= ?1 OR (urgent AND number <= ?2)"
    (came,) = log.execute(query, (taken, urgent)).fetchone()
    opened, edges = books.execute(
        "SELECT count(*), coalesce(sum(next_edge), 0) FROM incidents WHERE breach NOT LIKE ?", (f"{RULE}/%",)
    ).fetchone()
    kept = dict(books.execute("SELECT state, count(*) FROM breaches GROUP BY state").fetchall())
    attached = edges - opened - kept.get("overtaken", 0)
    return Sum("breaches", came, {"opened": opened, "attached": attached, **kept})


def _messages(found: dict[str, int], ordered: int) -> Sum:
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
