"""One rule on one sensor: `advance` is the whole rule engine, a pure function over small frozen values.

An operator answers *is it broken now?*; here alone `for` and `clear_for` are applied, and broken becomes raised, at
another level, cleared.  Time is played: whatever fell due before an event happens at its own time, before the event.
"""

from msgspec import Struct
from msgspec.structs import replace

from rules.limits import Limits
from rules.ruleset import Rule
from rules.silent import Silent
from rules.without import Without
from vorab.model import Breach, Edge, Instant, Priority, SensorId, Span, breach_id

Mark = tuple[Instant, str]  #: since when, and what is not certain about it


class Watch(Struct, frozen=True, array_like=True):
    """What must be remembered of one rule on one sensor.  `level` 0 = not raised; 1 = the least urgent."""

    marks: tuple[Mark | None, ...]  #: of each level above `level` since when it is broken, of the others since when not
    level: int = 0
    value: float | bool | str | None = None  #: the last one seen
    began: Instant = Instant(0)  #: when what is raised now began to be broken
    told: Priority | None = None  #: what the breaches said last: raised at this priority, or None
    onset: Instant | None = None  #: of the last breach told
    number: int = 0  #: of its next edge
    muted_until: Instant | None = None  #: a new rule warms up and tells nothing yet


class Terms(Struct, frozen=True):
    """A rule as one of its sensors is judged by it."""

    rule: Rule
    subject: SensorId
    rules_hash: str
    levels: tuple[Priority, ...]  #: from the least to the most urgent
    spans: tuple[Span, ...]  #: the on-delay of each

    @property
    def idle(self) -> Watch:
        return Watch((None,) * len(self.levels))


class Event(Struct, frozen=True):
    """A value, or (None) only that time passed."""

    at: Instant
    value: float | bool | str | None = None
    note: str = ""  #: what is not certain about it


def terms(rule: Rule, subject: SensorId, rules_hash: str) -> Terms:
    levels = rule.levels
    return Terms(rule, subject, rules_hash, tuple(level for level, _ in levels), tuple(span for _, span in levels))


def advance(watch: Watch, rule: Terms, event: Event) -> tuple[Watch, list[Breach]]:
    """The watch after the event, and every edge that fell due up to and including its time, each dated when it did."""
    watch, breaches = _play(watch, rule, event.at)
    if event.value is None:
        return watch, breaches
    watch, more = _play(_seen(watch, rule, event), rule, event.at)
    return watch, breaches + more


def due(watch: Watch, rule: Terms) -> Instant | None:
    """When something happens next if nothing more is heard."""
    found = [mark[0] + span for mark, span in _rising(watch, rule) if mark]
    falling = watch.marks[watch.level - 1] if watch.level else None
    if falling:
        found.append(falling[0] + rule.rule.clear_for)
    if watch.muted_until is not None:
        found.append(watch.muted_until)
    return Instant(min(found)) if found else None


def forgettable(watch: Watch, at: Instant) -> bool:
    """Whether a fresh watch would do as well from now on: nothing is pending, told, or could get the same id again."""
    return (
        not watch.level
        and watch.told is None
        and watch.muted_until is None
        and not any(watch.marks)
        and (watch.onset is None or watch.onset < at)
    )


def withdrawn(watch: Watch, rule: Terms, at: Instant, note: str) -> tuple[Watch, list[Breach]]:
    """Cleared, if it was told as raised: the rule does not watch this sensor any more."""
    ended = replace(rule.idle, value=watch.value, told=watch.told, onset=watch.onset, number=watch.number)
    return _tell(ended, rule, at, note)


def _rising(watch: Watch, rule: Terms) -> list[tuple[Mark | None, Span]]:
    return list(zip(watch.marks, rule.spans, strict=True))[watch.level :]


