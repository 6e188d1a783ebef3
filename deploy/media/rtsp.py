"""The line to a loudspeaker: RTSP with an audio back-channel, all in one TCP connection.

RFC 2326; ONVIF Streaming Specification, 5.3 "Back channel connection": the device lists a track `a=sendonly` when it is
asked with `Require: www.onvif.org/ver20/backchannel`.  Its microphone, where it has one that speaks G.711, comes back.
"""

import asyncio
import contextlib
import re
import secrets
import struct
from collections.abc import Awaitable, Callable, Coroutine
from urllib.parse import urlsplit

from msgspec import Struct

from deploy.media.camera import in_words
from deploy.media.message import LINE, Head, authorise, read_head
from vorab.errors import Malformed, TemporaryFailure
from vorab.site import Intercom

CONNECT_S = 5.0  #: until everything is agreed
ALIVE_S = 20.0  #: between two signs of life; devices give up after 60 s (RFC 2326, 12.37)
ANSWER_S = 5.0  #: to a sign of life
BODY = 64 * 1024  #: bytes of an answer's body
UNSENT = 16 * 1024  #: bytes that wait to be sent; what comes above that (two seconds of speech) is dropped
REQUIRE = ("Require", "www.onvif.org/ver20/backchannel")
WHAT = "the loudspeaker"
PORT = 554

