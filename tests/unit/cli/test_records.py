"""What was said and found, as `log` and `why` see it: the same on one machine and on many."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, insert

from deploy.cli.many import ManyMachines
from deploy.cli.records import OneMachine, Told
from deploy.log.sqlite import SqliteLog
from deploy.store.store import open_store
from deploy.store.tables import breaches
from rules.partition import Routes, Shard, every_shard, split
from rules.ruleset import RuleSet, Watched, pack
from tests.small_site import breach, rung, small_site
from vorab import wire
from vorab.model import SECOND, Breach, Instant, Quantity, Reading, Record, Sample, SensorId
from vorab.site import KafkaLog

COUNT = 4
DOOR, BADGE, AED = SensorId("gate-door"), SensorId("gate-badge"), SensorId("aed")
RULES = RuleSet(
    [],
    {
        DOOR: Watched(zone="north", readers=[BADGE]),
        BADGE: Watched(zone="south"),  # speaks in the zone of the door, too
        AED: Watched(zone="north", life_safety=True),
    },
)
BEGAN = Instant(1_764_000_000 * SECOND)


def at(second: int) -> Instant:
    return Instant(BEGAN + second * SECOND)


class Partitions:
    """Kafka's part of `deploy.log.whole.WholeLog`."""

    def __init__(self) -> None:
        self.written: dict[Shard, list[tuple[Instant, Record]]] = {shard: [] for shard in every_shard(COUNT)}

    def spans(self) -> dict[Shard, tuple[int, int]]:
        return {shard: (0, len(records)) for shard, records in self.written.items()}

    def since(self, at: Instant) -> dict[Shard, int]:
        found: dict[Shard, int] = {}
        for shard, records in self.written.items():
            later = [offset for offset, (written_at, _) in enumerate(records) if written_at >= at]
            found |= {shard: later[0]} if later else {}
        return found

    def between(self, shard: Shard, start: int, end: int) -> Iterator[Record]:
        return (record for _, record in self.written[shard][start:end])


class Both:
    """The same messages and breaches in both kinds of log."""

    def __init__(self, folder: Path, store: Engine) -> None:
        self.one, self.many = SqliteLog(folder / "capture.db"), Partitions()
        self.store, self.seconds = store, 0
        self._routes = Routes(RULES, COUNT)

    def says(self, sensor: SensorId, *found: Breach) -> None:
        """A second later than the last one."""
        self.seconds += 1
        now = at(self.seconds)
        reading = Reading(sensor, [Sample(Quantity.OPEN, True)], now, now, self.seconds)
        record = Record("main", BEGAN, [reading], life_safety=sensor == AED)
        self.one.append(record, found)
        for shard, part in split(record, self._routes).items():
            self.many.written[shard].append((now, part))
        with self.store.begin() as connection:
            for each in found:
                row = {"id": each.id, "edge": each.number, "state": "new", "at": each.at, "body": wire.pack(each)}
                connection.execute(insert(breaches).values(row))

    def told(self) -> list[Told]:
        site = replace(small_site([rung(1)]), rules=pack(RULES), log=KafkaLog(["kafka:9092"], COUNT))
        return [OneMachine(self.one.reader()), ManyMachines(site, self.many, self.store)]  # type: ignore[arg-type]


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    store = open_store(tmp_path / "store.db")
    both = Both(tmp_path, store)
    monkeypatch.setattr("deploy.cli.many.now", lambda: at(both.seconds))
    yield both
    both.one.close()
    store.dispose()


def ordinals(readings: object) -> list[int]:
    return [each.ordinal for each in readings]  # type: ignore[attr-defined]


def test_each_reading_is_told_once_and_in_order(both: Both) -> None:
    for sensor in (DOOR, BADGE, AED, BADGE, DOOR):
        both.says(sensor)
    for log in both.told():
        assert ordinals(log.readings(at(2), at(4))) == [2, 3, 4]
        assert ordinals(log.last(100)) == [1, 2, 3, 4, 5]
        assert ordinals(log.last(2))[-2:] == [4, 5]
        assert ordinals(log.readings(at(10), at(20))) == []


def test_what_came_since_is_told_once(both: Both) -> None:
    both.says(DOOR, breach(at=at(1)))
    logs = both.told()
    both.says(BADGE, breach(onset=at(2), at=at(2)))
    both.says(AED)
    for log in logs:
        said, found = log.news()
        assert ordinals(said) == [2, 3]
        assert [each.at for each in found] == [at(2)]
        assert log.news() == ([], [])
        assert [each.at for each in log.breaches()] == [at(1), at(2)]


def test_a_breach_that_time_alone_has_brought_is_news(both: Both) -> None:
    logs = both.told()
    both.seconds = 30
    row = breach(at=at(30))
    both.one.append(Record("main", BEGAN, until=at(30)), [row])
    with both.store.begin() as connection:
        values = {"id": row.id, "edge": 0, "state": "applied", "at": row.at, "body": wire.pack(row)}
        connection.execute(insert(breaches).values(values))
    for log in logs:
        assert log.news() == ([], [row])
