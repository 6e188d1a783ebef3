"""One log in several partitions, each with the rules of its own sensors: what they find together is what one would.

The lane decides the topic, the zone the partition, so that sensors of one zone are decided together.  Badge
readers and gateways speak everywhere, so that any sensor can ask about them, also one that comes to do so by other
rules; their own rules run only where they are at home.
"""

from typing import NamedTuple
from zlib import crc32

from msgspec.structs import replace

from rules.ruleset import RuleSet
from vorab.model import Quarantined, Reading, Record, SensorId


class Shard(NamedTuple):
    """One partition of one lane."""

    life_safety: bool
    number: int


def every_shard(count: int) -> list[Shard]:
    return [Shard(lane, number) for lane in (False, True) for number in range(count)]


def home(ruleset: RuleSet, subject: SensorId, count: int) -> Shard:
    """Where its rules run."""
    life_safety, zone = ruleset.home(subject)
    return Shard(life_safety, crc32(zone.encode()) % count)


def part(ruleset: RuleSet, shard: Shard, count: int) -> RuleSet:
    """All rules, each with its sensors that are at home here.  Their engine keeps the hash of the whole set."""
    rules = [
        replace(rule, watch=[each for each in rule.watch if home(ruleset, each, count) == shard])
        for rule in ruleset.rules
    ]
    return RuleSet(rules, ruleset.sensors)


def witnesses(ruleset: RuleSet) -> set[SensorId]:
    """Badge readers and gateways: whoever is asked about."""
    found = {reader for each in ruleset.sensors.values() for reader in each.readers}
    return found | {each.gateway for each in ruleset.sensors.values() if each.gateway}


def guests(ruleset: RuleSet, shard: Shard, count: int) -> frozenset[SensorId]:
    """Who speaks here and is at home elsewhere."""
    return frozenset(each for each in witnesses(ruleset) if home(ruleset, each, count) != shard)


class Routes:
    """Where each sensor speaks."""

    def __init__(self, ruleset: RuleSet, count: int) -> None:
        self.count = count
        self._ruleset = ruleset
        self._known: dict[SensorId, tuple[Shard, ...]] = {}
        for witness in witnesses(ruleset):
            at_home = home(ruleset, witness, count)
            self._known[witness] = (at_home, *(shard for shard in every_shard(count) if shard != at_home))

    def of(self, sensor: SensorId) -> tuple[Shard, ...]:
        """Its home first: there its messages are counted."""
        found = self._known.get(sensor)
        if found is None:
            found = self._known[sensor] = (home(self._ruleset, sensor, self.count),)
        return found

    def of_quarantined(self, message: Quarantined, *, life_safety: bool) -> Shard:
        return Shard(life_safety, crc32(message.topic) % self.count)


def split(record: Record, routes: Routes) -> dict[Shard, Record]:
    """What each partition gets of a record: its readings; commands go to all, `until` and counts to all of the lane."""
    readings: dict[Shard, list[Reading]] = {}
    for reading in record.readings:
        for shard in routes.of(reading.sensor):
            readings.setdefault(shard, []).append(reading)
    quarantined: dict[Shard, list[Quarantined]] = {}
    for message in record.quarantined:
        shard = routes.of_quarantined(message, life_safety=record.life_safety)
        quarantined.setdefault(shard, []).append(message)
    found = {}
    for shard in every_shard(routes.count):
        ends = record.until is not None and shard.life_safety == record.life_safety
        if shard in readings or shard in quarantined or record.commands or ends:
            found[shard] = replace(
                record,
                readings=readings.get(shard, []),
                until=record.until if ends else None,
                life_safety=shard.life_safety,
                quarantined=quarantined.get(shard, []),
                counts=record.counts if ends else None,
            )
    return found
