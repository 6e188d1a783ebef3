"""A rule set laid out for speed: from a sensor to its quantities, and to the rules that watch each of them."""

from msgspec import Struct

from rules.limits import Limits
from rules.ruleset import Condition, RuleSet, Watched, hash_of, sensor_of
from rules.silent import Silent
from rules.watch import Terms, Watch, terms
from rules.without import Without
from rules.witness import Witness
from vorab.model import HOUR, Instant, Quantity, RuleId, SensorId, Span

NEVER = Instant(-(1 << 62))
ALWAYS = Instant(1 << 62)
NOTHING = object()  #: the value of a line on which nothing was heard yet: equal to no value

Key = tuple[RuleId, SensorId]


class Item(Struct, frozen=True, array_like=True):
    """One sample as it is judged."""

    at: Instant
    value: float | bool | str
    kept: bool = False  #: a state the broker kept, not an event
    dated: bool = True
    uncertain: bool = False
    sequence: int = -1
    floor: Instant = NEVER  #: the watch's clock when it arrived: it is not applied before that


class Turn(Struct, frozen=True, array_like=True):
    """A quantity took or left the value of a `without`; decided when its ingest has got so far."""

    at: Instant  #: by the watch's clock
    own: Instant  #: by the sensor's
    value: bool | str
    note: str


class Clock:
    """The time of one lane of an ingest, and what falls due by it."""

    __slots__ = ("heap", "until")

    def __init__(self) -> None:
        self.until = NEVER
        self.heap: list[tuple[Instant, Key]] = []


class Line:
    """What one quantity of one sensor said last, and the rules that watch it.  Of silence: that it said anything."""

    __slots__ = ("at", "busy", "high", "late", "low", "seen", "since", "value", "watchers")

    def __init__(self) -> None:
        self.value: object = NOTHING
        self.at = NEVER  #: the newest reading's own time: an older one is history
        self.seen = NEVER  #: when the last value that was judged was applied: the clock of its watches
        self.since = NEVER  #: when the value became what it is
        self.busy = 0  #: watches that are not idle: above 0, every value must be judged
        self.low, self.high = 1.0, 0.0  #: a value between them breaks nothing; low > high: each other value is judged
        self.watchers: list[Watcher] = []
        self.late: list[Watcher] = []  #: those with a lateness: they have a line of their own, in its own order


class Watcher:
    """One rule on one sensor, in its place."""

    __slots__ = ("buffer", "clock", "key", "line", "pending", "subject", "terms", "wake", "watch", "when")

    def __init__(self, terms_: Terms, subject: "Subject", line: Line) -> None:
        self.key: Key = (terms_.rule.id, terms_.subject)
        self.terms = terms_
        self.when: Condition = terms_.rule.when
        self.subject = subject
        self.clock = subject.clock
        self.line = line
        self.watch: Watch | None = None  #: None = idle
        self.wake = ALWAYS  #: the first of its entries in the clock's heap
        self.pending: list[Turn] = []
        self.buffer: list[Item] = []


class Subject:
    """A sensor, or a channel of one."""

    __slots__ = ("channels", "clock", "ear", "id", "lines", "patience", "slow", "watched", "witness")

    def __init__(self, id_: SensorId, watched: Watched, clock: Clock) -> None:
        self.id = id_
        self.watched = watched
        self.clock = clock
        self.lines: dict[Quantity, Line] = {}
        self.ear: Line | None = None  #: if a rule watches whether it is silent
        self.patience = ALWAYS  #: the shortest silence that breaks a rule
        self.channels: dict[str, Subject] = {}
        self.witness: Witness | None = None  #: if sensors beside it ask
        self.slow = False  #: has channels or a witness


class Index:
    """All of a rule set in its place, nothing heard yet."""

    def __init__(self, ruleset: RuleSet, rules_hash: str = "") -> None:
        self.ruleset = ruleset
        self.hash = rules_hash or hash_of(ruleset)
        self.clocks: dict[tuple[str, bool], Clock] = {}  #: by ingest and lane: life safety waits for nobody
        self.subjects: dict[SensorId, Subject] = {}
        self.watchers: dict[Key, Watcher] = {}
        spans = [rule.memory for rule in ruleset.rules] + [each.every or 0 for each in ruleset.sensors.values()]
        self.kept = Span(max(spans, default=0) + HOUR)  #: how long a witness remembers
        for watched in ruleset.sensors.values():
            self.clock(watched.ingest, watched.life_safety)
        for rule in ruleset.rules:
            for sensor in rule.watch:
                self._place(terms(rule, sensor, self.hash))
        self._call_witnesses()
        self.lines = _lines(self.subjects)
        for line in self.lines.values():
            _measure(line)

    def clock(self, ingest: str, life_safety: bool) -> Clock:
        found = self.clocks.get((ingest, life_safety))
        if found is None:
            found = self.clocks[ingest, life_safety] = Clock()
        return found

    def subject(self, id_: SensorId) -> Subject:
        found = self.subjects.get(id_)
        if found is not None:
            return found
        watched = self.ruleset.watched(id_)
        found = self.subjects[id_] = Subject(id_, watched, self.clock(watched.ingest, watched.life_safety))
        sensor, channel = sensor_of(id_)
        if channel:
            base = self.subject(sensor)
            base.channels[channel] = found
            base.slow = True
        return found

    def _place(self, of: Terms) -> None:
        subject, when = self.subject(of.subject), of.rule.when
        shared = self._line(subject, when)
        watcher = Watcher(of, subject, Line() if of.rule.lateness else shared)
        watcher.line.watchers.append(watcher)
        if of.rule.lateness:
            shared.late.append(watcher)
        self.watchers[watcher.key] = watcher

    def _line(self, subject: Subject, when: Condition) -> Line:
        if when.quantity is not None:
            return subject.lines.setdefault(when.quantity, Line())
        if subject.ear is None:
            subject.ear = Line()
        assert isinstance(when, Silent)
        subject.patience = Instant(min(subject.patience, when.span))
        return subject.ear

    def _call_witnesses(self) -> None:
        """Whoever could be asked, also if no sensor of this partition asks: all partitions know the same of them."""
        whens = [rule.when for rule in self.ruleset.rules]
        absent = {when.absent for when in whens if isinstance(when, Without)}
        readers = {reader for each in self.ruleset.sensors.values() for reader in each.readers} if absent else set()
        gateways = {self.ruleset.watched(reader).gateway for reader in readers}
        if any(isinstance(when, Silent) for when in whens):
            gateways |= {each.gateway for each in self.ruleset.sensors.values()}
        for sensor in filter(None, {*readers, *gateways}):
            subject = self.subject(sensor)
            subject.slow = True
            subject.witness = Witness(happened={quantity: [] for quantity in absent if sensor in readers})


def _lines(subjects: dict[SensorId, Subject]) -> dict[tuple[SensorId, Quantity | None], Line]:
    """Every line that sensors speak on directly, sorted; None = the ear."""
    found: dict[tuple[SensorId, Quantity | None], Line] = {}
    for _, subject in sorted(subjects.items()):
        if subject.ear is not None:
            found[subject.id, None] = subject.ear
        found |= {(subject.id, quantity): line for quantity, line in sorted(subject.lines.items())}
    return found


def _measure(line: Line) -> None:
    """Between `low` and `high` no rule of the line is broken; a line with lateness is always busy."""
    limits = [watcher.when for watcher in line.watchers if isinstance(watcher.when, Limits)]
    if limits and len(limits) == len(line.watchers):
        line.low, line.high = max(each.calm[0] for each in limits), min(each.calm[1] for each in limits)
    line.busy = len(line.late)
