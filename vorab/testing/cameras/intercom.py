"""A simulated loudspeaker with a microphone: RTSP with an ONVIF audio back-channel, PCMU, in one TCP connection.

What is said to it is kept for 10 s; its microphone hears a quiet tick each second.
"""

import asyncio
import contextlib
import math
import re
import secrets
import struct
import time
from collections import deque
from collections.abc import Callable

RATE, PACKET = 8_000, 160  #: samples a second, and of 20 ms
KEPT = 10 * RATE
LINE, LINES = 4096, 50
IDLE_S = 70.0  #: a client that gives no sign of life for so long is left
BACK_CHANNEL = "www.onvif.org/ver20/backchannel"

_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=loudspeaker\r\nt=0 0\r\na=control:*\r\n"
_HEARS = "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:microphone\r\na=recvonly\r\n"
_SPEAKS = "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:loudspeaker\r\na=sendonly\r\n"


def _linear(code: int) -> int:
    """G.711, table 2a: µ-law to 16 bits."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -size if code & 0x80 else size


LINEAR = [_linear(code) for code in range(256)]
_SILENCE, _TICK = b"\xff" * PACKET, b"\xff" * (PACKET - 16) + b"\xb0\x30" * 8


class Speaker:
    """What one loudspeaker has been told."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._heard: deque[int] = deque(maxlen=KEPT)  #: samples, µ-law
        self.count = 0  #: samples, ever
        self.heard_at: float | None = None  #: when the last came; seconds since 1970

    def hears(self, samples: bytes) -> None:
        self._heard.extend(samples)
        self.count += len(samples)
        self.heard_at = self._clock()

    def level(self) -> float:
        """Of the last half second of sound, in dB below the loudest there is; -inf = silence."""
        newest = [LINEAR[code] for code in list(self._heard)[-RATE // 2 :]]
        power = sum(value * value for value in newest) / max(1, len(newest))
        return 10 * math.log10(power / 32768**2) if power else -math.inf

    def wave(self) -> bytes:
        """The last 10 s as a WAV file, µ-law."""
        data = bytes(self._heard)
        form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 7, 1, RATE, RATE, 1, 8, 0)
        rest = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data + b"\0" * (len(data) % 2)
        return struct.pack("<4sI", b"RIFF", len(rest)) + rest


class Intercom:
    """Serves the loudspeakers of these names at rtsp://127.0.0.1:PORT/NAME."""

    def __init__(self, names: list[str]) -> None:
        self.speakers = {name: Speaker() for name in names}
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
        session = _Session(self.speakers, reader, writer)
        try:
            with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await session.run()
        finally:
            session.close()
            self._open.discard(task)


class _Session:
    def __init__(
        self, speakers: dict[str, Speaker], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._speakers, self._reader, self._writer = speakers, reader, writer
        self._id = secrets.token_hex(4)
        self._channels: dict[str, int] = {}  #: track → interleaved channel
        self._speaker: Speaker | None = None
        self._microphone: asyncio.Task[None] | None = None

    async def run(self) -> None:
        while True:
            async with asyncio.timeout(IDLE_S):
                first = await self._reader.readexactly(1)
                if first == b"$":
                    await self._packet()
                elif not await self._request(first):
                    return

    def close(self) -> None:
        if self._microphone is not None:
            self._microphone.cancel()
        self._writer.close()

    async def _packet(self) -> None:
        channel, length = struct.unpack(">BH", await self._reader.readexactly(3))
        packet = await self._reader.readexactly(length)
        if channel == self._channels.get("loudspeaker") and length > 12 and self._speaker is not None:
            self._speaker.hears(packet[12 + 4 * (packet[0] & 0x0F) :])

    async def _request(self, first: bytes) -> bool:
        """Whether the client stays."""
        method, url, _ = (first + await self._reader.readline()).decode("latin-1").split()
        headers: dict[str, str] = {}
        while line := (await self._reader.readline()).decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
            if len(headers) > LINES:
                raise ValueError("too many headers")
        name, _, track = re.sub(r"^rtsp://[^/]*/", "", url).partition("/")
        speaker = self._speakers.get(name)
        if speaker is None and method != "OPTIONS":
            self._answer(headers, "404 Not Found")
        elif method == "DESCRIBE":
            sdp = _SDP + _HEARS + (_SPEAKS if headers.get("require") == BACK_CHANNEL else "")
            self._answer(headers, "200 OK", f"Content-Base: {url}/", "Content-Type: application/sdp", body=sdp)
        elif method == "SETUP":
            channel = re.search(r"interleaved=(\d+)", headers.get("transport", ""))
            if channel is None or track not in ("microphone", "loudspeaker"):
                self._answer(headers, "461 Unsupported Transport")
            else:
                self._channels[track] = int(channel[1])
                self._answer(headers, "200 OK", f"Transport: {headers['transport']}", f"Session: {self._id};timeout=60")
        else:
            self._answer(headers, "200 OK", f"Session: {self._id}")
        if method == "PLAY" and self._microphone is None:
            self._speaker = speaker
            if "microphone" in self._channels:
                self._microphone = asyncio.create_task(self._listen(self._channels["microphone"]))
        return method != "TEARDOWN"

    def _answer(self, headers: dict[str, str], status: str, *more: str, body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *more]
        lines += [f"Content-Length: {len(body)}"] if body else []
        self._writer.write("\r\n".join([*lines, "", body]).encode())

    async def _listen(self, channel: int) -> None:
        """What the microphone hears: a tick each second."""
        begun, count = asyncio.get_running_loop().time(), 0
        while not self._writer.transport.is_closing():
            sound = _TICK if count % 50 == 0 else _SILENCE
            head = struct.pack(">BBHII", 0x80, 0, count & 0xFFFF, count * PACKET & 0xFFFFFFFF, 1)
            self._writer.write(struct.pack(">cBH", b"$", channel, len(head) + PACKET) + head + sound)
            count += 1
            await asyncio.sleep(max(0.0, begun + count * PACKET / RATE - asyncio.get_running_loop().time()))
