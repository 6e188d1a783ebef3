"""`when:` as an operator of rules/: the word of a state, limits, without … within, or silence."""

from itertools import pairwise
from typing import Any

from deploy.site.document import Document, Path_
from deploy.site.faults import unknown
from deploy.site.files import STATES, LimitsWhen, Rule, WithoutWhen
from deploy.site.measures import UNITS, amount, between, kind_of, span
from deploy.site.validate import part
from rules.limits import Limits
from rules.ruleset import Condition
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from vorab.model import Priority, Quantity, Span

_STATE_QUANTITIES = {quantity.value: quantity for quantity, _ in STATES.values()}
_MEASURED = {quantity.value: quantity for quantity in UNITS}


def condition(document: Document, name: str, rule: Rule) -> Condition | None:
    """What the rule's `when` means; None where it means nothing, with its faults noted."""
    path: Path_ = (name, "when")
    if isinstance(rule.when, str):
        return _state(document, path, rule.when)
    if not isinstance(rule.when, dict) or len(rule.when) != 1:
        document.fault(path, f"expected a state such as open, or one condition, found {kind_of(rule.when)}")
        return None
    [(word, value)] = rule.when.items()
    if word == "silent":
        return _silent(document, (*path, word), value)
    if word == "button":
        return State(Quantity.BUTTON, str(value))
    if isinstance(value, dict) and "without" in value:
        return _without(document, path, word, value)
    if word in _MEASURED:
        return _limits(document, (name,), rule, _MEASURED[word], value)
    known = {**_MEASURED, "silent": "", "button": ""}
    message = unknown("quantity", word, known)
    if word in STATES:
        message = f"{word} is a state: write `when: {word}`, or {{{word}: {{without: badge, within: 10s}}}}"
    document.fault((*path, word), message, key=True)
    return None


def _state(document: Document, path: Path_, word: str) -> State | None:
    if word not in STATES:
        document.fault(path, unknown("state", word, STATES))
        return None
    return State(*STATES[word])


def _silent(document: Document, path: Path_, value: object) -> Silent | None:
    try:
        found = span(value)
    except ValueError as error:
        document.fault(path, str(error))
        return None
    if found == 0:
        document.fault(path, "0s of silence are always over: write for example 15min")
        return None
    return Silent(found)


def _without(document: Document, path: Path_, word: str, value: dict[str, Any]) -> Without | None:
    if word not in STATES:
        document.fault((*path, word), unknown("state", word, STATES), key=True)
        return None
    found = part(document, (*path, word), WithoutWhen, value)
    if found is None:
        return None
    quantity, state = STATES[word]
    return Without(quantity, state, Quantity(found.without), Span(found.within))


def _limits(document: Document, top: Path_, rule: Rule, quantity: Quantity, value: object) -> Limits | None:
    path: Path_ = (*top, "when", quantity.value)
    found = part(document, path, LimitsWhen, value)
    if found is None:
        return None
    count = len(document.faults)
    above = _levels(document, (*path, "above"), rule, quantity, found.above)
    below = _levels(document, (*path, "below"), rule, quantity, found.below)
    for priority, (low, high) in _ranges(document, (*path, "outside"), rule, quantity, found.outside).items():
        below[priority], above[priority] = low, high
    deadband = _deadband(document, (*top, "deadband"), quantity, rule.deadband)
    if len(document.faults) > count:
        return None
    if not above and not below:
        document.fault(path, "no limit: write above, below or outside")
        return None
    _check_order(document, path, above, below, deadband)
    return Limits(quantity, above, below, deadband, _level_spans(document, (*top, "for"), rule, {**above, **below}))


def _levels(document: Document, path: Path_, rule: Rule, quantity: Quantity, value: object) -> dict[Priority, float]:
    found = {}
    for priority, at, text in _by_priority(document, path, rule, value):
        try:
            found[priority] = amount(text, quantity)
        except ValueError as error:
            document.fault(at, str(error))
    return found


def _ranges(
    document: Document, path: Path_, rule: Rule, quantity: Quantity, value: object
) -> dict[Priority, tuple[float, float]]:
    found = {}
    for priority, at, text in _by_priority(document, path, rule, value):
        try:
            found[priority] = between(text, quantity)
        except ValueError as error:
            document.fault(at, str(error))
    return found


def _by_priority(document: Document, path: Path_, rule: Rule, value: object) -> list[tuple[Priority, Path_, object]]:
    """Each level with its place in the file; a single value is a level of the rule's own priority."""
    if value is None:
        return []
    if not isinstance(value, dict):
        if rule.priority is None:
            if path[0] not in document.touched:
                document.fault(path[:1], "'priority' is missing: low, medium, high or life-safety", key=True)
            return []
        return [(rule.priority, path, value)]
    found = []
    for word, text in value.items():
        if word in list(Priority):
            found.append((Priority(word), (*path, word), text))
        else:
            document.fault((*path, word), unknown("priority", word, Priority), key=True)
    return found


def _deadband(document: Document, path: Path_, quantity: Quantity, value: object) -> float:
    if value is None:
        return 0.0
    try:
        found = amount(value, quantity, difference=True)
    except ValueError as error:
        document.fault(path, str(error))
        return 0.0
    if found < 0:
        document.fault(path, f"{value}: a deadband is not negative; write how far the value must come back inside")
    return found


def _check_order(
    document: Document, path: Path_, above: dict[Priority, float], below: dict[Priority, float], deadband: float
) -> None:
    """A more urgent level lies further out, and there is room between the low and the high limits."""
    for word, levels, sign in (("above", above, 1), ("below", below, -1)):
        ranked = sorted(levels, key=lambda priority: priority.rank)
        for lower, higher in pairwise(ranked):
            if sign * levels[higher] <= sign * levels[lower]:
                message = f"limits swapped: {higher} ({levels[higher]:g}) must lie {word} {lower} ({levels[lower]:g})"
                document.fault((*path, word, higher.value), message)
    if above and below and min(above.values()) - max(below.values()) <= 2 * deadband:
        low, high = max(below.values()), min(above.values())
        message = f"nothing is right between {low:g} and {high:g} with a deadband of {deadband:g}: limits swapped?"
        document.fault(path, message, key=True)


def _level_spans(document: Document, path: Path_, rule: Rule, levels: dict[Priority, float]) -> dict[Priority, Span]:
    """The on-delay of each level that has its own."""
    if not isinstance(rule.for_, dict):
        return {}
    found = {}
    for word, text in rule.for_.items():
        if word not in levels:
            document.fault((*path, word), unknown("level", word, [each.value for each in levels]), key=True)
            continue
        try:
            found[Priority(word)] = span(text)
        except ValueError as error:
            document.fault((*path, word), str(error))
    return found
