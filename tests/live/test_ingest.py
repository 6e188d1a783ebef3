"""Ingest between a real Mosquitto and a real Kafka: nothing is lost between the publisher's PUBACK and the log."""

import contextlib
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from msgspec.structs import replace

from benchmarks.load import Publisher
from deploy import bare, runtime
from deploy.ingest import ANNOUNCED_WITHIN_S, HELD_BYTES, Host, begin, main_of
from deploy.log.kafka import topic_of
from deploy.run import STOP_WITHIN_S
from deploy.store.store import open_store
from ingest import mqtt
from rules.partition import Routes, Shard, every_shard
from rules.ruleset import RuleSet, Watched, hash_of, pack, unpack
from tests.airport import ROOT
from tests.live.conftest import Mosquitto
from tests.live.lanes import site_on
from vorab import wire
from vorab.errors import ConfigurationError, TemporaryFailure
from vorab.model import Reading, Record, Replayed, RulesChanged, SensorId
from vorab.site import Broker, KafkaLog, Sensor, SensorType, Site

pytestmark = pytest.mark.live

Z2M = SensorType("climate", "zigbee2mqtt", "zigbee2mqtt/{sensor}")
AED = SensorType("aed", "json", "aed/{sensor}", life_safety=True)
SENSORS = [Sensor(SensorId(f"room-{i}"), Z2M, f"zigbee2mqtt/room-{i}") for i in range(10)]
SENSORS.append(Sensor(SensorId("aed-1"), AED, "aed/aed-1"))
PARTITIONS = 4

#: Started as a process, so that it can be killed: the ingest over the site of this file.
PROGRAM = """
import sys
from pathlib import Path
from tests.live.test_ingest import Running, site
running = Running(site(*sys.argv[2:]), Path(sys.argv[1]))
while True:
    running.host.turn()
"""


def site(name: str, server: str, store: str) -> Site:
    rules = RuleSet([], {each.id: Watched("main", life_safety=each.type.life_safety) for each in SENSORS})
    whole = Site(name, "UTC", ["en"], "", [Broker()], [], SENSORS, [], [], [], [], pack(rules), hash_of(rules))
    return replace(whole, log=KafkaLog([server], PARTITIONS), store=store)


