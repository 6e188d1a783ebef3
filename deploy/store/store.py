"""Opening the store, `contact.db` on one machine or PostgreSQL, and bringing it up to date before it is used."""

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, func, inspect, select, text

from deploy.store import postgres
from deploy.store.migrations import HEAD
from deploy.store.prepared import Prepared
from deploy.store.tables import cursors, desks, incidents, opt_outs
from vorab.model import SECOND, Instant, PersonId, Span

BUSY_S = 5.0  #: a writer waits this long for another one
#: From one try to the next.  SQLite's own waiting grows to 100 ms, and then misses the moments that a busy contact
#: leaves to others: in a storm a click took seconds, or did not come through at all.
TRIES_EVERY_S = 0.001


def open_store(where: Path | str) -> Engine:
    """The store in this file of SQLite, or at this URL of PostgreSQL, made or migrated if need be.

    A transaction takes the write lock at its begin.  Contact folds the write-ahead log of a file back beside its
    commits (`deploy.log.sqlite.fold`), so that none has to wait.  Raises ConfigurationError for a URL that is none.
    """
    engine = postgres.writer(where) if isinstance(where, str) else _sqlite_writer(where)
    with engine.begin() as connection:
        migrate(connection)
    return engine


def open_reader(where: Path | str) -> Engine:
    """The same store for one who only reads; each transaction sees one state.  It must exist."""
    return postgres.reader(where) if isinstance(where, str) else _sqlite(where, "BEGIN", "query_only=ON")


def _sqlite_writer(path: Path) -> Engine:
    return _sqlite(
        path, "BEGIN IMMEDIATE", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", "busy_timeout=0"
    )


def _sqlite(path: Path, begin: str, *pragmas: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False},
        hide_parameters=True,  # no number and no text in an error or a log
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver leaves BEGIN to us
        for pragma in (f"busy_timeout={BUSY_S * 1000:.0f}", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        deadline = time.monotonic() + BUSY_S
        driver: Any = connection.connection.dbapi_connection
        while time.monotonic() < deadline:
            with contextlib.suppress(sqlite3.OperationalError):  # another one writes
                driver.execute(begin)
                return
            time.sleep(TRIES_EVERY_S)
        connection.exec_driver_sql(begin)  # raises

    return engine


def migrate(connection: Connection) -> None:
    """The newest schema, in the caller's transaction."""
    if inspect(connection).has_table("alembic_version") and connection.scalar(_REVISION) == HEAD:
        return
    from alembic import command  # a third of a second, which a start that changes nothing need not take
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


_REVISION = text("SELECT version_num FROM alembic_version")


def cursor(connection: Connection, name: str) -> int:
    """Where contact stands in what others write; 0 = at the beginning."""
    return connection.scalar(select(cursors.c.value).where(cursors.c.name == name)) or 0


def set_cursor(connection: Connection, name: str, value: int) -> None:
    _SET_CURSOR.run(connection, {"name": name, "value": value})


_SET_CURSOR = Prepared(
    text(
        "INSERT INTO cursors (name, value) VALUES (:name, :value)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
)


def open_incidents(connection: Connection, besides: str = "") -> dict[PersonId, int]:
    """How many incidents each person has taken and not done, besides this one."""
    return {PersonId(owner): number for owner, number in _IN_HAND.run(connection, {"besides": besides})}


_IN_HAND = Prepared(
    select(incidents.c.owner, func.count())
    .where(incidents.c.resolved_at.is_(None), incidents.c.owner.is_not(None), incidents.c.id != bindparam("besides"))
    .group_by(incidents.c.owner)
)


def opted_out(connection: Connection) -> set[tuple[str, str]]:
    """(address, channel) of everybody who sent STOP."""
    return {(address, channel) for address, channel in _OPTED_OUT.run(connection)}


LOOKING = Span(15 * SECOND)  #: a desk whose last sign of life is older looks no more


def looking(connection: Connection, at: Instant) -> set[str]:
    """The desks with a shift at which somebody looks now."""
    return {name for (name,) in _LOOKING.run(connection, {"since": at - LOOKING})}


_LOOKING = Prepared(select(desks.c.name).where(desks.c.seen_at >= bindparam("since")))
_OPTED_OUT = Prepared(select(opt_outs.c.address, opt_outs.c.channel))
