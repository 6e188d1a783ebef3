"""The desk: puts API, webhooks and pages behind one gate."""

from urllib.parse import parse_qsl, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import RedirectResponse

from console import api, links, pages, place, plans, recordings, shift
from console.api import Desk, Json
from console.guard import Gate
from console.ports import Outside
from console.signin import Sessions, Tries
from console.stream import Stream
from console.views import Views
from vorab.errors import Malformed, Refused, TemporaryFailure
from vorab.ports import Hooks
from vorab.words import LANGUAGES

MAX_FIELDS = 200  #: of one webhook


def create(outside: Outside) -> tuple[FastAPI, Stream]:
    """The application, and the stream that its host must run and close."""
    drawings = plans.read(outside.site)
    views = {language: Views(outside, drawings, language) for language in LANGUAGES}
    stream = Stream(outside.reader, lambda incident, language: views[language].frame(incident))
    desk = Desk(outside, views, drawings, Sessions(outside.key, outside.now, outside.ended), stream, Tries(outside.now))
    # no documentation pages: they load their scripts from elsewhere
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    api.routes(app, desk)
    shift.routes(app, desk)
    place.routes(app, desk)
    links.routes(app, desk)
    pages.routes(app, desk)
    recordings.routes(app, desk)
    for path, hooks in outside.hooks.items():
        _webhook(app, desk, path, hooks)
    _errors(app, desk)
    app.add_middleware(Gate, hosts=frozenset(filter(None, [urlsplit(outside.public_url).hostname])))
    return app, stream


def _webhook(app: FastAPI, desk: Desk, path: str, hooks: Hooks) -> None:
    """What a provider calls.  Answered at once; contact does the work."""

    @app.post(path, dependencies=[desk.right("provider")])
    async def hooked(request: Request) -> Response:
        """200 when it is stored; 403 when forged, 400 when it cannot be understood, both without a word.

        Who listens at the telephone is told to wait when it cannot be stored now.
        """
        try:
            form = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
            signature = request.headers.get("x-twilio-signature", "")
            look = desk.outside.reader.told
            called = await run_in_threadpool(hooks.webhook, path, str(request.url), form, signature, look)
        except Refused:
            return Response(status_code=403)
        except (Malformed, ValueError):  # ValueError: not UTF-8, or too many fields
            return Response(status_code=400)
        answer = called.answer
        try:
            await run_in_threadpool(desk.outside.inbox.put, called.items, desk.outside.now())
        except TemporaryFailure:
            if not called.otherwise:
                raise
            answer = called.otherwise
        return Response(answer, media_type="text/xml")


def _errors(app: FastAPI, desk: Desk) -> None:
    @app.exception_handler(StarletteHTTPException)
    async def refused(request: Request, error: StarletteHTTPException) -> Response:
        if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/sign-in", 303)
        reason = desk.spoken(request).words.phrase(error.detail)
        return Json({"error": reason}, error.status_code, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def not_understood(_request: Request, error: RequestValidationError) -> Response:
        """Says which field, never what was in it."""
        faults = [f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors()]
        return Json({"error": "; ".join(faults)}, 422)

    @app.exception_handler(TemporaryFailure)
    async def not_now(request: Request, error: TemporaryFailure) -> Response:
        reason = desk.spoken(request).words.phrase(str(error))
        return Json({"error": reason}, 503, headers={"retry-after": "1"})
