"""What one worker knows of its partitions: how far each is decided, and what its rules remember.

Our position counts, what the library delivers is a hint (DESIGN §4): a record below it is skipped, and what was passed
over is read again.  No checkpoint covers a breach that is not stored.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from deploy.received import Tallies
from rules.engine import Engine
from rules.partition import Shard, guests, part
from rules.ruleset import RuleSet, hash_of, unpack
from vorab import crash, wire
from vorab.errors import Corrupt, Newer, VorabError
from vorab.model import Breach, Quarantined, Record, Replayed, RulesChanged, SensorId

CHECKPOINT_EVERY_S = 2.0  #: of a partition; it waits up to as long again until no other one was saved just now
UNHEARD_S = 2.0  #: what was not delivered for so long is read by a tick
FAR_BEHIND = 1000  #: records; a delivery so far below our position is sent forward
UNSTORED = 1000  #: breaches that may wait for PostgreSQL
NO_RULES = hash_of(RuleSet())
DEAF_AFTER = 8  #: ticks in a row that had to read what was not delivered; a leader's fail-over takes fewer

log = logging.getLogger("vorab.worker")


class Over(VorabError):
    """This process cannot go on, and another one can: exit code 70."""


class Claim(NamedTuple):
    """A partition is ours under this epoch; the rest is where the last owner left it."""

    epoch: int
    next: int
    rules_hash: str
    state: bytes | None
    topic_id: str
    tallies: bytes | None = None


class Log(Protocol):
    """The topic, read by position."""

    async def span(self, number: int) -> tuple[int, int]:
        """Offsets of the first record of a partition and of the next one that will be written."""
        ...

    async def ends(self, numbers: Iterable[int]) -> dict[int, int]:
        """The second of them for each; nothing when Kafka does not answer now."""
        ...

    async def read(self, number: int, start: int) -> Sequence[tuple[int, bytes | None]]:
        """Some records from there on, with their offsets; none when none came within a second."""
        ...


class Tables(Protocol):
    """What is kept in PostgreSQL.  Everything may be done twice, and is tried again until it is done."""

    async def claim(self, number: int, topic_id: str) -> Claim: ...

    async def save(
        self, number: int, epoch: int, following: int, rules_hash: str, state: bytes, tallies: bytes
    ) -> bool:
        """False = the epoch is over: another process has claimed the partition."""
        ...

    async def rules(self, rules_hash: str) -> bytes | None: ...

    async def add_breaches(self, breaches: Sequence[Breach]) -> None: ...

    async def add_quarantined(self, record: Record, messages: Sequence[Quarantined]) -> None: ...

    async def settle(self, again: Replayed) -> None: ...

    async def add_poison(self, number: int, offset: int, raw: bytes, reason: str) -> None: ...


class Part:
    """What one partition knows.  `next` is the first record that is not applied."""

    __slots__ = ("engine", "epoch", "guests", "heard", "next", "number", "saved", "sent_forward", "tallies", "unheard")

    def __init__(self, number: int, epoch: int, following: int, engine: Engine, tallies: Tallies) -> None:
        self.number, self.epoch, self.next, self.engine, self.tallies = number, epoch, following, engine, tallies
        self.guests: frozenset[SensorId] = frozenset()  #: sensors that are counted in another partition
        self.saved = self.heard = time.monotonic()
        self.sent_forward = 0.0
        self.unheard = 0  #: ticks in a row that had to read


class Storing:
    """Breaches on their way: while one statement is under way, what is found meanwhile waits for the next one."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._waiting: list[Breach] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, breaches: list[Breach]) -> None:
        self._waiting += breaches
        if self._task is None:
            self._task = asyncio.create_task(self._store())
        if len(self._waiting) > UNSTORED or self._task.done():
            await self.all()
        else:
            await asyncio.sleep(0)  # the first one is on its way

    async def all(self) -> None:
        """Everything that was added is in the table.  Raises what went wrong."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _store(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            crash.point("worker.before-breaches")
            await self._tables.add_breaches(taken)
            crash.point("worker.after-breaches")
        self._task = None


class Keeper:
    """The partitions of one lane that are ours now.  One lock: records, ticks and checkpoints never interleave."""

    def __init__(
        self,
        topic: str,
        topic_id: str,
        partitions: int,
        tables: Tables,
        records: Log,
        *,
        life_safety: bool,
        seek: Callable[[int, int], Awaitable[None]],
    ) -> None:
        """`seek`: whoever delivers goes on from there in a partition; what is not ours any more is no error."""
        self._topic, self._topic_id, self._count, self._lane = topic, topic_id, partitions, life_safety
        self._tables, self._log, self._seek = tables, records, seek
        self._mine: frozenset[int] = frozenset()
        self._parts: dict[int, Part] = {}
        self._rules: dict[str, RuleSet] = {}
        self._lock = asyncio.Lock()
        self._storing = Storing(tables)
        self._save_at = 0.0  #: monotonic seconds: the next one, of whichever partition
        self.alive = time.monotonic()  #: when a record or a tick last got through

    def owns(self, numbers: Iterable[int]) -> None:
        """From here on these are ours and no others; all that was known is forgotten, and read again when needed.

        Called in the middle of whatever awaits: that finds its part gone.
        """
        self._mine = frozenset(numbers)
        self._parts = {}

    def positions(self) -> dict[int, int]:
        """By partition, the first record that is not applied."""
        return {number: part.next for number, part in self._parts.items()}

    async def stored(self) -> None:
        """All breaches that were found so far are in the table."""
        await self._storing.all()

    async def event(self, number: int, offset: int, value: bytes | None) -> None:
        """A record was delivered.  Raises Over; Corrupt and ConfigurationError when a person must look."""
        async with self._lock:
            part = self._parts.get(number) or await self._restore(number)
            if part is None:
                return
            part.heard, part.unheard = time.monotonic(), 0
            if offset < part.next:
                await self._send_forward(part, offset)
            elif offset == part.next or await self._catch_up(part, offset):
                await self._apply(part, offset, value)
                await self._save_when_due(part)

    async def tick(self) -> None:
        """Once a second: what is ours is restored early, what nobody delivers is read, what is idle is saved.

        Raises as `event`.
        """
        self.alive = time.monotonic()
        for number, end in (await self._log.ends(self._mine)).items():
            async with self._lock:
                part = self._parts.get(number) or await self._restore(number)
                if part is None:
                    continue
                if part.next >= end:
                    part.heard = time.monotonic()  # there was nothing to hear
                elif time.monotonic() - part.heard > UNHEARD_S:
                    await self._listen_ourselves(part, end)
                await self._save_when_due(part)

    # --- where it stands ----------------------------------------------------------------------------------------------

    async def _restore(self, number: int) -> Part | None:
        """The partition as its last owner left it; None = it is not ours: an event from before a rebalance.

        A claim for it would end its owner, so nothing is awaited before it; what was awaited may be ours no more.
        """
        mine = self._mine
        if number not in mine:
            return None
        claim = await self._tables.claim(number, self._topic_id)
        if claim.topic_id != self._topic_id:
            raise Corrupt(
                f"{self._name(number)}: the checkpoint is of another topic of that name ({claim.topic_id}), which was "
                "deleted: delete its rows from checkpoints to begin with this one"
            )
        following, engine, tallies = await self._restored(number, claim)
        first, end = await self._log.span(number)  # after the claim: until then the last owner may move on
        if not first <= following <= end:
            raise Corrupt(
                f"{self._name(number)}: decided up to record {following}, but the log holds {first} to {end}: "
                "restore Kafka, or the checkpoint, from its backup; to go on knowing nothing, set next to one of these "
                "and state to NULL in its row of checkpoints"
            )
        if self._mine is not mine:
            return None
        part = self._parts[number] = Part(number, claim.epoch, following, engine, tallies)
        part.guests = self._guests(number, engine.ruleset_hash)
        return part

    async def _restored(self, number: int, claim: Claim) -> tuple[int, Engine, Tallies]:
        """The first record to apply, and what is known before it: where it cannot be read, nothing at the beginning."""
        if not claim.rules_hash:
            return claim.next, Engine(RuleSet()), Tallies()
        ruleset = await self._ruleset(number, claim.rules_hash)
        if claim.state is None:  # a person has put it there, to go on after what is gone
            return claim.next, Engine(ruleset, claim.rules_hash), Tallies()
        try:
            return claim.next, Engine.restore(ruleset, claim.state, claim.rules_hash), Tallies(claim.tallies)
        except Corrupt as error:
            log.error("%s: the checkpoint at record %d cannot be used: %s", self._name(number), claim.next, error)
            return 0, Engine(RuleSet()), Tallies()

    async def _ruleset(self, number: int, rules_hash: str) -> RuleSet:
        """The rules of this partition.  Raises Corrupt when the set is not there."""
        if rules_hash == NO_RULES:  # of a checkpoint that was saved before an ingest had named any
            return RuleSet()
        if rules_hash not in self._rules:
            packed = await self._tables.rules(rules_hash)
            if packed is None:
                raise Corrupt(
                    f"{self._name(number)}: the rule set {rules_hash} decides here, and the table rule_sets has none "
                    "of that name: restore it from the backup"
                )
            self._rules = {rules_hash: unpack(packed)}
        return part(self._rules[rules_hash], Shard(self._lane, number), self._count)

    def _guests(self, number: int, rules_hash: str) -> frozenset[SensorId]:
        """By rules that are at hand; of none at all there are no guests."""
        ruleset = self._rules.get(rules_hash)
        return guests(ruleset, Shard(self._lane, number), self._count) if ruleset else frozenset()

    def _name(self, number: int) -> str:
        return f"{self._topic}, partition {number}"

    # --- records ------------------------------------------------------------------------------------------------------

    async def _apply(self, part: Part, offset: int, value: bytes | None) -> None:
        record = await self._read(part, offset, value)
        if record is not None:
            try:
                await self._decide(part, record)
            except BaseException:  # also when we are told to stop in the middle: no checkpoint covers half a record
                if self._parts.get(part.number) is part:
                    del self._parts[part.number]
                raise
        part.next = offset + 1
        self.alive = time.monotonic()

    async def _read(self, part: Part, offset: int, value: bytes | None) -> Record | None:
        """None = nobody can read it; it is kept, and a person must know.  Raises Newer."""
        try:
            return wire.unpack(value or b"", wire.RECORD)
        except Newer as error:
            raise Newer(f"{self._name(part.number)}, record {offset}: {error}") from None
        except Corrupt as error:
            await self._tables.add_poison(part.number, offset, value or b"", str(error))
            log.error("%s, record %d is passed over: %s", self._name(part.number), offset, error)
            return None

    async def _decide(self, part: Part, record: Record) -> None:
        for command in record.commands:
            if isinstance(command, RulesChanged):
                ruleset = await self._ruleset(part.number, command.rules_hash)
                part.engine = part.engine.change(ruleset, command.rules_hash)
                part.guests = self._guests(part.number, command.rules_hash)
            else:
                await self._tables.settle(command)
        if breaches := part.engine.apply(record):
            await self._storing.add(breaches)
        if record.quarantined:
            await self._tables.add_quarantined(record, record.quarantined)
        part.tallies.add(record, part.guests)

    async def _catch_up(self, part: Part, end: int) -> bool:
        """All records below `end` are applied; False = the partition was taken away meanwhile."""
        while part.next < end and self._parts.get(part.number) is part:
            self.alive = time.monotonic()
            records = await self._log.read(part.number, part.next)
            for offset, value in records:
                if part.next == end or self._parts.get(part.number) is not part:
                    break
                if offset != part.next:
                    raise Corrupt(
                        f"{self._name(part.number)}: record {offset} follows {part.next - 1}; what stood between is "
                        "gone: restore Kafka from its backup"
                    )
                await self._apply(part, offset, value)
            if records:
                await self._save_when_due(part)  # who is killed on a long way does not begin it again
        return self._parts.get(part.number) is part

    async def _listen_ourselves(self, part: Part, end: int) -> None:
        """Nothing was delivered for a while, and there is more."""
        await self._catch_up(part, end)
        part.heard = time.monotonic()
        part.unheard += 1
        if part.unheard >= DEAF_AFTER:
            raise Over(f"{self._name(part.number)}: nothing is delivered, {part.unheard} times in a row it was read")

    async def _send_forward(self, part: Part, offset: int) -> None:
        """A tick has overtaken who delivers, or it began at an old place: it need not bring what is done."""
        now = time.monotonic()
        if part.next - offset > FAR_BEHIND and now - part.sent_forward > 1:
            part.sent_forward = now
            await self._seek(part.number, part.next)

    # --- checkpoints --------------------------------------------------------------------------------------------------

    async def _save_when_due(self, part: Part) -> None:
        """Records wait meanwhile: rather for one commit of PostgreSQL than for one of each partition in a row."""
        now = time.monotonic()
        age = now - part.saved
        if age < CHECKPOINT_EVERY_S or self._parts.get(part.number) is not part:
            return
        if age < 2 * CHECKPOINT_EVERY_S and now < self._save_at:
            return
        self._save_at = now + CHECKPOINT_EVERY_S / len(self._parts)
        await self._storing.all()
        part.saved = now
        engine = part.engine
        known = engine.ruleset_hash, engine.checkpoint(), part.tallies.pack()
        crash.point("worker.before-checkpoint")
        saved = await self._tables.save(part.number, part.epoch, part.next, *known)
        crash.point("worker.after-checkpoint")
        if not saved and self._parts.get(part.number) is part:
            raise Over(f"{self._name(part.number)}: another worker decides here now, epoch {part.epoch} is over")
