"""What the benchmarks on Kafka share: a broker and a PostgreSQL, and the log of a site written as ingest writes it."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
from kafka import KafkaProducer  # type: ignore[import-untyped]

from benchmarks.blaster import Load
from benchmarks.measure import on_memory_disk
from deploy import bare
from deploy.log.kafka import topic_of
from deploy.run import DEMO_ACCOUNT
from ingest import mqtt
from ingest.normalise import Normaliser
from rules.partition import Routes, split
from rules.ruleset import unpack
from vorab import wire
from vorab.model import SECOND, Instant, Reading, Record, Span
from vorab.site import Site

PACE = Span(50)  #: between two messages, by the sensors' clocks: 20,000 a second
FLUSH_WITHIN_S = 120.0


class Servers(NamedTuple):
    """Both run."""

    kafka: list[str]  #: its addresses
    postgres: bare.Postgres

    def empty_store(self, name: str) -> None:
        """A new database, which the environment names from then on."""
        self.postgres.create_database(name)
        os.environ["VORAB_STORE"] = self.postgres.url_of(name)


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """A broker, and a PostgreSQL with a database that the environment names from then on; this folder is theirs."""
    if on_memory_disk(folder):
        raise SystemExit(f"{folder} lies on a memory disk, where an fsync costs nothing; choose another with --data")
    kafka, postgres = bare.Kafka(folder / "kafka", fast=True), bare.Postgres(folder / "postgres")
    with contextlib.ExitStack() as stack:
        stack.callback(kafka.stop)
        stack.callback(postgres.stop)
        kafka.start()
        postgres.start()
        os.environ |= {"VORAB_STORE": postgres.url, "VORAB_SMS_ACCOUNT": DEMO_ACCOUNT, "VORAB_SMS_TOKEN": "0" * 32}
        yield Servers(kafka.servers, postgres)


def init(site_folder: Path) -> None:
    """The topics and tables of the site are there."""
    argv = [sys.executable, "-m", "vorab", "kafka", "init", "--site", str(site_folder)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"vorab kafka init: {done.stdout}{done.stderr}")


def packed(site: Site, load: Load, size: int) -> list[tuple[int, bytes]]:
    """The load as ingest writes it: records of so many messages, each with its partition, and each second of the
    sensors' clocks an `until` in every partition.  The last of them ends now."""
    assert site.log
    normaliser, routes = Normaliser(site.sensors, "main"), Routes(unpack(site.rules), site.log.partitions)
    run = now = until = Instant(time.time_ns() // 1000 - len(load.ends) * PACE)
    waiting: list[list[Reading]] = [[] for _ in range(site.log.partitions)]
    found: list[tuple[int, bytes]] = []

    def write(number: int, until: Instant | None) -> None:
        found.append((number, wire.pack(Record("main", run, waiting[number][:size], until))))
        del waiting[number][:size]

    at, end = 0, len(load.data)
    while at < end:
        publishes, _, used = mqtt.split(load.data[at : at + mqtt.READ_BYTES])
        at, now = at + used, Instant(now + len(publishes) * PACE)
        for shard, record in split(Record("main", run, normaliser.sort(publishes, now).readings), routes).items():
            waiting[shard.number] += record.readings
            while len(waiting[shard.number]) >= size:
                write(shard.number, None)
        if now - until >= SECOND or at == end:
            until = now
            for number in range(len(waiting)):
                write(number, until)
    return found


class Producer:
    """Writes records to the ordinary lane of a site."""

    def __init__(self, site: Site) -> None:
        assert site.log
        self._topic = topic_of(site, life_safety=False)
        self._producer = KafkaProducer(bootstrap_servers=site.log.servers, compression_type="zstd")

    def send(self, records: list[tuple[int, bytes]]) -> None:
        """Returns when the broker has them all."""
        for number, value in records:
            self._producer.send(self._topic, value, partition=number)
        self._producer.flush(FLUSH_WITHIN_S)

    def close(self) -> None:
        self._producer.close()


def position(store: psycopg.Connection, site: Site) -> int:
    """How many records of the ordinary lane lie below the checkpoints."""
    query = "SELECT sum(next) FROM checkpoints WHERE topic = %s"
    (found,) = store.execute(query, [topic_of(site, life_safety=False)]).fetchone() or (0,)
    return int(found or 0)
