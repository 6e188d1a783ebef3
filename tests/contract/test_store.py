"""Every store passes these: SQLite always, PostgreSQL when there is one."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from deploy.log import tables as log_tables
from deploy.store import audit, outbox
from deploy.store.apply import apply, read, set_aside, suppress, take, take_again, undelivered, wake
from deploy.store.inbox import hear, keep, waiting
from deploy.store.migrations import HEAD
from deploy.store.store import cursor, open_incidents, open_reader, open_store, opted_out, set_cursor
from deploy.store.tables import breaches, incidents, journal, metadata
from deploy.store.tables import outbox as outbox_table
from deploy.store.transaction import Transaction, World
from notifiers.text import Texts
from tests.small_site import ANA, BEN, NOON, NUMBERS, breach, person, rung, small_site
from tests.stores import STORES, empty_store
from vorab.model import (
    HOUR,
    MINUTE,
    SECOND,
    Answer,
    Breach,
    Delivery,
    Edge,
    IncidentId,
    Instant,
    Meaning,
    Notification,
    Priority,
    Receipt,
    ResponseId,
    State,
    incident_id,
)
from vorab.ports import Inbound
from vorab.site import Limits, Response, Site
from workflows.directory.stub import SiteDirectory

INCIDENT = incident_id(breach().id)


class Sms:
    """Texts of at most 160 characters, handed to nobody."""

    limit = 160
    requests_only = False
    shows_pictures = False

    def send(self, notification: Notification) -> Receipt:
        return Receipt(Delivery.SENT, f"SM-{notification.id}")

    def accepts(self, address: str) -> str | None:
        return None


@pytest.fixture(params=STORES)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    return empty_store(request.param, tmp_path)


@pytest.fixture
def store(where: Path | str) -> Iterator[Engine]:
    engine = open_store(where)
    yield engine
    engine.dispose()


def world(site: Site | None = None) -> World:
    site = site or small_site()
    limits = {one.name: one.limits for one in site.channels}
    return World(SiteDirectory(site), site.zone, {"sms": Sms()}, limits, Texts({}, site.zone))


class Open:
    """One transaction, closed and committed at the end of the block."""

    def __init__(self, store: Engine, at: Instant = NOON, senders: int = 8, site: Site | None = None) -> None:
        self._begun = store.begin()
        self._rest = (world(site), at, senders)

    def __enter__(self) -> Transaction:
        self.tx = Transaction(self._begun.__enter__(), *self._rest)
        return self.tx

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.tx.close()
        self._begun.__exit__(*error)  # type: ignore[arg-type]


def count(store: Engine, table: str) -> int:
    with store.connect() as connection:
        return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def kept(store: Engine) -> int:
    """Edges that wait, or were set aside; on PostgreSQL, where workers put them there, applied ones stay too."""
    with store.connect() as connection:
        return connection.scalar(select(func.count()).where(breaches.c.state != "applied")) or 0


def taken(by: str = "ben", event: str = "SM1") -> Answer:
    return Answer(event, BEN if by == "ben" else ANA, Meaning.TAKEN, NOON, "sms")


def test_a_breach_opens_one_incident_with_journal_message_and_audit_in_one_transaction(store: Engine) -> None:
    with Open(store) as tx:
        take(tx, breach())
        assert [claim.notification.person for claim in tx.claims] == [BEN]
    assert [count(store, name) for name in ("incidents", "journal", "outbox", "audit")] == [1, 2, 1, 2]
    with Open(store) as tx:
        found = read(tx, INCIDENT)
        assert found is not None
        assert (found.state, found.events, found.wake_at, len(found.code)) == (State.TRIGGERED, 2, NOON + MINUTE, 4)


def test_law_6_everything_that_is_repeated_changes_nothing(store: Engine) -> None:
    with Open(store) as tx:
        take(tx, breach())
        apply(tx, INCIDENT, "SM1", taken())
    with store.connect() as connection:
        before = [connection.execute(table.select()).all() for table in metadata.sorted_tables]
    with Open(store) as tx:
        take(tx, breach())
        assert apply(tx, INCIDENT, "SM1", taken()) is None
        wake(tx, INCIDENT)
    with store.connect() as connection:
        assert [connection.execute(table.select()).all() for table in metadata.sorted_tables] == before


def test_an_event_is_known_already_within_its_own_transaction(store: Engine) -> None:
    with Open(store) as tx:
        take(tx, breach())
        assert apply(tx, INCIDENT, "SM1", taken()) is not None
        assert apply(tx, INCIDENT, "SM1", taken()) is None
    assert count(store, "journal") == 3


def test_an_event_for_nobodys_incident_changes_nothing(store: Engine) -> None:
    with Open(store) as tx:
        assert apply(tx, IncidentId("none"), "SM1", taken()) is None
        wake(tx, IncidentId("none"))
    assert count(store, "journal") == 0


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [0, 0, 2, 1, 2, 1]])
def test_the_edges_of_a_breach_are_applied_in_order_whichever_way_they_come(store: Engine, order: list[int]) -> None:
    edges = [breach(), breach(number=1, edge=Edge.LEVEL), breach(number=2, edge=Edge.CLEARED)]
    for number in order:
        with Open(store) as tx:
            take(tx, edges[number])
    with store.connect() as connection:
        ids = connection.scalars(
            select(journal.c.id).where(journal.c.kind.in_(["opened", "edge"])).order_by(journal.c.number)
        )
        assert ids.all() == [f"{breach().id}#{number}" for number in range(3)]
        assert connection.scalar(select(incidents.c.state)) == "resolved"
        assert connection.scalar(select(incidents.c.next_edge)) == 3
    assert kept(store) == 0


def test_law_8_what_is_taken_in_the_same_transaction_is_not_handed_over(store: Engine) -> None:
    with Open(store) as tx:
        take(tx, breach())
        assert len(tx.claims) == 1
        take(tx, breach(number=1, edge=Edge.CLEARED))
        assert tx.claims == []
    with store.connect() as connection:
        assert connection.execute(select(outbox_table.c.state, outbox_table.c.attempts)).all() == [("withdrawn", 0)]


def test_without_a_free_sender_the_message_is_ready_and_is_claimed_later(store: Engine) -> None:
    with Open(store, senders=0) as tx:
        take(tx, breach())
        assert tx.claims == []
    with Open(store, at=Instant(NOON + SECOND)) as tx:
        (message,) = outbox.due(tx)
        assert outbox.claim(tx, message) == ""
        assert [claim.fence for claim in tx.claims] == [1]
    with Open(store, at=Instant(NOON + SECOND)) as tx:
        assert outbox.due(tx) == []


def test_a_message_whose_channel_has_left_the_site_is_not_stuck(store: Engine) -> None:
    with Open(store, senders=0) as tx:
        take(tx, breach())
    with Open(store, at=Instant(NOON + SECOND)) as tx:
        tx.world = replace(tx.world, channels={})
        (message,) = outbox.due(tx)
        assert outbox.claim(tx, message) == ""
        assert len(tx.claims) == 1, "the sender finds out, and the person is asked another way"


def test_what_is_late_is_withdrawn_and_told(store: Engine) -> None:
    with Open(store, senders=0) as tx:
        take(tx, breach())
    with Open(store, at=Instant(NOON + 2 * MINUTE)) as tx:
        (message,) = outbox.due(tx)
        assert outbox.claim(tx, message) == "expired before it could be sent"
        assert tx.claims == []


def test_a_limit_holds_in_every_window_and_the_next_person_is_asked(store: Engine) -> None:
    site = small_site([rung(1)], Limits(windows=[(MINUTE, 1)]))
    with Open(store, site=site) as tx:
        take(tx, breach())
        take(tx, breach(onset=Instant(NOON + 1)))
        take(tx, breach(onset=Instant(NOON + 2)))
        assert [claim.notification.person for claim in tx.claims] == [BEN, ANA]


def test_a_message_that_the_limit_only_delays_waits(store: Engine) -> None:
    site = small_site([rung(1, wait=2 * MINUTE)], Limits(windows=[(MINUTE, 1)]))
    with Open(store, site=site) as tx:
        take(tx, breach())
        take(tx, breach(onset=Instant(NOON + 1)))
        assert len(tx.claims) == 1
    with store.connect() as connection:
        rows = connection.execute(select(outbox_table.c.state, outbox_table.c.due_at).order_by(outbox_table.c.due_at))
        assert rows.all() == [("sending", NOON + 15 * SECOND), ("ready", NOON + MINUTE)]


def test_the_code_is_unique_among_the_open_and_grows_when_many_are(store: Engine) -> None:
    with Open(store, senders=0) as tx:
        for number in range(300):
            take(tx, breach(onset=Instant(NOON + number)))
    with store.connect() as connection:
        codes = connection.scalars(select(incidents.c.code)).all()
    assert len(set(codes)) == 300
    assert {len(code) for code in codes} == {4}
    with store.begin() as connection:  # as if all four-digit ones were open
        connection.execute(incidents.delete())
        row = {"priority": "high", "subject": "x", "opened_at": 0, "next_edge": 1, "state": "triggered", "body": b""}
        rows = [row | {"id": f"{n}", "breach": f"{n}", "code": f"{n:04d}"} for n in range(10_000)]
        connection.execute(incidents.insert(), rows)
    another = breach(onset=Instant(NOON - 1))
    with Open(store, senders=0) as tx:
        take(tx, another)
    with store.connect() as connection:
        code = connection.scalar(select(incidents.c.code).where(incidents.c.breach == another.id))
    assert len(code or "") == 6


def test_a_response_that_the_site_does_not_know_is_open_and_audited(store: Engine) -> None:
    with Open(store) as tx:
        take(tx, breach(respond="nobody"))
    with store.connect() as connection:
        assert connection.scalar(select(incidents.c.wake_at)) == NOON + MINUTE
        lines = connection.scalars(text("SELECT detail FROM audit WHERE what = 'nobody can be asked'")).all()
    assert lines == ["the site has no response 'nobody'"]


def test_a_breach_that_was_set_aside_is_kept_with_its_reason(store: Engine) -> None:
    with Open(store) as tx:
        suppress(tx, breach(), "because")
    with store.connect() as connection:
        assert connection.execute(select(breaches.c.state, breaches.c.reason)).all() == [("suppressed", "because")]


def test_law_9_a_message_that_cannot_go_out_has_its_line_and_its_row(store: Engine) -> None:
    ben = replace(person("ben", "post"), addresses={"sms": NUMBERS["ben"], "pigeon": "roof"})
    by_pigeon = Response(ResponseId("pigeons"), [rung(1, channels=("pigeon",))])
    site = small_site([rung(1)], Limits(windows=[(HOUR, 1)]), [ben])
    with Open(store, site=replace(site, responses=[*site.responses, by_pigeon])) as tx:
        take(tx, breach())
        take(tx, breach(onset=Instant(NOON + 1)))
        take(tx, breach(onset=Instant(NOON + 2), respond="pigeons"))
    with store.connect() as connection:
        rows = connection.execute(select(outbox_table.c.state, outbox_table.c.reason)).all()
        lines = connection.execute(text("SELECT what, detail FROM audit WHERE what LIKE 'message %'")).all()
        assert cursor(connection, "messages") == len(rows) == 3
    over, unknown = "the limit of messages to this person is reached", "this site has no channel 'pigeon'"
    assert [tuple(row) for row in rows] == [("sending", ""), ("withdrawn", over), ("failed", unknown)]
    assert [tuple(line) for line in lines] == [("message withdrawn", over), ("message failed", unknown)]


def test_law_7_what_was_set_aside_is_taken_again(store: Engine) -> None:
    with Open(store) as tx:
        suppress(tx, breach(), "because")
    with Open(store) as tx:
        for one in set_aside(tx):
            take_again(tx, one)
    assert (count(store, "incidents"), kept(store)) == (1, 0)


@pytest.mark.parametrize(
    ("edge", "priority", "state"),
    [
        (Edge.LEVEL, Priority.HIGH, State.TRIGGERED),
        (Edge.CLEARED, Priority.HIGH, State.RESOLVED),
        (Edge.CLEARED, Priority.LIFE_SAFETY, State.TRIGGERED),
    ],
)
def test_law_7_an_edge_does_not_wait_for_one_that_was_set_aside(
    store: Engine, edge: Edge, priority: Priority, state: State
) -> None:
    with Open(store) as tx:
        suppress(tx, breach(), "because")
        take(tx, breach(number=1, edge=edge, priority=priority))
    with Open(store) as tx:
        incident = read(tx, INCIDENT)
        assert incident is not None
        assert (incident.breach.number, incident.state) == (1, state)
        assert set_aside(tx) == []
    assert count(store, "breaches") == 1


def test_a_request_that_failed_is_told_once(store: Engine) -> None:
    with Open(store) as tx:
        take(tx, breach())
        message = outbox.of(tx, INCIDENT)[0]
        undelivered(tx, message, "no such number")
        undelivered(tx, message, "no such number, still")
    assert count(store, "journal") == 4  # opened, rung, undelivered, rung


def test_a_row_of_the_outbox_comes_back_as_it_went_in(store: Engine) -> None:
    with Open(store) as tx:
        take(tx, breach())
        (claim,) = tx.claims
        message = outbox.one(tx, claim.notification.id)
        assert message is not None
        assert asdict(message.notification) == asdict(claim.notification)
        assert message.row.state is Delivery.SENDING


def test_work_in_hand_and_opt_outs_are_read(store: Engine) -> None:
    with Open(store) as tx:
        take(tx, breach())
        apply(tx, INCIDENT, "SM1", taken())
        keep(tx, Inbound("SM2", "sms", NUMBERS["ana"], "stop", NOON))
        assert not keep(tx, Inbound("SM2", "sms", NUMBERS["ana"], "stop", NOON))
        for row in waiting(tx, 10):
            hear(tx, row)
    with store.connect() as connection:
        assert open_incidents(connection) == {BEN: 1}
        assert open_incidents(connection, INCIDENT) == {}
        assert opted_out(connection) == {(NUMBERS["ana"], "sms")}


def test_an_item_that_cannot_be_applied_is_undone_alone(store: Engine) -> None:
    def handle(tx: Transaction, item: Breach) -> None:
        take(tx, item)
        if item.id != breach().id:
            raise ValueError("cat")

    with store.begin() as connection:
        tx = Transaction(connection, world(), NOON, 8, careful=True)
        tx.each([breach(onset=Instant(NOON + 1)), breach(), breach(onset=Instant(NOON + 2))], handle, suppress)
        tx.close()
    assert [count(store, name) for name in ("incidents", "outbox", "breaches")] == [1, 1, 2]
    assert len(tx.claims) == 1


# --- opening, cursors -------------------------------------------------------------------------------------------------


def test_the_migrations_lead_to_the_tables_as_they_are(store: Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.connect() as connection:
        here = MigrationContext.configure(connection)
        assert here.get_current_revision() == HEAD
        tables: Any = [metadata, *([log_tables.metadata] if store.dialect.name == "postgresql" else [])]
        assert compare_metadata(here, tables) == []


def test_opening_again_changes_nothing(store: Engine, where: Path | str) -> None:
    with Open(store) as tx:
        take(tx, breach())
    again = open_store(where)
    assert count(again, "incidents") == 1
    again.dispose()


def test_a_reader_reads_and_cannot_write(store: Engine, where: Path | str) -> None:
    reader = open_reader(where)
    assert count(reader, "incidents") == 0
    with pytest.raises(DBAPIError, match=r"read-?only"), reader.begin() as connection:
        set_cursor(connection, "x", 1)
    reader.dispose()


def test_a_cursor_keeps_its_last_value(store: Engine) -> None:
    with store.begin() as connection:
        assert cursor(connection, "breaches") == 0
        set_cursor(connection, "breaches", 7)
        set_cursor(connection, "breaches", 9)
        assert cursor(connection, "breaches") == 9


# --- audit ------------------------------------------------------------------------------------------------------------


def lines(store: Engine, number: int) -> None:
    with store.begin() as connection:
        audit.write(connection, [audit.Line(NOON, "ben", "did", f"{n}", "") for n in range(number)])


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE audit SET who = 'ana' WHERE number = 3", 3),
        ("UPDATE audit SET at = at + 1 WHERE number = 1", 1),
        ("UPDATE audit SET seal = NULL WHERE number = 5", 5),
        ("UPDATE audit SET seal = 'cat' WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 4", 4),
        ("DELETE FROM audit WHERE number = 1", 1),
        ("DELETE FROM audit WHERE number >= 9", 9),
        ("DELETE FROM audit", 1),
        ("INSERT INTO audit (number, at, who, what, about) VALUES (0, 0, 'x', 'x', 'x')", 1),
    ],
)
def test_law_9_verify_names_the_first_line_that_does_not_fit(store: Engine, tampering: str, found: int) -> None:
    for _ in range(2):
        lines(store, 5)
        with store.begin() as connection:
            assert audit.seal(connection) == 5
            assert audit.verify(connection) is None
    with store.begin() as connection:
        connection.execute(text(tampering))
        assert audit.verify(connection) == found


def test_lines_that_the_sealer_did_not_reach_yet_are_no_fault(store: Engine) -> None:
    lines(store, 2)
    with store.begin() as connection:
        audit.seal(connection)
    lines(store, 2)
    with store.begin() as connection:
        assert audit.verify(connection) is None
        assert connection.scalar(select(func.count()).select_from(text("audit")).where(text("seal IS NULL"))) == 2
        assert audit.seal(connection) == 2
        assert audit.seal(connection) == 0


def test_who_only_clicks_gets_his_turn_beside_one_who_writes_without_a_pause(where: Path | str) -> None:
    """As contact does in a storm; a click that had to wait for SQLite's own patience took seconds."""
    busy, desk = open_store(where), open_store(where)
    stop, written = threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            with busy.begin() as connection:
                set_cursor(connection, "busy", 1)
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    written.wait()
    for number in range(20):
        with desk.begin() as connection:
            set_cursor(connection, "desk", number)
    stop.set()
    writer.join()
    with desk.connect() as connection:
        assert cursor(connection, "desk") == 19
    busy.dispose()
    desk.dispose()
