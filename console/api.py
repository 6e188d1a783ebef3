"""The REST API of the desk: incidents, answers, the stream, the session, and the demo's devices."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from msgspec import Struct
from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field

import vorab
from console import language, signin
from console.guard import Right
from console.plans import Drawing
from console.ports import Device, Devices, Outside, Story
from console.signin import OPERATOR, Session, Sessions, Tries, fits
from console.stream import Stream
from console.views import Summary, Views, encode, moment
from console.words import Words
from vorab.model import DAY, Instant
from vorab.ports import InboxItem

COOKIE = "vorab"


class Desk(Struct, frozen=True):
    """What the routes share."""

    outside: Outside
    views: dict[str, Views]  #: by language
    plans: dict[str, Drawing]  #: by floor
    sessions: Sessions
    stream: Stream
    tries: Tries

    @property
    def is_https(self) -> bool:
        return self.outside.public_url.startswith("https:")

    @property
    def cookie(self) -> str:
        return f"__Host-{COOKIE}" if self.is_https else COOKIE

    def right(self, name: str) -> Any:
        """The dependency that lets in who has this right, and gives the session."""
        return Depends(Right(name, self.sessions, self.cookie))

    def spoken(self, request: Request) -> Views:
        """In the language of who asks."""
        cookie, accepted = request.cookies.get(language.COOKIE, ""), request.headers.get("accept-language", "")
        return self.views[language.chosen(cookie, accepted, self.outside.site.languages[0])]


class Json(Response):
    """A value of ours as JSON."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return encode(content)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignIn(_Body):
    name: str = Field(max_length=64)
    secret: str = Field(max_length=signin.MAX_SECRET)


class Clicked(_Body):
    """What a person at the desk said about an incident."""

    id: UUID  #: of the click, made by the page; the same one acts once
    person: str = Field(max_length=64)  #: for whom: one of /api/people
    meaning: Literal["taken", "done", "declined"]


class Incidents(Struct, frozen=True):
    position: int  #: of the journal; follow the stream with ?after= this
    now: str
    incidents: list[Summary]
    more: int  #: open ones that are not listed


def routes(app: FastAPI, desk: Desk) -> None:
    """Everything under /api."""
    _session(app, desk)
    _incidents(app, desk)
    if desk.outside.devices is not None:
        _demo(app, desk, desk.outside.devices)


def _session(app: FastAPI, desk: Desk) -> None:
    outside = desk.outside

    def signed(cookie: str) -> Response:
        response = Json({"name": OPERATOR})
        response.set_cookie(desk.cookie, cookie, httponly=True, samesite="strict", secure=desk.is_https, path="/")
        return response

    @app.post("/api/session", dependencies=[desk.right("public")])
    def sign_in(request: Request, body: SignIn) -> Response:
        address = request.client.host if request.client else ""
        if wait_s := desk.tries.wait_s(address):
            raise HTTPException(429, "too many tries at once", {"retry-after": str(wait_s)})
        is_right = fits(body.secret, outside.secret)  # also for a wrong name: it must take the same time
        if not is_right or body.name.strip().lower() != OPERATOR:
            desk.tries.wrong(address)
            raise HTTPException(403, "wrong name or secret")
        desk.tries.right(address)
        return signed(desk.sessions.begin())

    @app.get("/api/session")
    async def stay(session: Annotated[Session, desk.right("view")]) -> Response:
        """A page that is still there says so every few minutes."""
        return signed(desk.sessions.cookie(session))

    @app.delete("/api/session")
    async def sign_out(session: Annotated[Session, desk.right("view")]) -> Response:
        desk.sessions.end(session)
        response = Response(status_code=204)
        response.delete_cookie(desk.cookie, httponly=True, samesite="strict", secure=desk.is_https, path="/")
        return response


