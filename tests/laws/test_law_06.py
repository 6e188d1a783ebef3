"""Law 6, one incident, one thread: everything may be done twice, and is done once."""

from deploy.store.tables import cursors
from tests.airport import Airport
from vorab.testing.phones.world import Reports


def opened(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=31)


def test_law_6_breaches_taken_a_second_time_open_nothing_and_tell_nobody(airport: Airport) -> None:
    opened(airport)
    assert len(airport.world.unexpected()) == 1
    with airport.store.begin() as connection:
        connection.execute(cursors.update().where(cursors.c.name == "breaches").values(value=0))
    airport.goes_down()
    airport.comes_back()
    airport.passes(seconds=5)
    assert len(airport.incidents()) == 1
    assert len(airport.world.unexpected()) == 1


def test_law_6_a_reply_that_comes_by_webhook_and_by_polling_counts_once(airport: Airport) -> None:
    opened(airport)
    cem = airport.phone("cem").receives_sms("C1")
    cem.and_replies(cem.code)
    airport.passes(seconds=30)  # polled meanwhile
    cem.receives_sms("Danke").nothing_more()
    [incident] = airport.incidents()
    assert incident.owner == "cem"


def test_law_6_a_process_that_died_while_sending_does_not_send_again_what_arrived(airport: Airport) -> None:
    airport.world.reports = Reports.LOST
    airport.sends = False  # the jobs are done, and their outcome dies with the process
    opened(airport)
    assert len(airport.world.unexpected()) == 1
    airport.goes_down()
    airport.sends = True
    airport.comes_back()
    airport.passes(seconds=25)
    assert len(airport.world.unexpected()) == 1
