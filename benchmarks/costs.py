"""What a message and an incident cost: python -m benchmarks costs [--json] [--data FOLDER].

The small figures that `benchmarks.scale` reckons with and no other benchmark measures: bytes of a message in a record,
in Kafka and in `capture.db`; a sensor in a worker's checkpoint; rows and bytes of one incident in the store; incidents
that contact opens a second.  A real PostgreSQL, where there is one; the incident is a door of the example airport that
stands open, is taken by SMS, shut and done.  No goal: whoever reckons reads them off.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import zstandard
from msgspec.structs import replace
from sqlalchemy import Engine as Store
from sqlalchemy import text

from benchmarks import site as bench_site
from benchmarks.blaster import FOUR, SENSORS, Load
from benchmarks.measure import percentile, table
from benchmarks.pipeline import RULES
from deploy import bare
from deploy.contact import Contact
from deploy.log.sqlite import SqliteLog
from deploy.run import DEMO_ACCOUNT
from deploy.site.load import load
from deploy.store import audit
from deploy.store.breaches import TableBreaches
from deploy.store.store import open_store
from deploy.store.tables import breaches, metadata
from ingest import mqtt
from ingest.normalise import Normaliser
from notifiers.text import Texts
from rules.engine import Engine
from rules.ruleset import unpack
from tests.airport import MONDAY_NOON, Airport
from tests.small_site import NOON, HandClock, breach, person, small_site
from vorab import wire
from vorab.model import MILLISECOND, Counts, Delivery, Instant, Notification, PersonId, Reading, Receipt, Record, Span
from workflows.directory.stub import SiteDirectory

MESSAGES = 20_000
PACE = Span(58 * MILLISECOND)  #: between two messages of 1,000 sensors that speak once a minute
BATCH_HEAD = 70  #: bytes that Kafka itself adds to a record that travels alone
WATCHED, TIMES = 10_000, 9  #: sensors in one checkpoint, and how often it is made
INCIDENTS = 20
STORM = 400  #: breaches, …
PEOPLE = 50  #: … for the one of them who has least to do


class Answers:
    """Implements vorab.ports.Channel: a provider that takes everything at once."""

    limit, requests_only, shows_pictures = 160, False, False

    def send(self, notification: Notification) -> Receipt:
        return Receipt(Delivery.SENT, f"SM{notification.id}")

    def accepts(self, address: str) -> str | None:
        return None


def main(argv: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks costs", description=__doc__)
    options.add_argument("--json", action="store_true", help="one object in one line")
    options.add_argument("--data", type=Path, default=Path("data"), help="where to write; not on a memory disk")
    chosen = options.parse_args(argv)
    chosen.data.mkdir(parents=True, exist_ok=True)
    os.environ |= {"VORAB_SMS_ACCOUNT": DEMO_ACCOUNT, "VORAB_SMS_TOKEN": "0" * 32}
    with TemporaryDirectory(dir=chosen.data, prefix="costs-") as folder:
        figures = messages(Path(folder)) | incident(Path(folder) / "sqlite", None)
    with TemporaryDirectory(prefix="costs-") as folder, postgres(Path(folder)) as url:
        if url:
            figures |= checkpoint(Path(folder) / "many", url)
            figures |= incident(Path(folder) / "site", url) | storm(url)
    if chosen.json:
        print(json.dumps(figures))
    else:
        table("What a message and an incident cost", [(name, f"{value:,.1f}", "") for name, value in figures.items()])
    return 0


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of an empty one; "" = there is none on this machine."""
    if bare.Postgres.absent():
        yield ""
        return
    folder.chmod(0o755)  # its user has to reach the folder
    server = bare.Postgres(folder / "postgres")
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


# --- messages ---------------------------------------------------------------------------------------------------------


def messages(folder: Path) -> dict[str, float]:
    """Bytes of one of four readings, by how many stand in a record."""
    readings = _readings(folder)
    pack, figures = zstandard.ZstdCompressor(), {}
    until = wire.pack(Record("main", MONDAY_NOON, until=MONDAY_NOON, counts=Counts(123_456, 12, 3)))
    figures["kafka_until_bytes"] = float(len(pack.compress(until)) + BATCH_HEAD)
    for size in (1, 50, 250):
        records = [Record("main", MONDAY_NOON, readings[at : at + size]) for at in range(0, MESSAGES, size)][:400]
        packed = [wire.pack(record) for record in records]
        stored = sum(len(pack.compress(one)) + BATCH_HEAD for one in packed)
        figures[f"kafka_message_bytes_{size}"] = stored / size / len(records)
        path = folder / f"{size}.db"
        log = SqliteLog(path)
        empty = path.stat().st_size
        for record in records:
            log.append(record)
        log.close()
        figures[f"sqlite_message_bytes_{size}"] = (path.stat().st_size - empty) / size / len(records)
    return figures


def _readings(folder: Path) -> list[Reading]:
    bench_site.write(
        folder / "site", watched=f"s-{{0..{SENSORS - 1}}}", alerting={}, recipients=1, base_url="http://127.0.0.1:1"
    )
    normaliser, publishes = Normaliser(load(folder / "site").sensors, "main"), _publishes(Load(MESSAGES, 1, state=FOUR))
    instants = [Instant(MONDAY_NOON + number * PACE) for number in range(MESSAGES)]
    return [normaliser.sort([one], now).readings[0] for one, now in zip(publishes, instants, strict=True)]