def _incidents(app: FastAPI, desk: Desk) -> None:
    reader, now = desk.outside.reader, desk.outside.now
    spoken = Depends(desk.spoken)

    @app.get("/api/health", dependencies=[desk.right("public")])
    def health() -> Response:
        """200 when the store answers; else 503."""
        return Json({"version": vorab.__version__, "position": reader.position().journal})

    @app.get("/api/people", dependencies=[desk.right("view")])
    def people(views: Annotated[Views, spoken]) -> Response:
        return Json(views.people())

    @app.get("/api/incidents", dependencies=[desk.right("view")])
    def incidents(views: Annotated[Views, spoken], state: Literal["open", "resolved"] = "open") -> Response:
        """The open ones, the most urgent first; or those resolved in the last 24 hours, the last one first."""
        position = reader.position().journal  # first: what happens meanwhile comes again by the stream
        found, more = reader.open() if state == "open" else (reader.resolved(Instant(now() - DAY)), 0)
        return Json(Incidents(position, moment(now()), [views.summary(one) for one in found], more))

    @app.get("/api/incidents/{incident}", dependencies=[desk.right("view")])
    def thread(incident: str, views: Annotated[Views, spoken]) -> Response:
        found = reader.incident(incident)
        if found is None:
            raise HTTPException(404, "no such incident")
        return Json(views.thread(found, reader.journal(incident), reader.messages(incident), reader.picture(incident)))

    @app.post("/api/incidents/{incident}/answers", status_code=202, dependencies=[desk.right("answer")])
    def answer(incident: str, body: Clicked, views: Annotated[Views, spoken]) -> Response:
        """Stored, and contact is woken; what became of it comes by the stream."""
        if reader.incident(incident) is None:
            raise HTTPException(404, "no such incident")
        if body.person not in [one.id for one in views.people()]:
            raise HTTPException(422, "person: nobody of this name in the directory can be sent")
        said = {"person": body.person, "incident": incident, "meaning": body.meaning, "by": OPERATOR}
        desk.outside.inbox.put([InboxItem(str(body.id), "click", said)], now())
        return Json({"id": str(body.id)}, 202)

    @app.get("/api/stream")
    async def stream(
        session: Annotated[Session, desk.right("view")],
        views: Annotated[Views, spoken],
        last_event_id: Annotated[str | None, Header()] = None,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    ) -> Response:
        """text/event-stream; see console.stream.Stream.  Begins after Last-Event-ID, else after `after`, else now."""
        if last_event_id is not None and last_event_id.isascii() and last_event_id[:19].isdigit():
            after = min(int(last_event_id[:19]), 2**63 - 1)
        frames = desk.stream.frames(views.words.language, after, lambda: desk.sessions.is_alive(session))
        return StreamingResponse(frames, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


def _demo(app: FastAPI, desk: Desk, devices: Devices) -> None:
    spoken = Depends(desk.spoken)

    def now(words: Words) -> dict[str, object]:
        found = [_device(one, words) for one in devices.devices()]
        stories = [Story(one.id, words.phrase(one.label), words.phrase(one.line)) for one in devices.stories()]
        out = [(moment(one.at), one.topic, one.payload, one.retained) for one in devices.published()]
        names = ("at", "topic", "payload", "retained")
        return {"stories": stories, "devices": found, "published": [dict(zip(names, one, strict=True)) for one in out]}

    @app.get("/api/demo/devices", dependencies=[desk.right("view")])
    def simulated(views: Annotated[Views, spoken]) -> Response:
        return Json(now(views.words))

    @app.post("/api/demo/devices/{device}/{action}", status_code=202, dependencies=[desk.right("demo")])
    def press(device: str, action: str, views: Annotated[Views, spoken]) -> Response:
        if not devices.press(device, action):
            raise HTTPException(404, "no such device or button")
        return Json(now(views.words), 202)

    @app.post("/api/demo/stories/{story}", status_code=202, dependencies=[desk.right("demo")])
    def play(story: str, views: Annotated[Views, spoken]) -> Response:
        if not devices.play(story):
            raise HTTPException(404, "no such story")
        return Json(now(views.words), 202)


def _device(one: Device, words: Words) -> Device:
    actions = [replace(action, label=words.phrase(action.label)) for action in one.actions]
    return replace(one, state=words.phrase(one.state), actions=actions)
