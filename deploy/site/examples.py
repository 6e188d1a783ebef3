"""The examples that stand beside a rule, played through the engine that runs in production (`vorab try`)."""

import re

from msgspec import Struct

from deploy.site.document import Document, Path_
from deploy.site.faults import unknown
from deploy.site.files import STATES
from deploy.site.files import Example as Entry
from deploy.site.files import Rule as RuleEntry
from deploy.site.measures import amount
from rules.engine import Engine
from rules.limits import Limits
from rules.ruleset import Rule, RuleSet, Watched
from rules.silent import Silent
from rules.without import Without
from vorab.model import (
    SECOND,
    Breach,
    Edge,
    Instant,
    Priority,
    Quantity,
    Reading,
    Record,
    RuleId,
    Sample,
    SensorId,
    Span,
)

_AT = re.compile(r"(.+?) ?@ ?(\d\d?):(\d\d)(?::(\d\d(?:\.\d{1,6})?))?")
_MIDNIGHT = Instant(1_768_176_000 * SECOND)  #: 2026-01-12, a day like any other
_SUBJECT, _READER = SensorId("example"), SensorId("example-reader")
_EVERY = Span(10 * SECOND)  #: the reader of an example is alive: it says so this often


class Played(Struct, frozen=True):
    """One example: what was wanted and what the rule found."""

    file: str
    rule: RuleId
    given: list[str]
    wanted: list[str]
    found: list[str]
    ok: bool


class Said(Struct, frozen=True):
    """One thing of an example's `given`: a reading, or (without a sample) how far the clock goes."""

    at: Instant
    sensor: SensorId
    sample: Sample | None


def check_examples(document: Document, name: str, entry: RuleEntry, rule: Rule) -> None:
    """Faults for what cannot be understood in the examples of a rule."""
    for index, example in enumerate(entry.examples):
        for field, texts, understand in (("given", example.given, said), ("then", example.then, wanted)):
            for position, text in enumerate(texts):
                path: Path_ = (name, "examples", index, field, position)
                try:
                    understand(text, rule)
                except ValueError as error:
                    document.fault(path, str(error))


def said(text: str, rule: Rule) -> Said:
    """`open @ 10:00`, `26.4 °C @ 10:05`, `badge @ 09:59:53`, `heard @ 10:00`, `until @ 10:20`.  Raises ValueError."""
    word, at = _split(text)
    if word == "until":
        return Said(at, _SUBJECT, None)
    if word == "heard":
        return Said(at, _SUBJECT, Sample(Quantity.LINK_QUALITY, 100.0))
    if word.partition(" ")[0] == "badge":
        return Said(at, _READER, Sample(Quantity.BADGE, word.partition(" ")[2] or "4711"))
    if word in STATES:
        return Said(at, _SUBJECT, Sample(*STATES[word]))
    if isinstance(rule.when, Limits):
        return Said(at, _SUBJECT, Sample(rule.when.quantity, amount(word, rule.when.quantity)))
    if word.partition(" ")[0] == "button":
        return Said(at, _SUBJECT, Sample(Quantity.BUTTON, word.partition(" ")[2]))
    raise ValueError(unknown("state", word, [*STATES, "badge", "heard", "until", "button"]))


def wanted(text: str, rule: Rule) -> tuple[Edge, Priority | None, Instant]:
    """`raised @ 10:00:30`, `cleared @ 10:01`, `high @ 10:02` for another level.  Raises ValueError."""
    word, at = _split(text)
    first, _, level = word.partition(" ")
    if first in list(Priority):
        return Edge.LEVEL, Priority(first), at
    if first not in (Edge.RAISED, Edge.CLEARED) or (level and level not in list(Priority)):
        raise ValueError(unknown("finding", word, ["raised", "cleared", *Priority]))
    return Edge(first), Priority(level) if level else None, at


def _split(text: str) -> tuple[str, Instant]:
    found = _AT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r}: what, and when? Write it like open @ 10:00 or 26.4 °C @ 10:05:30")
    hours, minutes, seconds = int(found[2]), int(found[3]), float(found[4] or 0)
    if hours > 47 or minutes > 59 or seconds >= 60:
        raise ValueError(f"{text!r} is no time of day; 24:00 to 47:59 are the next day")
    return found[1], Instant(_MIDNIGHT + round(((hours * 60 + minutes) * 60 + seconds) * SECOND))


def play(file: str, rule: Rule, example: Entry) -> Played:
    """What the rule finds in one example, by the engine itself.  Raises ValueError for what cannot be understood."""
    things = [said(text, rule) for text in example.given]
    goals = [wanted(text, rule) for text in example.then]
    found = _run(rule, things, max([*(thing.at for thing in things), *(at for _, _, at in goals)]))
    same = len(found) == len(goals) and all(
        breach.edge is edge and breach.at == at and priority in (None, breach.priority)
        for breach, (edge, priority, at) in zip(found, goals, strict=False)
    )
    return Played(file, rule.id, example.given, example.then, [_written(breach) for breach in found], same)


def _run(rule: Rule, things: list[Said], last: Instant) -> list[Breach]:
    """What the engine finds, until all that the rule waits for after the last thing is over."""
    subject = Watched(ingest="main", every=None, gateway=None, life_safety=False, readers=[_READER])
    reader = Watched(ingest="main", every=_EVERY, gateway=None, life_safety=False, readers=[])
    fields = {name: getattr(rule, name) for name in rule.__struct_fields__}
    engine = Engine(RuleSet([Rule(**{**fields, "watch": [_SUBJECT]})], {_SUBJECT: subject, _READER: reader}))
    ends = [thing.at for thing in things if thing.sample is None]
    end = ends[-1] if ends else Instant(last + _longest(rule) + SECOND)
    found: list[Breach] = []
    alive = _alive(things, end) if isinstance(rule.when, Without) else []
    for ordinal, thing in enumerate(sorted([*things, *alive], key=lambda thing: thing.at)):
        samples = [] if thing.sample is None else [thing.sample]
        reading = Reading(thing.sensor, samples, thing.at, thing.at, ordinal, dated=True)
        found += engine.apply(Record("main", _MIDNIGHT, [reading] if samples else [], until=thing.at))
    return found + engine.apply(Record("main", _MIDNIGHT, [], until=end))


def _alive(things: list[Said], end: Instant) -> list[Said]:
    """The reader of the example says regularly that it is there."""
    online = Sample(Quantity.ONLINE, True)
    first = things[0].at - _EVERY
    return [Said(Instant(at), _READER, online) for at in range(first, end, _EVERY)]


def _longest(rule: Rule) -> Span:
    """After this span without news, nothing that the rule waits for is left, but for one more silence."""
    when = rule.when
    waits = [rule.for_, rule.clear_for, rule.lateness]
    if isinstance(when, Limits):
        waits += when.for_levels.values()
    if isinstance(when, Without):
        waits.append(when.within)
    return Span(sum(waits)) if not isinstance(when, Silent) else Span(0)


def _written(breach: Breach) -> str:
    since = Span(breach.at - _MIDNIGHT)
    seconds, rest = divmod(since, SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    if seconds % 60 or rest:
        text += f":{seconds % 60:02}"
    if rest:
        text += f".{rest:06}".rstrip("0")
    word = breach.priority if breach.edge is Edge.LEVEL else breach.edge
    return f"{word} @ {text}"
