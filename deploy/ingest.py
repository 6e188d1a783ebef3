"""Ingest of a site on many machines: messages in, records into the partitions of the log, then the acknowledgement.

`Ingest` is all of it without a broker and without Kafka: it gathers, splits, and says which messages may be
acknowledged.  `main_of` is the process, one for each broker of the site.
"""

import gc
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from deploy.clock import IngestClock
from deploy.log import topics
from deploy.log.kafka import topic_of
from deploy.log.orders import Order, Orders
from deploy.log.producer import LogFailed, Producer
from deploy.log.tail import Tail, read_tail
from deploy.patience import answered
from deploy.sessions import UNTIL_EVERY, open_sessions, ready
from deploy.site.load import load
from deploy.stop import ANOTHER_ONE, Stop
from deploy.wake import POLL_S, Bell, Ringer
from ingest.mqtt import QOS, Publish
from ingest.normalise import Normaliser
from rules.partition import Routes, Shard, every_shard, split
from rules.ruleset import unpack
from vorab import crash, wire
from vorab.errors import ConfigurationError, Malformed
from vorab.model import Command, Counts, Instant, Quarantined, Reading, Record, Replayed, RulesChanged
from vorab.site import Site

GATHER_S = 0.01  #: from one time that ordinary messages are sent to the next; life safety never waits
GATHER = 500  #: messages, or …
GATHER_BYTES = 1 << 20  #: … as many bytes of them, are sent at once
MOST = 1_000  #: readings of a record
RECORD_BYTES = 1 << 20  #: of a record with more than one message
WINDOW = 2_000  #: messages of a lane that are not acknowledged: twice the shipped broker's, half of normalise.RECENT
HELD_BYTES = 16 << 20  #: of MQTT, of a lane: of both 32 MB
ANNOUNCED_WITHIN_S = 5.0  #: the site's rules; else PostgreSQL is away, and sensors are heard for those that decide now
SLOW_S = 5.0  #: Kafka has acknowledged nothing for so long: that is told
CLOSE_WITHIN_S = 5.0

log = logging.getLogger("vorab.ingest")


class Load(Struct):
    """What goes into the log together: it is there when all its records are."""

    packet_ids: list[int] = []
    messages: int = 0
    bytes: int = 0
    missing: int = 0  #: records that Kafka has not acknowledged
    then: Callable[[], None] | None = None


class Lane(Struct):
    """What was heard on one session and is not acknowledged yet: gathered here, or on its way."""

    readings: list[Reading] = []
    quarantined: list[Quarantined] = []
    packet_ids: list[int] = []
    due: float | None = None  #: monotonic seconds: when those are to be sent
    not_before: float = 0.0  #: monotonic seconds: the next ones
    messages: int = 0  #: of those
    bytes: int = 0
    counts: Counts = Counts()  #: of all that was heard
    sent: Counts = Counts()  #: of all that went out
    until: Instant | None = None  #: the last one that went out, …
    ticked: Load = field(default_factory=Load)  #: … and with what
    loads: deque[Load] = field(default_factory=deque)  #: on their way, in order
    held_messages: int = 0
    held_bytes: int = 0
    connection: int = 0  #: of the session: packet ids are of this one


