"""What holds for every operator, whatever the sensors say and in whatever order it arrives."""

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.engine import Engine
from rules.limits import Limits
from rules.ruleset import Rule, RuleSet
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from tests import rules_model
from tests.unit.rules.story import GATEWAY, When, at, record, records, rule, s, site
from vorab.model import Breach, Edge, Priority, Quantity, Record, RuleId

law = settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
LOW, MEDIUM, HIGH = Priority.LOW, Priority.MEDIUM, Priority.HIGH
spans = st.sampled_from([0, 0, 1, 3, 5])

states = st.just(State(Quantity.OPEN, True))
withouts = st.builds(lambda within: Without(Quantity.OPEN, True, Quantity.BADGE, s(within)), st.integers(0, 4))
silents = st.builds(lambda span: Silent(s(span)), st.integers(1, 8))
limits = st.builds(
    lambda deadband, low, high: Limits(
        Quantity.TEMPERATURE,
        above={LOW: 24.0, MEDIUM: 26.0, HIGH: 28.0},
        below={HIGH: 20.0},
        deadband=deadband,
        for_levels={LOW: s(low), HIGH: s(high)},
    ),
    st.sampled_from([0.0, 0.5, 1.0]),
    spans,
    spans,
)


@st.composite
def rule_sets(draw: st.DrawFn, lateness: int | None = None) -> RuleSet:
    """One rule of each operator."""
    whens: list[When] = [draw(states), draw(withouts), draw(silents), draw(limits)]
    late = [draw(spans) if lateness is None else lateness for _ in whens]
    rules: list[Rule] = []
    for name, when, waits in zip(["state", "without", "silent", "limits"], whens, late, strict=True):
        manners = {"for_": draw(spans), "clear_for": draw(spans), "lateness": waits}
        rules.append(rule(when, id=RuleId(name), **manners))
    return site(*rules)


WORDS = ["open", "open", "shut", "shut", "19", "23", "25", "27", "29", "25.5", "27.5", "nan", "bad", "lost", "cat"]
OTHERS = ["badge", "badge", "reader", "refused", "gateway", "gateway-off", "gateway-on", "online", "offline"]
words = st.sampled_from(WORDS + OTHERS)


@st.composite
def punctual(draw: st.DrawFn) -> list[str]:
    """Everything arrives when it is measured, in that order."""
    times = sorted(draw(st.lists(st.integers(0, 40), max_size=25)))
    return [f"{draw(words)}@{time}" for time in times]


@st.composite
def disorderly(draw: st.DrawFn, forms: str = "live live live until until kept undated queued") -> list[str]:
    """Late, repeated, overtaken, retained in both forms, with untils anywhere."""
    story, now = [], 0
    for _ in range(draw(st.integers(0, 30))):
        now += draw(st.sampled_from([0, 0, 1, 1, 2, 7, 15]))
        age = draw(st.sampled_from([0, 0, 0, 1, 3, 30]))
        form = draw(st.sampled_from(forms.split()))
        if form == "until":
            story.append(f"until@{now}")
        elif form in ("undated", "queued"):
            story.append(f"{'kept:' if form == 'undated' else ''}{draw(words)}@>{now}")
        else:
            story.append(f"{'kept:' if form == 'kept' else ''}{draw(words)}@{now - age}>{now}")
    return story


def found(ruleset: RuleSet, things: list[Record]) -> list[Breach]:
    engine = Engine(ruleset)
    return [breach for each in things for breach in engine.apply(each)]


def by_watch(breaches: list[Breach]) -> dict[str, list[Breach]]:
    return {rule: [breach for breach in breaches if breach.rule == rule] for rule in {b.rule for b in breaches}}


@law
@given(rule_sets(), disorderly())
def test_the_engine_finds_what_the_model_finds(ruleset: RuleSet, story: list[str]) -> None:
    things = records(" ".join([*story, "until@40..200"]))
    model = rules_model.edges(ruleset, rules_model.read(things))
    assert rules_model.of(found(ruleset, things)) == model


@law
@given(rule_sets(), disorderly("live live queued until until until"))
def test_and_so_it_does_when_the_broker_kept_something(ruleset: RuleSet, story: list[str]) -> None:
    things = records(" ".join([*story, "until@40..200"]))
    model = rules_model.edges(ruleset, rules_model.read(things))
    assert rules_model.of(found(ruleset, things)) == model


@law
@given(rule_sets(), punctual(), st.lists(st.integers(0, 60), max_size=20))
def test_time_decides_when_we_notice_never_what(ruleset: RuleSet, story: list[str], extra: list[int]) -> None:
    start, end = record("until@0"), record("until@200")
    things = sorted([*records(" ".join(story)), *LISTENING], key=_when)
    more = sorted([*things, *(record(f"until@{time}") for time in extra)], key=_when)
    assert by_watch(found(ruleset, [start, *things, end])) == by_watch(found(ruleset, [start, *more, end]))


