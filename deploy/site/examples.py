"""The examples that stand beside a rule: what the words of `given` and `then` mean."""

import re

from msgspec import Struct

from deploy.site.document import Document, Path_
from deploy.site.faults import unknown
from deploy.site.files import STATES
from deploy.site.files import Rule as RuleEntry
from deploy.site.measures import amount
from rules.limits import Limits
from rules.ruleset import Rule
from vorab.model import (
    SECOND,
    Edge,
    Instant,
    Priority,
    Quantity,
    Sample,
    SensorId,
)

_AT = re.compile(r"(.+?) ?@ ?(\d\d?):(\d\d)(?::(\d\d(?:\.\d{1,6})?))?")
MIDNIGHT = Instant(1_768_176_000 * SECOND)  #: 2026-01-12, a day like any other
SUBJECT, READER = SensorId("example"), SensorId("example-reader")


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
        return Said(at, SUBJECT, None)
    if word == "heard":
        return Said(at, SUBJECT, Sample(Quantity.LINK_QUALITY, 100.0))
    if word.partition(" ")[0] == "badge":
        return Said(at, READER, Sample(Quantity.BADGE, word.partition(" ")[2] or "4711"))
    if word in STATES:
        return Said(at, SUBJECT, Sample(*STATES[word]))
    if isinstance(rule.when, Limits):
        return Said(at, SUBJECT, Sample(rule.when.quantity, amount(word, rule.when.quantity)))
    if word.partition(" ")[0] == "button":
        return Said(at, SUBJECT, Sample(Quantity.BUTTON, word.partition(" ")[2]))
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
    return found[1], Instant(MIDNIGHT + round(((hours * 60 + minutes) * 60 + seconds) * SECOND))
