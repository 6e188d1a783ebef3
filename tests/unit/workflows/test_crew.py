"""Roles that must all go, channels at once, help that is asked for: the defibrillator's transitions."""

from typing import Any

from msgspec.structs import replace

from tests.small_site import ANA, BEN, CEM, NOON, breach, rung
from tests.unit.workflows.test_incident import (
    CLEARED,
    DECLINED,
    DONE,
    SOMEBODY,
    TAKEN,
    able,
    at,
    at_once,
    failed,
    said,
    words,
)
from vorab.model import MINUTE, Edge, Incident, Meaning, PersonId, Priority, Rung, State
from workflows.incident import BreachEdge, Event, Notify, Opened, Order, ReminderDue, due_rungs, missing, step

FAY = PersonId("fay")
ALL = ("desktop", "sms", "voice")
AED = [
    replace(rung(9, wait=0, role="rescue", channels=ALL), at_once=True),
    replace(rung(9, wait=30_000_000, role="security", channels=ALL), at_once=True),
]
BOTH = at_once(able(FAY, channels=ALL), able(ANA, BEN, channels=ALL))


def goes(who: PersonId, role: str, meaning: Meaning = TAKEN, channel: str = "sms") -> Any:
    return replace(said(who, meaning, channel), roles=[role])


def taken(*story: tuple[float, Event], ladder: list[Rung] = AED, **of_breach: Any) -> tuple[Incident, list[Order]]:
    """The AED is taken; the incident after the story, and the orders of its last event."""
    raised = breach(priority=Priority.LIFE_SAFETY, latched=True, **of_breach)
    incident, orders = step(None, Opened(raised, "4821", ladder, ["rescue", "security"]), NOON)
    for seconds, event in story:
        incident, orders = step(incident, event, at(seconds))
    return incident, orders


def test_everybody_is_asked_by_every_channel_in_one_event() -> None:
    incident, orders = taken((0, BOTH))
    assert len(orders) == 9
    assert {(one.person, one.channel) for one in orders if isinstance(one, Notify)} == {
        (person, channel) for person in (FAY, ANA, BEN) for channel in ALL
    }
    assert incident.wake_at == at(30)


def test_one_channel_of_three_that_fails_is_no_reason_to_give_him_up() -> None:
    incident, orders = taken((0, BOTH), (1, failed(FAY, channel="voice")), (2, failed(FAY, channel="desktop")))
    assert (orders, incident.unreachable) == ([], [])
    incident, _ = step(incident, failed(FAY, channel="sms"), at(3))
    assert incident.unreachable == [FAY]


def test_security_goes_and_rescue_is_still_asked() -> None:
    incident, orders = taken((0, BOTH), (5, goes(ANA, "security")))
    assert incident.state is State.TRIGGERED
    assert (incident.owner, missing(incident)) == (ANA, ["rescue"])
    assert set(incident.pending) == {FAY}, "Ben need not answer any more"
    assert words(orders) == ["cancel", "taken fay", "taken ben", "thanks ana by sms"]
    assert [one.role for one in due_rungs(incident)] == ["rescue"]


def test_each_is_told_of_the_others_answer() -> None:
    incident, orders = taken((0, BOTH), (5, goes(ANA, "security")), (9, goes(FAY, "rescue", channel="voice")))
    assert words(orders) == ["cancel", "taken ana", "taken ben", "thanks fay by voice"]
    assert (incident.state, list(incident.going), incident.wake_at) == (State.TAKEN, [ANA, FAY], None)


def test_a_second_one_of_a_role_may_come_too() -> None:
    incident, orders = taken(
        (0, BOTH), (5, goes(ANA, "security")), (9, goes(FAY, "rescue")), (12, goes(BEN, "security"))
    )
    assert list(incident.going) == [ANA, FAY, BEN]
    assert words(orders) == ["cancel", "taken fay", "taken ana", "thanks ben by sms"]


