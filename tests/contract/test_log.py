"""What a readings log must keep to.  A log is added by its name in LOGS and a function that opens it."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.cli.records import OneMachine
from deploy.log.sqlite import Checkpoint, Reader, SqliteLog, open_reader
from vorab.errors import ConfigurationError, Corrupt
from vorab.model import (
    Breach,
    BreachId,
    Counts,
    Edge,
    Instant,
    PersonId,
    Priority,
    Quantity,
    Quarantined,
    Reading,
    Record,
    Replayed,
    ResponseId,
    RuleId,
    RulesChanged,
    Sample,
    SensorId,
)

NOON = Instant(1_764_000_000_000_000)
Open = Callable[[], SqliteLog]

LOGS: dict[str, Callable[[Path], SqliteLog]] = {"sqlite": lambda folder: SqliteLog(folder / "capture.db")}


@pytest.fixture(params=LOGS)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the log; the second time, what was written the first time is there."""
    opened: list[SqliteLog] = []

    def open_() -> SqliteLog:
        if opened:
            opened.pop().close()
        opened.append(LOGS[request.param](tmp_path))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


@pytest.fixture
def log(reopen: Open) -> SqliteLog:
    return reopen()


def record(number: int, run: Instant = NOON) -> Record:
    at = Instant(NOON + number)
    return Record("main", run, [Reading(SensorId("door"), [Sample(Quantity.OPEN, True)], at, at, number)], at)


def breach(onset: int, edge: int = 0) -> Breach:
    return Breach(
        BreachId(f"held/door/{onset}"), edge, Edge.RAISED, RuleId("held"), SensorId("door"), Instant(onset),
        Instant(onset), Priority.HIGH, ResponseId("guard"), "hash",
    )  # fmt: skip


def kept(ordinal: int, at: Instant = NOON) -> Quarantined:
    return Quarantined(ordinal, b"a/\xff", b"\x00\xff", "no reason", at, True, 7)


def all_of(reader: Reader, start: int = 1) -> list[Record]:
    return [each for _, each in reader.records(start)]


def test_records_are_read_in_the_order_in_which_they_were_appended(log: SqliteLog) -> None:
    records = [record(i) for i in range(5)]
    assert [log.append(each) for each in records] == [1, 2, 3, 4, 5]
    assert all_of(log.reader()) == records
    assert [position for position, _ in log.reader().records(3)] == [3, 4, 5]
    assert log.reader().last_position() == 5
    assert log.reader().newest() == NOON + 4


def test_what_was_appended_is_there_after_a_restart(reopen: Open) -> None:
    reopen().append(record(0), [breach(1)], [kept(1)], Counts(3, 1, 1))
    log = reopen()
    assert log.append(record(1)) == 2
    assert all_of(log.reader()) == [record(0), record(1)]
    assert log.reader().breaches_after(0) == [(1, breach(1))]
    assert log.reader().quarantine() == [(1, kept(1))]
    assert log.reader().runs() == [("main", NOON, Counts(3, 1, 1))]


def test_another_process_reads_without_writing(log: SqliteLog) -> None:
    log.append(record(0), [breach(1)])
    reader = open_reader(log.path)
    assert reader.breaches_after(0, 10) == [(1, breach(1))]
    log.append(record(1), [breach(2), breach(3)])
    assert reader.breaches_after(1, 1) == [(2, breach(2))]
    assert all_of(reader, 2) == [record(1)]
    reader.close()


def test_life_safety_is_found_among_all_the_others(log: SqliteLog) -> None:
    taken = replace(breach(2), priority=Priority.LIFE_SAFETY)
    log.append(record(0), [breach(1), taken, breach(3)])
    assert log.reader().breaches_after(0, 10, urgent=True) == [(2, taken)]
    assert log.reader().breaches_after(2, 10, urgent=True) == []


def test_a_log_of_an_earlier_version_is_read_on(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "capture.db")) as old:
        old.execute(
            "CREATE TABLE breaches (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, edge INTEGER NOT NULL,"
            " position INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (id, edge))"
        )
    log = SqliteLog(tmp_path / "capture.db")
    log.append(record(0), [breach(1)])
    assert log.reader().breaches_after(0) == [(1, breach(1))]
    log.close()


def test_a_reader_says_when_there_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no readings log there"):
        open_reader(tmp_path / "capture.db")
    assert not (tmp_path / "capture.db").exists()


def test_an_append_is_whole_or_not_there(log: SqliteLog) -> None:
    log.append(Record("main", NOON, [], None, [Replayed("once", PersonId("ana"))]))
    with pytest.raises(Exception, match="UNIQUE"):
        log.append(
            Record("main", NOON, [], None, [Replayed("once", PersonId("ana"))]), [breach(1)], [kept(1)], Counts(9)
        )
    reader = log.reader()
    assert (reader.last_position(), reader.breaches_after(0), reader.quarantine()) == (1, [], [])
    assert reader.runs() == []
    assert log.append(record(1)) == 2, "and the next one is stored"