def _publishes(blast: Load) -> list[mqtt.Publish]:
    found: list[mqtt.Publish] = []
    at = 0
    while at < len(blast.data):
        some, _, used = mqtt.split(blast.data[at : at + mqtt.READ_BYTES])
        found, at = found + some, at + used
    return found


# --- checkpoints ------------------------------------------------------------------------------------------------------


def checkpoint(folder: Path, url: str) -> dict[str, float]:
    """For each of the sensors, which three rules watch: CPU of a worker, bytes, and what the store writes and takes."""
    bench_site.write(
        folder, watched=f"s-{{0..{WATCHED - 1}}}", alerting={}, recipients=1, base_url="http://127.0.0.1:1"
    )
    for path in (folder / "rules").iterdir():
        path.write_text(RULES)
    site = load(folder)
    engine, normaliser = Engine(unpack(site.rules), site.rules_hash), Normaliser(site.sensors, "main")
    for at, publish in enumerate(_publishes(Load(2 * WATCHED, 1, WATCHED, FOUR))):
        now = Instant(MONDAY_NOON + at * MILLISECOND)
        engine.apply(Record("main", MONDAY_NOON, normaliser.sort([publish], now).readings, now))
    cpu, took, wal = [], [], []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE costs (state bytea)")
        connection.execute("INSERT INTO costs VALUES ('')")
        for _ in range(TIMES):
            began = time.process_time()
            state = engine.checkpoint()
            cpu.append((time.process_time() - began) * 1e6 / WATCHED)
            before, clock = _end_of_log(connection), time.perf_counter()
            connection.execute("UPDATE costs SET state = %s", [state])
            took.append((time.perf_counter() - clock) * 1e6 / WATCHED)
            wal.append((_end_of_log(connection) - before) / WATCHED)
        connection.execute("DROP TABLE costs")
    middle = {"cpu_us": cpu, "store_us": took, "wal_bytes": wal}
    figures = {f"checkpoint_{name}": percentile(values, 0.5) for name, values in middle.items()}
    return figures | {"checkpoint_bytes": len(state) / WATCHED}


def _end_of_log(connection: psycopg.Connection) -> int:
    (end,) = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone() or (0,)
    return int(end)


# --- incidents --------------------------------------------------------------------------------------------------------


def incident(folder: Path, url: str | None) -> dict[str, float]:
    """Rows and bytes of one, over all tables of the store and their indexes; how many of the rows are messages."""
    folder.mkdir(parents=True)
    airport, kind = Airport(folder, store=url or ""), "postgresql" if url else "sqlite"
    try:
        _play(airport)  # what is written once only is written now
        before = _weighed(airport.store, url)
        for _ in range(INCIDENTS):
            _play(airport)
        after = _weighed(airport.store, url)
    finally:
        airport.close()
    return {f"{kind}_incident_{name}": (after[name] - before[name]) / INCIDENTS for name in after}


def _play(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").opens()
    airport.passes(seconds=30)
    ana = airport.phone("ana").receives_sms("gate B12")
    ana.and_replies(ana.code)
    airport.passes(seconds=30)
    ana.receives_sms("c'est à vous")
    airport.door("gate-b12").shuts()
    airport.passes(seconds=6)
    ana.and_replies(f"{ana.code} fini")
    airport.passes(minutes=10)  # the limits of messages to a person
    with airport.store.begin() as connection:
        audit.seal(connection)


def _weighed(store: Store, url: str | None) -> dict[str, int]:
    with store.connect() as connection:
        ask = connection.exec_driver_sql
        rows = sum(ask(f"SELECT count(*) FROM {name}").scalar_one() for name in metadata.tables)
        found = {"rows": rows, "messages": ask("SELECT count(*) FROM outbox").scalar_one()}
        if not url:
            return found | {"bytes": ask("PRAGMA page_count").scalar_one() * ask("PRAGMA page_size").scalar_one()}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM")
        (size,) = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchone() or (0,)
    return found | {"bytes": int(size)}


def storm(url: str) -> dict[str, float]:
    """Breaches of one instant until their messages are sent and the answers written, by one process on PostgreSQL."""
    store = open_store(url)
    someone = person("ben", "post")
    people = [replace(someone, id=PersonId(f"p{i}"), addresses={"sms": bench_site.number(i)}) for i in range(PEOPLE)]
    site, found = small_site(people=people), [breach(Instant(NOON - number), at=NOON) for number in range(STORM)]
    rows = [
        {"id": one.id, "edge": 0, "state": "new", "at": one.at, "body": wire.pack(one), "urgent": False}
        for one in found
    ]
    with store.begin() as connection:
        for name in metadata.tables:
            connection.execute(text(f"DELETE FROM {name}"))
    send: Callable[[Callable[[], None]], None] = lambda job: job()  # noqa: E731
    contact = Contact(
        site,
        store,
        TableBreaches(),
        SiteDirectory(site),
        {"sms": Answers()},
        Texts({}, site.zone),
        HandClock(),
        send,
        owner=lambda: 1,
    )
    contact.turn()
    with store.begin() as connection:
        connection.execute(breaches.insert(), rows)
    began, cpu = time.perf_counter(), time.process_time()
    contact.turn()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    with store.connect() as connection:
        sent = connection.exec_driver_sql("SELECT count(*) FROM outbox WHERE state = 'sent'").scalar_one()
    contact.leave()
    store.dispose()
    if sent != STORM:
        raise SystemExit(f"{sent} of {STORM} messages were sent: no figure")
    return {"storm_incidents_s": STORM / took, "storm_incident_cpu_ms": cpu / STORM * 1e3}
