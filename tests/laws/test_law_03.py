"""Law 3, the log decides: same log, same breaches; a reading older than the last one of its sensor changes no watch."""

from deploy.log.sqlite import open_reader
from rules.engine import Engine
from rules.ruleset import RuleSet, unpack
from tests.airport import Airport
from vorab.model import Breach, RulesChanged


def a_day(airport: Airport) -> None:
    for round_ in range(4):
        airport.badge("gate-b12").reads()
        airport.door("gate-b12").opens(at=0)
        airport.passes(seconds=20 + 10 * round_)
        airport.door("gate-b12").shuts(at=-5)
        airport.door("gate-c1").opens()
        airport.passes(seconds=3)
        airport.door("gate-c1").shuts()


def stored(airport: Airport) -> list[Breach]:
    return [breach for _, breach in open_reader(airport.folder / "capture.db").breaches_after(0, 1000)]


def replayed(airport: Airport) -> list[Breach]:
    """The whole log through an engine that has never seen it."""
    engine, found = Engine(RuleSet([], {})), []
    for _, record in open_reader(airport.folder / "capture.db").records(1):
        for command in record.commands:
            if isinstance(command, RulesChanged):
                engine = engine.change(unpack(airport.site.rules))
        found += engine.apply(record)
    return found


def test_law_3_a_replay_of_the_whole_log_finds_the_same_breaches(airport: Airport) -> None:
    a_day(airport)
    assert len(stored(airport)) >= 6
    assert replayed(airport) == stored(airport)


def test_law_3_a_restart_changes_nothing(airport: Airport) -> None:
    a_day(airport)
    airport.goes_down()
    airport.comes_back()
    a_day(airport)
    assert replayed(airport) == stored(airport)


def test_law_3_what_was_overtaken_is_history(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").shuts(at=0)
    airport.door("gate-b12").opens(at=-20)
    airport.passes(minutes=2)
    assert stored(airport) == []
