"""A recorded day through the engine: at once, with restarts, without checkpoints, and by the slow obvious model."""

import hashlib
import random
from collections.abc import Iterator

import pytest

from rules.engine import Engine
from rules.limits import Limits
from rules.ruleset import Rule, RuleSet, Watched
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from tests import rules_model
from vorab import wire
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
    Sample,
    SensorId,
    Span,
)

MIDNIGHT = Instant(1_763_942_400 * SECOND)  #: 2025-11-24T00:00:00Z
DAY = 24 * HOUR
LOW, MEDIUM, HIGH, LIFE = Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.LIFE_SAFETY


def names(kind: str, number: int) -> list[SensorId]:
    return [SensorId(f"{kind}-{index}") for index in range(number)]


GATEWAYS, READERS, DOORS = names("gateway", 5), names("reader", 30), names("door", 70)
ROOMS, AEDS = names("room", 85), names("aed", 10)


def airport() -> RuleSet:
    """200 sensors on two ingests, and every operator with every manner."""
    open_, badge = Quantity.OPEN, Quantity.BADGE
    warm = Limits(
        Quantity.TEMPERATURE,
        above={MEDIUM: 26.0, HIGH: 28.0},
        deadband=0.5,
        for_levels={MEDIUM: Span(10 * MINUTE), HIGH: Span(2 * MINUTE)},
    )
    band = Limits(Quantity.HUMIDITY, above={HIGH: 65.0}, below={LOW: 32.0, HIGH: 27.0}, deadband=2.0)
    rules = [
        rule("held-open", DOORS, State(open_), HIGH, for_=30 * SECOND, clear_for=5 * SECOND),
        rule("held-open-late", DOORS[::3], State(open_), HIGH, for_=20 * SECOND, lateness=4 * SECOND),
        rule("unauthorised", DOORS, Without(open_, True, badge, Span(10 * SECOND)), HIGH, latched=True),
        rule("unauthorised-late", DOORS[::4], Without(open_, True, badge, Span(9 * SECOND)), HIGH, lateness=5 * SECOND),
        rule("warm", ROOMS, warm, HIGH, clear_for=2 * MINUTE),
        rule("humid", ROOMS, band, HIGH, for_=6 * MINUTE),
        rule("humid-late", ROOMS[::5], band, HIGH, lateness=20 * SECOND),
        rule("silent", [*ROOMS, *READERS, *AEDS], Silent(Span(16 * MINUTE)), LOW, clear_for=SECOND),
        rule("silent-late", ROOMS[::7], Silent(Span(11 * MINUTE)), LOW, lateness=30 * SECOND),
        rule("taken", AEDS, State(Quantity.TAKEN), LIFE),
        rule("offline", GATEWAYS, State(Quantity.ONLINE, False), MEDIUM, for_=MINUTE),
    ]
    sensors = {gateway: Watched(side(index)) for index, gateway in enumerate(GATEWAYS)}
    sensors |= {reader: Watched(side(index), Span(7 * MINUTE)) for index, reader in enumerate(READERS)}
    sensors |= {aed: Watched("main", Span(5 * MINUTE), life_safety=True) for aed in AEDS}
    for index, sensor in enumerate([*DOORS, *ROOMS]):
        readers = [READERS[index % 30], READERS[(index * 7 + 1) % 30]] if sensor in DOORS else []
        sensors[sensor] = Watched(side(index), None, GATEWAYS[index % 5], False, readers)
    return RuleSet(rules, sensors)


def side(index: int) -> str:
    return "west" if index % 4 == 3 else "main"


def rule(name: str, watch: list[SensorId], when: object, priority: Priority, **manners: object) -> Rule:
    fields = {"id": RuleId(name), "watch": watch, "when": when, "priority": priority, "respond": ResponseId("r")}
    return Rule(**fields, **manners)  # type: ignore[arg-type] # named as the fields are


Said = tuple[SensorId, int, list[Sample]]  #: what a sensor measures, and when


def day(chance: random.Random) -> list[Record]:
    """What two ingests heard: some of it late, repeated, retained, bad; one of them deaf for an hour."""
    said = [thing for things in (doors(chance), rooms(chance), others(chance)) for thing in things]
    arrivals: list[tuple[int, int, Reading]] = []
    for number, (sensor, at, samples) in enumerate(said):
        delay = chance.choices([0, chance.randrange(3 * SECOND), chance.randrange(5 * MINUTE)], [90, 9, 1])[0]
        retained = chance.random() < 0.01
        dated = chance.random() < 0.7
        received_at = Instant(MIDNIGHT + at + delay)
        measured_at = Instant(MIDNIGHT + at) if dated else received_at
        arrivals.append(
            (received_at, number, Reading(sensor, samples, measured_at, received_at, number, dated, retained))
        )
        if chance.random() < 0.02:  # the broker sends it again, and nobody noticed
            arrivals.append((received_at + SECOND, number, arrivals[-1][2]))
    return batches(sorted(arrivals, key=lambda arrival: arrival[:2]))