def _seen(watch: Watch, rule: Terms, event: Event) -> Watch:
    """A level's mark stands since it is broken (above the raised level) or not broken (at and below it)."""
    marks = []
    for index, (level, mark) in enumerate(zip(rule.levels, watch.marks, strict=True)):
        held = index < watch.level
        wanted = rule.rule.when.broken(event.value, level, held) is not held
        marks.append((mark or (event.at, event.note)) if wanted else None)
    return replace(watch, marks=tuple(marks), value=event.value)


def _play(watch: Watch, rule: Terms, until: Instant) -> tuple[Watch, list[Breach]]:
    breaches: list[Breach] = []
    while (at := due(watch, rule)) is not None and at <= until:
        watch, found = _happen(watch, rule, at)
        breaches += found
    return watch, breaches


def _happen(watch: Watch, rule: Terms, at: Instant) -> tuple[Watch, list[Breach]]:
    """What falls due at this instant: a level passed or left for long enough, or the end of the warm-up."""
    level = _level(watch, rule, at)
    if level > watch.level:
        mark = watch.marks[level - 1]
        assert mark is not None
        return _tell(_risen(watch, rule, level, at, mark[0]), rule, at, mark[1])
    if level < watch.level:
        mark = watch.marks[watch.level - 1]
        assert mark is not None
        marks = watch.marks[:level] + (None,) * (watch.level - level) + watch.marks[watch.level :]
        return _tell(replace(watch, level=level, marks=marks), rule, at, mark[1])
    return _tell(replace(watch, muted_until=None), rule, at, "")


def _level(watch: Watch, rule: Terms, at: Instant) -> int:
    """The most urgent level that was broken for its on-delay; else the next one down that is not over."""
    over = rule.rule.clear_for
    for level in range(len(watch.marks), watch.level, -1):
        mark = watch.marks[level - 1]
        if mark and mark[0] + rule.spans[level - 1] <= at:
            return level
    for level in range(watch.level, 0, -1):
        mark = watch.marks[level - 1]
        if not mark or mark[0] + over > at:
            return level
    return 0


def _risen(watch: Watch, rule: Terms, level: int, at: Instant, since: Instant) -> Watch:
    """The level and those below it are held now, and the deadband counts for them."""
    marks = list(watch.marks)
    for index in range(watch.level, level):
        broken = rule.rule.when.broken(watch.value, rule.levels[index], True)
        marks[index] = None if broken else (at, "")
    return replace(watch, level=level, marks=tuple(marks), began=watch.began if watch.level else since)


def _tell(watch: Watch, rule: Terms, at: Instant, note: str) -> tuple[Watch, list[Breach]]:
    """The edge between what was told last and what is now, if there is one and the watch is not muted."""
    now = rule.levels[watch.level - 1] if watch.level else None
    if watch.muted_until is not None or now == watch.told:
        return watch, []
    if watch.told is None:
        number = watch.number if watch.onset == watch.began else 0
        watch = replace(watch, onset=watch.began, number=number)
    breach = _breach(watch, rule, at, now, note)
    return replace(watch, told=now, number=watch.number + 1), [breach]


def _breach(watch: Watch, rule: Terms, at: Instant, now: Priority | None, note: str) -> Breach:
    assert watch.onset is not None
    edge = Edge.RAISED if watch.told is None else Edge.CLEARED if now is None else Edge.LEVEL
    priority = now or watch.told
    assert priority is not None
    of, when = rule.rule, rule.rule.when
    limit = None
    if isinstance(when, Limits) and now and isinstance(watch.value, float):
        limit = when.limit(watch.value, now, held=True)
    return Breach(
        id=breach_id(of.id, rule.subject, watch.onset),
        number=watch.number,
        edge=edge,
        rule=of.id,
        subject=rule.subject,
        onset=watch.onset,
        at=at,
        priority=priority,
        respond=of.respond,
        rules_hash=rule.rules_hash,
        quantity=when.quantity,
        value=None if isinstance(when, Silent) else watch.value,
        limit=limit,
        absent=when.absent if isinstance(when, Without) else None,
        note=note,
        cause=of.cause,
        consequence=of.consequence,
        action=of.action,
        owner=of.owner,
        latched=of.latched,
    )
