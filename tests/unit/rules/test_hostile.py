"""Values that no sensor should send: nothing is raised out of `apply`, nothing breaches, nothing is lost by it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import Engine
from rules.limits import Limits
from rules.ruleset import RuleSet
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from tests.unit.rules.story import DOOR, GATEWAY, READER, at, rule, s, site
from vorab import wire
from vorab.model import Instant, Priority, Quality, Quantity, Reading, Record, RuleId, Sample, SensorId

HIGH = Priority.HIGH
RULES = site(
    rule(State(Quantity.OPEN, True), for_=5),
    rule(State(Quantity.BUTTON, "single"), id=RuleId("pressed")),
    rule(Limits(Quantity.TEMPERATURE, above={HIGH: 26.0}, below={HIGH: 5.0}), id=RuleId("warm")),
    rule(Limits(Quantity.HUMIDITY, below={HIGH: 5.0}), id=RuleId("dry"), lateness=2),
    rule(Without(Quantity.OPEN, True, Quantity.BADGE, s(10)), id=RuleId("unbadged")),
    rule(Silent(s(60)), id=RuleId("silent")),
)
NUMBERS = [Quantity.TEMPERATURE, Quantity.HUMIDITY]

anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400)
no_number = (
    st.none() | st.booleans() | st.text() | st.sampled_from([float("nan"), float("inf"), 1e300, -1e300, 10**400])
)
no_switch = st.none() | st.integers() | st.floats() | st.text().filter(lambda text: text != "single")
instants = st.integers(-(1 << 63), (1 << 63) - 1).map(Instant)


def wrong(quantity: Quantity) -> st.SearchStrategy[Sample]:
    values = no_number if quantity in NUMBERS else no_switch
    return st.builds(Sample, st.just(quantity), values, quality=st.sampled_from(Quality))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([*NUMBERS, Quantity.OPEN, Quantity.BUTTON]).flatmap(wrong), max_size=20), st.booleans())
def test_what_cannot_have_been_measured_never_breaches(samples: list[Sample], retained: bool) -> None:
    engine = Engine(RULES)
    reading = Reading(DOOR, samples, at(1), at(1), 1, retained=retained)
    assert engine.apply(Record("main", at(0), [reading, reading], until=at(50))) == []
    assert Engine.restore(RULES, engine.checkpoint()).checkpoint() == engine.checkpoint()


samples = st.builds(
    Sample,
    st.sampled_from(Quantity),
    anything,
    st.sampled_from(["", "l1", "#", "l1#l2"]),
    st.sampled_from(Quality),
)
readings = st.builds(
    Reading,
    st.sampled_from([DOOR, READER, GATEWAY, SensorId("door#l1"), SensorId(""), SensorId("nobody")]),
    st.lists(samples, max_size=4),
    instants,
    instants,
    st.integers(0, 9),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
)
logs = st.lists(
    st.builds(
        Record,
        st.sampled_from(["main", "other", ""]),
        st.just(at(0)),
        st.lists(readings, max_size=5),
        st.none() | instants | st.integers(at(0), at(100)).map(Instant),
    ),
    max_size=8,
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(logs)
def test_apply_survives_everything_and_so_does_a_restart(log: list[Record]) -> None:
    channel = rule(State(Quantity.ON), id=RuleId("relay"), watch=[SensorId("door#l1")])
    rules = RuleSet([*RULES.rules, channel], RULES.sensors)
    engine = Engine(rules)
    restarted = Engine(rules)
    for each in log:
        found = engine.apply(each)
        assert restarted.apply(each) == found
        for breach in found:
            assert wire.unpack(wire.pack(breach), wire.BREACH) == breach
        restarted = Engine.restore(rules, restarted.checkpoint())
        engine.due(life_safety=False)
