"""The log through the rules once more, from its beginning, with nothing written.

What is found so is what every host must find in this log (DESIGN §3, law 3).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sqlalchemy import select

from deploy.log.sqlite import open_reader
from deploy.log.tables import rule_sets
from deploy.store import store
from rules.engine import Engine
from rules.partition import Shard, every_shard, part
from rules.ruleset import RuleSet, unpack
from vorab import wire
from vorab.errors import Corrupt
from vorab.model import Breach, Record, RulesChanged
from vorab.site import Site


def of_one(path: Path) -> Iterator[Breach]:
    """From the log of a site on one machine.  Raises ConfigurationError where it never ran, Corrupt."""
    log = open_reader(path)
    try:
        yield from _played(
            (record for _, record in log.records(1)), lambda rules_hash: _known(log.rules(rules_hash), rules_hash)
        )
    finally:
        log.close()


def of_many(site: Site) -> Iterator[Breach]:
    """From both topics of a site on Kafka, one partition after the other.

    Raises TemporaryFailure when Kafka does not answer; Corrupt; Newer for a record that this program is too old for.
    """
    from deploy.log.whole import reading  # only a site on Kafka has its client

    assert site.log
    engine = store.open_reader(site.store)
    try:
        with engine.connect() as connection:
            packed: dict[str, bytes] = {row.hash: row.body for row in connection.execute(select(rule_sets))}
    finally:
        engine.dispose()
    count = site.log.partitions
    with reading(site) as log:
        for shard in every_shard(count):
            yield from _played(log.records(shard), _parts(packed, shard, count))


def _parts(packed: dict[str, bytes], shard: Shard, count: int) -> Callable[[str], RuleSet]:
    return lambda rules_hash: part(_known(packed.get(rules_hash), rules_hash), shard, count)


def _known(packed: bytes | None, rules_hash: str) -> RuleSet:
    if packed is None:
        raise Corrupt(f"the log names the rule set {rules_hash}, which is gone: restore it from the backup")
    return unpack(packed)


def _played(records: Iterable[Record], rules: Callable[[str], RuleSet]) -> Iterator[Breach]:
    engine = Engine(RuleSet())
    for record in records:
        for command in record.commands:
            if isinstance(command, RulesChanged):
                engine = engine.change(rules(command.rules_hash), command.rules_hash)
        yield from engine.apply(record)


def in_order(breaches: Iterable[Breach]) -> list[Breach]:
    """The same for equal breaches, whichever engine found which first."""
    return sorted(breaches, key=lambda breach: (breach.at, breach.rule, breach.subject, breach.id, breach.number))


def digest(breaches: Iterable[Breach]) -> str:
    """Of all of them, in any order."""
    found = hashlib.sha256()
    for breach in in_order(breaches):
        found.update(wire.pack(breach))
    return found.hexdigest()
