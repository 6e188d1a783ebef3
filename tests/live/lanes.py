"""One lane of a site on real servers, for tests of what runs the rules: a feed, workers, and what one engine finds.

What is stored is compared in full: the breaches byte by byte, and what the rules remember at the end.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import psycopg
from kafka import KafkaAdminClient, KafkaProducer  # type: ignore[import-untyped]

from deploy.log.kafka import topic_of
from deploy.site.load import load
from deploy.store.store import open_store
from rules.engine import Engine
from rules.partition import Routes, Shard, part, split
from rules.ruleset import Rule, RuleSet, Watched, hash_of, pack
from rules.state import State
from tests.airport import ROOT
from vorab import wire
from vorab.errors import Corrupt
from vorab.model import (
    SECOND,
    Breach,
    Instant,
    Priority,
    Quantity,
    Reading,
    Record,
    ResponseId,
    RuleId,
    RulesChanged,
    Sample,
    SensorId,
    Span,
)

SENSORS = [SensorId(f"door-{number}") for number in range(200)]
RULES = RuleSet(
    [
        Rule(
            id=RuleId("door-open"),
            watch=SENSORS,
            when=State(Quantity.OPEN, True),
            for_=Span(SECOND // 2),
            priority=Priority.HIGH,
            respond=ResponseId("security"),
        )
    ],
    {sensor: Watched(zone=f"zone-{number % 40}") for number, sensor in enumerate(SENSORS)},
)
HASH = hash_of(RULES)
PARTITIONS = 4
WITHIN_S = 45.0


def site_on(folder: Path, servers: list[str], name: str) -> Path:
    """The airport under another name, with its log there; its store is named by VORAB_TEST_STORE."""
    site = folder / name
    shutil.copytree(ROOT / "deploy/sites/airport", site)
    file = site / "site.yaml"
    text = file.read_text().replace("name: airport", f"name: {name}", 1)
    named = ", ".join(f'"{server}"' for server in servers)
    log = f"log: {{ kafka: [{named}], partitions: {PARTITIONS} }}"
    file.write_text(f"{text}\n{log}\nstore: env:VORAB_TEST_STORE\n")
    return site


class Worker:
    """A worker's process, or several one after the other."""

    def __init__(self, lane: "Lane", *options: str, fault: str = "", crash: str = "") -> None:
        self._lane = lane
        module = ["tests.live.faulty_worker", fault] if fault else ["vorab"]
        where = [str(lane.site), "--data", str(lane.site.parent / "data")]
        self._argv = [sys.executable, "-m", *module, "worker", *where, *options]
        self.start(crash)

    def start(self, crash: str = "") -> None:
        """`crash`: the point at which it kills itself (vorab.crash)."""
        environment = self._lane.environment | {"VORAB_CRASH": crash}
        self.process = subprocess.Popen(
            self._argv, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stderr is not None
        self._said: list[str] = []
        self._listener = threading.Thread(target=self._listen, args=(self.process.stderr,), daemon=True)
        self._listener.start()

    def _listen(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                self._said.append(line)

    @property
    def said(self) -> str:
        return "".join(self._said)

    def sends(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        """Its exit code, once it has ended."""
        try:
            return self.process.wait(WITHIN_S)
        finally:
            self._listener.join(5)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.ends()


class Lane:
    """The lane of readings of a site of its own, whose doors open and shut."""

    def __init__(self, servers: list[str], store: str, folder: Path, name: str) -> None:
        self.store, self.servers = store, servers
        self.site = site_on(folder, servers, name)
        self.environment = os.environ | {"VORAB_TEST_STORE": store}
        self.topic = topic_of(load(self.site), life_safety=False)
        self.records: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
        self.workers: list[Worker] = []
        self._routes = Routes(RULES, PARTITIONS)
        self._turn = 0
        self._feeding = threading.Event()
        self._feeder: threading.Thread | None = None
        open_store(store).dispose()
        self.sql("INSERT INTO rule_sets (hash, body) VALUES (%s, %s)", HASH, pack(RULES))
        self._topic()
        self._producer = KafkaProducer(bootstrap_servers=servers, metrics_enabled=False)
        self.add(Record("main", Instant(1), commands=[RulesChanged(HASH)]))

    def _topic(self) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.servers)
        admin.create_topics({self.topic: {"num_partitions": PARTITIONS, "replication_factor": 1}})
        admin.close()

    def worker(self, *options: str, fault: str = "", crash: str = "") -> Worker:
        made = Worker(self, *options, fault=fault, crash=crash)
        self.workers.append(made)
        return made

    def close(self) -> None:
        self.rests()
        for each in self.workers:
            each.kill()
        self._producer.close()

    # --- the feed -----------------------------------------------------------------------------------------------------

    def add(self, record: Record) -> None:
        for shard, share in split(record, self._routes).items():
            if not shard.life_safety:
                self.add_raw(shard.number, wire.pack(share))

    def add_raw(self, number: int, value: bytes) -> None:
        self.records[number].append(value)
        self._producer.send(self.topic, value, partition=number)

    def says(self, turns: int = 1) -> None:
        """Each turn is 0.1 s: twenty doors speak, and one in a while stays open for long enough."""
        for _ in range(turns):
            at = Instant(1_764_000_000_000_000 + self._turn * SECOND // 10)
            doors = [SENSORS[(self._turn * 20 + each) % len(SENSORS)] for each in range(20)]
            readings = [
                Reading(door, [Sample(Quantity.OPEN, (self._turn // 10 + each) % 7 == 0)], at, at, each)
                for each, door in enumerate(doors)
            ]
            self.add(Record("main", Instant(1), readings, at))
            self._turn += 1

    def speaks(self, every_s: float = 0.01) -> None:
        """In a thread, until it rests."""

        def feed() -> None:
            while not self._feeding.wait(every_s):
                self.says()

        self._feeding.clear()
        self._feeder = threading.Thread(target=feed)
        self._feeder.start()

    def rests(self) -> None:
        """Everything that was said is in Kafka."""
        if self._feeder:
            self._feeding.set()
            self._feeder.join()
            self._feeder = None
        self._producer.flush(WITHIN_S)

    # --- what became of it --------------------------------------------------------------------------------------------

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.store, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def positions(self) -> dict[int, int]:
        return dict(self.sql("SELECT part, next FROM checkpoints WHERE topic = %s", self.topic))

    def epochs(self) -> dict[int, int]:
        return dict(self.sql("SELECT part, epoch FROM checkpoints WHERE topic = %s", self.topic))

    def found(self) -> dict[tuple[str, int], bytes]:
        return {(id_, edge): bytes(body) for id_, edge, body in self.sql("SELECT id, edge, body FROM breaches")}

    def moves_on(self, within_s: float = WITHIN_S) -> float:
        """Seconds until every partition has a checkpoint that is newer than those of now."""
        before, began = self.positions(), time.monotonic()
        wait(lambda: all(self.positions().get(n, 0) > before.get(n, 0) for n in range(PARTITIONS)), within_s)
        return time.monotonic() - began

    def is_decided(self) -> None:
        """All that is in Kafka, up to its end; and nothing is lost, invented, different, or remembered wrongly."""
        self.rests()
        ends = {number: len(records) for number, records in self.records.items()}
        wait(lambda: self.positions() == ends, WITHIN_S, lambda: f"{self.positions()}, not {ends}: {self._said()}")
        expected: dict[tuple[str, int], bytes] = {}
        for number, records in self.records.items():
            breaches, state = decided(number, records)
            expected |= {(breach.id, breach.number): wire.pack(breach) for breach in breaches}
            [(stored,)] = self.sql("SELECT state FROM checkpoints WHERE topic = %s AND part = %s", self.topic, number)
            assert bytes(stored) == state, f"partition {number} remembers something else"
        assert self.found() == expected

    def _said(self) -> str:
        return "; ".join(worker.said for worker in self.workers)


def decided(number: int, records: list[bytes]) -> tuple[list[Breach], bytes]:
    """What one engine finds in these records of a partition, and what it knows then."""
    engine, found = Engine(RuleSet()), []
    for value in records:
        with contextlib.suppress(Corrupt):
            record = wire.unpack(value, wire.RECORD)
            if record.commands:
                engine = engine.change(part(RULES, Shard(False, number), PARTITIONS), HASH)
            found += engine.apply(record)
    return found, engine.checkpoint()


def wait(until: Callable[[], bool], within_s: float, why: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + within_s
    while not until():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)
