"""What only the log on SQLite promises: durable commits, a full disk is noticed, the write-ahead log stays short."""

import sqlite3
import threading
from pathlib import Path

import pytest

from deploy.log import sqlite
from deploy.log.sqlite import SqliteLog, open_reader
from vorab.model import Instant, Quarantined, Record

EMPTY = Record("main", Instant(1), [], Instant(2))


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "capture.db")
    assert log._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert log._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert log._db.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    log.close()


def test_a_full_disk_is_an_error_and_nothing_is_half_stored(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "capture.db")
    log.append(EMPTY)
    pages = log._db.execute("PRAGMA page_count").fetchone()[0]
    log._db.execute(f"PRAGMA max_page_count = {pages}")  # as a disk that has no room for another page
    with pytest.raises(sqlite3.OperationalError, match="full"):
        log.append(Record("main", Instant(1), [], None, []), (), [large()])
    assert log.reader().last_position() == 1
    log.close()


def large() -> Quarantined:
    return Quarantined(1, b"t", b"x" * 100_000, "large", Instant(1))


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "capture.db")
    reader = open_reader(tmp_path / "capture.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM batches")
    reader.close()
    log.close()


def test_the_write_ahead_log_is_folded_back_beside_the_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "FOLD_EVERY_S", 0.001)
    monkeypatch.setattr(sqlite, "WAL_PAGES", 100)
    log = SqliteLog(tmp_path / "capture.db")
    for _ in range(300):
        log.append(EMPTY, (), [large()])
    wal = tmp_path / "capture.db-wal"
    assert wal.stat().st_size < 20_000_000, "30 MB went through it"
    assert log.reader().last_position() == 300
    log.close()


def test_a_damaged_file_does_not_end_the_thread_that_folds(tmp_path: Path) -> None:
    """The writer says so, in words; a thread that dies would only leave its own traceback."""

    class Twice(threading.Event):
        turns = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.turns += 1
            return self.turns > 2

    (tmp_path / "capture.db").write_bytes(b"garbage " * 1000)
    stop = Twice()
    sqlite.fold(tmp_path / "capture.db", stop)
    assert stop.turns == 3
