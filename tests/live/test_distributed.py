"""The example airport on a real Kafka and a real PostgreSQL, started by `vorab run`: from a door to a handset."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy import bare, broker
from deploy.log import admin
from deploy.log.kafka import topic_of
from deploy.site.load import load
from tests.airport import AIRPORT, ROOT
from tests.live.conftest import absent
from tests.live.running import Running, family, within

pytestmark = pytest.mark.live

PARTITIONS = 4


def vorab(*words: object) -> tuple[int, str]:
    """One command, typed: its exit code, and all that it said."""
    argv = [sys.executable, "-m", "vorab", *map(str, words)]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.returncode, done.stdout


@pytest.fixture
def site(tmp_path: Path, kafka: bare.Kafka, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The airport with everybody on duty, shorter waits, a name of its own, and three lines more."""
    folder = tmp_path / "site"
    shutil.copytree(AIRPORT, folder)
    people = folder / "people.yaml"
    people.write_text(re.sub("duty: .*", "duty: 24/7", people.read_text()))
    doors = folder / "rules/doors.yaml"
    doors.write_text(doors.read_text().replace("for: 30s", "for: 3s"))
    settings = (folder / "site.yaml").read_text().replace("name: airport", f"name: {tmp_path.name.replace('_', '-')}")
    log = f"log: {{ kafka: {json.dumps(kafka.servers)}, partitions: {PARTITIONS} }}\n"
    (folder / "site.yaml").write_text(settings + log + "store: env:VORAB_STORE\nworkers: 1\n")
    monkeypatch.setenv("VORAB_STORE", store_url)
    return folder


@pytest.fixture
def running(site: Path, tmp_path: Path) -> Iterator[Running]:
    if broker.mosquitto() is None:
        absent("mosquitto")
    code, said = vorab("kafka", "init", "--site", site)
    assert code == 0, said
    running = Running(site, tmp_path / "data")
    yield running
    running.stop()


def worker(running: Running) -> int:
    """The process that decides the ordinary lane."""
    for pid in family(running.process.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"worker" in words and b"--life-safety" not in words:
            return pid
    raise AssertionError("no worker runs")


def lag(site: Path) -> tuple[int, list[dict[str, object]]]:
    code, said = vorab("lag", "--site", site, "--json")
    return code, [json.loads(line) for line in said.splitlines()]


def sums(site: Path, of: str) -> list[dict[str, Any]]:
    """Those of law 2 about this; all of them close."""
    code, said = vorab("balance", "--site", site, "--json")
    assert code == 0, said
    return [row for line in said.splitlines() if (row := json.loads(line))["of"].startswith(of)]


def test_a_door_that_stands_open_reaches_the_handset(running: Running, site: Path, store_url: str) -> None:
    within(30, lambda: lag(site)[0] == 0, "workers have every partition")
    running.says("zigbee2mqtt/gate-b12-door", contact=False)
    within(20, lambda: any("B12" in one["text"] for one in running.ledger()), "somebody is asked to go")

    code, rows = lag(site)
    assert code == 0, rows
    assert len(rows) == 2 * PARTITIONS
    within(30, lambda: all(row["lag"] <= 5 for row in lag(site)[1]), "what was said is decided")  # type: ignore[operator]
    within(30, lambda: sums(site, "messages of ingest main") != [], "every partition was counted")
    [received] = sums(site, "messages of ingest main")
    assert received["came"] > 0
    assert vorab("audit", "verify", "--site", site)[0] == 0

    assert "raised door-held-open" in vorab("why", "gate-b12-door", "--rule", "door-held-open", "--site", site)[1]
    lines = [
        json.loads(line) for line in vorab("log", "--site", site, "--sensor", "gate-b12-door", "--json")[1].splitlines()
    ]
    assert True in [line.get("open") for line in lines if line["kind"] == "reading"]
    assert "door-held-open" in [line["rule"] for line in lines if line["kind"] == "breach"]

    running.says("zigbee2mqtt/gate-b12-door", contact="cat")
    within(10, lambda: "cat" in vorab("quarantine", "list", "--site", site)[1], "what nobody understands is kept")
    assert "to be decoded again" in vorab("quarantine", "again", "--site", site)[1]

    lags = vorab("lag", "--site", site)[1]
    running.stop()
    password = store_url.split(":")[2].partition("@")[0]
    assert password not in running.said + lags


def edges(store_url: str) -> set[int]:
    """The newest edge of each incident that is about workers."""
    with psycopg.connect(store_url) as connection:
        rows = connection.execute("SELECT next_edge - 1 FROM incidents WHERE subject = 'vorab-workers'")
        return {edge for (edge,) in rows}


def test_a_worker_that_hangs_is_an_incident_until_it_goes_on(running: Running, site: Path, store_url: str) -> None:
    """It is frozen, so that nobody takes over: there is no other one, and the supervisor sees it alive."""
    within(30, lambda: lag(site)[0] == 0, "workers have every partition")
    frozen = worker(running)
    os.kill(frozen, signal.SIGSTOP)
    try:
        within(15, lambda: lag(site)[0] == 1, "lag says so")
        within(60, lambda: edges(store_url) == {0}, "it is an incident")
        within(10, lambda: bool(running.ledger()), "and somebody is asked to look")
    finally:
        os.kill(frozen, signal.SIGCONT)
    within(30, lambda: lag(site)[0] == 0, "decided again")
    within(30, lambda: edges(store_url) == {1}, "it is over by itself")


def test_init_says_what_is_there_and_what_differs(site: Path) -> None:
    code, said = vorab("kafka", "init", "--site", site)
    assert (code, said.count("made; partitions 4, copies 1")) == (0, 2)
    code, said = vorab("kafka", "init", "--site", site)
    assert (code, said.count("is there already, and as it must be")) == (0, 2)
    settings = site / "site.yaml"
    settings.write_text(settings.read_text().replace("partitions: 4", "partitions: 6"))
    code, said = vorab("kafka", "init", "--site", site)
    assert (code, said.count("differs: partitions 4, wanted 6")) == (1, 2)


def test_three_brokers_keep_three_copies_and_two_acknowledge(site: Path, three_brokers: bare.Kafka) -> None:
    settings = site / "site.yaml"
    settings.write_text(re.sub(r"kafka: \[.*?\]", f"kafka: {json.dumps(three_brokers.servers)}", settings.read_text()))
    assert vorab("kafka", "init", "--site", site)[1].count("made; partitions 4, copies 3") == 2
    found = load(site)
    with admin.asking(found) as kafka:
        topic = kafka.topic(topic_of(found, life_safety=True))
    assert topic is not None
    assert (topic.copies, topic.settings["min.insync.replicas"]) == (3, "2")
    assert (topic.settings["retention.ms"], topic.settings["max.message.bytes"]) == ("-1", "4194304")


def test_a_site_whose_topics_were_never_made_needs_a_person(site: Path, tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "vorab", "worker", str(site), "--data", str(tmp_path / "data")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    began = time.monotonic()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 78, said
    assert "kafka init" in said
    assert time.monotonic() - began < 30
