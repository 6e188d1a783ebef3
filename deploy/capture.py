"""Capture: messages in, readings and breaches in one transaction, then the acknowledgement.  One process, one thread.

`Capture` is all of it without a broker: it takes messages and says which may be acknowledged.  `main` is the process.
"""

import contextlib
import gc
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from pathlib import Path

from deploy.clock import IngestClock
from deploy.commands import Commands
from deploy.log.sqlite import Checkpoint, Reader, SqliteLog
from deploy.sessions import UNTIL_EVERY, open_sessions, ready
from deploy.site.load import load
from deploy.stop import Stop
from deploy.wake import POLL_S, Bell, Ringer
from ingest.mqtt import QOS, Publish
from ingest.normalise import RECENT, Normaliser
from rules.engine import Engine
from rules.ruleset import RuleSet, unpack
from vorab.errors import ConfigurationError, Corrupt, Malformed
from vorab.model import SECOND, Counts, Instant, PersonId, Quarantined, Record, Replayed, RulesChanged, Span
from vorab.site import Site

IDLE_RECORDS = 120  #: of time alone, before they are worth a checkpoint
CHECKPOINT_EVERY = Span(5 * SECOND)
CHECKPOINT_SHARE = 0.01  #: of the time at the most
HOUSEKEEP_EVERY = Span(10 * SECOND)
TAIL = 50_000  #: readings from which the windows of known messages are rebuilt

log = logging.getLogger("vorab.capture")


class Capture:
    """Ingest, log and rules of one site, in step with the log: what it answers is on disk."""

    def __init__(self, site: Site, store: SqliteLog, now: Instant, ingest: str = "main") -> None:
        """The rules stand where the log ends.  Raises Corrupt when the log lacks what is needed for that."""
        self.store = store
        self.ingest = ingest
        self.run = now
        self.received = 0  #: PUBLISH packets, counted by whoever reads them: the other witness of the balance (law 2)
        self._untils: dict[bool, Instant] = {}  #: of each lane, the last one written in this run
        self.found: Callable[[], None] = lambda: None  #: called after a commit with breaches
        self.normaliser = Normaliser(site.sensors, ingest)
        self.engine = restored(store)
        self._retain = site.retain
        self._duplicates = self._ignored = 0
        self._readings = 0  #: since the last checkpoint
        self._checkpointed = store.next
        self._checkpoint_due = Instant(now + CHECKPOINT_EVERY)
        self._housekeep_due = now
        for stored in _tail(store.reader()):
            self.normaliser.remember(stored)
        self._change_rules(site)

    def take(
        self, publishes: Sequence[Publish], now: Instant, *, life_safety: bool = False, drained: bool = True
    ) -> list[int]:
        """The packet ids to acknowledge: what these messages of one session say is on disk, with what the rules found.

        Not drained: the broker had kept them for us, nobody knows since when.
        """
        found = self.normaliser.sort(publishes, now, life_safety=life_safety, drained=drained)
        self._duplicates += found.duplicates
        self._ignored += found.ignored
        self._readings += len(found.readings)
        if found.readings or found.quarantined:  # what is only counted is stored with the next record
            self._append(Record(self.ingest, self.run, found.readings, None, [], life_safety), found.quarantined)
        return [packet_id for _, _, flags, packet_id in publishes if flags & QOS]

    def tick(self, until: Instant, *, life_safety: bool) -> None:
        """All that this lane received up to then is in the log; what falls due by then is found."""
        if until > self._untils.get(life_safety, self.run - 1):
            self._untils[life_safety] = until
            self._append(Record(self.ingest, self.run, [], until, [], life_safety))

    def due(self, *, life_safety: bool) -> Instant | None:
        """When something falls due that wants an `until` of this lane."""
        return self.engine.due(life_safety=life_safety)

    def quarantine_again(self, command: str, by: PersonId, numbers: list[int] | None) -> None:
        """Once for a command: what can be understood by now is in the log, dated when it was received."""
        if self.store.applied(command):
            return
        readings, settled = [], []
        for number, kept in self.store.reader().quarantine(numbers):
            with contextlib.suppress(Malformed):  # it stays where it is
                reading = self.normaliser.again(kept)
                readings += [reading] if reading else []
                settled.append(number)
        self._append(Record(self.ingest, self.run, readings, None, [Replayed(command, by)]), settled=settled)

    def tend(self, now: Instant) -> None:
        """A checkpoint and some house-keeping, when they are due."""
        if now >= self._checkpoint_due:
            self._checkpoint_due = Instant(now + self._checkpoint_when_worth_it())
        if now >= self._housekeep_due:
            more = self.store.housekeep(Instant(now - self._retain))
            self._housekeep_due = now if more else Instant(now + HOUSEKEEP_EVERY)

    def checkpoint(self) -> None:
        """A restart replays only what comes after this."""
        self.store.save_checkpoint(Checkpoint(self.store.next, self.engine.ruleset_hash, self.engine.checkpoint()))
        self._checkpointed, self._readings = self.store.next, 0

    def _checkpoint_when_worth_it(self) -> Span:
        """How long until the next look: a large state costs no more than a hundredth of the time."""
        if not self._readings and self.store.next - self._checkpointed < IDLE_RECORDS:
            return CHECKPOINT_EVERY
        began = time.monotonic()
        self.checkpoint()
        return Span(max(CHECKPOINT_EVERY, int((time.monotonic() - began) / CHECKPOINT_SHARE * SECOND)))

    def _change_rules(self, site: Site) -> None:
        """The site's rules decide from here on; the log says so, and keeps them."""
        if self.engine.ruleset_hash == site.rules_hash and self.store.next > 1:
            return
        self.store.save_rules(site.rules_hash, site.rules)
        self.engine = _changed(self.engine, self.store, site.rules_hash)
        self._append(Record(self.ingest, self.run, [], None, [RulesChanged(site.rules_hash)]))
        self.checkpoint()

    def _append(self, record: Record, quarantined: Sequence[Quarantined] = (), settled: Sequence[int] = ()) -> None:
        breaches = self.engine.apply(record)
        counts = Counts(self.received, self._duplicates, self._ignored)
        self.store.append(record, breaches, quarantined, counts, settled)
        if breaches:
            self.found()


