"""Everything is killed and started again: what a door did meanwhile is found, at its own time."""

import shutil

import pytest

from tests.airport import Airport
from vorab.errors import Corrupt
from vorab.model import SECOND


def test_a_door_opened_before_the_crash_is_dated_at_thirty_seconds(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    opened = airport.clock.now()
    airport.door("gate-b12").opens()
    airport.passes(seconds=20)
    airport.goes_down()
    airport.passes(seconds=5)
    airport.comes_back()
    airport.phone("ana").nothing_more()
    airport.passes(seconds=5)  # thirty in all
    airport.phone("ana").receives_sms("gate B12", "30 s")
    assert airport.incidents()[0].breach.at == opened + 30 * SECOND


def test_down_beyond_the_limit_it_is_sent_at_the_restart_and_dated_when_it_was_passed(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    opened = airport.clock.now()
    airport.door("gate-b12").opens()
    airport.passes(seconds=20)
    airport.goes_down()
    airport.passes(seconds=40)
    airport.comes_back()
    airport.phone("ana").receives_sms("gate B12", "ouverte")
    assert airport.incidents()[0].breach.at == opened + 30 * SECOND


def test_shut_while_we_were_down_is_no_alarm(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").opens()
    airport.passes(seconds=20)
    airport.goes_down()
    airport.passes(seconds=5)
    airport.door("gate-b12").shuts(at=0)
    airport.passes(seconds=60)
    airport.comes_back()
    airport.passes(minutes=2)
    assert airport.incidents() == []


def test_opened_while_we_were_down_is_an_alarm_thirty_seconds_after_its_own_time(airport: Airport) -> None:
    airport.goes_down()
    airport.badge("gate-b12").reads()
    opened = airport.clock.now()
    airport.door("gate-b12").opens(at=0)
    airport.passes(seconds=10)
    airport.comes_back()
    airport.passes(seconds=19)
    airport.phone("ana").nothing_more()
    airport.passes(seconds=1)
    airport.phone("ana").receives_sms("gate B12", "30 s")
    assert airport.incidents()[0].breach.at == opened + 30 * SECOND


def test_opened_while_we_were_down_without_a_time_of_its_own_counts_from_when_we_learnt_of_it(airport: Airport) -> None:
    airport.goes_down()
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").opens()
    airport.passes(seconds=10)
    airport.comes_back()
    airport.passes(seconds=29)
    airport.phone("ana").nothing_more()
    airport.passes(seconds=1)
    airport.phone("ana").receives_sms("gate B12", "30 s")


def test_a_door_found_open_when_we_first_look_is_watched(airport: Airport) -> None:
    airport.door("gate-b12").opens(retained=True)
    airport.passes(seconds=30)
    airport.phone("ana").receives_sms("gate B12", "ouverte")


def test_an_opening_that_arrives_late_and_overtaken_is_history(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").shuts(at=0)
    airport.passes(seconds=5)
    airport.door("gate-b12").opens(at=-10)  # overtaken by the shutting
    airport.door("gate-b12").opens(at=-3600)  # an hour old
    airport.passes(minutes=2)
    assert airport.incidents() == []


def test_a_shutting_that_arrives_late_is_no_alarm_after_all(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").opens(at=0)
    airport.passes(seconds=25)
    airport.door("gate-b12").shuts(at=-3)
    airport.passes(minutes=2)
    assert airport.incidents() == []


def test_a_restart_in_the_middle_of_a_ladder_asks_nobody_twice_and_forgets_nobody(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=50)
    airport.phone("cem").receives_sms("gate C1")
    airport.goes_down()
    airport.passes(seconds=5)
    airport.comes_back()
    airport.phone("cem").nothing_more()
    airport.passes(seconds=40)
    cem = airport.phone("cem").rings()
    airport.goes_down()  # while it rings
    airport.passes(seconds=5)
    airport.comes_back()
    cem.picks_up().presses("1").hears("Sie übernehmen es")
    airport.passes(seconds=1)
    cem.receives_sms("Danke, Sie haben es")
    airport.passes(minutes=10)


@pytest.mark.parametrize("airport", ["sqlite"], indirect=True)  # elsewhere there is no number to pass over
def test_a_log_that_is_older_than_what_was_taken_from_it_stops_us(airport: Airport) -> None:
    file, older, newer = (airport.folder / name for name in ("capture.db", "older", "newer"))
    airport.goes_down()
    shutil.copy(file, older)
    airport.comes_back()
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").opens()
    airport.passes(seconds=30)
    airport.phone("ana").receives_sms("gate B12")
    airport.goes_down()
    file.rename(newer)
    older.rename(file)
    with pytest.raises(Corrupt, match=r"contact.db has taken breach 1, and capture.db has none"):
        airport.comes_back()
    airport._reader.close()
    airport.log.close()
    newer.rename(file)
    airport.comes_back()


def test_a_device_whose_clock_was_set_back_is_history_and_therefore_told_as_silent(airport: Airport) -> None:
    """Its readings look like those that a device had stored; only silence shows that nothing newer comes."""
    airport.dead.add("lounge-b-climate")
    airport.room("lounge-b").says(temperature=21.0, at=0)
    for _ in range(16):
        airport.passes(minutes=1)
        airport.room("lounge-b").says(temperature=35.0, at=-3600)
    assert [incident.breach.subject for incident in airport.incidents()] == ["lounge-b-climate"]
    airport.phone("dora").receives_sms("Sensor stumm")


def test_a_broker_that_was_away_makes_nobody_silent_and_whoever_stays_so_is_told(airport: Airport) -> None:
    airport.passes(minutes=2)
    airport.deaf = True
    airport.dead.add("gate-b12-badge")
    airport.passes(minutes=60)
    airport._queue.clear()  # nobody could say anything
    airport.hears_again()
    airport.passes(minutes=12)
    assert airport.incidents() == []
    airport.passes(minutes=4)
    assert [incident.breach.subject for incident in airport.incidents()] == ["gate-b12-badge"]
    airport.phone("dora").receives_sms("Sensor stumm", "gate B12")


def test_silence_while_we_were_deaf_is_nobody_s_fault(airport: Airport) -> None:
    airport.passes(minutes=2)
    airport.goes_down()
    airport.passes(minutes=60)  # the devices go on; undated, they are dated when we learn of them
    airport.comes_back()
    airport.passes(minutes=2)
    assert airport.incidents() == []
