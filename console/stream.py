"""The live stream: one look at the store for all, each frame encoded once a language, nobody waits for a slow one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from console.ports import Reader
from vorab.errors import TemporaryFailure
from vorab.model import Incident

BEAT_S = 5.0
PACE_S = 0.02  #: between two looks: in a storm, contact rings hundreds of times a second
REPLAY = 500  #: journal lines; who is further behind reads everything anew
WAITING = 100  #: frames that one browser may be behind


def frame(event: str, data: bytes = b"{}", number: int | None = None) -> bytes:
    """One event of text/event-stream.  `data` is JSON in one line."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: %b\ndata: %b\n\n" % (event.encode(), data)


BEAT = frame("beat")
TOUCHED = frame("touched")  #: something else changed, e.g. a receipt came: read again what is shown
RESYNC = frame("resync")  #: events were left out: read everything again


Render = Callable[[Incident, str], bytes]  #: an incident in this language, as JSON


class Changed:
    """An incident as it is now: encoded once for each language, when the first browser of it takes it."""

    def __init__(self, incident: Incident, number: int, render: Render) -> None:
        self._incident = incident
        self._number = number
        self._render = render
        self._frames: dict[str, bytes] = {}

    def spoken(self, language: str) -> bytes:
        if language not in self._frames:
            self._frames[language] = frame("incident", self._render(self._incident, language), self._number)
        return self._frames[language]


class Stream:
    """Events, by the number of the journal: `incident` (as in the list), `touched`, `resync`, and a `beat` each 5 s.

    An event may come twice around a reconnect; each carries the incident as it is, so that nothing is counted twice.
    """

    def __init__(self, reader: Reader, render: Render) -> None:
        self._reader = reader
        self._render = render
        self._browsers: set[asyncio.Queue[bytes | Changed | None]] = set()
        self._journal: int | None = None
        self._audit = 0
        self._closed = False

    async def run(self, woken: Callable[[], Awaitable[None]]) -> None:
        """Looks whenever `woken` returns, and beats; until it is cancelled."""
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + BEAT_S
        while True:
            with suppress(TemporaryFailure):  # the store is away: the beats go on, /api/health says it
                await self.look()
            if loop.time() >= beat_at:
                self._send(BEAT)
                beat_at += BEAT_S
            await asyncio.sleep(PACE_S)
            await woken()

    async def look(self) -> None:
        """Everybody has what changed since the last look.  Raises TemporaryFailure."""
        position = await run_in_threadpool(self._reader.position)
        if self._journal is None:
            self._journal, self._audit = position.journal, position.audit
        if position.journal > self._journal:
            for line in await self._since(self._journal):
                self._send(line)
            self._journal = position.journal
        elif position.audit > self._audit:
            self._send(TOUCHED)
        self._audit = position.audit

    async def frames(self, language: str, after: int | None, is_alive: Callable[[], bool]) -> AsyncIterator[bytes]:
        """What one browser gets that has seen everything up to `after` (None = nothing yet), while `is_alive`."""
        queue: asyncio.Queue[bytes | Changed | None] = asyncio.Queue(WAITING)
        self._browsers.add(queue)  # first, so that nothing falls between the replay and the live events
        try:
            yield b"retry: 1000\n\n" + BEAT
            if after is not None:
                for line in await self._since(after):
                    yield _spoken(line, language)
            while not self._closed and is_alive():
                if (waiting := await queue.get()) is None:
                    return
                yield _spoken(waiting, language)
        finally:
            self._browsers.discard(queue)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Every stream ends now."""
        self._closed = True
        self._send(None)

    async def _since(self, after: int) -> list[bytes | Changed]:
        position = await run_in_threadpool(self._reader.position)
        changed = await run_in_threadpool(self._reader.changed, after, REPLAY)
        if changed is None or after > position.journal:  # too far behind, or of another data folder
            return [frame("resync", number=position.journal)]
        return [Changed(incident, number, self._render) for number, incident in changed]

    def _send(self, content: bytes | Changed | None) -> None:
        for queue in self._browsers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(RESYNC)
            queue.put_nowait(content)


def _spoken(content: bytes | Changed, language: str) -> bytes:
    return content if isinstance(content, bytes) else content.spoken(language)
