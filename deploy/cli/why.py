"""`vorab why`: what a sensor said around an instant, and why a rule found something then, or nothing."""

from itertools import pairwise
from pathlib import Path

import msgspec

from deploy.cli import words
from deploy.cli.instants import clock, day, instant, iso
from deploy.cli.records import Told, telling
from deploy.site.faults import unknown
from deploy.site.load import load
from deploy.site.measures import write_span
from rules.limits import Limits
from rules.ruleset import Rule, unpack
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from vorab.errors import ConfigurationError
from vorab.model import MINUTE, SECOND, Breach, Edge, Instant, Quality, Quantity, Reading, SensorId, Span
from vorab.site import Site

BEFORE, AFTER = Span(10 * MINUTE), Span(2 * MINUTE)  #: what is shown around the instant


def report(name: str, rule: str, folder: Path, data: Path | None, at: str, as_json: bool) -> int:
    """Prints the readings and, for each rule, what it found and why.  Raises ConfigurationError."""
    site = load(folder)
    then = instant(at, site.zone)
    sensor, watching = _asked(site, name, rule)
    with telling(folder, data) as log:
        for each in watching:
            _explain(log, site, sensor, each, then, as_json)
        if not watching:
            _plain_readings(log, site, sensor, then)
    return 0


def _asked(site: Site, name: str, rule: str) -> tuple[SensorId, list[Rule]]:
    if name not in {sensor.id for sensor in site.sensors}:
        raise ConfigurationError(unknown("sensor", name, [sensor.id for sensor in site.sensors]))
    rules = unpack(site.rules).rules
    if rule and rule not in {each.id for each in rules}:
        raise ConfigurationError(unknown("rule", rule, [each.id for each in rules]))
    sensor = SensorId(name)
    watching = [each for each in rules if sensor in each.watch and rule in ("", each.id)]
    if rule and not watching:
        raise ConfigurationError(f"rule {rule} does not watch {name}")
    return sensor, watching


def _plain_readings(log: Told, site: Site, sensor: SensorId, at: Instant) -> None:
    print(f"{sensor}  {day(at, site.zone)}  no rule watches it")
    for each in log.readings(Instant(at - BEFORE), Instant(at + AFTER)):
        if each.sensor == sensor:
            print(f"{clock(each.at, site.zone)}  {words.samples(each)}")


def _explain(log: Told, site: Site, sensor: SensorId, rule: Rule, at: Instant, as_json: bool) -> None:
    watched = {sensor, *(_readers(site, sensor) if isinstance(rule.when, Without) else ())}
    start = Instant(at - BEFORE)
    said = [each for each in log.readings(start, Instant(at + AFTER)) if each.sensor in watched]
    heard = [each for each in said if isinstance(rule.when, Silent) or _tells(rule, each)]
    found = [each for each in log.breaches() if each.rule == rule.id and each.subject == sensor]
    near = [each for each in found if start <= each.at <= at + AFTER]
    verdict = _verdict(rule, [each for each in heard if each.sensor == sensor], found, start, at, site.zone)
    if as_json:
        fields = {"sensor": sensor, "rule": rule.id, "at": iso(at), "verdict": verdict}
        lines = [{"at": iso(each.at), "sensor": each.sensor, "said": words.samples(each)} for each in heard]
        print(msgspec.json.encode({**fields, "readings": lines, "breaches": near}).decode())
        return
    print(f"{sensor}  {rule.id}  {day(at, site.zone)}")
    rows = [(each.at, 0, _reading_line(rule, each, sensor)) for each in heard]
    rows += [(each.at, 1, f"! {words.breach(each)}") for each in near]
    for when, _, text in sorted(rows):
        print(f"{clock(when, site.zone)}  {text}")
    print(f"          so: {verdict}\n")


def _readers(site: Site, sensor: SensorId) -> list[SensorId]:
    return unpack(site.rules).sensors[sensor].readers


def _tells(rule: Rule, reading: Reading) -> bool:
    """Whether the reading says anything that the rule listens to."""
    return any(one.quantity in _listens_to(rule) for one in reading.samples)


def _listens_to(rule: Rule) -> set[Quantity]:
    match rule.when:
        case Without(quantity=quantity, absent=absent):
            return {quantity, absent}
        case State(quantity=quantity) | Limits(quantity=quantity):
            return {quantity}
    return set()


def _reading_line(rule: Rule, reading: Reading, sensor: SensorId) -> str:
    heard = [one for one in reading.samples if isinstance(rule.when, Silent) or one.quantity in _listens_to(rule)]
    text = ", ".join(map(words.sample, heard)) or "nothing we know"
    who = "" if reading.sensor == sensor else f"{reading.sensor}: "
    marks = ", ".join(filter(None, (f"reading {reading.ordinal}", words.marks(reading))))
    return f"{who}{text:<12} ({marks})"


def _verdict(rule: Rule, told: list[Reading], found: list[Breach], start: Instant, at: Instant, zone: str) -> str:
    """One sentence: broken or not at that instant, since when, and how much was missing."""
    before = [each for each in found if each.at <= at]
    last = before[-1] if before else None
    if last is not None and last.edge is not Edge.CLEARED:
        note = f"; {last.note}" if last.note else ""
        edge = f"{last.edge} at {clock(last.at, zone)}, holds since {clock(last.onset, zone)}"
        return f"broken at {clock(at, zone)}: {edge}{note}"
    cleared = f", cleared at {clock(last.at, zone)}" if last is not None and last.at >= start else ""
    return f"not broken at {clock(at, zone)}{cleared}; {_missing(rule, told, start, at, zone)}"


def _missing(rule: Rule, told: list[Reading], start: Instant, at: Instant, zone: str) -> str:
    """How much of what the rule asks for was there since `start`."""
    since, heard = clock(start, zone), [each for each in told if each.at <= at]
    if isinstance(rule.when, Silent):
        longest = max(b - a for a, b in pairwise([start, *(each.at for each in heard), at]))
        wanted = write_span(rule.when.span)
        return f"the longest silence since {since} is {_short(Span(longest))}, the rule asks for {wanted}"
    if not heard:
        return f"it said nothing of that since {since}"
    held = _longest(rule, heard, at)
    if held is None:
        return f"since {since} its condition never held"
    levels = rule.when.for_levels.values() if isinstance(rule.when, Limits) else ()
    wanted = write_span(min(levels, default=rule.for_))
    return f"the longest it held since {since} is {_short(held)}, the rule asks for {wanted}"


def _longest(rule: Rule, told: list[Reading], at: Instant) -> Span | None:
    """The longest span for which the condition itself held up to then; None = never."""
    longest: Span | None = None
    since: Instant | None = None
    for each in told:
        for one in each.samples:
            if one.quality is Quality.BAD or one.quantity not in _listens_to(rule):
                continue
            held = _holds(rule, one.value)
            if since is not None:
                longest = max(longest or Span(0), Span(each.at - since))
            since = (since if since is not None else each.at) if held else None
    if since is not None:
        longest = max(longest or Span(0), Span(at - since))
    return longest


def _holds(rule: Rule, value: object) -> bool:
    match rule.when:
        case State(value=wanted) | Without(value=wanted):
            return value == wanted
        case Limits(above=above, below=below):
            number = float(value) if isinstance(value, int | float) else float("nan")
            return any(number > limit for limit in above.values()) or any(number < limit for limit in below.values())
    return False


def _short(span: Span) -> str:
    return write_span(Span(span // SECOND * SECOND)) if span >= SECOND else write_span(span)
