"""Capture without a broker: what it acknowledges is on disk, and a restart finds everything as it was."""

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.capture import Capture
from deploy.clock import IngestClock
from deploy.commands import Commands
from deploy.log.sqlite import SqliteLog
from ingest.mqtt import DUP, Publish
from ingest.normalise import RECENT
from rules.limits import Limits
from rules.ruleset import Rule, RuleSet, Watched, hash_of, pack
from rules.state import State
from vorab.errors import Corrupt
from vorab.model import (
    MINUTE,
    SECOND,
    Edge,
    Instant,
    PersonId,
    Priority,
    Quantity,
    Replayed,
    ResponseId,
    RuleId,
    RulesChanged,
    SensorId,
    Span,
)
from vorab.site import Broker, Sensor, SensorType, Site

NOON = Instant(1_764_000_000_000_000)
Z2M = SensorType("climate", "zigbee2mqtt", "zigbee2mqtt/{sensor}")
AED = SensorType("aed", "json", "aed/{sensor}", life_safety=True)
SENSORS = [
    Sensor(SensorId("room"), Z2M, "zigbee2mqtt/room"),
    Sensor(SensorId("gate"), Z2M, "zigbee2mqtt/gate"),
    Sensor(SensorId("aed-1"), AED, "aed/aed-1"),
]


def site(limit: float = 26.0, sensors: list[Sensor] = SENSORS) -> Site:
    warm = Rule(
        id=RuleId("too-warm"),
        watch=[SensorId("room")],
        when=Limits(Quantity.TEMPERATURE, {Priority.HIGH: limit}, {}, 0.0, {}),
        priority=Priority.HIGH,
        respond=ResponseId("guard"),
    )
    held = Rule(
        id=RuleId("held"),
        watch=[SensorId("gate")],
        when=State(Quantity.OPEN),
        priority=Priority.HIGH,
        respond=ResponseId("guard"),
        for_=Span(30 * SECOND),
    )
    rules = RuleSet([warm, held], {sensor.id: Watched("main") for sensor in sensors})
    return Site("test", "UTC", ["en"], "", [Broker()], [], sensors, [], [], [], [], pack(rules), hash_of(rules))


