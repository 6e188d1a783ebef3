"""The media process: whoever talks at a place, and what is played there until he does.

It speaks WebRTC to the browser and RTSP to the loudspeaker; console and contact ask it over HTTP on the loop-back
address, with the secret of this start.  Everything about one loudspeaker happens one after the other.
"""

import asyncio
import contextlib
import hmac
import logging
import secrets
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse

from console.ports import Inbox, Talk
from console.views import encode
from deploy import runtime
from deploy.console_host import StoreInbox
from deploy.media.rtsp import Line
from deploy.media.voice import PACKET, RATE, Browser, Encoder, recording
from deploy.site.load import load
from deploy.store.postgres import patiently
from deploy.store.store import open_store
from deploy.talks import SECRET
from deploy.wake import Ringer
from vorab.errors import Malformed, TemporaryFailure
from vorab.model import Instant, PlaceId
from vorab.ports import InboxItem
from vorab.site import Intercom

INSTRUCTION_S = 600.0  #: a recorded instruction is played for so long, if nobody joins
AGAIN_S = 2.0  #: until a loudspeaker that broke off is tried again while it is to play something
STOP_WITHIN_S = 2

log = logging.getLogger("vorab.media")


class Conversation:
    """One person who talks at a place: his microphone is heard there only while he pushes."""

    def __init__(
        self, incident: str, place: str, by: str, intercom: Intercom, note: Callable[[InboxItem], None]
    ) -> None:
        self.id = secrets.token_hex(8)
        self.by = by
        self._incident, self._place, self._note = incident, place, note
        self._browser = Browser(self._push)
        self._line = Line(intercom, self._browser.place.says, self._break)
        self._down_at: float | None = None  #: the button is down since then, of the loop's clock
        self._pushes = 0
        self._broken = ""  #: why the line to the place has ended
        self._task: asyncio.Task[None] | None = None

    async def begin(self, sdp: str, over: Callable[[], None]) -> str:
        """Our answer; `over` is called when it has ended.  Raises TemporaryFailure, Malformed."""
        try:
            await self._line.open()
            answer = await self._browser.answer(sdp)
            if self._broken:
                raise TemporaryFailure(self._broken)
        except BaseException:
            await self._close()
            raise
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: over())
        return answer

    async def end(self) -> None:
        self._stop()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _stop(self) -> None:
        if self._task is not None and not self._task.cancelling():
            self._task.cancel()

    async def _run(self) -> None:
        """Until the browser goes away, the line breaks or somebody ends it."""
        at, encoder = 0, Encoder(self._line.description.loudspeaker.codec)
        try:
            async for frame in self._browser.speech():
                for packet in encoder.encode(frame):
                    at += PACKET
                    if self._down_at is not None:
                        self._line.send(packet, at)
        finally:
            self._push(False)
            await self._close()

    async def _close(self) -> None:
        await asyncio.gather(self._line.close(), self._browser.close(), return_exceptions=True)

    def _push(self, is_down: bool) -> None:
        """Each push is noted when it ends, with its seconds."""
        now = asyncio.get_running_loop().time()
        if is_down:
            self._down_at = now if self._down_at is None else self._down_at
        elif self._down_at is not None:
            seconds, self._down_at = max(1, round(now - self._down_at)), None
            self._line.pause()
            self._pushes += 1
            body = {"incident": self._incident, "place": self._place, "by": self.by, "seconds": str(seconds)}
            self._note(InboxItem(f"talk/{self.id}/{self._pushes}", "talk", body))

    def _break(self, why: str) -> None:
        self._broken = why
        self._browser.tell(f"ended: {why}")
        self._stop()


async def instruct(intercom: Intercom, path: Path, first: asyncio.Future[None]) -> None:
    """Plays the file at the loudspeaker, over and over for 10 min; `first` learns how the first try went."""
    loop = asyncio.get_running_loop()
    until = loop.time() + INSTRUCTION_S
    while loop.time() < until:
        broken: asyncio.Future[str] = loop.create_future()
        line = Line(intercom, lambda *_: None, partial(_settle, broken))
        try:
            await line.open()
            packets = await asyncio.to_thread(recording, path, line.description.loudspeaker.codec)
            if not first.done():
                first.set_result(None)
            await _play(line, packets, until, broken)
        except (TemporaryFailure, Malformed) as failure:
            if not first.done():
                first.set_exception(failure)
            if isinstance(failure, Malformed):
                return  # the file itself
        finally:
            await line.close()
        await asyncio.sleep(AGAIN_S)


async def _play(line: Line, packets: list[bytes], until: float, broken: asyncio.Future[str]) -> None:
    loop = asyncio.get_running_loop()
    begun, count = loop.time(), 0
    while packets and not broken.done() and loop.time() < until:
        line.send(packets[count % len(packets)], count * PACKET)
        count += 1
        await asyncio.sleep(max(0.0, begun + count * PACKET / RATE - loop.time()))


def _settle(broken: asyncio.Future[str], why: str) -> None:
    if not broken.done():
        broken.set_result(why)


