"""Workers that stand still are an incident, once; it clears by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, select

from deploy import watchdog
from deploy.log.progress import LATE_S, Part, Progress, late, parts
from deploy.store.apply import apply
from deploy.store.store import open_store
from deploy.store.tables import incidents
from deploy.store.transaction import Transaction, World
from deploy.watchdog import FIRST_LOOK, LOOK_EVERY, Watchdog
from notifiers.text import Texts
from tests.small_site import BEN, NOON, rung, small_site
from vorab import wire
from vorab.model import Answer, Edge, Incident, IncidentId, Instant, Meaning, PersonId, ResponseId
from vorab.site import KafkaLog, Response, Site
from workflows.directory.stub import SiteDirectory

SITE = replace(small_site([rung(1)]), log=KafkaLog(["kafka:9092"], 2), store="postgresql://")
READINGS, LIFE_SAFETY = f"vorab-{SITE.name}-readings", f"vorab-{SITE.name}-life-safety"


class Watched:
    """A site whose late partitions the test tells."""

    def __init__(self, site: Site, store: Engine) -> None:
        self.late: list[Part] = []
        self.at = NOON
        self.dog = Watchdog(lambda _: self.late, self.at)
        self._world = World(SiteDirectory(site), site.zone, {}, {}, Texts({}, site.zone))
        self._store = store

    def looks(self, late: list[Part] | None = None) -> list[tuple[Edge, str]]:
        """It is time: the newest edge and the note of every incident afterwards."""
        self.late = late or []
        self.at = self.dog.due
        with self._store.begin() as connection:
            tx = Transaction(connection, self._world, self.at, 0)
            self.dog.look(tx)
            tx.close()
            found = [wire.unpack(body, wire.INCIDENT) for (body,) in connection.execute(select(incidents.c.body))]
        return [_told(one) for one in found]

    def is_taken_by(self, person: PersonId) -> None:
        with self._store.begin() as connection:
            tx = Transaction(connection, self._world, self.at, 0)
            [name] = connection.scalars(select(incidents.c.id)).all()
            answer = Answer("click", person, Meaning.TAKEN, self.at, "desktop")
            apply(tx, IncidentId(name), answer.id, answer)
            tx.close()


def _told(incident: Incident) -> tuple[Edge, str]:
    return incident.breach.edge, incident.breach.note


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    instruments = Response(ResponseId("instruments"), [rung(1)])
    store = open_store(tmp_path / "contact.db")
    yield Watched(replace(SITE, responses=[*SITE.responses, instruments]), store)
    store.dispose()


def test_what_stands_still_is_told_once_and_is_over_by_itself(watched: Watched) -> None:
    still = [(READINGS, 0), (READINGS, 3), (LIFE_SAFETY, 1)]
    note = f"{READINGS}: 0, 3; {LIFE_SAFETY}: 1"
    assert watched.looks(still) == []  # once may be chance: PostgreSQL was away, or a partition changed hands
    assert watched.looks(still) == [(Edge.RAISED, note)]
    assert watched.looks(still[:1]) == [(Edge.RAISED, note)]
    assert watched.looks() == [(Edge.CLEARED, "decided again")]


def test_who_took_one_and_never_said_done_is_told_of_the_next(watched: Watched) -> None:
    still = [(READINGS, 0)]
    assert [watched.looks(still) for _ in range(2)][-1] == [(Edge.RAISED, f"{READINGS}: 0")]
    watched.is_taken_by(BEN)
    assert watched.looks() == [(Edge.CLEARED, "decided again")]
    assert [sorted(watched.looks(still)) for _ in range(2)][-1] == [
        (Edge.CLEARED, "decided again"),
        (Edge.RAISED, f"{READINGS}: 0"),
    ]


def test_another_contact_process_that_begins_to_look_ends_nothing(watched: Watched) -> None:
    still = [(READINGS, 0)]
    watched.looks(still)
    told = watched.looks(still)
    watched.dog = Watchdog(lambda _: watched.late, watched.at)
    assert [watched.looks(still) for _ in range(2)] == [told, told]
    assert watched.looks() == [(Edge.CLEARED, "decided again")]


def test_another_partition_at_each_look_is_no_fault(watched: Watched) -> None:
    for number in range(4):
        assert watched.looks([(READINGS, number % 2)]) == []


def test_a_site_that_names_nobody_for_its_instruments_has_it_in_the_audit_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path / "contact.db")
    watched = Watched(SITE, store)
    assert [watched.looks([(READINGS, 0)]) for _ in range(2)] == [[], []]
    with store.connect() as connection:
        lines = connection.exec_driver_sql("SELECT what, detail FROM audit").fetchall()
    assert lines == [("workers stand still", f"{READINGS}: 0")]
    store.dispose()


def test_it_looks_late_at_first_and_then_often(watched: Watched) -> None:
    assert watched.dog.due == NOON + FIRST_LOOK
    watched.looks()
    assert watched.dog.due == NOON + FIRST_LOOK + LOOK_EVERY


def test_one_machine_has_no_workers() -> None:
    assert watchdog.of(replace(SITE, log=None), NOON) is None
    dog = watchdog.of(SITE, NOON)
    assert dog is not None
    assert dog.due > Instant(NOON)


def test_a_partition_that_no_worker_ever_had_is_late_like_one_that_stands_still() -> None:
    assert parts(SITE) == [(READINGS, 0), (READINGS, 1), (LIFE_SAFETY, 0), (LIFE_SAFETY, 1)]
    found = {part: Progress(17, 1, LATE_S, "id") for part in parts(SITE)[:3]}
    found[READINGS, 1] = Progress(17, 1, LATE_S + 0.1, "id")
    assert late(SITE, found) == [(READINGS, 1), (LIFE_SAFETY, 1)]
