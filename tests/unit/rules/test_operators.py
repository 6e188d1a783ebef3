"""Each operator and each corner as a story; the comment is the corner it covers."""

import pytest

from rules.engine import Engine
from rules.limits import Limits
from rules.ruleset import RuleSet, Watched
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from tests.unit.rules.story import DOOR, at, play, rule, s, site, told
from vorab.model import Priority, Quantity, Reading, Record, RuleId, Sample, SensorId

OPEN = State(Quantity.OPEN, True)
LOW, MEDIUM, HIGH = Priority.LOW, Priority.MEDIUM, Priority.HIGH


@pytest.mark.parametrize(
    ("story", "found"),
    [
        ("open@0", []),
        ("open@0 until@29", []),
        ("open@0 until@30", ["raised@30"]),  # the limit itself has been passed
        ("open@0 until@45", ["raised@30"]),  # noticed late, dated when the limit was passed
        ("open@0 shut@45", ["raised@30", "cleared@45"]),  # nobody woke us in between: told all the same
        ("open@0 open@20 until@30", ["raised@30"]),  # a repeated reading does not restart the clock
        ("open@0 shut@29 until@99", []),  # healed before its time
        ("open@0 shut@30", ["raised@30", "cleared@30"]),  # in the same instant: first what was due
        ("open@0 until@30 shut@30", ["raised@30", "cleared@30"]),  # and noticed in between: the same
        ("open@0 shut@10 open@20 until@49", []),  # a new opening starts from nothing
        ("open@0 shut@10 open@20 until@50", ["raised@50"]),
        ("open@0 shut@40 open@50 until@99", ["raised@30", "cleared@40", "raised@80"]),
        ("open@10 shut@5>20 until@40", ["raised@40"]),  # overtaken by a newer one: history
        ("open@0 until@20 shut@10>25 until@60", []),  # behind the clock: applied there
        ("open@0 until@40 shut@10>41", ["raised@30", "cleared@40"]),  # too late to unsay what was said
        ("until@100 open@0>101 until@129", []),  # opened before our clock, heard later: counts from our clock
        ("until@100 open@0>101 until@130", ["raised@130"]),
        ("open@0>3600 until@3600", ["raised@30"]),  # an hour old, and nothing was known: its own time
        ("open@0 bad@10 until@30", ["raised@30"]),  # a missing value does not clear
        ("bad@0 until@99", []),  # nor raise
        ("open@0 until@30 bad@40 until@99", ["raised@30"]),
        ("open@0 cat@10 until@30", ["raised@30"]),  # a word that no door says
        ("cat@0 until@99", []),
        ("kept:open@0>100 until@100", ["raised@30"]),  # retained with its own time: holds from then
        ("open@10 kept:shut@5>20 until@40", ["raised@40"]),  # retained, and older than what we know
        ("kept:open@>100 until@129", []),  # retained without a time: from its reception
        ("kept:open@>100 until@130", ["raised@130"]),
        ("open@0 kept:open@>20 until@30", ["raised@30"]),  # only confirmed: nothing starts again
        ("open@0 kept:shut@>20 until@99", []),  # it shut while we were away
        ("open@0 until@30 kept:open@>40 shut@35>41", ["raised@30", "cleared@35"]),  # confirming makes no history
        ("shut@0 kept:open@>20 open@15>21 until@50", ["raised@50"]),  # nor does an undated state
        ("shut@0 kept:open@>20 shut@15>21 until@99", []),
        ("open@500>20 until@49", []),  # from the future: never beyond its reception
        ("open@500>20 until@50", ["raised@50"]),
        ("open@0 until@10 until@5 until@30", ["raised@30"]),  # a clock that says less is not believed
    ],
)
def test_a_door_that_stands_open(story: str, found: list[str]) -> None:
    assert told(play(site(rule(OPEN, for_=30)), story)) == found