class Media:
    """Who talks where.  `note` is called with each push."""

    def __init__(self, intercoms: dict[PlaceId, Intercom], folder: Path, note: Callable[[InboxItem], None]) -> None:
        self._intercoms, self._folder, self._note = intercoms, folder, note
        self._talks: dict[Intercom, Conversation] = {}
        self._instructions: dict[Intercom, asyncio.Task[None]] = {}

    async def begin(self, incident: str, place: str, by: str, sdp: str) -> Talk:
        """Raises TemporaryFailure, also while somebody else talks there; Malformed for what is no offer."""
        intercom = self._intercom(place)
        if other := self._talks.get(intercom):
            raise TemporaryFailure(f"{other.by} is talking there just now")
        talk = self._talks[intercom] = Conversation(incident, place, by, intercom, self._note)

        def over() -> None:
            self._talks.pop(intercom, None)

        try:
            await self._silence(intercom)
            return Talk(talk.id, await talk.begin(sdp, over))
        except BaseException:
            over()
            raise

    async def end(self, talk: str) -> None:
        for one in list(self._talks.values()):
            if one.id == talk:
                await one.end()

    async def instruct(self, place: str) -> None:
        """It plays, if nobody talks there.  Raises TemporaryFailure when that cannot be yet, Malformed for the file."""
        intercom = self._intercom(place)
        if not intercom.instruction or intercom in self._talks or intercom in self._instructions:
            return
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(instruct(intercom, self._folder / intercom.instruction, first))
        self._instructions[intercom] = task
        task.add_done_callback(lambda _: self._instructions.pop(intercom))
        await asyncio.wait([first, task], return_when=asyncio.FIRST_COMPLETED)
        if first.done():
            first.result()

    async def close(self) -> None:
        for task in list(self._instructions.values()):
            task.cancel()
        await asyncio.gather(*[talk.end() for talk in list(self._talks.values())], return_exceptions=True)

    async def _silence(self, intercom: Intercom) -> None:
        """Somebody joins: what is played there ends."""
        if task := self._instructions.get(intercom):
            task.cancel()
            await asyncio.wait([task])

    def _intercom(self, place: str) -> Intercom:
        found = self._intercoms.get(PlaceId(place))
        if found is None:
            raise TemporaryFailure("there is no loudspeaker here")
        return found


# --- the process ------------------------------------------------------------------------------------------------------

Field = Annotated[str, Form(max_length=200)]
Offer = Annotated[str, Form(max_length=32 * 1024)]


def application(media: Media, secret: str) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(_guard(secret))])

    @app.exception_handler(TemporaryFailure)
    async def _not_now(_request: Request, failure: Exception) -> Response:
        return PlainTextResponse(str(failure), 503)

    @app.exception_handler(Malformed)
    async def _not_understood(_request: Request, fault: Exception) -> Response:
        return PlainTextResponse(str(fault), 422)

    @app.post("/talks")
    async def begin(incident: Field, place: Field, by: Field, sdp: Offer) -> Response:
        return Response(encode(await media.begin(incident, place, by, sdp)), media_type="application/json")

    @app.post("/talks/end")
    async def end(talk: Field) -> Response:
        await media.end(talk)
        return Response(status_code=204)

    @app.post("/instructions")
    async def play(place: Field) -> Response:
        await media.instruct(place)
        return Response(status_code=204)

    return app


def _guard(secret: str) -> Callable[[Request], Awaitable[None]]:
    async def guard(request: Request) -> None:
        if not secret or not hmac.compare_digest(request.headers.get(SECRET, "").encode(), secret.encode()):
            raise HTTPException(403)

    return guard


def main(site_folder: Path, data: Path) -> int:
    """Serves until SIGTERM.  Raises ConfigurationError."""
    site, found = load(site_folder), runtime.read(data)
    where = runtime.store_of(site, data)
    store = patiently(partial(open_store, where), where)
    assert store is not None
    inbox = StoreInbox(store, Ringer(data))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn takes it over, and raises it once more when it has stopped
    asyncio.run(_serve(partial(Media, runtime.intercoms(site, found), Path(site.folder)), inbox, found))
    return 0


async def _serve(made: Callable[[Callable[[InboxItem], None]], Media], inbox: Inbox, found: runtime.Runtime) -> None:
    noting: set[asyncio.Task[None]] = set()

    def note(item: InboxItem) -> None:
        task = asyncio.create_task(_note(inbox, item))
        noting.add(task)
        task.add_done_callback(noting.discard)

    media = made(note)
    assert found.media_port is not None
    config = uvicorn.Config(
        application(media, found.media_secret),
        port=found.media_port,
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    await uvicorn.Server(config).serve()
    await media.close()
    await asyncio.gather(*noting)


async def _note(inbox: Inbox, item: InboxItem) -> None:
    """On disk, also when the store is busy just now."""
    at = Instant(time.time_ns() // 1000)
    for _ in range(10):
        with contextlib.suppress(TemporaryFailure):
            await asyncio.to_thread(inbox.put, [item], at)
            return
        await asyncio.sleep(1)
    log.error("it is not in the thread that somebody spoke at %s: the store does not answer", item.body["place"])
