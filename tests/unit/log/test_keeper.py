"""What a worker does with the records of its partitions, whatever delivers them: each trap has a test."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest
from msgspec.structs import replace

from deploy import keeper, lane
from deploy.keeper import Claim, Keeper, Over
from deploy.log import postgres, reader
from rules.engine import Engine
from rules.partition import Shard, home, part
from rules.ruleset import Rule, RuleSet, Watched, hash_of, pack
from rules.state import State
from vorab import wire
from vorab.errors import Corrupt, Newer
from vorab.model import (
    SECOND,
    Breach,
    Instant,
    PersonId,
    Priority,
    Quantity,
    Quarantined,
    Reading,
    Record,
    Replayed,
    ResponseId,
    RuleId,
    RulesChanged,
    Sample,
    SensorId,
    Span,
)

DOOR = SensorId("gate-b12-door")
RULES = RuleSet(
    [
        Rule(
            id=RuleId("door-open"),
            watch=[DOOR],
            when=State(Quantity.OPEN, True),
            for_=Span(30 * SECOND),
            priority=Priority.HIGH,
            respond=ResponseId("security"),
        )
    ],
    {DOOR: Watched()},
)
HASH = hash_of(RULES)
COUNT = 4
HERE = home(RULES, DOOR, COUNT).number
TOPIC, ID = "vorab-small-readings", "topic-1"


def door(at: int, *, open_: bool) -> Record:
    reading = Reading(DOOR, [Sample(Quantity.OPEN, open_)], instant(at), instant(at), at)
    return Record("main", Instant(1), [reading])


def until(at: int) -> Record:
    return Record("main", Instant(1), until=instant(at))


def instant(at: int) -> Instant:
    return Instant(1_764_000_000_000_000 + at * SECOND)


RULES_CHANGED = Record("main", Instant(1), commands=[RulesChanged(HASH)])
STORY = [RULES_CHANGED, until(0), door(1, open_=True), until(10), until(20), until(31), door(40, open_=False)]
RAISED = ["door-open raised@31"]
ALL = [*RAISED, "door-open cleared@40"]


class KafkaLog:
    """Partitions in memory; records below `first` are gone."""

    def __init__(self) -> None:
        self.partitions: dict[int, list[bytes | None]] = {number: [] for number in range(COUNT)}
        self.first = 0
        self.reads: list[tuple[int, int]] = []
        self.while_asked: Callable[[], None] = lambda: None
        self.while_read: Callable[[], None] = lambda: None

    def add(self, *records: Record | bytes | None, number: int = HERE) -> None:
        values = [wire.pack(record) if isinstance(record, Record) else record for record in records]
        self.partitions[number] += values

    async def span(self, number: int) -> tuple[int, int]:
        self.while_asked()
        return self.first, len(self.partitions[number])

    async def ends(self, numbers: Iterable[int]) -> dict[int, int]:
        return {number: len(self.partitions[number]) for number in numbers}

    async def read(self, number: int, start: int) -> Sequence[tuple[int, bytes | None]]:
        self.reads.append((number, start))
        self.while_read()
        if start < self.first:
            raise Corrupt(f"record {start} is gone")
        return list(enumerate(self.partitions[number]))[start : start + 2]


class Books:
    """The tables in memory."""

    def __init__(self) -> None:
        self.rows: dict[int, Claim] = {}
        self.breaches: dict[tuple[str, int], Breach] = {}
        self.sets = {HASH: pack(RULES)}
        self.quarantined: list[Quarantined] = []
        self.settled: list[Replayed] = []
        self.poison: dict[tuple[int, int], tuple[bytes, str]] = {}
        self.while_claimed: Callable[[], None] = lambda: None
        self.open: asyncio.Event | None = None  #: breaches are stored when it is set
        self.statements = 0
        self.stops = self.fails = False

    async def claim(self, number: int, topic_id: str) -> Claim:
        row = self.rows.get(number, Claim(0, 0, "", None, topic_id))
        self.rows[number] = row._replace(epoch=row.epoch + 1)
        self.while_claimed()
        return self.rows[number]

    async def save(
        self, number: int, epoch: int, following: int, rules_hash: str, state: bytes, tallies: bytes
    ) -> bool:
        if self.rows[number].epoch != epoch:
            return False
        self.rows[number] = Claim(epoch, following, rules_hash, state, self.rows[number].topic_id, tallies)
        return True

    async def rules(self, rules_hash: str) -> bytes | None:
        return self.sets.get(rules_hash)

    async def add_breaches(self, breaches: Sequence[Breach]) -> None:
        self.statements += 1
        if self.fails:
            raise RuntimeError("no table")
        if self.open:
            await self.open.wait()
        for breach in breaches:
            self.breaches.setdefault((breach.id, breach.number), breach)

    async def add_quarantined(self, record: Record, messages: Sequence[Quarantined]) -> None:
        if self.stops:
            raise asyncio.CancelledError
        self.quarantined += messages

    async def settle(self, again: Replayed) -> None:
        self.settled.append(again)

    async def add_poison(self, number: int, offset: int, raw: bytes, reason: str) -> None:
        self.poison[number, offset] = (raw, reason)

    @property
    def told(self) -> list[str]:
        start = instant(0)
        return [f"{each.rule} {each.edge}@{(each.at - start) // SECOND}" for each in self.breaches.values()]


class Clock:
    """What the keeper takes for the time since some instant."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 1000.0
        monkeypatch.setattr(keeper.time, "monotonic", lambda: self.at)  # type: ignore[attr-defined]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class World:
    """A log, the tables, and a worker that owns the partition of the door."""

    def __init__(self) -> None:
        self.log, self.books = KafkaLog(), Books()
        self.sought: list[tuple[int, int]] = []
        self.runner = asyncio.Runner()
        self.worker = self.another()

    def another(self, topic_id: str = ID) -> Keeper:
        async def seek(number: int, offset: int) -> None:
            self.sought.append((number, offset))

        made = Keeper(TOPIC, topic_id, COUNT, self.books, self.log, life_safety=False, seek=seek)
        made.owns([HERE])
        return made

    def deliver(self, offset: int, worker: Keeper | None = None, number: int = HERE) -> None:
        worker = worker or self.worker
        self.runner.run(worker.event(number, offset, self.log.partitions[number][offset]))
        self.runner.run(worker.stored())

    def deliver_all(self, worker: Keeper | None = None, start: int = 0) -> None:
        for offset in range(start, len(self.log.partitions[HERE])):
            self.deliver(offset, worker)

    def tick(self, worker: Keeper | None = None) -> None:
        worker = worker or self.worker
        self.runner.run(worker.tick())
        self.runner.run(worker.stored())

    def position(self) -> int:
        return self.worker.positions()[HERE]