@pytest.mark.parametrize(
    ("story", "found"),
    [
        ("open@0", ["raised@0"]),  # no on-delay: at once, without waiting for an until
        ("open@0 shut@10", ["raised@0"]),
        ("open@0 shut@10 until@15", ["raised@0", "cleared@15"]),  # cleared after the off-delay
        ("open@0 shut@10 open@14 until@99", ["raised@0"]),  # bounced: one alarm
        ("open@0 shut@10 open@15", ["raised@0", "cleared@15", "raised@15"]),  # the off-delay was over in that instant
        ("open@0 shut@10 shut@12 until@15", ["raised@0", "cleared@15"]),  # repeated: does not restart the clock
        ("open@0 shut@10 bad@12 until@15", ["raised@0", "cleared@15"]),
    ],
)
def test_a_door_with_an_off_delay(story: str, found: list[str]) -> None:
    assert told(play(site(rule(OPEN, clear_for=5)), story)) == found


def test_edges_of_one_instant_keep_their_own_numbers() -> None:
    breaches = play(site(rule(OPEN)), "open@0 shut@0 open@0 shut@0 open@1")
    assert told(breaches) == ["raised@0", "cleared@0", "raised@0", "cleared@0", "raised@1"]
    assert [breach.number for breach in breaches] == [0, 1, 2, 3, 0]
    assert len({(breach.id, breach.number) for breach in breaches}) == 5


def test_a_state_may_be_a_word() -> None:
    pressed = State(Quantity.BUTTON, "double")
    assert told(play(site(rule(pressed)), "single@0 double@1 double@2 single@3")) == ["raised@1", "cleared@3"]


def test_a_shut_door_can_be_what_is_wrong() -> None:
    assert told(play(site(rule(State(Quantity.OPEN, False))), "open@0 shut@1 open@2")) == ["raised@1", "cleared@2"]


def test_an_aed_that_is_missing_when_we_first_look_is_raised() -> None:
    taken = rule(State(Quantity.TAKEN), priority=Priority.LIFE_SAFETY)
    [breach] = play(site(taken, life_safety=True), "kept:taken@>5")
    assert breach.priority is Priority.LIFE_SAFETY
    assert breach.note == "uncertain: a state without a time of its own"


def test_a_breach_says_what_was_late() -> None:
    [breach] = play(site(rule(OPEN)), "until@100 open@40>101")
    assert breach.note == "late: measured 2025-11-24T16:00:40Z"
    assert breach.onset == breach.at


# --- limits -----------------------------------------------------------------------------------------------------------

WARM = Limits(Quantity.TEMPERATURE, above={HIGH: 26.0}, deadband=0.5)


@pytest.mark.parametrize(
    ("story", "found"),
    [
        ("26@0 until@99", []),  # the limit itself is allowed
        ("26.1@0 until@10", ["raised@10"]),
        ("26.1@0 26@5 until@99", []),  # the deadband does not count before it is raised
        ("26.1@0 until@10 25.6@20 until@99", ["raised@10"]),  # but then
        ("26.1@0 until@10 25.5@20", ["raised@10", "cleared@20"]),  # back inside by the deadband
        ("27@0 28@9 26.5@9.5 until@10", ["raised@10"]),
        ("27@0 lost@5 until@10", ["raised@10"]),
        ("27@0 lynx@5 until@10", ["raised@10"]),
        ("27@0 until@10 lost@20 until@99", ["raised@10"]),
        ("27@0 until@10 nan@20 inf@21 -inf@22 1e300@23 -1e300@24 until@99", ["raised@10"]),
        ("inf@0 nan@1 1e300@2 until@99", []),  # cannot have been measured
        ("20@0 kept:27@>20 until@30", ["raised@30"]),
        ("27@0 kept:27@>5 until@10", ["raised@10"]),
    ],
)
def test_a_room_that_is_too_warm(story: str, found: list[str]) -> None:
    assert told(play(site(rule(WARM, for_=10)), story)) == found