class Ingest:
    """What one ingest hears, on its way into the log; what it lets acknowledge is there."""

    def __init__(
        self, site: Site, ingest: str, now: Instant, tail: Tail, send: Callable[[Shard, bytes, Load], None]
    ) -> None:
        """`send` writes a record; `arrived` is to be called with its load when it is in the log."""
        assert site.log
        self.ingest = ingest
        self.run = now
        self.normaliser = Normaliser(site.sensors, ingest)
        self.lanes = {lane: Lane() for lane in (True, False)}
        self._rules_hash = site.rules_hash
        self._routes = Routes(unpack(site.rules), site.log.partitions)
        self._send = send
        self._tail = tail
        self._understood: set[tuple[str, Instant, int]] = set()  #: settled, though PostgreSQL may not say so yet
        for record in tail.records:
            self.normaliser.remember(record)
            for command in record.commands:
                if isinstance(command, Replayed):
                    self._understood.update(command.settled)

    def take(
        self,
        publishes: Sequence[Publish],
        now: Instant,
        monotonic: float,
        *,
        life_safety: bool,
        received: int,
        size: int,
        drained: bool = True,
    ) -> None:
        """Messages of one read, of `size` bytes; `received`: of the session so far, by the packet reader.

        Those of life safety are on their way after that, the others when it is time (`send_due`).
        """
        lane = self.lanes[life_safety]
        found = self.normaliser.sort(publishes, now, life_safety=life_safety, drained=drained)
        lane.readings += found.readings
        lane.quarantined += found.quarantined
        lane.packet_ids += [packet_id for _, _, flags, packet_id in publishes if flags & QOS]
        if lane.due is None:
            lane.due = max(monotonic, lane.not_before)
        lane.messages += len(publishes)
        lane.bytes += size
        lane.held_messages += len(publishes)
        lane.held_bytes += size
        told = lane.counts
        lane.counts = Counts(received, told.duplicates + found.duplicates, told.ignored + found.ignored)
        if life_safety or lane.messages >= GATHER or lane.bytes >= GATHER_BYTES:
            self._send_lane(life_safety)

    def send_due(self, monotonic: float) -> None:
        """What has been gathered for long enough is on its way; the first after a silence at once."""
        for life_safety, lane in self.lanes.items():
            if lane.due is not None and monotonic >= lane.due:
                self._send_lane(life_safety)
                lane.not_before = monotonic + GATHER_S

    def wait_s(self, monotonic: float) -> float:
        """How long nothing will be due."""
        due = [lane.due for lane in self.lanes.values() if lane.due is not None]
        return max(0.0, min(due) - monotonic) if due else POLL_S

    def ticks(self, *, life_safety: bool) -> bool:
        """Whether the lane's last `until` has arrived; while it has not, time stands still there."""
        return not self.lanes[life_safety].ticked.missing

    def tick(self, until: Instant, *, life_safety: bool) -> None:
        """All that this lane received up to then is on its way, and each of its partitions is told so."""
        lane = self.lanes[life_safety]
        if until > (self.run - 1 if lane.until is None else lane.until) and self.ticks(life_safety=life_safety):
            lane.until = until
            lane.ticked = self._send_lane(life_safety, until)

    def change_rules(self, decided: dict[Shard, tuple[int, str]]) -> None:
        """The site's rules decide from here on in each partition; they are stored.  `decided`: see Orders."""
        if any(self._rules_at(shard, decided) != self._rules_hash for shard in every_shard(self._routes.count)):
            self._append([], RulesChanged(self._rules_hash), lambda: None)

    def knows_rules(self) -> bool:
        """Whether the log itself says that the site's rules decide."""
        return all(self._tail.rules.get(shard) == self._rules_hash for shard in every_shard(self._routes.count))

    def quarantine_again(self, order: Order) -> None:
        """What can be understood by now goes into the log, dated when it was received; then the order is done."""
        readings: list[Reading] = []
        settled: list[tuple[str, Instant, int]] = []
        for run, kept in order.messages:
            name = (self.ingest, run, kept.ordinal)
            if name in self._understood:
                continue
            try:
                reading = self.normaliser.again(kept)
            except Malformed:  # it stays where it is
                continue
            readings += [reading] if reading else []
            settled.append(name)
        if not settled:
            order.done()
            return
        self._understood.update(settled)
        self._append(readings, Replayed(order.command, order.by, settled), order.done)

    def acknowledgeable(self, *, life_safety: bool) -> list[int]:
        """Packet ids in order of arrival, up to the first message that is not in the log yet; each is named once."""
        lane = self.lanes[life_safety]
        found: list[int] = []
        while lane.loads and not lane.loads[0].missing:
            load = lane.loads.popleft()
            found += load.packet_ids
            lane.held_messages -= load.messages
            lane.held_bytes -= load.bytes
            if load.then:
                load.then()
        return found

    def connected(self, connection: int, *, life_safety: bool) -> None:
        """Packet ids of an earlier connection mean nothing on this one: its messages come again."""
        lane = self.lanes[life_safety]
        if lane.connection != connection:
            lane.connection = connection
            lane.packet_ids = []
            for load in lane.loads:
                load.packet_ids = []

    def rests(self, *, life_safety: bool) -> bool:
        """Nothing more is to be read now."""
        lane = self.lanes[life_safety]
        return lane.held_messages >= WINDOW or lane.held_bytes >= HELD_BYTES

    def on_its_way(self) -> bool:
        return any(lane.loads for lane in self.lanes.values())

    def finish(self) -> None:
        """The last of it is on its way, with its counts where they can be told."""
        for life_safety, lane in self.lanes.items():
            self._send_lane(life_safety, lane.until)

    def _rules_at(self, shard: Shard, decided: dict[Shard, tuple[int, str]]) -> str:
        """The rules that decide at the end of a partition; "" = that is not known."""
        position, rules = decided.get(shard, (-1, ""))
        start, end = self._tail.spans[shard]
        return self._tail.rules.get(shard) or (rules if start <= position <= end else "")

    def _send_lane(self, life_safety: bool, until: Instant | None = None) -> Load:
        lane = self.lanes[life_safety]
        lane.sent = lane.counts
        counts = None if until is None else _sum(each.sent for each in self.lanes.values())
        record = Record(self.ingest, self.run, lane.readings, until, [], life_safety, lane.quarantined, counts)
        load = Load(lane.packet_ids, lane.messages, lane.bytes)
        lane.readings, lane.quarantined, lane.packet_ids = [], [], []
        lane.messages, lane.bytes, lane.due = 0, 0, None
        self._put(record, load, lane)
        return load

    def _append(self, readings: list[Reading], command: Command, then: Callable[[], None]) -> None:
        self._put(Record(self.ingest, self.run, readings, None, [command]), Load(then=then), self.lanes[False])

    def _put(self, record: Record, load: Load, lane: Lane) -> None:
        parts = split(record, self._routes)
        pieces = [(shard, value) for shard, part in parts.items() for value in packed(part)]
        load.missing = len(pieces)
        lane.loads.append(load)
        crash.point("ingest.before-append")
        for shard, value in pieces:
            self._send(shard, value, load)