@pytest.fixture
def world(clock: Clock) -> Iterator[World]:
    made = World()
    made.log.add(*STORY)
    yield made
    made.runner.close()


def test_the_breaches_of_the_records_are_stored(world: World) -> None:
    world.deliver_all()
    assert world.books.told == ALL
    assert world.position() == len(STORY)


# --- the position decides ---------------------------------------------------------------------------------------------


def test_a_record_that_is_delivered_twice_is_applied_once(world: World) -> None:
    for offset in (0, 0, 1, 2, 1, 2, 3, 4, 5, 5):
        world.deliver(offset)
    assert world.books.told == RAISED
    assert world.position() == 6


def test_what_was_passed_over_is_read_before_going_on(world: World) -> None:
    world.deliver(0)
    world.deliver(6)  # 1 to 5 never came
    assert world.books.told == ALL
    assert [start for _, start in world.log.reads] == [1, 3, 5]


def test_a_record_missing_in_the_log_itself_is_a_loud_fault(world: World) -> None:
    world.deliver(0)
    world.log.first = 3
    with pytest.raises(Corrupt, match="gone"):
        world.deliver(6)


def test_a_delivery_far_below_the_position_is_sent_forward_once_a_second(world: World, clock: Clock) -> None:
    world.log.add(*[until(100 + n) for n in range(2000)])
    world.deliver(2000)
    world.deliver(1)
    world.deliver(2)
    assert world.sought == [(HERE, 2001)]
    clock.at += 2
    world.deliver(3)
    assert len(world.sought) == 2
    world.deliver(1999)  # near enough
    assert len(world.sought) == 2


# --- whose a partition is ---------------------------------------------------------------------------------------------


def test_an_event_left_from_before_a_rebalance_claims_nothing(world: World) -> None:
    world.worker.owns([])
    world.deliver(0)
    assert world.books.rows == {}


def test_a_partition_taken_away_while_it_is_claimed_is_not_ours(world: World) -> None:
    world.books.while_claimed = lambda: world.worker.owns([])
    world.deliver(0)
    assert world.worker.positions() == {}


def test_a_partition_taken_away_while_its_log_is_looked_at_is_not_ours(world: World) -> None:
    world.log.while_asked = lambda: world.worker.owns([])
    world.deliver(0)
    assert world.worker.positions() == {}


