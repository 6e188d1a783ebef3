"""Workers on a real Kafka and a real PostgreSQL: whatever befalls them, nothing is lost, invented or different."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy import bare
from deploy.lane import GIVES_WAY
from deploy.log import topics
from deploy.log.postgres import PostgresTables
from deploy.store.store import open_store
from tests.live.lanes import HASH, PARTITIONS, Lane, Worker, wait
from vorab.errors import ConfigurationError

pytestmark = pytest.mark.live

HOSTS = pytest.mark.parametrize("host", [pytest.param([], id="faust"), pytest.param(["--plain"], id="plain")])


@pytest.fixture
def lane(kafka: bare.Kafka, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lane]:
    monkeypatch.setenv("VORAB_TEST_STORE", store_url)
    made = Lane(kafka.servers, store_url, tmp_path, f"site-{secrets.token_hex(4)}")
    yield made
    made.close()


@HOSTS
def test_what_the_rules_find_is_stored_once(lane: Lane, host: list[str]) -> None:
    lane.worker(*host)
    lane.says(300)
    lane.is_decided()
    assert len(lane.found()) > 100


@HOSTS
def test_a_lane_that_may_have_a_backlog_gives_way(lane: Lane, host: list[str]) -> None:
    worker = lane.worker(*host)
    lane.says()
    lane.is_decided()
    pid = worker.process.pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY
    group = Path(f"/proc/{pid}/autogroup")
    told = group.read_text() if group.exists() else ""  # nothing where sessions are not weighed
    assert not told or told.endswith(f" nice {GIVES_WAY}\n")


@HOSTS
def test_a_killed_worker_goes_on_when_it_is_started_again(lane: Lane, host: list[str]) -> None:
    worker = lane.worker(*host)
    lane.speaks()
    for _ in range(3):
        lane.moves_on()
        worker.kill()
        worker.start()
    lane.is_decided()


@pytest.mark.parametrize("point", ["before-breaches", "after-breaches", "before-checkpoint", "after-checkpoint"])
def test_killed_at_any_of_its_commit_points_it_loses_nothing(lane: Lane, point: str) -> None:
    worker = lane.worker(crash=f"worker.{point}:3")
    lane.speaks(0.05)
    assert worker.ends() == -signal.SIGKILL
    worker.start()
    lane.is_decided()


@HOSTS
def test_another_worker_takes_over_from_a_killed_one(lane: Lane, host: list[str]) -> None:
    first, _ = lane.worker(*host), lane.worker(*host)
    lane.speaks()
    lane.moves_on()
    wait(lambda: min(lane.epochs().values()) >= 1, 20)
    first.kill()
    assert lane.moves_on() < 15
    lane.is_decided()


def test_told_to_stop_it_ends_with_0_and_another_goes_on(lane: Lane) -> None:
    first, _ = lane.worker(), lane.worker()
    lane.speaks()
    lane.moves_on()
    first.sends(signal.SIGTERM)
    assert first.ends() == 0
    lane.moves_on()
    lane.is_decided()


def test_a_frozen_worker_that_wakes_up_after_it_was_replaced_changes_nothing(lane: Lane) -> None:
    frozen, other = lane.worker(), lane.worker()
    lane.speaks()
    lane.moves_on()
    frozen.sends(signal.SIGSTOP)
    lane.moves_on()
    frozen.sends(signal.SIGCONT)
    time.sleep(3)
    assert frozen.process.poll() in (None, 70), "refused, or it noticed first"
    assert other.process.poll() is None
    lane.is_decided()


def test_records_that_were_not_delivered_are_read(lane: Lane) -> None:
    lane.worker(fault="withholding")
    lane.says(400)
    lane.is_decided()


def test_a_worker_to_which_nothing_is_delivered_reads_for_itself_and_is_replaced(lane: Lane) -> None:
    worker = lane.worker(fault="deaf")
    lane.speaks()
    assert worker.ends() == 70
    assert "nothing is delivered" in worker.said
    lane.worker()
    lane.is_decided()


def test_a_rule_that_hangs_ends_the_process_with_70(lane: Lane) -> None:
    worker = lane.worker(fault="hanging")
    lane.says(300)
    assert worker.ends() == 70
    assert "neither a record nor a tick got through" in worker.said
    lane.worker()
    lane.is_decided()


def test_who_begins_again_and_again_and_decides_nothing_is_seen_to_stand_still(store_url: str) -> None:
    open_store(store_url).dispose()

    async def claim() -> None:
        tables = PostgresTables(store_url, "readings", lambda: None)
        await tables.claim(0, "topic-1")
        await tables.close()

    asyncio.run(claim())
    with psycopg.connect(store_url, autocommit=True) as store:
        store.execute("UPDATE checkpoints SET saved = saved - interval '1 minute'")
        asyncio.run(claim())
        assert store.execute("SELECT epoch, saved < now() - interval '50 s' FROM checkpoints").fetchall() == [(2, True)]


def test_poison_is_kept_and_passed_over(lane: Lane) -> None:
    lane.worker()
    lane.says(20)
    lane.add_raw(2, b"cat")
    lane.says(20)
    lane.is_decided()
    [(number, raw)] = lane.sql("SELECT part, raw FROM poison")
    assert (number, bytes(raw)) == (2, b"cat")


def test_a_record_of_a_newer_version_ends_the_process_with_78(lane: Lane) -> None:
    worker = lane.worker()
    lane.add_raw(2, b"\x02\x98")
    lane.rests()
    assert worker.ends() == 78
    assert one_line(worker).startswith(f"vorab worker: {lane.topic}, partition 2, record 1: format version 02")


def test_a_missing_rule_set_ends_the_process_with_78(lane: Lane) -> None:
    lane.sql("DELETE FROM rule_sets")
    worker = lane.worker()
    assert worker.ends() == 78
    assert f"the rule set {HASH} decides here" in one_line(worker)


def test_a_checkpoint_beyond_the_log_ends_the_process_with_78(lane: Lane) -> None:
    worker = lane.worker()
    lane.says(20)
    lane.is_decided()
    worker.kill()
    lane.sql("UPDATE checkpoints SET next = 10000 WHERE part = 1")
    worker.start()
    assert worker.ends() == 78
    assert "decided up to record 10000, but the log holds 0 to" in one_line(worker)


def test_a_topic_made_again_under_the_same_name_ends_the_process_with_78(lane: Lane) -> None:
    worker = lane.worker()
    lane.says(20)
    lane.is_decided()
    worker.kill()
    lane.sql("UPDATE checkpoints SET topic_id = 'another'")
    worker.start()
    assert worker.ends() == 78
    assert "another topic of that name" in one_line(worker)


def test_another_number_of_partitions_ends_the_process_with_78(lane: Lane) -> None:
    file = lane.site / "site.yaml"
    file.write_text(file.read_text().replace(f"partitions: {PARTITIONS}", "partitions: 5"))
    worker = lane.worker()
    assert worker.ends() == 78
    assert "has 4 partitions and the site file says 5" in one_line(worker)


def test_a_missing_topic_ends_the_process_with_78(lane: Lane) -> None:
    worker = lane.worker("--life-safety")
    assert worker.ends() == 78
    assert "vorab kafka init" in one_line(worker)


def test_a_kafka_that_refuses_short_sessions_needs_a_person(kafka: bare.Kafka) -> None:
    topics.allow_session(kafka.servers, 1)
    with pytest.raises(ConfigurationError, match=r"group.min.session.timeout.ms is 1000: set it to 500 or less"):
        topics.allow_session(kafka.servers, 0.5)


def test_wiped_checkpoints_mean_reading_everything_again(lane: Lane) -> None:
    worker = lane.worker()
    lane.says(300)
    lane.is_decided()
    worker.kill()
    lane.sql("DELETE FROM checkpoints")
    worker.start()
    lane.is_decided()


def test_postgresql_killed_and_back_loses_nothing(lane: Lane, postgres: bare.Postgres) -> None:
    worker = lane.worker()
    lane.speaks()
    for _ in range(2):
        lane.moves_on()
        postgres.kill()
        time.sleep(1)
        postgres.restart()
    lane.moves_on()
    assert worker.process.poll() is None
    assert "answers again" in worker.said
    lane.is_decided()


def test_kafka_killed_and_back_loses_nothing(lane: Lane, kafka: bare.Kafka) -> None:
    worker = lane.worker()
    lane.speaks()
    lane.moves_on()
    kafka.kill()
    time.sleep(1)
    kafka.restart()
    lane.moves_on(60)
    assert worker.process.poll() is None
    lane.is_decided()


def test_kafka_that_is_away_at_the_start_is_named_and_asked_again(lane: Lane) -> None:
    file = lane.site / "site.yaml"
    right = file.read_text()
    file.write_text(right.replace(lane.servers[0], "127.0.0.1:1"))
    worker = lane.worker()
    wait(lambda: "Kafka does not answer at 127.0.0.1:1: Connection refused" in worker.said, 20)
    assert worker.process.poll() is None


def test_postgresql_that_is_away_at_the_start_is_named_without_its_password(lane: Lane) -> None:
    lane.environment["VORAB_TEST_STORE"] = "postgresql://vorab:s3cr3t@127.0.0.1:1/vorab"
    worker = lane.worker()
    wait(lambda: "PostgreSQL at 127.0.0.1:1/vorab: " in worker.said, 20)
    assert worker.process.poll() is None
    assert "s3cr3t" not in worker.said


def one_line(worker: Worker) -> str:
    """What it said of its end; nothing else but what the libraries say of theirs."""
    [line] = [line for line in worker.said.splitlines() if line.startswith("vorab worker")]
    assert "Traceback" not in worker.said
    return line
