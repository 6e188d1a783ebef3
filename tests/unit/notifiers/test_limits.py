"""Limits hold in every sliding window, and nobody waits longer than he must."""

from hypothesis import given
from hypothesis import strategies as st

from notifiers.limits import allowed_at
from vorab.model import HOUR, MINUTE, Instant, Span

WINDOWS = st.lists(st.tuples(st.integers(1, 100).map(Span), st.integers(1, 4)), max_size=3)


def at(minutes: float) -> Instant:
    return Instant(int(minutes * MINUTE))


def test_the_example_of_the_docstring() -> None:
    assert allowed_at([at(0), at(1), at(2)], [(Span(10 * MINUTE), 2)], at(3)) == at(11)


def test_without_limits_or_without_messages_it_is_now() -> None:
    assert allowed_at([at(0)] * 9, [], at(3)) == at(3)
    assert allowed_at([], [(Span(HOUR), 1)], at(3)) == at(3)


def test_the_strictest_window_decides() -> None:
    assert allowed_at([at(0), at(1)], [(Span(10 * MINUTE), 2), (Span(HOUR), 2)], at(3)) == at(60)


@given(st.lists(st.integers(0, 300).map(Instant), max_size=20), WINDOWS)
def test_no_window_ever_holds_more_than_its_limit(wishes: list[Instant], windows: list[tuple[Span, int]]) -> None:
    sent: list[Instant] = []
    for wish in sorted(wishes):
        sent.append(allowed_at(sent, windows, Instant(max([wish, *sent[-1:]]))))
    for span, count in windows:
        assert all(sum(start <= one < start + span for one in sent) <= count for start in sent)


@given(st.lists(st.integers(0, 100).map(Instant), max_size=8), WINDOWS, st.integers(100, 150).map(Instant))
def test_a_moment_earlier_would_have_broken_a_limit(
    sent: list[Instant], windows: list[tuple[Span, int]], now: Instant
) -> None:
    found = allowed_at(sent, windows, now)
    earlier = found - 1
    broken = any(sum(earlier - span < one for one in sent) >= count for span, count in windows)
    assert found == now or broken
