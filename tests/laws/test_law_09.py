"""Law 9: every change has one audit line, in the transaction of the change; seals name the first that does not fit."""

from sqlalchemy import delete, func, select, update

from deploy.store import audit
from deploy.store.tables import audit as lines
from deploy.store.tables import journal
from tests.airport import Airport


def a_taken_door(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=95)
    cem = airport.phone("cem").receives_sms("C1")
    cem.and_replies(cem.code)
    airport.passes(seconds=5)


def test_law_9_every_event_of_an_incident_has_its_line(airport: Airport) -> None:
    a_taken_door(airport)
    [incident] = airport.incidents()
    with airport.store.connect() as connection:
        events = connection.scalar(select(func.count()).where(journal.c.incident == incident.id))
        told = connection.scalar(select(func.count()).where(lines.c.about == incident.id))
    assert events is not None
    assert told is not None
    assert told >= events >= 4


def test_law_9_an_altered_line_is_named(airport: Airport) -> None:
    a_taken_door(airport)
    with airport.store.begin() as connection:
        audit.seal(connection)
        assert audit.verify(connection) is None
        connection.execute(update(lines).where(lines.c.number == 3).values(who="somebody else"))
        assert audit.verify(connection) == 3


def test_law_9_a_missing_line_is_seen(airport: Airport) -> None:
    a_taken_door(airport)
    with airport.store.begin() as connection:
        audit.seal(connection)
        connection.execute(delete(lines).where(lines.c.number == 2))
        assert audit.verify(connection) is not None
