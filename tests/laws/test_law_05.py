"""Law 5, a retained message is a state, not an event."""

from tests.airport import Airport


def test_law_5_a_door_that_stands_open_when_we_first_look_is_watched_and_uncertain(airport: Airport) -> None:
    airport.door("gate-b12").opens(retained=True)
    airport.passes(seconds=31)
    [incident] = airport.incidents()
    assert incident.breach.rule == "door-held-open"
    assert "uncertain" in incident.breach.note


def test_law_5_it_is_not_an_opening_that_a_badge_should_have_preceded(airport: Airport) -> None:
    airport.badge("gate-b12").says(online=True)
    airport.door("gate-b12").opens(retained=True)
    airport.passes(seconds=20)
    assert airport.incidents() == []


def test_law_5_an_equal_state_without_a_time_starts_nothing_again(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").opens()
    airport.passes(seconds=20)
    airport.door("gate-b12").opens(retained=True)
    airport.passes(seconds=10)
    assert [incident.breach.rule for incident in airport.incidents()] == ["door-held-open"]


def test_law_5_with_a_time_of_its_own_it_holds_from_then(airport: Airport) -> None:
    airport.door("gate-b12").opens(at=-25, retained=True)
    airport.passes(seconds=5)
    assert [incident.breach.rule for incident in airport.incidents()] == ["door-held-open"]
