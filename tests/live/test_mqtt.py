"""Capture and a real Mosquitto: nothing is lost between the publisher's PUBACK and the log, whatever dies."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.load import Publisher, publish
from deploy import broker, runtime
from deploy.capture import Host
from deploy.log.sqlite import Reader, open_reader
from rules.ruleset import RuleSet, hash_of, pack
from tests.live.conftest import Mosquitto
from vorab.errors import ConfigurationError
from vorab.model import Quality, Reading, SensorId
from vorab.site import Broker, Sensor, SensorType, Site

pytestmark = pytest.mark.live

Z2M = SensorType("climate", "zigbee2mqtt", "zigbee2mqtt/{sensor}")
AED = SensorType("aed", "json", "aed/{sensor}", life_safety=True)
SENSORS = [Sensor(SensorId(f"room-{i}"), Z2M, f"zigbee2mqtt/room-{i}") for i in range(10)]
CABINET = Sensor(SensorId("aed-1"), AED, "aed/aed-1")

#: Started as a process, so that it can be killed: the host over the site of this file.
PROGRAM = """
import sys
from pathlib import Path
from tests.live.test_mqtt import Running, site
running = Running(Path(sys.argv[1]))
while True:
    running.host.turn()
"""


def site(sensors: list[Sensor] | None = None) -> Site:
    rules = RuleSet([], {})
    used = [*SENSORS, CABINET] if sensors is None else sensors
    return Site("live", "UTC", ["en"], "", [Broker()], [], used, [], [], [], [], pack(rules), hash_of(rules))


class Running:
    """A host that is turned by the test."""

    def __init__(self, data: Path, of: Site | None = None) -> None:
        self.host = Host(of or site(), data)

    def until(self, true: Callable[[], bool], within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < deadline, "it did not come to that"
            self.host.turn()

    def until_drained(self) -> "Running":
        self.until(lambda: all(session.drained for session in self.host.sessions.values()))
        return self

    def turns(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.host.turn()

    @property
    def log(self) -> Reader:
        return self.host.store.reader()

    @property
    def readings(self) -> list[Reading]:
        return [reading for _, record in self.log.records(1) for reading in record.readings]


@pytest.fixture
def data(mosquitto: Mosquitto, tmp_path: Path) -> Path:
    runtime.write(tmp_path, runtime.Runtime("127.0.0.1", mosquitto.port))
    return tmp_path


@pytest.fixture
def running(data: Path) -> Iterator[Running]:
    running = Running(data).until_drained()
    yield running
    running.host.close()


@pytest.fixture
def publisher(mosquitto: Mosquitto) -> Iterator[Publisher]:
    publisher = Publisher(mosquitto.port, "test")
    yield publisher
    publisher.close()


def room(number: int, value: float) -> tuple[bytes, bytes]:
    return b"zigbee2mqtt/room-%d" % number, b'{"temperature":%.2f}' % value


def test_what_is_published_is_read_and_the_sums_close(running: Running, publisher: Publisher) -> None:
    publisher.send([room(i % 10, i / 100) for i in range(500)])
    publisher.send([(b"aed/aed-1", b'{"taken":false}'), (b"zigbee2mqtt/bridge/logging", b'{"level":"info"}')])
    running.until(lambda: len(running.readings) == 501)
    counts = running.log.runs()[-1][2]
    assert counts.received == 501 + counts.ignored + counts.duplicates
    assert {(r.sensor, record.life_safety) for _, record in running.log.records(1) for r in record.readings} >= {
        ("aed-1", True),
        ("room-1", False),
    }


def test_time_goes_on_when_nothing_comes(running: Running) -> None:
    running.turns(2.5)
    for lane in (True, False):
        said = [record for _, record in running.log.records(1) if record.life_safety is lane]
        untils = [record.until for record in said if record.until is not None]
        assert 2 <= len(untils) <= 5
        assert untils == sorted(untils)


def test_bad_messages_do_no_harm_to_the_next_good_one(running: Running, publisher: Publisher) -> None:
    deep = b'{"a":' * 200 + b"1" + b"}" * 200
    bad = [
        b"\xff\xfe",
        deep,
        b'{"temperature":NaN}',
        b'{"temperature":"cat"}',
        b'{"x":"' + b"x" * 1_000_000 + b'"}',
        b"",
    ]
    for payload in bad:
        publisher.send([(b"zigbee2mqtt/room-1", payload)])
    publisher.send([(b"zigbee2mqtt//room-1", b'{"temperature":1}'), (b"/zigbee2mqtt/room-1", b"{}"), room(1, 21.0)])
    running.until(lambda: len(running.readings) == 1)
    reasons = [kept.reason for _, kept in running.log.quarantine()]
    assert len(reasons) == len(bad) + 1, "a topic that we did not subscribe to does not come"
    assert all(reasons)


def test_what_the_broker_kept_is_applied_before_time_goes_on(data: Path, publisher: Publisher) -> None:
    first = Running(data).until_drained()
    first.host.close()
    publisher.send([room(1, i) for i in range(50)])
    publisher.collect(1.0)
    second = Running(data)
    before = second.log.last_position()
    second.until_drained()
    second.turns(0.2)
    after = [record for position, record in second.log.records(before + 1)]
    untils = [i for i, record in enumerate(after) if record.until is not None]
    last_reading = max(i for i, record in enumerate(after) if record.readings)
    assert last_reading < untils[0]
    assert {sample.quality for r in second.readings for sample in r.samples} == {Quality.UNCERTAIN}
    publisher.send([room(1, 50)])
    second.until(lambda: len(second.readings) == 51)
    assert second.readings[-1].samples[0].quality is Quality.GOOD
    second.host.close()


def test_a_retained_state_says_that_it_is_one(data: Path, mosquitto: Mosquitto) -> None:
    topic, payload = room(2, 20)
    publisher = Publisher(mosquitto.port, "retaining")
    publisher.socket.sendall(publish(topic, payload, 1, retain=True))
    publisher.collect(1.0)
    publisher.close()
    running = Running(data).until_drained()
    running.until(lambda: len(running.readings) == 1)
    assert running.readings[0].retained
    assert running.readings[0].samples[0].quality is Quality.UNCERTAIN
    running.host.close()
    again = Running(data).until_drained()
    again.turns(0.3)
    assert len(again.readings) == 1, "nothing is subscribed to twice, so it does not come again"
    again.host.close()


def test_what_is_no_longer_wanted_is_unsubscribed(data: Path, publisher: Publisher) -> None:
    running = Running(data).until_drained()
    running.host.close()
    only_aed = Running(data, site([CABINET])).until_drained()
    publisher.send([room(1, 20), (b"aed/aed-1", b'{"taken":true}')])
    only_aed.until(lambda: len(only_aed.readings) == 1)
    only_aed.turns(0.3)
    assert [r.sensor for r in only_aed.readings] == ["aed-1"]
    assert only_aed.log.quarantine() == []
    only_aed.host.close()


def test_while_the_broker_is_away_time_stands_still(running: Running, mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    running.turns(0.5)
    stood = running.log.last_position()
    running.turns(1.5)
    assert running.log.last_position() == stood
    mosquitto.start()
    running.until_drained()
    publisher = Publisher(mosquitto.port, "after")
    publisher.send([room(3, 20)])
    running.until(lambda: len(running.readings) == 1)
    assert running.log.last_position() > stood
    publisher.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment_nothing_acknowledged_is_lost(data: Path, mosquitto: Mosquitto, seed: int) -> None:
    Running(data).until_drained().host.close()  # the sessions exist
    publisher = Publisher(mosquitto.port, "load")
    total = 6_000

    def feed() -> None:
        for start in range(0, total, 50):
            publisher.send([room(i % 10, i / 100) for i in range(start, start + 50)])
            publisher.collect()
            time.sleep(0.03)

    feeding = threading.Thread(target=feed)
    feeding.start()
    chance = random.Random(seed)
    while feeding.is_alive():
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(data)], env=os.environ | {"PYTHONPATH": "."})
        time.sleep(1.0 + chance.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
    feeding.join()
    running = Running(data).until_drained()
    running.turns(0.5)
    times = Counter(round(r.samples[0].value * 100) for r in running.readings if isinstance(r.samples[0].value, float))
    publisher.collect(0.5)
    assert len(publisher.acknowledged) == total
    assert set(times) == set(range(total)), "lost"
    assert max(times.values()) == 1, "stored twice, though the broker said that it repeats"
    running.host.close()
    publisher.close()


def test_another_process_reads_the_log_meanwhile(running: Running, publisher: Publisher, data: Path) -> None:
    publisher.send([room(1, 20)])
    running.until(lambda: len(running.readings) == 1)
    reader = open_reader(data / "capture.db")
    assert sum(len(record.readings) for _, record in reader.records(1)) == 1
    reader.close()


def test_without_mosquitto_a_broker_in_python_keeps_sessions_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "mosquitto", lambda: None)
    python = broker.start(site(), tmp_path)
    assert "install mosquitto" in python.describes
    runtime.write(tmp_path, runtime.Runtime(python.host, python.port))
    Running(tmp_path).until_drained().host.close()
    publisher = Publisher(python.port, "test")
    publisher.send([room(i % 10, i) for i in range(50)])
    publisher.collect(1.0)
    running = Running(tmp_path).until_drained()
    running.until(lambda: len(running.readings) == 50)
    running.host.close()
    publisher.close()
    python.stop()


def test_a_broker_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "mosquitto", lambda: "/bin/false")
    with pytest.raises(ConfigurationError, match="does not start"):
        broker.start(site(), tmp_path)


def test_a_configured_broker_is_used_as_it_is(tmp_path: Path) -> None:
    configured = replace(site(), brokers=[Broker(host="mqtt.example", port=1884)])
    handle = broker.start(configured, tmp_path)
    assert (handle.host, handle.port) == ("mqtt.example", 1884)
    handle.stop()
