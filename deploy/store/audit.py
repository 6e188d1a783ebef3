"""The audit: one line for each change, in its transaction; chained by hash, so that a changed or missing one shows."""

import hashlib
import json
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select, update

from deploy.store.prepared import Prepared
from deploy.store.store import cursor, set_cursor
from deploy.store.tables import audit
from vorab.model import Instant

SEALED = "sealed"  #: the cursor with the number of the last line that was chained
AT_ONCE = 5_000  #: lines chained in one transaction


class Line(NamedTuple):
    """Who did what to what."""

    at: Instant
    who: str  #: a person's id, or "vorab"
    what: str
    about: str  #: an incident, a message, a person, an address that is cut short
    detail: str = ""


def write(connection: Connection, lines: list[Line]) -> None:
    if lines:
        insert = _NUMBERED if connection.dialect.name == "postgresql" else _INSERT
        insert.many(connection, [line._asdict() for line in lines])


def seal(connection: Connection) -> int:
    """How many lines were chained: each one's seal is the sha256 over the seal before it and the line itself."""
    waiting = connection.execute(
        select(*_LINE).where(audit.c.seal.is_(None)).order_by(audit.c.number).limit(AT_ONCE)
    ).all()
    if not waiting:
        return 0
    before = _seal_of(connection, waiting[0].number - 1)
    sealed = []
    for line in waiting:
        before = _chained(before, tuple(line))
        sealed.append({"line": line.number, "new": before})
    connection.execute(update(audit).where(audit.c.number == bindparam("line")).values(seal=bindparam("new")), sealed)
    set_cursor(connection, SEALED, waiting[-1].number)
    return len(sealed)


def verify(connection: Connection) -> int | None:
    """The number of the first line that was changed, added or removed; None = every sealed one is as it was."""
    before, number, last = "", 0, cursor(connection, SEALED)
    for line in connection.execute(select(*_LINE, audit.c.seal).order_by(audit.c.number)):
        number += 1
        if line.number != number:
            return number
        if line.seal is None and number > last:
            continue
        before = _chained(before, tuple(line)[:-1])
        if line.seal != before:
            return number
    return number + 1 if number < last else None


_INSERT = Prepared(audit.insert(), Line._fields)
#: PostgreSQL's own numbers have gaps where a transaction was rolled back; under the one lock these have none.
_NUMBERED = Prepared(
    audit.insert().values(number=select(func.coalesce(func.max(audit.c.number), 0) + 1).scalar_subquery()),
    ["number", *Line._fields],
)
_LINE = (audit.c.number, audit.c.at, audit.c.who, audit.c.what, audit.c.about, audit.c.detail)


def _seal_of(connection: Connection, number: int) -> str:
    """Of a line that is gone it is "", which `verify` finds."""
    return connection.scalar(select(audit.c.seal).where(audit.c.number == number)) or ""


def _chained(before: str, line: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps([before, *line], ensure_ascii=True).encode()).hexdigest()
