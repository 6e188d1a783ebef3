"""Law 2: the sums of two databases that do not know of each other, and what becomes of one that does not close."""

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select, text

from deploy.balance import RULE, Balance, Sum, balance, report
from deploy.log.sqlite import SqliteLog
from deploy.store.apply import suppress, take
from deploy.store.store import open_store, set_cursor
from deploy.store.tables import incidents, journal
from deploy.store.transaction import Transaction, World
from notifiers.text import Texts
from tests.small_site import DOOR, NOON, breach, rung, small_site
from vorab.model import SECOND, Counts, Edge, Instant, Quarantined, Reading, Record, ResponseId
from vorab.site import Response, Site
from workflows.directory.stub import SiteDirectory

RUN = Instant(NOON - 1)


class Books:
    """A capture.db and a contact.db, filled by the very code that fills them in earnest."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.capture, self.contact = folder / "capture.db", folder / "contact.db"
        self.log, self.store = SqliteLog(self.capture), open_store(self.contact)
        self.world = World(SiteDirectory(site), site.zone, {}, {}, Texts({}, site.zone))
        self.taken = 0

    def hears(self, messages: int, counts: Counts, quarantined: int = 0, breaches: int = 0, run: Instant = RUN) -> None:
        readings = [Reading(DOOR, [], NOON, NOON, number) for number in range(messages)]
        bad = [Quarantined(number, b"t", b"cat", "why", NOON) for number in range(quarantined)]
        found = [breach(onset=Instant(NOON + self.taken + number)) for number in range(breaches)]
        self.log.append(Record("main", run, readings), found, bad, counts)

    def takes(self, *, suppressed: bool = False) -> None:
        with self.store.begin() as connection:
            tx = Transaction(connection, self.world, NOON, 0)
            found = breach(onset=Instant(NOON + self.taken))
            suppress(tx, found, "why") if suppressed else take(tx, found)
            self.taken += 1
            set_cursor(connection, "breaches", self.taken)
            tx.close()

    def spoils(self, path: Path, statement: str) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
        connection.close()

    def drawn_up(self, before: Balance | None = None) -> Balance:
        return balance(self.capture, self.contact, before)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    site = small_site([rung(1)])
    instruments = Response(ResponseId("instruments"), [rung(1)])
    return Books(tmp_path, replace(site, responses=[*site.responses, instruments]))


def test_law_2_the_sums_close(books: Books) -> None:
    books.hears(5, Counts(10, 2, 1), quarantined=2, breaches=2)
    books.takes()
    books.takes(suppressed=True)
    found = books.drawn_up()
    assert [str(one) for one in found.sums] == [
        f"messages of ingest main, run {RUN}: 10 = 5 stored + 2 duplicate + 1 ignored + 2 quarantined",
        "breaches: 2 = 1 opened + 0 attached + 1 suppressed",
        "messages: 2 = 0 delivered + 0 waiting + 2 given up",  # this site has no channel
    ]
    assert found.faults == []


def test_law_2_an_edge_that_overtakes_one_that_was_set_aside_is_counted_once(books: Books) -> None:
    books.log.append(Record("main", RUN), [breach(), breach(number=1, edge=Edge.CLEARED)], [], Counts(0, 0, 0))
    books.takes(suppressed=True)
    with books.store.begin() as connection:
        tx = Transaction(connection, books.world, NOON, 0)
        take(tx, breach(number=1, edge=Edge.CLEARED))
        set_cursor(connection, "breaches", 2)
        tx.close()
    assert str(books.drawn_up().sums[-2]) == "breaches: 2 = 1 opened + 0 attached + 1 overtaken"


def test_law_2_breaches_that_contact_did_not_take_yet_are_none_of_its_business(books: Books) -> None:
    books.hears(5, Counts(5, 0, 0), breaches=3)
    books.takes()
    assert books.drawn_up().faults == []


@pytest.mark.parametrize(
    ("spoilt", "statement", "fault"),
    [
        ("capture", "DELETE FROM quarantine", "2 missing"),
        ("capture", "UPDATE batches SET messages = 4", "1 missing"),
        ("capture", "UPDATE runs SET received = 9", "-1 missing"),
        ("contact", "DELETE FROM incidents", "1 missing"),
        ("contact", "UPDATE cursors SET value = value + 1 WHERE name = 'messages'", "1 missing"),
        ("capture", "DELETE FROM breaches", "-1 missing"),
    ],
)
def test_law_2_what_is_lost_or_counted_twice_is_named(books: Books, spoilt: str, statement: str, fault: str) -> None:
    books.hears(5, Counts(10, 2, 1), quarantined=2, breaches=1)
    books.takes()
    books.spoils(getattr(books, spoilt), statement)
    (found,) = books.drawn_up().faults
    assert found.endswith(fault)


def test_the_next_balance_goes_on_from_the_last_also_when_house_keeping_deleted_the_log(books: Books) -> None:
    books.hears(5, Counts(7, 0, 0), quarantined=2)
    first = books.drawn_up()
    books.spoils(books.capture, "DELETE FROM batches")
    books.spoils(books.capture, "DELETE FROM quarantine")
    books.hears(3, Counts(11, 0, 1))
    assert books.drawn_up(first).faults == []


def test_a_run_that_house_keeping_has_begun_to_delete_is_not_judged(books: Books) -> None:
    books.hears(5, Counts(5, 0, 0))
    books.hears(5, Counts(10, 0, 0))
    books.hears(4, Counts(4, 0, 0), run=NOON)
    books.spoils(books.capture, "DELETE FROM batches WHERE position = 1")
    assert [one.of for one in books.drawn_up().sums] == [
        f"messages of ingest main, run {NOON}",
        "breaches",
        "messages",
    ]


def test_a_fault_opens_one_incident_that_clears_when_the_sums_close_again(books: Books) -> None:
    now = NOON

    def reported(*sums: Sum) -> None:
        nonlocal now
        now = Instant(now + SECOND)
        with books.store.begin() as connection:
            tx = Transaction(connection, books.world, now, 0)
            report(tx, Balance(list(sums)))
            tx.close()

    closes, open_ = Sum("messages", 1, {"stored": 1}), Sum("messages", 2, {"stored": 1})
    reported(closes)
    reported(closes, open_)
    reported(open_)
    with books.store.begin() as connection:
        assert connection.scalars(select(incidents.c.subject)).all() == ["vorab"]
        assert str(connection.scalar(select(incidents.c.breach))).startswith(RULE)
        assert connection.scalars(text("SELECT detail FROM audit WHERE about = 'vorab'")).all() == [str(open_)]
    assert books.drawn_up().faults == []  # our own incidents are no breaches of capture
    reported(closes)
    reported(closes)
    with books.store.begin() as connection:
        assert connection.scalars(select(incidents.c.state)).all() == ["resolved"]
        kinds = connection.scalars(select(journal.c.kind).where(journal.c.kind.in_(["opened", "edge"]))).all()
        assert sorted(kinds) == ["edge", "opened"]
