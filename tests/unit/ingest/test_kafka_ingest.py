"""Ingest of a site on Kafka, without Kafka: what it lets acknowledge is in the log, in order, and it holds no more."""

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from deploy.ingest import GATHER, GATHER_S, HELD_BYTES, MOST, RECORD_BYTES, WINDOW, Ingest, Load, packed
from deploy.log.orders import Order
from deploy.log.tail import Tail
from ingest.mqtt import DUP, Publish
from rules.partition import Shard, every_shard
from rules.ruleset import RuleSet, Watched, hash_of, pack
from vorab import wire
from vorab.model import (
    SECOND,
    Counts,
    Instant,
    PersonId,
    Quantity,
    Quarantined,
    Reading,
    Record,
    Replayed,
    RulesChanged,
    Sample,
    SensorId,
)
from vorab.payload import MAX_BYTES
from vorab.site import Broker, KafkaLog, Sensor, SensorType, Site

NOON = Instant(1_764_000_000_000_000)
PARTITIONS = 4
Z2M = SensorType("climate", "zigbee2mqtt", "zigbee2mqtt/{sensor}")
AED = SensorType("aed", "json", "aed/{sensor}", life_safety=True)
ROOMS = [SensorId(f"room-{number}") for number in range(12)]
SENSORS = [Sensor(room, Z2M, f"zigbee2mqtt/{room}") for room in ROOMS]
SENSORS.append(Sensor(SensorId("aed-1"), AED, "aed/aed-1"))
RULES = RuleSet([], {sensor.id: Watched("main", life_safety=sensor.type.life_safety) for sensor in SENSORS})
BOTH = every_shard(PARTITIONS)


def site(rules: RuleSet = RULES, sensors: list[Sensor] = SENSORS) -> Site:
    log = KafkaLog(["127.0.0.1:1"], PARTITIONS)
    whole = Site("test", "UTC", ["en"], "", [Broker()], [], sensors, [], [], [], [], pack(rules), hash_of(rules))
    return replace(whole, log=log)


def tail(records: list[Record] | None = None, rules: dict[Shard, str] | None = None, end: int = 9) -> Tail:
    return Tail(records or [], NOON, dict.fromkeys(BOTH, (3, end)), rules or {})


class House:
    """An ingest whose Kafka is a list, and acknowledges when the test says so."""

    def __init__(self, known: Tail | None = None, of: Site | None = None) -> None:
        self.sent: list[tuple[Shard, Record]] = []
        self.under_way: list[Load] = []
        self.now, self.monotonic = NOON, 100.0
        self.heard = {True: 0, False: 0}
        self.ingest = Ingest(of or site(), "main", NOON, known or tail(), self._send)

    def _send(self, shard: Shard, value: bytes, load: Load) -> None:
        self.sent.append((shard, wire.unpack(value, wire.RECORD)))
        self.under_way.append(load)

    def says(self, *payloads: str, first: int = 1, flags: int = 2, size: int | None = None) -> None:
        """Rooms, one after the other, with these packet ids."""
        self.hears(
            [
                (f"zigbee2mqtt/{ROOMS[number % len(ROOMS)]}".encode(), payload.encode(), flags, first + number)
                for number, payload in enumerate(payloads)
            ],
            size=size,
        )

    def hears(self, publishes: list[Publish], *, life_safety: bool = False, size: int | None = None) -> None:
        self.heard[life_safety] += len(publishes)
        self.ingest.take(
            publishes,
            self.now,
            self.monotonic,
            life_safety=life_safety,
            received=self.heard[life_safety],
            size=sum(len(each[1]) for each in publishes) if size is None else size,
        )

    def passes(self, seconds: float) -> None:
        self.now = Instant(self.now + int(seconds * SECOND))
        self.monotonic += seconds + 1e-6
        self.ingest.send_due(self.monotonic)

    def arrives(self, which: Callable[[int], bool] = lambda _: True) -> None:
        """Kafka acknowledges these of the records under way."""
        rest = []
        for number, load in enumerate(self.under_way):
            if which(number):
                load.missing -= 1
            else:
                rest.append(load)
        self.under_way = rest

    def acknowledged(self, *, life_safety: bool = False) -> list[int]:
        return self.ingest.acknowledgeable(life_safety=life_safety)

    @property
    def readings(self) -> list[Reading]:
        return [reading for _, record in self.sent for reading in record.readings]


