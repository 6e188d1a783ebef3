"""A captured day of an airport, made by chance from a seed: two ingests, two lanes, other rules from 14:00 on.

Every operator with every manner: levels, deadband, outside a band, `for`, `clear_for`, latched, lateness, channels of
one sensor, badges, silence; readings that come late, twice, retained, undated or bad; gateways that go offline; an
ingest that is deaf for an hour; sensors that come to another zone.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from rules.engine import Engine
from rules.limits import Limits
from rules.ruleset import Rule, RuleSet, Watched, hash_of
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from vorab.model import (
    HOUR,
    MINUTE,
    SECOND,
    Breach,
    Instant,
    Priority,
    Quality,
    Quantity,
    Reading,
    Record,
    ResponseId,
    RuleId,
    RulesChanged,
    Sample,
    SensorId,
    Span,
)

SEED = 20251124
MIDNIGHT = Instant(1_763_942_400 * SECOND)  #: 2025-11-24T00:00:00Z
DAY = 24 * HOUR
CHANGE = MIDNIGHT + 14 * HOUR  #: from here on the second rules decide
DEAF = (12 * HOUR, 13 * HOUR)  #: when `west` heard nothing
SHUFFLE = Span(4 * SECOND)  #: the least lateness that a rule declares
LOW, MEDIUM, HIGH, LIFE = Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.LIFE_SAFETY


def names(kind: str, number: int) -> list[SensorId]:
    return [SensorId(f"{kind}-{index}") for index in range(number)]


GATEWAYS, READERS, DOORS = names("gateway", 5), names("reader", 30), names("door", 70)
ROOMS, FRIDGES, AEDS = names("room", 70), names("fridge", 10), names("aed", 10)
VAULTS, GUARDS = names("vault", 3), names("guard", 2)  #: doors and badge readers of the lane of life safety
PROBES = [SensorId(f"{fridge}#{side}") for fridge in FRIDGES for side in ("left", "right")]

OPEN, TAKEN = State(Quantity.OPEN, True), State(Quantity.TAKEN, True)
WARM = Limits(
    Quantity.TEMPERATURE,
    above={MEDIUM: 26.0, HIGH: 28.0},
    deadband=0.5,
    for_levels={MEDIUM: Span(10 * MINUTE), HIGH: Span(2 * MINUTE)},
)
BAND = Limits(Quantity.HUMIDITY, above={HIGH: 65.0}, below={LOW: 32.0, HIGH: 27.0}, deadband=2.0)
COLD = Limits(Quantity.TEMPERATURE, above={LOW: 6.0, HIGH: 9.0}, below={HIGH: 1.0}, deadband=0.3)


def unbadged(seconds: int) -> Without:
    return Without(Quantity.OPEN, True, Quantity.BADGE, Span(seconds * SECOND))


def first() -> RuleSet:
    """Until 14:00."""
    return RuleSet(
        [
            rule("held-open", DOORS, OPEN, HIGH, for_=30 * SECOND, clear_for=5 * SECOND),
            rule("held-open-late", DOORS[::3], OPEN, HIGH, for_=20 * SECOND, lateness=4 * SECOND),
            rule("unauthorised", [*DOORS, *VAULTS], unbadged(10), HIGH, latched=True),
            rule("unauthorised-late", DOORS[::4], unbadged(9), HIGH, lateness=5 * SECOND),
            rule("warm", ROOMS, WARM, HIGH, clear_for=2 * MINUTE),
            rule("humid", ROOMS, BAND, HIGH, for_=6 * MINUTE),
            rule("humid-late", ROOMS[::5], BAND, HIGH, lateness=20 * SECOND),
            rule("cold", PROBES, COLD, HIGH, for_=4 * MINUTE),
            rule("cold-late", PROBES[::3], COLD, HIGH, clear_for=MINUTE, lateness=10 * SECOND),
            rule("silent", [*ROOMS, *READERS, *AEDS], Silent(Span(16 * MINUTE)), LOW, clear_for=SECOND),
            rule("silent-late", ROOMS[::7], Silent(Span(11 * MINUTE)), LOW, lateness=30 * SECOND),
            rule("taken", AEDS, TAKEN, LIFE),
            rule("vault", VAULTS, OPEN, LIFE, for_=20 * SECOND),
            rule("offline", GATEWAYS, State(Quantity.ONLINE, False), MEDIUM, for_=MINUTE),
        ],
        sensors(),
    )


def second() -> RuleSet:
    """From 14:00 on: a rule is gone, others are new, changed, or said in other words; two sensors moved, a door has
    another reader."""
    old = {rule.id: rule for rule in first().rules}
    changed = {
        "held-open": replace(old[RuleId("held-open")], action="Close it", owner="ana"),
        "unauthorised-late": replace(old[RuleId("unauthorised-late")], when=unbadged(8)),
        "warm": replace(old[RuleId("warm")], when=replace(WARM, above={MEDIUM: 25.5, HIGH: 28.0})),
        "humid": replace(old[RuleId("humid")], for_=Span(3 * MINUTE)),
        "humid-late": replace(old[RuleId("humid-late")], for_=Span(2 * MINUTE)),
        "silent": replace(old[RuleId("silent")], when=Silent(Span(18 * MINUTE))),
        "vault": replace(old[RuleId("vault")], for_=Span(15 * SECOND)),
    }
    new = [
        rule("ajar", DOORS, OPEN, LOW, for_=MINUTE),
        rule("quiet", FRIDGES, Silent(Span(12 * MINUTE)), LOW),
        rule("link", DOORS[::2], Limits(Quantity.LINK_QUALITY, below={LOW: 70.0}), LOW),
    ]
    kept = [changed.get(id_, each) for id_, each in old.items() if id_ != "offline"]
    table = sensors()
    table[DOORS[5]] = replace(table[DOORS[5]], readers=[READERS[20]])
    for moved in (DOORS[7], ROOMS[3], READERS[2]):
        table[moved] = replace(table[moved], zone="annexe")
    return RuleSet([*kept, *new], table)


def sensors() -> dict[SensorId, Watched]:
    """200 of them, in zones; readers and gateways are not in the zones of the sensors that ask about them."""
    table = {each: Watched(side(i), Span(2 * HOUR) if i % 2 else None, zone="roof") for i, each in enumerate(GATEWAYS)}
    table |= {
        each: Watched(side(i), Span(7 * MINUTE), GATEWAYS[i % 4], zone=f"zone-{i % 5}")
        for i, each in enumerate(READERS)
    }
    table |= {
        each: Watched("main", Span(5 * MINUTE), GATEWAYS[0], True, zone=f"zone-{i}") for i, each in enumerate(AEDS)
    }
    table |= {each: Watched("main", Span(7 * MINUTE), None, True) for each in GUARDS}
    table |= {each: Watched("main", None, GATEWAYS[1], True, GUARDS, "vaults") for each in VAULTS}
    for index, sensor in enumerate([*DOORS, *ROOMS, *FRIDGES]):
        readers = [READERS[index % 30], READERS[(index * 7 + 1) % 30]] if sensor in DOORS else []
        zone = f"zone-{index % 9}" if index % 9 else ""
        table[sensor] = Watched(side(index), None, GATEWAYS[index % 5], False, readers, zone)
    return table


def side(index: int) -> str:
    return "west" if index % 4 == 3 else "main"


def rule(name: str, watch: list[SensorId], when: object, priority: Priority, **manners: object) -> Rule:
    fields = {"id": RuleId(name), "watch": watch, "when": when, "priority": priority, "respond": ResponseId("r")}
    return Rule(**fields, **manners)  # type: ignore[arg-type] # named as the fields are


def rule_sets() -> dict[str, RuleSet]:
    return {hash_of(each): each for each in (first(), second())}


Said = tuple[SensorId, int, list[Sample]]  #: what a sensor measures, and when
Arrival = tuple[int, int, Reading]  #: when, in which order


def day(seed: int = SEED) -> list[Record]:
    """What two ingests heard, as it stands in the log."""
    return batches(arrivals(random.Random(seed)))


def shuffled(seed: int = SEED) -> list[Record]:
    """The same day, but what is not life safety arrives in another order, as far as every lateness allows."""
    chance = random.Random(seed + 1)
    vital = {sensor for sensor, watched in sensors().items() if watched.life_safety}
    heard = []
    for received_at, number, reading in arrivals(random.Random(seed)):
        spare = reading.at + SHUFFLE - received_at
        if reading.sensor not in vital and reading.dated and not reading.retained and spare > 0:
            received_at += chance.randrange(spare)
            reading = replace(reading, received_at=Instant(received_at))
        heard.append((received_at, number, reading))
    return batches(heard)


def arrivals(chance: random.Random) -> list[Arrival]:
    found: list[Arrival] = []
    things = [*doors(chance), *rooms(chance), *fridges(chance), *others(chance), *over_the_change()]
    for number, (sensor, at, samples) in enumerate(things):
        delay = chance.choices([0, chance.randrange(3 * SECOND), chance.randrange(5 * MINUTE)], [90, 9, 1])[0]
        retained, dated = chance.random() < 0.01, chance.random() < 0.7
        received_at = Instant(MIDNIGHT + at + delay)
        measured_at = Instant(MIDNIGHT + at) if dated else received_at
        reading = Reading(sensor, samples, measured_at, received_at, number, dated, retained)
        found.append((received_at, number, reading))
        if chance.random() < 0.02:  # the broker sends it again, and nobody noticed
            found.append((received_at + SECOND, number, replace(reading, received_at=Instant(received_at + SECOND))))
    return found


def doors(chance: random.Random) -> Iterator[Said]:
    for index, door in enumerate([*DOORS, *VAULTS]):
        readers = [GUARDS[0]] if door in VAULTS else [READERS[index % 30]]
        at = chance.randrange(HOUR)
        while at < DAY:
            if chance.random() < 0.9:
                yield readers[0], max(0, at - chance.randrange(11 * SECOND)), [Sample(Quantity.BADGE, "4711")]
            link = Sample(Quantity.LINK_QUALITY, float(chance.randrange(60, 100)))
            yield door, at, [Sample(Quantity.OPEN, True), link]
            stays = chance.choice([3, 8, 20, 29, 30, 40, 90]) * SECOND
            if chance.random() < 0.2:
                yield door, at + stays // 2, [Sample(Quantity.OPEN, chance.choice([True, True, False]))]
            yield door, at + stays, [Sample(Quantity.OPEN, False)]
            at += stays + chance.randrange(2 * HOUR)


def rooms(chance: random.Random) -> Iterator[Said]:
    for room in ROOMS:
        warm, humid, at = 23.0, 45.0, chance.randrange(5 * MINUTE)
        quiet = chance.randrange(2 * DAY)
        while at < DAY:
            warm += chance.uniform(-0.9, 0.9) + (23.5 - warm) * 0.03
            humid += chance.uniform(-4, 4) + (45 - humid) * 0.03
            samples = [Sample(Quantity.TEMPERATURE, round(warm, 1)), Sample(Quantity.HUMIDITY, float(round(humid)))]
            if chance.random() < 0.01:
                samples[0] = Sample(Quantity.TEMPERATURE, chance.choice([None, 999.0]), quality=Quality.BAD)
            if not quiet < at < quiet + 40 * MINUTE:
                yield room, at, samples
            at += chance.choice([4, 5, 5, 6]) * MINUTE + chance.randrange(SECOND)


def fridges(chance: random.Random) -> Iterator[Said]:
    for fridge in FRIDGES:
        cold, at = 4.0, chance.randrange(5 * MINUTE)
        quiet = chance.randrange(DAY)
        while at < DAY:
            cold += chance.uniform(-1.2, 1.2) + (4.5 - cold) * 0.05
            probes = [(side, round(cold + chance.uniform(-1, 1), 1)) for side in ("left", "right")]
            if not quiet < at < quiet + 30 * MINUTE:
                yield fridge, at, [Sample(Quantity.TEMPERATURE, value, side) for side, value in probes]
            at += 4 * MINUTE + chance.randrange(MINUTE)


def others(chance: random.Random) -> Iterator[Said]:
    for reader in [*READERS, *GUARDS]:
        gap = chance.randrange(DAY)
        for at in range(chance.randrange(5 * MINUTE), DAY, 5 * MINUTE):
            if not gap < at < gap + HOUR:
                yield reader, at, [Sample(Quantity.ONLINE, True)]
    for aed in AEDS:
        taken = chance.randrange(DAY)
        for at in range(chance.randrange(5 * MINUTE), DAY, 10 * MINUTE):
            yield aed, at, [Sample(Quantity.TAKEN, taken < at < taken + HOUR)]
    for gateway in GATEWAYS:
        for at in range(chance.randrange(HOUR), DAY, 3 * HOUR):
            yield gateway, at, [Sample(Quantity.ONLINE, False)]
            yield gateway, at + chance.choice([30, 90, 3000]) * SECOND, [Sample(Quantity.ONLINE, True)]


def over_the_change() -> Iterator[Said]:
    """What is raised when other rules come: of a rule that is gone, of a sensor that moves, of one that is changed."""
    yield GATEWAYS[0], 13 * HOUR + 50 * MINUTE, [Sample(Quantity.ONLINE, False)]
    yield GATEWAYS[0], 14 * HOUR + 20 * MINUTE, [Sample(Quantity.ONLINE, True)]
    for door in (DOORS[7], DOORS[5], VAULTS[0]):
        yield door, 13 * HOUR + 58 * MINUTE, [Sample(Quantity.OPEN, True)]
        yield door, 14 * HOUR + 3 * MINUTE, [Sample(Quantity.OPEN, False)]


def batches(heard: list[Arrival]) -> list[Record]:
    """Each lane closes a record every 10 s; at 14:00 an ingest starts again with other rules."""
    lanes = {sensor: (watched.ingest, watched.life_safety) for sensor, watched in sensors().items()}
    waiting: dict[tuple[str, bool], list[Reading]] = {lane: [] for lane in sorted(set(lanes.values()))}
    records, left = [changed_to(first())], sorted(heard, key=lambda arrival: arrival[:2], reverse=True)
    for until in range(MIDNIGHT, MIDNIGHT + DAY + HOUR, 10 * SECOND):
        if until == CHANGE:
            records.append(changed_to(second()))
        while left and left[-1][0] <= until:
            reading = left.pop()[2]
            waiting[lanes[reading.sensor]].append(reading)
        for (ingest, life_safety), readings in waiting.items():
            if ingest == "main" or not DEAF[0] <= until - MIDNIGHT < DEAF[1]:
                records.append(Record(ingest, MIDNIGHT, list(readings), Instant(until), [], life_safety))
                readings.clear()
    return records


def changed_to(ruleset: RuleSet) -> Record:
    return Record("main", MIDNIGHT, commands=[RulesChanged(hash_of(ruleset))])


@dataclass
class Player:
    """One engine that is led through the log, and takes the rules it names."""

    engine: Engine = field(default_factory=lambda: Engine(RuleSet()))
    sets: dict[str, RuleSet] = field(default_factory=rule_sets)

    def apply(self, record: Record) -> list[Breach]:
        for command in record.commands:
            if isinstance(command, RulesChanged):
                self.engine = self.engine.change(self.sets[command.rules_hash])
        return self.engine.apply(record)

    def restart(self) -> None:
        ruleset = self.sets.get(self.engine.ruleset_hash, RuleSet())
        self.engine = Engine.restore(ruleset, self.engine.checkpoint())


def played(records: Iterable[Record]) -> list[Breach]:
    player = Player()
    return [breach for record in records for breach in player.apply(record)]