LEVELS = Limits(
    Quantity.TEMPERATURE, above={MEDIUM: 26.0, HIGH: 30.0}, deadband=0.5, for_levels={MEDIUM: s(10), HIGH: s(2)}
)


@pytest.mark.parametrize(
    ("story", "found"),
    [
        ("27@0 until@99", ["raised@10"]),
        ("31@0 until@99", ["raised@2"]),  # the more urgent has the shorter delay
        ("27@0 31@20 until@99", ["raised@10", "high@22"]),  # one alarm that moves
        ("27@0 31@20 27@21 until@99", ["raised@10"]),  # the level's own on-delay
        ("27@0 31@20 29.6@30 until@99", ["raised@10", "high@22"]),  # the level's own deadband
        ("27@0 31@20 29.5@30 until@99", ["raised@10", "high@22", "medium@33"]),  # back after the off-delay
        ("27@0 31@20 20@30 until@99", ["raised@10", "high@22", "cleared@33"]),  # at once past both
        ("27@0 31@20 29@30 20@32 until@99", ["raised@10", "high@22", "medium@33", "cleared@35"]),
        ("31@0 27@5 until@99", ["raised@2", "medium@8"]),  # what was high was medium too: no gap
        ("31@0 27@5 31@7 until@99", ["raised@2"]),
        ("31@0 27@5 31@9 until@99", ["raised@2", "medium@8", "high@11"]),
    ],
)
def test_one_alarm_moves_between_levels(story: str, found: list[str]) -> None:
    breaches = play(site(rule(LEVELS, clear_for=3)), story)
    assert told(breaches) == found
    assert [breach.number for breach in breaches] == list(range(len(breaches)))
    assert len({breach.id for breach in breaches}) == 1


def test_a_breach_says_which_limit_was_passed_and_by_what() -> None:
    raised, risen, cleared = play(site(rule(LEVELS)), "27@0 31@20 20@30")
    assert (raised.priority, raised.limit, raised.value) == (MEDIUM, 26.0, 27.0)
    assert (risen.priority, risen.limit, risen.value) == (HIGH, 30.0, 31.0)
    assert (cleared.priority, cleared.limit, cleared.value) == (HIGH, None, 20.0)


def test_outside_has_two_limits() -> None:
    outside = Limits(Quantity.TEMPERATURE, above={HIGH: 28.0}, below={HIGH: 16.0}, deadband=1.0)
    story = "20@0 15@1 16.9@2 17@3 29@4 15@5 20@6"
    breaches = play(site(rule(outside)), story)
    assert told(breaches) == ["raised@1", "cleared@3", "raised@4", "cleared@6"]  # hot to cold: broken all the time
    assert [breach.limit for breach in breaches] == [16.0, None, 28.0, None]


def test_levels_may_lie_on_either_side() -> None:
    sides = Limits(Quantity.TEMPERATURE, above={MEDIUM: 26.0}, below={HIGH: 5.0})
    assert told(play(site(rule(sides)), "27@0 4@1 27@2 20@3")) == ["raised@0", "high@1", "medium@2", "cleared@3"]


# --- without ----------------------------------------------------------------------------------------------------------

UNBADGED = Without(Quantity.OPEN, True, Quantity.BADGE, s(10))


