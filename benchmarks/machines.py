"""A site on many machines, for benchmarks that break it: each part a process of its own with a data folder of its own.

Kafka, PostgreSQL, Mosquitto and a phone world; one ingest, two workers, one worker for life safety, two contacts.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any, LiteralString

import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from benchmarks import cluster
from benchmarks import site as bench_site
from benchmarks.flow import Wall, named, numbers, topic_of
from benchmarks.load import Publisher
from deploy import bare, broker, runtime
from deploy.log import kafka as log
from deploy.run import DEMO_ACCOUNT, NEEDS_A_PERSON, Child, free_port
from deploy.site.load import load
from vorab import wire
from vorab.model import Record
from vorab.site import KafkaLog, Site
from vorab.testing.phones import Fault, PhoneWorld, serve

RECIPIENTS = 200
READY_WITHIN_S = 120.0
STORE_WITHIN_S = 60.0  #: an answer of PostgreSQL, also while it is started again
WORKERS, CONTACTS = ("worker-1", "worker-2"), ("contact-1", "contact-2")
NAMES = ("ingest", *WORKERS, "life-safety", *CONTACTS)
READY = ("warm-ready", "vital-ready")  #: sensors that breach once before anything is killed
READY_AGE_S = 6.0  #: of a checkpoint that a worker looks after


class Part(Child):
    """One process of the product; what it says is in its data folder."""

    folder: Path
    held: bool = False  #: killed by us, and not to be started again by itself

    def start(self) -> None:
        with (self.folder / "said.log").open("ab") as said:
            self.process = subprocess.Popen(
                self.argv,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                preexec_fn=broker.die_with_parent,
            )
        self.started_at, self.held = time.monotonic(), False

    def kill(self) -> None:
        """SIGKILL; until `start` it stays away."""
        assert self.process is not None
        self.process.kill()
        self._gone()

    def die(self, point: str, passes: int, within_s: float = 60.0) -> None:
        """It ends by its own hand when it has passed this point so often (vorab.crash); until `start` it stays away.

        Raises SystemExit when it does not come there.
        """
        self.stop(20)
        self.environment["VORAB_CRASH"] = f"{point}:{passes}"
        self.start()
        del self.environment["VORAB_CRASH"]
        assert self.process is not None
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"{self.name} did not come by {point} within {within_s:g} s: no figure") from None
        if code != -signal.SIGKILL:
            raise SystemExit(f"{self.name} ended with {code} before it could be killed at {point}: no figure")
        self._gone()

    def _gone(self) -> None:
        assert self.process is not None
        self.process.wait()
        self.process, self.held, self.ends = None, True, 0


@dataclass
class Machines:
    """All of it runs, and is seen to: what ends by itself is started again."""

    site: Site
    kafka: bare.Kafka
    postgres: bare.Postgres
    mosquitto: broker.Handle
    world: PhoneWorld
    parts: dict[str, Part]
    ended: Counter[str] = field(default_factory=Counter)  #: by themselves: "worker-1 with code 70" → how often

    def tend(self) -> None:
        """Starts again what has ended.  Raises SystemExit when a person must look."""
        for part in self.parts.values():
            if part.held:
                continue
            part.tend(self._tell)
            if part.start_at == float("inf"):
                raise SystemExit(f"{part.name} ended with {NEEDS_A_PERSON}: no figure; see {part.folder}/said.log")

    def _tell(self, line: str) -> None:
        print(line, file=sys.stderr)
        self.ended[line.partition(" after")[0]] += 1

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.tend()
            time.sleep(min(0.05, left))

    def ask(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """PostgreSQL's answer, as soon as there is one; none to what is no question.  Raises SystemExit."""
        deadline = time.monotonic() + STORE_WITHIN_S
        while True:
            try:
                with psycopg.connect(self.site.store, autocommit=True, connect_timeout=5) as connection:
                    cursor = connection.execute(query, values or None)
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise SystemExit(f"PostgreSQL does not answer: {error}") from None
                time.sleep(0.1)

    def await_ready(self) -> None:
        """Returns when one breach of each lane has come to a handset, and every partition has its worker."""
        publisher = Publisher(self.mosquitto.port, "ready")
        deadline = time.monotonic() + READY_WITHIN_S
        while not {name for name, _ in named(list(self.world.ledger), "sms")} >= set(READY):
            if time.monotonic() > deadline:
                raise SystemExit(f"no breach was shown within {READY_WITHIN_S:g} s: no figure; see */said.log")
            publisher.send([(topic_of(name), b'{"temperature":28.5}') for name in READY])
            publisher.collect()
            self.wait(0.5)
        publisher.close()
        self.await_owners()

    def await_owners(self) -> None:
        """Returns when every partition's checkpoint is young: a worker looks after it.  Raises SystemExit."""
        deadline = time.monotonic() + READY_WITHIN_S
        while len(ages := self.ages()) < 2 * self.partitions or max(ages) > READY_AGE_S:
            if time.monotonic() > deadline:
                raise SystemExit(f"checkpoints are {ages} s old: no figure; see */said.log")
            self.wait(0.5)

    def ages(self) -> list[float]:
        """Of each partition's checkpoint, in seconds."""
        return [float(age) for (age,) in self.ask("SELECT extract(epoch FROM now() - saved) FROM checkpoints")]

    def in_hand(self) -> dict[str, tuple[int, int]]:
        """Messages that contacts are handing over: the owner and the attempts of each."""
        rows = self.ask("SELECT id, owner, attempts FROM outbox WHERE state = 'sending'")
        return {message: (owner, attempts) for message, owner, attempts in rows}

    def owners(self) -> set[int]:
        """Of the contact processes that PostgreSQL knows to be alive: each holds a lock by that number."""
        keys = "SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted"
        return {key for (key,) in self.ask(keys)}

    def leaders(self) -> Counter[int]:
        """By broker, how many partitions it leads."""
        return Counter(found["leader_id"] for found in self._described())

    def await_in_sync(self) -> None:
        """Returns when every broker has a copy of all that was written.  Raises SystemExit."""
        everybody = len(self.kafka.servers)
        deadline = time.monotonic() + READY_WITHIN_S
        while any(len(found["isr_nodes"]) < everybody for found in self._described()):
            if time.monotonic() > deadline:
                raise SystemExit(f"not every broker has caught up after {READY_WITHIN_S:g} s: no figure")
            self.wait(0.5)

    def _described(self) -> list[dict[str, Any]]:
        """Every partition of both lanes."""
        with contextlib.closing(KafkaAdminClient(bootstrap_servers=self.kafka.servers)) as admin:
            topics = admin.describe_topics(sorted({place.topic for place in topics_of(self.site)}))
        return [partition for topic in topics for partition in topic["partitions"]]

    def written(self) -> int:
        """Records in both topics."""
        with contextlib.closing(KafkaConsumer(bootstrap_servers=self.kafka.servers)) as consumer:
            return sum(consumer.end_offsets(topics_of(self.site)).values())

    @property
    def partitions(self) -> int:
        """Of each lane."""
        return log_of(self.site).partitions


