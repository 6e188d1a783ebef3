"""The console process: the desk over `contact.db`, served by uvicorn on the loopback address."""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, Row, bindparam, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from console import ports, signin
from console.app import create
from console.stream import Stream
from deploy import runtime
from deploy.cameras import SiteCameras
from deploy.simulator import TAKEN_WITHIN_S, Publisher, Simulator, live
from deploy.site.load import load
from deploy.store.message import RUNG, names
from deploy.store.outbox import notification_of
from deploy.store.postgres import Listener, is_away, patiently, ring
from deploy.store.store import open_reader, open_store
from deploy.store.tables import audit, desks, inbox, incidents, journal, links, outbox, pictures
from deploy.talks import MediaTalks
from deploy.wake import POLL_S, Bell, Ringer
from notifiers.channels import build
from notifiers.http import Client
from vorab import crash
from vorab.errors import TemporaryFailure
from vorab.model import DAY, Candidate, Incident, Instant, Notification, Priority, Purpose, State, said
from vorab.ports import Directory, Hooks, InboxItem, Told
from vorab.site import Site
from vorab.wire import INCIDENT, unpack
from workflows.directory.stub import SiteDirectory

STOP_WITHIN_S = 3
OPEN_SHOWN, RESOLVED_SHOWN = 500, 200
FORGOTTEN = DAY  #: a page that was not seen for so long


