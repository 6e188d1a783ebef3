"""The simulated cameras on a socket.

GET /NAME.mjpeg     pictures without end; ?fps=1..15
GET /NAME.jpg       one picture
GET /speaker/NAME   how loud, and when, the loudspeaker of this name was last spoken to; .json, .wav (the last 10 s)
GET /               all of them
"""

import asyncio
import contextlib
import html
import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

from vorab.testing.cameras.drawing import draw
from vorab.testing.cameras.intercom import Speaker
from vorab.testing.cameras.world import World

FPS = 8
LINE, LINES = 8192, 100
IDLE_S = 10.0
BOUNDARY = "picture"
SILENT_DB = -60.0  #: what the meter shows as nothing

_SAFE = (
    "Content-Security-Policy: default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options: nosniff",
    "Cache-Control: no-store",
)
_PAGE = (
    '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">{refresh}'
    "<title>{title}</title><style>body{{font:18px system-ui;margin:2rem;color-scheme:light dark}}"
    "meter{{width:20rem;height:2rem}}img{{max-width:100%}}li{{margin:.5rem}}</style><h1>{title}</h1>{body}"
)


class Server:
    """Pictures of a world and the meters of its loudspeakers."""

    def __init__(self, world: World, speakers: Mapping[str, Speaker], now: Callable[[ZoneInfo], datetime]) -> None:
        self._world, self._speakers, self._now = world, speakers, now
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, port: int = 0) -> int:
        """The port it listens on."""
        self._server = await asyncio.start_server(self._client, "127.0.0.1", port, limit=LINE)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(OSError, ValueError, asyncio.CancelledError):
                async with asyncio.timeout(IDLE_S):
                    method, target, _ = (await reader.readline()).decode("latin-1").split()
                    for _ in range(LINES):
                        if not (await reader.readline()).strip():
                            break
                await self._one(method, target, writer)
                await writer.drain()
        finally:
            writer.close()
            self._open.discard(task)

    async def _one(self, method: str, target: str, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(target)
        path = unquote(parts.path)
        name, _, kind = path.rpartition("/")[2].partition(".")
        if method != "GET":
            self._send(writer, 405, "text/plain", b"")
        elif path == "/":
            self._send(writer, 200, "text/html; charset=utf-8", self._index())
        elif path.startswith("/speaker/") and name in self._speakers:
            self._meter(writer, name, kind)
        elif path == f"/{name}.jpg" and name in self._world.views:
            self._send(writer, 200, "image/jpeg", self._draw(name))
        elif path == f"/{name}.mjpeg" and name in self._world.views:
            wanted = parse_qs(parts.query).get("fps", [str(FPS)])[0]
            await self._film(writer, name, min(15, max(1, int(wanted))))
        else:
            self._send(writer, 404, "text/plain", b"no such camera")

    async def _film(self, writer: asyncio.StreamWriter, name: str, fps: int) -> None:
        """Until the other side has gone."""
        writer.write(_head(200, f"multipart/x-mixed-replace; boundary={BOUNDARY}"))
        while not writer.transport.is_closing():
            picture = self._draw(name)
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            writer.write(head.encode() + picture + b"\r\n")
            await writer.drain()
            await asyncio.sleep(1 / fps)

    def _draw(self, name: str) -> bytes:
        view = self._world.views[name]
        return draw(view.title, self._world.sight(view), self._now(ZoneInfo(view.zone)))

    def _meter(self, writer: asyncio.StreamWriter, name: str, kind: str) -> None:
        speaker = self._speakers[name]
        level = speaker.level()
        if kind == "wav":
            self._send(writer, 200, "audio/wav", speaker.wave())
        elif kind == "json":
            shown = {
                "samples": speaker.count,
                "heard_at": speaker.heard_at,
                "level_db": level if math.isfinite(level) else None,
            }
            self._send(writer, 200, "application/json", json.dumps(shown).encode())
        else:
            at = datetime.fromtimestamp(speaker.heard_at).astimezone() if speaker.heard_at else None
            body = (
                f'<p><meter min="{SILENT_DB}" max="0" value="{max(level, SILENT_DB):.1f}"></meter> '
                f"{max(level, SILENT_DB):.0f} dB</p><p>{f'{at:%H:%M:%S}' if at else '–'}</p>"
                f'<p><audio controls preload="none" src="/speaker/{html.escape(name)}.wav"></audio></p>'
            )
            self._page(writer, f"🔊 {name}", body, refresh=True)

    def _page(self, writer: asyncio.StreamWriter, title: str, body: str, *, refresh: bool = False) -> None:
        again = '<meta http-equiv="refresh" content="1">' if refresh else ""
        page = _PAGE.format(title=html.escape(title), body=body, refresh=again)
        self._send(writer, 200, "text/html; charset=utf-8", page.encode())

    def _index(self) -> bytes:
        views = "".join(
            f'<li><a href="/{html.escape(name)}.mjpeg">📷 {html.escape(view.title)}</a></li>'
            for name, view in self._world.views.items()
        )
        speakers = "".join(
            f'<li><a href="/speaker/{html.escape(name)}">🔊 {html.escape(name)}</a></li>' for name in self._speakers
        )
        return _PAGE.format(title="📷 🔊", body=f"<ul>{views}{speakers}</ul>", refresh="").encode()

    def _send(self, writer: asyncio.StreamWriter, status: int, kind: str, body: bytes) -> None:
        writer.write(_head(status, kind, f"Content-Length: {len(body)}") + body)


def _head(status: int, kind: str, *more: str) -> bytes:
    phrase = "OK" if status == 200 else "No"
    lines = [f"HTTP/1.1 {status} {phrase}", f"Content-Type: {kind}", *_SAFE, *more, "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode()
