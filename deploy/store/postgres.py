"""The store on PostgreSQL: its connections, whose turn it is to write, which processes are alive, and what time it is.

Who writes waits for one lock at the begin of his transaction, as with SQLite: so limits hold over all processes, rows
become visible in the order of their numbers, and nobody decides by what another is just changing.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from deploy.postgres import CONNECT_WITHIN_S, address, cause, connect, driver
from deploy.store.prepared import Prepared
from vorab.model import Instant

T = TypeVar("T")

TURN = 0x766F726162  #: "vorab", the key of the lock that a writer holds until the end of his transaction
#: A writer waits this long for the others; one that holds the lock and says nothing, because it froze, loses it.
WRITER = {"lock_timeout": "5s", "idle_in_transaction_session_timeout": "5s", "synchronous_commit": "on"}
READER = {"default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on"}
TOO_MUCH = "54"  #: class of error codes: a value is longer than an index can hold; the driver calls that operational
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0)
LISTEN_S = 1.0  #: a connection that is only listened to is tried this often

log = logging.getLogger("vorab.store")


def writer(url: str) -> Engine:
    """A transaction takes the one lock at its begin; `connection.info[AT]` is the database's time right after that."""
    engine = _engine(url, WRITER)

    @event.listens_for(engine, "begin")
    def take_turn(connection: Connection) -> None:
        connection.info[AT] = connection.exec_driver_sql(_TAKE_TURN).scalar_one()

    return engine


AT = "vorab.at"
_TAKE_TURN = f"SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM pg_advisory_xact_lock({TURN})"  # noqa: S608 - a number


def reader(url: str) -> Engine:
    """Nothing can be written; a transaction sees one state."""
    return _engine(url, READER)


def _engine(url: str, options: dict[str, str]) -> Engine:
    address(url)
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(url, options),
        hide_parameters=True,  # no number and no text in an error or a log
        pool_pre_ping=True,
    )


def is_away(error: BaseException) -> bool:
    """Whether the store itself does not answer, and nothing is wrong with what was asked of it."""
    if not isinstance(error, DBAPIError):
        return False
    is_too_much = str(getattr(error.orig, "sqlstate", "")).startswith(TOO_MUCH)
    return error.connection_invalidated or (isinstance(error, OperationalError) and not is_too_much)


def patiently(do: Callable[[], T], where: Path | str, stopped: Callable[[], bool] = lambda: False) -> T | None:
    """What it gives, tried again for as long as PostgreSQL does not answer; None = told to stop meanwhile.

    On a file nothing is tried twice.  Raises ConfigurationError.
    """
    if isinstance(where, Path):
        return do()
    told = ""
    for wait_s in chain(BACK_OFF_S, repeat(BACK_OFF_S[-1])):
        try:
            done = do()
        except DBAPIError as error:
            if not is_away(error):
                raise
            why = cause(error.orig)
            if why != told:
                log.error("the store %s does not answer, and is tried again: %s", address(where), why)
            told = why
        else:
            if told:
                log.warning("the store %s answers again", address(where))
            return done
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            if stopped():
                return None
            time.sleep(0.05)
    raise AssertionError("there is always another try")


# --- time -------------------------------------------------------------------------------------------------------------

#: On Linux the monotonic clock stands still while the machine sleeps, and leases go on.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class StoreClock:
    """The database's time, the same for every process: as of the last begin of a transaction, and what passed since."""

    def __init__(self, store: Engine) -> None:
        self._ahead = 0
        event.listen(store, "begin", self._look)
        with store.begin():
            pass

    def now(self) -> Instant:
        return Instant(self._ahead + _passed())

    def _look(self, connection: Connection) -> None:
        self._ahead = connection.info[AT] - _passed()


def _passed() -> int:
    return time.clock_gettime_ns(_STEADY) // 1000


# --- bells ------------------------------------------------------------------------------------------------------------


def ring(connection: Connection, name: str) -> None:
    """With the commit, the processes of this name are woken, on whichever machine.  With a file: nothing."""
    if connection.dialect.name == "postgresql":
        _RING.run(connection, {"bell": f"vorab_{name}"})


_RING = Prepared(text("SELECT pg_notify(:bell, '')"))


class Listener:
    """A connection of its own, on a thread: wakes its process when others commit, and shows them that it is alive.

    `owner` names the process, for as long as that connection lives: the server lets go of the name's lock when the
    process is gone.  After a lost connection it has another name, and none meanwhile: what it claims then is its own
    until the lease ends, and not at once that of whoever finds the lock free.
    """

    def __init__(self, url: str, name: str, wake: Callable[[], None]) -> None:
        self._url, self._name, self._wake = url, name, wake
        self._stopped = threading.Event()
        self._owner: int | None = None
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()
        self._connected.wait(CONNECT_WITHIN_S)

    def owner(self) -> int | None:
        """None = not connected."""
        return self._owner

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        psycopg, told = driver(), ""
        while not self._stopped.is_set():
            try:
                with connect(self._url, {}, autocommit=True) as connection:
                    told = ""
                    self._listen(connection)
            except psycopg.Error as error:
                self._owner = None
                why = cause(error)
                if why != told:
                    log.warning("no bell of the store %s is heard for now: %s", address(self._url), why)
                told = why
                self._wake()
                self._stopped.wait(BACK_OFF_S[-1] / 2)

    def _listen(self, connection: Any) -> None:
        owner = (1 << 32) + secrets.randbits(62)
        connection.execute("SELECT pg_advisory_lock(%s)", [owner])
        connection.execute(f"LISTEN vorab_{self._name}")
        self._owner = owner
        self._connected.set()
        self._wake()
        while not self._stopped.is_set():
            for _ in connection.notifies(timeout=LISTEN_S):
                self._wake()
            connection.execute("SELECT 1")