LISTENING = [record(f"until@{time}") for time in range(10, 200, 10)]


def _when(thing: Record) -> tuple[int, bool]:
    """An until comes after what was received up to then."""
    return (thing.readings[0].received_at, False) if thing.readings else (thing.until or 0, True)


@law
@given(rule_sets(), disorderly())
def test_raised_and_cleared_alternate_and_are_numbered(ruleset: RuleSet, story: list[str]) -> None:
    breaches = found(ruleset, records(" ".join([*story, "until@40..200"])))
    assert len({(breach.id, breach.number) for breach in breaches}) == len(breaches)
    for edges in by_watch(breaches).values():
        assert edges[0].edge is Edge.RAISED
        for before, now in pairwise(edges):
            assert (before.edge is Edge.CLEARED) == (now.edge is Edge.RAISED)
            assert before.at <= now.at
            assert now.number == (before.number + 1 if now.id == before.id else 0)
            assert now.id == before.id or now.onset > before.onset
            assert now.edge is not Edge.LEVEL or now.priority != before.priority


@law
@given(rule_sets(), disorderly())
def test_raised_is_dated_when_the_limit_was_passed(ruleset: RuleSet, story: list[str]) -> None:
    spans_of = {each.id: dict(each.levels) for each in ruleset.rules}
    for breach in found(ruleset, records(" ".join([*story, "until@40..200"]))):
        if breach.edge is Edge.RAISED:
            assert breach.at == breach.onset + spans_of[breach.rule][breach.priority]


@law
@given(rule_sets(), disorderly(), st.data())
def test_a_restart_at_any_point_changes_nothing(ruleset: RuleSet, story: list[str], data: st.DataObject) -> None:
    things = records(" ".join([*story, "until@40..200"]))
    stops = data.draw(st.sets(st.integers(0, len(things))))
    engine, breaches = Engine(ruleset), []
    for position, thing in enumerate(things):
        if position in stops:
            saved = engine.checkpoint()
            engine = Engine.restore(ruleset, saved)
            assert engine.checkpoint() == saved
        breaches += engine.apply(thing)
    assert breaches == found(ruleset, things)


@law
@given(rule_sets(lateness=6), st.data())
def test_any_order_of_arrival_within_the_lateness_gives_the_same(ruleset: RuleSet, data: st.DataObject) -> None:
    times = sorted(data.draw(st.sets(st.integers(1, 40), max_size=20)))
    delays = data.draw(st.lists(st.integers(0, 6), min_size=len(times), max_size=len(times)))
    said = [(time, data.draw(words)) for time in times]
    arriving = sorted((time + delay, time, word) for (time, word), delay in zip(said, delays, strict=True))
    untils = data.draw(st.lists(st.integers(1, 60), max_size=10))
    late = [*((received, f"{word}@{time}>{received}") for received, time, word in arriving)]
    listening = [(until, f"~until@{until}") for until in range(10, 200, 10)]
    late += [*listening, *((until, f"~until@{until}") for until in untils)]
    mixed = [thing.lstrip("~") for _, thing in sorted(late)]
    punctual = sorted([*((time, f"{word}@{time}") for time, word in said), *listening])
    in_order = [thing.lstrip("~") for _, thing in punctual]
    first, last = ["until@0"], ["until@200"]
    assert by_watch(found(ruleset, records(" ".join([*first, *mixed, *last])))) == by_watch(
        found(ruleset, records(" ".join([*first, *in_order, *last])))
    )


@law
@given(rule_sets(), punctual())
def test_due_names_the_next_instant_at_which_something_is_found(ruleset: RuleSet, story: list[str]) -> None:
    engine = Engine(ruleset)
    engine.apply(record("until@0"))
    for thing in sorted([*records(" ".join(story)), *LISTENING, record("until@200")], key=_when):
        end = thing.until or thing.readings[0].received_at
        while (due := engine.due(life_safety=False)) is not None and due < end:
            assert not engine.apply(Record("main", at(0), until=due - 1))  # type: ignore[arg-type] # an instant
            engine.apply(Record("main", at(0), until=due))
            following = engine.due(life_safety=False)
            assert following is None or following > due
        assert all(breach.at >= end - s(6) for breach in engine.apply(thing))


def test_what_others_say_concerns_nobody() -> None:
    ruleset = site(rule(State(Quantity.OPEN)))
    assert found(ruleset, records("badge@0 gateway-off@1 other@99")) == []
    assert GATEWAY in ruleset.sensors
