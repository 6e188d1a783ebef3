"""What the customer hears, and when: before he complains, once, honestly, and not at all if nobody was disturbed."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.small_site import ANA, BEN, NOON, breach, rung
from tests.unit.workflows.test_incident import CLEARED, DECLINED, DONE, EVENTS, SOMEBODY, TAKEN, able, at, said, words
from vorab.model import HOUR, SECOND, Answer, Incident, Instant, Meaning, NotificationId, PersonId, Purpose, State
from workflows.incident import (
    BreachEdge,
    DeliveryFailed,
    Event,
    FollowUpDue,
    Notify,
    Opened,
    Order,
    Rated,
    ReminderDue,
    step,
)

HANA = PersonId("hana")


def warm(*story: tuple[float, Event]) -> tuple[Incident, list[Order]]:
    opened = Opened(breach(), "4821", [rung(1), rung(2)], customers={HANA: ["sms", "email"]})
    incident, orders = step(None, opened, NOON)
    for seconds, event in story:
        incident, orders = step(incident, event, at(seconds))
    return incident, orders


def goes(who: PersonId = BEN, seconds: int | None = 240, meaning: Meaning = TAKEN) -> Any:
    return replace(said(who, meaning), seconds=seconds)


def test_she_hears_that_somebody_comes_and_when() -> None:
    incident, orders = warm((0, SOMEBODY), (10, goes()))
    assert words(orders) == ["cancel", "thanks ben by sms", "coming hana by sms"]
    assert incident.expected_at == at(10 + 240 + 60), "four minutes on foot, one to set out"


def test_without_a_known_way_she_hears_no_time() -> None:
    incident, orders = warm((0, SOMEBODY), (10, goes(seconds=None)))
    assert words(orders)[-1] == "coming hana by sms"
    assert (incident.expected_at, incident.wake_at) == (None, None)


def test_she_hears_nothing_if_it_heals_before_anybody_was_disturbed() -> None:
    incident, orders = warm((0, SOMEBODY), (10, CLEARED))
    assert (incident.state, words(orders)) == (State.RESOLVED, ["cancel", "healed ben"])
    assert incident.wake_at is None


def test_one_honest_update_if_it_slips_and_no_second() -> None:
    incident, orders = warm((0, SOMEBODY), (10, goes()), (310 + 120, ReminderDue()))
    assert words(orders) == ["delayed hana by sms"]
    assert incident.expected_at is None
    incident, orders = step(incident, said(BEN, DECLINED), at(500))
    incident, orders = step(incident, SOMEBODY, at(500))
    incident, orders = step(incident, goes(ANA), at(510))
    assert "hana" not in " ".join(words(orders))


def test_another_technician_is_an_update() -> None:
    incident, _ = warm((0, SOMEBODY), (10, goes()), (60, said(BEN, DECLINED)), (60, SOMEBODY))
    incident, orders = step(incident, goes(ANA, 600), at(70))
    assert words(orders)[-1] == "delayed hana by sms"
    assert incident.expected_at == at(70 + 660)
    incident, orders = step(incident, ReminderDue(), at(70 + 660 + 120))
    assert orders == [], "one update, and no second"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(goes(ANA, 60), at(10 + 300)), (goes(ANA, 60, Meaning.ARRIVED), None)],
    ids=["sooner than she was told", "there already"],
)
def test_another_technician_who_is_not_late_is_no_update(answer: Answer, expected: Instant | None) -> None:
    incident, _ = warm((0, SOMEBODY), (10, goes()), (60, said(BEN, DECLINED)), (60, able(ANA)))
    incident, orders = step(incident, answer, at(70))
    assert words(orders) == ["cancel", "thanks ana by sms"]
    assert incident.expected_at == expected


def test_who_has_arrived_is_not_late() -> None:
    incident, orders = warm((0, SOMEBODY), (10, goes()), (200, said(BEN, Meaning.ARRIVED)))
    assert (incident.expected_at, incident.wake_at, orders) == (None, None, [])


def test_solved_and_an_hour_later_one_question() -> None:
    incident, orders = warm((0, SOMEBODY), (10, goes()), (300, CLEARED), (310, said(BEN, DONE)))
    assert (incident.state, words(orders)) == (State.RESOLVED, ["solved hana by sms"])
    assert incident.wake_at == at(310) + HOUR
    incident, orders = step(incident, FollowUpDue(), at(310 + 3600))
    assert (words(orders), incident.wake_at) == (["rate hana by sms"], None)
    incident, orders = step(incident, FollowUpDue(), at(310 + 7200))
    assert orders == []
    incident, _ = step(incident, Rated(HANA, 4), at(310 + 3700))
    assert incident.ratings == {HANA: 4}


def test_only_a_customer_of_it_rates() -> None:
    incident, _ = warm((0, SOMEBODY), (10, Rated(BEN, 1)))
    assert incident.ratings == {}


def test_done_at_a_stroke_tells_her_nothing() -> None:
    _, orders = warm((0, SOMEBODY), (10, said(BEN, DONE)))
    assert "hana" not in " ".join(words(orders))


def test_what_does_not_reach_her_goes_by_her_next_channel() -> None:
    incident, _ = warm((0, SOMEBODY), (10, goes()))
    undelivered = DeliveryFailed(NotificationId("n"), 3, HANA, "sms", "switched off", Purpose.COMING)
    incident, orders = step(incident, undelivered, at(12))
    assert words(orders) == ["coming hana by email"]
    incident, orders = step(incident, replace(undelivered, channel="email"), at(14))
    assert orders == []
    assert incident.state is State.TAKEN


def test_the_owner_is_reminded_on_time_although_she_waits() -> None:
    incident, _ = warm((0, SOMEBODY), (10, goes()), (20, CLEARED))
    assert incident.wake_at == at(80), "the reminder, before the time that she was told"
    incident, orders = step(incident, ReminderDue(), at(80))
    assert words(orders) == ["remind ben"]


def test_law_6_a_customer_who_is_asked_to_go_himself_hears_what_the_others_hear_and_no_more() -> None:
    opened = Opened(breach(), "4821", [rung(1)], customers={BEN: ["sms"], HANA: ["sms"]})
    incident, _ = step(step(None, opened, NOON)[0], SOMEBODY, NOON)
    incident, orders = step(incident, goes(), at(10))
    assert words(orders) == ["cancel", "thanks ben by sms", "coming hana by sms"]
    incident, _ = step(incident, CLEARED, at(20))
    assert words(step(incident, said(BEN, DONE), at(30))[1]) == ["solved hana by sms"]


@pytest.mark.parametrize("purpose", [Purpose.COMING, Purpose.DELAYED])
def test_what_comes_to_nothing_after_it_was_solved_is_not_said_any_more(purpose: Purpose) -> None:
    incident, _ = warm((0, SOMEBODY), (10, goes()), (300, CLEARED), (310, said(BEN, DONE)))
    late = DeliveryFailed(NotificationId("n"), 3, HANA, "sms", "expired before it could be sent", purpose)
    incident, orders = step(incident, late, at(610))
    assert orders == []
    assert words(step(incident, replace(late, purpose=Purpose.SOLVED), at(620))[1]) == ["solved hana by email"]


def test_another_who_is_there_without_having_said_that_he_goes_is_not_late_either() -> None:
    both = replace(SOMEBODY, candidates=[one for who in (BEN, ANA) for one in able(who).candidates])
    opened = Opened(breach(), "4821", [rung(2)], customers={HANA: ["sms"]})
    incident, _ = step(step(None, opened, NOON)[0], both, NOON)
    incident, _ = step(incident, goes(), at(10))
    incident, _ = step(incident, said(ANA, Meaning.ARRIVED), at(100))
    assert (incident.expected_at, incident.wake_at) == (None, None)


MORE = st.one_of(EVENTS, st.sampled_from([FollowUpDue(), Rated(HANA, 3), goes(ANA), goes(BEN, None)]))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), MORE), max_size=30))
def test_whatever_happens_each_thing_is_told_once_and_nothing_before_somebody_comes(
    timed: list[tuple[int, Event]],
) -> None:
    incident, _ = warm()
    now, told = NOON, Counter[Purpose]()
    for wait, event in timed:
        now = Instant(now + wait * SECOND)
        if isinstance(event, BreachEdge):
            event = BreachEdge(replace(event.breach, number=incident.breach.number + 1))
        incident, orders = step(incident, event, now)
        told.update(one.purpose for one in orders if isinstance(one, Notify) and one.person == HANA)
        assert all(count == 1 for count in told.values()), told
        assert Purpose.COMING in told or not told
        assert (incident.state is State.RESOLVED and Purpose.COMING in told) is (Purpose.SOLVED in told)
