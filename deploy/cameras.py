"""Live pictures for the desk: each camera is read once, for all who look, and only while somebody does."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from deploy import runtime
from deploy.media import camera
from vorab.errors import TemporaryFailure
from vorab.model import PlaceId
from vorab.site import Camera, Site

PICTURES_A_SECOND = 8
UNSEEN_S = 5.0  #: after the last one has looked away, the camera is left
AGAIN_S = (0.2, 1.0, 2.0, 5.0, 10.0)  #: until it is opened once more; each time that fails, the next

Stream = Callable[[Camera], AsyncGenerator[bytes]]


class SiteCameras:
    """Implements console.ports.Cameras.  Lives in one event loop."""

    def __init__(self, site: Site, found: runtime.Runtime, stream: Stream = camera.stream) -> None:
        self._cameras = runtime.cameras(site, found)
        self._feeds: dict[Camera, _Feed] = {}
        self._stream = stream

    def has(self, place: str) -> bool:
        return place in self._cameras

    async def frames(self, place: str) -> AsyncGenerator[bytes]:
        """The newest picture each time it is asked for one: who is slow misses some, and nobody waits for him."""
        seen = self._cameras.get(PlaceId(place))
        if seen is None:
            raise TemporaryFailure("there is no camera here")
        feed = self._feeds.get(seen)
        if feed is None:
            feed = self._feeds[seen] = _Feed(lambda: self._stream(seen), lambda gone: self._forget(seen, gone))
        async with contextlib.aclosing(feed.look()) as pictures:
            async for picture in pictures:
                yield picture

    def _forget(self, seen: Camera, feed: "_Feed") -> None:
        """Who looks from now on opens it anew."""
        if self._feeds.get(seen) is feed:
            del self._feeds[seen]


class _Feed:
    """One camera while somebody looks at it; `left` is called when nobody does any more."""

    def __init__(self, opened: Callable[[], AsyncGenerator[bytes]], left: Callable[["_Feed"], None]) -> None:
        self._open, self._left = opened, left
        self._viewers = 0
        self._picture, self._number = b"", 0
        self._failure = ""  #: why there is none just now
        self._changed = asyncio.Event()
        self._closing: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._read())
        self._task.add_done_callback(lambda _: left(self))

    async def look(self) -> AsyncGenerator[bytes]:
        self._viewers += 1
        if self._closing is not None:
            self._closing.cancel()
        seen = 0
        try:
            while True:
                while self._number == seen and not self._failure:
                    await self._changed.wait()
                if self._failure:
                    raise TemporaryFailure(self._failure)
                seen = self._number
                yield self._picture
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._closing = asyncio.get_running_loop().call_later(UNSEEN_S, self._leave)

    def _leave(self) -> None:
        self._left(self)  # first: until it has let go a second may pass
        self._task.cancel()

    async def _read(self) -> None:
        """Until it is cancelled.  The first break of a stream that worked is mended without a word."""
        tries = 0
        while True:
            try:
                async with contextlib.aclosing(self._open()) as pictures:
                    await self._show(pictures)
            except Exception as error:  # whatever a camera says: those who look are told
                failure = error if isinstance(error, TemporaryFailure) else f"the camera: {type(error).__name__}"
                tries = 0 if self._was_shown else tries
                if tries or not self._number:
                    self._now(self._picture, str(failure))
            await asyncio.sleep(AGAIN_S[min(tries, len(AGAIN_S) - 1)])
            tries += 1

    async def _show(self, pictures: AsyncIterator[bytes]) -> None:
        loop, due_at = asyncio.get_running_loop(), 0.0
        self._was_shown = False
        async for picture in pictures:
            if loop.time() >= due_at:
                due_at = loop.time() + 1 / PICTURES_A_SECOND
                self._was_shown = True
                self._number += 1
                self._now(picture)

    def _now(self, picture: bytes, failure: str = "") -> None:
        self._picture, self._failure = picture, failure
        self._changed.set()
        self._changed = asyncio.Event()
