"""Capture: messages in, readings and breaches in one transaction, then the acknowledgement.  One process, one thread.

`Capture` is all of it without a broker: it takes messages and says which may be acknowledged.  `main` is the process.
"""

import contextlib
import gc
import logging
import select
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from deploy import runtime
from deploy.log.sqlite import Checkpoint, Reader, SqliteLog
from deploy.site.load import load
from deploy.stop import Stop
from deploy.wake import POLL_S, Bell, Ringer
from ingest.mqtt import QOS, Publish, Session
from ingest.normalise import RECENT, Normaliser, filters
from rules.engine import Engine
from rules.ruleset import RuleSet, unpack
from vorab.errors import ConfigurationError, Corrupt, Malformed
from vorab.model import SECOND, Counts, Instant, PersonId, Quarantined, Record, Replayed, RulesChanged, Span
from vorab.site import Broker, Site

UNTIL_EVERY = SECOND
IDLE_RECORDS = 120  #: of time alone, before they are worth a checkpoint
CHECKPOINT_EVERY = Span(5 * SECOND)
CHECKPOINT_SHARE = 0.01  #: of the time at the most
HOUSEKEEP_EVERY = Span(10 * SECOND)
JUMP = Span(5 * SECOND)
TAIL = 50_000  #: readings from which the windows of known messages are rebuilt

log = logging.getLogger("vorab.capture")


class IngestClock:
    """The later of the log's end and wall time at the start, plus what has passed: never backwards (DESIGN §4)."""

    def __init__(self, not_before: Instant) -> None:
        self._began = _passed()
        self._start = max(not_before, wall())
        self._ahead = self._start - wall()
        if self._ahead > JUMP:
            log.error("the log ends %.1f s after this machine's time: its clock was set back", self._ahead / SECOND)

    def now(self) -> Instant:
        return Instant(self._start + _passed() - self._began)

    def check(self) -> None:
        """One line when the machine's time has jumped against ours since it was last looked at."""
        ahead = self.now() - wall()
        if abs(ahead - self._ahead) > JUMP:
            log.error("this machine's time jumped by %+.1f s; readings keep theirs", (self._ahead - ahead) / SECOND)
            self._ahead = ahead


#: On Linux the monotonic clock stands still while the machine sleeps, and every reading after it would be too early.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _passed() -> Span:
    """Since some fixed instant, also while the machine was asleep."""
    return Span(time.clock_gettime_ns(_STEADY) // 1000)


def wall() -> Instant:
    return Instant(time.time_ns() // 1000)


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
        self.engine = _restored(store)
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


def _restored(store: SqliteLog) -> Engine:
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


Number = Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]  #: of a row


class Again(Struct, frozen=True):
    """The body of a `quarantine-again`."""

    numbers: Annotated[list[Number], Meta(max_length=10_000)] | None = None  #: None = all that wait


class Commands:
    """What people ask of capture: rows that the console and the command line write into contact.db, read-only here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken = 0  #: number of the last row seen by this process; the log knows which were applied
        self._told = ""  #: what was last said to be wrong with the file

    def obey(self, capture: Capture) -> None:
        """Every new command once.  What is wrong with one, or with the file, is told and stops nothing."""
        for number, name, by, kind, body in self._new():
            self._taken = number
            if kind != "quarantine-again":
                log.error("command %s is unknown: %s", name, kind)
                continue
            try:
                again = msgspec.json.decode(body, type=Again)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
                log.error("command %s is passed over: %s", name, error)
                continue
            capture.quarantine_again(name, PersonId(by), again.numbers)

    def _new(self) -> list[tuple[int, str, str, str, str]]:
        if not self._path.exists():
            return []
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as store:
                query = 'SELECT number, id, "by", kind, body FROM commands WHERE number > ? ORDER BY number'
                return store.execute(query, (self._taken,)).fetchall()
        except sqlite3.OperationalError:  # contact is just making it, or has it locked: at the next look
            return []
        except sqlite3.Error as error:
            if str(error) != self._told:
                self._told = str(error)
                log.error("%s: no commands are heard: %s", self._path, error)
            return []


class Host:
    """One ingest of a site: its two sessions, its clock, and the capture they feed."""

    def __init__(self, site: Site, data: Path) -> None:
        broker = _broker(site, data)
        self.store = SqliteLog(data / "capture.db")
        self.clock = IngestClock(self.store.reader().newest() or Instant(0))
        self.capture = Capture(site, self.store, self.clock.now(), broker.ingest)
        self.commands = Commands(data / "contact.db")
        self.bell = Bell(data, "capture")
        self._ringer = Ringer(data)
        self.capture.found = lambda: self._ringer.ring("contact")
        self.sessions = {lane: _session(site, data, broker, life_safety=lane) for lane in (True, False)}
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
        open_ = {session.fileno(): lane for lane, session in self.sessions.items() if session.fileno() >= 0}
        wanting = [session.fileno() for session in self.sessions.values() if session.wants_to_write()]
        more = [lane for lane, session in self.sessions.items() if session.more]
        readable, _, _ = select.select([*open_, self.bell.fileno()], wanting, [], 0 if more else wait)
        if self.bell.fileno() in readable:
            self._looked_at = 0.0
        return [lane for lane in self.sessions if lane in more or self.sessions[lane].fileno() in readable]

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


def _broker(site: Site, data: Path) -> Broker:
    if len(site.brokers) != 1:
        raise ConfigurationError(f"{site.name}: {len(site.brokers)} brokers; one machine's capture hears one of them")
    broker = site.brokers[0]
    if broker.host:
        return broker
    found = runtime.read(data)
    return replace(broker, host=found.mqtt_host, port=found.mqtt_port)


def _session(site: Site, data: Path, broker: Broker, *, life_safety: bool) -> Session:
    name = f"vorab-{site.name}-{broker.ingest}{'-life' if life_safety else ''}"
    wanted = filters(site.sensors, broker.ingest, life_safety=life_safety)
    return Session(broker, name, wanted, data / f"{broker.ingest}{'-life' if life_safety else ''}.filters")


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
