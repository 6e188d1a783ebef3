"""Stories in one line: `open@0 until@45` goes in, `raised@30` comes out.  Times are seconds.

open@5            the door says so, at 5 s (shut, taken, on, press; a number is a temperature)
open@5>20         measured at 5 s, received at 20 s
open@>20          received at 20 s; the broker had kept it, nobody knows since when
kept:open@5>20    a retained message with a time of its own
kept:open@>20     one without: received at 20 s
bad@5  cat@5      a value of bad quality; a word that no quantity has
badge@3  reader@3 the badge reader reads a granted badge; says that it is there
refused@3         it refuses one
gateway@3  gateway-off@3  gateway-on@3   the gateway of door and reader is heard; says that it is offline, online
until@9  other@9  the door's ingest, another ingest has got so far
until@9..60       and went on listening up to then
"""

import re

from rules.engine import Engine
from rules.limits import Limits
from rules.ruleset import Rule, RuleSet, Watched
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from vorab.model import (
    SECOND,
    Breach,
    Edge,
    Instant,
    Priority,
    Quality,
    Quantity,
    Reading,
    Record,
    ResponseId,
    RuleId,
    Sample,
    SensorId,
    Span,
)

DOOR, READER, GATEWAY = SensorId("door"), SensorId("reader"), SensorId("gateway")
START = Instant(1_764_000_000 * SECOND)  #: second 0 of every story: 2025-11-24T16:00:00Z
STATES = {
    "open": (Quantity.OPEN, True),
    "shut": (Quantity.OPEN, False),
    "taken": (Quantity.TAKEN, True),
    "in-place": (Quantity.TAKEN, False),
    "single": (Quantity.BUTTON, "single"),
    "double": (Quantity.BUTTON, "double"),
    "cat": (Quantity.OPEN, "cat"),
    "lynx": (Quantity.TEMPERATURE, "cat"),
    "online": (Quantity.ONLINE, True),
    "offline": (Quantity.ONLINE, False),
}
OTHERS = {
    "badge": (READER, Quantity.BADGE, "4711"),
    "refused": (READER, Quantity.BADGE_REFUSED, "4711"),
    "reader": (READER, Quantity.ONLINE, True),
    "gateway": (GATEWAY, Quantity.LINK_QUALITY, 80.0),
    "gateway-on": (GATEWAY, Quantity.ONLINE, True),
    "gateway-off": (GATEWAY, Quantity.ONLINE, False),
}
_THING = re.compile(r"(kept:)?([^@]+)@(-?[\d.]+)?(?:>([\d.]+))?")

When = State | Limits | Without | Silent


def s(seconds: float) -> Span:
    return Span(round(seconds * SECOND))


def at(seconds: float) -> Instant:
    return Instant(START + s(seconds))


def rule(when: When, **manners: object) -> Rule:
    """A rule of the one door.  Spans in seconds."""
    spans = {name: s(value) for name, value in manners.items() if isinstance(value, int | float) and value is not True}
    given = {"id": RuleId("rule"), "watch": [DOOR], "priority": Priority.HIGH, "respond": ResponseId("guard")}
    return Rule(when=when, **{**given, **manners, **spans})  # type: ignore[arg-type] # as the test names them


def site(*rules: Rule, **watched: object) -> RuleSet:
    """The door, its reader, their gateway.  The reader says at least every 60 s that it is there."""
    door = {"ingest": "main", "every": None, "gateway": GATEWAY, "life_safety": False, "readers": [READER], **watched}
    return RuleSet(
        list(rules),
        {
            DOOR: Watched(**door),  # type: ignore[arg-type] # as the test names them
            READER: Watched(every=s(60), gateway=GATEWAY),
            GATEWAY: Watched(every=s(60)),
        },
    )


def record(thing: str, ordinal: int = 0) -> Record:
    found = _THING.fullmatch(thing)
    assert found, thing
    kept, word, own, arrived = found.groups()
    if word in ("until", "other"):
        return Record("main" if word == "until" else "other", START, until=at(float(own)))
    received_at = at(float(arrived or own))
    measured_at = received_at if own is None else at(float(own))
    quality = Quality.UNCERTAIN if own is None else Quality.GOOD
    sensor, sample = _sample(word, quality)
    reading = Reading(sensor, [sample], measured_at, received_at, ordinal, own is not None, bool(kept))
    return Record("main", START, [reading])


def _sample(word: str, quality: Quality) -> tuple[SensorId, Sample]:
    if word in OTHERS:
        sensor, quantity, value = OTHERS[word]
        return sensor, Sample(quantity, value)  # type: ignore[arg-type] # a mixed table
    if word == "bad":
        return DOOR, Sample(Quantity.OPEN, None, quality=Quality.BAD)
    if word == "lost":
        return DOOR, Sample(Quantity.TEMPERATURE, 999.0, quality=Quality.BAD)
    if word in STATES:
        quantity, value = STATES[word]
        return DOOR, Sample(quantity, value, quality=quality)  # type: ignore[arg-type] # a mixed table
    return DOOR, Sample(Quantity.TEMPERATURE, float(word), quality=quality)


def records(story: str) -> list[Record]:
    things: list[str] = []
    for thing in story.split():
        start, _, end = thing.partition("..")
        things += [f"until@{time}" for time in range(int(start[6:]), int(end), 5)] if end else []
        things.append(f"until@{end}" if end else start)
    return [record(thing, ordinal) for ordinal, thing in enumerate(things)]


def play(ruleset: RuleSet, story: str) -> list[Breach]:
    engine = Engine(ruleset)
    return [breach for each in records(story) for breach in engine.apply(each)]


def told(breaches: list[Breach]) -> list[str]:
    """`raised@30`, `cleared@45`, and for another level its name: `high@40`."""
    return [_told(breach) for breach in breaches]


def _told(breach: Breach) -> str:
    word = breach.priority if breach.edge is Edge.LEVEL else breach.edge
    return f"{word}@{(breach.at - START) / SECOND:g}"