@pytest.fixture
def house() -> House:
    return House()


def warm(value: float) -> str:
    return json.dumps({"temperature": value})


def test_ordinary_messages_are_gathered_for_a_moment_and_go_out_by_partition(house: House) -> None:
    house.says(warm(20))
    house.passes(0)
    house.arrives()
    assert len(house.readings) == 1, "the first after a silence does not wait"
    house.sent.clear()
    house.says(*(warm(each) for each in range(12)))
    house.passes(0)
    assert house.sent == []
    assert house.ingest.wait_s(house.monotonic) == pytest.approx(GATHER_S, rel=0.01)
    house.passes(GATHER_S)
    assert len(house.readings) == 12
    assert len({shard for shard, _ in house.sent}) == len(house.sent) > 1
    for shard, record in house.sent:
        assert not shard.life_safety
        assert [each.ordinal for each in record.readings] == sorted(each.ordinal for each in record.readings)


def test_life_safety_does_not_wait(house: House) -> None:
    house.hears([(b"aed/aed-1", b'{"taken":true}', 2, 7)], life_safety=True)
    [(shard, record)] = house.sent
    assert shard.life_safety
    assert record.life_safety
    house.arrives()
    assert house.acknowledged(life_safety=True) == [7]


def test_many_at_once_do_not_wait_either(house: House) -> None:
    house.says(*(warm(each / 10) for each in range(GATHER)))
    assert len(house.readings) == GATHER


def test_nothing_is_acknowledged_before_all_its_records_are_in_the_log(house: House) -> None:
    house.says(*(warm(each) for each in range(12)))
    house.passes(GATHER_S)
    house.arrives(lambda number: number > 0)
    assert house.acknowledged() == []
    house.arrives()
    assert house.acknowledged() == list(range(1, 13))
    assert house.acknowledged() == [], "once"


def test_acknowledgements_are_in_order_of_arrival_up_to_the_first_hole(house: House) -> None:
    for first in (1, 21, 41):
        house.says(warm(first), first=first)
        house.passes(GATHER_S)
    house.arrives(lambda number: number != 1)
    assert house.acknowledged() == [1]
    house.arrives()
    assert house.acknowledged() == [21, 41]


def test_what_says_nothing_is_acknowledged_in_its_turn(house: House) -> None:
    house.says(warm(1), first=1)
    house.hears([(b"vorab/test/drained", b"marker", 2, 2), (b"vorab/test/other", b"", 0, 0)])
    house.passes(GATHER_S)
    assert house.acknowledged() == []
    house.arrives()
    assert house.acknowledged() == [1, 2]
    house.hears([(b"vorab/test/drained", b"marker", 2, 3)])
    house.passes(GATHER_S)
    assert house.acknowledged() == [3], "nothing of it is for the log"


def test_packet_ids_of_a_lost_connection_are_never_acknowledged_on_the_next(house: House) -> None:
    """The broker may have given the number to another message by then, which is not in the log yet."""
    house.ingest.connected(1, life_safety=False)
    house.says(warm(1), first=1)
    house.passes(GATHER_S)
    house.says(warm(2), first=2)
    house.ingest.connected(2, life_safety=False)
    house.says(warm(1), first=1, flags=2 | DUP)
    house.passes(GATHER_S)
    house.arrives()
    assert house.acknowledged() == [1], "of the repetition, once"
    assert len(house.readings) == 2


def test_what_the_broker_repeats_is_acknowledged_only_after_the_first_one_is_in_the_log(house: House) -> None:
    house.ingest.connected(1, life_safety=False)
    house.says(warm(1), first=1)
    house.passes(GATHER_S)
    house.ingest.connected(2, life_safety=False)
    house.says(warm(1), first=1, flags=2 | DUP)
    house.passes(GATHER_S)
    assert house.acknowledged() == []
    house.arrives()
    assert house.acknowledged() == [1]


