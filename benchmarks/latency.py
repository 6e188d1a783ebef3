"""Publish → provider's answer, through a real Mosquitto and the real processes, in turns with the obvious program.

20 alerts a second among `--rate` messages a second; each alert is another sensor.  The baseline is stock paho whose
callback posts over a kept connection: no log, no incident, nothing survives a crash.

--host embedded: p50 ≤ 2 ms + 3 × p50 of an fsync in the data folder; p99 ≤ the baseline's + 3 × p99 of an fsync + 5 ms.
--host kafka: through ingest, Kafka, a worker on Faust and PostgreSQL p50 ≤ 25 ms, p99 ≤ 100 ms; then life safety alone,
while the worker of the ordinary lane is at least a million readings behind: p99 ≤ 100 ms.  A first run of each
warms the broker up and does not count.
"""

import argparse
import contextlib
import gc
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from benchmarks import cluster
from benchmarks import site as bench_site
from benchmarks.blaster import FOUR, Load
from benchmarks.load import Publisher, around
from benchmarks.measure import fsyncs, on_memory_disk, percentile, table
from deploy import broker, runtime
from deploy.keeper import CHECKPOINT_EVERY_S
from deploy.lane import TICK_S
from deploy.log.kafka import topic_of
from deploy.run import DEMO_ACCOUNT, children, free_port
from deploy.site.load import load
from vorab.site import KafkaLog, Site

ALERTS_PER_S = 20
SENSORS = 1000
RECIPIENTS = 8
RATE = {"embedded": 10_000, "kafka": 5_000}
CALM = b'{"battery":97,"humidity":44.5,"linkquality":120,"temperature":21.37,"voltage":2995}'
CALM_PER_S = 200  #: messages: few enough for a record each
SAMPLES, RECORD = 4, 250  #: readings of a message; messages of a record of the backlog
BACKLOG, BREACHING = 4_000_000, 0.0002  #: messages, and the share that raises an alert: some 20 a second
BEHIND = 1_000_000  #: readings that the ordinary lane lags at the least while life safety is measured
SAVED_WITHIN_S = 2 * CHECKPOINT_EVERY_S + TICK_S  #: by a worker, at the latest