def test_the_last_owner_may_move_on_until_his_partition_is_claimed(world: World, clock: Clock) -> None:
    other = world.another()
    world.deliver(0)

    def records_come() -> None:
        world.books.while_claimed = lambda: None
        world.log.add(*[until(100 + n) for n in range(5)])
        row = world.books.rows[HERE]
        world.books.rows[HERE] = row._replace(next=9, rules_hash=HASH)

    world.books.while_claimed = records_come
    world.deliver(6, other)
    assert other.positions() == {HERE: 9}


def test_a_partition_that_comes_back_while_it_is_claimed_is_claimed_anew(world: World) -> None:
    def away_and_back() -> None:
        world.books.while_claimed = lambda: None
        world.worker.owns([])
        world.worker.owns([HERE])

    world.books.while_claimed = away_and_back
    world.deliver(0)
    assert world.worker.positions() == {}
    world.deliver_all()
    assert world.books.told == ALL
    assert world.books.rows[HERE].epoch == 2


def test_reading_again_is_given_up_when_the_partition_is_taken_away(world: World) -> None:
    world.deliver(0)
    world.log.while_read = lambda: world.worker.owns([])
    world.deliver(6)
    assert world.books.told == []


def test_an_old_owner_is_refused_and_its_process_ends(world: World, clock: Clock) -> None:
    world.deliver(0)
    other = world.another()
    world.deliver_all(other)
    clock.at += 10
    with pytest.raises(Over, match="epoch 1 is over"):
        world.deliver(1)
    assert world.books.told == ALL


def test_what_an_old_owner_and_the_new_one_both_find_is_the_same(world: World) -> None:
    other = world.another()
    world.deliver_all()
    before = dict(world.books.breaches)
    world.books.breaches.clear()
    world.deliver_all(other)
    assert world.books.breaches == before


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_another_process_goes_on_where_the_last_checkpoint_stands(world: World, clock: Clock) -> None:
    for offset in range(3):
        world.deliver(offset)
    clock.at += 3
    world.deliver(3)
    assert world.books.rows[HERE].next == 4
    other = world.another()
    world.deliver_all(other, 4)
    assert world.books.told == ALL
    assert world.log.reads == []


def test_what_came_after_the_checkpoint_is_read_again(world: World, clock: Clock) -> None:
    for offset in range(3):
        world.deliver(offset)
    clock.at += 3
    world.deliver(3)
    world.deliver(4)
    world.deliver(5)
    other = world.another()
    world.deliver(6, other)  # Kafka's own commit stands further than our checkpoint
    assert world.books.told == ALL
    assert world.log.reads[0] == (HERE, 4)


def test_partitions_are_saved_in_turns_and_none_waits_for_long(world: World, clock: Clock) -> None:
    """A record that comes while all are due waits for one commit and not for one of each."""
    world.log.partitions = {number: [wire.pack(until(n)) for n in range(4)] for number in range(COUNT)}
    world.worker.owns(range(COUNT))

    def all_hear(offset: int) -> list[int]:
        for number in range(COUNT):
            world.deliver(offset, number=number)
        return [number for number, row in world.books.rows.items() if row.next == offset + 1]

    assert all_hear(0) == []
    clock.at += keeper.CHECKPOINT_EVERY_S
    assert all_hear(1) == [0]
    clock.at += keeper.CHECKPOINT_EVERY_S / COUNT
    assert all_hear(2) == [1]
    clock.at += keeper.CHECKPOINT_EVERY_S
    assert all_hear(3) == [0, 2, 3], "it is the turn of the first, and two have waited for long enough"


def test_a_long_way_is_saved_as_it_is_gone(world: World, clock: Clock) -> None:
    world.deliver(0)

    def hours_pass() -> None:
        clock.at += 3
        world.log.while_read = lambda: setattr(world.log, "first", 9)  # Kafka fails after two records

    world.log.while_read = hours_pass
    with pytest.raises(Corrupt, match="record 3 is gone"):
        world.deliver(6)
    assert world.books.rows[HERE].next == 3


def test_a_checkpoint_beyond_the_log_needs_a_person(world: World) -> None:
    state = Engine(part(RULES, Shard(False, HERE), COUNT), HASH).checkpoint()
    world.books.rows[HERE] = Claim(1, 100, HASH, state, ID)
    with pytest.raises(Corrupt, match="decided up to record 100, but the log holds 0 to 7"):
        world.deliver(0)


