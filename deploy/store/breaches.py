"""Where contact finds what the rules found, and how it takes each edge once."""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, bindparam, exists, text, update

from deploy.store.apply import EDGES, suppress, take
from deploy.store.prepared import Prepared
from deploy.store.store import cursor, set_cursor
from deploy.store.tables import breaches
from deploy.store.transaction import AT_ONCE, Transaction
from vorab import wire
from vorab.errors import Corrupt
from vorab.model import Breach

#: Of each lane in one turn on PostgreSQL, where an incident takes some ten milliseconds: meanwhile no message goes out,
#: and no other process decides.  With 20, on a busy machine, 60 messages a second became 8; with 5, they stayed 25.
IN_A_TURN = 5

log = logging.getLogger("vorab.contact")


class Breaches(Protocol):
    def start(self, connection: Connection) -> None:
        """A process begins.  Raises Corrupt where it would pass breaches over."""
        ...

    def look(self) -> None:
        """Before a transaction: what can be read outside of it."""
        ...

    def apply(self, tx: Transaction) -> None:
        """The next ones have become incidents, or are set aside with a reason; life safety waits for no others."""
        ...

    def taken(self) -> None:
        """That transaction is committed."""
        ...


class Log(Protocol):
    """`capture.db`, read only."""

    def breaches_after(self, number: int, limit: int, *, urgent: bool = False) -> Sequence[tuple[int, Breach]]: ...


class LogBreaches:
    """One machine: they stand numbered in capture's log, and two cursors in the store say how far contact is."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._taken = self._urgent_taken = 0
        self._found: Sequence[tuple[int, Breach]] = ()
        self._urgent: Sequence[tuple[int, Breach]] = ()

    def start(self, connection: Connection) -> None:
        self._taken = cursor(connection, "breaches")
        self._urgent_taken = cursor(connection, "breaches/urgent")
        if self._taken and not self._log.breaches_after(self._taken - 1, 1):
            raise Corrupt(
                f"contact.db has taken breach {self._taken}, and capture.db has none with that number: one of them"
                " is an older copy, and new breaches would be passed over; restore both from the same time"
            )

    def look(self) -> None:
        self._found, self._urgent = self._log.breaches_after(self._taken, AT_ONCE), ()
        if len(self._found) == AT_ONCE:  # there are more: life safety does not wait behind them
            after = max(self._urgent_taken, self._found[-1][0])
            self._urgent = self._log.breaches_after(after, AT_ONCE, urgent=True)

    def apply(self, tx: Transaction) -> None:
        if self._urgent:
            tx.each([breach for _, breach in self._urgent], take, set_breach_aside)
            set_cursor(tx.connection, "breaches/urgent", self._urgent[-1][0])
        if self._found:
            tx.each([breach for _, breach in self._found], take, set_breach_aside)
            set_cursor(tx.connection, "breaches", self._found[-1][0])

    def taken(self) -> None:
        if self._found:
            self._taken = self._found[-1][0]
        if self._urgent:
            self._urgent_taken = self._urgent[-1][0]


class TableBreaches:
    """Many machines: workers put them into the table of the store; the first contact process that comes takes them."""

    def start(self, connection: Connection) -> None:
        pass

    def look(self) -> None:
        pass

    def apply(self, tx: Transaction) -> None:
        others = 0
        for identity, number, body, urgent in _NEW.run(tx.connection, {"limit": IN_A_TURN}).fetchall():
            applied = _APPLIED_UNLESS_URGENT if others else _APPLIED
            if not applied.run(tx.connection, {"breach": identity, "number": number}).rowcount:
                return  # life safety is there: it waits for one other, not for all of this turn
            others += not urgent
            tx.each([(identity, number, body)], _take, set_row_aside)

    def taken(self) -> None:
        pass


def set_breach_aside(tx: Transaction, breach: Breach, reason: str) -> None:
    log.error("breach %s, edge %d is set aside: %s", breach.id, breach.number, reason)
    suppress(tx, breach, reason)


def _take(tx: Transaction, row: Any) -> None:
    take(tx, wire.unpack(row[2], EDGES))


def set_row_aside(tx: Transaction, row: Any, reason: str) -> None:
    """Also one that cannot be read."""
    log.error("breach %s, edge %d is set aside: %s", row[0], row[1], reason)
    _SUPPRESSED.run(tx.connection, {"breach": row[0], "number": row[1], "state": "suppressed", "reason": reason})
    tx.note("breach set aside", row[0], reason)


def _new(which: str) -> str:
    rows = f"FROM breaches WHERE state = 'new' AND {which} ORDER BY at, edge LIMIT :limit"  # as in the index
    return f"(SELECT id, edge, body, urgent {rows})"


#: Of life safety, then the others.
_NEW = Prepared(text(f"{_new('urgent')} UNION ALL {_new('NOT urgent')}"))
_EDGE = update(breaches).where(breaches.c.id == bindparam("breach"), breaches.c.edge == bindparam("number"))
_APPLIED = Prepared(_EDGE.values(state="applied"))
_URGENT = exists(text("1 FROM breaches AS other WHERE other.state = 'new' AND other.urgent"))  # as in the index
_APPLIED_UNLESS_URGENT = Prepared(_EDGE.where(~_URGENT).values(state="applied"))
_SUPPRESSED = Prepared(_EDGE, ["state", "reason"])
