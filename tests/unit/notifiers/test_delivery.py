"""The table in notifiers/delivery.py, line by line, and its laws."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from notifiers import delivery
from notifiers.delivery import LEASE, LOOKS, REPORT_WITHIN, Change, Row
from vorab.model import MINUTE, SECOND, Delivery, Instant, Priority, Receipt

T0 = Instant(1_800_000_000_000_000)
SID = "SM" + "0" * 31 + "1"
SENT, DELIVERED, FAILED = (
    Receipt(Delivery.SENT, SID),
    Receipt(Delivery.DELIVERED, SID),
    Receipt(Delivery.FAILED, SID, "no"),
)
UNKNOWN, READY = Receipt(Delivery.UNKNOWN, reason="time-out"), Receipt(Delivery.READY, reason="429", retry_after_s=2)


def row(**fields: Any) -> Row:
    return Row(**{"due_at": T0, "expires_at": Instant(T0 + 5 * MINUTE)} | fields)


def at(seconds: float) -> Instant:
    return Instant(T0 + int(seconds * SECOND))


def sending() -> Row:
    return delivery.claim(row(), T0).row


def unknown() -> Row:
    return delivery.after_send(sending(), UNKNOWN, T0).row


def test_a_claim_leases_the_row_under_a_new_fence() -> None:
    claimed = sending()
    assert (claimed.state, claimed.attempts, claimed.fence) == (Delivery.SENDING, 1, 1)
    assert claimed.lease_until == T0 + LEASE
    assert claimed.first_sent_at == T0


def test_an_expired_message_is_withdrawn_and_told() -> None:
    for change in (delivery.claim(row(), at(300)), delivery.overdue(row(), at(300))):
        assert change.row.state is Delivery.WITHDRAWN
        assert "expired" in change.tell


@pytest.mark.parametrize(
    ("receipt", "state", "told"),
    [
        (SENT, Delivery.SENT, False),
        (DELIVERED, Delivery.DELIVERED, False),
        (FAILED, Delivery.FAILED, True),
        (READY, Delivery.READY, False),
        (UNKNOWN, Delivery.UNKNOWN, False),
    ],
)
def test_the_answer_to_the_call_moves_the_row(receipt: Receipt, state: Delivery, told: bool) -> None:
    change = delivery.after_send(sending(), receipt, at(1))
    assert change.row.state is state
    assert bool(change.tell) is told


def test_a_provider_that_asks_to_wait_is_obeyed() -> None:
    assert delivery.after_send(sending(), READY, at(1)).row.due_at == at(3)


def test_a_long_wait_is_told_so_that_another_way_is_tried() -> None:
    change = delivery.after_send(sending(), replace(READY, retry_after_s=11), at(0))
    assert (change.row.state, change.tell) == (Delivery.READY, "429")


def test_a_wait_ends_at_the_latest_when_the_message_expires() -> None:
    change = delivery.after_send(sending(), replace(READY, retry_after_s=86_400), at(0))
    assert change.row.due_at == change.row.expires_at
    assert delivery.claim(change.row, change.row.due_at).row.state is Delivery.WITHDRAWN


def test_without_a_word_from_the_provider_waits_double_up_to_a_minute() -> None:
    waits, now = [], row(expires_at=at(10_000))
    for _ in range(8):
        now = delivery.after_send(delivery.claim(now, T0).row, Receipt(Delivery.READY), T0).row
        waits.append((now.due_at - T0) // SECOND)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_life_safety_with_an_unknown_outcome_is_told_at_once() -> None:
    urgent = delivery.claim(row(priority=Priority.LIFE_SAFETY.rank), T0).row
    assert delivery.after_send(urgent, UNKNOWN, at(1)).tell == "outcome unknown: time-out"


def test_a_crash_while_sending_leaves_the_outcome_unknown_after_the_lease() -> None:
    assert delivery.overdue(sending(), at(14.9)).row.state is Delivery.SENDING
    assert delivery.overdue(sending(), at(15)).row.state is Delivery.UNKNOWN


def test_an_unknown_message_is_looked_for_at_1_5_and_15_seconds_and_sent_once_more() -> None:
    now, looked_at = unknown(), []
    while now.state is Delivery.UNKNOWN:
        looked_at.append((now.due_at - T0) // SECOND)
        change = delivery.overdue(now, now.due_at)
        assert change.look
        now = delivery.after_lookup(change.row, None, now.due_at).row
    assert looked_at == [1, 5, 15]
    assert (now.state, now.repeated, now.due_at) == (Delivery.READY, True, at(15))


def test_the_second_time_it_is_given_up_and_told() -> None:
    now = replace(unknown(), repeated=True, lookups=2)
    change = delivery.after_lookup(now, None, at(15))
    assert change.row.state is Delivery.FAILED
    assert change.tell == "not at the provider: time-out"


@pytest.mark.parametrize("receipt", [SENT, DELIVERED])
def test_an_unknown_message_that_is_found_is_not_sent_again(receipt: Receipt) -> None:
    found = delivery.after_lookup(unknown(), receipt, at(1)).row
    assert (found.state, found.provider_id, found.repeated) == (receipt.state, SID, False)


def test_a_report_that_comes_before_the_answer_settles_the_row() -> None:
    early = delivery.after_status(sending(), SENT, at(0.1)).row
    assert delivery.after_send(early, UNKNOWN, at(10)).row.state is Delivery.SENT


def test_a_report_for_a_message_about_to_be_repeated_stops_the_second_sending() -> None:
    again = row(repeated=True, attempts=1, fence=1, first_sent_at=T0)
    assert delivery.after_status(again, SENT, at(16)).row.state is Delivery.SENT


def test_a_late_refusal_of_an_unknown_call_makes_it_ready() -> None:
    assert delivery.after_send(unknown(), READY, at(20)).row.state is Delivery.READY


def test_a_provider_that_cannot_be_asked_is_told_and_asked_again() -> None:
    change = delivery.lookup_failed(unknown(), at(1))
    assert change.row.state is Delivery.UNKNOWN
    assert change.row.due_at == at(1) + LOOKS[-1]
    assert change.tell == "unknown, and the provider cannot be asked"
    assert delivery.lookup_failed(unknown(), at(360)).row.state is Delivery.FAILED


def test_an_answer_that_says_nothing_counts_as_not_asked() -> None:
    assert delivery.after_lookup(unknown(), UNKNOWN, at(1)) == delivery.lookup_failed(unknown(), at(1))


def test_without_a_report_for_a_minute_the_provider_is_asked_and_the_incident_told() -> None:
    sent = delivery.after_send(sending(), SENT, T0).row
    assert not delivery.overdue(sent, at(59)).look
    asked = delivery.overdue(sent, at(60))
    assert asked.look
    change = delivery.after_lookup(asked.row, SENT, at(60))
    assert change.row.state is Delivery.SENT
    assert change.row.due_at == at(60) + REPORT_WITHIN
    assert change.tell == "no delivery report in 60 s"
    assert delivery.after_lookup(change.row, SENT, at(300)).row.state is Delivery.FAILED


def test_a_failure_of_one_copy_says_nothing_about_the_other() -> None:
    sent = delivery.after_send(sending(), SENT, T0).row
    other = Receipt(Delivery.FAILED, "SM" + "f" * 32, "30003")
    assert delivery.after_status(sent, other, at(1)).row == sent
    assert delivery.after_status(sent, replace(other, state=Delivery.DELIVERED), at(1)).row.state is Delivery.DELIVERED


def test_what_was_withdrawn_while_unknown_is_never_sent_again() -> None:
    now = delivery.withdraw(unknown(), "taken", at(2)).row
    for seconds in (3, 7, 17):
        now = delivery.after_lookup(now, None, at(seconds)).row
    assert now.state is Delivery.FAILED


def test_a_ready_message_is_withdrawn_without_a_word() -> None:
    change = delivery.withdraw(row(), "taken", at(2))
    assert (change.row.state, change.row.reason, change.tell) == (Delivery.WITHDRAWN, "taken", "")


# --- laws -------------------------------------------------------------------------------------------------------------

RANK = {
    Delivery.READY: 0,
    Delivery.SENDING: 1,
    Delivery.UNKNOWN: 2,
    Delivery.SENT: 3,
    Delivery.DELIVERED: 4,
    Delivery.FAILED: 4,
    Delivery.WITHDRAWN: 4,
}
RECEIPTS = st.sampled_from([SENT, DELIVERED, FAILED, UNKNOWN, READY, replace(SENT, provider_id="SM" + "2" * 32)])
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "send", "status", "lookup", "absent", "lookup failed", "overdue", "withdraw"]),
        RECEIPTS,
        st.integers(0, 40 * SECOND),
    ),
    max_size=40,
)


def happen(event: str, now: Row, receipt: Receipt, instant: Instant) -> Change:
    match event:
        case "claim" if now.state is Delivery.READY:
            return delivery.claim(now, instant)
        case "send" if now.attempts:
            return delivery.after_send(now, receipt, instant)
        case "status" if receipt.state in (Delivery.SENT, Delivery.DELIVERED, Delivery.FAILED):
            return delivery.after_status(now, receipt, instant)
        case "lookup":
            return delivery.after_lookup(now, receipt, instant)
        case "absent":
            return delivery.after_lookup(now, None, instant)
        case "lookup failed":
            return delivery.lookup_failed(now, instant)
        case "overdue":
            return delivery.overdue(now, instant)
        case "withdraw":
            return delivery.withdraw(now, "taken", instant)
    return Change(now)


@given(EVENTS)
def test_states_never_go_backwards_and_nothing_is_sent_a_third_time(events: list[tuple[str, Receipt, int]]) -> None:
    now, instant, empty, perhaps_sent = row(), T0, 0, 0
    for event, receipt, later in events:
        instant = Instant(instant + later)
        before, now = now, happen(event, now, receipt, instant).row
        empty = empty + 1 if event == "absent" and before.state is Delivery.UNKNOWN else empty
        if before.state is Delivery.SENDING and now.state not in (Delivery.SENDING, Delivery.READY):
            perhaps_sent, empty = perhaps_sent + 1, 0
        if RANK[now.state] < RANK[before.state]:
            not_processed = event in ("send", "lookup") and receipt.state is Delivery.READY
            repeated = before.state is Delivery.UNKNOWN and now.repeated and not before.repeated and empty == 3
            assert now.state is Delivery.READY
            assert not_processed or repeated
        if RANK[before.state] == 4:
            assert now.state is before.state
    assert perhaps_sent <= 2


@given(EVENTS)
def test_whatever_ends_badly_is_told_unless_it_was_withdrawn(events: list[tuple[str, Receipt, int]]) -> None:
    now, instant = row(), T0
    for event, receipt, later in events:
        instant = Instant(instant + later)
        before, change = now, happen(event, now, receipt, instant)
        now = change.row
        if now.state is Delivery.FAILED and before.state is not Delivery.FAILED:
            assert change.tell


@given(st.lists(st.sampled_from(["none", "sent", "failed to ask"]), min_size=1, max_size=10))
def test_every_message_ends(answers: list[str]) -> None:
    """Asked whenever it is due, it is final within an hour of its expiry, whatever the provider says."""
    now = unknown()
    for answer in itertools.islice(itertools.cycle(answers), 200):
        if RANK[now.state] == 4:
            return
        instant = max(now.due_at, T0)
        if now.state is Delivery.READY:
            now = delivery.after_send(delivery.claim(now, instant).row, UNKNOWN, instant).row
            continue
        change = delivery.overdue(now, instant)
        match answer:
            case "failed to ask":
                now = delivery.lookup_failed(change.row, instant).row
            case "sent":
                now = delivery.after_lookup(change.row, SENT, instant).row
            case _:
                now = delivery.after_lookup(change.row, None, instant).row
    assert RANK[now.state] == 4
    assert now.due_at <= now.expires_at + 60 * MINUTE


def test_a_report_that_comes_when_we_had_given_up_waiting_for_it_counts() -> None:
    sent = delivery.after_send(sending(), SENT, T0).row
    late = replace(sent, lookups=3)
    unreported = delivery.after_lookup(late, SENT, at(400)).row
    unasked = delivery.lookup_failed(late, at(400)).row
    refused = delivery.after_status(sent, FAILED, at(400)).row
    for row_, state in ((unreported, Delivery.DELIVERED), (unasked, Delivery.DELIVERED), (refused, Delivery.FAILED)):
        assert row_.state is Delivery.FAILED
        assert delivery.after_status(row_, DELIVERED, at(500)).row.state is state
        assert delivery.after_status(row_, SENT, at(500)).row.state is Delivery.FAILED
