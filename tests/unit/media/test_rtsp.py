"""The line to a loudspeaker, against a device whose every byte is written down here."""

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import cast

import pytest

from deploy.media.rtsp import Line, describe, spoken
from tests.unit.media.loop import run
from vorab.errors import Malformed, TemporaryFailure
from vorab.site import Intercom

URL = "rtsp://door.example/talk"
SDP = (
    "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:stream=0\r\n"
    "m=audio 0 RTP/AVP 0\r\na=control:stream=1\r\na=recvonly\r\n"
    "m=audio 0 RTP/AVP 97 0\r\na=rtpmap:97 OPUS/48000/2\r\na=control:stream=2\r\na=sendonly\r\n"
)
OK = "RTSP/1.0 200 OK\r\n"
ANSWERS = {
    "DESCRIBE": f"{OK}Content-Base: {URL}/\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}",
    "SETUP": f"{OK}Session: 77;timeout=60\r\n\r\n",
    "PLAY": f"{OK}\r\n",
    "OPTIONS": f"{OK}\r\n",
}


class Device:
    """A connection and the device behind it: it answers each request as written, and keeps what it got."""

    def __init__(self, answers: Mapping[str, str | bytes | list[str]]) -> None:
        self.requests: list[str] = []
        self.packets: list[bytes] = []
        self.unsent = 0
        self._answers = answers
        self._closing = False
        self.transport = self

    async def connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert (host, port) == ("door.example", 554)
        self.reader = asyncio.StreamReader()
        return self.reader, cast(asyncio.StreamWriter, self)

    def write(self, data: bytes) -> None:
        if data.startswith(b"$"):
            self.packets.append(data)
            return
        self.requests.append(data.decode())
        answer = self._answers.get(self.requests[-1].split()[0], "")
        if isinstance(answer, list):
            answer = answer.pop(0)
        self.says(answer.encode() if isinstance(answer, str) else answer)

    def says(self, data: bytes) -> None:
        if data == b"end":
            self.reader.feed_eof()
        elif data:
            self.reader.feed_data(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self._closing

    def abort(self) -> None:
        self._closing = True

    close = abort

    async def drain(self) -> None: ...

    async def wait_closed(self) -> None: ...


def line(device: Device, heard: list[bytes], ended: list[str], user: str = "") -> Line:
    return Line(Intercom(URL, user, "lion"), lambda speech, _: heard.append(speech), ended.append, device.connect)


def opened(
    device: Device, act: Callable[[Line], None], after_s: float = 0.1, user: str = ""
) -> tuple[list[bytes], list[str]]:
    """What was heard, and why it ended."""
    heard: list[bytes] = []
    ended: list[str] = []

    async def talk() -> None:
        one = line(device, heard, ended, user)
        await one.open()
        act(one)
        await asyncio.sleep(after_s)
        await one.close()

    run(talk())
    return heard, ended


def packet(payload: int, samples: bytes, channel: int = 2) -> bytes:
    rtp = struct.pack(">BBHII", 0x80, payload, 1, 160, 9) + samples
    return struct.pack(">cBH", b"$", channel, len(rtp)) + rtp


def test_the_loudspeaker_is_set_up_and_spoken_to() -> None:
    device = Device(ANSWERS)

    def act(line: Line) -> None:
        line.send(b"\x01" * 160, 160)
        line.send(b"\x02" * 160, 320)
        line.pause()
        line.send(b"\x03" * 160, 8000)

    assert opened(device, act) == ([], [])
    first = [request.partition("\r\n")[0] for request in device.requests]
    assert first == [
        f"DESCRIBE {URL} RTSP/1.0",
        f"SETUP {URL}/stream=2 RTSP/1.0",
        f"SETUP {URL}/stream=1 RTSP/1.0",
        f"PLAY {URL}/ RTSP/1.0",
        f"TEARDOWN {URL} RTSP/1.0",
    ]
    assert all("Require: www.onvif.org/ver20/backchannel\r\n" in request for request in device.requests[:4])
    assert all("Session: 77\r\n" in request for request in device.requests[2:])
    heads = [struct.unpack(">cBHBBHII", one[:16]) for one in device.packets]
    assert [(head[1], head[2], head[4]) for head in heads] == [(0, 172, 0x80), (0, 172, 0), (0, 172, 0x80)]
    assert [head[6] for head in heads] == [160, 320, 8000]
    assert heads[2][5] == heads[0][5] + 2


def test_the_microphone_there_is_heard_and_what_is_not_speech_is_not() -> None:
    device = Device(ANSWERS)

    def act(_: Line) -> None:
        device.says(packet(0, b"abc") + packet(96, b"video") + packet(0, b"elsewhere", channel=0) + packet(0, b"def"))

    assert opened(device, act)[0] == [b"abc", b"def"]


def test_who_asks_for_a_name_gets_it_and_nobody_else_the_password() -> None:
    challenge = 'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\n\r\n'
    device = Device(ANSWERS | {"DESCRIBE": [challenge, ANSWERS["DESCRIBE"]]})
    opened(device, lambda _: None, user="ana")
    assert "Authorization" not in device.requests[0]
    assert all('username="ana"' in request for request in device.requests[1:])
    assert not any("lion" in request for request in device.requests)


def test_signs_of_life_are_given_and_a_device_that_gives_none_back_is_left() -> None:
    device = Device(ANSWERS)
    assert opened(device, lambda _: None, after_s=70)[1] == []
    assert sum(request.startswith("OPTIONS") for request in device.requests) == 3
    silent = Device(ANSWERS | {"OPTIONS": ""})
    assert opened(silent, lambda _: None, after_s=30)[1] == ["the loudspeaker says nothing"]


def test_a_device_that_takes_nothing_is_not_waited_for() -> None:
    device = Device(ANSWERS)
    device.unsent = 1_000_000
    opened(device, lambda line: line.send(b"\x01" * 160, 0))
    assert device.packets == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"DESCRIBE": "RTSP/1.0 404 Not Found\r\n\r\n"}, "status 404"),
        ({"DESCRIBE": "RTSP/1.0 551 Option not supported\r\n\r\n"}, "no audio back-channel"),
        ({"DESCRIBE": "RTSP/1.0 401 No\r\n\r\n"}, "does not let us in"),
        ({"DESCRIBE": ""}, "says nothing"),
        ({"DESCRIBE": "end"}, "breaks off"),
        ({"DESCRIBE": "HTTP/1.1 400 Bad\r\n\r\n"}, "status 400"),
        ({"DESCRIBE": "<html>\r\n\r\n"}, "does not speak"),
        ({"DESCRIBE": b"\x00" * 70_000}, "endless line"),
        ({"DESCRIBE": f"{OK}Content-Length: 99999999\r\n\r\n"}, "too long"),
        ({"DESCRIBE": f"{OK}Content-Length: -1\r\n\r\n"}, "too long"),
        ({"DESCRIBE": f"{OK}Content-Length: 500\r\n\r\nm=audio"}, "says nothing"),
        ({"DESCRIBE": f"{OK}\r\n"}, "no loudspeaker"),
        ({"DESCRIBE": b"$\x00\xff\xff"}, "says nothing"),
        ({"SETUP": "RTSP/1.0 461 Unsupported transport\r\n\r\n"}, "SETUP with status 461"),
        ({"SETUP": f"{OK}Session: 1\r\nTransport: RTP/AVP/TCP;interleaved=8-9\r\n\r\n"}, "other channels"),
        ({"PLAY": "RTSP/1.0 454 Session not found\r\n\r\n"}, "PLAY with status 454"),
    ],
)
def test_a_hostile_device_is_left_within_five_seconds_and_said_without_its_address(
    broken: dict[str, str | bytes], said: str
) -> None:
    device = Device({**ANSWERS, **broken})

    async def talk() -> None:
        begun = asyncio.get_running_loop().time()
        with pytest.raises(TemporaryFailure, match=said) as failure:
            await line(device, [], [], "ana").open()
        assert asyncio.get_running_loop().time() - begun <= 5.1
        assert not any(word in str(failure.value) for word in ("door.example", "lion", "rtsp://"))

    run(talk())
    assert device.is_closing()


