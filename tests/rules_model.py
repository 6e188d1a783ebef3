"""What the rules mean, slow and obvious: one watch recomputed from the whole log.  The engine must find the same.

Nothing is kept between two instants: whenever anything could happen, the whole past is looked at again.
"""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import count

from msgspec.structs import replace

from rules.limits import Limits
from rules.ruleset import Rule, RuleSet, Watched, sensor_of
from rules.silent import Silent
from rules.without import Without
from vorab.model import SECOND, Breach, Quality, Quantity, Reading, Record, RulesChanged, Sample, SensorId, Span

Edge = tuple[str, int, str, int, str, object, object, str]  #: id, number, edge, at, priority, value, limit, note
Lane = tuple[str, bool]  #: an ingest, and whether it is its life safety
BEFORE_ALL = -(10**20)
GAP = 10 * SECOND  #: between two untils: an ingest that says nothing for longer does not listen


@dataclass
class Heard:
    """One reading, where it stands in the log."""

    position: int
    reading: Reading

    @property
    def at(self) -> int:
        return min(self.reading.at, self.reading.received_at)


@dataclass
class Log:
    """Readings by sensor and untils by lane of an ingest, each with its position."""

    readings: dict[str, list[Heard]]
    untils: dict[Lane, list[tuple[int, int]]]
    deaf: dict[Lane, list[tuple[int, int, int]]]  #: where it listened again; from and to when nobody did
    changes: list[int]  #: where other rules begin

    def before(self, position: int) -> "Log":
        """What stands above that place."""
        return Log(
            {sensor: [each for each in heard if each.position < position] for sensor, heard in self.readings.items()},
            {lane: [each for each in untils if each[0] < position] for lane, untils in self.untils.items()},
            {lane: [each for each in deaf if each[0] < position] for lane, deaf in self.deaf.items()},
            [],
        )


@dataclass
class Value:
    """A value as the watch sees it."""

    at: int
    value: object
    note: str
    own: int = 0  #: the reading's own time
    event: bool = True  #: live, not a state that the broker kept
    position: int = 0  #: in the log, or of the until that released it
    sure: bool = True  #: it is known when it was said
    dated: bool = True


@dataclass
class Start:
    """Where a new or changed rule begins."""

    position: int
    clock: int  #: of its ingest
    known: bool  #: other rules had listened to the same quantity of the sensor
    told: list[Edge]  #: what the rule had told before it was changed

    @property
    def raised(self) -> bool:
        return bool(self.told) and self.told[-1][2] != "cleared"


def read(records: list[Record]) -> Log:
    log, position = Log({}, {}, {}, []), count()
    highest: dict[Lane, int] = {}
    for record in records:
        if any(isinstance(command, RulesChanged) for command in record.commands):
            log.changes.append(next(position))
        for reading in record.readings:
            log.readings.setdefault(reading.sensor, []).append(Heard(next(position), reading))
        lane = record.ingest, record.life_safety
        if record.until is not None and record.until >= highest.get(lane, BEFORE_ALL):
            place = next(position)
            before = highest.get(lane, record.until)
            if record.until - before > GAP:
                log.deaf.setdefault(lane, []).append((place, before, record.until))
            highest[lane] = record.until
            log.untils.setdefault(lane, []).append((place, record.until))
    return log


def edges(ruleset: RuleSet, log: Log, changed: RuleSet | None = None) -> dict[tuple[str, str], list[Edge]]:
    """Every edge of every watch, in its order; where the log's last change stands, the changed rules begin."""
    sets = [ruleset] if changed is None else [ruleset, changed]
    watches = sorted({(rule.id, sensor) for each in sets for rule in each.rules for sensor in rule.watch})
    past = log.before(log.changes[-1]) if changed else log
    found = {watch: _watch(*watch, ruleset, changed or ruleset, log, past) for watch in watches}
    return {watch: told for watch, told in found.items() if told}


