"""CPU a reading on Kafka: python -m benchmarks kafka [--json] [--data FOLDER] [--rounds N].

A real broker, a real PostgreSQL and the processes themselves, one after the other: ingest from its socket to the
acknowledgement, a worker from the record to its breaches and checkpoints.  10,000 sensors with three rules each, four
readings a message, 200 and 1,000 readings a record; the figure is the worse of the two.  Beside it the plain loop on
aiokafka, and Faust with a record of its own for every message.  A round counts only if all that was sent is in the log,
or every breach is in the store.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from benchmarks import site as bench_site
from benchmarks.blaster import FOUR, Blaster, Load, cpu_seconds
from benchmarks.cluster import Producer, init, packed, position, servers
from benchmarks.latency import process
from benchmarks.measure import table
from benchmarks.pipeline import RULES
from deploy import runtime
from deploy.log.kafka import topic_of
from deploy.site.load import load as load_site
from vorab import wire
from vorab.model import Instant, Record, RulesChanged
from vorab.site import KafkaLog, Site

PARTITIONS = 4
SENSORS = 10_000
SAMPLES = 4  #: readings of a message
SIZES = (200, 1000)  #: readings of a record
ROUNDS = 3
MESSAGES = 400_000  #: of one turn, but …
UNPACKED = 20_000  #: … with a record for each of them
WITHIN_S = 120.0
INGEST_GOAL, FAUST_GOAL = 200_000, 300_000


class Host(NamedTuple):
    """A worker, and what it is fed with."""

    name: str
    options: list[str]
    size: int  #: readings of a record
    messages: int


FAUST = [Host("faust", [], size, MESSAGES) for size in SIZES]
PLAIN = [Host("aiokafka", ["--plain"], size, MESSAGES) for size in SIZES]
EACH = Host("faust_unpacked", [], SAMPLES, UNPACKED)


def run(folder: Path, rounds: int) -> dict[str, dict[int, float]]:
    """Readings a second and core of each, by the size of the record: the best of its rounds."""
    found: dict[str, dict[int, float]] = {}
    with servers(folder) as started:
        log = KafkaLog(started.kafka, PARTITIONS)
        for number in range(rounds):
            for size in SIZES:
                figure = _ingest(folder / f"ingest-{size}-{number}", log, size, number)
                _better(found, "ingest", size, figure)
            for host in (*FAUST, *PLAIN, EACH):
                figure = _worker(folder / f"{host.name}-{host.size}-{number}", log, host, number)
                _better(found, host.name, host.size, figure)
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return found


def _better(found: dict[str, dict[int, float]], name: str, size: int, figure: float) -> None:
    print(f"{name}, {size} readings a record: {figure:,.0f} readings/s/core", file=sys.stderr)
    best = found.setdefault(name, {})
    best[size] = max(best.get(size, 0.0), figure)


def _site(data: Path, log: KafkaLog) -> Site:
    """A site with topics of its own, made."""
    bench_site.write(
        data / "site",
        watched=f"s-{{0..{SENSORS - 1}}}",
        alerting={},
        recipients=1,
        base_url="http://127.0.0.1:9",
        name=data.name,
        log=log,
    )
    (data / "site/rules/rooms.yaml").write_text(RULES)
    shutil.rmtree(data / "site/templates")  # nobody is called here
    init(data / "site")
    return load_site(data / "site")


# --- ingest -----------------------------------------------------------------------------------------------------------


def _ingest(data: Path, log: KafkaLog, size: int, seed: int) -> float:
    """The broker sends no more ahead than makes one record of this size in each partition."""
    site, load = _site(data, log), Load(MESSAGES, seed, SENSORS, FOUR)
    blaster = Blaster(window=size // SAMPLES * PARTITIONS)
    runtime.write(data, runtime.Runtime("127.0.0.1", blaster.port))
    argv = [sys.executable, "-m", "vorab", "ingest", str(data / "site"), "--data", str(data), "--broker", "main"]
    with process(argv) as running:
        blaster.await_subscriber()
        took_us = blaster.blast(load, running.pid)
    blaster.close()
    sizes = [len(record.readings) for record in _records(site) if record.readings]
    if sum(sizes) != MESSAGES:
        raise SystemExit(f"no figure: ingest stored {sum(sizes)} of {MESSAGES} messages")
    print(f"ingest made {SAMPLES * sum(sizes) / len(sizes):.0f} readings a record", file=sys.stderr)
    return SAMPLES / took_us * 1e6


def _records(site: Site) -> Iterator[Record]:
    """All that the topic of the ordinary lane holds."""
    assert site.log
    consumer = KafkaConsumer(bootstrap_servers=site.log.servers, max_partition_fetch_bytes=4 << 20)
    with contextlib.closing(consumer):
        partitions = [TopicPartition(topic_of(site, life_safety=False), number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(each) < ends[each] for each in partitions):
            for messages in consumer.poll(1000).values():
                for message in messages:
                    yield wire.unpack(message.value, wire.RECORD)


# --- workers ----------------------------------------------------------------------------------------------------------


def _worker(data: Path, log: KafkaLog, host: Host, seed: int) -> float:
    site, load = _site(data, log), Load(host.messages, seed, SENSORS, FOUR)
    records = packed(site, load, host.size // SAMPLES)
    changed = wire.pack(Record("main", Instant(1), [], None, [RulesChanged(site.rules_hash)]))
    argv = [sys.executable, "-m", "vorab", "worker", str(data / "site"), "--data", str(data), *host.options]
    with contextlib.closing(Producer(site)) as producer, psycopg.connect(site.store, autocommit=True) as store:
        store.execute("DELETE FROM breaches")
        insert = "INSERT INTO rule_sets (hash, body) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        store.execute(insert, [site.rules_hash, site.rules])
        producer.send([(number, changed) for number in range(PARTITIONS)])
        with process(argv) as running:
            _await_position(store, site, PARTITIONS, running)
            began = cpu_seconds(running.pid)
            producer.send(records)
            _await_position(store, site, PARTITIONS + len(records), running)
            took = cpu_seconds(running.pid) - began
        (raised,) = store.execute("SELECT count(*) FROM breaches WHERE edge = 0").fetchone() or (0,)
    if raised != load.breaches:
        raise SystemExit(f"no figure: {host.name} stored {raised} of {load.breaches} breaches")
    return SAMPLES * host.messages / took


def _await_position(store: psycopg.Connection, site: Site, wanted: int, running: "subprocess.Popen[bytes]") -> None:
    """Returns when the checkpoints cover so many records.  Raises SystemExit."""
    deadline = time.monotonic() + WITHIN_S
    while (found := position(store, site)) < wanted:
        if running.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"no figure: {found} of {wanted} records are covered (exit code {running.returncode})")
        time.sleep(0.05)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks kafka", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="where the servers keep theirs; not a memory disk"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each, in turns")
    parser.add_argument("--json", action="store_true", help="one object in one line")
    asked = parser.parse_args(argv)
    asked.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=asked.data) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's user must pass
        found = run(Path(folder).resolve(), asked.rounds)
    figures = {
        f"{name}_readings_per_core_s": round(min(found[name].values())) for name in ("ingest", "faust", "aiokafka")
    }
    figures["faust_unpacked_per_core_s"] = round(found[EACH.name][SAMPLES])
    if asked.json:
        by_size = {name: {size: round(one) for size, one in sizes.items()} for name, sizes in found.items()}
        print(json.dumps(figures | {"by_record_size": by_size}))
    else:
        goals = {"ingest": f"goal ≥ {INGEST_GOAL:,}", "faust": f"goal ≥ {FAUST_GOAL:,}"}
        rows = [
            (f"{name}, {size} a record", f"{one:,.0f}", goals.get(name, ""))
            for name, sizes in found.items()
            for size, one in sizes.items()
        ]
        table(f"readings a second and core on Kafka, best of {asked.rounds}", rows)
    reached = (
        figures["ingest_readings_per_core_s"] >= INGEST_GOAL and figures["faust_readings_per_core_s"] >= FAUST_GOAL
    )
    return 0 if reached else 1
