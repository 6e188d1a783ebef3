"""A real camera that speaks RTSP, and servers that are no cameras: what contact and the desk see of them."""

import asyncio
import contextlib
import itertools
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.cameras import SiteCameras
from deploy.runtime import Runtime
from deploy.scene import SiteScene
from notifiers.http import Client
from tests.live.conftest import Device
from vorab.errors import TemporaryFailure
from vorab.model import PlaceId
from vorab.site import Camera, Place, Site

pytestmark = pytest.mark.live

GATE = PlaceId("gate")
JPEG = b"\xff\xd8\xff\xda\x00\x02" + b"\x01" * 200 + b"\xff\xd9"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def site(camera: Camera) -> Site:
    place = Place(GATE, "gate", "point", path=[GATE], camera=camera)
    return Site("small", "UTC", ["en"], "", [], [], [], [place], [], [], [], b"", "")


def scene(camera: Camera) -> SiteScene:
    return SiteScene(site(camera), Runtime(), Client(allow_private=True))


@contextlib.asynccontextmanager
async def served(serve: Serve, *, reads: bool = True) -> AsyncIterator[int]:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                if reads:
                    await reader.read(1000)
                await serve(reader, writer)
                await writer.drain()
                writer.write_eof()
                await reader.read()
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def programs(name: str) -> int:
    return sum(name in (entry / "comm").read_text() for entry in Path("/proc").iterdir() if (entry / "comm").exists())


def test_a_picture_comes_from_rtsp_within_three_seconds(device: Device) -> None:
    place = Place(GATE, "gate", "point", path=[GATE])
    begun = time.monotonic()
    picture = scene(Camera(device.url, "", device.user, device.password)).picture(place)
    assert picture.startswith(b"\xff\xd8\xff")
    assert picture.endswith(b"\xff\xd9")
    assert time.monotonic() - begun < 3.5


async def _look(cameras: SiteCameras, count: int) -> list[bytes]:
    async with contextlib.aclosing(cameras.frames(GATE)) as frames:
        return [await asyncio.wait_for(anext(frames), 10) for _ in range(count)]


def test_the_picture_moves_and_one_ffmpeg_serves_all_who_look(device: Device) -> None:
    async def look() -> None:
        cameras = SiteCameras(site(Camera(device.url, "", device.user, device.password)), Runtime())
        seen = await asyncio.gather(_look(cameras, 5), _look(cameras, 5))
        assert programs("ffmpeg") == 1
        assert all(len(set(frames)) == 5 for frames in seen)
        feed = cameras._feeds[site(Camera(device.url, "", device.user, device.password)).places[0].camera]  # type: ignore[index]
        feed._task.cancel()
        await asyncio.wait([feed._task])

    asyncio.run(look())
    assert programs("ffmpeg") == 0


def test_the_password_stands_in_no_list_of_processes(device: Device) -> None:
    async def look() -> None:
        cameras = SiteCameras(site(Camera(device.url, "", device.user, device.password)), Runtime())
        async with contextlib.aclosing(cameras.frames(GATE)) as frames:
            await asyncio.wait_for(anext(frames), 10)
            listed = await asyncio.to_thread(subprocess.check_output, ["ps", "axww", "-o", "args"], text=True)
            [line] = [line for line in listed.splitlines() if line.startswith("/usr/bin/ffmpeg")]
            assert "rtsp://" not in line
            assert "word" not in line

    asyncio.run(look())


def test_rtsp_that_hangs_is_left_and_no_process_stays() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def look() -> None:
        async with served(silent) as port:
            cameras = SiteCameras(site(Camera(f"rtsp://127.0.0.1:{port}/cam")), Runtime())
            with pytest.raises(TemporaryFailure, match="says nothing"):
                await _look(cameras, 1)
            with pytest.raises(TemporaryFailure) as failure:
                await asyncio.to_thread(
                    scene(Camera(f"rtsp://127.0.0.1:{port}/cam")).picture, Place(GATE, "gate", "point", path=[GATE])
                )
            assert "127.0.0.1" not in str(failure.value)

    begun = time.monotonic()
    asyncio.run(look())
    assert time.monotonic() - begun < 12
    assert programs("ffmpeg") == 0


async def _endless_html(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n")
    for _ in itertools.count():
        writer.write(b"<p>Please sign in</p>" * 1000)
        await writer.drain()


async def _slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff")
    while True:
        writer.write(b"\xe0")
        await writer.drain()
        await asyncio.sleep(0.5)


async def _huge(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\xda\x00\x02")
    for _ in range(100):
        writer.write(b"\x01" * 100_000)
        await writer.drain()


async def _elsewhere(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")


async def _dead(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    return


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        (_endless_html, "no picture in 2 MB"),
        (_slow, "within 3 s"),
        (_huge, "no picture in 2 MB"),
        (_elsewhere, "another address"),
        (_dead, "breaks off|connection broke"),
    ],
)
def test_what_is_no_camera_is_contained_and_said_without_its_address(serve: Serve, said: str) -> None:
    async def look() -> None:
        async with served(serve) as port:
            secret = Camera("", f"http://127.0.0.1:{port}/snap?key=tiger", "root", "lion")
            begun = time.monotonic()
            with pytest.raises(TemporaryFailure, match=said) as failure:
                await asyncio.to_thread(scene(secret).picture, Place(GATE, "gate", "point", path=[GATE]))
            assert time.monotonic() - begun < 4
            assert not any(word in str(failure.value) for word in ("127.0.0.1", str(port), "tiger", "lion", "root"))
            with pytest.raises(TemporaryFailure):
                await _look(SiteCameras(site(replace(secret, stream=secret.snapshot)), Runtime()), 1)

    asyncio.run(look())


@pytest.mark.parametrize("challenge", ['Basic realm="cam"', 'Digest realm="cam", nonce="4", qop="auth"'])
def test_a_camera_that_asks_who_we_are_is_told_and_shows_itself(challenge: str) -> None:
    asked: list[str] = []

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(request)
        if "Authorization" not in request:
            writer.write(f"HTTP/1.0 401 Who?\r\nWWW-Authenticate: {challenge}\r\n\r\n".encode())
        else:
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + JPEG)

    async def look() -> None:
        async with served(guarded, reads=False) as port:
            camera = Camera("", f"http://127.0.0.1:{port}/snap?size=1", "ana", "lion")
            place = Place(GATE, "gate", "point", path=[GATE])
            assert await asyncio.to_thread(scene(camera).picture, place) == JPEG
            assert [request.splitlines()[0] for request in asked] == ["GET /snap?size=1 HTTP/1.0"] * 2

    asyncio.run(look())
