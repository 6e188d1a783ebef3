"""A desk for the browser: the console's application of the airport on a real port, with hands that move the world.

Contact's part is played by its own functions; the camera and the loudspeaker are made up.
"""

import asyncio
import hashlib
import io
import itertools
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from msgspec.structs import replace
from PIL import Image, ImageDraw
from sqlalchemy import insert, select

from console import ports, signin
from console.app import create
from deploy import runtime
from deploy.console_host import StoreInbox, StoreReader, StoreShifts
from deploy.site.load import load
from deploy.store import inbox, outbox
from deploy.store.apply import read, take
from deploy.store.store import open_reader, open_store
from deploy.store.tables import incidents, journal, pictures
from deploy.store.transaction import Transaction, World
from deploy.wake import Ringer
from notifiers import delivery
from notifiers.channels import build
from notifiers.text import Texts
from vorab.errors import TemporaryFailure
from vorab.model import (
    SECOND,
    Breach,
    Delivery,
    Edge,
    IncidentId,
    Instant,
    Priority,
    Quantity,
    Receipt,
    ResponseId,
    RuleId,
    SensorId,
    breach_id,
    incident_id,
)
from vorab.wire import INCIDENT, pack, unpack
from workflows.directory.stub import SiteDirectory

AIRPORT = Path(__file__).parents[2] / "deploy/sites/airport"
SECRET = "abcd-efgh-jkmn-pqrs"
POLL_S = 0.02


def jpeg(number: int) -> bytes:
    """A corridor in which somebody walks."""
    image = Image.new("RGB", (640, 360), (52, 60, 68))
    draw = ImageDraw.Draw(image)
    draw.polygon([(0, 360), (240, 150), (400, 150), (640, 360)], fill=(84, 92, 99))
    draw.rectangle((285, 70, 355, 165), fill=(128, 110, 84), outline=(30, 34, 38), width=3)
    x = 80 + number * 7 % 440
    draw.ellipse((x, 150, x + 26, 176), fill=(205, 170, 140))
    draw.rectangle((x - 4, 176, x + 30, 262), fill=(44, 82, 120))
    draw.text((12, 12), f"CAM  frame {number}", fill=(230, 230, 230))
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


class Cameras:
    """Every place has one; `failure` is what they all say instead of showing something."""

    def __init__(self) -> None:
        self.failure = ""
        self.frozen = False

    def has(self, place: str) -> bool:
        return True

    async def frames(self, place: str) -> AsyncIterator[bytes]:
        for number in itertools.count():
            if self.failure:
                raise TemporaryFailure(self.failure)
            if self.frozen:
                await asyncio.Event().wait()
            yield jpeg(number)
            await asyncio.sleep(0.1)


class Talks:
    """Every place has a loudspeaker, unless `failure` says why not just now."""

    def __init__(self) -> None:
        self.failure = ""
        self.offers: list[str] = []
        self.pushes: list[bool] = []
        self.open: dict[str, Any] = {}

    def has(self, place: str) -> bool:
        return True

    async def begin(self, incident: str, place: str, by: str, sdp: str) -> ports.Talk:
        self.offers.append(sdp)
        if self.failure:
            raise TemporaryFailure(self.failure)
        from deploy.media.voice import Browser  # of the extra camera

        voice = Browser(self.pushes.append)
        answer = await voice.answer(sdp)
        self.open["talk"] = voice
        return ports.Talk("talk", answer)

    async def end(self, talk: str) -> None:
        await self.open.pop(talk).close()


