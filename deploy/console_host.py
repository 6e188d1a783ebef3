"""The console process: the desk over `contact.db`, served by uvicorn on the loopback address."""

import asyncio
import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, Row, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from console import ports, signin
from console.app import create
from console.stream import Stream
from deploy import runtime
from deploy.simulator import TAKEN_WITHIN_S, Publisher, Simulator, live
from deploy.site.load import load
from deploy.store.store import open_reader, open_store
from deploy.store.tables import audit, inbox, incidents, journal, outbox
from deploy.wake import POLL_S, Bell, Ringer
from notifiers.channels import build
from vorab import crash
from vorab.errors import TemporaryFailure
from vorab.model import Incident, Instant, Priority
from vorab.ports import Hooks, InboxItem
from vorab.site import Site
from vorab.wire import INCIDENT, unpack
from workflows.directory.stub import SiteDirectory

STOP_WITHIN_S = 3
RESOLVED_SHOWN = 200


class StoreReader:
    """`console.ports.Reader` over the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def position(self) -> ports.Position:
        lines, changes = select(func.max(journal.c.number)), select(func.max(audit.c.number))
        with _reading(self._engine) as connection:
            return ports.Position(connection.scalar(lines) or 0, connection.scalar(changes) or 0)

    def open(self) -> list[Incident]:
        """The most urgent first, then the oldest."""
        with _reading(self._engine) as connection:
            rows = connection.execute(
                select(incidents.c.body).where(incidents.c.resolved_at.is_(None)).order_by(incidents.c.opened_at)
            )
            found = [_incident(row) for row in rows]
        return sorted(found, key=lambda one: -Priority(one.breach.priority).rank)

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
            crash.point("console.before-commit")
        crash.point("console.after-commit")
        self._ringer.ring("contact")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise TemporaryFailure(f"the store does not answer: {error.orig}", 1.0) from None


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
    with contextlib.ExitStack() as stack:
        app, stream = create(
            ports.Outside(
                site=site,
                directory=SiteDirectory(site),
                public_url=runtime.public_url(site, found),
                reader=StoreReader(open_reader(data / "contact.db")),
                inbox=StoreInbox(open_store(data / "contact.db"), Ringer(data)),
                now=_now,
                secret=signin.stored_secret(data),
                key=signin.session_key(data),
                ended=data / "sessions.ended",
                hooks=hooks(site, found),
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
    channel = build(runtime.channel_settings(site, found)).get("sms")
    return {} if channel is None else {f"/twilio/{name}": cast(Hooks, channel) for name in ("sms", "status")}


async def _serve(app: FastAPI, stream: Stream, port: int, data: Path) -> None:
    """Until a signal says stop; then the streams end at once and the other requests within 3 s."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
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