def test_a_checkpoint_whose_records_are_gone_needs_a_person(world: World) -> None:
    world.log.first = 5
    with pytest.raises(Corrupt, match="decided up to record 0, but the log holds 5 to 7"):
        world.deliver(5)


def test_a_person_may_let_it_go_on_after_what_is_gone(world: World) -> None:
    world.log.add(door(50, open_=True), until(90))
    world.log.first = 5
    world.books.rows[HERE] = Claim(1, 6, HASH, None, ID)
    world.deliver_all(start=6)
    assert world.books.told == ["door-open raised@80"]


def test_a_checkpoint_of_a_topic_that_was_made_again_needs_a_person(world: World) -> None:
    world.deliver(0)
    with pytest.raises(Corrupt, match="another topic of that name"):
        world.deliver(0, world.another("topic-2"))


def test_a_wiped_checkpoint_means_reading_from_the_beginning(world: World) -> None:
    world.deliver_all()
    del world.books.rows[HERE]
    other = world.another()
    world.deliver(6, other)
    assert world.books.told == ALL
    assert other.positions() == {HERE: 7}


def test_a_checkpoint_that_cannot_be_read_means_reading_from_the_beginning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.books.rows[HERE] = Claim(1, 4, HASH, b"\x01rubbish", ID)
    world.deliver(6)
    assert world.books.told == ALL
    assert "cannot be used" in caplog.text


def test_no_checkpoint_covers_half_a_record(world: World, clock: Clock) -> None:
    """Told to stop in the middle of one: the rules have seen the record, the position has not."""
    message = Quarantined(7, b"zigbee2mqtt/cat", b"cat", "no JSON", instant(1))
    world.log.partitions[HERE][2] = wire.pack(replace(door(1, open_=True), quarantined=[message]))
    world.deliver(0)
    world.deliver(1)
    world.books.stops = True
    with pytest.raises(asyncio.CancelledError):
        world.deliver(2)
    world.books.stops = False
    clock.at += 10
    world.tick()
    assert world.position() == 0, "restored, not saved"
    world.deliver(6)
    assert world.books.told == ALL


def test_no_checkpoint_covers_a_breach_that_is_not_stored(world: World, clock: Clock) -> None:
    async def story() -> None:
        world.books.open = asyncio.Event()
        for offset in range(6):
            await world.worker.event(HERE, offset, world.log.partitions[HERE][offset])
        assert world.books.told == []
        clock.at += 2
        saving = asyncio.create_task(world.worker.tick())
        for _ in range(10):
            await asyncio.sleep(0)
        assert world.books.rows[HERE].next == 0
        world.books.open.set()
        await saving
        assert world.books.rows[HERE].next == 6
        assert world.books.told == RAISED

    world.runner.run(story())


def test_what_is_found_while_a_statement_is_under_way_goes_into_the_next_one(world: World) -> None:
    async def story() -> None:
        world.books.open = asyncio.Event()
        for n in range(20):
            world.log.add(door(100 + 100 * n, open_=True), until(140 + 100 * n), door(150 + 100 * n, open_=False))
        for offset, value in enumerate(world.log.partitions[HERE]):
            await world.worker.event(HERE, offset, value)
        world.books.open.set()
        await world.worker.stored()

    world.runner.run(story())
    assert len(world.books.told) == 42
    assert world.books.statements == 2


def test_breaches_that_cannot_be_stored_end_the_process(world: World, clock: Clock) -> None:
    world.books.fails = True
    with pytest.raises(RuntimeError, match="no table"):
        world.deliver_all()
    clock.at += 10
    with pytest.raises(RuntimeError, match="no table"):
        world.tick()
    assert world.books.rows[HERE].next == 0


# --- what nobody delivers ---------------------------------------------------------------------------------------------


def test_a_tick_reads_what_was_not_delivered_for_two_seconds(world: World, clock: Clock) -> None:
    world.deliver(0)
    clock.at += 1.5
    world.tick()
    assert world.books.told == []
    clock.at += 1
    world.tick()
    assert world.books.told == ALL


def test_a_tick_leaves_what_has_come_after_a_silence_to_who_delivers(world: World, clock: Clock) -> None:
    world.deliver_all()
    for _ in range(5):
        clock.at += 1
        world.tick()
    world.log.add(until(50))
    clock.at += 1
    world.tick()
    assert world.log.reads == []


def test_a_tick_leaves_alone_who_delivers_but_is_behind(world: World, clock: Clock) -> None:
    for offset in range(5):
        world.deliver(offset)
        clock.at += 1.5
        world.tick()
    assert world.log.reads == []


