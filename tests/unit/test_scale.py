"""What is reckoned about many sites: the sums close, more load never fills less, life safety waits for nobody."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import scale
from benchmarks.scale import LIMITS, MEANS, ONE, STORMS, TEN, Item, Load, Means, Storm
from deploy.contact import RESERVED, SENDERS
from deploy.store.breaches import IN_A_TURN
from vorab.model import SECOND

law = settings(derandomize=True, deadline=None, max_examples=40)
TRANSACTION_S = (scale.cost("begin_ms") + 2 * IN_A_TURN * scale.cost("decide_ms")) / 1e3  #: the longest
CALL_S = scale.cost("call_ms") / 1e3

items = st.lists(st.builds(Item, st.floats(0, 60), st.booleans(), st.integers(0, 3)), max_size=120).map(sorted)


@law
@given(items)
def test_every_breach_is_decided_once_and_none_before_it_was_found(breaches: list[Item]) -> None:
    done = scale.decided(breaches)
    assert sorted(one for one, _ in done) == breaches
    assert all(at > one.at for one, at in done)
    assert all(before[1] <= after[1] for before, after in pairwise(done))


@law
@given(items)
def test_what_is_not_urgent_makes_no_decision_of_life_safety_later_than_by_two_transactions(
    breaches: list[Item],
) -> None:
    vital = [one for one in breaches if one.vital]
    alone = [at for _, at in scale.decided(vital)]
    together = [at for one, at in scale.decided(breaches) if one.vital]
    behind = max(0, len(vital) - 1) // IN_A_TURN + 2  # its own kind may fill some transactions more
    assert all(late <= early + behind * TRANSACTION_S for early, late in zip(alone, together, strict=True))


@law
@given(items)
def test_nobody_gets_more_than_his_limits_and_life_safety_is_not_withheld(messages: list[Item]) -> None:
    ready = scale.let_through(messages)
    assert all(at >= one.at for one, at in zip(messages, ready, strict=True))
    assert all(at == one.at for one, at in zip(messages, ready, strict=True) if one.vital)
    for person in range(4):
        sent = sorted(at for one, at in zip(messages, ready, strict=True) if one.person == person and not one.vital)
        for span, most in LIMITS:
            assert all(later - early >= span / SECOND - 1e-3 for early, later in zip(sent, sent[most:], strict=False))


@law
@given(items, st.integers(1, 3))
def test_every_message_is_handed_over_by_as_many_senders_as_there_are(messages: list[Item], contacts: int) -> None:
    done = scale.handed_over(messages, contacts)
    assert len(done) == len(messages)
    assert all(at >= one.at + CALL_S for one, at in zip(messages, done, strict=True))
    for vital, most in ((None, SENDERS), (False, SENDERS - RESERVED)):
        ended = sorted(at for one, at in zip(messages, done, strict=True) if vital is None or one.vital is vital)
        some = most * contacts
        assert all(later - early >= CALL_S - 1e-9 for early, later in zip(ended, ended[some:], strict=False))


@law
@given(items, st.sampled_from([0.5, 1.0, 10.0]), st.booleans())
def test_a_provider_sends_everything_and_no_faster_than_its_rate(handed: list[Item], rate: float, paced: bool) -> None:
    means = Means("", 1, rate, paced)
    sent = scale.gone(handed, means)
    assert len(sent) == len(handed)
    assert all(after >= one.at for one, after in zip(handed, sent, strict=True))
    assert all(later - early >= 1 / rate - 1e-6 for early, later in pairwise(sorted(sent)))
    assert sum(scale.gone(handed, means._replace(rate=2 * rate))) <= sum(sent) + 1e-6


@law
@given(items)
def test_where_we_keep_the_providers_pace_life_safety_waits_for_one_other_message_at_the_most(
    handed: list[Item],
) -> None:
    means = Means("", 1, 1.0, paced=True)
    alone = scale.gone([one for one in handed if one.vital], means)
    together = [at for one, at in zip(handed, scale.gone(handed, means), strict=True) if one.vital]
    assert all(late <= early + 1 / means.rate + 1e-6 for early, late in zip(alone, together, strict=True))


@pytest.mark.parametrize("means", MEANS, ids=lambda means: means.name)
def test_in_the_worst_hour_no_message_is_lost_and_life_safety_waits_for_nobody(means: Means) -> None:
    storm = Storm("", sites=20, others=100)
    waits = scale.simulate(storm, means)
    vital, others = storm.sites * storm.vital, storm.sites * storm.breaches + storm.others * 6
    assert [len(part) for part in waits[True]] == [vital * storm.asked] * 3
    assert [len(part) for part in waits[False]] == [others] * 3
    assert max(waits[True].own) <= scale.GOAL_S
    assert max(waits[True].held) == 0
    assert max(waits[False].held) > 600  # the others do wait: nobody is to get three hundred messages


def test_life_safety_waits_no_longer_in_our_parts_however_many_sites_are_dark() -> None:
    means = MEANS[1]
    longest = [max(scale.simulate(Storm("", dark, 0), means)[True].own) for dark in (1, 30)]
    assert longest == sorted(longest)
    assert longest[-1] <= scale.GOAL_S


def test_the_same_seed_gives_the_same_hour() -> None:
    assert scale.found(STORMS[1]) == scale.found(STORMS[1])
    assert scale.found(STORMS[1], seed=1) != scale.found(STORMS[1], seed=2)


@pytest.mark.parametrize("shape", [ONE, TEN], ids=lambda shape: shape.name)
def test_more_sites_never_fill_less_and_the_first_part_to_be_full_is_full_there(shape: scale.Shape) -> None:
    rising = [scale.used(Load(sites), shape) for sites in (1, 10, 100, 1000)]
    for part in rising[0]:
        assert all(less[part] <= more[part] for less, more in pairwise(rising))
    for part, sites in scale.full_at(shape).items():
        assert scale.used(Load(sites), shape)[part] == pytest.approx(1, rel=1e-6)


def test_every_cost_says_where_it_comes_from() -> None:
    for name, cost in scale.COSTS.items():
        assert cost.value > 0, name
        assert cost.unit, name
        assert cost.source, name


def test_the_picture_shows_every_part_in_light_and_in_dark() -> None:
    full = {shape.name: scale.full_at(shape) for shape in (ONE, TEN)}
    picture = scale.picture(full)
    assert "prefers-color-scheme: dark" in picture
    assert len(re.findall(r'class="first"', picture)) == len(full)
    for parts in full.values():
        assert all(f">{part}</text>" in picture for part in parts)
