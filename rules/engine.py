"""Readings in, breaches out.  The engine keeps what `advance` needs between two calls, and finds the rules quickly.

A value that changes nothing costs a comparison; silence is looked at when it would be over, not at each reading.
"""

from datetime import UTC, datetime
from functools import partial
from heapq import heappop, heappush
from typing import Any

from msgspec.structs import replace

from rules import checkpoint
from rules.checkpoint import Known, LineState, WatcherState
from rules.index import ALWAYS, NEVER, NOTHING, Clock, Index, Item, Key, Line, Subject, Turn, Watcher
from rules.ruleset import RuleSet, problems
from rules.silent import Silent
from rules.watch import Event, Watch, advance, due, forgettable, withdrawn
from rules.without import Without
from rules.witness import good, sounds
from vorab.errors import ConfigurationError, Corrupt
from vorab.model import (
    SECOND,
    Breach,
    Instant,
    Quality,
    Quantity,
    Reading,
    Record,
    RulesChanged,
    Sample,
    SensorId,
    Span,
)

GAP = Span(10 * SECOND)  #: between two `until` of an ingest: it writes one each second while it listens


class Engine:
    """The rules of one log.  Same records, same breaches, in the same order.

    What one quantity of one sensor says is a line, and each line has its own history: a state that was measured at
    9:59 and arrives after a battery level of 10:00 is still news.
    """

    def __init__(self, ruleset: RuleSet, rules_hash: str = "") -> None:
        """Nothing is heard yet.  Raises ConfigurationError for rules that are not fit to run.

        `rules_hash`: of the whole set, where these are only the rules of one partition.
        """
        if found := problems(ruleset, part=bool(rules_hash)):
            raise ConfigurationError("; ".join(found))
        self._index = Index(ruleset, rules_hash)
        self._retired: dict[Key, Watch] = {}  #: of rules that were taken away while raised, should they come back
        self._found: list[Breach] = []

    @property
    def ruleset_hash(self) -> str:
        return self._index.hash

    def apply(self, record: Record) -> list[Breach]:
        """The breaches that this record brings to light: commands, readings and until are applied in that order.

        Raises Corrupt if the record says that other rules decide: `change` to them first.
        """
        if record.commands:
            self._check(record)
        good_quality, online = Quality.GOOD, Quantity.ONLINE
        subjects = self._index.subjects
        for reading in record.readings:
            subject = subjects.get(reading.sensor)
            if subject is None:
                continue
            at = reading.at
            if at > reading.received_at:
                at = reading.received_at
            if subject.slow or reading.retained:
                self._carefully(subject, reading, at)
                continue
            samples = reading.samples
            ear = subject.ear
            if ear is not None:
                if (
                    not ear.busy
                    and samples
                    and samples[0].quality is good_quality
                    and samples[0].quantity is not online
                    and at >= ear.at
                    and at >= subject.clock.until
                    and at - ear.seen < subject.patience
                ):
                    ear.at = ear.seen = at
                elif (quality := sounds(reading)) is not None:
                    self._listen(subject, reading, at, quality)
            lines = subject.lines
            for sample in samples:
                line = lines.get(sample.quantity)
                if line is not None:
                    value = sample.value
                    try:
                        if (
                            not line.busy
                            and at >= line.at
                            and sample.quality is good_quality
                            and not sample.channel
                            and (value == line.value or line.low <= value <= line.high)  # type: ignore[operator]
                        ):
                            line.value = value
                            line.at = at
                            continue
                    except TypeError:  # no number
                        pass
                    if not sample.channel:
                        self._take(subject, line, sample, reading, at)
        if record.until is not None:
            self._pass(self._index.clock(record.ingest, record.life_safety), record.until)
        found, self._found = self._found, []
        return found

    def due(self, *, life_safety: bool) -> Instant | None:
        """The next instant at which something falls due in this lane: an `until` of then would tell."""
        found = ALWAYS
        for (_, lane), clock in self._index.clocks.items():
            if lane is not life_safety:
                continue
            while clock.heap and self._put_off(clock):
                pass
            if clock.heap and clock.heap[0][0] < found:
                found = clock.heap[0][0]
        return None if found == ALWAYS else found

    # --- readings -----------------------------------------------------------------------------------------------------

    def _carefully(self, subject: Subject, reading: Reading, at: Instant) -> None:
        """A reading that is retained, or whose sensor has channels or is a witness."""
        if subject.witness is not None:
            subject.witness.hear(reading, at, self._index.kept)
        if subject.ear is not None and not reading.retained and (quality := sounds(reading)) is not None:
            self._listen(subject, reading, at, quality)
        for sample in reading.samples:
            of = subject.channels.get(sample.channel) if sample.channel else subject
            if of is None:
                continue
            if of.ear is not None and of is not subject and not reading.retained and good(sample):
                self._listen(of, reading, at, sample.quality)
            line = of.lines.get(sample.quantity)
            if line is not None:
                self._take(of, line, sample, reading, at)

    def _take(self, subject: Subject, line: Line, sample: Sample, reading: Reading, at: Instant) -> None:
        """A sample is judged by the rules on its line, or waits to be judged by those with lateness."""
        value = sample.value
        if value is None or sample.quality == Quality.BAD:
            return
        dated = reading.dated or not reading.retained
        uncertain = sample.quality == Quality.UNCERTAIN or not dated
        sequence = -1 if reading.sequence is None else reading.sequence
        self._offer(subject, line, Item(at, value, reading.retained, dated, uncertain, sequence))

    def _listen(self, subject: Subject, reading: Reading, at: Instant, quality: Quality) -> None:
        """The sensor spoke; after a gap nobody knows whether it did so before."""
        assert subject.ear is not None
        gap = reading.received_at - subject.clock.until > GAP
        self._offer(subject, subject.ear, Item(at, True, uncertain=gap or quality != Quality.GOOD))

    def _offer(self, subject: Subject, line: Line, item: Item) -> None:
        until = subject.clock.until
        for watcher in line.late:
            lateness = watcher.terms.rule.lateness
            floor = Instant(max(NEVER, until - lateness))
            if watcher.when.understood(item.value) is not None:
                watcher.buffer.append(replace(item, floor=floor))
                self._wake_at(watcher, Instant(max(item.at, floor) + lateness))
        self._judge(line, item, until)

    def _judge(self, line: Line, item: Item, floor: Instant) -> None:
        """One sample in its turn.  Older than the last of its line, it is history and changes nothing."""
        if item.at < line.at or (not item.dated and item.value == line.value):
            return
        at = Instant(max(item.at, floor, line.seen))
        note = _note(item, at)
        understood = False
        for watcher in line.watchers:
            value = watcher.when.understood(item.value)
            if value is not None:
                understood = True
                self._see(watcher, item, at, value, note)
        if not understood:
            return
        if line.value != item.value:
            line.since = at
        line.value, line.seen = item.value, at
        if item.dated:
            line.at = item.at

    def _see(self, watcher: Watcher, item: Item, at: Instant, value: float | bool | str, note: str) -> None:
        when = watcher.when
        if isinstance(when, Silent):
            self._hear(watcher, at, item.uncertain)
        elif isinstance(when, Without):
            assert not isinstance(value, float)
            self._turn(watcher, when, item, Turn(at, item.at, value, note))
        elif watcher.watch is not None or any(when.broken(value, level, False) for level in watcher.terms.levels):
            self._advance(watcher, Event(at, value, note))

    # --- silence ------------------------------------------------------------------------------------------------------

    def _hear(self, watcher: Watcher, at: Instant, uncertain: bool) -> None:
        """Its silence up to now, if it was one, is told first; if nobody knows when it spoke, only an `until` tells."""
        if not uncertain or watcher.terms.rule.lateness:  # with lateness, it was an `until` that brought us here
            self._fall_silent(watcher, at)
        if watcher.watch is not None:
            self._advance(watcher, Event(at, False))

    def _fall_silent(self, watcher: Watcher, by: Instant) -> None:
        """If the silence has become too long by then, it is broken since it did."""
        start = _silence(watcher)
        if start is not None and start <= by:
            self._advance(watcher, Event(start, True, self._who_is_silent(watcher, start)))

    def _who_is_silent(self, watcher: Watcher, at: Instant) -> str:
        """The gateway, if it was offline or silent itself at that instant; else the sensor alone."""
        gateway = watcher.subject.watched.gateway
        if gateway is not None:
            subject = self._index.subjects[gateway]
            assert subject.witness is not None
            offline = subject.witness.offline_since(at)
            if offline is not None:
                return f"gateway {gateway} offline since {stamp(offline)}"
            every, heard = subject.watched.every, subject.witness.heard_by(at)
            assert isinstance(watcher.when, Silent)
            if every is not None and heard is not None and heard <= at - max(every, watcher.when.span):
                return f"gateway {gateway} {_since(heard)}"
        line = watcher.line
        return f"sensor {watcher.subject.id} {_since(None if line.at == NEVER else line.at)}"

    # --- without ------------------------------------------------------------------------------------------------------

    def _turn(self, watcher: Watcher, when: Without, item: Item, turn: Turn) -> None:
        """Taking the value is an event only if it is live and a change; leaving it matters to what was taken."""
        if turn.value == when.value:
            if item.kept or watcher.line.value == when.value:
                return
        elif not watcher.pending and watcher.watch is None:
            return
        watcher.pending.append(turn)
        self._wake_at(watcher, Instant(turn.at + watcher.terms.rule.lateness))

    def _decide(self, watcher: Watcher, when: Without, turn: Turn) -> None:
        """Broken unless what must come before was seen by now."""
        if turn.value != when.value:
            if watcher.watch is not None:
                self._advance(watcher, Event(turn.at, turn.value, turn.note))
            return
        readers = [self._index.subjects[reader] for reader in watcher.subject.watched.readers]
        start = Instant(turn.own - when.within)
        for reader in readers:
            assert reader.witness is not None
            if reader.witness.happened_between(when.absent, start, turn.own):
                return
        doubts = [doubt for reader in readers if (doubt := self._doubt(reader, watcher, turn))]
        if not readers:
            doubts = ["no badge reader"]
        notes = [f"unverified: {', '.join(doubts)}"] if doubts else []
        self._advance(watcher, Event(turn.at, turn.value, "; ".join([*notes, *filter(None, [turn.note])])))

    def _doubt(self, reader: Subject, watcher: Watcher, turn: Turn) -> str:
        """Why the reader's silence proves nothing; "" if it was alive when the quantity turned."""
        if reader.clock.until < turn.at + watcher.terms.rule.lateness:
            return (
                f"badge reader {reader.id} not heard up to {stamp(turn.at)}: ingest {reader.watched.ingest} is behind"
            )
        assert reader.witness is not None
        heard, every = reader.witness.heard_by(turn.own), reader.watched.every
        if every is not None and heard is not None and heard >= turn.own - every:
            return ""
        gateway = self._index.subjects[reader.watched.gateway] if reader.watched.gateway is not None else None
        if gateway is not None:
            assert gateway.witness is not None
            spoke, patience = gateway.witness.heard_by(turn.own), every or gateway.watched.every
            if spoke is not None and patience is not None and spoke >= turn.own - patience:
                return ""
        return f"badge reader {reader.id} {_since(heard)}"

    # --- time ---------------------------------------------------------------------------------------------------------

    def _pass(self, clock: Clock, until: Instant) -> None:
        """All that falls due by then happens, each at its own time."""
        if until < clock.until:
            return
        if until - clock.until > GAP:
            self._listen_again(clock, until)
        clock.until = until
        heap = clock.heap
        while heap and heap[0][0] <= until:
            at, key = heappop(heap)
            watcher = self._index.watchers[key]
            if watcher.wake == at:
                self._happen(watcher, at)

    def _listen_again(self, clock: Clock, until: Instant) -> None:
        """Between its last `until` and this one nobody listened: that time is no silence of the sensors (law 4)."""
        watchers = [each for each in self._index.watchers.values() if each.clock is clock]
        silences = [watcher for watcher in watchers if isinstance(watcher.when, Silent)]
        for line, waiting in {watcher.line: bool(watcher.buffer) for watcher in silences}.items():
            if line.seen == NEVER:
                line.seen = NEVER if waiting else until
            elif clock.until != NEVER:
                line.seen = Instant(until - max(0, clock.until - line.seen))
        for watcher in silences:
            self._schedule(watcher)

    def _happen(self, watcher: Watcher, at: Instant) -> None:
        """The watch's own time is `at` less its lateness."""
        watcher.wake = ALWAYS
        now = Instant(at - watcher.terms.rule.lateness)
        ready = [item for item in watcher.buffer if item.at <= now and item.floor <= now]
        if ready:
            watcher.buffer = [item for item in watcher.buffer if item.at > now or item.floor > now]
            for item in sorted(ready, key=lambda item: (item.at, item.sequence)):
                self._judge(watcher.line, item, item.floor)
        when = watcher.when
        if isinstance(when, Without):
            while watcher.pending and watcher.pending[0].at <= now:
                self._decide(watcher, when, watcher.pending.pop(0))
        elif isinstance(when, Silent):
            self._fall_silent(watcher, now)
        if watcher.watch is not None:
            self._advance(watcher, Event(now))
        self._schedule(watcher)

    def _advance(self, watcher: Watcher, event: Event) -> None:
        watch, breaches = advance(watcher.watch or watcher.terms.idle, watcher.terms, event)
        self._found += breaches
        self._keep(watcher, None if forgettable(watch, event.at) else watch)

    def _keep(self, watcher: Watcher, watch: Watch | None) -> None:
        watcher.line.busy += (watch is not None) - (watcher.watch is not None)
        watcher.watch = watch
        self._schedule(watcher)

    def _schedule(self, watcher: Watcher) -> None:
        wake = _next(watcher)
        if wake is not None:
            self._wake_at(watcher, wake)

    def _wake_at(self, watcher: Watcher, at: Instant) -> None:
        """One entry per watch counts, the earliest; when that is too early, the watch is put off."""
        if at < watcher.wake:
            watcher.wake = at
            heappush(watcher.clock.heap, (at, watcher.key))

    def _put_off(self, clock: Clock) -> bool:
        """Whether the first entry was out of date; then it is gone."""
        at, key = clock.heap[0]
        watcher = self._index.watchers[key]
        wake = _next(watcher)
        if watcher.wake == at and wake == at:
            return False
        heappop(clock.heap)
        if watcher.wake == at:
            watcher.wake = ALWAYS
            if wake is not None:
                self._wake_at(watcher, wake)
        return True

    # --- other rules --------------------------------------------------------------------------------------------------

    def change(self, ruleset: RuleSet, rules_hash: str = "") -> "Engine":
        """The engine under other rules.  What it finds by the change itself comes with the record that tells of it.

        A rule that decides as before keeps its watches.  A new or changed one warms up, muted, for the longest span it
        names; what is broken then is raised with its true onset, and what was raised before stays raised until then.
        A rule that is gone clears what it had raised.  A sensor that has come to another zone or lane is a new one, as
        nothing is known of it in the partition where it is decided now.  Raises ConfigurationError.
        """
        new = Engine(ruleset, rules_hash)
        old = self._index
        stays = partial(_stays, old.ruleset, ruleset)
        same = {key for key, watcher in new._index.watchers.items() if _decides_as(watcher, old.watchers.get(key))}
        new._found = self._found
        new._retired = {key: watch for key, watch in self._retired.items() if stays(key[1])}
        known = self._known()
        new._learn(replace(known, lines=[line for line in known.lines if stays(line[0])]), same)
        for key, watcher in old.watchers.items():
            if not stays(key[1]):
                new._withdraw(watcher, "moved to another zone")
            elif key not in new._index.watchers and (watch := new._withdraw(watcher, "rule removed")) is not None:
                new._retired[key] = watch
        for key, watcher in new._index.watchers.items():
            if key not in same:
                before = old.watchers[key].watch if key in old.watchers and stays(key[1]) else None
                new._warm_up(watcher, before or new._retired.pop(key, None))
        new._settle()
        return new

    def _check(self, record: Record) -> None:
        hashes = [command.rules_hash for command in record.commands if isinstance(command, RulesChanged)]
        if hashes and hashes[-1] != self.ruleset_hash:
            raise Corrupt(
                f"the log goes on with rule set {hashes[-1]}, the engine has {self.ruleset_hash}: change first"
            )

    def _withdraw(self, watcher: Watcher, why: str) -> Watch | None:
        """What it had raised is cleared; the watch, if it ever told something."""
        if watcher.watch is None or watcher.watch.onset is None:
            return None
        now = Instant(max(watcher.clock.until, watcher.line.seen, watcher.watch.onset))
        watch, breaches = withdrawn(watcher.watch, watcher.terms, now, why)
        self._found += breaches
        return watch

    def _warm_up(self, watcher: Watcher, before: Watch | None) -> None:
        """Muted, and knowing what its line says now.  Before the first `until` all rules only begin: none is muted."""
        until, rule = watcher.clock.until, watcher.terms.rule
        idle = watcher.terms.idle
        muted = None if until == NEVER else Instant(until + rule.memory)
        if before is not None:
            idle = Watch(idle.marks, told=before.told, onset=before.onset, number=before.number, muted_until=muted)
        elif muted is not None:
            idle = Watch(idle.marks, muted_until=muted)
        self._keep(watcher, None if idle == watcher.terms.idle else idle)
        told = before is not None and before.told is not None
        line = watcher.subject.lines.get(watcher.when.quantity) if watcher.when.quantity else watcher.subject.ear
        if line is None or line.value is NOTHING or isinstance(watcher.when, Silent):
            return
        watcher.line.value, watcher.line.at, watcher.line.since = line.value, line.at, line.since
        value = watcher.when.understood(line.value)
        if value is not None and (told or not isinstance(watcher.when, Without)):
            since = max(line.at, line.since) if isinstance(value, float) else line.since
            self._advance(watcher, Event(Instant(since), value))

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def checkpoint(self) -> bytes:
        """With `restore` and the rest of the log: as if it had never stopped."""
        return checkpoint.pack(self._known())

    @classmethod
    def restore(cls, ruleset: RuleSet, data: bytes, rules_hash: str = "") -> "Engine":
        """Raises Corrupt for bytes that are no checkpoint of these rules."""
        engine = cls(ruleset, rules_hash)
        known = checkpoint.unpack(data)
        if known.rules_hash != engine.ruleset_hash:
            raise Corrupt(f"a checkpoint of rule set {known.rules_hash}, not of {engine.ruleset_hash}")
        engine._retired = dict(known.retired)
        engine._learn(known, set(engine._index.watchers))
        engine._settle()
        return engine

    def _known(self) -> Known:
        index = self._index
        lines = index.lines.items()
        return Known(
            rules_hash=index.hash,
            clocks=sorted((*key, clock.until) for key, clock in index.clocks.items() if clock.until != NEVER),
            lines=[(key[0], key[1], _line_state(line)) for key, line in lines if _spoken(line)],
            watchers=sorted(
                (key, _watcher_state(watcher)) for key, watcher in index.watchers.items() if _knows(watcher)
            ),
            witnesses=sorted((id_, subject.witness) for id_, subject in index.subjects.items() if subject.witness),
            retired=sorted(self._retired.items()),
        )

    def _learn(self, known: Known, keys: set[Key]) -> None:
        """What is known of clocks and sensors, and the watches with these keys."""
        index = self._index
        for ingest, lane, until in known.clocks:
            index.clock(ingest, lane).until = until
        lines = index.lines
        for sensor, quantity, state in known.lines:
            if (sensor, quantity) in lines:
                _set_line(lines[sensor, quantity], state)
        for key, watcher_state in known.watchers:
            if key in keys:
                watcher = index.watchers[key]
                watcher.pending, watcher.buffer = list(watcher_state.pending), list(watcher_state.buffer)
                if watcher_state.line is not None:
                    _set_line(watcher.line, watcher_state.line)
                self._keep(watcher, watcher_state.watch)
        for sensor, witness in known.witnesses:
            subject = index.subjects.get(sensor)
            if subject is not None and subject.witness is not None:
                subject.witness.heard, subject.witness.online = list(witness.heard), list(witness.online)
                for quantity in subject.witness.happened:
                    subject.witness.happened[quantity] = list(witness.happened.get(quantity, ()))

    def _settle(self) -> None:
        """Everything that waits stands in the heaps; a new silence begins with its rule."""
        for watcher in self._index.watchers.values():
            if isinstance(watcher.when, Silent) and watcher.line.seen == NEVER and not watcher.buffer:
                watcher.line.seen = watcher.clock.until
            self._schedule(watcher)


