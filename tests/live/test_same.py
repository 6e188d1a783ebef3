"""The hours around a change of rules on a real Kafka and PostgreSQL: every host finds what one engine finds, though
workers are killed in the middle."""

from pathlib import Path

import pytest

from benchmarks import same
from deploy import bare
from deploy.replay import digest
from deploy.run import DEMO_ACCOUNT
from tests import day
from vorab.model import HOUR, Record
from vorab.site import KafkaLog

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def hours() -> list[Record]:
    first, last = day.CHANGE - HOUR, day.CHANGE + HOUR
    return [record for record in day.shuffled() if record.commands or (record.until and first <= record.until < last)]


@pytest.mark.parametrize("host", ["faust, 2 workers", "plain loop"])
def test_a_host_finds_what_one_engine_finds(
    kafka: bare.Kafka, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: list[Record], host: str
) -> None:
    monkeypatch.setenv("VORAB_STORE", store_url)
    monkeypatch.setenv("VORAB_SMS_ACCOUNT", DEMO_ACCOUNT)
    monkeypatch.setenv("VORAB_SMS_TOKEN", "0" * 32)
    data = tmp_path / f"same-{host.partition(',')[0].replace(' ', '-')}"
    site = same.site_of(data, KafkaLog(kafka.servers, same.PARTITIONS))
    wanted = day.played(hours)
    assert len(wanted) > 500
    assert digest(same.on_kafka(data, site, hours, same.HOSTS[host])) == digest(wanted)
    assert same.replayed(data).digest == digest(wanted)


def test_one_machine_killed_twice_finds_what_one_engine_finds(tmp_path: Path, hours: list[Record]) -> None:
    assert digest(same.on_one_machine(tmp_path / "one", hours)) == digest(day.played(hours))