def log_of(site: Site) -> KafkaLog:
    assert site.log
    return site.log


def topics_of(site: Site) -> list[TopicPartition]:
    """Every partition of both lanes."""
    topics = [log.topic_of(site, life_safety=lane) for lane in (False, True)]
    return [TopicPartition(topic, number) for topic in topics for number in range(log_of(site).partitions)]


@contextlib.contextmanager
def running(
    data: Path, *, alerting: dict[str, str], vital: dict[str, str], partitions: int, brokers: int = 1
) -> Iterator[Machines]:
    """All that the site needs, started in an empty folder and ready; stopped in the end."""
    with contextlib.ExitStack() as stack:
        world = PhoneWorld(Wall(), DEMO_ACCOUNT, "0" * 32)
        provider = serve(world)
        stack.callback(provider.stop)
        kafka, postgres = bare.Kafka(data / "kafka", brokers), bare.Postgres(data / "postgres")
        stack.callback(kafka.stop)
        kafka.start()
        stack.callback(postgres.stop)
        postgres.start()
        os.environ |= {"VORAB_STORE": postgres.url, "VORAB_SMS_ACCOUNT": DEMO_ACCOUNT, "VORAB_SMS_TOKEN": "0" * 32}
        bench_site.write(
            data / "site",
            watched="load-{0..999}",
            alerting=alerting | {READY[0]: "z1"},
            vital=vital | {READY[1]: "z1"},
            recipients=RECIPIENTS,
            base_url=provider.url,
            log=KafkaLog(kafka.servers, partitions),
        )
        cluster.init(data / "site")
        site = load(data / "site")
        mosquitto = broker.start(site, data)
        stack.callback(mosquitto.stop)
        found = runtime.Runtime(mosquitto.host, mosquitto.port, free_port(28080))
        parts = {name: _part(name, data, found) for name in NAMES}
        for part in parts.values():
            part.start()
            stack.callback(part.stop, 10.0)
        machines = Machines(site, kafka, postgres, mosquitto, world, parts)
        machines.await_ready()
        yield machines