def _sum(counts: Iterator[Counts]) -> Counts:
    each = list(counts)
    return Counts(sum(c.received for c in each), sum(c.duplicates for c in each), sum(c.ignored for c in each))


def packed(record: Record) -> Iterator[bytes]:
    """The record's bytes, in several pieces where it is too large for one; what ends it ends the last of them."""
    readings, quarantined = record.readings, record.quarantined
    count = len(readings) + len(quarantined)
    if len(readings) <= MOST:
        value = wire.pack(record)
        if len(value) <= RECORD_BYTES or count <= 1:
            yield value
            return
    first = (count + 1) // 2
    kept = max(0, first - len(readings))
    yield from packed(
        replace(record, readings=readings[:first], quarantined=quarantined[:kept], until=None, counts=None)
    )
    yield from packed(replace(record, readings=readings[first:], quarantined=quarantined[kept:]))


class Host:
    """One ingest of a site: its two sessions, its clock, its producer, and what stands between them."""

    def __init__(self, site: Site, data: Path, ingest: str, tail: Tail) -> None:
        """Raises ConfigurationError, and TemporaryFailure when Kafka does not answer."""
        assert site.log
        self._servers = ", ".join(site.log.servers)
        self.sessions = open_sessions(site, data, ingest)
        self.producer: Producer[Load] = Producer(site, self._wake)
        self.bell = Bell(data, f"ingest-{ingest}")
        self._ringer = Ringer(data)
        self.clock = IngestClock(tail.newest)
        self.ingest = Ingest(site, ingest, self.clock.now(), tail, self.producer.send)
        self.orders = Orders(site, ingest, self._wake)
        self._announced = self.ingest.knows_rules()
        #: What is heard is meant for the site's own rules: the state of a new sensor comes but once.
        self._hears_at = math.inf if tail.is_empty else time.monotonic() + ANNOUNCED_WITHIN_S
        self._looked_at = 0.0
        self._arrived_at = time.monotonic()  #: nothing was on its way, or something arrived
        self._slow = False
        self.orders.start()

    def turn(self) -> None:
        """Waits for the sensors, for Kafka, for what is due, or a look around, and deals with it."""
        monotonic, now = time.monotonic(), self.clock.now()
        if self._announced or monotonic >= self._hears_at:
            self._listen(monotonic, now)
        else:
            self.bell.wait(POLL_S)
        self._settle()
        if monotonic - self._looked_at >= POLL_S:
            self._looked_at = monotonic
            self.clock.check()
            self._tell_if_slow(monotonic)
        self._obey()

    def close(self) -> None:
        """A clean stop: what was taken is in the log, and acknowledged, if Kafka answers."""
        self.orders.close()
        self.ingest.finish()
        deadline = time.monotonic() + CLOSE_WITHIN_S
        while self.ingest.on_its_way() and time.monotonic() < deadline:
            self.bell.wait(POLL_S)
            self._settle()
        for session in self.sessions.values():
            session.tend(time.monotonic())  # the last acknowledgements
            session.close()
        self.producer.close(max(0.1, deadline - time.monotonic()))
        self.bell.close()
        self._ringer.close()

    def _listen(self, monotonic: float, now: Instant) -> None:
        resting = []
        for lane, session in self.sessions.items():
            if self.ingest.rests(life_safety=lane) and session.is_connected:
                resting.append(lane)
                session.rest()
            session.tend(monotonic)
            self.ingest.connected(session.connections, life_safety=lane)
            asked = session.settled_at
            if self.ingest.ticks(life_safety=lane) and (asked is None or now - asked >= UNTIL_EVERY):
                session.mark(now)
        lanes, rung = ready(self.sessions, self.ingest.wait_s(monotonic), self.bell, resting)
        if rung:
            self.bell.clear()
        for lane in lanes:
            self._pass_on(lane)
        for lane, session in self.sessions.items():
            if session.settled_at is not None:
                self.ingest.tick(session.settled_at, life_safety=lane)
        self.ingest.send_due(time.monotonic())

    def _pass_on(self, lane: bool) -> None:
        session = self.sessions[lane]
        drained, read = session.drained, session.bytes
        publishes = session.take()
        if session.fresh:
            session.fresh = False
            self.ingest.normaliser.forget(life_safety=lane)
        if publishes:
            self.ingest.take(
                publishes,
                self.clock.now(),
                time.monotonic(),
                life_safety=lane,
                received=session.received,
                size=session.bytes - read,
                drained=drained,
            )

    def _settle(self) -> None:
        """What is in the log by now is acknowledged."""
        for arrived in self.producer.acknowledged():
            arrived.missing -= 1
            self._arrived_at = time.monotonic()
            crash.point("ingest.after-append")
        for lane, session in self.sessions.items():
            session.acknowledge(self.ingest.acknowledgeable(life_safety=lane))

    def _obey(self) -> None:
        """What the thread that speaks with PostgreSQL has brought."""
        if not self._announced and self.orders.decided is not None:
            self._announced = True
            self.ingest.change_rules(self.orders.decided)
        while self.orders.waiting:
            self.ingest.quarantine_again(self.orders.waiting.popleft())

    def _tell_if_slow(self, monotonic: float) -> None:
        if not self.ingest.on_its_way():
            self._arrived_at = monotonic
        slow = monotonic - self._arrived_at > SLOW_S
        if slow and not self._slow:
            log.error("Kafka at %s acknowledges nothing: the sensors' messages wait at their broker", self._servers)
        if self._slow and not slow:
            log.error("Kafka at %s acknowledges again", self._servers)
        self._slow = slow

    def _wake(self) -> None:
        self._ringer.ring(self.bell.path.stem)