def main(argv: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks latency", description=__doc__)
    options.add_argument("--host", choices=list(RATE), default="embedded")
    options.add_argument("--rate", type=int, help=f"messages a second (as it comes: {RATE})")
    options.add_argument("--seconds", type=float, default=20.0, help="of one run")
    options.add_argument("--runs", type=int, default=5, help="of each of the two, in turns")
    options.add_argument("--json", action="store_true", help="one object in one line")
    chosen = options.parse_args(argv)
    rate = chosen.rate or RATE[chosen.host]
    folder = Path("data/benchmark-latency").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if on_memory_disk(folder):
        raise SystemExit(f"{folder} lies on a memory disk, where an fsync costs nothing; run it elsewhere")
    measure = _on_kafka if chosen.host == "kafka" else _embedded
    result = {name: round(value, 3) for name, value in measure(folder, rate, chosen.seconds, chosen.runs).items()}
    shutil.rmtree(folder)
    goals = _goals(chosen.host, result)
    if chosen.json:
        print(json.dumps({"rate": rate} | result))
    else:
        beside = {name: f"goal ≤ {goal:.2f}" for name, goal in goals.items()}
        rows = [
            (name.removesuffix("_ms").replace("_", " "), f"{value:.2f} ms", beside.get(name, ""))
            for name, value in result.items()
        ]
        table(f"publish → provider's answer, {chosen.host}, at {rate} messages/s", rows)
    return 0 if all(result[name] <= goal for name, goal in goals.items()) else 1


def _goals(host: str, result: dict[str, float]) -> dict[str, float]:
    if host == "kafka":
        return {"p50_ms": 25.0, "p99_ms": 100.0, "life_safety_p99_ms": 100.0}
    p50 = 2 + 3 * result["fsync_p50_ms"]
    return {"p50_ms": p50, "p99_ms": result["baseline_p99_ms"] + 3 * result["fsync_p99_ms"] + 5}


def _embedded(folder: Path, rate: int, seconds: float, runs: int) -> dict[str, float]:
    ours: list[float] = []
    theirs: list[float] = []
    syncs: list[float] = []
    for run in range(runs):
        ours += _run(folder / f"ours-{run}", rate, seconds, baseline=False)
        theirs += _run(folder / f"theirs-{run}", rate, seconds, baseline=True)
        syncs += fsyncs(folder)
        print(f"run {run + 1} of {runs}", file=sys.stderr)
    return _figures(ours, theirs, syncs)


def _figures(ours: list[float], theirs: list[float], syncs: list[float]) -> dict[str, float]:
    return {
        "p50_ms": percentile(ours, 0.5),
        "p99_ms": percentile(ours, 0.99),
        "max_ms": max(ours),
        "baseline_p50_ms": percentile(theirs, 0.5),
        "baseline_p99_ms": percentile(theirs, 0.99),
        "fsync_p50_ms": percentile(syncs, 0.5),
        "fsync_p99_ms": percentile(syncs, 0.99),
    }


def _run(data: Path, rate: int, seconds: float, *, baseline: bool) -> list[float]:
    """Milliseconds of each alert of one run.  Raises SystemExit when an alert is missing: then there is no figure."""
    os.environ |= {"VORAB_SMS_ACCOUNT": DEMO_ACCOUNT, "VORAB_SMS_TOKEN": "0" * 32}
    with _place(data, seconds) as place:
        if baseline:
            argv = [sys.executable, "-m", "benchmarks.baseline", str(place.mqtt), str(place.sink)]
            place.stack.enter_context(process(argv, ready=True))
        else:
            for child in children(data / "site", data, {}):
                if child.name != "console":
                    place.stack.enter_context(process(child.argv))
            await_drained(data / "capture.db")
            await_polled(data / "contact.db")
        published = place.publish(rate, seconds)
    return place.took(published)


class Place:
    """A site with a Mosquitto and a provider, both running; `stack` ends what is started in it."""

    def __init__(
        self, data: Path, stack: contextlib.ExitStack, seconds: float, log: KafkaLog | None, vital: bool
    ) -> None:
        self.data, self.stack = data, stack
        self.topic = b"vital/%b" if vital else b"zigbee2mqtt/%b"  #: of an alert
        self.alerts = int(seconds * ALERTS_PER_S)
        self.sink, self._notes = free_port(24000), data / "notes.jsonl"
        alerting = {f"alert-{z}-{{0..{-(-self.alerts // RECIPIENTS) - 1}}}": f"z{z}" for z in range(1, RECIPIENTS + 1)}
        bench_site.write(
            data / "site",
            watched=f"s-{{0..{SENSORS - 1}}}",
            alerting={} if vital else alerting,
            vital=alerting if vital else {},
            recipients=RECIPIENTS,
            base_url=f"http://127.0.0.1:{self.sink}",
            name=data.name,
            log=log,
        )
        self.site = load(data / "site")
        mosquitto = broker.start(self.site, data)
        self.mqtt = mosquitto.port
        stack.callback(mosquitto.stop)
        sink = [sys.executable, "-m", "benchmarks.sink", str(self.sink), str(self._notes)]
        stack.enter_context(process(sink, ready=True))
        runtime.write(data, runtime.Runtime(mosquitto.host, mosquitto.port, free_port(28080)))

    def start(self, command: str, *options: str) -> None:
        """A process of the product."""
        argv = [sys.executable, "-m", "vorab", command, str(self.data / "site"), "--data", str(self.data), *options]
        self.stack.enter_context(process(argv))

    def settle(self) -> None:
        """Every sensor that will raise an alert has spoken before, as it has in a site that is older than a minute.

        The first entry in the index of a partition, after 4 KB, costs a broker 25 ms and more on a virtual machine.
        """
        publisher = Publisher(self.mqtt, "calm")
        names = _alerts(self.alerts)
        publisher.run(CALM_PER_S, len(names) / CALM_PER_S, lambda i: around(self.topic % names[i], CALM))
        publisher.close()
        time.sleep(1)

    def publish(self, rate: int, seconds: float) -> dict[str, int]:
        """Publishes the load; when each alert was published, once the provider has answered all of them."""
        published = _publish(self.mqtt, rate, seconds, self.alerts, self.topic)
        _await_answers(self.sink, len(published))
        return published

    def took(self, published: dict[str, int]) -> list[float]:
        """Milliseconds of each alert, once the provider has ended.  Raises SystemExit when one never reached it."""
        notes = map(json.loads, self._notes.open())
        answered: dict[str, int] = {}  # when each was named first: who does not reply is followed by others
        for row in notes:
            answered.setdefault(row["text"].partition(" ")[0], row["at_ns"])
        missing = sorted(set(published) - set(answered))
        if missing:
            raise SystemExit(
                f"{len(missing)} of {len(published)} alerts never reached the provider, e.g. {missing[0]}: no figure"
            )
        return [(answered[name] - at) / 1e6 for name, at in published.items()]


@contextlib.contextmanager
def _place(
    data: Path, seconds: float, started: cluster.Servers | None = None, *, vital: bool = False
) -> Iterator[Place]:
    """Of its own in everything: the incidents of an earlier run would go on asking people."""
    data.mkdir(parents=True)
    if started:
        started.empty_store(data.name)
    with contextlib.ExitStack() as stack:
        yield Place(data, stack, seconds, KafkaLog(started.kafka) if started else None, vital)


# --- on Kafka ---------------------------------------------------------------------------------------------------------


def _on_kafka(folder: Path, rate: int, seconds: float, runs: int) -> dict[str, float]:
    ours: list[float] = []
    theirs: list[float] = []
    vital: list[float] = []
    syncs: list[float] = []
    backlog: list[tuple[int, bytes]] = []
    with cluster.servers(folder) as started:
        _run_on_kafka(folder / "warm", started, rate, seconds)  # a broker's first minutes go into its compiler
        _life_safety(folder / "warm-vital", started, rate, seconds / 2, backlog)
        for run in range(runs):
            ours += _run_on_kafka(folder / f"ours-{run}", started, rate, seconds)
            vital += _life_safety(folder / f"vital-{run}", started, rate, seconds / 2, backlog)
            theirs += _run(folder / f"theirs-{run}", rate, seconds, baseline=True)
            syncs += fsyncs(folder)
            print(f"run {run + 1} of {runs}", file=sys.stderr)
    figures = {"life_safety_p50_ms": percentile(vital, 0.5), "life_safety_p99_ms": percentile(vital, 0.99)}
    return _figures(ours, theirs, syncs) | figures


def _run_on_kafka(data: Path, started: cluster.Servers, rate: int, seconds: float) -> list[float]:
    """Milliseconds of each alert, all in the ordinary lane."""
    with _place(data, seconds, started) as place, _store(place) as store:
        for lane in ([], ["--life-safety"]):
            place.start("worker", *lane)
        _await_decided(store, place.site, life_safety=True)
        _await_decided(store, place.site, life_safety=False)
        place.settle()
        published = place.publish(rate, seconds)
    return place.took(published)


def _life_safety(
    data: Path, started: cluster.Servers, rate: int, seconds: float, backlog: list[tuple[int, bytes]]
) -> list[float]:
    """Milliseconds of each alert, all in the lane of life safety, while the other lags.

    The backlog is made once for all runs.  Raises SystemExit when it was worked off too early.
    """
    with _place(data, seconds, started, vital=True) as place, _store(place) as store:
        place.start("worker", "--life-safety")
        _await_decided(store, place.site, life_safety=True)
        place.settle()
        if not backlog:
            backlog += cluster.packed(place.site, Load(BACKLOG, 1, SENSORS, FOUR, BREACHING), RECORD)
        with contextlib.closing(cluster.Producer(place.site)) as producer:
            producer.send(backlog)
        os.sync()  # a backlog that grew over time is on the disk
        place.start("worker")
        while not cluster.position(store, place.site):
            time.sleep(0.05)
        published = place.publish(rate, seconds)
        time.sleep(SAVED_WITHIN_S)
        left = SAMPLES * BACKLOG * (1 - cluster.position(store, place.site) / len(backlog))
    if left < BEHIND:
        raise SystemExit(f"the ordinary lane was only {left:,.0f} readings behind: no figure")
    print(f"the ordinary lane is {left:,.0f} readings behind", file=sys.stderr)
    return place.took(published)


@contextlib.contextmanager
def _store(place: Place) -> Iterator[psycopg.Connection]:
    """The site's topics and tables are there, ingest and contact run."""
    cluster.init(place.data / "site")
    place.start("contact")
    place.start("ingest", "--broker", "main")
    with psycopg.connect(place.site.store, autocommit=True) as store:
        _await(lambda: store.execute("SELECT 1 FROM cursors WHERE name LIKE 'replies/%'").fetchone(), "contact")
        yield store


def _await_decided(store: psycopg.Connection, site: Site, *, life_safety: bool) -> None:
    """Returns when a worker has decided the first two records of every partition: the rules, and an `until`."""
    query = "SELECT count(*) FROM checkpoints WHERE topic = %s AND next > 1"
    assert site.log
    wanted, topic = (site.log.partitions,), topic_of(site, life_safety=life_safety)
    _await(lambda: store.execute(query, [topic]).fetchone() == wanted, topic)


def _await(until: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not until():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} is not ready after {within_s:g} s")
        time.sleep(0.1)


# --- what both do -----------------------------------------------------------------------------------------------------


def _publish(port: int, rate: int, seconds: float, alerts: int, topic: bytes) -> dict[str, int]:
    """Publishes the load with the alerts evenly in it; the instant of each alert's publish, CLOCK_MONOTONIC in ns."""
    publisher = Publisher(port, "load")
    every = int(rate * seconds) // alerts
    calm = [around(f"zigbee2mqtt/s-{i}".encode(), CALM) for i in range(SENSORS)]
    warm = _alerts(alerts)
    published: dict[str, int] = {}

    def message(i: int) -> tuple[bytes, bytes]:
        number, rest = divmod(i, every)
        if rest == every // 2 and number < alerts:
            published[warm[number].decode()] = time.monotonic_ns()
            return around(topic % warm[number], CALM.replace(b"21.37", b"28.12"))
        return calm[i % SENSORS]

    gc.disable()
    publisher.run(rate, seconds, message)
    gc.enable()
    publisher.close()
    return published


def _alerts(count: int) -> list[bytes]:
    """The sensors that raise them."""
    return [b"alert-%d-%d" % (i % RECIPIENTS + 1, i // RECIPIENTS) for i in range(count)]


def _await_answers(port: int, wanted: int, within_s: float = 30.0) -> None:
    """Returns when the provider has answered so many, or nothing is to be hoped for."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/count", timeout=5) as answer:
            if int(answer.read()) >= wanted:
                return
        time.sleep(0.1)


@contextlib.contextmanager
def process(argv: list[str], *, ready: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(argv, stdout=subprocess.PIPE if ready else sys.stderr)
    try:
        if ready:
            assert child.stdout is not None
            if child.stdout.readline().strip() != b"ready":
                raise SystemExit(f"{argv[2]} did not start")
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def await_drained(database: Path, within_s: float = 30.0) -> None:
    """Returns when capture has connected, subscribed and drained: its log then holds a record with an `until`."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as log,
        ):
            if log.execute("SELECT count(*) FROM batches").fetchone()[0] > 1:
                return
        time.sleep(0.1)
    raise SystemExit(f"capture wrote nothing within {within_s:g} s")


def await_polled(database: Path, within_s: float = 30.0) -> None:
    """Returns when contact has begun its work: it has asked the provider for replies."""
    deadline = time.monotonic() + within_s
    uri = f"file:{database}?mode=ro"
    while time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(uri, uri=True)) as store:
            if store.execute("SELECT count(*) FROM cursors WHERE name LIKE 'replies/%'").fetchone()[0]:
                return
        time.sleep(0.1)
    raise SystemExit(f"contact asked for no replies within {within_s:g} s")
