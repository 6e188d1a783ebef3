"""Other rules while the log goes on: what decides as before goes on, what is new warms up."""

import pytest
from msgspec.structs import replace

from rules.engine import Engine
from rules.limits import Limits
from rules.ruleset import RuleSet
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from tests.unit.rules.story import DOOR, at, records, rule, s, site, told
from vorab.errors import Corrupt
from vorab.model import Breach, Priority, Quantity, Record, RuleId, RulesChanged

OPEN = State(Quantity.OPEN, True)
HELD = rule(OPEN, for_=30)


def story(*parts: RuleSet | str) -> list[Breach]:
    """Rule sets and what is said under each of them, with a restart after each change."""
    engine, found = Engine(RuleSet()), []
    for part in parts:
        if isinstance(part, str):
            found += [breach for thing in records(part) for breach in engine.apply(thing)]
        else:
            engine = engine.change(part)
            found += engine.apply(Record("main", at(0), commands=[RulesChanged(engine.ruleset_hash)]))
            engine = Engine.restore(part, engine.checkpoint())
    return found


def test_rules_that_come_before_any_until_only_begin() -> None:
    assert told(story(site(HELD), "open@0 until@30")) == ["raised@30"]


def test_a_rule_that_decides_as_before_keeps_its_watches() -> None:
    other = rule(OPEN, id=RuleId("other"), for_=99)
    texts = replace(HELD, action="Close it", cause="Wedged", owner="ana")
    found = story(site(HELD), "open@0 until@20", site(other, HELD), "until@25", site(texts, other), "until@30")
    assert told(found) == ["raised@30"]
    assert (found[0].action, found[0].cause, found[0].owner) == ("Close it", "Wedged", "ana")


def test_a_rule_is_not_changed_by_the_sensors_that_others_gain() -> None:
    wider = site(replace(HELD, watch=[DOOR, *site().sensors]))
    assert told(story(site(HELD), "open@0 until@20", wider, "until@30")) == ["raised@30"]


def test_a_new_rule_is_muted_until_its_longest_span_is_over_and_tells_the_true_onset() -> None:
    before = rule(OPEN, id=RuleId("before"), for_=99)
    found = story(site(before), "open@0 until@50", site(before, HELD), "until@79 until@80")
    assert [(breach.rule, breach.onset, breach.at) for breach in found] == [("rule", at(0), at(80))]


def test_what_heals_while_it_warms_up_is_not_told() -> None:
    before = rule(OPEN, id=RuleId("before"), for_=99)
    assert story(site(before), "open@0 until@50", site(before, HELD), "shut@70 until@99") == []


def test_lateness_belongs_to_the_warm_up() -> None:
    late = rule(OPEN, for_=30, lateness=5)
    assert told(story(site(), "until@50", site(late), "open@51 until@89.9")) == []
    assert told(story(site(), "until@50", site(late), "open@51 until@95")) == ["raised@85"]


def test_a_rule_without_any_span_has_nothing_to_warm_up() -> None:
    taken = rule(OPEN, id=RuleId("taken"))
    found = story(site(HELD), "open@0 until@10", site(HELD, taken), "until@10")
    assert [(breach.rule, breach.onset, breach.at) for breach in found] == [("taken", at(0), at(10))]


def test_what_was_raised_stays_raised_while_the_changed_rule_warms_up() -> None:
    slower = replace(HELD, for_=s(40))
    found = story(site(HELD), "open@0 until@50", site(slower), "until@99 shut@100")
    assert told(found) == ["raised@30", "cleared@100"]
    assert [(breach.id, breach.number) for breach in found] == [(found[0].id, 0), (found[0].id, 1)]


def test_and_is_cleared_at_its_end_if_it_is_not_broken_any_more() -> None:
    slower = replace(HELD, for_=s(40))
    assert told(story(site(HELD), "open@0 until@50", site(slower), "shut@60 until@99")) == ["raised@30", "cleared@90"]


def test_another_priority_is_another_level_of_the_same_breach() -> None:
    found = story(site(HELD), "open@0 until@50", site(replace(HELD, priority=Priority.LOW)), "until@99")
    assert told(found) == ["raised@30", "low@80"]
    assert found[0].id == found[1].id


def test_a_rule_that_is_gone_clears_what_it_had_raised() -> None:
    found = story(site(HELD), "open@0 until@50", site())
    assert told(found) == ["raised@30", "cleared@50"]
    assert found[1].note == "rule removed"
    assert story(site(HELD), "open@0 until@20", site(), "until@99") == []


def test_when_it_comes_back_it_goes_on_with_the_numbers_of_its_breach() -> None:
    other = rule(OPEN, id=RuleId("other"), for_=999)
    found = story(site(HELD, other), "open@0 until@50", site(other), "until@60", site(HELD, other), "until@90")
    assert told(found) == ["raised@30", "cleared@50", "raised@90"]
    assert [breach.number for breach in found] == [0, 1, 2]
    assert len({breach.id for breach in found}) == 1


def test_a_changed_without_that_was_raised_waits_for_the_door() -> None:
    unbadged = rule(Without(Quantity.OPEN, True, Quantity.BADGE, s(10)))
    wider = replace(unbadged, when=Without(Quantity.OPEN, True, Quantity.BADGE, s(20)))
    found = story(site(unbadged), "reader@0 open@5 until@5", site(wider), "until@50 shut@60 until@60")
    assert told(found) == ["raised@5", "cleared@60"]


def test_a_new_silence_begins_with_its_rule() -> None:
    silent = rule(Silent(s(15)))
    assert told(story(site(), "shut@0 until@50", site(silent), "until@50..65")) == ["raised@65"]
    longer = rule(Silent(s(20)))
    assert told(story(site(silent), "shut@0 until@14", site(longer), "until@14..99")) == ["raised@34"]


def test_other_limits_know_the_last_value() -> None:
    low = rule(Limits(Quantity.TEMPERATURE, above={Priority.HIGH: 30.0}), for_=10)
    high = replace(low, when=Limits(Quantity.TEMPERATURE, above={Priority.HIGH: 26.0}))
    found = story(site(low), "27@0 until@50", site(high), "until@99")
    assert [(breach.onset, breach.at) for breach in found] == [(at(0), at(60))]


def test_a_record_that_asks_for_other_rules_is_refused() -> None:
    with pytest.raises(Corrupt, match="change first"):
        Engine(site(HELD)).apply(Record("main", at(0), commands=[RulesChanged("0" * 64)]))