def begin(site: Site, data: Path, ingest: str) -> Host:
    """Kafka has answered.  Raises ConfigurationError, Newer, and TemporaryFailure when it does not answer."""
    assert site.log
    for lane in (False, True):
        topics.fitting(site.log.servers, topic_of(site, life_safety=lane), site.log.partitions)
    return Host(site, data, ingest, read_tail(site, ingest))


def main_of(ingest: str) -> Callable[[Path, Path], int]:
    """The process of the ingest with this name; "" = the only one of the site."""

    def main(site_folder: Path, data: Path) -> int:
        """Runs until it is told to stop.  Raises ConfigurationError; Newer: a person must look."""
        stop = Stop()
        site = load(site_folder)
        if site.log is None or not site.store:
            raise ConfigurationError(f"{site.name} has one machine, and its ingest is in capture: vorab capture")
        if not ingest and len(site.brokers) != 1:
            names = ", ".join(each.ingest for each in site.brokers)
            raise ConfigurationError(f"{site.name}: which of its brokers? Name one with --broker: {names}")
        name = ingest or site.brokers[0].ingest
        host = answered(lambda: begin(site, data, name), log, lambda: stop.asked)
        if host is None:
            return 0
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked at again
        gc.set_threshold(50_000, 20, 50)
        try:
            while not stop.asked:
                host.turn()
            host.close()
        except LogFailed as error:
            log.error("%s", error)
            return ANOTHER_ONE
        return 0

    return main
