"""What one types, what is printed, and the exit code.  No command starts anything here."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import deploy
from deploy.cli import main
from deploy.cli.instants import now
from deploy.log.sqlite import SqliteLog
from deploy.site.load import load
from deploy.store.store import open_store
from rules.engine import Engine
from rules.ruleset import unpack
from vorab.model import MINUTE, SECOND, Instant, Quantity, Quarantined, Reading, Record, Sample, SensorId

AIRPORT = Path(deploy.__file__).parent / "sites" / "airport"
DOOR = SensorId("gate-b12-door")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Types a command; gives the exit code and what stood on both outputs."""

    def typed(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["vorab", *map(str, words)])
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return typed


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which gate B12 stood open for 25 s, and then for 40 s."""
    began = Instant(now() // SECOND * SECOND - 5 * MINUTE)
    engine = Engine(unpack(load(AIRPORT).rules))
    log = SqliteLog(tmp_path / "capture.db")
    for ordinal, (at, is_open) in enumerate([(0, True), (25, False), (60, True), (100, False), (110, False)], 1):
        then = Instant(began + at * SECOND)
        reading = Reading(DOOR, [Sample(Quantity.OPEN, is_open)], then, then, ordinal, dated=True)
        record = Record("main", began, [reading], until=then)
        log.append(record, engine.apply(record))
    bad = Quarantined(6, b"zigbee2mqtt/gate-b12-door", b"\xff\x00{", "not UTF-8", began)
    log.append(Record("main", began, [], until=Instant(began + 120 * SECOND)), quarantined=[bad])
    log.close()
    open_store(tmp_path / "contact.db").dispose()
    return tmp_path


def test_the_version_is_named(run: Run) -> None:
    code, out, _ = run("version")
    assert (code, out.split()[0]) == (0, "vorab")
    assert json.loads(run("version", "--json")[1])["vorab"] == "0.1.0"


def test_help_shows_every_command_and_none_of_the_hidden(run: Run) -> None:
    _, out, _ = run("--help")
    for word in ("run", "check", "try", "who", "why", "log", "quarantine", "audit", "balance", "version"):
        assert f" {word} " in out
    assert " capture " not in out
    for word in ("who", "why", "log"):
        assert "Example: python -m vorab" in run(word, "--help")[1]


def test_a_sound_site_is_counted(run: Run) -> None:
    code, out, _ = run("check", AIRPORT)
    assert code == 0
    assert out == "airport: 12 sensors, 12 rules, 9 people; 0 faults, 0 warnings\n"


def test_faults_are_listed_and_nothing_is_changed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("name: x\nlanguages: [en]\ntime_zone: UTC\ndemo: true\n")
    code, out, _ = run("check", tmp_path)
    assert code == 1
    assert out.splitlines()[0] == "places.yaml:1:1: this file is missing"
    assert out.splitlines()[-1] == "5 faults, 0 warnings; nothing was changed"
    code, out, _ = run("check", tmp_path, "--json")
    found = json.loads(out)
    assert (code, found["faults"], found["found"][0]["file"]) == (1, 5, "places.yaml")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("who", "gate-b12-dor"), "unknown sensor 'gate-b12-dor'; did you mean 'gate-b12-door'?"),
        (("who", "gate-b12-door", "--at", "noon"), "--at 'noon': write 10:10"),
        (("who", "gate-b12-door", "--site", "/nowhere"), "is not a folder"),
        (("why", "gate-b12-door", "--rule", "door-held"), "unknown rule 'door-held'; did you mean 'door-held-open'?"),
        (("log", "--data", "/nowhere"), "start the site first"),
        (("quarantine", "list", "--data", "/nowhere"), "start the site first"),
        (("audit", "verify", "--data", "/nowhere"), "start the site first"),
        (("balance", "--data", "/nowhere"), "start the site first"),
        (("try", "/nowhere"), "is not a folder"),
    ],
)
def test_a_users_mistake_is_one_line_and_code_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setenv("VORAB_SITE", str(AIRPORT)) if words[0] != "try" else None
    code, out, err = run(*words)
    assert code == 2
    assert expected in err
    assert "Traceback" not in err
    assert out == ""


def test_an_unknown_command_is_code_2(run: Run) -> None:
    assert run("chekc")[0] == 2


def test_who_is_told_with_reasons(run: Run, tmp_path: Path) -> None:
    words = ("who", DOOR, "--site", AIRPORT, "--data", tmp_path, "--at", "2026-01-12 03:00")
    _, out, _ = run(*words)
    lines = out.splitlines()
    assert lines[0].startswith("gate-b12-door  Airport › T1 › level 2 › airside › gate B12  2026-01-12 03:00:00")
    first = next(line for line in lines if "1. at once" in line)
    assert "Ben" in first
    assert "4 min on foot" in first
    assert any(line.split()[:2] == ["not", "Ana"] and "off duty" in line for line in lines)
    answers = [json.loads(line) for line in run(*words, "--json")[1].splitlines()]
    assert [answer["response"] for answer in answers] == ["security", "instruments"]
    assert answers[0]["ladder"][0]["candidates"][0]["person"] == "ben"


def test_why_something_was_found_and_why_not(run: Run, data: Path) -> None:
    words = ("why", DOOR, "--rule", "door-held-open", "--site", AIRPORT, "--data", data)
    _, out, _ = run(*words)
    assert "open         (reading 1)" in out
    assert "! raised door-held-open (high)" in out
    assert "! cleared door-held-open (high)" in out
    assert "so: not broken at" in out
    assert "the longest it held since" in out
    found = json.loads(run(*words, "--json")[1])
    assert [breach["edge"] for breach in found["breaches"]] == ["raised", "cleared"]


def test_the_log_shows_readings_and_breaches_in_their_order(run: Run, data: Path) -> None:
    _, out, _ = run("log", "--site", AIRPORT, "--data", data, "--sensor", "gate-*", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert [line["open"] for line in lines if line["kind"] == "reading"] == [True, False, True, False, False]
    held = [line for line in lines if line["kind"] == "breach" and line["rule"] == "door-held-open"]
    assert [line["edge"] for line in held] == ["raised", "cleared"]
    assert len(run("log", "--site", AIRPORT, "--data", data, "--last", "2")[1].splitlines()) == 2


def test_quarantine_is_listed_and_asked_for_again(run: Run, data: Path) -> None:
    words = ("--site", AIRPORT, "--data", data)
    _, out, _ = run("quarantine", "list", *words)
    assert "not UTF-8" in out
    assert "\\xff\\x00{" in out
    assert run("quarantine", "again", "7", *words)[0] == 2
    code, out, _ = run("quarantine", "again", *words)
    assert (code, out[:1]) == (0, "1")


def test_an_account_without_a_name_may_ask_too(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under some number."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert run("quarantine", "again", "--site", AIRPORT, "--data", data)[0] == 0
    with contextlib.closing(sqlite3.connect(data / "contact.db")) as store:
        assert store.execute('SELECT "by" FROM commands').fetchall() == [("4000000",)]


EVIL = "\x1b[2J\x07\r\n\x9b31m\u202egate"  #: clears the screen, rings, adds a line, and writes backwards


def test_nothing_from_the_field_moves_the_cursor(run: Run, data: Path) -> None:
    log = SqliteLog(data / "capture.db")
    at = now()
    badge = Reading(SensorId("gate-b12-badge"), [Sample(Quantity.BADGE, EVIL, channel=EVIL)], at, at, 1)
    kept = Quarantined(2, EVIL.encode(), EVIL.encode(), f"to claim it, write {EVIL}", at)
    log.append(Record("main", at, [badge], until=at), quarantined=[kept])
    log.close()
    words = ("--site", AIRPORT, "--data", data)
    _, listed, _ = run("quarantine", "list", *words)
    _, told, _ = run("log", *words)
    _, explained, _ = run("why", "gate-b12-badge", *words)
    for out in (listed, told, explained):
        assert "\\x1b[2J\\x07\\r\\n\\x9b31m\\u202egate" in out
        assert all(line.isprintable() for line in out.split("\n"))


def test_the_audit_of_a_new_site_fits(run: Run, data: Path) -> None:
    code, out, _ = run("audit", "verify", "--site", AIRPORT, "--data", data)
    assert (code, out) == (0, "0 lines; every sealed one is as it was written\n")


def test_examples_are_played(run: Run) -> None:
    code, out, _ = run("try", AIRPORT)
    assert code == 0, out
    assert out.splitlines()[0].split() == ["rules/aed.yaml", "aed-taken", "1", "example", "ok"]


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`vorab check | head -0`: the pipe is closed before the first line is written."""
    command = [sys.executable, "-m", "vorab", "check", str(AIRPORT)]
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        ended = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, cwd=AIRPORT.parents[2], check=False)
    assert ended.stderr == b""


def test_a_process_of_the_supervisor_that_needs_a_person_says_so(run: Run, tmp_path: Path) -> None:
    code, _, err = run("contact", "/nowhere", "--data", tmp_path)
    assert code == 78  # DESIGN §4: to start it again would not help
    assert "is not a folder" in err