@pytest.mark.parametrize(
    ("story", "found"),
    [
        ("open@20", []),  # not yet decided: the badge may be on its way
        ("open@20 until@19", []),
        ("open@20 until@20", ["raised@20"]),
        ("open@20 until@50", ["raised@20"]),
        ("badge@15 open@20 until@20", []),
        ("badge@10 open@20 until@20", []),  # just in time
        ("badge@9.9 open@20 until@20", ["raised@20"]),
        ("open@20 badge@20 until@20", []),  # in the same instant, in either order
        ("open@20 badge@19>20.5 until@21", []),  # the badge came by a slower way
        ("open@20 badge@21 until@21", ["raised@20"]),  # after it is too late
        ("refused@15 open@20 until@20", ["raised@20"]),  # only a granted badge counts
        ("kept:badge@15>16 open@20 until@20", ["raised@20"]),  # a retained one is no event
        ("kept:open@5>20 until@99", []),  # nor is a door that stands open when we first look
        ("kept:open@>20 open@25 until@99", []),  # it stood open already
        ("shut@0 open@20 open@30 until@40", ["raised@20"]),  # said again: it opened once
        ("open@20 shut@22 until@25", ["raised@20", "cleared@22"]),  # shut before it was decided
        ("open@20 shut@22 open@23 until@25", ["raised@20", "cleared@22", "raised@23"]),
        ("open@20 until@20 shut@25", ["raised@20"]),
        ("open@20 until@20 shut@25 until@25", ["raised@20", "cleared@25"]),
        ("open@20 until@20 badge@24 shut@25 open@26 until@30", ["raised@20", "cleared@25"]),  # the next with a badge
        ("open@20 bad@21 until@30", ["raised@20"]),
        ("open@20 cat@21 until@30", ["raised@20"]),
        ("cat@20 until@30", []),
        ("open@20 until@20 kept:shut@>30 until@30", ["raised@20", "cleared@30"]),
        ("reader@18 badge@16>19 open@20 until@30", []),  # an event is never too old to have happened
        ("badge@15 until@30 open@20>31 until@31", []),  # the door was slow: its own time counts for the badge
    ],
)
def test_a_door_opened_without_a_badge(story: str, found: list[str]) -> None:
    breaches = play(site(rule(UNBADGED, latched=True)), f"reader@0 {story}")
    assert told(breaches) == found
    assert all(breach.note in ("", "uncertain: a state without a time of its own") for breach in breaches)
    assert all(breach.latched for breach in breaches)


@pytest.mark.parametrize(
    ("story", "note"),
    [
        ("open@20 until@20", "unverified: badge reader reader never heard"),
        ("reader@0 open@60 until@60", ""),
        ("reader@0 open@61 until@61", "unverified: badge reader reader silent since 2025-11-24T16:00:00Z"),
        ("reader@0 open@61 reader@62 until@63", "unverified: badge reader reader silent since 2025-11-24T16:00:00Z"),
        ("reader@0 gateway@50 open@61 until@61", ""),  # its gateway was heard: it would have passed a badge on
        ("refused@0 open@20 until@20", ""),
        ("kept:reader@0>19 open@20 until@20", "unverified: badge reader reader never heard"),
    ],
)
def test_absence_counts_only_if_the_reader_was_alive(story: str, note: str) -> None:
    [breach] = play(site(rule(UNBADGED)), story)
    assert breach.note == note


def test_a_dead_reader_does_not_matter_when_a_badge_was_seen() -> None:
    patient = Without(Quantity.OPEN, True, Quantity.BADGE, s(70))
    assert play(site(rule(patient)), "badge@15 open@80 until@80") == []


def test_without_an_on_delay_of_its_own_it_waits_for_it() -> None:
    ruleset = site(rule(UNBADGED, for_=5))
    assert told(play(ruleset, "reader@0 open@20 shut@24 until@30")) == []
    assert told(play(ruleset, "reader@0 open@20 shut@40 until@40")) == ["raised@25", "cleared@40"]


# --- silent -----------------------------------------------------------------------------------------------------------

QUIET = Silent(s(15))