def test_a_breach_is_there_once_and_numbers_have_no_gap(log: SqliteLog) -> None:
    log.append(record(0), [breach(1), breach(1, 1)])
    log.found_again(1, [breach(1), breach(1, 1)])
    log.append(record(1), [breach(1), breach(2)])
    assert log.reader().breaches_after(0) == [(1, breach(1)), (2, breach(1, 1)), (3, breach(2))]


def test_checkpoints_are_read_newest_first_and_old_ones_go(log: SqliteLog) -> None:
    for position in (3, 7, 9):
        log.save_checkpoint(Checkpoint(position, "hash", b"%d" % position))
    assert [each.position for each in log.reader().checkpoints()] == [9, 7]
    log.save_checkpoint(Checkpoint(9, "other", b"new"))
    assert log.reader().checkpoints()[0] == Checkpoint(9, "other", b"new")


def test_rule_sets_are_found_by_their_hash(log: SqliteLog) -> None:
    log.save_rules("a", b"rules")
    log.save_rules("a", b"rules")
    assert log.reader().rules("a") == b"rules"
    assert log.reader().rules("b") is None


def test_house_keeping_keeps_what_a_checkpoint_needs(log: SqliteLog) -> None:
    for i in range(10):
        log.append(record(i), (), [kept(i, Instant(NOON + i))])
    assert not log.housekeep(Instant(NOON + 100)), "without a checkpoint everything is needed"
    log.save_checkpoint(Checkpoint(4, "hash", b""))
    log.save_checkpoint(Checkpoint(6, "hash", b""))
    log.housekeep(Instant(NOON + 2))
    assert [position for position, _ in log.reader().records(3)] == [3, 4, 5, 6, 7, 8, 9, 10]
    log.housekeep(Instant(NOON + 100))
    assert [position for position, _ in log.reader().records(4)] == [4, 5, 6, 7, 8, 9, 10]
    assert min(each.ordinal for _, each in log.reader().quarantine()) == 3


def test_a_record_that_tells_no_time_neither_hides_others_nor_tears_a_hole(log: SqliteLog) -> None:
    for i in range(1, 101):
        log.append(record(i))
        log.append(Record("main", NOON, []), (), [kept(i, Instant(NOON + i))])
    reader = log.reader()
    assert reader.newest() == NOON + 100
    assert [reader.position_at(Instant(NOON + i)) for i in (0, 1, 2, 70, 100, 101)] == [1, 1, 3, 139, 199, 201]
    assert [each.ordinal for each in OneMachine(reader).readings(Instant(NOON + 40), Instant(NOON + 42))] == [
        40,
        41,
        42,
    ]
    log.save_checkpoint(Checkpoint(200, "hash", b""))
    log.housekeep(Instant(NOON + 50))
    assert [position for position, _ in reader.records(99)] == list(range(99, 201))
    assert reader.position_at(Instant(NOON)) == 99
    with pytest.raises(Corrupt):
        all_of(reader, 98)


def test_a_position_whose_record_is_gone_is_a_fault(log: SqliteLog) -> None:
    for i in range(3):
        log.append(record(i))
    log.save_checkpoint(Checkpoint(3, "hash", b""))
    log.housekeep(Instant(NOON + 100))
    with pytest.raises(Corrupt, match="no record 2 any more"):
        all_of(log.reader(), 2)


def test_positions_go_on_after_everything_was_deleted(reopen: Open) -> None:
    log = reopen()
    log.append(record(0))
    log.save_checkpoint(Checkpoint(2, "hash", b""))
    log.housekeep(Instant(NOON + 100))
    assert reopen().append(record(1)) == 2


def test_the_tail_is_as_long_as_asked_for(log: SqliteLog) -> None:
    for i in range(5):
        log.append(record(i))
        log.append(Record("main", NOON, [], Instant(NOON + i)))
    assert [len(each.readings) for each in log.reader().tail(2)] == [1, 0, 1, 0]
    assert len(list(log.reader().tail(1000))) == 10
    assert list(log.reader().tail(0))


def test_a_command_is_applied_once_and_marks_what_it_settled(log: SqliteLog) -> None:
    log.append(record(0), (), [kept(1), kept(2)])
    again = Record("main", NOON, record(1).readings, None, [Replayed("once", PersonId("ana"))])
    assert not log.applied("once")
    log.append(again, settled=[1])
    assert log.applied("once")
    assert [number for number, _ in log.reader().quarantine()] == [2]
    assert log.reader().quarantine([1, 2]) == [(2, kept(2))]


def test_rules_are_named_in_the_log(log: SqliteLog) -> None:
    log.append(Record("main", NOON, [], None, [RulesChanged("hash")]))
    [found] = all_of(log.reader())
    assert found.commands == [RulesChanged("hash")]


def test_bytes_that_we_cannot_have_written_are_a_fault(log: SqliteLog) -> None:
    log.append(record(0))
    for bad in (b"", b"\x02abc", b"\x01\xc1", b"\x01\x90"):
        log._db.execute("UPDATE batches SET body = ?", (bad,))
        with pytest.raises(Corrupt):
            all_of(log.reader())