def slow(world: PhoneWorld, seconds: float) -> None:
    """From now on the provider takes so long for an answer."""
    world.fail(Fault.SLOW, times=10**9, seconds=seconds)


def _part(name: str, data: Path, found: runtime.Runtime) -> Part:
    folder = data / name
    folder.mkdir()
    runtime.write(folder, found)
    kind = "worker" if name == "life-safety" else name.partition("-")[0]
    options = {"ingest": ["--broker", "main"], "life-safety": ["--life-safety"]}.get(name, [])
    argv = [sys.executable, "-m", "vorab", kind, str(data / "site"), "--data", str(folder), *options]
    part = Part(name, argv, {})
    part.folder = folder
    return part


class Ledger(Thread):
    """Reads both topics as they grow: which of the flow's messages stand in the log, and when they were written."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._topics = topics_of(site)
        self._servers = log_of(site).servers
        self._closing = Event()
        self.written = array("q")  #: by the number of the message: milliseconds since 1970 by ingest's clock; 0 = never
        self.next: Counter[tuple[str, int]] = Counter()  #: (topic, partition) → the first that is not read

    def run(self) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=self._servers,
            max_partition_fetch_bytes=4 << 20,
            fetch_min_bytes=1 << 20,  # many at once, so that looking on costs little
            fetch_max_wait_ms=500,
        )
        consumer.assign(self._topics)
        consumer.seek_to_beginning()
        while not self._closing.is_set():
            with contextlib.suppress(KafkaError):
                for place, messages in consumer.poll(200).items():
                    for message in messages:
                        self._note(wire.unpack(message.value, wire.RECORD), message.timestamp)
                    self.next[place.topic, place.partition] = messages[-1].offset + 1
        consumer.close()

    def _note(self, record: Record, at: int) -> None:
        for number in numbers(record):
            if number >= len(self.written):
                self.written.frombytes(bytes(8 * (number + 100_000 - len(self.written))))
            self.written[number] = self.written[number] or at

    def missing(self, count: int) -> list[int]:
        """Those of the first so many messages that are not in the log."""
        found = self.written[:count]
        return [number for number, at in enumerate(found) if not at] + list(range(len(found), count))

    def await_all(self, count: int, within_s: float = 60.0) -> list[int]:
        """What is missing once nothing more is to be hoped for."""
        deadline = time.monotonic() + within_s
        while (missing := self.missing(count)) and time.monotonic() < deadline:
            time.sleep(0.5)
        return missing

    def came_late(self, count: int, at_ms: int) -> bool:
        """Whether one of the first so many messages was written only after that instant, or never."""
        return any(not at or at > at_ms for at in self.written[max(0, count - 2000) : count])

    def close(self) -> None:
        self._closing.set()
        self.join()
