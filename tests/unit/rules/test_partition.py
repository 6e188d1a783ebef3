"""Whatever the records: what the engines of all partitions find together is what one engine finds."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rules.engine import Engine
from rules.limits import Limits
from rules.partition import Routes, Shard, every_shard, home, part, split
from rules.ruleset import Rule, RuleSet, Watched, hash_of
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from tests.unit.rules.story import at, s
from vorab.model import (
    Breach,
    Counts,
    Edge,
    Priority,
    Quality,
    Quantity,
    Quarantined,
    Reading,
    Record,
    ResponseId,
    RuleId,
    RulesChanged,
    Sample,
    SensorId,
)

LOW, MEDIUM, HIGH = Priority.LOW, Priority.MEDIUM, Priority.HIGH
DOORS, PROBES = ["door-1", "door-2", "door-3"], ["probe-1", "probe-2"]
READERS, GATEWAYS = ["reader-1", "reader-2"], ["gateway-1", "gateway-2"]
VITAL = ["vital", "vital-reader"]
SENSORS = [*DOORS, *PROBES, *READERS, *GATEWAYS, *VITAL]
spans = st.sampled_from([0, 0, 1, 3, 5])
lanes = st.booleans()
ingests = st.sampled_from(["main", "main", "west"])


@st.composite
def sites(draw: st.DrawFn) -> RuleSet:
    """Every operator on doors, probes and their channels, in zones and lanes of their own, with witnesses anywhere."""
    return RuleSet(draw(rules()), {SensorId(sensor): draw(watched(sensor)) for sensor in SENSORS})


@st.composite
def watched(draw: st.DrawFn, sensor: str) -> Watched:
    readers = ["vital-reader"] if sensor == "vital" else draw(st.lists(st.sampled_from(READERS), unique=True))
    return Watched(
        draw(ingests),
        s(20) if sensor in (*READERS, *GATEWAYS, "vital-reader") else None,
        draw(st.sampled_from([None, *map(SensorId, GATEWAYS)])) if sensor not in GATEWAYS else None,
        sensor in VITAL or (sensor in (*PROBES, *GATEWAYS) and draw(lanes)),
        [SensorId(reader) for reader in readers] if sensor in ("vital", *DOORS) else [],
        draw(st.sampled_from(["", "a", "b", "c"])),
    )


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    warm = Limits(
        Quantity.TEMPERATURE,
        above={MEDIUM: 26.0, HIGH: 28.0},
        below={LOW: 20.0},
        deadband=draw(st.sampled_from([0.0, 1.0])),
        for_levels={MEDIUM: s(draw(spans))},
    )
    open_ = State(Quantity.OPEN)
    unbadged = Without(Quantity.OPEN, True, Quantity.BADGE, s(draw(st.integers(0, 4))))
    made = [
        _rule("open", draw(some([*DOORS, "vital"])), open_, draw(spans), draw(spans)),
        _rule("open-late", draw(some(DOORS)), open_, draw(spans), draw(spans), draw(spans)),
        _rule("unbadged", draw(some([*DOORS, "vital"])), unbadged, draw(spans), draw(spans)),
        _rule("unbadged-late", draw(some(DOORS)), unbadged, draw(spans), 0, draw(spans)),
        _rule("silent", draw(some(SENSORS)), Silent(s(draw(st.integers(1, 9)))), draw(spans), draw(spans)),
        _rule("warm", draw(some([*PROBES, "probe-1#left", "probe-2#left"])), warm, draw(spans), draw(spans)),
    ]
    return [each for each in made if each.watch and draw(st.sampled_from([True, True, True, False]))]


def some(sensors: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sensors), unique=True)


def _rule(name: str, watch: list[str], when: object, for_: int, clear_for: int, lateness: int = 0) -> Rule:
    return Rule(
        id=RuleId(name),
        watch=[SensorId(sensor) for sensor in watch],
        when=when,  # type: ignore[arg-type] # one of the operators
        for_=s(for_),
        clear_for=s(clear_for),
        lateness=s(lateness),
        priority=HIGH,
        respond=ResponseId("guard"),
    )


said = {
    "door": [Sample(Quantity.OPEN, True), Sample(Quantity.OPEN, True), Sample(Quantity.OPEN, False)],
    "vital": [Sample(Quantity.OPEN, True), Sample(Quantity.OPEN, False)],
    "probe": [
        *(Sample(Quantity.TEMPERATURE, value) for value in (19.0, 23.0, 25.5, 27.0, 29.0)),
        *(Sample(Quantity.TEMPERATURE, value, "left") for value in (23.0, 27.0, 29.0)),
        Sample(Quantity.TEMPERATURE, None, quality=Quality.BAD),
    ],
    "reader": [Sample(Quantity.BADGE, "4711"), Sample(Quantity.ONLINE, True), Sample(Quantity.BADGE_REFUSED, "1")],
    "gateway": [Sample(Quantity.LINK_QUALITY, 80.0), Sample(Quantity.ONLINE, False), Sample(Quantity.ONLINE, True)],
}


@st.composite
def readings(draw: st.DrawFn, now: float) -> Reading:
    sensor = draw(st.sampled_from(SENSORS))
    samples = said[sensor.split("-")[-1 if sensor == "vital-reader" else 0]]
    age = draw(st.sampled_from([0, 0, 0, 1, 3, 30]))
    retained, dated = draw(st.sampled_from([(False, True), (False, True), (False, False), (True, True), (True, False)]))
    own = at(now - age) if dated else at(now)
    return Reading(SensorId(sensor), [draw(st.sampled_from(samples))], own, at(now), 0, dated, retained)


@st.composite
def logs(draw: st.DrawFn, changes: int = 3) -> list[Record]:
    """What two ingests heard in both lanes: readings, untils, both, and other rules now and then."""
    log, now = [], 0.0
    for _ in range(draw(st.integers(1, 40))):
        now += draw(st.sampled_from([0, 0, 1, 1, 2, 7, 15]))
        ingest, lane = draw(ingests), draw(lanes)
        kind = draw(st.sampled_from(["said", "said", "said", "until", "both", "rules"]))
        heard = draw(st.lists(readings(now), max_size=4)) if kind in ("said", "both") else []
        until = at(now) if kind in ("until", "both") else None
        commands = [RulesChanged(str(draw(st.integers(0, changes - 1))))] if kind == "rules" else []
        log.append(Record(ingest, at(0), heard, until, list(commands), lane))
    ends = [(ingest, lane) for ingest in ("main", "west") for lane in (False, True)]
    return log + [
        Record(ingest, at(0), until=at(now + more), life_safety=lane) for more in (5, 14, 60) for ingest, lane in ends
    ]


def sets_of(sites_: list[RuleSet]) -> dict[str, RuleSet]:
    return {hash_of(each): each for each in sites_}


def hashed(log: list[Record], drawn: list[RuleSet]) -> list[Record]:
    """The log as it is written: it begins with the first rules, and names others by their hash."""
    begin = Record("main", at(0), commands=[RulesChanged(hash_of(drawn[0]))])
    return [begin, *(_with_hashes(record, drawn) for record in log)]


def _with_hashes(record: Record, drawn: list[RuleSet]) -> Record:
    found = [
        RulesChanged(hash_of(drawn[int(each.rules_hash)])) for each in record.commands if isinstance(each, RulesChanged)
    ]
    return replace(record, commands=list(found))


def one(log: Iterable[Record], sets: dict[str, RuleSet]) -> list[Breach]:
    engine, found = Engine(RuleSet()), []
    for record in log:
        for command in record.commands:
            if isinstance(command, RulesChanged):
                engine = engine.change(sets[command.rules_hash])
        found += engine.apply(record)
    return found


def many(log: Iterable[Record], sets: dict[str, RuleSet], count: int, restarts: bool = False) -> list[Breach]:
    """An engine for each partition, the records split by the rules that hold where they stand."""
    engines = {shard: Engine(RuleSet(), hash_of(RuleSet())) for shard in every_shard(count)}
    now, found = hash_of(RuleSet()), []
    routes = Routes(RuleSet(), count)
    for record in log:
        for command in record.commands:
            if isinstance(command, RulesChanged):
                now = command.rules_hash
                routes = Routes(sets[now], count)
        for shard, share in split(record, routes).items():
            if share.commands:
                engines[shard] = engines[shard].change(part(sets[now], shard, count), now)
            found += engines[shard].apply(share)
            if restarts:
                mine = part(sets[now], shard, count) if now in sets else RuleSet()
                engines[shard] = Engine.restore(mine, engines[shard].checkpoint(), now)
    return found


def by_watch(breaches: list[Breach]) -> dict[tuple[str, str], list[Breach]]:
    found: dict[tuple[str, str], list[Breach]] = {}
    for breach in breaches:
        found.setdefault((breach.rule, breach.subject), []).append(breach)
    return found


law = settings(derandomize=True, deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


@law
@given(st.lists(sites(), min_size=3, max_size=3), logs(), st.integers(1, 5), st.booleans())
def test_all_partitions_together_find_what_one_engine_finds(
    drawn: list[RuleSet], log: list[Record], count: int, restarts: bool
) -> None:
    written, sets = hashed(log, drawn), sets_of(drawn)
    assert by_watch(many(written, sets, count, restarts=restarts)) == by_watch(one(written, sets))


DOOR, READER, GATEWAY = SensorId("door"), SensorId("reader"), SensorId("gateway")
UNBADGED = Without(Quantity.OPEN, True, Quantity.BADGE, s(10))


def site(*given_rules: Rule, **changed: Watched) -> RuleSet:
    """The door, the reader beside it and their gateway are in three zones."""
    sensors = {
        DOOR: Watched(zone="hall", readers=[READER], gateway=GATEWAY),
        READER: Watched(zone="gate", every=s(60), gateway=GATEWAY),
        GATEWAY: Watched(zone="roof", every=s(60)),
    }
    return RuleSet(list(given_rules), sensors | {SensorId(name): each for name, each in changed.items()})


def said_at(seconds: float, sensor: SensorId, quantity: Quantity, value: bool | str, ingest: str = "main") -> Record:
    return Record(ingest, at(0), [Reading(sensor, [Sample(quantity, value)], at(seconds), at(seconds), 0)])


def until(seconds: float, ingest: str = "main") -> Record:
    return Record(ingest, at(0), until=at(seconds))


def change(ruleset: RuleSet) -> Record:
    return Record("main", at(0), commands=[RulesChanged(hash_of(ruleset))])


def found(log: list[Record], *drawn: RuleSet) -> list[Breach]:
    """By one engine, and the same in 7 partitions."""
    sets = sets_of([*drawn])
    alone = one(log, sets)
    assert by_watch(many(log, sets, 7)) == by_watch(alone)
    return alone


def test_a_reader_in_another_zone_is_heard_where_its_door_is() -> None:
    ruleset = site(_rule("unbadged", [DOOR], UNBADGED, 0, 0))
    badge, opened = said_at(2, READER, Quantity.BADGE, "4711"), said_at(5, DOOR, Quantity.OPEN, True)
    assert found([change(ruleset), until(1), badge, opened, until(9)], ruleset) == []
    assert len(found([change(ruleset), until(1), opened, until(9)], ruleset)) == 1


def test_a_door_that_gains_a_reader_knows_what_it_said_before() -> None:
    rule = _rule("unbadged", [DOOR, SensorId("other")], UNBADGED, 0, 0)
    other = Watched(zone="cellar", readers=[SensorId("second")])
    before, after = site(rule, other=other), site(rule, other=replace(other, readers=[READER]))
    things = [until(1), said_at(2, READER, Quantity.BADGE, "4711"), change(after)]
    things += [said_at(3, SensorId("other"), Quantity.OPEN, True), until(4), until(11), until(20)]
    assert found([change(before), *things], before, after) == []


def test_a_gateway_is_remembered_in_every_partition_for_as_long_as_in_one() -> None:
    silent = _rule("silent", [DOOR], Silent(s(60)), 0, 0)
    long = _rule("long", [GATEWAY], State(Quantity.ON, True), 20 * 3600, 0)
    ruleset = site(silent, long, gateway=Watched("west", zone="roof", every=s(60)))
    offline = said_at(100, GATEWAY, Quantity.ONLINE, False, "west")
    later = [said_at(h * 3600, GATEWAY, Quantity.ONLINE, True, "west") for h in range(1, 9)]
    listening = [until(seconds) for seconds in range(60, 130, 10)]
    [breach] = found([change(ruleset), until(60), offline, *later, *listening], ruleset)
    assert breach.note.startswith("gateway gateway offline")


def test_a_sensor_that_moves_to_another_zone_is_cleared_and_begins_anew() -> None:
    rule = _rule("open", [DOOR], State(Quantity.OPEN, True), 3, 0)
    before, after = site(rule), site(rule, door=Watched(zone="elsewhere"))
    raised = [change(before), until(1), said_at(2, DOOR, Quantity.OPEN, True), until(9)]
    again = [change(after), until(12), said_at(14, DOOR, Quantity.OPEN, True), until(30)]
    breaches = found([*raised, *again], before, after)
    assert [(breach.edge, breach.onset, breach.note) for breach in breaches] == [
        (Edge.RAISED, at(2), ""),
        (Edge.CLEARED, at(2), "moved to another zone"),
        (Edge.RAISED, at(14), ""),
    ]


def test_a_channel_is_decided_where_its_sensor_is() -> None:
    ruleset = site(probe=Watched(zone="hall"))
    assert home(ruleset, SensorId("probe#left"), 7) == home(ruleset, SensorId("probe"), 7)


def test_sensors_of_one_zone_are_decided_together_and_lanes_apart() -> None:
    ruleset = site(near=Watched(zone="hall"), vital=Watched(zone="hall", life_safety=True), alone=Watched())
    assert home(ruleset, DOOR, 64) == home(ruleset, SensorId("near"), 64)
    assert home(ruleset, SensorId("vital"), 64) == Shard(True, home(ruleset, DOOR, 64).number)
    assert home(ruleset, SensorId("alone"), 64) == home(site(), SensorId("alone"), 64)


def test_every_rule_and_sensor_is_in_exactly_one_part() -> None:
    ruleset = site(_rule("open", [DOOR, READER, GATEWAY], State(Quantity.ONLINE, True), 0, 0))
    parts = [part(ruleset, shard, 7) for shard in every_shard(7)]
    assert sorted(sensor for each in parts for sensor in each.rules[0].watch) == sorted([DOOR, READER, GATEWAY])


@settings(law, max_examples=10)
@given(sites(), logs(), st.integers(1, 5))
def test_nothing_of_a_record_is_lost_and_lanes_are_never_mixed(drawn: RuleSet, log: list[Record], count: int) -> None:
    routes = Routes(drawn, count)
    for record in log:
        kept = Quarantined(7, b"odd", b"?", "no sensor", at(0))
        counts = Counts(3, 2, 1) if record.until is not None else None
        shares = split(replace(record, quarantined=[kept], counts=counts), routes)
        at_home = [
            reading
            for shard, share in shares.items()
            for reading in share.readings
            if routes.of(reading.sensor)[0] == shard
        ]
        assert sorted(at_home, key=repr) == sorted(record.readings, key=repr)
        assert [share.quarantined for share in shares.values() if share.quarantined] == [[kept]]
        for shard, share in shares.items():
            assert share.life_safety is shard.life_safety
            assert (share.until, share.counts) == ((record.until, counts) if share.until is not None else (None, None))
        ended = {shard for shard, share in shares.items() if share.until is not None}
        lane = {shard for shard in every_shard(count) if shard.life_safety is record.life_safety}
        assert ended == (lane if record.until is not None else set())
        if record.commands:
            assert [share.commands for share in shares.values()] == [record.commands] * 2 * count


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_reader_speaks_in_every_partition_and_a_door_in_its_own(count: int) -> None:
    routes = Routes(site(), count)
    assert routes.of(DOOR) == (home(site(), DOOR, count),)
    assert sorted(routes.of(READER)) == every_shard(count)
    assert routes.of(READER)[0] == home(site(), READER, count)
