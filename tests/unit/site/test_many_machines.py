"""The fields by which a site goes from one machine to many: log, store and workers."""

from pathlib import Path

import pytest

from deploy.site.load import check, load
from tests.unit.site.conftest import Spoil
from vorab.site import KafkaLog

SECRET = "gate-keeper"  #: must be in no fault
URL = f"postgresql://vorab:{SECRET}@db.example:5432/vorab"
LOG = "log: {{ kafka: [{servers}], partitions: {partitions} }}\n"
STORE = "store: env:VORAB_STORE\n"


@pytest.fixture(autouse=True)
def _there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VORAB_STORE", URL)


def with_(folder: Path, text: str) -> list[str]:
    """The faults of the site with these lines more."""
    with (folder / "site.yaml").open("a") as file:
        file.write(text)
    return [str(fault) for fault in check(folder)]


def log(servers: str = "'kafka-1.example:9092'", partitions: object = 8) -> str:
    return LOG.format(servers=servers, partitions=partitions)


def test_without_them_everything_is_on_one_machine(folder: Path) -> None:
    site = load(folder)
    assert (site.log, site.store, site.workers) == (None, "", 1)


def test_three_lines_lead_to_many_machines(folder: Path) -> None:
    assert with_(folder, log("'kafka-1:9092', '[::1]:9093', '10.0.0.7:9094'", 16) + STORE + "workers: 4\n") == []
    site = load(folder)
    assert site.log == KafkaLog(["kafka-1:9092", "[::1]:9093", "10.0.0.7:9094"], 16)
    assert (site.store, site.workers) == (URL, 4)


def test_partitions_and_workers_need_not_be_named(folder: Path) -> None:
    assert with_(folder, "log: { kafka: ['kafka-1:9092'] }\n" + STORE) == []
    site = load(folder)
    assert site.log == KafkaLog(["kafka-1:9092"], 4)
    assert site.workers == 1


@pytest.mark.parametrize(
    "server",
    [
        "kafka-1",
        "kafka-1:",
        "kafka-1:0",
        "kafka-1:99999",
        "kafka-1:none",
        ":9092",
        "::1:9092",  # which of them is the port?
        "kafka://kafka-1:9092",
        "kafka-1:9092,kafka-2:9092",
        "ana:secret@kafka-1:9092",
        "kafka 1:9092",
        "-kafka:9092",
        "cat",
        "",
    ],
)
def test_a_server_without_a_port_that_can_be_reached_is_a_fault(folder: Path, server: str) -> None:
    (found,) = with_(folder, log(f"'kafka-1:9092', '{server}'") + STORE)
    assert found == f"site.yaml:7:32: {server!r}: a server and its port, such as kafka-1.example:9092"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log: {}\n", "7:1: 'kafka' is missing: host:port of brokers"),
        ("log: { kafka: [] }\n", "7:15: nothing here; at least one is needed"),
        ("log: { kafka: 'kafka-1:9092' }\n", "7:15: expected a list, found the text 'kafka-1:9092'"),
        ("log: { kafka: [9092] }\n", "7:16: expected a text, found the number 9092"),
        ("log: [kafka-1]\n", "7:6: expected a mapping (name: value), found a list"),
        ("log: { kafka: ['a:1'], topic: x }\n", "7:24: unknown field 'topic' in log; there is kafka, partitions"),
        (log(partitions=0), "7:53: 0: input should be greater than or equal to 1"),
        (log(partitions=-8), "7:53: -8: input should be greater than or equal to 1"),
        (log(partitions=100_000), "7:53: 100000: input should be less than or equal to 512"),
        (log(partitions=7.5), "7:53: expected a whole number, found 7.5"),
        (log(partitions="many"), "7:53: expected a whole number, found the text 'many'"),
        ("workers: -1\n" + log(), "7:10: -1: input should be greater than or equal to 0"),
        ("workers: many\n" + log(), "7:10: expected a whole number, found the text 'many'"),
    ],
)
def test_a_fault_in_the_log(folder: Path, text: str, expected: str) -> None:
    found = with_(folder, text + STORE)
    assert any(fault.startswith(f"site.yaml:{expected}") for fault in found), found


def test_kafka_without_postgresql_is_a_fault_and_the_other_way_round(spoil: Spoil, folder: Path) -> None:
    (found,) = with_(folder, log())
    assert found == "site.yaml:7:6: 'store' is missing: Kafka and PostgreSQL are used together, or neither"
    (found,) = spoil("site.yaml", log(), STORE)
    assert found == "site.yaml:7:8: 'log' is missing: Kafka and PostgreSQL are used together, or neither"


@pytest.mark.parametrize("url", [URL, f"'{URL}'", f"postgresql+psycopg://vorab:{SECRET}@db/vorab", SECRET])
def test_a_password_in_the_file_is_a_fault_that_does_not_repeat_it(folder: Path, url: str) -> None:
    (found,) = with_(folder, log() + f"store: {url}\n")
    assert found == ("site.yaml:8:8: a secret in the file: write env:NAME or file:PATH, and put the secret there")


@pytest.mark.parametrize(
    "url",
    [
        f"vorab:{SECRET}@db/vorab",
        f"mysql://vorab:{SECRET}@db/vorab",
        f"postgresql+psycopg://vorab:{SECRET}@db/vorab",
        f"postgresql://vorab:{SECRET}@db",
        f"postgresql://vorab:{SECRET}@/vorab",
        f"postgresql://vorab:{SECRET}@db:port/vorab",
        f"postgresql://vorab:{SECRET}@[::1/vorab",
        f"postgresql://vorab:{SECRET}/with#hash@db/vorab",
        SECRET,
    ],
)
def test_a_store_that_is_no_address_is_a_fault_without_the_address(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("VORAB_STORE", url)
    (found,) = with_(folder, log() + STORE)
    assert found == ("site.yaml:8:8: what it names is no address like postgresql://USER:PASSWORD@HOST/DATABASE")


def test_a_store_that_is_named_nowhere_is_a_fault_also_in_a_demo(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VORAB_STORE")
    (found,) = with_(folder, log() + STORE)
    assert found == "site.yaml:8:8: the environment has no VORAB_STORE: set it, or write file:PATH"


def test_a_store_in_a_file_of_its_own(folder: Path) -> None:
    (folder / "store").write_text(URL + "\n")
    assert with_(folder, log() + "store: file:store\n") == []
    assert load(folder).store == URL