def doors(chance: random.Random) -> Iterator[Said]:
    for index, door in enumerate(DOORS):
        at = chance.randrange(HOUR)
        while at < DAY:
            if chance.random() < 0.9:
                yield READERS[index % 30], at - chance.randrange(11 * SECOND), [Sample(Quantity.BADGE, "4711")]
            yield door, at, [Sample(Quantity.OPEN, True), Sample(Quantity.LINK_QUALITY, 80.0)]
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


def others(chance: random.Random) -> Iterator[Said]:
    for reader in READERS:
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


def batches(arrivals: list[tuple[int, int, Reading]]) -> list[Record]:
    """Each lane closes a record every 10 s; `west` hears nothing between 12:00 and 13:00."""
    lanes = {id_: (watched.ingest, watched.life_safety) for id_, watched in airport().sensors.items()}
    records, waiting = [], {lane: [] for lane in sorted(set(lanes.values()))}  # type: ignore[var-annotated] # of readings
    arrivals = list(reversed(arrivals))
    for until in range(MIDNIGHT, MIDNIGHT + DAY + HOUR, 10 * SECOND):
        while arrivals and arrivals[-1][0] <= until:
            reading = arrivals.pop()[2]
            waiting[lanes[reading.sensor]].append(reading)
        for (ingest, life_safety), readings in waiting.items():
            if ingest == "main" or not 12 * HOUR <= until - MIDNIGHT < 13 * HOUR:
                records.append(Record(ingest, MIDNIGHT, list(readings), Instant(until), [], life_safety))
                readings.clear()
    return records


@pytest.fixture(scope="module")
def recorded() -> list[Record]:
    return day(random.Random(20251124))


@pytest.fixture(scope="module")
def at_once(recorded: list[Record]) -> list[Breach]:
    engine = Engine(airport())
    return [breach for record in recorded for breach in engine.apply(record)]


def fingerprint(breaches: list[Breach]) -> str:
    return hashlib.sha256(b"".join(wire.pack(breach) for breach in breaches)).hexdigest()


def test_the_day_has_enough_in_it(recorded: list[Record], at_once: list[Breach]) -> None:
    assert len(airport().sensors) == 200
    assert len(at_once) >= 1_000
    assert {breach.rule for breach in at_once} == {rule.id for rule in airport().rules}
    kinds = {part.split()[0] for breach in at_once for part in breach.note.split("; ") if part}
    assert kinds == {"uncertain:", "late:", "unverified:", "sensor", "gateway"}


def test_the_slow_obvious_model_finds_the_same(recorded: list[Record], at_once: list[Breach]) -> None:
    wanted = rules_model.edges(airport(), rules_model.read(recorded))
    found = rules_model.of(at_once)
    assert found.keys() == wanted.keys()
    for watch, edges in wanted.items():
        assert found[watch] == edges, watch


def test_ten_restarts_change_nothing(recorded: list[Record], at_once: list[Breach]) -> None:
    stops = set(random.Random(1).sample(range(len(recorded)), 10))
    engine, found = Engine(airport()), []
    for position, record in enumerate(recorded):
        if position in stops:
            engine = Engine.restore(airport(), engine.checkpoint())
        found += engine.apply(record)
    assert fingerprint(found) == fingerprint(at_once)


def test_the_log_alone_brings_everything_back(recorded: list[Record], at_once: list[Breach]) -> None:
    """Checkpoints thrown away: what is found again by the replay has the same ids, and only the rest is new."""
    stored: dict[tuple[str, int], Breach] = {}
    for end in (len(recorded) // 3, len(recorded)):
        engine = Engine(airport())
        for record in recorded[:end]:
            for breach in engine.apply(record):
                assert stored.setdefault((breach.id, breach.number), breach) == breach
    assert fingerprint(list(stored.values())) == fingerprint(at_once)


def test_a_checkpoint_is_the_same_bytes_after_a_restart(recorded: list[Record]) -> None:
    engine = Engine(airport())
    for record in recorded[:2000]:
        engine.apply(record)
    saved = engine.checkpoint()
    assert Engine.restore(airport(), saved).checkpoint() == saved