def _watch(id_: str, sensor: SensorId, old: RuleSet, new: RuleSet, log: Log, past: Log) -> list[Edge]:
    """`past`: what stands above the change."""
    before, after = _rule(old, id_, sensor), _rule(new, id_, sensor)
    moved = old.home(sensor) != new.home(sensor)
    if before and after and not moved and _decides(before, sensor, old) == _decides(after, sensor, new):
        return _told(after, sensor, _values(after, sensor, new, log), _end(after, sensor, new, log))
    place = log.changes[-1]
    gone = "moved" if moved else "rule" if not after else ""
    told = _ended(before, sensor, old, past, gone) if before else []
    if not after:
        return told
    known = not moved and any(
        rule.when.quantity is after.when.quantity and sensor in rule.watch and not rule.lateness for rule in old.rules
    )
    start = Start(place, _clock(log, _lane(new.watched(sensor)), place), known, [] if moved else told)
    values = _values(after, sensor, new, log, start)
    more = _told(after, sensor, values, _end(after, sensor, new, log), start)
    return told + more


def _rule(ruleset: RuleSet, id_: str, sensor: SensorId) -> Rule | None:
    return next((rule for rule in ruleset.rules if rule.id == id_ and sensor in rule.watch), None)


def _decides(rule: Rule, sensor: SensorId, ruleset: RuleSet) -> tuple[object, ...]:
    return rule.when, rule.for_, rule.clear_for, rule.lateness, rule.priority, ruleset.watched(sensor)


def _ended(rule: Rule, sensor: SensorId, ruleset: RuleSet, log: Log, gone: str) -> list[Edge]:
    """What was told before the rules changed; if the watch is gone, what was raised then is cleared."""
    values = _values(rule, sensor, ruleset, log)
    told = _told(rule, sensor, values, _end(rule, sensor, ruleset, log))
    if not gone or not told or told[-1][2] == "cleared":
        return told
    lane = _lane(ruleset.watched(sensor))
    said = _sounds(sensor, lane, log) if isinstance(rule.when, Silent) else _samples(rule, sensor, log)
    seen = [value.at for value in _in_order(rule, lane, log, said)]
    identity, number, _, _, priority, *_ = told[-1]
    at = max([_clock(log, lane, 10**20), int(identity.split("/")[2]), *seen])
    value = None if isinstance(rule.when, Silent) else values[-1].value
    return [*told, (identity, number + 1, "cleared", at, priority, value, None, gone)]


def of(breaches: list[Breach]) -> dict[tuple[str, str], list[Edge]]:
    """The engine's findings in the same form; of a note, the kind."""
    found: dict[tuple[str, str], list[Edge]] = {}
    for b in breaches:
        note = "; ".join(part.split()[0].rstrip(":") for part in b.note.split("; ") if part)
        edge = (b.id, b.number, b.edge.value, b.at, b.priority.value, b.value, b.limit, note)
        found.setdefault((b.rule, b.subject), []).append(edge)
    return found


# --- what the watch sees ----------------------------------------------------------------------------------------------


def _end(rule: Rule, sensor: SensorId, ruleset: RuleSet, log: Log) -> int:
    """The watch's own time when the log ends."""
    return _clock(log, _lane(ruleset.watched(sensor)), 10**20) - rule.lateness


def _lane(watched: Watched) -> Lane:
    return watched.ingest, watched.life_safety


def _clock(log: Log, lane: Lane, position: int) -> int:
    """How far the ingest had got there."""
    untils = log.untils.get(lane, [])
    index = bisect_left(untils, (position, BEFORE_ALL))
    return untils[index - 1][1] if index else BEFORE_ALL


def _noticed(log: Log, lane: Lane, at: int, position: int) -> int | None:
    """The first place behind `position` where the ingest has got to that instant."""
    untils = log.untils.get(lane, [])
    enough = bisect_left(untils, at, key=lambda until: until[1])
    index = max(enough, bisect_left(untils, (position, BEFORE_ALL)))
    return untils[index][0] if index < len(untils) else None


def _values(rule: Rule, sensor: SensorId, ruleset: RuleSet, log: Log, start: Start | None = None) -> list[Value]:
    if isinstance(rule.when, Silent):
        return _silences(rule, rule.when, sensor, ruleset, log, start)
    lane = _lane(ruleset.watched(sensor))
    said = _samples(rule, sensor, log)
    first = None
    if start is None:
        seen = _in_order(rule, lane, log, said)
    else:
        new = [each for each in said if each[0].position >= start.position]
        line = _in_order(replace(rule, lateness=Span(0)), lane, log, said if start.known else new)
        first = _last([value for value in line if value.position < start.position])
        seen = _in_order(rule, lane, log, new, first) if rule.lateness else line
        seen = [value for value in seen if value.position >= start.position]
    if not isinstance(rule.when, Without):
        return [*([first] if first else []), *seen]
    openings = _openings(rule, rule.when, sensor, ruleset, log, seen, first)
    return [first, *openings] if first and start and start.raised else openings