@pytest.mark.parametrize("life_safety", [False, True])
def test_time_is_told_to_every_partition_of_the_lane_after_what_was_received(house: House, life_safety: bool) -> None:
    if life_safety:
        house.hears([(b"aed/aed-1", b'{"taken":true}', 2, 7)], life_safety=True)
    else:
        house.says(warm(1))
    house.ingest.tick(Instant(NOON + SECOND), life_safety=life_safety)
    untils = [(shard, record.until) for shard, record in house.sent if record.until is not None]
    assert untils == [(shard, NOON + SECOND) for shard in BOTH if shard.life_safety is life_safety]
    with_readings = [number for number, (_, record) in enumerate(house.sent) if record.readings]
    last = {shard: number for number, (shard, record) in enumerate(house.sent) if record.until is not None}
    assert all(number <= last[house.sent[number][0]] for number in with_readings)


def test_while_the_log_does_not_answer_time_stands_still(house: House) -> None:
    for second in range(1, 100):
        house.ingest.tick(Instant(NOON + second * SECOND), life_safety=False)
    assert len(house.sent) == PARTITIONS
    assert not house.ingest.ticks(life_safety=False)
    assert house.ingest.ticks(life_safety=True)
    house.arrives()
    house.ingest.tick(Instant(NOON + 99 * SECOND), life_safety=False)
    assert len(house.sent) == 2 * PARTITIONS


def test_every_message_is_counted_once(house: House) -> None:
    house.says(warm(1), "cat", first=1)
    house.says(warm(1), first=1, flags=2 | DUP)
    house.hears([(b"vorab/test/drained", b"marker", 2, 9)])
    house.hears([(b"aed/aed-1", b'{"taken":true}', 2, 7)], life_safety=True)
    house.ingest.tick(Instant(NOON + SECOND), life_safety=False)
    counts = [record.counts for _, record in house.sent if record.counts]
    assert counts == [Counts(received=5, duplicates=1, ignored=1)] * PARTITIONS
    quarantined = [each for _, record in house.sent for each in record.quarantined]
    assert len(house.readings) + len(quarantined) == 5 - 1 - 1


def test_what_is_only_gathered_is_not_counted_yet(house: House) -> None:
    house.says(warm(1))
    house.ingest.tick(Instant(NOON + SECOND), life_safety=True)
    assert {record.counts for _, record in house.sent} == {Counts()}


