"""The phone world on a socket: the API for the product, a page of handsets for people, the ledger for tests.

POST, GET /2010-04-01/…      as at Twilio
GET  /                       the handsets; /handsets.css, /handsets.js, /words, /people, /events (EventSource)
POST /write                  {"handset", "text"}: the person writes
POST /call                   {"handset", "action": pick_up | press | hang_up, "key"}: {"done": whether there is a call}
GET  /sound?call=SID&said=N  the recording that is the sentence N of this call
GET  /picture?mail=N         the picture in the mail with this number in the ledger
GET  /ledger?since=N         what every handset received: {"entries": [{"kind": sms | call | mail, …}], "last": N}
POST /faults                 {"fault", "times", "on", "to", "code", "seconds"}: the next requests go wrong
POST /settings               {"delay_ms", "speech_ms", "paced", "reports", "list_lag_ms", "list_fails", "outcomes",
                             "lines"}
SMTP                         mail for the mailboxes, on a port of its own
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

from aiosmtpd.controller import Controller

from vorab.model import MILLISECOND, Span
from vorab.ports import HttpResponse
from vorab.testing.phones import outside, smtp
from vorab.testing.phones.conversation import Call
from vorab.testing.phones.world import Broken, Fault, Line, PhoneWorld, Received, Reports

MAX_BODY = 64 * 1024
IDLE_S = 60.0  #: a connection without a request
HANG_S = 30.0  #: how long a request that is never answered is held
TICK_S = 0.01
HEARTBEAT_S = 5.0
WEBHOOKS = 4  #: called at the same time

_PHRASES = {200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}
#: The page loads nothing from elsewhere and runs no script but its own.
_SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_FILES = {
    "/": ("handsets.html", "text/html; charset=utf-8"),
    "/handsets.css": ("handsets.css", "text/css; charset=utf-8"),
    "/handsets.js": ("handsets.js", "text/javascript; charset=utf-8"),
    "/words": ("handsets.json", "application/json"),
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
        self.postman: Controller | None = None
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
        if self.postman:
            self.postman.stop()


def serve(
    world: PhoneWorld,
    host: str = "127.0.0.1",
    port: int = 0,
    people: Sequence[dict[str, str]] = (),
    smtp_port: int | None = None,
) -> Server:
    """A running server; `people` are the handsets that the page shows from the start: name, role, language, number,
    mail (the address of the mailbox).
    """
    server = Server(world, (host, port), people)
    if smtp_port is not None:
        server.postman = smtp.listen(world, host, smtp_port)
    for name, work in (("requests", _serve), ("time", _settle), *[("webhooks", _call)] * WEBHOOKS):
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
            if path == "/sound":
                return _sound(world, query)
            if path == "/picture":
                return _picture(world, query)
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
        version = 0
        while not self.server.closing.is_set():
            with world.changed:
                if len(world.ledger) <= last and not world.changed_calls(version):
                    world.changed.wait(HEARTBEAT_S)
                told = [f"id: {entry.number}\ndata: {_entry(world, entry)}\n\n" for entry in world.ledger[last:]]
                last += len(told)
                for call in world.changed_calls(version):
                    version = call.version
                    told.append(f"event: call\ndata: {_call_shown(call)}\n\n")
            self.wfile.write("".join(told).encode() or b": still here\n\n")


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
    if path == "/call":
        return _json({"done": _act(world, str(told["handset"]), told["action"], told.get("key"))})
    if path == "/faults":
        world.fail(Fault(told.pop("fault")), **told)
        return _json({})
    if path == "/settings":
        for name, value in told.items():
            _set(world, name, value)
        return _json({})
    return HttpResponse(404, b"")


def _act(world: PhoneWorld, handset: str, action: str, key: object) -> bool:
    match action:
        case "pick_up":
            return world.pick_up(handset)
        case "press":
            return world.press(handset, str(key))
        case "hang_up":
            return world.hang_up(handset)
    raise ValueError(f"{action!r} is nothing a telephone does")


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
        case "speech_ms":
            world.speech = Span(int(value) * MILLISECOND)
        case "lines":
            world.lines = {number: Line(line) for number, line in value.items()}
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


def _entry(world: PhoneWorld, entry: Received) -> str:
    has_picture = entry.kind == "mail" and world.picture(entry.number) is not None
    return json.dumps(asdict(entry) | {"picture": has_picture})


def _call_shown(call: Call) -> str:
    said = [{"text": one.text, "language": one.language, "recording": bool(one.sound)} for one in call.said]
    shown = {"sid": call.sid, "handset": call.to, "sender": call.sender, "status": call.status, "said": said}
    instants = {"at": call.created_at, "answered_at": call.answered_at, "ended_at": call.ended_at}
    return json.dumps(shown | instants | {"takes_keys": call.takes_keys})


def _sound(world: PhoneWorld, query: dict[str, str]) -> HttpResponse:
    """Only what this call was told to play: no way to anywhere else."""
    url = world.sound(query.get("call", ""), int(query.get("said", -1)))
    answer = outside.sound(url) if url else None
    return HttpResponse(200, answer.body, {**answer.headers, **_SAFE}) if answer else HttpResponse(404, b"")


def _picture(world: PhoneWorld, query: dict[str, str]) -> HttpResponse:
    kind, data = world.picture(int(query.get("mail", 0))) or ("", b"")
    return HttpResponse(200, data, {"content-type": kind, **_SAFE}) if kind else HttpResponse(404, b"")


def _file(name: str, kind: str) -> HttpResponse:
    data = (files("vorab.testing.phones") / name).read_bytes()
    return HttpResponse(200, data, {"content-type": kind, **_SAFE})


def _json(value: object) -> HttpResponse:
    return HttpResponse(200, json.dumps(value).encode(), {"content-type": "application/json", **_SAFE})


class WallClock:
    """Implements vorab.ports.Clock."""

    def now(self) -> Any:
        return time.time_ns() // 1000
