"""Speech between a browser (WebRTC, by aiortc) and a loudspeaker (deploy.media.rtsp)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Literal

import av
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack
from av.audio.codeccontext import AudioCodecContext
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler

from vorab.errors import Malformed

RATE = 8_000  #: samples a second, of G.711
PACKET = 160  #: samples, 20 ms
BEHIND = RATE  #: bytes of 16-bit samples that wait for the browser at the most: half a second
GONE_S = 10.0  #: a browser whose microphone is silent on the wire for so long is not there any more
_AV = {"PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}


def _context(codec: str, mode: Literal["r", "w"]) -> AudioCodecContext:
    context = av.CodecContext.create(_AV[codec], mode)
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format = RATE, AudioLayout("mono"), AudioFormat("s16")
    return context


class Encoder:
    """Sound of any kind to G.711."""

    def __init__(self, codec: str) -> None:
        self._context = _context(codec, "w")
        self._resampler = AudioResampler(format="s16", layout="mono", rate=RATE, frame_size=PACKET)

    def encode(self, frame: AudioFrame) -> Iterator[bytes]:
        """Packets of 20 ms; what is left over comes with the next frame."""
        for piece in self._resampler.resample(frame):
            for packet in self._context.encode(piece):
                yield bytes(packet)


class Decoder:
    """G.711 to 16-bit samples."""

    def __init__(self, codec: str) -> None:
        self._context = _context(codec, "r")

    def decode(self, speech: bytes) -> bytes:
        frames = self._context.decode(av.Packet(speech))
        return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)


def recording(path: Path, codec: str) -> list[bytes]:
    """A sound file as packets of 20 ms.  Raises Malformed."""
    try:
        with av.open(str(path)) as file:
            encoder = Encoder(codec)
            return [packet for frame in file.decode(audio=0) for packet in encoder.encode(frame)]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise Malformed(f"{path.name} cannot be played: {type(error).__name__}") from None


class Place(AudioStreamTrack):
    """What the microphone of a place says, as a track for the browser: silence where nothing comes."""

    def __init__(self) -> None:
        super().__init__()
        self._unheard = bytearray()
        self._decoder: Decoder | None = None

    def says(self, speech: bytes, codec: str) -> None:
        """The oldest is dropped when the browser is behind."""
        self._decoder = self._decoder or Decoder(codec)
        self._unheard += self._decoder.decode(speech)
        del self._unheard[: max(0, len(self._unheard) - BEHIND)]

    async def recv(self) -> AudioFrame:
        """20 ms, when they are due."""
        frame = await super().recv()
        assert isinstance(frame, AudioFrame)
        if len(self._unheard) >= PACKET * 2:
            frame.planes[0].update(bytes(self._unheard[: PACKET * 2]))
            del self._unheard[: PACKET * 2]
        return frame


class Browser:
    """One browser that has offered to talk.  `pushed` gets True and False, as the button goes down and up."""

    def __init__(self, pushed: Callable[[bool], None]) -> None:
        self.place = Place()
        self._pushed = pushed
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))  # nobody outside is asked
        self._microphone: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        self._channel: RTCDataChannel | None = None
        self._peer.on("track", self._on_track)
        self._peer.on("datachannel", self._on_channel)

    async def answer(self, sdp: str) -> str:
        """Our answer to its offer, with all addresses in it.  Raises Malformed."""
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        except Exception as error:  # the library raises whatever it stumbles over
            raise Malformed(f"no offer that can be answered ({type(error).__name__})") from None
        if not self._microphone.done():
            raise Malformed("an offer without a microphone")
        self._peer.addTrack(self.place)
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        return str(self._peer.localDescription.sdp)

    async def speech(self) -> AsyncIterator[AudioFrame]:
        """What is said into the microphone, all the time; ends when the browser has gone away."""
        track = await self._microphone
        while True:
            try:
                async with asyncio.timeout(GONE_S):
                    frame = await track.recv()
            except (TimeoutError, MediaStreamError):
                return
            if isinstance(frame, AudioFrame):
                yield frame

    def tell(self, why: str) -> None:
        """On its data channel, if it has one."""
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(why)

    async def close(self) -> None:
        await self._peer.close()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and not self._microphone.done():
            self._microphone.set_result(track)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == "ptt" and self._channel is None:
            self._channel = channel
            channel.on("message", self._on_message)

    def _on_message(self, message: object) -> None:
        if message in ("down", "up"):
            self._pushed(message == "down")