Connect = Callable[[str, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

#: Payload type → name of the codec (RFC 3551, table 4); 8,000 samples a second, one byte each.
CODECS = {0: "PCMU", 8: "PCMA"}


class Track(Struct, frozen=True):
    control: str  #: address
    payload: int  #: type
    codec: str


class Description(Struct, frozen=True):
    """What the device offers."""

    loudspeaker: Track
    microphone: Track | None


def describe(sdp: str, base: str) -> Description:
    """Raises Malformed when there is no loudspeaker that understands G.711."""
    there, back = None, None
    for section in re.split(r"(?m)^m=", sdp)[1:]:
        track = _track(section, base)
        if track is not None and re.search(r"(?m)^a=sendonly\s*$", section):
            there = there or track
        elif track is not None:
            back = back or track
    if there is None:
        raise Malformed("it has no loudspeaker that can be spoken to (ONVIF back-channel with PCMU or PCMA)")
    return Description(there, back)


def _track(section: str, base: str) -> Track | None:
    line = re.match(r"audio \d+ \S+ ((?:\d+ ?)+)", section)
    control = re.search(r"(?m)^a=control:(\S+)", section)
    if line is None or control is None:
        return None
    named = dict(re.findall(r"(?m)^a=rtpmap:(\d+) (\w+)/8000(?:/1)?\s*$", section))
    for payload in line[1].split():
        codec = named.get(payload, "").upper() or CODECS.get(int(payload), "")
        if codec in CODECS.values() and int(payload) < 128:  # seven bits on the wire
            address = control[1] if control[1].startswith("rtsp://") else f"{base.rstrip('/')}/{control[1]}"
            return Track(address, int(payload), codec)
    return None


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(host, port, limit=LINE)


class Line:
    """One loudspeaker.  `heard` gets what its microphone says, with the codec; `ended` why the line broke."""

    def __init__(
        self,
        intercom: Intercom,
        heard: Callable[[bytes, str], None],
        ended: Callable[[str], None],
        connect: Connect = _connect,
    ) -> None:
        self._intercom, self._connect = intercom, connect
        self._heard, self._ended = heard, ended
        self._challenges: list[str] = []
        self._session = ""
        self._count = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._answers: asyncio.Queue[Head] = asyncio.Queue(maxsize=1)
        self._ssrc, self._sequence = secrets.randbits(32), secrets.randbits(15)
        self._is_pause = True  #: the next packet begins a spurt of speech
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self.description: Description

    async def open(self) -> None:
        """Raises TemporaryFailure within 5 s."""
        parts = urlsplit(self._intercom.url)
        try:
            with in_words(WHAT):
                async with asyncio.timeout(CONNECT_S):
                    self._reader, self._writer = await self._connect(parts.hostname or "", parts.port or PORT)
                    await self._agree()
        except BaseException:
            self._abort()
            raise
        self._tasks = [asyncio.create_task(self._kept(self._receive())), asyncio.create_task(self._kept(self._live()))]

    def send(self, samples: bytes, at: int) -> None:
        """G.711 for the loudspeaker; `at` counts samples, those of pauses too.  Dropped when the device is too slow."""
        assert self._writer is not None
        transport = self._writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() > UNSENT:
            return
        first = 0x80 if self._is_pause else 0  # the marker, RFC 3551, 4.1
        kind = first | self.description.loudspeaker.payload
        head = struct.pack(">BBHII", 0x80, kind, self._sequence & 0xFFFF, at & 0xFFFFFFFF, self._ssrc)
        self._sequence += 1
        self._is_pause = False
        self._writer.write(struct.pack(">cBH", b"$", 0, len(head) + len(samples)) + head + samples)

    def pause(self) -> None:
        self._is_pause = True

    async def close(self) -> None:
        """The device is told, and has a second to hear it."""
        for task in self._tasks:
            task.cancel()
        if self._writer is None:
            return
        with contextlib.suppress(OSError, TimeoutError):
            self._request("TEARDOWN", self._intercom.url)
            async with asyncio.timeout(1):
                await self._writer.drain()
                self._writer.close()
                await self._writer.wait_closed()
        self._abort()

    def _abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    # --- agreeing -----------------------------------------------------------------------------------------------------

    async def _agree(self) -> None:
        url = self._intercom.url
        head, body = await self._ask("DESCRIBE", url, ("Accept", "application/sdp"), REQUIRE)
        base = head.one("content-base") or head.one("content-location") or url
        found = self.description = describe(body.decode("utf-8", "replace"), base)
        await self._set_up(found.loudspeaker, "0-1")
        if found.microphone is not None:
            await self._set_up(found.microphone, "2-3")
        await self._ask("PLAY", base, REQUIRE)

    async def _set_up(self, track: Track, channels: str) -> None:
        transport = f"RTP/AVP/TCP;unicast;interleaved={channels}"
        head, _ = await self._ask("SETUP", track.control, ("Transport", transport), REQUIRE)
        self._session = head.one("session").partition(";")[0].strip() or self._session
        if re.search(r"interleaved=(\d+)", head.one("transport")) and f"interleaved={channels}" not in head.one(
            "transport"
        ):
            raise Malformed("it chooses other channels than were agreed")

    async def _ask(self, method: str, url: str, *headers: tuple[str, str]) -> tuple[Head, bytes]:
        """Asked a second time where the device wants to know who we are."""
        for is_last in (False, True):
            self._request(method, url, *headers)
            head, body = await self._answer()
            if head.status != 401 or is_last or not self._intercom.user:
                break
            self._challenges = head.every("www-authenticate")
        if head.status in (401, 403):
            raise TemporaryFailure(f"{WHAT} does not let us in: look at user and password in the site folder")
        if head.status == 551:
            raise TemporaryFailure(f"{WHAT} has no audio back-channel")
        if head.status != 200:
            raise TemporaryFailure(f"{WHAT} answers {method} with status {head.status}")
        return head, body

    async def _answer(self) -> tuple[Head, bytes]:
        """The next answer; what comes in between is no concern yet."""
        while (first := await self._reader.readexactly(1)) == b"$":
            await self._packet()
        return await self._message(first)

    def _request(self, method: str, url: str, *headers: tuple[str, str]) -> None:
        assert self._writer is not None
        self._count += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._count}", "User-Agent: vorab"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Session: {self._session}"] if self._session else []
        user, password = self._intercom.user, self._intercom.password
        if self._challenges and (said := authorise(self._challenges, method, url, user, password)):
            lines.append(f"Authorization: {said}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode())

    # --- what comes ---------------------------------------------------------------------------------------------------

    async def _message(self, first: bytes) -> tuple[Head, bytes]:
        head = await read_head(self._reader, first)
        length = head.one("content-length") or "0"
        if not (length.isascii() and length.isdigit()) or len(length) > 6 or int(length) > BODY:
            raise Malformed("an answer that is too long")
        return head, await self._reader.readexactly(int(length))

    async def _packet(self) -> tuple[int, bytes]:
        channel, length = struct.unpack(">BH", await self._reader.readexactly(3))
        return channel, await self._reader.readexactly(length)

    async def _kept(self, work: Coroutine[None, None, None]) -> None:
        """Says once why the line has broken."""
        try:
            with in_words(WHAT):
                await work
        except TemporaryFailure as failure:
            self._ended(str(failure))

    async def _receive(self) -> None:
        microphone = self.description.microphone
        while True:
            first = await self._reader.readexactly(1)
            if first == b"$":
                channel, packet = await self._packet()
                if channel == 2 and microphone is not None and (speech := spoken(packet, microphone.payload)):
                    self._heard(speech, microphone.codec)
            elif not self._answers.full():
                self._answers.put_nowait((await self._message(first))[0])
            else:
                raise Malformed("answers that nobody asked for")

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_S)
            self._request("OPTIONS", self._intercom.url, REQUIRE)
            async with asyncio.timeout(ANSWER_S):
                head = await self._answers.get()
            if head.status == 401:
                self._challenges = head.every("www-authenticate")  # its nonce was too old: next time


def spoken(packet: bytes, payload: int) -> bytes:
    """What an RTP packet of this payload type carries (RFC 3550, 5.1); b"" = it is none."""
    if len(packet) < 12 or packet[0] >> 6 != 2 or packet[1] & 0x7F != payload:
        return b""
    begin = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        if len(packet) < begin + 4:
            return b""
        begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4], "big")
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return packet[begin:end]