def _samples(rule: Rule, subject: SensorId, log: Log) -> list[tuple[Heard, Sample]]:
    """What the sensor, or this channel of it, said of the rule's quantity."""
    sensor, channel = sensor_of(subject)
    return [
        (heard, sample)
        for heard in log.readings.get(sensor, [])
        for sample in heard.reading.samples
        if sample.quantity is rule.when.quantity and sample.channel == channel and _usable(rule, sample)
    ]


def _last(values: list[Value]) -> Value | None:
    """What the line says now: a state since it became so, a number since it was measured last."""
    if not values:
        return None
    value = values[-1].value
    began = next((v.at for u, v in zip(values[-2::-1], values[:0:-1], strict=True) if u.value != value), values[0].at)
    measured = max((each.own for each in values if each.dated), default=BEFORE_ALL)
    return Value(max(began, measured) if isinstance(value, float) else began, value, "", measured)


def _usable(rule: Rule, sample: Sample) -> bool:
    if sample.quality == Quality.BAD or sample.value is None:
        return False
    if isinstance(rule.when, Limits):
        return isinstance(sample.value, int | float) and not isinstance(sample.value, bool) and abs(sample.value) < 1e12
    return isinstance(sample.value, bool)


def _in_order(
    rule: Rule, lane: Lane, log: Log, said: list[tuple[Heard, Sample]], first: Value | None = None
) -> list[Value]:
    """In the order of the log, or with lateness of their own time; without what is history or only confirmed.

    `first`: what was known before.
    """
    queue = []
    for heard, sample in said:
        floor = _clock(log, lane, heard.position) - rule.lateness
        ready = max(heard.at, floor)
        released = _noticed(log, lane, ready + rule.lateness, heard.position) if rule.lateness else 0
        if released is not None:
            order = (released, ready, heard.at, heard.position) if rule.lateness else (heard.position,)
            queue.append((order, heard.at, released or heard.position, floor, heard.reading, sample))
    queue.sort(key=lambda entry: entry[0])
    seen: list[Value] = []
    newest, value = (first.own, first.value) if first else (BEFORE_ALL, None)
    for _, own, position, floor, reading, sample in queue:
        undated = reading.retained and not reading.dated
        if own < newest or (undated and value == sample.value):
            continue
        at = max(own, floor, seen[-1].at if seen else BEFORE_ALL)
        notes = []
        if undated or sample.quality == Quality.UNCERTAIN:
            notes.append("uncertain")
        if at > own:
            notes.append("late")
        sure = sample.quality == Quality.GOOD
        value = sample.value
        seen.append(Value(at, value, "; ".join(notes), own, not reading.retained, position, sure, not undated))
        if not undated:
            newest = own
    return seen


def _openings(
    rule: Rule, when: Without, sensor: SensorId, ruleset: RuleSet, log: Log, seen: list[Value], first: Value | None
) -> list[Value]:
    """The instants at which it took the value with nothing before it, and at which it left it."""
    watched = ruleset.watched(sensor)
    found = []
    for before, now in zip([first, *seen], seen, strict=False):
        decided = _noticed(log, _lane(watched), now.at + rule.lateness, now.position)
        if decided is None:
            break
        if now.value != when.value:
            found.append(now)
            continue
        if not now.event or (before is not None and before.value == when.value):
            continue
        known = {
            reader: [heard for heard in log.readings.get(reader, []) if heard.position < decided]
            for reader in watched.readers
        }
        if any(_badge(when, now.own, heard) for readings in known.values() for heard in readings):
            continue
        dead = [r for r in watched.readers if _dead(r, now, rule, ruleset, log, decided)]
        note = "; ".join(filter(None, ["unverified" if dead else "", now.note]))
        found.append(Value(now.at, now.value, note))
    return found


def _badge(when: Without, opened: int, heard: Heard) -> bool:
    badges = [s for s in heard.reading.samples if s.quantity is when.absent and s.quality != Quality.BAD]
    return bool(badges) and not heard.reading.retained and opened - when.within <= heard.at <= opened


