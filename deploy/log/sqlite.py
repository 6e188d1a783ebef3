"""The readings log on SQLite: one row a record, and whatever was found with it in the same transaction.

Capture alone writes (`SqliteLog`), with `synchronous=FULL`: what `append` has returned from is on disk.  Everybody else
reads (`open_reader`).  A thread of its own folds the write-ahead log back into the file, off the path of the commits.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from msgspec import Struct

from vorab import crash, wire
from vorab.errors import ConfigurationError, Corrupt
from vorab.model import Breach, Counts, Instant, Priority, Quarantined, Record, Replayed

SCHEMA = Path(__file__).with_name("schema.sql")
FOLD_EVERY_S = 1.0
WAL_PAGES = 16 * 1024  #: 64 MB; beyond, the writer folds the last of them itself, so that the next commit starts afresh
KEPT_CHECKPOINTS = 2
HOUSEKEEPING_ROWS = 500  #: deleted at once: a short transaction


class Checkpoint(Struct, frozen=True):
    position: int  #: of the next record to apply
    rules_hash: str
    body: bytes


class SqliteLog:
    """The one writer.  Any error of the disk is raised: who cannot store must not acknowledge."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigurationError where SQLite cannot keep its promise."""
        if not path.exists():  # whoever waits for the file finds it with its tables
            new = path.with_name(f"{path.name}.new")
            _writer(new).close()
            os.replace(new, path)
        self.path = path
        self._db = _writer(path)
        self.next = _end(self._db)  #: position of the next record
        self._newest = self.reader().newest() or Instant(0)
        self._stop = threading.Event()
        self._long = threading.Event()  #: the write-ahead log is, because commits come faster than it is folded
        self._folder = threading.Thread(target=fold, args=(path, self._stop, self._long), name="fold", daemon=True)
        self._folder.start()

    def append(
        self,
        record: Record,
        breaches: Sequence[Breach] = (),
        quarantined: Sequence[Quarantined] = (),
        counts: Counts | None = None,
        settled: Sequence[int] = (),
    ) -> int:
        """The position of the record, which is on disk with all the rest.

        `settled`: numbers of quarantined messages that were understood after all.  Readings of a Replayed record were
        counted when they were quarantined, so they are no messages here.
        """
        position = self.next
        messages = 0 if any(isinstance(each, Replayed) for each in record.commands) else len(record.readings)
        own = record.readings[-1].received_at if messages else record.until or record.run
        newest = max(self._newest, own)  # a record of neither comes when the one before it came, as near as matters
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)",
                (position, record.ingest, record.run, messages, newest, wire.pack(record)),
            )
            if breaches:
                self._breaches(position, breaches)
            if quarantined:
                self._quarantine(record, quarantined)
            if counts:
                db.execute(
                    "INSERT INTO runs VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                    "received = excluded.received, duplicates = excluded.duplicates, ignored = excluded.ignored",
                    (record.ingest, record.run, counts.received, counts.duplicates, counts.ignored),
                )
            for command in record.commands:
                if isinstance(command, Replayed):
                    self._replayed(command, position, record, settled)
            crash.point("capture.before-commit")
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        crash.point("capture.after-commit")
        self.next, self._newest = position + 1, newest
        if self._long.is_set():
            self._long.clear()
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return position

    def _breaches(self, position: int, breaches: Sequence[Breach]) -> None:
        self._db.executemany(
            "INSERT INTO breaches (id, edge, position, at, body, urgent) SELECT ?1, ?2, ?3, ?4, ?5, ?6"
            " WHERE NOT EXISTS (SELECT 1 FROM breaches WHERE id = ?1 AND edge = ?2)",  # OR IGNORE would use up numbers
            [
                (each.id, each.number, position, each.at, wire.pack(each), each.priority is Priority.LIFE_SAFETY)
                for each in breaches
            ],
        )

    def _quarantine(self, record: Record, quarantined: Sequence[Quarantined]) -> None:
        self._db.executemany(
            "INSERT INTO quarantine (ingest, run, ordinal, topic, payload, reason, received_at, retained, packet_id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    record.ingest,
                    record.run,
                    q.ordinal,
                    q.topic,
                    q.payload,
                    q.reason,
                    q.received_at,
                    q.retained,
                    q.packet_id,
                )
                for q in quarantined
            ],
        )

    def _replayed(self, command: Replayed, position: int, record: Record, settled: Sequence[int]) -> None:
        self._db.execute("INSERT INTO applied_commands VALUES (?, ?)", (command.id, position))
        self._db.executemany(
            "UPDATE quarantine SET again_at = ? WHERE number = ?",
            [(record.until or record.run, number) for number in settled],
        )

    def found_again(self, position: int, breaches: Sequence[Breach]) -> None:
        """Breaches found while a record was replayed are there: the same ones once more, or those that were missing."""
        if breaches:
            with self._transaction():
                self._breaches(position, breaches)

    def save_rules(self, rules_hash: str, body: bytes) -> None:
        """A rule set is stored before a record names it."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO rule_sets VALUES (?, ?)", (rules_hash, body))

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)",
                (checkpoint.position, checkpoint.rules_hash, checkpoint.body),
            )
            self._db.execute(
                "DELETE FROM checkpoints WHERE position NOT IN"
                " (SELECT position FROM checkpoints ORDER BY position DESC LIMIT ?)",
                (KEPT_CHECKPOINTS,),
            )

    def applied(self, command: str) -> bool:
        """Whether the command of this id is in the log."""
        return bool(self._db.execute("SELECT 1 FROM applied_commands WHERE id = ?", (command,)).fetchone())

    def housekeep(self, before: Instant) -> bool:
        """Deletes some of what was received before that, never what a checkpoint may need; whether more is left."""
        needed = self._db.execute("SELECT MIN(position) FROM checkpoints").fetchone()[0]
        oldest = "SELECT position, received_at FROM batches ORDER BY position LIMIT ?"
        rows = self._db.execute(oldest, (HOUSEKEEPING_ROWS,)).fetchall()
        old = [position for position, at in takewhile(lambda row: row[0] < (needed or 0) and row[1] < before, rows)]
        if not old:
            return False
        with self._transaction():
            self._db.execute("DELETE FROM batches WHERE position <= ?", (old[-1],))
            self._db.execute(
                "DELETE FROM quarantine WHERE received_at < ?"
                " AND received_at < (SELECT received_at FROM batches ORDER BY position LIMIT 1)",
                (before,),
            )
        return len(old) == HOUSEKEEPING_ROWS

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            crash.point("capture.before-commit")
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        crash.point("capture.after-commit")

    def reader(self) -> "Reader":
        """Reads on the writer's own connection."""
        return Reader(self._db)

    def close(self) -> None:
        self._stop.set()
        self._folder.join()
        self._db.close()