class StoreReader:
    """`console.ports.Reader` over the store."""

    def __init__(self, engine: Engine, directory: Directory) -> None:
        self._engine = engine
        self._directory = directory

    def position(self) -> ports.Position:
        lines, changes = select(func.max(journal.c.number)), select(func.max(audit.c.number))
        with _reading(self._engine) as connection:
            return ports.Position(connection.scalar(lines) or 0, connection.scalar(changes) or 0)

    def open(self) -> tuple[list[Incident], int]:
        """The most urgent first, then the oldest, 500 at the most; and how many more there are."""
        is_open = incidents.c.resolved_at.is_(None)
        found: list[Incident] = []
        with _reading(self._engine) as connection:
            for priority in reversed(Priority):  # one look at an index each, where sorting all takes seconds in a storm
                rows = select(incidents.c.body).where(is_open, incidents.c.priority == priority.value)
                rows = rows.order_by(incidents.c.opened_at).limit(OPEN_SHOWN - len(found))
                found += [_incident(row) for row in connection.execute(rows)]
            many = connection.scalar(select(func.count()).select_from(incidents).where(is_open)) or 0
        return found, many - len(found)

    def resolved(self, since: Instant) -> list[Incident]:
        """The last one first, 200 at the most."""
        newest = select(incidents.c.body).where(incidents.c.resolved_at >= since)
        with _reading(self._engine) as connection:
            rows = connection.execute(newest.order_by(incidents.c.resolved_at.desc()).limit(RESOLVED_SHOWN))
            return [_incident(row) for row in rows]

    def incident(self, incident: str) -> Incident | None:
        with _reading(self._engine) as connection:
            row = connection.execute(select(incidents.c.body).where(incidents.c.id == incident)).first()
            return None if row is None else _incident(row)

    def journal(self, incident: str) -> list[ports.Line]:
        columns = (journal.c.number, journal.c.incident, journal.c.at, journal.c.kind, journal.c.body)
        with _reading(self._engine) as connection:
            rows = connection.execute(select(*columns).where(journal.c.incident == incident).order_by(journal.c.number))
            return [ports.Line(*row) for row in rows]

    def messages(self, incident: str) -> list[ports.Message]:
        columns = [outbox.c[name] for name in ports.Message.__struct_fields__]
        with _reading(self._engine) as connection:
            rows = connection.execute(
                select(*columns).where(outbox.c.incident == incident).order_by(outbox.c.created_at, outbox.c.id)
            )
            return [ports.Message(*row) for row in rows]

    def changed(self, after: int, limit: int) -> list[tuple[int, Incident]] | None:
        newest = (
            select(journal.c.incident, func.max(journal.c.number).label("number"))
            .where(journal.c.number > after)
            .group_by(journal.c.incident)
            .subquery()
        )
        with _reading(self._engine) as connection:
            many = connection.scalar(
                select(func.count()).select_from(select(1).where(journal.c.number > after).limit(limit + 1).subquery())
            )
            if many is not None and many > limit:
                return None
            rows = connection.execute(
                select(newest.c.number, incidents.c.body)
                .join(incidents, incidents.c.id == newest.c.incident)
                .order_by(newest.c.number)
            )
            return [(number, unpack(body, INCIDENT)) for number, body in rows]

    def told(self, notification: str) -> Told | None:
        with _reading(self._engine) as connection:
            row = connection.execute(select(outbox).where(outbox.c.id == notification)).mappings().first()
            if row is None:
                return None
            incident = _incident(connection.execute(_BODY_OF, {"incident": row["incident"]}).one())
            rungs = connection.scalars(_RUNGS_OF, {"incident": row["incident"]}).all()
        return self._told(notification_of(row), incident, [one for body in rungs for one in unpack(body, RUNG).weighed])

    def _told(self, notification: Notification, incident: Incident, weighed: list[Candidate]) -> Told:
        directory, place = self._directory, self._directory.place_of(incident.breach.subject)
        person = directory.person(notification.person)
        language = person.language if person else ""
        goes = next(iter(incident.going), "")
        known = directory.person(goes)
        return Told(
            notification,
            language,
            goes=known.name if known else goes,
            by_him=notification.person in incident.going,
            is_over=incident.state is State.RESOLVED,
            is_awaited=incident.state is State.TRIGGERED and notification.person not in incident.going,
            why=next((one.reasons for one in weighed if one.person == notification.person and one.suitable), []),
            way=names(directory, place, language),
            seconds=directory.seconds(person.base, place.id) if person and person.base and place else None,
            action=said(incident.breach.action, language),
        )

    def link(self, token: str) -> ports.Page | None:
        columns = (links.c.incident, links.c.person, links.c.expires_at)
        with _reading(self._engine) as connection:
            row = connection.execute(select(*columns).where(links.c.token == token)).first()
            return None if row is None else ports.Page(*row)

    def picture(self, incident: str) -> ports.Picture | None:
        columns = (pictures.c.taken_at, pictures.c.sha256, pictures.c.reason, pictures.c.jpeg.is_not(None))
        with _reading(self._engine) as connection:
            row = connection.execute(select(*columns).where(pictures.c.incident == incident)).first()
        if row is None:
            return None
        taken_at, sha256, reason, is_there = row
        return ports.Picture(taken_at if is_there else None, sha256, reason)

    def jpeg(self, incident: str) -> bytes | None:
        with _reading(self._engine) as connection:
            found: bytes | None = connection.scalar(select(pictures.c.jpeg).where(pictures.c.incident == incident))
            return found

    def desks(self, since: Instant) -> list[ports.Looking]:
        columns = (desks.c.name, desks.c.person, desks.c.started_at, desks.c.seen_at)
        with _reading(self._engine) as connection:
            return [ports.Looking(*row) for row in connection.execute(select(*columns).where(desks.c.seen_at >= since))]

    def rated(self, incident: str, person: str) -> bool:
        asked = select(outbox.c.id).where(
            outbox.c.incident == incident, outbox.c.person == person, outbox.c.purpose == Purpose.RATE.value
        )
        with _reading(self._engine) as connection:
            return connection.scalar(asked) is not None


_BODY_OF = select(incidents.c.body).where(incidents.c.id == bindparam("incident"))
_RUNGS_OF = (
    select(journal.c.body)
    .where(journal.c.incident == bindparam("incident"), journal.c.kind == "rung")
    .order_by(journal.c.event.desc())
)


class StoreShifts:
    """`console.ports.Shifts` over the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        statement = insert(desks)
        newer = {"seen_at": statement.excluded.seen_at, "name": statement.excluded.name}
        self._upsert = statement.on_conflict_do_update(index_elements=["id"], set_=newer)

    def seen(self, page: str, desk: str, person: str, at: Instant) -> None:
        values = {"id": page, "name": desk, "person": person, "started_at": at, "seen_at": at}
        with _translated(), self._engine.begin() as connection:
            connection.execute(self._upsert, values)
            connection.execute(delete(desks).where(desks.c.seen_at < at - FORGOTTEN))

    def end(self, page: str) -> None:
        with _translated(), self._engine.begin() as connection:
            connection.execute(delete(desks).where(desks.c.id == page))


class StoreInbox:
    """`console.ports.Inbox` over the store."""

    def __init__(self, engine: Engine, ringer: Ringer) -> None:
        self._engine = engine
        self._ringer = ringer
        insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        self._insert = insert(inbox).on_conflict_do_nothing(index_elements=["id"])

    def put(self, rows: Sequence[InboxItem], at: Instant) -> None:
        if not rows:
            return
        values = [{"id": row.id, "kind": row.kind, "at": at, "body": json.dumps(row.body)} for row in rows]
        with _translated(), self._engine.begin() as connection:
            connection.execute(self._insert, values)
            ring(connection, "contact")
            crash.point("console.before-commit")
        crash.point("console.after-commit")
        self._ringer.ring("contact")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Where the store is, and why it does not answer, is for the log: also strangers read what the page says."""
    try:
        yield
    except DBAPIError as error:
        if not is_away(error):
            raise
        raise TemporaryFailure("the store does not answer", 1.0) from None