def _dead(reader: SensorId, opened: Value, rule: Rule, ruleset: RuleSet, log: Log, decided: int) -> bool:
    watched = ruleset.watched(reader)
    if _clock(log, _lane(watched), decided + 1) < opened.at + rule.lateness:
        return True
    assert watched.every is not None
    return not any(
        opened.own - watched.every <= heard.at <= opened.own
        for sensor in filter(None, [reader, watched.gateway])
        for heard in log.readings.get(sensor, [])
        if heard.position < decided and _spoke(heard.reading)
    )


def _spoke(reading: Reading) -> bool:
    return not reading.retained and any(
        sample.quality != Quality.BAD and (sample.quantity is not Quantity.ONLINE or sample.value is True)
        for sample in reading.samples
    )


def _sound(reading: Reading, clock: int) -> Sample:
    """The best of what was heard; not sure after a gap, when it may have spoken unheard before."""
    gap = Quality.UNCERTAIN if reading.received_at - clock > GAP else Quality.GOOD
    return Sample(Quantity.ONLINE, True, "", max(gap, min(sample.quality for sample in reading.samples)))


def _sounds(sensor: SensorId, lane: Lane, log: Log) -> list[tuple[Heard, Sample]]:
    return [
        (heard, _sound(heard.reading, _clock(log, lane, heard.position)))
        for heard in log.readings.get(sensor, [])
        if _spoke(heard.reading)
    ]


def _silences(
    rule: Rule, when: Silent, sensor: SensorId, ruleset: RuleSet, log: Log, start: Start | None
) -> list[Value]:
    """Where the gaps between two sounds begin to be too long, and where they end."""
    watched = ruleset.watched(sensor)
    lane, place = _lane(watched), start.position if start else BEFORE_ALL
    sounds, begin = _sounds(sensor, lane, log), log.untils.get(lane, [])[:1]
    if start and (rule.lateness or not start.known):
        begin = [(place, start.clock)]
        sounds = [each for each in sounds if each[0].position >= place]
    heard = _in_order(rule, lane, log, sounds)
    if begin and not any(sound.position < begin[0][0] for sound, _ in sounds):
        at = begin[0][1]
        heard = [Value(at, True, "", BEFORE_ALL, True, begin[0][0])] + [
            Value(max(value.at, at), True, "", value.own, True, value.position, value.sure) for value in heard
        ]
    deaf = log.deaf.get(lane, [])
    found = []
    for now, after in zip(heard, [*heard[1:], None], strict=True):
        heard_at = lifted = now.at
        silent = False
        for again, since, end in deaf:
            if now.position < again and (after is None or again <= after.position):
                silent = silent or (again > place and heard_at + when.span + rule.lateness <= since)
                lifted = end - max(0, since - lifted)
                heard_at = heard_at if silent else lifted
        if after is not None:
            after.at = max(after.at, lifted)
        too_long = heard_at + when.span
        if after is not None and (after.at < too_long or after.position < place):
            continue
        noticed = _noticed(log, lane, too_long + rule.lateness, max(now.position, place))
        if after is not None and not rule.lateness and (noticed is None or after.position < noticed):
            noticed = after.position if after.sure else None
        if noticed is None:
            continue
        found.append(Value(too_long, True, _who(watched.gateway, when.span, ruleset, log, too_long, noticed)))
        if after is not None:
            found.append(Value(after.at, False, ""))
    return found


def _who(gateway: SensorId | None, span: Span, ruleset: RuleSet, log: Log, at: int, position: int) -> str:
    """The gateway, if what was known of it says that at that instant it was offline, or silent for too long itself."""
    if gateway is None:
        return "sensor"
    known = [heard for heard in log.readings.get(gateway, []) if heard.position < position and heard.at <= at]
    links = [
        (heard.at, heard.position, sample.value)
        for heard in known
        for sample in heard.reading.samples
        if sample.quantity is Quantity.ONLINE
    ]
    every = ruleset.watched(gateway).every
    sounds = [heard.at for heard in known if _spoke(heard.reading)]
    silent = every is not None and bool(sounds) and max(sounds) <= at - max(every, span)
    return "gateway" if silent or (links and max(links)[2] is False) else "sensor"


# --- when it is raised ------------------------------------------------------------------------------------------------


