"""What stands before every route: who may, from where, how much, and the headers of every answer."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from starlette.datastructures import MutableHeaders

from console.signin import OPERATOR, Session, Sessions

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: What the operator may.  Who has one of the open ones need not be signed in: the sign-in page, webhooks that check a
#: signature, and the pages behind the links in messages, where the address itself is the right.
RIGHTS = frozenset({"view", "answer", "talk", "demo"})
OPEN_RIGHTS = frozenset({"public", "provider", "link"})

MAX_BODY = 64 * 1024
BODY_WITHIN_S = 5.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Right:
    """The right that a route needs, as a FastAPI dependency: 401, 403 or 415 without it."""

    def __init__(self, name: str, sessions: Sessions, cookie: str) -> None:
        assert name in RIGHTS | OPEN_RIGHTS, name
        self.name = name
        self._sessions = sessions
        self._cookie = cookie

    async def __call__(self, request: Request) -> Session | None:
        """The session of who asks; None where nobody need be signed in."""
        if self.name == "provider":
            return None
        if request.method not in ("GET", "HEAD"):
            _from_our_own_page(request)
            _read_as(request, "application/x-www-form-urlencoded" if self.name == "link" else "application/json")
        if self.name in OPEN_RIGHTS:
            return None
        session = self._sessions.read(request.cookies.get(self._cookie, ""))
        if session is None:
            raise HTTPException(401, f"sign in first, as {OPERATOR}")
        return session


def _from_our_own_page(request: Request) -> None:
    """A write comes from a page of ours, says the browser."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if (origin is None and site is None) or site not in (None, "same-origin"):
        raise HTTPException(403, "a write must come from a page of this console")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise HTTPException(403, "a write must come from a page of this console")


def _read_as(request: Request, media_type: str) -> None:
    """JSON no foreign form can send; a page behind a link has no script, and sends a form."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise HTTPException(415, f"only {media_type} is read here")


class Gate:
    """Refuses foreign host names (DNS rebinding), NUL, large bodies and slow ones; adds the headers to every answer."""

    def __init__(self, app: App, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts | LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
                del headers["server"]
            await send(message)

        if _host(scope) not in self._hosts:
            await _refuse(guarded, 421, b"this console has another name")
            return
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:  # PostgreSQL keeps no text with it
            await _refuse(guarded, 404, b"nothing has a name with NUL in it")
            return
        if scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, guarded)
            return
        try:
            body = await asyncio.wait_for(_body(scope, receive), BODY_WITHIN_S)
        except TimeoutError:
            await _refuse(guarded, 408, b"the body took too long")
            return
        if body is None:
            await _refuse(guarded, 413, b"more than 64 kB")
            return
        await self._app(scope, _replay(body, receive), guarded)


def _header(scope: Scope, wanted: bytes) -> str:
    return next((str(value, "latin-1") for name, value in scope["headers"] if name == wanted), "")


def _host(scope: Scope) -> str:
    try:
        return urlsplit(f"//{_header(scope, b'host')}").hostname or ""
    except ValueError:
        return ""


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """All of it; None = larger than we read."""
    announced = _header(scope, b"content-length")
    if announced.isdigit() and int(announced[:20]) > MAX_BODY:
        return None
    parts = bytearray()
    while True:
        message = await receive()
        parts += message.get("body", b"")
        if len(parts) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return bytes(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def first_the_body() -> Message:
        return waiting.pop() if waiting else await receive()

    return first_the_body


async def _refuse(send: Send, status: int, reason: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason})