@pytest.mark.parametrize(
    ("later", "said"),
    [(b"end", "breaks off"), (b"GARBAGE\r\n\r\n", "does not speak"), (f"{OK}\r\n".encode() * 3, "nobody asked for")],
)
def test_a_line_that_breaks_says_why_once(later: bytes, said: str) -> None:
    device = Device(ANSWERS)
    [ended] = opened(device, lambda _: device.says(later))[1]
    assert said in ended


def test_a_line_that_was_never_opened_can_be_closed() -> None:
    run(line(Device({}), [], []).close())


def test_absolute_addresses_and_named_codecs_are_understood() -> None:
    found = describe(
        "m=audio 0 RTP/AVP 101\r\na=rtpmap:101 PCMA/8000/1\r\na=control:rtsp://x/y\r\na=sendonly\r\n", "rtsp://door"
    )
    assert (found.loudspeaker.control, found.loudspeaker.payload, found.loudspeaker.codec) == (
        "rtsp://x/y",
        101,
        "PCMA",
    )
    assert found.microphone is None


BEYOND = "m=audio 0 RTP/AVP 300\r\na=rtpmap:300 PCMU/8000\r\na=control:x\r\na=sendonly\r\n"  #: of seven bits


@pytest.mark.parametrize("sdp", ["", "m=audio", SDP.replace("a=sendonly", ""), SDP.replace(" 97 0", " 97"), BEYOND])
def test_a_device_without_a_loudspeaker_for_us_is_told(sdp: str) -> None:
    with pytest.raises(Malformed, match="no loudspeaker"):
        describe(sdp, URL)


def test_packets_with_every_extra_are_opened() -> None:
    plain = struct.pack(">BBHII", 0x80, 0, 1, 2, 3)
    assert spoken(plain + b"abc", 0) == b"abc"
    assert spoken(struct.pack(">BBHIII", 0x81, 0x80, 1, 2, 3, 4) + b"abc", 0) == b"abc"  # a source, the marker
    assert spoken(struct.pack(">BBHIIHHI", 0x90, 0, 1, 2, 3, 9, 1, 7) + b"abc", 0) == b"abc"  # an extension
    assert spoken(struct.pack(">BBHII", 0xA0, 0, 1, 2, 3) + b"abc\x00\x02", 0) == b"abc"  # padding
    assert [spoken(one, 0) for one in (b"", plain[:11], b"\x00" * 20, plain[:1] + b"\x08" + plain[2:])] == [b""] * 4
    assert spoken(struct.pack(">BBHII", 0x90, 0, 1, 2, 3) + b"ab", 0) == b""
