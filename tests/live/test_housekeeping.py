"""House-keeping on a real Kafka and a real PostgreSQL: what is old goes, and nothing that somebody needs."""

import contextlib
import json
import shutil
import time
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaProducer  # type: ignore[import-untyped]

from deploy import bare, housekeeping
from deploy.cli.kafka import init
from deploy.log import admin
from deploy.log.kafka import topic_of
from deploy.log.progress import parts
from deploy.site.load import load
from tests.airport import AIRPORT
from vorab.model import DAY, Instant
from vorab.site import Site

pytestmark = pytest.mark.live

OLD, YOUNG = 6, 4  #: records of each partition
STATES = ("new", "applied", "waiting", "suppressed", "overtaken")


@pytest.fixture
def site(tmp_path: Path, kafka: bare.Kafka, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Two partitions a lane; in each, records that are older than `retain`, and younger ones."""
    folder = tmp_path / "site"
    shutil.copytree(AIRPORT, folder)
    settings = (folder / "site.yaml").read_text().replace("name: airport", "name: tidy")
    log = f"log: {{ kafka: {json.dumps(kafka.servers)}, partitions: 2 }}\nstore: env:VORAB_STORE\n"
    (folder / "site.yaml").write_text(settings + log)
    monkeypatch.setenv("VORAB_STORE", store_url)
    init(folder)
    found = load(folder)
    ms = int(time.time() * 1000)
    with contextlib.closing(KafkaProducer(bootstrap_servers=kafka.servers)) as producer:
        for lane in (False, True):
            for number in range(2):
                for record in range(OLD + YOUNG):
                    at = ms - (40 * 86_400_000 if record < OLD else 0)
                    producer.send(topic_of(found, life_safety=lane), b"record", partition=number, timestamp_ms=at)
        producer.flush()
    return found


def firsts(site: Site) -> list[int]:
    with admin.asking(site) as kafka:
        found = kafka.firsts(parts(site))
    return [found[part] for part in parts(site)]


def test_what_is_old_and_decided_goes_from_both(site: Site, store_url: str) -> None:
    readings, life_safety = (topic_of(site, life_safety=lane) for lane in (False, True))
    with admin.asking(site) as kafka:
        ids = kafka.ids([readings, life_safety])
    now = Instant(time.time_ns() // 1000)
    with psycopg.connect(store_url, autocommit=True) as store:
        for topic, part, position, topic_id in (
            (readings, 0, 9, ids[readings]),  # six are old
            (readings, 1, 4, ids[readings]),  # and two of them are not decided
            (life_safety, 0, 9, "another"),  # the checkpoint is of a topic that is gone
        ):  # of the last partition no worker has ever known
            store.execute(
                "INSERT INTO checkpoints (topic, part, topic_id, epoch, next, saved) VALUES (%s, %s, %s, 1, %s, now())",
                (topic, part, topic_id, position),
            )
        for edge, at in enumerate((now - 40 * DAY, now - DAY)):
            for state in STATES:
                store.execute(
                    "INSERT INTO breaches (id, edge, state, at, body) VALUES (%s, %s, %s, %s, '')",
                    (state, edge, state, at),
                )
            store.execute(
                "INSERT INTO quarantine"
                " (ingest, run, ordinal, topic, payload, reason, received_at, retained, packet_id)"
                " VALUES ('main', 1, %s, '', '', '', %s, false, 0)",
                (edge, at),
            )

        for _ in range(2):  # once more changes nothing
            housekeeping.keep(site, now)
            assert firsts(site) == [OLD, 4, 0, 0]
            left = store.execute("SELECT state, edge FROM breaches ORDER BY state, edge").fetchall()
            assert left == [
                *[("applied", 1), ("new", 0), ("new", 1), ("overtaken", 1), ("suppressed", 1)],
                *[("waiting", 0), ("waiting", 1)],
            ]
            assert store.execute("SELECT ordinal FROM quarantine").fetchall() == [(1,)]
