"""Asking the media process (deploy.media_host): to talk at a place, or to play what is recorded for it."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence

import msgspec

from console.ports import Talk
from deploy import runtime
from deploy.runtime import Runtime
from vorab.errors import Malformed, OutcomeUnknown, TemporaryFailure
from vorab.ports import HttpClient
from vorab.site import Site

SECRET = "x-vorab-media"  # noqa: S105 - the name of a header


class Media:
    """The media process as others reach it; every call may block for seconds."""

    def __init__(self, found: Runtime, http: HttpClient) -> None:
        self._port = found.media_port
        self._url = f"http://127.0.0.1:{self._port}"
        self._is_there = found.media_port is not None
        self._headers = {SECRET: found.media_secret}
        self._http = http

    @property
    def is_there(self) -> bool:
        return self._is_there

    def wait(self, within_s: float) -> None:
        """Until the process listens, so long at the most."""
        deadline = time.monotonic() + within_s
        while self._is_there and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.2)

    def ask(self, method: str, path: str, form: Sequence[tuple[str, str]] = ()) -> bytes:
        """Raises Malformed for what it does not understand, TemporaryFailure in its words."""
        if not self._is_there:
            raise TemporaryFailure("this machine cannot speak to loudspeakers: install vorab with the extra camera")
        try:
            answer = self._http.request(method, self._url + path, form=form, headers=self._headers)
        except (TemporaryFailure, OutcomeUnknown):
            raise TemporaryFailure(
                "the process that speaks to loudspeakers does not answer; it is started again"
            ) from None
        if answer.status == 422:
            raise Malformed(answer.body.decode())
        if answer.status >= 300:
            said = answer.body.decode("utf-8", "replace")
            raise TemporaryFailure(
                said if answer.status == 503 else f"the process that speaks to loudspeakers answers {answer.status}"
            )
        return answer.body


class MediaTalks:
    """Implements console.ports.Talks."""

    def __init__(self, site: Site, found: Runtime, http: HttpClient) -> None:
        self._intercoms = runtime.intercoms(site, found)
        self._media = Media(found, http)

    def has(self, place: str) -> bool:
        return place in self._intercoms and self._media.is_there

    async def begin(self, incident: str, place: str, by: str, sdp: str) -> Talk:
        form = [("incident", incident), ("place", place), ("by", by), ("sdp", sdp)]
        return msgspec.json.decode(await asyncio.to_thread(self._media.ask, "POST", "/talks", form), type=Talk)

    async def end(self, talk: str) -> None:
        await asyncio.to_thread(self._media.ask, "POST", "/talks/end", [("talk", talk)])
