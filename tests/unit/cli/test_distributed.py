"""Commands of a site on many machines, as far as they can be tried without one."""

import re
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from deploy import extras
from deploy.log.shape import Topic, wanted
from deploy.run import children, commands
from deploy.site.load import load
from tests.unit.cli.test_commands import AIRPORT, Run, run

__all__ = ["run"]

SECRET = "gate-keeper"  #: must be in no output
NOBODY = "127.0.0.1:1"  #: nothing listens there


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example on Kafka and PostgreSQL, neither of which is there."""
    folder = tmp_path / "airport"
    shutil.copytree(AIRPORT, folder)
    with (folder / "site.yaml").open("a") as file:
        file.write(f"log: {{ kafka: ['{NOBODY}'], partitions: 4 }}\nstore: env:VORAB_STORE\nworkers: 2\n")
    monkeypatch.setenv("VORAB_STORE", f"postgresql://vorab:{SECRET}@{NOBODY}/vorab")
    return folder


@pytest.mark.parametrize("words", [("kafka", "init"), ("lag",)])
def test_one_machine_has_no_kafka(run: Run, words: tuple[str, ...]) -> None:
    code, out, err = run(*words, "--site", AIRPORT)
    assert (code, out) == (2, "")
    assert err == "vorab: airport is on one machine: its site.yaml has no log:, so there is no Kafka to ask\n"


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("kafka", "init"), f"Kafka does not answer at {NOBODY}: Connection refused"),
        (("lag",), f"PostgreSQL at {NOBODY}/vorab: connection failed"),
    ],
)
def test_a_server_that_does_not_answer_is_told_with_its_address_and_without_a_password(
    run: Run, site: Path, words: tuple[str, ...], cause: str
) -> None:
    code, out, err = run(*words, "--site", site)
    assert (code, out) == (2, "")
    assert cause in err
    assert len(err.splitlines()) == 1
    assert SECRET not in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("kafka init --site", 2),
        ("lag --site", 2),
        ("log --site", 2),
        ("quarantine list --site", 2),
        ("run", 2),
        ("worker", 78),  # a supervisor does not start it again
        ("ingest", 78),
    ],
)
def test_what_is_not_installed_is_named_with_the_way_to_get_it(
    run: Run, site: Path, monkeypatch: pytest.MonkeyPatch, words: str, expected: int
) -> None:
    def found(name: str) -> ModuleSpec | None:
        return None if name in ("faust", "psycopg") else ModuleSpec(name, None)

    monkeypatch.setattr(extras, "find_spec", found)
    code, out, err = run(*words.split(), site)
    assert (code, out) == (expected, "")
    assert err == (
        "vorab: a site with log: and store: needs faust, psycopg, which are not installed:"
        " pip install 'vorab[kafka,postgres]'\n"
    )


def test_one_machine_needs_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever `run` starts there imports no library of the extras."""
    program = (
        "import sys; import deploy.run, deploy.capture, deploy.contact_host, deploy.console_host, deploy.cli.app;"
        f"print([name for name in {extras.MODULES!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("brokers", "copies", "in_sync"), [(1, 1, "1"), (2, 1, "1"), (3, 3, "2"), (7, 3, "2")])
def test_three_brokers_keep_three_copies(site: Path, brokers: int, copies: int, in_sync: str) -> None:
    readings, life_safety = wanted(load(site), brokers)
    assert (readings.name, life_safety.name) == ("vorab-airport-readings", "vorab-airport-life-safety")
    for topic in (readings, life_safety):
        assert (topic.partitions, topic.copies) == (4, copies)
        assert topic.settings == {
            "min.insync.replicas": in_sync,
            "cleanup.policy": "delete",
            "retention.ms": "-1",  # house-keeping alone deletes
            "retention.bytes": "-1",
            "max.message.bytes": "4194304",
        }


def test_what_differs_is_told_with_both_values(site: Path) -> None:
    topic = wanted(load(site), 3)[0]
    assert topic.differs_from(topic) == []
    other = Topic(topic.name, 8, 1, topic.settings | {"retention.ms": "604800000"})
    assert other.differs_from(topic) == [
        "partitions 8, wanted 4",
        "copies 1, wanted 3",
        "retention.ms 604800000, wanted -1",
    ]


def test_an_ingest_for_each_broker_and_the_workers_stand_in_for_capture(site: Path, tmp_path: Path) -> None:
    with (site / "site.yaml").open("a") as file:
        file.write("brokers: { main: { host: a.example }, east: { host: b.example } }\n")
    found = commands(load(site), has_media=True)
    assert list(found) == [
        "contact",
        "ingest main",
        "ingest east",
        "worker life-safety",
        "worker 1",
        "worker 2",
        "console",
        "media",
    ]
    started = [child.argv[3:] for child in children(site, tmp_path, {}, found)]
    where = [str(site), "--data", str(tmp_path)]
    assert started[1] == ["ingest", *where, "--broker", "main"]
    assert started[3:5] == [["worker", *where, "--life-safety"], ["worker", *where]]


def test_one_machine_has_a_capture(tmp_path: Path) -> None:
    assert list(commands(load(AIRPORT), has_media=False)) == ["contact", "capture", "console"]
    assert [child.name for child in children(AIRPORT, tmp_path, {})] == ["contact", "capture", "console"]


GUIDE = AIRPORT.parents[2] / "docs/distributed.md"


def test_every_command_of_the_guide_is_one(run: Run) -> None:
    named = set(
        re.findall(
            r"(?:python -m vorab |`)((?:kafka init|lag|check|run|log|quarantine list|replay)\b)", GUIDE.read_text()
        )
    )
    assert named >= {"kafka init", "lag", "check", "run", "log", "quarantine list", "replay"}
    for words in sorted(named):
        code, out, _ = run(*words.split(), "--help")
        assert code == 0
        assert "Usage" in out


def test_the_guide_tells_of_every_service(site: Path) -> None:
    text = GUIDE.read_text()
    for command, *options in commands(load(site), has_media=False).values():
        shown = " … ".join([command, *(option for option in options if option.startswith("--"))])
        assert f"`{shown}" in text