class House:
    """A capture that is started again over the same file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "capture.db"
        self.log: SqliteLog | None = None
        self.now = NOON

    def starts(self, of: Site | None = None) -> Capture:
        if self.log:
            self.log.close()
        self.log = SqliteLog(self.path)
        self.capture = Capture(of or site(), self.log, self.now)
        return self.capture

    def says(self, topic: str, payload: str, packet_id: int = 1, flags: int = 2) -> list[int]:
        message: Publish = (topic.encode(), payload.encode(), flags, packet_id)
        self.capture.received += 1
        return self.capture.take([message], self.now, life_safety=topic.startswith("aed"))

    def passes(self, span: int) -> None:
        self.now = Instant(self.now + span)
        for lane in (True, False):
            self.capture.tick(self.now, life_safety=lane)

    @property
    def found(self) -> list[tuple[str, Edge, int]]:
        assert self.log
        return [(each.rule, each.edge, each.at - NOON) for _, each in self.log.reader().breaches_after(0)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.starts()
    yield house
    assert house.log
    house.log.close()


def test_what_is_acknowledged_is_in_the_log_with_its_breach(house: House) -> None:
    assert house.says("zigbee2mqtt/room", '{"temperature":27}', 9) == [9]
    assert house.found == [("too-warm", Edge.RAISED, 0)]
    assert house.log
    [reading] = [r for _, each in house.log.reader().records(1) for r in each.readings]
    assert (reading.sensor, reading.packet_id) == ("room", 9)


def test_only_what_wants_an_acknowledgement_gets_one_and_in_order(house: House) -> None:
    messages = [
        (b"zigbee2mqtt/room", b'{"temperature":1}', flags, number) for flags, number in ((2, 5), (0, 0), (2, 3))
    ]
    assert house.capture.take(messages, house.now) == [5, 3]


def test_what_cannot_be_stored_is_not_acknowledged(house: House) -> None:
    assert house.log
    house.log._db.execute("DROP TABLE batches")
    with pytest.raises(sqlite3.OperationalError):
        house.says("zigbee2mqtt/room", '{"temperature":27}')


def test_every_message_is_counted_once(house: House) -> None:
    house.says("zigbee2mqtt/room", '{"temperature":20}', 1)
    house.says("zigbee2mqtt/room", '{"temperature":20}', 1, 2 | DUP)
    house.says("zigbee2mqtt/room/set", "{}")
    house.says("zigbee2mqtt/room", "cat")
    house.says("zigbee2mqtt/new", '{"temperature":20}')
    assert house.log
    [(_, run, counts)] = house.log.reader().runs()
    assert (run, counts.received, counts.duplicates, counts.ignored) == (NOON, 5, 1, 1)
    assert len(house.log.reader().quarantine()) == 2
    assert sum(len(each.readings) for _, each in house.log.reader().records(1)) == 1


def test_a_batch_that_is_only_counted_is_acknowledged_and_no_record(house: House) -> None:
    assert house.log
    before = house.log.next
    assert house.says("vorab/test/drained", "marker", 8) == [8]
    assert house.log.next == before
    house.passes(SECOND)
    [(_, _, counts)] = house.log.reader().runs()
    assert (counts.received, counts.ignored) == (1, 1)


def test_a_door_opened_before_a_restart_is_told_at_its_time(house: House) -> None:
    house.says("zigbee2mqtt/gate", '{"contact":false}')
    house.passes(20 * SECOND)
    house.starts()
    house.passes(15 * SECOND)
    assert house.found == [("held", Edge.RAISED, 30 * SECOND)]


@pytest.mark.parametrize("when", ["nothing", "checkpoint", "thrown away"])
def test_a_restart_changes_nothing(house: House, when: str) -> None:
    house.says("zigbee2mqtt/gate", '{"contact":false}')
    house.says("zigbee2mqtt/room", '{"temperature":27}')
    house.passes(10 * SECOND)
    if when != "nothing":
        house.capture.checkpoint()
    house.passes(10 * SECOND)
    if when == "thrown away":
        assert house.log
        house.log._db.execute("DELETE FROM checkpoints")
    house.starts()
    assert house.found == [("too-warm", Edge.RAISED, 0)]
    house.passes(11 * SECOND)
    house.says("zigbee2mqtt/room", '{"temperature":20}')
    assert house.found == [
        ("too-warm", Edge.RAISED, 0),
        ("held", Edge.RAISED, 30 * SECOND),
        ("too-warm", Edge.CLEARED, 31 * SECOND),
    ]


@pytest.mark.parametrize("damaged", [1, 2])
@pytest.mark.parametrize("body", [b"", b"\x02", b"\x01\xc1", b"\x01\x96"])
def test_a_checkpoint_that_cannot_be_read_costs_only_time(house: House, damaged: int, body: bytes) -> None:
    house.says("zigbee2mqtt/gate", '{"contact":false}')
    house.capture.checkpoint()
    house.passes(20 * SECOND)
    house.capture.checkpoint()
    house.passes(5 * SECOND)
    assert house.log
    newest = house.log._db.execute("SELECT position FROM checkpoints ORDER BY position DESC LIMIT ?", (damaged,))
    for (position,) in newest.fetchall():
        house.log._db.execute("UPDATE checkpoints SET body = ? WHERE position = ?", (body, position))
    house.starts()
    house.passes(15 * SECOND)
    assert house.found == [("held", Edge.RAISED, 30 * SECOND)]


def test_a_checkpoint_that_is_needed_and_cannot_be_read_stops_us(house: House) -> None:
    house.passes(SECOND)
    house.capture.checkpoint()
    assert house.log
    house.log._db.execute("UPDATE checkpoints SET body = x''")
    house.log._db.execute("DELETE FROM batches WHERE position = 1")
    with pytest.raises(Corrupt, match="no record 1 any more"):
        house.starts()


def test_what_the_broker_repeats_after_a_restart_is_known(house: House) -> None:
    house.says("zigbee2mqtt/room", '{"temperature":20}', 7)
    house.starts()
    assert house.says("zigbee2mqtt/room", '{"temperature":20}', 7, 2 | DUP) == [7]
    assert house.log
    assert sum(len(each.readings) for _, each in house.log.reader().records(1)) == 1


def test_changed_rules_are_in_the_log_before_they_decide(house: House) -> None:
    house.says("zigbee2mqtt/room", '{"temperature":20}')
    house.passes(SECOND)
    changed = site(limit=19.0)
    house.starts(changed)
    house.starts(changed)
    assert house.log
    hashes = [
        c.rules_hash for _, each in house.log.reader().records(1) for c in each.commands if isinstance(c, RulesChanged)
    ]
    assert hashes == [site().rules_hash, changed.rules_hash]
    house.log._db.execute("DELETE FROM checkpoints")
    house.starts(changed)
    house.passes(MINUTE)
    house.says("zigbee2mqtt/room", '{"temperature":19.5}')
    assert [rule for rule, _, _ in house.found] == ["too-warm"]


def test_a_rule_set_that_is_gone_stops_us(house: House) -> None:
    assert house.log
    house.log._db.execute("DELETE FROM rule_sets")
    with pytest.raises(Corrupt, match=r"rule set .* is gone"):
        house.starts()


def test_a_hole_in_what_must_be_replayed_stops_us(house: House) -> None:
    for _ in range(4):
        house.passes(SECOND)
    assert house.log
    house.log._db.execute("DELETE FROM batches WHERE position = 3")
    with pytest.raises(Corrupt, match="no record 3 any more"):
        house.starts()


def test_a_large_state_is_saved_seldom_and_an_idle_one_more_seldom(house: House) -> None:
    assert house.log

    def saved() -> int:
        assert house.log
        return house.log.reader().checkpoints()[0].position

    before = saved()
    for _ in range(50):
        house.passes(SECOND)
        house.capture.tend(house.now)
    assert saved() == before, "time alone is quickly replayed"
    house.says("zigbee2mqtt/room", '{"temperature":20}')
    house.passes(6 * SECOND)
    house.capture.tend(house.now)
    assert saved() == house.log.next


# --- quarantine again -------------------------------------------------------------------------------------------------


def claimed() -> Site:
    return site(sensors=[*SENSORS, Sensor(SensorId("new"), Z2M, "zigbee2mqtt/new")])


def test_a_message_is_taken_out_of_quarantine_once(house: House) -> None:
    house.says("zigbee2mqtt/new", '{"temperature":20}')
    house.says("zigbee2mqtt/room", "cat")
    house.now = Instant(house.now + MINUTE)
    house.starts(claimed())
    for _ in range(2):
        house.capture.quarantine_again("command-1", PersonId("ana"), None)
    assert house.log
    records = [each for _, each in house.log.reader().records(1)]
    [again] = [each for each in records if any(isinstance(command, Replayed) for command in each.commands)]
    assert again.commands == [Replayed("command-1", PersonId("ana"))]
    assert [(r.sensor, r.at) for r in again.readings] == [("new", NOON)]
    assert [kept.payload for _, kept in house.log.reader().quarantine()] == [b"cat"], (
        "what is still not understood stays"
    )
    rows = house.log._db.execute("SELECT sum(messages) FROM batches").fetchone()
    assert rows == (0,), "it was counted when it was quarantined"
    house.starts(claimed())
    house.capture.quarantine_again("command-1", PersonId("ana"), None)
    assert len([each for _, each in house.log.reader().records(1) if each.readings]) == 1


@pytest.mark.parametrize("payload", ['{"temperature":20}', '{"temperature":20,"last_seen":"2025-11-24T15:59:58Z"}'])
@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("mended", [False, True])
def test_a_quarantined_message_that_the_broker_repeats_is_kept_and_applied_once(
    house: House, payload: str, restart: bool, mended: bool
) -> None:
    house.says("zigbee2mqtt/new", payload, 7)  # and killed before the acknowledgement
    if restart or mended:
        house.starts(claimed() if mended else None)
    assert house.says("zigbee2mqtt/new", payload, 7, 2 | DUP) == [7]
    house.says("zigbee2mqtt/new", payload, 8)  # and here is another one, perhaps of the same bytes
    assert house.log
    assert len(house.log.reader().quarantine()) == (1 if mended else 2)
    house.starts(claimed())
    house.capture.quarantine_again("c1", PersonId("ana"), None)
    readings = [reading for _, each in house.log.reader().records(1) for reading in each.readings]
    assert len(readings) == (1 if "last_seen" in payload else 2)
    assert house.log.reader().quarantine() == []
    house.starts(claimed())
    house.says("zigbee2mqtt/new", payload, 7, 2 | DUP)
    assert sum(len(each.readings) for _, each in house.log.reader().records(1)) == len(readings)


def test_what_was_quarantined_long_ago_is_no_repetition(house: House) -> None:
    """Packet ids come round again: only the last messages of a session can be repeated."""
    assert house.log
    house.says("zigbee2mqtt/gate", "cat", 7)
    room = [(b"zigbee2mqtt/room", b'{"temperature":20}', 2, number % 65535 + 1) for number in range(RECENT)]
    house.now = Instant(house.now + SECOND)
    house.capture.take(room, house.now)
    house.starts()
    house.says("zigbee2mqtt/gate", "cat", 7, 2 | DUP)
    assert len(house.log.reader().quarantine()) == 2


def test_commands_are_read_from_the_store_of_contact(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house.says("zigbee2mqtt/new", '{"temperature":20}')
    house.starts(claimed())
    commands = Commands(tmp_path / "contact.db")
    commands.obey(house.capture)  # no store yet
    with sqlite3.connect(tmp_path / "contact.db") as store:
        store.execute("CREATE TABLE commands (number INTEGER PRIMARY KEY, id, at, by, kind, body)")
        body = json.dumps({"numbers": [1]})
        store.execute("INSERT INTO commands VALUES (1, 'c1', 0, 'ana', 'quarantine-again', ?)", (body,))
        store.execute("INSERT INTO commands VALUES (2, 'c2', 0, 'ana', 'dance', '{}')")
    store.close()
    commands.obey(house.capture)
    commands.obey(house.capture)
    assert house.log
    assert house.log.reader().quarantine() == []
    assert [each.message for each in caplog.records] == ["command c2 is unknown: dance"]


@pytest.mark.parametrize(
    "body",
    ["", "cat", "[1]", '{"numbers":"all"}', '{"numbers":[{}]}', '{"numbers":[18446744073709551616]}', None, 5, b"\xff"],
)
def test_a_bad_command_is_passed_over_and_the_next_one_obeyed(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture, body: object
) -> None:
    house.says("zigbee2mqtt/new", '{"temperature":20}')
    house.starts(claimed())
    with sqlite3.connect(tmp_path / "contact.db") as store:
        store.execute("CREATE TABLE commands (number INTEGER PRIMARY KEY, id, at, by, kind, body)")
        store.execute("INSERT INTO commands VALUES (1, 'c1', 0, 'ana', 'quarantine-again', ?)", (body,))
        store.execute("INSERT INTO commands VALUES (2, 'c2', 0, 'ana', 'quarantine-again', '{\"numbers\":[1]}')")
    store.close()
    commands = Commands(tmp_path / "contact.db")
    for _ in range(2):
        commands.obey(house.capture)
    assert house.log
    assert house.log.reader().quarantine() == []
    assert [each.message.split(":")[0] for each in caplog.records] == ["command c1 is passed over"]


def test_a_damaged_store_of_contact_is_told_once_and_harms_nothing(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "contact.db").write_bytes(b"garbage " * 1000)
    commands = Commands(tmp_path / "contact.db")
    for _ in range(3):
        commands.obey(house.capture)
    assert [each.message.split(": ", 1)[1] for each in caplog.records] == [
        "no commands are heard: file is not a database"
    ]


# --- the clock --------------------------------------------------------------------------------------------------------


class Machine:
    """The machine's clocks, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic, self.boottime = int(NOON) * 1000, 5_000, 7_000
        monkeypatch.setattr(time, "time_ns", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.monotonic)
        monkeypatch.setattr(
            time, "clock_gettime_ns", lambda clock: self.monotonic if clock == time.CLOCK_MONOTONIC else self.boottime
        )

    def passes(self, seconds: int) -> None:
        self.sleeps(seconds)
        self.monotonic += seconds * 10**9

    def sleeps(self, seconds: int) -> None:
        """Suspended: the monotonic clock of Linux stands still."""
        self.wall += seconds * 10**9
        self.boottime += seconds * 10**9


def test_the_clock_never_runs_backwards(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(monkeypatch)
    clock = IngestClock(Instant(0))
    assert clock.now() == NOON
    machine.passes(10)
    clock.check()
    assert clock.now() == NOON + 10 * SECOND
    machine.wall -= 3600 * 10**9
    clock.check()
    clock.check()
    assert clock.now() == NOON + 10 * SECOND
    assert [each.message for each in caplog.records] == [
        "this machine's time jumped by -3600.0 s; readings keep theirs"
    ]


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no such clock on this system")
def test_the_clock_goes_on_while_the_machine_sleeps(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(monkeypatch)
    clock = IngestClock(Instant(0))
    machine.sleeps(3600)
    clock.check()
    assert clock.now() == NOON + 3600 * SECOND
    assert not caplog.records


def test_after_a_restart_the_clock_goes_on_where_the_log_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(monkeypatch)
    clock = IngestClock(Instant(NOON + MINUTE))
    machine.passes(1)
    assert clock.now() == NOON + MINUTE + SECOND
    assert "its clock was set back" in caplog.text