@contextlib.contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    with _translated(), engine.begin() as connection:
        yield connection


def _incident(row: Row[bytes]) -> Incident:
    return unpack(row[0], INCIDENT)


# --- the process ------------------------------------------------------------------------------------------------------


def main(site_folder: Path, data: Path) -> int:
    """Serves until SIGTERM.  Raises ConfigurationError."""
    site, found = load(site_folder), runtime.read(data)
    where = runtime.store_of(site, data)
    directory, store = SiteDirectory(site), patiently(partial(open_store, where), where)
    assert store is not None
    with contextlib.ExitStack() as stack:
        if isinstance(where, str):
            ringer = Ringer(data)
            stack.callback(Listener(where, "console", lambda: ringer.ring("console")).close)
        app, stream = create(
            ports.Outside(
                site=site,
                directory=directory,
                public_url=runtime.public_url(site, found),
                reader=StoreReader(open_reader(where), directory),
                inbox=StoreInbox(store, Ringer(data)),
                shifts=StoreShifts(store),
                now=_now,
                secret=signin.stored_secret(data),
                key=signin.session_key(data),
                ended=data / "sessions.ended",
                hooks=hooks(site, found),
                cameras=SiteCameras(site, found),
                talks=MediaTalks(site, found, Client(allow_private=True)),
                devices=stack.enter_context(_simulated(site, found)) if site.demo else None,
                phones_url=f"http://127.0.0.1:{found.phones_port}/" if found.phones_port else "",
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn takes it over, and raises it once more when it has stopped
        asyncio.run(_serve(app, stream, found.console_port, data))
    return 0


def _now() -> Instant:
    return Instant(time.time_ns() // 1000)


@contextlib.contextmanager
def _simulated(site: Site, found: runtime.Runtime) -> Iterator[Simulator]:
    """The demo's devices, alive in a thread of their own."""
    publisher, stopped = Publisher(found.mqtt_host, found.mqtt_port), threading.Event()
    simulator = Simulator(site, publisher.publish, _now)
    life = threading.Thread(target=live, args=(simulator, stopped), daemon=True)
    life.start()
    try:
        yield simulator
    finally:
        stopped.set()
        life.join(TAKEN_WITHIN_S)
        publisher.close()


def hooks(site: Site, found: runtime.Runtime) -> dict[str, Hooks]:
    """By path, of the channels whose provider calls us."""
    channels = build(runtime.channel_settings(site, found)).values()
    return {path: cast(Hooks, channel) for channel in channels for path in getattr(channel, "paths", ())}


async def _serve(app: FastAPI, stream: Stream, port: int, data: Path) -> None:
    """Until a signal says stop; then the streams end at once and the other requests within 3 s."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=os.environ.get("VORAB_LISTEN", "127.0.0.1"),  # in a container: all of its own addresses
            port=port,
            lifespan="off",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    )
    bell, rung = Bell(data, "console"), asyncio.Event()

    def ring() -> None:
        bell.clear()
        rung.set()

    async def woken() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(rung.wait(), POLL_S)
        rung.clear()
        if server.should_exit:
            stream.close()

    asyncio.get_running_loop().add_reader(bell.fileno(), ring)
    feed = asyncio.create_task(stream.run(woken))
    feed.add_done_callback(lambda _: setattr(server, "should_exit", True))  # a desk that is not live ends
    try:
        await server.serve()
        feed.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feed
    finally:
        asyncio.get_running_loop().remove_reader(bell.fileno())
        bell.close()