def _told(rule: Rule, sensor: SensorId, values: list[Value], end: int, start: Start | None = None) -> list[Edge]:
    """Walks over all instants at which anything could fall due, and looks back from each."""
    watch = _Past(rule, sensor, start)
    last = max([end, *(value.at for value in values)])
    for value in values:
        watch.pass_until(value.at)
        watch.values.append(value)
        watch.pass_until(value.at)
    watch.pass_until(last)
    return watch.told


class _Past:
    """All values so far, all edges so far, and for each level when it began or ceased to be held."""

    def __init__(self, rule: Rule, sensor: SensorId, start: Start | None) -> None:
        self.rule, self.sensor = rule, sensor
        self.earlier = start.told if start else []
        self.identity, self.said = "", ""  #: the breach told last, and its priority while it is raised
        if start and start.raised:
            self.identity, self.said = self.earlier[-1][0], self.earlier[-1][4]
        self.muted = start.clock + rule.memory if start and start.clock > BEFORE_ALL else None
        self.values: list[Value] = []
        self.told: list[Edge] = []
        self.levels = rule.levels
        self.level = 0
        self.turned = [(BEFORE_ALL, 0)] * len(self.levels)  #: when, and after how many values
        self.onset = 0

    def pass_until(self, end: int) -> None:
        while True:
            due = [(at, -level) for level in range(1, len(self.levels) + 1) if (at := self._due(level)) is not None]
            if self.muted is not None and self.muted <= end and not (due and min(due)[0] <= self.muted):
                at, self.muted = self.muted, None
                self._tell(at, "")
                continue
            if not due or min(due)[0] > end:
                return
            self._change(min(due)[0])

    def _due(self, level: int) -> int | None:
        """When this level rises, or (the highest one held) falls."""
        since = self._since(level)
        if since is None or level < self.level:
            return None
        return since[0] + (self.rule.clear_for if level == self.level else self.levels[level - 1][1])

    def _since(self, level: int) -> tuple[int, str] | None:
        """Since when it is what would change it: broken, or no longer broken while it is held."""
        held = level <= self.level
        at, after = self.turned[level - 1]
        found = None
        for index in range(len(self.values) - 1, -1, -1):
            value = self.values[index]
            if self._broken(value.value, level, held) is held:
                break
            if index < after:
                return (at, "") if held else found
            found = (value.at, value.note)
        return found

    def _broken(self, value: object, level: int, held: bool) -> bool:
        when, priority = self.rule.when, self.levels[level - 1][0]
        if isinstance(when, Limits):
            assert isinstance(value, int | float)
            margin = when.deadband if held else 0
            high, low = when.above.get(priority, float("inf")), when.below.get(priority, float("-inf"))
            return not low + margin <= value <= high - margin
        return value == (True if isinstance(when, Silent) else when.value)

    def _change(self, at: int) -> None:
        before = self.level
        rising = [k for k in range(before + 1, len(self.levels) + 1) if (d := self._due(k)) is not None and d <= at]
        if rising:
            now = max(rising)
        else:
            kept = [k for k in range(1, before) if (s := self._since(k)) is None or s[0] + self.rule.clear_for > at]
            now = max(kept, default=0)
        since = self._since(max(before, now) if now > before else before)
        assert since is not None
        if before == 0:
            self.onset = since[0]
        self.level = now
        for k in range(min(before, now) + 1, max(before, now) + 1):
            self.turned[k - 1] = (at, len(self.values))
        self._tell(at, since[1])

    def _tell(self, at: int, note: str) -> None:
        """The edge between what was said last and what is now."""
        now = self.levels[self.level - 1][0] if self.level else None
        if self.muted is not None or (now or "") == self.said:
            return
        if not self.said:
            self.identity = f"{self.rule.id}/{self.sensor}/{self.onset}"
        number = sum(edge[0] == self.identity for edge in [*self.earlier, *self.told])
        edge = "raised" if not self.said else "level" if now else "cleared"
        value, limit = self.values[-1].value if self.values else None, None
        if isinstance(self.rule.when, Limits) and now:
            assert isinstance(value, int | float)
            above, margin = self.rule.when.above.get(now), self.rule.when.deadband
            passed = above is not None and value > above - margin
            limit = above if passed else self.rule.when.below.get(now)
        if isinstance(self.rule.when, Silent):
            value = None
        priority = now.value if now else self.said
        self.told.append((self.identity, number, edge, at, priority, value, limit, note))
        self.said = now.value if now else ""