@pytest.mark.parametrize("size", [64 * 1024, 100])
def test_no_more_is_held_than_the_window_and_32_mb(house: House, size: int) -> None:
    read = max(1, 96 * 1024 // size)
    taken = 0
    while not house.ingest.rests(life_safety=False):
        house.says(*(warm(taken + each) for each in range(read)), first=taken % 60_000 + 1, size=size * read)
        house.passes(0.001)
        taken += read
    assert taken * size < HELD_BYTES + 2 * 96 * 1024
    assert taken < WINDOW + read
    assert not house.ingest.rests(life_safety=True), "each lane has its own"
    house.passes(GATHER_S)
    house.arrives()
    assert len(house.acknowledged()) == taken
    assert not house.ingest.rests(life_safety=False)


def test_at_a_clean_stop_the_last_goes_out_with_its_counts(house: House) -> None:
    house.ingest.tick(Instant(NOON + SECOND), life_safety=False)
    house.says(warm(1))
    house.ingest.finish()
    assert len(house.readings) == 1
    assert house.sent[-1][1].counts == Counts(received=1)


# --- the tail of the log ----------------------------------------------------------------------------------------------


def test_after_a_restart_what_the_broker_repeats_is_known(house: House) -> None:
    house.says(warm(1), "cat", first=1)
    house.passes(GATHER_S)
    again = House(tail([record for _, record in house.sent]))
    again.says(warm(1), "cat", first=1, flags=2 | DUP)
    again.passes(GATHER_S)
    assert again.sent == []
    assert again.acknowledged() == [1, 2]


def test_the_rules_are_told_to_every_partition_when_one_of_them_has_others(house: House) -> None:
    ours = hash_of(RULES)
    house.ingest.change_rules({})
    assert [shard for shard, _ in house.sent] == BOTH
    assert {tuple(record.commands) for _, record in house.sent} == {(RulesChanged(ours),)}
    told = House(tail(rules=dict.fromkeys(BOTH, ours)))
    told.ingest.change_rules({})
    assert told.sent == []
    assert told.ingest.knows_rules()
    one_differs = House(tail(rules=dict.fromkeys(BOTH, ours) | {BOTH[5]: "other"}))
    assert not one_differs.ingest.knows_rules()
    one_differs.ingest.change_rules({})
    assert len(one_differs.sent) == len(BOTH)


@pytest.mark.parametrize(
    ("position", "rules", "told"),
    [(3, "ours", False), (9, "ours", False), (2, "ours", True), (10, "ours", True), (5, "others", True)],
)
def test_what_the_tail_does_not_tell_the_checkpoint_may(position: int, rules: str, told: bool) -> None:
    """It must lie in the tail: between an older one and that, other rules may have come; beyond it, another log."""
    house = House()
    hashes = {"ours": hash_of(RULES), "others": "0"}
    house.ingest.change_rules(dict.fromkeys(BOTH, (position, hashes[rules])))
    assert bool(house.sent) is told


# --- quarantine again -------------------------------------------------------------------------------------------------


def order(*payloads: bytes, topic: bytes = b"zigbee2mqtt/room-3") -> tuple[Order, list[bool]]:
    done: list[bool] = []
    run = Instant(NOON - SECOND)
    messages = [
        (run, Quarantined(number, topic, payload, "?", run, packet_id=number))
        for number, payload in enumerate(payloads, 1)
    ]
    return Order("command-1", PersonId("ana"), messages, lambda: done.append(True)), done


def test_what_is_understood_by_now_goes_into_the_log_and_is_settled(house: House) -> None:
    wanted, done = order(b'{"temperature":20}', b"cat")
    house.ingest.quarantine_again(wanted)
    settled = [("main", Instant(NOON - SECOND), 1)]
    assert [shard for shard, _ in house.sent] == BOTH
    assert {repr(record.commands) for _, record in house.sent} == {
        repr([Replayed("command-1", PersonId("ana"), settled)])
    }
    assert [(each.sensor, each.at) for each in house.readings] == [("room-3", NOON - SECOND)]
    assert house.acknowledged() == []
    assert not done
    house.arrives()
    house.acknowledged()
    assert done == [True]


@pytest.mark.parametrize("restart", [False, True])
def test_an_order_given_twice_is_carried_out_once(house: House, restart: bool) -> None:
    house.ingest.quarantine_again(order(b'{"temperature":20}')[0])
    again = House(tail([record for _, record in house.sent])) if restart else house
    count = len(again.sent)
    wanted, done = order(b'{"temperature":20}')
    again.ingest.quarantine_again(wanted)
    assert len(again.sent) == count
    assert done == [True]


# --- the size of a record ---------------------------------------------------------------------------------------------


def reading(number: int, text: str = "") -> Reading:
    return Reading(ROOMS[0], [Sample(Quantity.BADGE, text)], NOON, NOON, number)


@pytest.mark.parametrize(
    ("readings", "quarantined"),
    [
        ([], []),
        ([reading(number) for number in range(3 * MOST + 1)], []),
        ([reading(number, "x" * 200_000) for number in range(40)], [200_000] * 40),
        ([reading(1, "x" * 200_000)], [MAX_BYTES] * 40),
        ([], [10 * MAX_BYTES]),
        ([reading(1, "x" * 10 * MAX_BYTES)], []),
    ],
)
def test_a_record_is_cut_where_it_is_too_large(readings: list[Reading], quarantined: list[int]) -> None:
    refused = [Quarantined(number, b"t", bytes(size), "?", NOON) for number, size in enumerate(quarantined)]
    whole = Record("main", NOON, readings, Instant(NOON + 1), [], False, refused, Counts(1, 2, 3))
    values = list(packed(whole))
    pieces = [wire.unpack(value, wire.RECORD) for value in values]
    assert [each for piece in pieces for each in piece.readings] == readings
    assert [each for piece in pieces for each in piece.quarantined] == refused
    assert [piece.until for piece in pieces] == [None] * (len(pieces) - 1) + [NOON + 1]
    assert [piece.counts for piece in pieces] == [None] * (len(pieces) - 1) + [Counts(1, 2, 3)]
    for value, piece in zip(values, pieces, strict=True):
        assert len(piece.readings) <= MOST
        assert len(value) <= RECORD_BYTES or len(piece.readings) + len(piece.quarantined) == 1