class Desk:
    """The console, and the hands that move the world around it."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.secret = SECRET
        site = load(AIRPORT)
        self.directory = SiteDirectory(site)
        self.store, self.read_only = open_store(data / "contact.db"), open_reader(data / "contact.db")
        self.ringer = Ringer(data)
        found = runtime.Runtime(console_port=self.port, phones_port=self.port)
        self.world = World(
            self.directory, site.zone, build(runtime.channel_settings(site, found)), {}, Texts({}, site.zone)
        )
        self.cameras, self.talks = Cameras(), Talks()
        self.reader = StoreReader(self.read_only, self.directory)
        self.beats: list[float] = []
        self._outside = ports.Outside(
            site=replace(site, demo=False),
            directory=self.directory,
            public_url=self.url,
            reader=self.reader,
            inbox=StoreInbox(self.store, self.ringer),
            shifts=StoreShifts(self.store),
            now=now,
            secret=signin.hashed(SECRET, b"0123456789abcdef"),
            key=b"k" * 32,
            ended=data / "sessions.ended",
            cameras=self.cameras,
            talks=self.talks,
        )
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        app, stream = create(self._outside)
        config = uvicorn.Config(app, port=self.port, lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
        server = self._server = uvicorn.Server(config)

        async def woken() -> None:
            await asyncio.sleep(POLL_S)
            if server.should_exit:
                stream.close()

        async def serve() -> None:
            feed = asyncio.create_task(stream.run(woken))
            await server.serve()
            feed.cancel()
            await asyncio.wait([feed])

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()))
        self._thread.start()
        while not server.started:
            time.sleep(POLL_S)

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()
            self._server = None

    def close(self) -> None:
        self.stop()
        self.ringer.close()
        self.store.dispose()
        self.read_only.dispose()

    # --- the world ----------------------------------------------------------------------------------------------------

    def raises(self, rule: str, sensor: str, ago_s: int = 30, **more: Any) -> IncidentId:
        """The sensor breaks this rule since so many seconds; contact has opened the incident and asked people."""
        onset = Instant(now() - ago_s * SECOND)
        door = {"quantity": Quantity.OPEN, "value": True, "priority": Priority.HIGH, "respond": ResponseId("security")}
        breach = Breach(
            id=breach_id(RuleId(rule), SensorId(sensor), onset),
            number=0,
            edge=Edge.RAISED,
            rule=RuleId(rule),
            subject=SensorId(sensor),
            onset=onset,
            at=Instant(min(now(), onset + 30 * SECOND)),
            rules_hash="",
            **(door | more),  # type: ignore[arg-type]  # the fields of a breach by name
        )
        with self.store.begin() as connection:
            tx = Transaction(connection, self.world, now(), 20)
            take(tx, breach)
            for claim in tx.claims:
                message = outbox.one(tx, claim.notification.id)
                assert message is not None
                receipt = Receipt(Delivery.SENT, claim.notification.id)
                outbox.write(tx, message, delivery.after_status(message.row, receipt, tx.at))
            tx.close()
        return incident_id(breach.id)

    def storms(self, incident: IncidentId, many: int, *, name: str = "storm") -> None:
        """So many more like this one, all at once."""
        with self.store.begin() as connection:
            row = connection.execute(select(incidents).where(incidents.c.id == incident)).mappings().one()
            line = connection.execute(select(journal).where(journal.c.incident == incident)).mappings().first()
            assert line is not None
            body = unpack(row["body"], INCIDENT)
            ids = [IncidentId(f"{name}-{number}") for number in range(many)]
            rows = [
                {**row, "id": one, "breach": one, "code": one, "body": pack(replace(body, id=one, code=one))}
                for one in ids
            ]
            connection.execute(insert(incidents), rows)
            kept = {key: value for key, value in line.items() if key != "number"}
            connection.execute(insert(journal), [{**kept, "incident": one, "id": one} for one in ids])

    def clears(self, incident: IncidentId) -> None:
        with self.store.begin() as connection:
            tx = Transaction(connection, self.world, now(), 0)
            found = read(tx, incident)
            assert found is not None
            take(tx, replace(found.breach, number=1, edge=Edge.CLEARED, value=False, at=tx.at))
            tx.close()

    def photographs(self, incident: IncidentId) -> None:
        """The picture of when it was found is there."""
        picture = jpeg(40)
        row = {"incident": incident, "asked_at": now(), "taken_at": now(), "jpeg": picture, "reason": ""}
        with self.store.begin() as connection:
            connection.execute(insert(pictures).values(row | {"sha256": hashlib.sha256(picture).hexdigest()}))

    def contact_hears(self, kind: str, within_s: float = 20) -> None:
        """Contact applies what comes in, until something of this kind was there: click, status."""
        deadline, heard = time.monotonic() + within_s, False
        while not heard:
            assert time.monotonic() < deadline, f"no {kind} came into the inbox"
            time.sleep(POLL_S)
            with self.store.begin() as connection:
                tx = Transaction(connection, self.world, now(), 0)
                for row in inbox.waiting(tx, 10):
                    heard = heard or row.kind == kind
                    inbox.hear(tx, row)
                tx.close()

    def looked_at(self) -> list[ports.Looking]:
        return self.reader.desks(Instant(now() - 15 * SECOND))


def now() -> Instant:
    return Instant(time.time_ns() // 1000)
