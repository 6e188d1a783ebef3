"""The transitions of an incident as tables, and the laws over any interleaving of events."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.small_site import ANA, BEN, CEM, NOON, breach, rung
from vorab.model import (
    HOUR,
    MINUTE,
    SECOND,
    Answer,
    Candidate,
    Edge,
    Incident,
    Instant,
    Meaning,
    NotificationId,
    PersonId,
    Priority,
    Purpose,
    Rung,
    State,
)
from workflows.incident import (
    BreachEdge,
    Cancel,
    DeliveryFailed,
    Event,
    Notify,
    Opened,
    Order,
    ReminderDue,
    RungDue,
    due_rungs,
    step,
)

LADDER = [rung(1), rung(2)]


def at(seconds: float) -> Instant:
    return Instant(NOON + int(seconds * SECOND))


def able(*people: PersonId, channels: tuple[str, ...] = ("sms",)) -> RungDue:
    return RungDue([Candidate(one, True, [], channels=list(channels)) for one in people])


def unable(*people: PersonId) -> RungDue:
    return RungDue([Candidate(one, False, ["off duty"]) for one in people])


def said(who: PersonId, meaning: Meaning, channel: str = "sms", roles: Sequence[str] = ()) -> Answer:
    return Answer("id", who, meaning, NOON, channel, roles=list(roles))


def failed(who: PersonId, number: int = 99, channel: str = "sms") -> DeliveryFailed:
    return DeliveryFailed(NotificationId("n"), number, who, channel, "no such number")


TAKEN, DECLINED, DONE, WHY = Meaning.TAKEN, Meaning.DECLINED, Meaning.DONE, Meaning.WHY
CLEARED = BreachEdge(breach(number=1, edge=Edge.CLEARED))
RAISED = BreachEdge(breach(number=2))
SOMEBODY = able(BEN, ANA)
STORY = list[tuple[float, Event]]


def played(
    *story: tuple[float, Event], ladder: list[Rung] | None = None, **of_breach: Any
) -> tuple[Incident, list[Order]]:
    """The incident after all of it, and the orders of the last event."""
    opened = Opened(breach(**of_breach), "4821", LADDER if ladder is None else ladder)
    incident, orders = step(None, opened, at(0))
    for seconds, event in story:
        incident, orders = step(incident, event, at(seconds))
    return incident, orders


def words(orders: list[Order]) -> list[str]:
    return [
        "cancel"
        if isinstance(order, Cancel)
        else f"{order.purpose} {order.person}{' by ' * bool(order.channel)}{order.channel}"
        for order in orders
    ]


@pytest.mark.parametrize(
    ("story", "orders", "state", "owner", "wake"),
    [
        # it opens, and somebody is looked for at once
        ([], [], State.TRIGGERED, None, 0),
        ([(0, SOMEBODY)], ["request ben by sms"], State.TRIGGERED, None, 60),
        # nobody answers: the next rung, and the last again and again
        ([(0, SOMEBODY), (60, SOMEBODY)], ["request ana by sms", "request ben by sms"], State.TRIGGERED, None, 120),
        (
            [(0, SOMEBODY), (60, SOMEBODY), (120, SOMEBODY)],
            ["request ben by sms", "request ana by sms"],
            State.TRIGGERED,
            None,
            180,
        ),
        # a rung that is not due asks nobody
        ([(0, SOMEBODY), (59, SOMEBODY)], [], State.TRIGGERED, None, 60),
        # nobody suitable: the next rung at once; on the last one a wait
        ([(0, unable(BEN))], [], State.TRIGGERED, None, 0),
        ([(0, unable(BEN)), (0, unable(BEN))], [], State.TRIGGERED, None, 60),
        ([(0, unable(BEN)), (0, RungDue([])), (60, able(ANA))], ["request ana by sms"], State.TRIGGERED, None, 120),
        # taken: he is thanked, who was asked besides hears of it, nobody is woken any more
        ([(0, SOMEBODY), (5, said(BEN, TAKEN))], ["cancel", "thanks ben by sms"], State.TAKEN, BEN, None),
        (
            [(0, SOMEBODY), (60, SOMEBODY), (65, said(ANA, TAKEN))],
            ["cancel", "taken ben", "thanks ana by sms"],
            State.TAKEN,
            ANA,
            None,
        ),
        # the first wins, the second hears who goes; the first again changes nothing
        (
            [(0, SOMEBODY), (60, SOMEBODY), (65, said(ANA, TAKEN)), (66, said(BEN, TAKEN))],
            ["taken ben by sms"],
            State.TAKEN,
            ANA,
            None,
        ),
        ([(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, said(BEN, TAKEN))], [], State.TAKEN, BEN, None),
        # only who was asked, or sits at the desk
        ([(0, able(BEN)), (5, said(CEM, TAKEN))], [], State.TRIGGERED, None, 60),
        ([(0, able(BEN)), (5, said(CEM, TAKEN, "desktop"))], ["cancel", "taken ben"], State.TAKEN, CEM, None),
        # declined: the next at once, from the same rung; who had declined is not asked again
        ([(0, SOMEBODY), (5, said(BEN, DECLINED))], [], State.TRIGGERED, None, 5),
        ([(0, SOMEBODY), (5, said(BEN, DECLINED)), (5, SOMEBODY)], ["request ana by sms"], State.TRIGGERED, None, 65),
        # the last one of the last rung declines: after the wait all are asked again
        (
            [(0, able(BEN)), (5, said(BEN, DECLINED)), (5, able(BEN)), (5, able(BEN)), (65, able(BEN))],
            ["request ben by sms"],
            State.TRIGGERED,
            None,
            125,
        ),
        # the owner cannot after all: the ladder goes on, without him
        ([(0, SOMEBODY), (5, said(BEN, TAKEN)), (9, said(BEN, DECLINED))], [], State.TRIGGERED, None, 9),
        (
            [(0, SOMEBODY), (5, said(BEN, TAKEN)), (9, said(BEN, DECLINED)), (9, SOMEBODY)],
            ["request ana by sms"],
            State.TRIGGERED,
            None,
            69,
        ),
        # it heals before anybody answered: who waits is told
        ([(0, SOMEBODY), (5, CLEARED)], ["cancel", "healed ben"], State.RESOLVED, None, None),
        ([(0, SOMEBODY), (4, said(BEN, DECLINED)), (5, CLEARED)], ["cancel"], State.RESOLVED, None, None),
        # done and over
        ([(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, CLEARED), (7, said(BEN, DONE))], [], State.RESOLVED, BEN, None),
        ([(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, said(BEN, DONE)), (7, CLEARED)], [], State.RESOLVED, BEN, None),
        # done at once, without having taken it
        ([(0, SOMEBODY), (5, said(BEN, DONE))], ["cancel", "remind ben by sms"], State.TAKEN, BEN, 65),
        # done while still broken: his again, and the ladder begins again after its wait, unless he says he is on it
        ([(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, said(BEN, DONE))], ["remind ben by sms"], State.TAKEN, BEN, 66),
        (
            [(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, said(BEN, DONE)), (66, ReminderDue())],
            [],
            State.TRIGGERED,
            None,
            66,
        ),
        (
            [(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, said(BEN, DONE)), (66, ReminderDue()), (66, SOMEBODY)],
            ["request ben by sms"],
            State.TRIGGERED,
            None,
            126,
        ),
        (
            [(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, said(BEN, DONE)), (7, said(BEN, TAKEN))],
            [],
            State.TAKEN,
            BEN,
            None,
        ),
        # done, and the breach moves between levels: that is no news of the person
        (
            [(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, said(BEN, DONE)), (50, BreachEdge(breach(number=1)))],
            [],
            State.TAKEN,
            BEN,
            66,
        ),
        # over but never done: reminded after one wait, then after twice that
        ([(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, CLEARED)], [], State.TAKEN, BEN, 66),
        (
            [(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, CLEARED), (66, ReminderDue())],
            ["remind ben"],
            State.TAKEN,
            BEN,
            186,
        ),
        # over, and raised again under the same id: no reminder
        ([(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, CLEARED), (7, RAISED)], [], State.TAKEN, BEN, None),
        # over, and the owner cannot: nobody need go
        ([(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, CLEARED), (7, said(BEN, DECLINED))], [], State.RESOLVED, BEN, None),
        # the desk says done for him: he is told
        (
            [(0, SOMEBODY), (5, said(BEN, TAKEN)), (6, CLEARED), (7, said(CEM, DONE, "desktop"))],
            ["done ben"],
            State.RESOLVED,
            BEN,
            None,
        ),
        # not reached: another at once
        ([(0, SOMEBODY), (1, failed(BEN))], [], State.TRIGGERED, None, 1),
        ([(0, SOMEBODY), (1, failed(BEN)), (1, SOMEBODY)], ["request ana by sms"], State.TRIGGERED, None, 61),
        # not reached, but another can still say yes: nothing is hurried
        ([(0, unable()), (0, SOMEBODY), (1, failed(BEN))], [], State.TRIGGERED, None, 60),
        # the failure of what an earlier rung asked changes nothing
        ([(0, SOMEBODY), (60, SOMEBODY), (61, failed(BEN, number=2))], [], State.TRIGGERED, None, 120),
        # why: told, and nothing changes
        ([(0, SOMEBODY), (1, said(BEN, WHY))], ["why ben by sms"], State.TRIGGERED, None, 60),
        # after the end nothing changes
        ([(0, SOMEBODY), (5, CLEARED), (6, said(BEN, TAKEN))], [], State.RESOLVED, None, None),
        ([(0, SOMEBODY), (5, CLEARED), (6, said(BEN, WHY))], [], State.RESOLVED, None, None),
    ],
)
def test_transitions(story: STORY, orders: list[str], state: State, owner: PersonId | None, wake: float | None) -> None:
    incident, found = played(*story)
    assert words(found) == orders
    assert (incident.state, incident.owner) == (state, owner)
    assert incident.wake_at == (None if wake is None else at(wake))
    assert incident.events == len(story) + 1


@pytest.mark.parametrize("of_breach", [{"latched": True}, {"priority": Priority.LIFE_SAFETY}])
def test_life_safety_and_latched_ones_go_on_until_somebody_has_taken_and_done(of_breach: dict[str, Any]) -> None:
    over = BreachEdge(breach(number=1, edge=Edge.CLEARED, **of_breach))
    incident, orders = played((0, SOMEBODY), (5, over), **of_breach)
    assert (incident.state, incident.wake_at, orders) == (State.TRIGGERED, at(60), [])
    incident, _ = step(incident, said(BEN, TAKEN), at(9))
    assert (incident.state, incident.wake_at) == (State.TAKEN, at(69))
    incident, _ = step(incident, said(BEN, DONE), at(10))
    assert incident.state is State.RESOLVED


def test_a_person_is_asked_by_his_next_channel_when_the_first_does_not_reach_him() -> None:
    both = able(BEN, channels=("sms", "voice"))
    incident, orders = played((0, both), (1, failed(BEN)))
    assert words(orders) == ["request ben by voice"]
    assert incident.wake_at == at(60)
    incident, orders = step(incident, failed(BEN, channel="voice"), at(2))
    assert (words(orders), incident.wake_at) == ([], at(2))


def test_who_cannot_be_reached_at_all_is_tried_again_on_the_next_round_and_not_before() -> None:
    story: STORY = [(0, able(BEN)), (1, failed(BEN)), (1, able(BEN))]
    incident, orders = played(*story, ladder=[rung(1)])
    assert (words(orders), incident.wake_at) == ([], at(61))
    incident, orders = step(incident, able(BEN), at(61))
    assert words(orders) == ["request ben by sms"]


def test_a_rung_reaches_first_whom_it_can_ask_in_a_new_way() -> None:
    ladder = [rung(1), rung(1), rung(1, channels=("voice",))]
    _, orders = played((0, SOMEBODY), (60, SOMEBODY), ladder=ladder)
    assert words(orders) == ["request ana by sms"]
    _, orders = played((0, SOMEBODY), (60, SOMEBODY), (120, able(BEN, ANA, channels=("voice",))), ladder=ladder)
    assert words(orders) == ["request ben by voice"]


def at_once(*rungs: RungDue) -> RungDue:
    first, *others = [one.candidates for one in rungs]
    return RungDue(first, others)


ALL_AT_ONCE = [rung(9, wait=0), rung(9, wait=30 * SECOND)]


def test_law_7_rungs_without_a_wait_between_them_are_asked_together_and_again_together() -> None:
    both = at_once(able(BEN), able(ANA, BEN))
    incident, orders = played((0, both), ladder=ALL_AT_ONCE)
    assert (words(orders), incident.wake_at) == (["request ben by sms", "request ana by sms"], at(30))
    assert due_rungs(incident) == ALL_AT_ONCE
    incident, orders = step(incident, both, at(30))
    assert (words(orders), incident.wake_at) == (["request ben by sms", "request ana by sms"], at(60))


def test_law_7_who_is_not_reached_on_a_rung_without_a_wait_is_asked_by_his_next_channel_and_again() -> None:
    both = at_once(able(BEN, channels=("sms", "voice")), able(ANA))
    incident, orders = played((0, both), (1, failed(BEN, number=2)), ladder=ALL_AT_ONCE)
    assert words(orders) == ["request ben by voice"]
    incident, orders = step(incident, failed(BEN, number=2, channel="voice"), at(2))
    assert (orders, incident.wake_at) == ([], at(30))
    _, orders = step(incident, both, at(30))
    assert "request ana by sms" in words(orders)
    assert "request ben by sms" in words(orders)


def test_the_rungs_after_those_asked_together_follow_when_their_wait_is_over() -> None:
    ladder = [rung(9, wait=0), rung(9), rung(1, role="pilots")]
    incident, _ = played((0, at_once(able(BEN), able(ANA))), ladder=ladder)
    assert (due_rungs(incident), incident.wake_at) == ([rung(1, role="pilots")], at(60))


def test_law_7_after_a_last_rung_without_anybody_the_ladder_begins_again() -> None:
    ladder = [rung(1), rung(1, role="pilots")]
    incident, orders = played((0, SOMEBODY), (60, RungDue([])), ladder=ladder)
    assert (orders, incident.wake_at) == ([], at(120))
    assert due_rungs(incident) == [rung(1)]
    incident, orders = step(incident, SOMEBODY, at(120))
    assert (words(orders), incident.wake_at) == (["request ana by sms"], at(180))


def test_a_ladder_without_rungs_is_not_forgotten() -> None:
    incident, _ = played((0, RungDue([])), ladder=[])
    assert due_rungs(incident) == []
    assert incident.wake_at == at(60)
    incident, _ = step(incident, RungDue([], ladder=LADDER), at(60))
    assert (due_rungs(incident), incident.wake_at) == ([LADDER[0]], at(60))


def test_reminders_grow_apart_up_to_an_hour() -> None:
    incident, _ = played((0, SOMEBODY), (5, said(BEN, TAKEN)), (6, CLEARED))
    waits = []
    for _ in range(9):
        assert incident.wake_at is not None
        before = incident.wake_at
        incident, _ = step(incident, ReminderDue(), before)
        waits.append(((incident.wake_at or 0) - before) // MINUTE)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert HOUR == 60 * MINUTE


# --- laws -------------------------------------------------------------------------------------------------------------

PEOPLE = st.sampled_from([BEN, ANA, CEM])
EVENTS = st.one_of(
    st.builds(said, PEOPLE, st.sampled_from(Meaning), st.sampled_from(["sms", "desktop"])),
    st.builds(said, PEOPLE, st.just(Meaning.TAKEN), st.just("desktop"), st.sampled_from([["rescue"], ["security"]])),
    st.sampled_from([CLEARED, RAISED, ReminderDue(), able(), SOMEBODY, able(ANA, CEM, channels=("sms", "voice"))]),
    st.builds(failed, PEOPLE),
)
TIMED = st.lists(st.tuples(st.integers(0, 90), EVENTS), max_size=25)
ONCE = replace(rung(9, wait=0, role="rescue", channels=("sms", "voice")), at_once=True)
BREACHES = st.builds(breach, priority=st.sampled_from([Priority.HIGH, Priority.LIFE_SAFETY]), latched=st.booleans())


@settings(max_examples=300, deadline=None)
@given(
    TIMED,
    BREACHES,
    st.sampled_from([[], [rung(1)], LADDER, [rung(9, wait=0), rung(1)], [ONCE, rung(1)]]),
    st.sampled_from([[], ["rescue", "security"]]),
)
def test_law_7_and_8_whatever_happens(
    timed: list[tuple[int, Event]], raised: Any, ladder: list[Rung], needs: list[str]
) -> None:
    incident, _ = step(None, Opened(raised, "4821", ladder, needs), NOON)
    now = NOON
    for wait, event in timed:
        now = Instant(now + wait * SECOND)
        before = incident
        if isinstance(event, BreachEdge):
            event = BreachEdge(replace(raised, number=incident.breach.number + 1, edge=event.breach.edge))
        incident, orders = step(incident, event, now)
        told = [(order.person, order.channel) for order in orders if isinstance(order, Notify)]
        requests = [order for order in orders if isinstance(order, Notify) and order.purpose is Purpose.REQUEST]
        assert len(told) == len(set(told)), "law 6: one message for each event, person and channel"
        assert incident.events == before.events + 1
        assert not requests or incident.state is State.TRIGGERED, "law 8: no request after the answer"
        if incident.state is State.TRIGGERED:
            assert incident.wake_at is not None, "law 7: on its way to somebody"
            assert incident.owner is None or incident.owner in incident.going
        if incident.state is State.TAKEN:
            assert incident.owner is not None, "law 7: with a person"
            assert incident.broken is (incident.remind_at is None) or incident.done, "the owner is reminded"
        if before.state is State.RESOLVED:
            assert (orders, replace(incident, events=0)) == ([], replace(before, events=0))


@settings(max_examples=100, deadline=None)
@given(TIMED, BREACHES)
def test_law_7_whoever_is_left_alone_long_enough_asks_again(timed: list[tuple[int, Event]], raised: Any) -> None:
    incident, _ = step(None, Opened(raised, "4821", LADDER), NOON)
    now = NOON
    for wait, event in timed:
        now = Instant(now + wait * SECOND)
        incident, _ = step(incident, event, now)
    for _ in range(4):  # at the most: the next rung, the last, its wait, and then everybody
        if incident.state is not State.TRIGGERED or len(incident.going) == 3:  # all three go: nobody is left to ask
            return
        assert incident.wake_at is not None
        now = max(now, incident.wake_at)
        incident, orders = step(incident, able(BEN, ANA, CEM), now)
        if orders:
            return
    pytest.fail(f"nobody was asked: {incident}")