def test_who_goes_is_not_asked_again_and_the_missing_role_is() -> None:
    incident, orders = taken((0, BOTH), (5, goes(ANA, "security")), (30, at_once(able(FAY, channels=ALL))))
    assert {one.person for one in orders if isinstance(one, Notify)} == {FAY}
    assert incident.state is State.TRIGGERED


def test_when_the_only_one_of_a_role_cannot_after_all_that_role_is_asked_again() -> None:
    incident, _ = taken((0, BOTH), (5, goes(ANA, "security")), (9, goes(FAY, "rescue")), (20, said(FAY, DECLINED)))
    assert (incident.state, incident.owner, incident.wake_at) == (State.TRIGGERED, ANA, at(20))
    assert missing(incident) == ["rescue"]


def test_the_desk_alone_is_neither_rescue_nor_security() -> None:
    incident, _ = taken((0, BOTH), (5, said(PersonId("desk"), TAKEN, "desktop")))
    assert (incident.state, incident.owner) == (State.TRIGGERED, "desk")
    assert missing(incident) == ["rescue", "security"]


def test_it_ends_only_when_the_aed_is_back_and_somebody_says_done() -> None:
    both = [(0.0, BOTH), (5.0, goes(ANA, "security")), (9.0, goes(FAY, "rescue"))]
    incident, _ = taken(*both, (600, CLEARED))
    assert (incident.state, incident.remind_at) == (State.TAKEN, at(660))
    incident, orders = step(incident, goes(FAY, "rescue", DONE), at(700))
    assert (incident.state, words(orders)) == (State.RESOLVED, ["done ana"])


def test_done_before_it_is_back_is_reminded_and_nobody_is_woken_again() -> None:
    """The patient is on his way to hospital, and the AED with him."""
    incident, orders = taken(
        (0, BOTH), (5, goes(ANA, "security")), (9, goes(FAY, "rescue")), (600, goes(FAY, "rescue", DONE))
    )
    assert (incident.state, words(orders), incident.wake_at) == (State.TAKEN, ["remind fay by sms"], at(630))
    incident, orders = step(incident, ReminderDue(), at(630))
    assert (incident.state, words(orders)) == (State.TAKEN, ["remind ana"])
    assert incident.wake_at == at(630 + 120)
    back = BreachEdge(breach(number=1, edge=Edge.CLEARED, priority=Priority.LIFE_SAFETY, latched=True))
    incident, orders = step(incident, back, at(4000))
    assert (incident.state, orders) == (State.RESOLVED, [])


def test_help_asks_one_more_and_who_asked_stays() -> None:
    one = [rung(1)]
    incident, _ = taken_door((0, able(BEN)), (5, said(BEN, TAKEN)), (60, said(BEN, Meaning.HELP)), ladder=one)
    assert (incident.state, incident.owner, incident.wanted, incident.wake_at) == (State.TRIGGERED, BEN, 2, at(60))
    incident, orders = step(incident, SOMEBODY, at(60))
    assert words(orders) == ["request ana by sms"], "not Ben, who is there"
    incident, orders = step(incident, said(ANA, TAKEN), at(70))
    assert (incident.state, incident.owner, list(incident.going)) == (State.TAKEN, BEN, [BEN, ANA])
    assert words(orders) == ["cancel", "taken ben", "thanks ana by sms"]


def test_help_that_is_not_needed_any_more() -> None:
    incident, _ = taken_door((0, able(BEN)), (5, said(BEN, TAKEN)), (60, said(BEN, Meaning.HELP)), (60, able(ANA)))
    incident, orders = step(incident, CLEARED, at(65))
    assert (incident.state, incident.owner, words(orders)) == (State.TAKEN, BEN, ["cancel", "healed ana"])
    assert incident.remind_at == at(65) + MINUTE


def test_help_of_somebody_who_was_only_asked_is_a_no() -> None:
    incident, _ = taken_door((0, able(BEN)), (5, said(BEN, Meaning.HELP)))
    assert (incident.declined, incident.wake_at) == ([BEN], at(5))