def _tail(reader: Reader) -> Iterator[Record | Quarantined]:
    """What was received last, in the order in which it was."""
    said = (record for record in reader.tail(TAIL) if record.readings)
    return merge(said, reader.quarantine_tail(RECENT), key=_received_at)


def _received_at(stored: Record | Quarantined) -> Instant:
    return stored.received_at if isinstance(stored, Quarantined) else stored.readings[-1].received_at


def restored(store: SqliteLog) -> Engine:
    """The engine as it was after the last record.  Raises Corrupt when no way leads there."""
    engine, start = _newest(store)
    for position, record in store.reader().records(start):
        for command in record.commands:
            if isinstance(command, RulesChanged):
                engine = _changed(engine, store, command.rules_hash)
        store.found_again(position, engine.apply(record))
    return engine


def _newest(store: SqliteLog) -> tuple[Engine, int]:
    """From the newest checkpoint that can be read, or with nothing known; and the record to go on with."""
    for checkpoint in store.reader().checkpoints():
        try:
            return Engine.restore(_rules(store, checkpoint.rules_hash), checkpoint.body), checkpoint.position
        except Corrupt as error:
            log.error("the checkpoint at record %d cannot be used: %s", checkpoint.position, error)
    return Engine(RuleSet([], {})), 1


def _changed(engine: Engine, store: SqliteLog, rules_hash: str) -> Engine:
    """The engine with other rules; what has not changed keeps its watches."""
    return engine.change(_rules(store, rules_hash))


def _rules(store: SqliteLog, rules_hash: str) -> RuleSet:
    packed = store.reader().rules(rules_hash)
    if packed is None:
        raise Corrupt(f"{store.path}: the rule set {rules_hash} is gone, and the log needs it: restore the file")
    return unpack(packed)


class Host:
    """One ingest of a site: its two sessions, its clock, and the capture they feed."""

    def __init__(self, site: Site, data: Path) -> None:
        ingest = _ingest(site)
        self.store = SqliteLog(data / "capture.db")
        self.clock = IngestClock(self.store.reader().newest() or Instant(0))
        self.capture = Capture(site, self.store, self.clock.now(), ingest)
        self.commands = Commands(data / "contact.db")
        self.bell = Bell(data, "capture")
        self._ringer = Ringer(data)
        self.capture.found = lambda: self._ringer.ring("contact")
        self.sessions = open_sessions(site, data, ingest)
        self._looked_at = 0.0

    def turn(self) -> None:
        """Waits for the sensors, the next due instant, a bell or a look around, and deals with it."""
        monotonic, now = time.monotonic(), self.clock.now()
        for session in self.sessions.values():
            session.tend(monotonic)
        self._mark(now)
        for lane in self._ready(now):
            self._pass_on(lane)
        for lane, session in self.sessions.items():
            if session.settled_at is not None:
                self.capture.tick(session.settled_at, life_safety=lane)
        if monotonic - self._looked_at >= POLL_S:
            self._looked_at = monotonic
            self.bell.clear()
            self.clock.check()
            self.commands.obey(self.capture)
            self.capture.tend(now)

    def _mark(self, now: Instant) -> None:
        """Asks each session for a sign when its `until` is wanted: when something is due, and each second."""
        for lane, session in self.sessions.items():
            asked, due = session.settled_at, self.capture.due(life_safety=lane)
            if asked is None or now - asked >= UNTIL_EVERY or (due is not None and asked < due <= now):
                session.mark(now)

    def _ready(self, now: Instant) -> list[bool]:
        """The lanes on which something came, life safety first."""
        dues = [due for lane in self.sessions if (due := self.capture.due(life_safety=lane)) and due > now]
        wait = min([POLL_S, *((due - now) / SECOND for due in dues)])
        lanes, rung = ready(self.sessions, wait, self.bell)
        if rung:
            self._looked_at = 0.0
        return lanes

    def _pass_on(self, lane: bool) -> None:
        session = self.sessions[lane]
        drained = session.drained
        publishes = session.take()
        if session.fresh:
            session.fresh = False
            self.capture.normaliser.forget(life_safety=lane)
        if publishes:
            self.capture.received = sum(each.received for each in self.sessions.values())
            now = self.clock.now()
            session.acknowledge(self.capture.take(publishes, now, life_safety=lane, drained=drained))

    def close(self) -> None:
        """A clean stop: what was taken is stored, acknowledged and in a checkpoint."""
        for session in self.sessions.values():
            session.close()
        self.capture.checkpoint()
        self.store.close()
        self.bell.close()
        self._ringer.close()


def _ingest(site: Site) -> str:
    if len(site.brokers) != 1:
        raise ConfigurationError(f"{site.name}: {len(site.brokers)} brokers; one machine's capture hears one of them")
    return site.brokers[0].ingest


def main(site_folder: Path, data: Path) -> int:
    """Runs until it is told to stop.  Raises ConfigurationError; Corrupt: a person must look; any error of the disk."""
    stop = Stop()
    host = Host(load(site_folder), data)
    gc.collect()
    gc.freeze()  # what lives as long as the process is not looked at again
    gc.set_threshold(50_000, 20, 50)
    while not stop.asked:
        host.turn()
    host.close()
    return 0
