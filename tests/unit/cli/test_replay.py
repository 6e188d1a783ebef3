"""`vorab replay`: the log once more through the rules, with nothing written."""

import json
from pathlib import Path

import pytest

from deploy.log.sqlite import SqliteLog
from deploy.replay import digest
from rules.ruleset import pack
from tests import day
from tests.unit.cli.test_commands import AIRPORT, Run, run
from tests.unit.cli.test_distributed import site
from vorab.model import MINUTE, Breach, RulesChanged

__all__ = ["run", "site"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Breach]]:
    """A data folder in which the minutes before and after other rules were captured, and what was found."""
    tmp_path, records = tmp_path_factory.mktemp("ran"), day.day()
    first, last = day.CHANGE - 10 * MINUTE, day.CHANGE + 10 * MINUTE
    some = [each for each in records if each.commands or (each.until and first <= each.until < last)]
    log, player, found = SqliteLog(tmp_path / "capture.db"), day.Player(), []
    for rules_hash, ruleset in day.rule_sets().items():
        log.save_rules(rules_hash, pack(ruleset))
    for record in some:
        breaches = player.apply(record)
        log.append(record, breaches)
        found += breaches
    log.close()
    return tmp_path, found


def test_it_finds_what_was_found(run: Run, ran: tuple[Path, list[Breach]]) -> None:
    data, found = ran
    before = (data / "capture.db").read_bytes()
    code, out, err = run("replay", "--from", "start", "--dry-run", "--json", "--site", AIRPORT, "--data", data)
    *lines, summary = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    assert summary == {"breaches": len(found), "hash": digest(found)}
    assert {(line["id"], line["number"]) for line in lines} == {(breach.id, breach.number) for breach in found}
    assert (data / "capture.db").read_bytes() == before


def test_it_shows_what_is_found_from_an_instant_on(run: Run, ran: tuple[Path, list[Breach]]) -> None:
    data, found = ran
    words = ("replay", "--from", "2025-11-24T14:05+00:00", "--dry-run", "--site", AIRPORT, "--data", data)
    code, out, _ = run(*words)
    late = [breach for breach in found if breach.at >= day.CHANGE + 5 * MINUTE]
    assert code == 0
    assert out.splitlines()[-1] == f"{len(late)} breaches; their hash is {digest(late)}; nothing was written"
    assert len(out.splitlines()) == len(late) + 1 < len(found)


def test_without_dry_run_it_says_that_it_writes_nothing(run: Run, tmp_path: Path) -> None:
    code, out, err = run("replay", "--from", "start", "--site", AIRPORT, "--data", tmp_path)
    assert (code, out) == (2, "")
    assert err == "vorab: replay writes nothing, and wants to hear that you know: add --dry-run\n"


def test_a_rule_set_that_is_gone_is_named(run: Run, tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "capture.db")
    log.append(day.changed_to(day.first()), [])
    log.close()
    [(rules_hash)] = [
        each.rules_hash for each in day.changed_to(day.first()).commands if isinstance(each, RulesChanged)
    ]
    code, out, err = run("replay", "--from", "start", "--dry-run", "--site", AIRPORT, "--data", tmp_path)
    assert (code, out) == (78, "")
    assert err == f"vorab: the log names the rule set {rules_hash}, which is gone: restore it from the backup\n"


def test_of_a_site_on_many_machines_who_does_not_answer_is_named(run: Run, site: Path) -> None:
    code, out, err = run("replay", "--from", "start", "--dry-run", "--site", site)
    assert (code, out) == (2, "")
    assert "PostgreSQL at 127.0.0.1:1/vorab: connection failed" in err