def test_a_tick_restores_what_is_ours_before_anything_comes(world: World) -> None:
    world.tick()
    assert world.worker.positions() == {HERE: 0}


def test_a_tick_saves_what_is_idle(world: World, clock: Clock) -> None:
    world.deliver_all()
    clock.at += 3
    world.tick()
    assert world.books.rows[HERE].next == 7


def test_who_waits_for_a_server_that_is_frozen_is_not_taken_for_hung() -> None:
    assert postgres.ANSWER_WITHIN_S + lane.TICK_S < lane.HUNG_AFTER_S
    assert reader.ANSWER_WITHIN_S + lane.TICK_S < lane.HUNG_AFTER_S


def test_who_never_delivers_is_ended(world: World, clock: Clock) -> None:
    for n in range(8):  # the first one only restores
        world.log.add(until(100 + n))
        clock.at += 3
        world.tick()
    world.log.add(until(110))
    clock.at += 3
    with pytest.raises(Over, match="8 times in a row"):
        world.tick()


def test_one_delivery_shows_that_it_is_not_deaf(world: World, clock: Clock) -> None:
    for n in range(24):
        world.log.add(until(100 + n))
        clock.at += 3
        world.tick()
        if n % 4 == 3:
            world.deliver(0)


# --- what a record may be ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw", [b"", None, b"cat", b'{"open": true}', b"\x01", b"\x01cat", b"\x98", b"\x01\xc0", b"\x00", b"\xff" * 40]
)
def test_a_record_that_nobody_can_read_is_kept_and_passed_over(
    world: World, raw: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    world.log.partitions[HERE].insert(3, raw)
    world.deliver_all()
    assert world.books.told == ALL
    assert world.books.poison[HERE, 3][0] == (raw or b"")
    assert len(caplog.records) == 1


def test_a_record_with_text_that_is_no_text_is_kept_and_passed_over(world: World) -> None:
    world.log.partitions[HERE].insert(3, wire.pack(until(5)).replace(b"main", b"\xff\xfe\xfd\xfc"))
    world.deliver_all()
    assert world.books.told == ALL
    assert list(world.books.poison) == [(HERE, 3)]


def test_a_record_of_a_newer_version_needs_a_person_and_is_not_passed_over(world: World) -> None:
    world.log.partitions[HERE].insert(3, b"\x02" + wire.pack(until(5))[1:])
    for offset in range(3):
        world.deliver(offset)
    with pytest.raises(Newer, match=r"record 3: format version 02.*newer"):
        world.deliver(3)
    assert world.position() == 3
    assert world.books.poison == {}


def test_a_missing_rule_set_needs_a_person(world: World) -> None:
    world.books.sets.clear()
    with pytest.raises(Corrupt, match=f"the rule set {HASH} decides here, and the table rule_sets has none"):
        world.deliver(0)


def test_a_missing_rule_set_of_a_checkpoint_needs_a_person(world: World, clock: Clock) -> None:
    world.deliver(0)
    clock.at += 3
    world.deliver(1)
    world.books.sets.clear()
    with pytest.raises(Corrupt, match="rule_sets"):
        world.deliver(2, world.another())


def test_a_checkpoint_from_before_any_rules_is_gone_on_with(world: World, clock: Clock) -> None:
    world.log.partitions[HERE].clear()
    world.tick()
    clock.at += 3
    world.tick()
    assert world.books.rows[HERE].rules_hash == hash_of(RuleSet())
    world.log.add(*STORY)
    world.deliver_all(world.another())
    assert world.books.told == ALL


def test_messages_that_nobody_understood_are_kept(world: World) -> None:
    message = Quarantined(7, b"zigbee2mqtt/cat", b"cat", "no JSON", instant(1))
    world.log.add(Record("main", Instant(1), quarantined=[message]))
    world.log.add(Record("main", Instant(1), commands=[Replayed("c1", PersonId("ivo"), [("main", Instant(1), 7)])]))
    world.deliver_all()
    assert world.books.quarantined == [message]
    assert [again.id for again in world.books.settled] == ["c1"]


def test_a_partition_where_no_rule_is_at_home_is_decided_all_the_same(world: World, clock: Clock) -> None:
    other = (HERE + 1) % COUNT
    assert home(RULES, DOOR, COUNT) != Shard(False, other)
    world.log.add(*STORY, number=other)
    world.worker.owns([other])
    for offset in range(len(STORY)):
        world.deliver(offset, number=other)
    assert world.books.told == []
    assert world.worker.positions() == {other: len(STORY)}