class Running:
    """A host that is turned by the test."""

    def __init__(self, of: Site, data: Path) -> None:
        self.site = of
        self.host: Host = begin(of, data, "main")
        self.open = True

    def close(self) -> None:
        if self.open:
            self.open = False
            self.host.close()

    def until(self, true: Callable[[], bool], within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < deadline, "it did not come to that"
            self.host.turn()

    def until_drained(self) -> "Running":
        self.until(lambda: all(session.drained for session in self.host.sessions.values()))
        return self

    def until_settled(self) -> None:
        """All that was heard is in the log, and acknowledged."""
        self.until(lambda: not self.host.ingest.on_its_way() and not self.gathers, within_s=60)

    @property
    def gathers(self) -> bool:
        return any(lane.messages for lane in self.host.ingest.lanes.values())

    def turns(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.host.turn()


def written(of: Site) -> dict[Shard, list[Record]]:
    """All that stands in the log."""
    assert of.log
    shards = {
        TopicPartition(topic_of(of, life_safety=each.life_safety), each.number): each
        for each in every_shard(of.log.partitions)
    }
    found: dict[Shard, list[Record]] = {shard: [] for shard in shards.values()}
    with contextlib.closing(KafkaConsumer(bootstrap_servers=of.log.servers, group_id=None)) as consumer:
        consumer.assign(list(shards))
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(list(shards))
        while any(consumer.position(place) < end for place, end in ends.items()):
            for place, messages in consumer.poll(timeout_ms=500).items():
                found[shards[place]] += [wire.unpack(each.value, wire.RECORD) for each in messages]
    return found


def readings(of: Site) -> list[Reading]:
    """Each once: where its sensor is at home."""
    routes = Routes(unpack(of.rules), PARTITIONS)
    return [
        reading
        for shard, records in written(of).items()
        for record in records
        for reading in record.readings
        if routes.of(reading.sensor)[0] == shard
    ]


def sql(store: str, query: str, *values: object) -> None:
    with psycopg.connect(store, autocommit=True) as connection:
        connection.execute(query.encode(), values)


@pytest.fixture
def of(kafka: bare.Kafka, store_url: str) -> Site:
    """A site whose topics and tables are there, and empty."""
    made = site(f"ingest-{secrets.token_hex(4)}", kafka.servers[0], store_url)
    open_store(store_url).dispose()
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=kafka.servers)) as admin:
        for lane in (False, True):
            how = {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": {"max.message.bytes": "4194304"}}
            admin.create_topics({topic_of(made, life_safety=lane): how}, wait_for_metadata=True)
    return made


@pytest.fixture
def data(mosquitto: Mosquitto, tmp_path: Path) -> Path:
    runtime.write(tmp_path, runtime.Runtime("127.0.0.1", mosquitto.port))
    return tmp_path


@pytest.fixture
def running(of: Site, data: Path) -> Iterator[Running]:
    running = Running(of, data).until_drained()
    yield running
    running.close()


@pytest.fixture
def publisher(mosquitto: Mosquitto) -> Iterator[Publisher]:
    publisher = Publisher(mosquitto.port, "test")
    yield publisher
    publisher.close()


def room(number: int, value: float) -> tuple[bytes, bytes]:
    return b"zigbee2mqtt/room-%d" % number, b'{"temperature":%.2f}' % value


def heard(running: Running) -> int:
    """Ordinary messages that say something, each once."""
    counts = running.host.ingest.lanes[False].counts
    return counts.received - counts.ignored - counts.duplicates


def values(found: list[Reading]) -> list[int]:
    samples = [each.samples[0].value for each in found]
    return [round(value * 100) for value in samples if isinstance(value, float)]


def test_what_is_published_is_in_the_log_and_the_sums_close(of: Site, running: Running, publisher: Publisher) -> None:
    publisher.send([room(i % 10, i / 100) for i in range(500)])
    publisher.send([(b"aed/aed-1", b'{"taken":false}'), (b"zigbee2mqtt/room-1", b"cat")])
    running.until(lambda: running.host.ingest.lanes[False].counts.received >= 502)
    running.turns(1.2)
    running.until_settled()
    log = written(of)
    assert sorted(values(readings(of))) == list(range(500))
    quarantined = [each for records in log.values() for record in records for each in record.quarantined]
    assert [each.payload for each in quarantined] == [b"cat"]
    last = max((record for records in log.values() for record in records if record.counts), key=lambda r: r.until or 0)
    assert last.counts
    assert last.counts.received == len(readings(of)) + 1 + last.counts.ignored + last.counts.duplicates
    rooms = Routes(unpack(of.rules), PARTITIONS)
    for number in range(10):
        [shard] = rooms.of(SensorId(f"room-{number}"))
        mine = [r for record in log[shard] for r in record.readings if r.sensor == f"room-{number}"]
        assert values(mine) == sorted(values(mine)), "in the order in which they came"


def test_the_rules_stand_in_every_partition_before_anything_else_and_are_stored(
    of: Site, data: Path, running: Running
) -> None:
    log = written(of)
    assert list(log) == every_shard(PARTITIONS)
    assert all(records[0].commands == [RulesChanged(of.rules_hash)] for records in log.values())
    with psycopg.connect(of.store) as connection:
        assert connection.execute("SELECT hash, body FROM rule_sets").fetchall() == [(of.rules_hash, of.rules)]
    running.close()
    changed = replace(of, rules=pack(RuleSet([], {})), rules_hash=hash_of(RuleSet([], {})))
    for each in (of, changed, changed):
        again = Running(each, data).until_drained()
        again.turns(1.2)
        again.close()
    for records in written(of).values():
        told = [command for record in records for command in record.commands]
        assert told == [RulesChanged(of.rules_hash), RulesChanged(changed.rules_hash)]


def test_who_comes_with_other_rules_tells_them_before_he_hears_anything(
    of: Site, data: Path, running: Running, publisher: Publisher
) -> None:
    """Else the state that a broker keeps of a new sensor would come to rules that do not know it, and never again."""
    running.close()
    changed = replace(of, rules=pack(RuleSet([], {})), rules_hash=hash_of(RuleSet([], {})))
    publisher.send([room(1, 20)])
    deaf = Running(replace(changed, store="postgresql://vorab:secret@127.0.0.1:1/vorab"), data)
    deaf.turns(ANNOUNCED_WITHIN_S - 2)
    assert deaf.host.sessions[False].connections == 0
    deaf.host.close()

    Running(changed, data).until_drained().close()
    [told] = [
        [bool(record.commands) for record in records if record.commands or record.readings][1:]
        for records in written(of).values()
        if any(record.readings for record in records)
    ]
    assert told == [True, False]


def test_time_goes_on_in_every_partition_when_nothing_comes(of: Site, running: Running) -> None:
    running.turns(3.0)
    for records in written(of).values():
        untils = [record.until for record in records if record.until is not None]
        assert 2 <= len(untils) <= 5
        assert untils == sorted(set(untils))


def test_what_was_acknowledged_does_not_come_again(of: Site, data: Path, publisher: Publisher) -> None:
    first = Running(of, data).until_drained()
    publisher.send([room(i % 10, i / 100) for i in range(50)])
    first.until(lambda: first.host.ingest.lanes[False].counts.received >= 50)
    first.close()
    publisher.send([room(1, 60), room(1, 61)])
    publisher.collect(1.0)
    second = Running(of, data).until_drained()
    second.turns(1.2)
    assert heard(second) == 2
    assert second.host.ingest.lanes[False].counts.duplicates == 0
    second.close()
    assert sorted(values(readings(of))) == [*range(50), 6000, 6100]


def test_while_kafka_does_not_answer_no_more_is_held_than_32_mb(
    of: Site, data: Path, kafka: bare.Kafka, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages wait at their broker, and the connection to it stays, though nothing is read from it."""
    monkeypatch.setattr(mqtt, "KEEP_ALIVE_S", 1)
    running = Running(of, data).until_drained()
    session = running.host.sessions[False]
    padding = b"x" * 64 * 1024
    kafka.kill()
    try:
        for number in range(900):
            topic, payload = room(number % 10, number / 100)
            publisher.send([(topic, payload[:-1] + b',"note":"%b"}' % padding)])
            publisher.collect()
            if number % 25 == 0:
                running.turns(0.05)
        running.turns(4.0)
        held = running.host.ingest.lanes[False]
        assert HELD_BYTES <= held.held_bytes < HELD_BYTES + 1_000_000
        assert held.counts.received < 500
        assert session.connections == 1, "the broker is told that we live"
        time_stood = running.host.ingest.lanes[False].until
        running.turns(1.0)
        assert running.host.ingest.lanes[False].until == time_stood
    finally:
        kafka.restart()
    running.until(lambda: heard(running) >= 900, within_s=60)  # nobody turned it meanwhile: some came once more
    running.until_settled()
    running.close()
    assert sorted(values(readings(of))) == list(range(900))


def test_kafka_killed_in_between_loses_nothing_and_repeats_nothing(
    of: Site, running: Running, kafka: bare.Kafka, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    total = 3_000
    for start in range(0, total, 50):
        publisher.send([room(i % 10, i / 100) for i in range(start, start + 50)])
        publisher.collect()
        running.turns(0.1)
        if start == 500:
            kafka.kill()
    kafka.restart()
    running.until(lambda: heard(running) >= total, within_s=60)
    running.until_settled()
    times = Counter(values(readings(of)))
    assert set(times) == set(range(total)), "lost"
    assert max(times.values()) == 1
    said = [each.message for each in caplog.records if each.name == "vorab.ingest"]
    assert [each.split(" acknowledges ")[-1] for each in said] == [
        "nothing: the sensors' messages wait at their broker",
        "again",
    ]


@pytest.mark.parametrize("point", ["", "ingest.before-append", "ingest.after-append"])
def test_killed_at_any_moment_nothing_acknowledged_is_lost(
    of: Site, data: Path, mosquitto: Mosquitto, point: str
) -> None:
    """What was on its way comes again, and is known if it had arrived."""
    Running(of, data).until_drained().host.close()  # the sessions exist
    publisher = Publisher(mosquitto.port, "load")
    total = 6_000
    assert of.log

    def feed() -> None:
        for start in range(0, total, 50):
            publisher.send([room(i % 10, i / 100) for i in range(start, start + 50)])
            publisher.collect()
            time.sleep(0.06)

    feeding = threading.Thread(target=feed)
    feeding.start()
    chance = random.Random(7)
    argv = [sys.executable, "-c", PROGRAM, str(data), of.name, of.log.servers[0], of.store]
    while feeding.is_alive():
        there = {"PYTHONPATH": ".", "VORAB_CRASH": f"{point}:{chance.randint(20, 60)}" if point else ""}
        with subprocess.Popen(argv, env=os.environ | there, cwd=ROOT) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10.0 if point else 2.0 + chance.random())
            process.kill()
    feeding.join()
    running = Running(of, data).until_drained()
    running.turns(0.5)
    running.close()
    publisher.collect(0.5)
    assert len(publisher.acknowledged) == total
    publisher.close()
    times = Counter(values(readings(of)))
    assert set(times) == set(range(total)), "lost"
    assert max(times.values()) == 1, "stored twice, though the broker said that it repeats"


def test_while_mosquitto_is_away_time_stands_still_and_nothing_is_lost(
    of: Site, running: Running, mosquitto: Mosquitto
) -> None:
    mosquitto.stop()
    running.turns(0.5)
    stood = {shard: len(records) for shard, records in written(of).items()}
    running.turns(1.5)
    assert {shard: len(records) for shard, records in written(of).items()} == stood
    mosquitto.start()
    running.until_drained()
    publisher = Publisher(mosquitto.port, "after")
    publisher.send([room(3, 20)])
    running.until(lambda: running.host.ingest.lanes[False].counts.received > 0)
    running.until_settled()
    publisher.close()
    assert values(readings(of)) == [2000]


def test_a_message_is_taken_out_of_quarantine_when_somebody_asks(
    of: Site, data: Path, running: Running, publisher: Publisher
) -> None:
    publisher.send([(b"zigbee2mqtt/new", b'{"temperature":20}'), (b"zigbee2mqtt/room-1", b"cat")])
    running.turns(1.0)
    running.close()
    kept = [(record, each) for records in written(of).values() for record in records for each in record.quarantined]
    assert len(kept) == 2
    for record, each in kept:  # as a worker does
        sql(
            of.store,
            "INSERT INTO quarantine (ingest, run, ordinal, topic, payload, reason, received_at, retained, packet_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            *(record.ingest, record.run, each.ordinal, each.topic, each.payload),
            *(each.reason, each.received_at, each.retained, each.packet_id),
        )
    command = 'INSERT INTO commands (id, at, "by", kind, body) VALUES (%s, 0, %s, %s, %s)'
    sql(of.store, command, "c1", "ana", "dance", "{}")
    sql(of.store, command, "c2", "ana", "quarantine-again", "{}")
    claimed = replace(of, sensors=[*SENSORS, Sensor(SensorId("new"), Z2M, "zigbee2mqtt/new")])
    for _ in range(2):
        again = Running(claimed, data).until_drained()
        again.turns(2.5)
        again.close()
    log = written(of)
    asked = {repr(command) for records in log.values() for r in records for command in r.commands}
    record, new = next((record, each) for record, each in kept if each.topic.endswith(b"new"))
    assert repr(Replayed("c2", "ana", [("main", record.run, new.ordinal)])) in asked  # type: ignore[arg-type]
    found = [each for each in readings(of) if each.sensor == "new"]
    assert [(each.at, each.ordinal) for each in found] == [(new.received_at, new.ordinal)]
    with psycopg.connect(of.store) as connection:
        assert connection.execute("SELECT value FROM cursors WHERE name = 'commands/main'").fetchall() == [(2,)]


def test_a_stop_while_kafka_is_away_does_not_wait_for_it(
    of: Site, data: Path, kafka: bare.Kafka, publisher: Publisher
) -> None:
    running = Running(of, data).until_drained()
    kafka.kill()
    publisher.send([room(1, 20)])
    running.turns(0.5)
    began = time.monotonic()
    running.close()
    took = time.monotonic() - began
    kafka.restart()
    assert took < STOP_WITHIN_S, "the supervisor would have killed it"
    again = Running(of, data).until_drained()
    again.until_settled()
    again.close()
    assert values(readings(of)) == [2000]


def test_without_postgresql_readings_go_on_and_that_is_told_once(
    of: Site, data: Path, running: Running, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    running.close()
    deaf = replace(of, store="postgresql://vorab:secret@127.0.0.1:1/vorab")
    again = Running(deaf, data).until_drained()
    publisher.send([room(1, 20)])
    again.turns(2.5)
    again.close()
    assert values(readings(of)) == [2000]
    said = [each.message for each in caplog.records]
    assert len(said) == 1
    assert said[0].startswith("PostgreSQL at 127.0.0.1:1/vorab: no commands are heard")
    assert "secret" not in caplog.text


def test_another_number_of_partitions_and_a_missing_topic_name_the_way_out(of: Site, data: Path) -> None:
    assert of.log
    with pytest.raises(ConfigurationError, match=r"has 4 partitions and the site file says 8"):
        begin(replace(of, log=KafkaLog(of.log.servers, 8)), data, "main")
    with pytest.raises(ConfigurationError, match="kafka init"):
        begin(replace(of, name="nobody"), data, "main")


def test_kafka_that_does_not_answer_is_named_with_the_cause(of: Site, data: Path) -> None:
    with pytest.raises(TemporaryFailure, match=r"Kafka does not answer at 127\.0\.0\.1:1: Connection refused"):
        begin(replace(of, log=KafkaLog(["127.0.0.1:1"], PARTITIONS)), data, "main")


def test_the_process_waits_for_kafka_and_stops_when_it_is_told(tmp_path: Path, store_url: str) -> None:
    folder = site_on(tmp_path, ["127.0.0.1:1"], "waits")
    argv = [sys.executable, "-m", "vorab", "ingest", str(folder), "--data", str(tmp_path)]
    environment = os.environ | {"VORAB_TEST_STORE": store_url}
    with subprocess.Popen(argv, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        line = process.stderr.readline()
        process.terminate()
        assert process.wait(15) == 0
    assert "127.0.0.1:1" in line
    assert "trying again" in line


def test_a_site_on_one_machine_has_no_ingest_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one machine"):
        main_of("")(ROOT / "deploy/sites/airport", tmp_path)
