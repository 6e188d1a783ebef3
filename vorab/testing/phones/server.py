"""The phone world on a socket: the API for the product, a page of handsets for people, the ledger for tests.

POST, GET /2010-04-01/…      as at Twilio
GET  /                       the handsets; /handsets.css, /handsets.js, /events (EventSource), /people
POST /write                  {"handset", "text"}: the person writes
GET  /ledger?since=N         what every handset received: {"entries": […], "last": N}
POST /faults                 {"fault", "times", "on", "to", "code", "seconds"}: the next requests go wrong
POST /settings               {"delay_ms", "paced", "reports", "list_lag_ms", "list_fails", "outcomes"}
"""

import base64
import contextlib
import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from email.utils import formatdate
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from vorab.model import MILLISECOND, Span
from vorab.ports import HttpResponse
from vorab.testing.phones.world import Broken, Fault, PhoneWorld, Reports

MAX_BODY = 64 * 1024
IDLE_S = 60.0  #: a connection without a request
HANG_S = 30.0  #: how long a request that is never answered is held
TICK_S = 0.01
HEARTBEAT_S = 5.0

_PHRASES = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}
#: The page loads nothing from elsewhere and runs no script but its own.
_SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_FILES = {
    "/": ("handsets.html", "text/html; charset=utf-8"),
    "/handsets.css": ("handsets.css", "text/css; charset=utf-8"),
    "/handsets.js": ("handsets.js", "text/javascript; charset=utf-8"),
}


class Server(socketserver.ThreadingTCPServer):
    """Serves one world; a thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, world: PhoneWorld, address: tuple[str, int], people: Sequence[dict[str, str]]) -> None:
        super().__init__(address, _Connection)
        self.world = world
        self.people = people
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours."""

    def stop(self) -> None:
        self.closing.set()
        with self.world.changed:
            self.world.changed.notify_all()
        self.shutdown()
        self.server_close()


def serve(world: PhoneWorld, host: str = "127.0.0.1", port: int = 0, people: Sequence[dict[str, str]] = ()) -> Server:
    """A running server; `people` are the handsets that the page shows from the start: name, number, role, language."""
    server = Server(world, (host, port), people)
    for name, work in (("requests", _serve), ("time", _settle), ("webhooks", _call)):
        threading.Thread(target=work, args=(server,), name=f"phones-{name}", daemon=True).start()
    return server


def _serve(server: Server) -> None:
    server.serve_forever(poll_interval=0.05)


def _settle(server: Server) -> None:
    while not server.closing.wait(TICK_S):
        server.world.settle()


def _call(server: Server) -> None:
    while not server.closing.wait(TICK_S):
        with contextlib.suppress(OSError):
            server.world.call()


