"""The place of an incident: its floor plan, its camera, the picture of when it was found, its loudspeaker."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, cast

from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from console.api import Desk, Json
from console.signin import OPERATOR, Session
from console.views import Views
from console.words import Words
from vorab.errors import Malformed, TemporaryFailure

LOOK_S, LOOKS = 0.5, 20  #: a camera that shows nothing new in so many looks of this length is dead
MAX_SDP = 32 * 1024  #: characters; an offer with one voice and one data channel has about 3,000

_BOUNDARY = "vorab-frame"


class Offer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sdp: str = Field(min_length=1, max_length=MAX_SDP)


def routes(app: FastAPI, desk: Desk) -> None:
    _pictures(app, desk)
    _loudspeaker(app, desk)


def _pictures(app: FastAPI, desk: Desk) -> None:
    outside = desk.outside

    @app.get("/api/plans/{floor:path}", dependencies=[desk.right("view")])
    async def plan(floor: str) -> Response:
        """SVG.  Only those read when we started: no path is ever made of what a browser sends."""
        if floor not in desk.plans:
            raise HTTPException(404, "no plan of this floor")
        return Response(desk.plans[floor].svg, media_type="image/svg+xml")

    @app.get("/api/incidents/{incident}/picture", dependencies=[desk.right("view")])
    def picture(incident: str) -> Response:
        """JPEG: what the camera showed when the breach was found."""
        jpeg = outside.reader.jpeg(incident)
        if jpeg is None:
            raise HTTPException(404, "no picture was taken")
        return Response(jpeg, media_type="image/jpeg")

    @app.get("/api/places/{place:path}/camera")
    async def camera(
        place: str, session: Annotated[Session, desk.right("view")], views: Annotated[Views, Depends(desk.spoken)]
    ) -> Response:
        """multipart/x-mixed-replace, JPEG after JPEG; when it ends early, the last part says why, as text/plain."""
        if outside.cameras is None or not outside.cameras.has(place):
            raise HTTPException(404, "no camera here")
        frames = outside.cameras.frames(place)

        def is_alive() -> bool:
            return not desk.stream.is_closed and desk.sessions.is_alive(session)

        first = await _next(frames, is_alive)
        parts = _parts(first, frames, is_alive, views.words)
        return StreamingResponse(parts, media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}")


async def _next(frames: AsyncIterator[bytes], is_alive: Callable[[], bool]) -> bytes:
    """Raises TemporaryFailure in words.  A camera that hangs holds up neither a stop nor a sign-out."""
    wanted = asyncio.ensure_future(anext(frames))
    try:
        for _ in range(LOOKS):
            if (await asyncio.wait({wanted}, timeout=LOOK_S))[0]:
                return wanted.result()
            if not is_alive():
                raise TemporaryFailure("this page may look no longer")
        raise TemporaryFailure(f"no picture for {LOOKS * LOOK_S:.0f} s")
    except StopAsyncIteration:
        raise TemporaryFailure("the camera has ended its stream") from None
    finally:
        wanted.cancel()
        await asyncio.wait({wanted})  # then its stream has let go


async def _parts(
    first: bytes, frames: AsyncIterator[bytes], is_alive: Callable[[], bool], words: Words
) -> AsyncIterator[bytes]:
    async with aclosing(cast("AsyncGenerator[bytes]", frames)):
        yield _part("image/jpeg", first)
        try:
            while is_alive():
                yield _part("image/jpeg", await _next(frames, is_alive))
        except TemporaryFailure as failure:
            yield _part("text/plain", words.phrase(str(failure)).encode()) + f"--{_BOUNDARY}--\r\n".encode()


def _part(media_type: str, content: bytes) -> bytes:
    head = f"--{_BOUNDARY}\r\ncontent-type: {media_type}\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def _loudspeaker(app: FastAPI, desk: Desk) -> None:
    outside = desk.outside

    @app.post("/api/incidents/{incident}/talk", status_code=201, dependencies=[desk.right("talk")])
    async def begin(incident: str, body: Offer) -> Response:
        """Opens the loudspeaker of its place; who is pushing to talk is heard on the data channel `ptt`.

        503 in words when that cannot be now, e.g. because somebody else speaks there.
        """
        found = await run_in_threadpool(outside.reader.incident, incident)
        place = outside.directory.place_of(found.breach.subject) if found else None
        if outside.talks is None or place is None or not outside.talks.has(place.id):
            raise HTTPException(404, "no loudspeaker here")
        try:
            talk = await outside.talks.begin(incident, place.id, OPERATOR, body.sdp)
        except Malformed as fault:
            raise HTTPException(422, f"sdp: {fault}") from None
        return Json({"talk": talk.id, "sdp": talk.sdp}, 201)

    @app.delete("/api/talks/{talk}", status_code=204, dependencies=[desk.right("talk")])
    async def end(talk: str) -> Response:
        if outside.talks is not None:
            await outside.talks.end(talk)
        return Response(status_code=204)