@pytest.mark.parametrize(
    ("story", "found"),
    [
        ("shut@0 until@14", []),
        ("shut@0 until@15", ["raised@15"]),
        ("shut@0 until@60", ["raised@15"]),
        ("shut@0 shut@10 until@24", []),
        ("shut@0 shut@10 until@25", ["raised@25"]),
        ("shut@0 until@0..14 shut@20", ["raised@15", "cleared@20"]),  # nobody woke us in between
        ("shut@0 until@0..14 shut@15", ["raised@15", "cleared@15"]),
        ("shut@0 until@0..30 shut@30 until@30..45", ["raised@15", "cleared@30", "raised@45"]),
        ("shut@0 bad@10 until@15", ["raised@15"]),  # only good readings count
        ("shut@0 20@10 until@24", []),  # of any quantity
        ("shut@0 online@10 until@24", []),
        ("shut@0 offline@10 until@15", ["raised@15"]),  # somebody else said that of it
        ("shut@0 kept:open@5>10 kept:20@>12 until@15", ["raised@15"]),  # retained: nobody spoke
        ("until@100..114", []),  # never heard: from the first until
        ("until@100..115", ["raised@115"]),
        ("until@100..200 shut@201", ["raised@115", "cleared@201"]),
        ("shut@0", []),  # a deaf ingest stops the clock
        ("shut@0 other@99", []),  # and another one's does not drive it
        ("shut@0 until@10 shut@5>11 until@24", []),  # late, heard all the same: at our clock
        ("shut@0 until@10 shut@5>11 until@10..25", ["raised@25"]),
        ("shut@10 shut@5>11 until@25", ["raised@25"]),  # history
        ("badge@0 until@1..99", ["raised@16"]),  # somebody else's
        ("shut@0 until@5 shut@>60 until@60", []),  # it spoke while we were away; nobody knows when
        ("shut@0 until@5 shut@>60 until@60..75", ["raised@75"]),
        ("shut@0 until@5 until@60..69", []),  # while we did not listen, nobody was silent
        ("shut@0 until@5 until@60..70", ["raised@70"]),
        ("shut@0 until@5 shut@50>60 until@60..74", []),  # nor before it said this, nor after
        ("shut@0 until@5 shut@50>60 until@60..75", ["raised@75"]),
        ("shut@0 until@5 shut@5.9 until@60..74", []),
        ("shut@0 until@5 until@60..65 until@200..204", []),
        ("shut@0 until@5 until@60..65 until@200..205", ["raised@205"]),
        ("shut@0 until@0..15 until@60 shut@61", ["raised@15", "cleared@61"]),  # it was before
    ],
)
def test_a_sensor_that_is_silent(story: str, found: list[str]) -> None:
    assert told(play(site(rule(QUIET)), story)) == found


@pytest.mark.parametrize(
    ("story", "note"),
    [
        ("shut@0 until@15", "sensor door silent since 2025-11-24T16:00:00Z"),
        ("until@0..15", "sensor door never heard"),
        ("shut@0 gateway-off@5 until@15", "gateway gateway offline since 2025-11-24T16:00:05Z"),
        ("shut@0 kept:gateway-off@>5 until@15", "gateway gateway offline since 2025-11-24T16:00:05Z"),
        ("shut@0 gateway-off@5 gateway-on@6 until@15", "sensor door silent since 2025-11-24T16:00:00Z"),
        ("shut@0 gateway-off@16 until@20", "sensor door silent since 2025-11-24T16:00:00Z"),  # not yet, at 15 s
        ("gateway@0 shut@50 until@65", "gateway gateway silent since 2025-11-24T16:00:00Z"),
    ],
)
def test_it_says_who_is_silent(story: str, note: str) -> None:
    breaches = play(site(rule(QUIET)), story if story[0] == "g" else f"gateway@-1 {story}")
    assert [breach.note for breach in breaches] == [note]


def test_while_nobody_listens_no_rule_counts_and_each_only_once() -> None:
    both = site(rule(QUIET), rule(Silent(s(40)), id=RuleId("patient")))
    found = play(both, "shut@0 until@0..14 until@30..31 until@60..100")
    assert [(breach.rule, *told([breach])) for breach in found] == [("rule", "raised@31"), ("patient", "raised@85")]