class _Connection(socketserver.StreamRequestHandler):
    """HTTP/1.1 by hand: the standard library's takes longer to read a request than the world to answer it."""

    server: Server
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError, Broken):
            while self._one():
                pass

    def _one(self) -> bool:
        """Reads and answers one request; whether the connection stays."""
        line = self.rfile.readline(8192).decode("latin-1").split()
        if len(line) != 3:
            return False
        method, target, _ = line
        headers = self._headers()
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > MAX_BODY:
            self._send(HttpResponse(400, b"", {"connection": "close"}))
            return False
        body = self.rfile.read(int(length))
        parts = urlsplit(target)
        if parts.path.startswith("/2010-04-01/"):
            self._api(method, target, headers, body)
        elif not _named_as_here(headers):
            self._send(HttpResponse(421, b""))
        elif parts.path == "/events" and method == "GET":
            self._events(int(headers.get("last-event-id") or 0))
            return False
        else:
            self._send(self._page(method, parts.path, dict(parse_qsl(parts.query)), headers, body))
        return headers.get("connection", "").lower() != "close"

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while (line := self.rfile.readline(8192)) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
            if len(headers) > 100:
                raise ValueError("too many headers")
        return headers

    def _send(self, answer: HttpResponse) -> None:
        head = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Other')}", f"date: {formatdate(usegmt=True)}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        head += [f"content-length: {len(answer.body)}", "", ""]
        self.wfile.write("\r\n".join(head).encode("latin-1") + answer.body)

    # --- the API ------------------------------------------------------------------------------------------------------

    def _api(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        try:
            answer = self.server.world.answer(method, target, form, _login(headers))
        except Broken as broken:
            self._break(broken)
            answer = broken.answer
        self._send(answer)
        self.server.world.settle()

    def _break(self, broken: Broken) -> None:
        """Waits and returns when the answer is only slow; else this connection ends here."""
        if broken.fault is Fault.SLOW:
            self.server.closing.wait(broken.seconds)
            return
        if broken.fault in (Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER):
            self.connection.settimeout(HANG_S)
            self.connection.recv(1)  # until the client gives up
        else:
            # With a linger of zero the system sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        raise broken

    # --- the page -----------------------------------------------------------------------------------------------------

    def _page(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> HttpResponse:
        world = self.server.world
        if method == "GET":
            if path in _FILES:
                return _file(*_FILES[path])
            if path == "/people":
                return _json(list(self.server.people))
            if path == "/ledger":
                return _json(_ledger(world, int(query.get("since", 0))))
            return HttpResponse(404, b"")
        if not _ours(headers):
            return HttpResponse(403, b"")
        try:
            told = json.loads(body)
            return _apply(world, path, told)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return HttpResponse(400, str(error).encode())

    def _events(self, last: int) -> None:
        """The ledger as it grows, from after entry `last`; a comment when nothing happens."""
        head = {**_SAFE, "content-type": "text/event-stream", "connection": "close"}
        lines = [f"{name}: {value}" for name, value in head.items()]
        self.wfile.write("\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode())
        world = self.server.world
        while not self.server.closing.is_set():
            with world.changed:
                if len(world.ledger) <= last:
                    world.changed.wait(HEARTBEAT_S)
                entries = world.ledger[last:]
            told = "".join(f"id: {entry.number}\ndata: {json.dumps(asdict(entry))}\n\n" for entry in entries)
            self.wfile.write(told.encode() or b": still here\n\n")
            last += len(entries)


def _named_as_here(headers: dict[str, str]) -> bool:
    """The browser believes to be on this machine: no foreign name leads here (DNS rebinding).

    The API may have any name: whoever asks it knows its token.
    """
    return urlsplit(f"//{headers.get('host', '')}").hostname in ("127.0.0.1", "localhost")


def _ours(headers: dict[str, str]) -> bool:
    """A write comes from our own page or from a program, never from another page (its Origin, its content type)."""
    origin = headers.get("origin")
    host = headers.get("host", "")
    is_json = headers.get("content-type", "").partition(";")[0] == "application/json"
    return is_json and origin in (None, f"http://{host}") and headers.get("sec-fetch-site") in (None, "same-origin")


def _apply(world: PhoneWorld, path: str, told: dict[str, Any]) -> HttpResponse:
    """Raises ValueError, KeyError, TypeError or AttributeError for what cannot be understood."""
    if path == "/write":
        return _json({"sid": world.write(str(told["handset"]), str(told["text"])[:1600])})
    if path == "/faults":
        world.fail(Fault(told.pop("fault")), **told)
        return _json({})
    if path == "/settings":
        for name, value in told.items():
            _set(world, name, value)
        return _json({})
    return HttpResponse(404, b"")


def _set(world: PhoneWorld, name: str, value: Any) -> None:
    match name:
        case "delay_ms":
            world.delay = Span(int(value) * MILLISECOND)
        case "list_lag_ms":
            world.list_lag = Span(int(value) * MILLISECOND)
        case "paced":
            world.paced = bool(value)
        case "list_fails":
            world.list_fails = bool(value)
        case "reports":
            world.reports = Reports(value)
        case "outcomes":
            world.outcomes = {number: (status, code) for number, (status, code) in value.items()}
        case _:
            raise ValueError(f"no setting is called {name}")


def _login(headers: dict[str, str]) -> tuple[str, str] | None:
    scheme, _, told = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(told).decode().partition(":")
    except ValueError:
        return None
    return name, password


def _ledger(world: PhoneWorld, since: int) -> dict[str, Any]:
    with world.changed:
        entries = [asdict(entry) for entry in world.ledger[since:] if not entry.written]
        return {"entries": entries, "last": len(world.ledger)}


def _file(name: str, kind: str) -> HttpResponse:
    data = (files("vorab.testing.phones") / name).read_bytes()
    return HttpResponse(200, data, {"content-type": kind, **_SAFE})


def _json(value: object) -> HttpResponse:
    return HttpResponse(200, json.dumps(value).encode(), {"content-type": "application/json", **_SAFE})


class WallClock:
    """Implements vorab.ports.Clock."""

    def now(self) -> Any:
        return time.time_ns() // 1000
