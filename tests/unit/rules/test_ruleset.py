"""What a rule set says, its bytes and its name, and what makes it unfit to run."""

import pytest
from msgspec.structs import replace

from rules.engine import Engine
from rules.limits import Limits
from rules.ruleset import RuleSet, Watched, hash_of, pack, problems, unpack
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from tests.unit.rules.story import DOOR, GATEWAY, READER, When, play, rule, s, site
from vorab.errors import ConfigurationError, Corrupt
from vorab.model import Priority, Quantity, RuleId, SensorId

HIGH, LIFE = Priority.HIGH, Priority.LIFE_SAFETY
OPEN = State(Quantity.OPEN, True)
UNBADGED = Without(Quantity.OPEN, True, Quantity.BADGE, s(10))
WARM = Limits(Quantity.TEMPERATURE, above={HIGH: 26.0, Priority.MEDIUM: 24.0}, deadband=0.5, for_levels={HIGH: s(9)})


def test_a_rule_set_comes_back_as_it_was() -> None:
    whens: list[When] = [OPEN, UNBADGED, WARM, Silent(s(15))]
    rules = [rule(when, id=RuleId(str(number))) for number, when in enumerate(whens)]
    assert unpack(pack(site(*rules))) == site(*rules)


def test_equal_rules_have_the_same_hash_however_they_were_written() -> None:
    whole = replace(WARM, above={Priority.MEDIUM: 24, HIGH: 26})  # other order, whole numbers
    assert hash_of(site(rule(WARM))) == hash_of(site(rule(whole)))
    assert hash_of(site(rule(WARM))) != hash_of(site(rule(WARM, for_=1)))
    assert len(hash_of(site())) == 64


@pytest.mark.parametrize("data", [b"", b"\x02\x90", b"\x01", b"\x01\xff", b"\x01\x92\x91\x01\x80", b"cat"])
def test_bytes_that_are_no_rule_set_are_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        unpack(data)
    with pytest.raises(Corrupt):
        Engine.restore(site(), data)


def test_a_checkpoint_of_other_rules_is_refused() -> None:
    with pytest.raises(Corrupt, match="a checkpoint of rule set"):
        Engine.restore(site(rule(OPEN)), Engine(site()).checkpoint())


@pytest.mark.parametrize(
    ("ruleset", "problem"),
    [
        (site(rule(OPEN, watch=[])), "rule: watches nothing"),
        (site(rule(OPEN, watch=[SensorId("dor")])), "rule: no sensor dor"),
        (site(rule(OPEN), rule(WARM)), "rule: two rules have this id"),
        (site(rule(OPEN, lateness=2, priority=LIFE)), "life safety never waits"),
        (site(rule(OPEN, lateness=2), life_safety=True), "life safety never waits"),
        (site(rule(UNBADGED), life_safety=True), "door and its reader reader are in different lanes"),
        (site(rule(OPEN, for_=-1)), "a span is negative"),
        (site(rule(Silent(s(0)))), "silent for no time"),
        (site(rule(Limits(Quantity.TEMPERATURE))), "no limit"),
        (site(rule(replace(WARM, deadband=-1.0))), "deadband is -1"),
        (site(rule(replace(WARM, deadband=float("nan")))), "deadband is nan"),
        (site(rule(replace(WARM, above={HIGH: float("nan")}))), "a limit is no number"),
    ],
)
def test_rules_that_are_not_fit_to_run_are_refused(ruleset: RuleSet, problem: str) -> None:
    assert [problem in each for each in problems(ruleset)] == [True]
    with pytest.raises(ConfigurationError, match=problem):
        Engine(ruleset)


def test_sound_rules_have_no_problems() -> None:
    assert problems(site(rule(OPEN), rule(OPEN, id=RuleId("vital"), priority=LIFE))) == []


def test_the_reader_may_be_heard_by_another_ingest() -> None:
    sensors = {DOOR: Watched("main", readers=[READER]), READER: Watched("other", every=s(60)), GATEWAY: Watched()}
    ruleset = RuleSet([rule(UNBADGED)], sensors)
    [behind] = play(ruleset, "reader@0 other@19 open@20 until@20")
    assert behind.note == "unverified: badge reader reader not heard up to 2025-11-24T16:00:20Z: ingest other is behind"
    [sure] = play(ruleset, "reader@0 other@20 open@20 until@20")
    assert sure.note == ""


def test_without_a_reader_nothing_is_verified() -> None:
    [breach] = play(RuleSet([rule(UNBADGED)], {DOOR: Watched()}), "open@20 until@20")
    assert breach.note == "unverified: no badge reader"


def test_of_a_reader_that_speaks_only_on_change_nobody_can_tell() -> None:
    sensors = {DOOR: Watched(readers=[READER]), READER: Watched(gateway=GATEWAY), GATEWAY: Watched(every=s(60))}
    ruleset = RuleSet([rule(UNBADGED)], sensors)
    assert play(ruleset, "reader@19 open@20 until@20")[0].note.startswith(
        "unverified: badge reader reader silent since"
    )
    assert play(ruleset, "reader@0 gateway@19 open@20 until@20")[0].note == ""