class Reader:
    """What others may know of the log.  A position whose record is gone is a fault, never a silent jump."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def last_position(self) -> int:
        """Of the newest record; 0 in an empty log."""
        return _end(self._db) - 1

    def records(self, start: int, stop: int | None = None) -> Iterator[tuple[int, Record]]:
        """Records from this position on, before `stop`.  Raises Corrupt when one of them is gone."""
        expected = start
        stop = self.last_position() + 1 if stop is None else stop
        for position, body in self._db.execute(
            "SELECT position, body FROM batches WHERE position >= ? AND position < ? ORDER BY position", (start, stop)
        ):
            if position != expected:
                break
            yield position, wire.unpack(body, wire.RECORD)
            expected += 1
        if expected < stop:
            raise Corrupt(f"the log has no record {expected} any more, and it is needed: restore {start}..{stop - 1}")

    def position_at(self, at: Instant) -> int:
        """Of the first record that came then or later; the end of the log if none did."""
        low, high = 1, self.last_position() + 1
        while low < high:
            middle = (low + high) // 2
            row = self._db.execute("SELECT received_at FROM batches WHERE position = ?", (middle,)).fetchone()
            if row is None or row[0] < at:  # those that house-keeping has deleted are the oldest ones
                low = middle + 1
            else:
                high = middle
        return low

    def tail(self, readings: int, records: int = 10_000) -> Iterator[Record]:
        """The last records, in order: as many as hold this many readings together, and no more than that many."""
        start, found = self.last_position() + 1, 0
        for position, messages in self._db.execute(
            "SELECT position, messages FROM batches ORDER BY position DESC LIMIT ?", (records,)
        ):
            start, found = position, found + messages
            if found >= readings:
                break
        for _, record in self.records(start):
            yield record

    def quarantine_tail(self, messages: int, records: int = 10_000) -> Iterator[Quarantined]:
        """The last messages that were not understood, in order, settled or not; none older than the last records."""
        for ordinal, topic, payload, reason, at, retained, packet_id in self._db.execute(
            "SELECT ordinal, topic, payload, reason, received_at, retained, packet_id FROM quarantine"
            " WHERE number > (SELECT MAX(number) FROM quarantine) - ? AND received_at >="
            " (SELECT MIN(received_at) FROM (SELECT received_at FROM batches ORDER BY position DESC LIMIT ?))"
            " ORDER BY number",
            (messages, records),
        ):
            yield Quarantined(ordinal, topic, payload, reason, at, bool(retained), packet_id)

    def newest(self) -> Instant | None:
        """The time at which the log ends; None in an empty one."""
        query = "SELECT MAX(received_at) FROM (SELECT received_at FROM batches ORDER BY position DESC LIMIT 100)"
        found: Instant | None = self._db.execute(query).fetchone()[0]
        return found

    def checkpoints(self) -> list[Checkpoint]:
        """Newest first."""
        return [
            Checkpoint(*row)
            for row in self._db.execute("SELECT position, rules_hash, body FROM checkpoints ORDER BY position DESC")
        ]

    def rules(self, rules_hash: str) -> bytes | None:
        """The packed rule set with this hash."""
        row = self._db.execute("SELECT body FROM rule_sets WHERE hash = ?", (rules_hash,)).fetchone()
        return row[0] if row else None

    def breaches_after(self, number: int, limit: int = 1000, *, urgent: bool = False) -> list[tuple[int, Breach]]:
        """In the order in which they were found; `urgent`: those of life safety alone."""
        query = "SELECT number, body FROM breaches WHERE number > ? AND urgent ORDER BY number LIMIT ?"
        rows = self._db.execute(query if urgent else query.replace(" AND urgent", ""), (number, limit))
        return [(row[0], wire.unpack(row[1], wire.BREACH)) for row in rows]

    def quarantine(self, numbers: Sequence[int] | None = None, limit: int = 10_000) -> list[tuple[int, Quarantined]]:
        """Oldest first: what waits to be understood; only these, if numbers are given."""
        chosen = "" if numbers is None else f" AND number IN ({','.join('?' * len(numbers))})"
        columns = "number, ordinal, topic, payload, reason, received_at, retained, packet_id"
        where = f"again_at IS NULL{chosen} ORDER BY number LIMIT ?"
        query = f"SELECT {columns} FROM quarantine WHERE {where}"  # noqa: S608 - only question marks are put in
        rows = self._db.execute(query, [*(numbers or ()), limit])
        return [
            (number, Quarantined(ordinal, topic, payload, reason, at, bool(retained), packet_id))
            for number, ordinal, topic, payload, reason, at, retained, packet_id in rows
        ]

    def runs(self) -> list[tuple[str, Instant, Counts]]:
        """Ingest, start and counts of every run."""
        rows = self._db.execute("SELECT ingest, run, received, duplicates, ignored FROM runs ORDER BY run, ingest")
        return [(row[0], row[1], Counts(*row[2:])) for row in rows]

    def close(self) -> None:
        self._db.close()


def open_reader(path: Path) -> Reader:
    """Read-only.  Raises ConfigurationError when there is no log yet."""
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30.0, isolation_level=None)
        db.execute("SELECT 1 FROM batches LIMIT 1")
    except sqlite3.OperationalError as error:
        raise ConfigurationError(f"{path}: no readings log there ({error}); has capture ever run?") from None
    return Reader(db)


def _writer(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    answered = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if answered != "wal":
        raise ConfigurationError(f"{path}: SQLite cannot use a write-ahead log here (it answered {answered})")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    db.execute(f"PRAGMA journal_size_limit={4096 * WAL_PAGES}")
    with contextlib.suppress(sqlite3.OperationalError):  # no such table yet, or it has the column
        db.execute("ALTER TABLE breaches ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0")  # a log of before 0.2
    db.executescript(SCHEMA.read_text())
    return db


def _end(db: sqlite3.Connection) -> int:
    """Also after house-keeping has deleted every record."""
    row = db.execute(
        "SELECT MAX(COALESCE((SELECT MAX(position) + 1 FROM batches), 1),"
        " COALESCE((SELECT MAX(position) FROM checkpoints), 1))"
    ).fetchone()
    return int(row[0])


def fold(path: Path, stop: threading.Event, long: threading.Event | None = None) -> None:
    """Moves what the write-ahead log holds into the file, beside the commits; `long` is set when it grows still."""
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    while not stop.wait(FOLD_EVERY_S):
        with contextlib.suppress(sqlite3.Error):  # locked, damaged, or the disk is full: the writer will say so
            _busy, pages, _folded = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if long and pages > WAL_PAGES:
                long.set()
    db.close()
