"""Kafka and PostgreSQL without containers: they keep what they acknowledged, and nobody outlives who started him."""

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer  # type: ignore[import-untyped]
from kafka.admin import NewTopic  # type: ignore[import-untyped]

from deploy.bare import Kafka, Postgres

pytestmark = pytest.mark.live

STARTER = """
import sys, time
from pathlib import Path
from deploy.bare import Kafka, Postgres
kafka, postgres = Kafka(Path(sys.argv[1])), Postgres(Path(sys.argv[2]))
kafka.start()
postgres.start()
print(kafka.servers[0], postgres.url.rpartition("@")[2].partition("/")[0], flush=True)
time.sleep(600)
"""


def make_topic(kafka: Kafka, name: str, copies: int = 1) -> None:
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=kafka.servers)) as admin:
        admin.create_topics([NewTopic(name, 1, copies)])


@contextlib.contextmanager
def producer(kafka: Kafka) -> Iterator[Any]:
    """Its `send().get()` returns when every copy that must be there is."""
    with contextlib.closing(KafkaProducer(bootstrap_servers=kafka.servers, delivery_timeout_ms=60_000)) as client:
        yield client


def read(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    """So many from the beginning; fewer if no more come in 20 s."""
    client = KafkaConsumer(
        topic, bootstrap_servers=kafka.servers, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    with contextlib.closing(client):
        return [record.value for _, record in zip(range(count), client, strict=False)]


def test_a_killed_broker_comes_back_with_what_it_acknowledged(kafka: Kafka) -> None:
    make_topic(kafka, "bare.one")
    records = [b"%d" % number for number in range(100)]
    with producer(kafka) as client:
        for sent in [client.send("bare.one", record) for record in records]:
            sent.get(20)
    kafka.kill()
    kafka.restart()
    assert read(kafka, "bare.one", 100) == records


def test_one_of_three_brokers_may_be_killed_under_way(three_brokers: Kafka) -> None:
    make_topic(three_brokers, "bare.three", copies=3)
    first = three_brokers.leader("bare.three", 0)
    with producer(three_brokers) as client:
        client.send("bare.three", b"before").get(20)
        three_brokers.kill(first)
        client.send("bare.three", b"after").get(60)
    assert three_brokers.leader("bare.three", 0) != first
    three_brokers.restart(first)
    assert read(three_brokers, "bare.three", 2) == [b"before", b"after"]


def test_a_stopped_broker_starts_again_in_the_same_folder(tmp_path: Path, kafka: Kafka) -> None:
    other = Kafka(tmp_path)
    other.start()
    make_topic(other, "bare.again")
    other.stop()
    again = Kafka(tmp_path)
    again.start()
    assert again.leader("bare.again", 0) == 0
    again.stop()


def test_postgres_comes_back_with_what_was_committed(postgres: Postgres, store_url: str) -> None:
    with psycopg.connect(store_url) as connection:
        connection.execute("CREATE TABLE kept (id integer)")
        connection.execute("INSERT INTO kept VALUES (7)")
    postgres.kill()
    postgres.restart()
    with psycopg.connect(store_url) as connection:
        assert connection.execute("SELECT id FROM kept").fetchall() == [(7,)]


def test_postgres_loses_nothing_that_it_said_is_safe(store_url: str) -> None:
    with psycopg.connect(store_url) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)


def test_postgres_refuses_a_wrong_password(postgres: Postgres) -> None:
    user, _, place = postgres.url.rpartition("@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{user}x@{place}")


def test_no_server_outlives_the_process_that_started_it(tmp_path: Path, kafka: Kafka, postgres: Postgres) -> None:
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-c", STARTER, str(tmp_path), folder]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as starter:
            assert starter.stdout
            places = starter.stdout.readline().split()
            assert [listens(place) for place in places] == [True, True]
            starter.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(listens(place) for place in places):
            assert time.monotonic() < deadline, "a server has outlived the process that started it"


def listens(place: str) -> bool:
    host, _, port = place.partition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False