def stamp(at: Instant) -> str:
    """2026-11-24T09:58:00Z"""
    try:
        return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return f"{at} µs"


def _since(heard: Instant | None) -> str:
    return "never heard" if heard is None else f"silent since {stamp(heard)}"


def _note(item: Item, at: Instant) -> str:
    notes = []
    if item.uncertain:
        notes.append("uncertain: a state without a time of its own")
    if at > item.at:
        notes.append(f"late: measured {stamp(item.at)}")
    return "; ".join(notes)


def _next(watcher: Watcher) -> Instant | None:
    """When this watch must be looked at if nothing more is heard, by its ingest's clock."""
    found = [max(item.at, item.floor) for item in watcher.buffer]
    if watcher.pending:
        found.append(watcher.pending[0].at)
    if watcher.watch is not None and (at := due(watcher.watch, watcher.terms)) is not None:
        found.append(at)
    if isinstance(watcher.when, Silent) and (start := _silence(watcher)) is not None:
        found.append(start)
    return Instant(min(found) + watcher.terms.rule.lateness) if found else None


def _silence(watcher: Watcher) -> Instant | None:
    """When its silence will have been too long; None = it is silent already, or nothing has begun."""
    assert isinstance(watcher.when, Silent)
    if watcher.line.seen == NEVER or (watcher.watch is not None and watcher.watch.value is True):
        return None
    return Instant(watcher.line.seen + watcher.when.span)


