"""Law 4, no false all-clear: a missing, bad or stale value neither raises nor clears; absence counts if we listened."""

import pytest

from tests.airport import Airport
from vorab.model import State


@pytest.mark.parametrize("said", [None, 999.0, -300.0])
def test_law_4_a_bad_value_does_not_clear_what_a_good_one_raised(airport: Airport, said: float | None) -> None:
    airport.room("server-room").has(31.5)
    airport.passes(minutes=3)
    airport.room("server-room").has(said)
    airport.passes(seconds=30)
    [incident] = airport.incidents()
    assert (incident.state, incident.broken) == (State.TRIGGERED, True)


def test_law_4_a_bad_value_does_not_raise(airport: Airport) -> None:
    airport.room("server-room").has(21.0)
    airport.room("server-room").has(999.0)
    airport.passes(minutes=10)
    assert airport.incidents() == []


def test_law_4_a_badge_that_a_dead_reader_cannot_have_read_makes_the_breach_unverified(airport: Airport) -> None:
    airport.badge("gate-b12").says(online=True)
    airport.dead.add("gate-b12-badge")
    airport.passes(minutes=5)
    airport.door("gate-b12").opens()
    airport.passes(seconds=1)
    [incident] = airport.incidents()
    assert "unverified" in incident.breach.note


def test_law_4_while_we_are_deaf_nobody_is_called_silent(airport: Airport) -> None:
    for place in ("gate-b11", "gate-b12", "gate-c1"):
        airport.badge(place).says(online=True)
    airport.passes(seconds=5)
    airport.goes_down()
    airport.passes(minutes=60)
    airport.comes_back()
    assert airport.incidents() == []