def test_who_says_that_he_is_there_goes() -> None:
    incident, orders = taken_door((0, able(BEN)), (5, said(BEN, Meaning.ARRIVED, "page")))
    assert (incident.state, incident.owner, incident.arrived) == (State.TAKEN, BEN, [BEN])
    assert words(orders) == ["cancel"], "on his page he sees what came of it"


def test_who_says_it_twice_and_arrives_stays_the_owner() -> None:
    incident, orders = taken_door((0, able(BEN)), (5, said(BEN, TAKEN)), (60, said(BEN, Meaning.ARRIVED)))
    assert (incident.arrived, incident.owner, orders, incident.wake_at) == ([BEN], BEN, [], None)


def test_law_7_who_calls_for_help_after_done_is_not_left_alone_when_the_aed_comes_back() -> None:
    both = [(0.0, BOTH), (5.0, goes(ANA, "security")), (9.0, goes(FAY, "rescue"))]
    incident, _ = taken(*both, (600, goes(FAY, "rescue", DONE)), (610, goes(ANA, "security", Meaning.HELP)))
    back = BreachEdge(breach(number=1, edge=Edge.CLEARED, priority=Priority.LIFE_SAFETY, latched=True))
    incident, _ = step(incident, back, at(620))
    assert incident.state is State.TRIGGERED


def test_law_8_whoever_is_still_asked_hears_that_it_is_done() -> None:
    incident, _ = taken((0, BOTH), (5, goes(ANA, "security")))
    back = BreachEdge(breach(number=1, edge=Edge.CLEARED, priority=Priority.LIFE_SAFETY, latched=True))
    incident, _ = step(incident, back, at(60))
    incident, orders = step(incident, goes(ANA, "security", DONE), at(90))
    assert (incident.state, words(orders)) == (State.RESOLVED, ["cancel", "done fay"])


def test_law_8_whoever_is_still_asked_hears_that_it_is_done_although_it_is_not_back() -> None:
    _, orders = taken((0, BOTH), (5, goes(ANA, "security")), (90, goes(ANA, "security", DONE)))
    assert words(orders) == ["cancel", "done fay", "remind ana by sms"]


def test_law_8_nobody_is_asked_for_what_is_over_because_a_helper_turns_back() -> None:
    incident, _ = taken_door((0, able(BEN)), (5, said(BEN, TAKEN)), (60, said(BEN, Meaning.HELP)), (60, able(ANA)))
    incident, _ = step(incident, said(ANA, TAKEN), at(70))
    incident, _ = step(incident, CLEARED, at(80))
    incident, orders = step(incident, said(ANA, DECLINED), at(90))
    assert (incident.state, list(incident.going), orders) == (State.TAKEN, [BEN], [])
    assert incident.wake_at == at(80) + MINUTE, "Ben is reminded"


def test_law_7_a_rung_of_a_role_that_need_not_go_is_asked_when_the_others_do_not_answer() -> None:
    incident, _ = taken((0, BOTH), (5, goes(ANA, "security")), ladder=[*AED, rung(1, role="managers")])
    assert [one.role for one in due_rungs(incident)] == ["managers"]


def taken_door(*story: tuple[float, Event], ladder: list[Rung] | None = None) -> tuple[Incident, list[Order]]:
    incident, orders = step(None, Opened(breach(), "4821", ladder or [rung(1), rung(2)]), NOON)
    for seconds, event in story:
        incident, orders = step(incident, event, at(seconds))
    return incident, orders


def test_a_stranger_of_the_crew_is_no_answer() -> None:
    incident, orders = taken((0, BOTH), (5, goes(CEM, "security")))
    assert (incident.going, orders) == ({}, [])


def test_help_while_others_still_ring_asks_nobody_a_second_time() -> None:
    incident, orders = taken((0, BOTH), (5, goes(ANA, "security")), (6, said(ANA, Meaning.HELP)))
    assert (orders, incident.wanted, set(incident.pending), incident.wake_at) == ([], 2, {FAY}, at(30))