def _stays(old: RuleSet, new: RuleSet, subject: SensorId) -> bool:
    return old.home(subject) == new.home(subject)


def _decides_as(new: Watcher, old: Watcher | None) -> bool:
    """Whether the texts alone differ."""
    return old is not None and _decisive(new) == _decisive(old)


def _decisive(watcher: Watcher) -> tuple[object, ...]:
    rule = watcher.terms.rule
    return rule.when, rule.for_, rule.clear_for, rule.lateness, rule.priority, watcher.subject.watched


def _line_state(line: Line) -> LineState:
    value: Any = line.value
    if value is NOTHING:
        value = None
    elif type(value) is int:
        value = float(value)
    return LineState(line.at, line.seen, line.since, value)


def _set_line(line: Line, state: LineState) -> None:
    line.at, line.seen, line.since = state.at, state.seen, state.since
    line.value = NOTHING if state.value is None else state.value


def _spoken(line: Line) -> bool:
    return line.at != NEVER or line.seen != NEVER


def _knows(watcher: Watcher) -> bool:
    own = bool(watcher.terms.rule.lateness) and _spoken(watcher.line)
    return watcher.watch is not None or bool(watcher.pending) or bool(watcher.buffer) or own


def _watcher_state(watcher: Watcher) -> WatcherState:
    line = _line_state(watcher.line) if watcher.terms.rule.lateness else None
    return WatcherState(watcher.watch, watcher.pending, watcher.buffer, line)
