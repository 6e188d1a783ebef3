"""A recorded day through the engine: at once, with restarts, without checkpoints, in partitions, in another order of
arrival, and by the slow obvious model."""

import hashlib
import random

import pytest

from rules.engine import Engine
from rules.partition import Routes, every_shard, part, split
from rules.ruleset import RuleSet, hash_of
from tests import day, rules_model
from vorab import wire
from vorab.model import Breach, Priority, Record, RulesChanged


@pytest.fixture(scope="module")
def recorded() -> list[Record]:
    return day.day()


@pytest.fixture(scope="module")
def at_once(recorded: list[Record]) -> list[Breach]:
    return day.played(recorded)


def fingerprint(breaches: list[Breach]) -> str:
    return hashlib.sha256(b"".join(wire.pack(breach) for breach in breaches)).hexdigest()


def in_any_order(breaches: list[Breach]) -> str:
    return fingerprint(sorted(breaches, key=lambda breach: (breach.rule, breach.subject, breach.at, breach.number)))


def test_the_day_has_enough_in_it(recorded: list[Record], at_once: list[Breach]) -> None:
    assert len(day.sensors()) == 200
    assert len(at_once) >= 5_000
    assert {breach.rule for breach in at_once} == {
        rule.id for each in (day.first(), day.second()) for rule in each.rules
    }
    kinds = {part.split()[0] for breach in at_once for part in breach.note.split("; ") if part}
    assert kinds == {"uncertain:", "late:", "unverified:", "sensor", "gateway", "rule", "moved"}


def test_the_slow_obvious_model_finds_the_same(recorded: list[Record], at_once: list[Breach]) -> None:
    wanted = rules_model.edges(day.first(), rules_model.read(recorded), day.second())
    found = rules_model.of(at_once)
    assert found.keys() == wanted.keys()
    for watch, edges in wanted.items():
        assert found[watch] == edges, watch


def test_ten_restarts_change_nothing(recorded: list[Record], at_once: list[Breach]) -> None:
    stops = set(random.Random(1).sample(range(len(recorded)), 10))
    player, found = day.Player(), []
    for position, record in enumerate(recorded):
        if position in stops:
            player.restart()
        found += player.apply(record)
    assert fingerprint(found) == fingerprint(at_once)


def test_the_engines_of_four_partitions_find_the_same(recorded: list[Record], at_once: list[Breach]) -> None:
    sets = day.rule_sets()
    engines = {shard: Engine(RuleSet(), hash_of(RuleSet())) for shard in every_shard(4)}
    routes, found = Routes(RuleSet(), 4), []
    for record in recorded:
        changes = [command.rules_hash for command in record.commands if isinstance(command, RulesChanged)]
        for rules_hash in changes:
            routes = Routes(sets[rules_hash], 4)
        for shard, share in split(record, routes).items():
            for rules_hash in changes:
                engines[shard] = engines[shard].change(part(sets[rules_hash], shard, 4), rules_hash)
            found += engines[shard].apply(share)
    assert in_any_order(found) == in_any_order(at_once)


def test_rules_with_lateness_find_the_same_in_any_order_of_arrival_within_it(at_once: list[Breach]) -> None:
    rules = [rule for each in (day.first(), day.second()) for rule in each.rules]
    patient = {rule.id for rule in rules if rule.lateness or rule.priority is Priority.LIFE_SAFETY}
    mixed = [breach for breach in day.played(day.shuffled()) if breach.rule in patient]
    assert in_any_order(mixed) == in_any_order([breach for breach in at_once if breach.rule in patient])


def test_the_log_alone_brings_everything_back(recorded: list[Record], at_once: list[Breach]) -> None:
    """Checkpoints thrown away: what is found again by the replay has the same ids, and only the rest is new."""
    stored: dict[tuple[str, int], Breach] = {}
    for breach in [*day.played(recorded[: len(recorded) * 2 // 3]), *at_once]:
        assert stored.setdefault((breach.id, breach.number), breach) == breach
    assert fingerprint(list(stored.values())) == fingerprint(at_once)


def test_a_checkpoint_is_the_same_bytes_after_a_restart(recorded: list[Record]) -> None:
    player = day.Player()
    for record in recorded[:2000]:
        player.apply(record)
    saved = player.engine.checkpoint()
    player.restart()
    assert player.engine.checkpoint() == saved