def test_life_safety_has_its_own_clock_and_waits_for_nobody() -> None:
    ruleset = site(rule(State(Quantity.TAKEN), for_=30), life_safety=True)
    engine = Engine(ruleset)
    taken = Reading(DOOR, [Sample(Quantity.TAKEN, True)], at(0), at(0), 1)
    assert engine.apply(Record("main", at(0), [taken], life_safety=True)) == []
    assert engine.apply(Record("main", at(0), until=at(99))) == []
    assert (engine.due(life_safety=True), engine.due(life_safety=False)) == (at(30), None)
    engine = Engine.restore(ruleset, engine.checkpoint())
    assert told(engine.apply(Record("main", at(0), until=at(30), life_safety=True))) == ["raised@30"]


def test_silence_has_delays_too() -> None:
    slow = site(rule(QUIET, for_=5, clear_for=20))
    assert told(play(slow, "shut@0 shut@19 until@99")) == ["raised@39"]
    again = "shut@0 until@0..25 shut@25 until@25..99"  # silent again before the off-delay was over
    assert told(play(slow, again)) == ["raised@20"]
    assert told(play(slow, "shut@0 until@0..25 shut@25 shut@35 shut@44 until@25..50")) == ["raised@20", "cleared@45"]


# --- lateness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "found"),
    [
        ("open@0 until@1", []),
        ("open@0 until@2", ["raised@0"]),
        ("open@0 shut@5 until@7", ["raised@0", "cleared@5"]),
        ("shut@5>5 open@4>6 until@9", ["raised@4", "cleared@5"]),  # put in order
        ("shut@5>5 until@6 open@4.5>6 until@9", ["raised@4.5", "cleared@5"]),
        ("shut@5>5 until@9 open@4>9 until@12", []),  # history, judged after the buffer
        ("shut@5>5 until@9 open@6>9 until@12", ["raised@7"]),  # behind the watch's clock
    ],
)
def test_late_readings_are_put_in_order(story: str, found: list[str]) -> None:
    assert told(play(site(rule(OPEN, lateness=2)), story)) == found


def test_of_readings_of_one_instant_the_device_says_which_came_first() -> None:
    engine = Engine(site(rule(OPEN, lateness=2)))
    values = [(2, False), (1, True)]
    readings = [
        Reading(DOOR, [Sample(Quantity.OPEN, value)], at(5), at(5), sequence, True, sequence=sequence)
        for sequence, value in values
    ]
    assert told(engine.apply(Record("main", at(0), readings, until=at(9)))) == ["raised@5", "cleared@5"]


@pytest.mark.parametrize(
    ("story", "found"),
    [
        ("open@20 until@21", []),
        ("open@20 until@22", ["raised@20"]),
        ("open@20 until@21 badge@19>21.5 until@22", []),  # that is what it waits for
        ("shut@21 open@20>21 until@23", ["raised@20", "cleared@21"]),
    ],
)
def test_a_badge_may_come_late(story: str, found: list[str]) -> None:
    assert told(play(site(rule(UNBADGED, lateness=2)), f"reader@0 {story}")) == found


def test_silence_may_be_judged_late() -> None:
    late = site(rule(QUIET, lateness=2))
    assert told(play(late, "shut@0 until@16")) == []
    assert told(play(late, "shut@0 until@17")) == ["raised@15"]
    assert told(play(late, "shut@0 until@16 shut@14>16 until@30")) == []


def test_channels_are_sensors_of_their_own() -> None:
    relay = SensorId("door#l2")
    engine = Engine(RuleSet([rule(OPEN, watch=[relay])], {DOOR: Watched()}))
    samples = [Sample(Quantity.OPEN, True, "l1"), Sample(Quantity.OPEN, True), Sample(Quantity.OPEN, False, "l2")]
    assert engine.apply(Record("main", at(0), [Reading(DOOR, samples, at(0), at(0), 1)])) == []
    [breach] = engine.apply(
        Record("main", at(0), [Reading(DOOR, [Sample(Quantity.OPEN, True, "l2")], at(1), at(1), 2)])
    )
    assert breach.subject == relay
