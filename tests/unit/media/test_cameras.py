"""One reader of a camera for all who look."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from deploy.cameras import SiteCameras
from deploy.media import camera
from deploy.runtime import Runtime, cameras, intercoms
from tests.unit.media.loop import run
from vorab.errors import TemporaryFailure
from vorab.model import PlaceId
from vorab.site import Camera, Intercom, Place, Site

HALL, GATE, LIFT = PlaceId("hall"), PlaceId("gate"), PlaceId("lift")


def site() -> Site:
    places = [
        Place(HALL, "hall", "zone", path=[HALL], camera=Camera("http://hall.example/film")),
        Place(GATE, "gate", "point", HALL, [HALL, GATE]),
        Place(LIFT, "lift", "point", HALL, [HALL, LIFT], camera=Camera("demo:lift", "demo:lift"),
              intercom=Intercom("demo:lift")),
    ]  # fmt: skip
    return Site("small", "UTC", ["en"], "", [], [], [], places, [], [], [], b"", "")


class Source:
    """A camera: a picture every `every_s`, `breaks_after` so many; counts how often it is opened and left."""

    def __init__(self, every_s: float, breaks_after: int = 10**9) -> None:
        self.opened = self.left = 0
        self._every_s, self._breaks_after = every_s, breaks_after

    async def stream(self, _camera: Camera) -> AsyncGenerator[bytes]:
        self.opened += 1
        try:
            for number in range(self._breaks_after):
                await asyncio.sleep(self._every_s)
                yield b"%d" % number
            raise TemporaryFailure("the camera sends no picture, or no more")
        finally:
            self.left += 1


async def look(cameras: SiteCameras, place: str, count: int, pause_s: float = 0.0) -> list[int]:
    async with contextlib.aclosing(cameras.frames(place)) as frames:
        found = []
        for _ in range(count):
            found.append(int(await anext(frames)))
            await asyncio.sleep(pause_s)
        return found


def test_all_who_look_share_one_reader_also_from_two_places() -> None:
    async def both() -> None:
        source = Source(0.2)
        cameras = SiteCameras(site(), Runtime(), source.stream)
        first, second = await asyncio.gather(look(cameras, HALL, 3), look(cameras, GATE, 3))
        assert first == second == [0, 1, 2]
        assert source.opened == 1

    run(both())


def test_at_most_eight_pictures_a_second_are_passed_on() -> None:
    async def count() -> None:
        cameras = SiteCameras(site(), Runtime(), Source(0.01).stream)
        begun = asyncio.get_running_loop().time()
        await look(cameras, HALL, 17)
        assert asyncio.get_running_loop().time() - begun >= 2.0

    run(count())


def test_who_is_slow_misses_pictures_and_nobody_waits_for_him() -> None:
    async def both() -> None:
        cameras = SiteCameras(site(), Runtime(), Source(0.2).stream)
        quick, slow = await asyncio.gather(look(cameras, HALL, 10), look(cameras, HALL, 3, pause_s=1.0))
        assert quick == list(range(10))
        assert slow == [0, 4, 9] or slow == [0, 5, 10]

    run(both())


def test_the_camera_is_left_five_seconds_after_the_last_one_looked_away() -> None:
    async def leave() -> None:
        source = Source(0.2)
        cameras = SiteCameras(site(), Runtime(), source.stream)
        await look(cameras, HALL, 1)
        await asyncio.sleep(4.9)
        await look(cameras, HALL, 1)
        await asyncio.sleep(4.9)
        assert (source.opened, source.left) == (1, 0)
        await asyncio.sleep(0.2)
        assert source.left == 1
        assert await look(cameras, HALL, 1) == [0]
        assert source.opened == 2

    run(leave())


def test_a_stream_that_breaks_once_is_mended_without_a_word() -> None:
    async def mend() -> None:
        source = Source(0.2, breaks_after=3)
        assert await look(SiteCameras(site(), Runtime(), source.stream), HALL, 7) == [0, 1, 2, 0, 1, 2, 0]
        assert source.opened == 3

    run(mend())


def test_a_camera_that_shows_nothing_is_told_at_once_and_tried_less_and_less() -> None:
    async def fail() -> None:
        source = Source(0.0, breaks_after=0)
        cameras = SiteCameras(site(), Runtime(), source.stream)
        for _ in range(60):
            with pytest.raises(TemporaryFailure, match="no picture"):
                await look(cameras, HALL, 1)
            await asyncio.sleep(1)
        assert 6 <= source.opened <= 12

    run(fail())


def test_who_looks_again_while_the_camera_is_being_left_sees_it_at_once() -> None:
    class SlowToLeave(Source):
        async def stream(self, _camera: Camera) -> AsyncGenerator[bytes]:
            try:
                async for picture in super().stream(_camera):
                    yield picture
            finally:
                await asyncio.sleep(1)

    async def again() -> None:
        source = SlowToLeave(0.2)
        cameras = SiteCameras(site(), Runtime(), source.stream)
        await look(cameras, HALL, 1)
        await asyncio.sleep(5.5)
        async with asyncio.timeout(1):
            assert await look(cameras, HALL, 2) == [0, 1]

    run(again())


def test_a_camera_that_floods_us_with_pictures_is_read_no_faster_than_we_bear() -> None:
    picture = b"\xff\xd8\xff\xda\x00\x02" + b"\x01" * 200 + b"\xff\xd9"

    async def flood() -> None:
        reader, shown = asyncio.StreamReader(), list[bytes]()
        reader.feed_data(picture * (4_000_000 // len(picture)))
        reader.feed_eof()
        begun = asyncio.get_running_loop().time()
        with contextlib.suppress(TemporaryFailure):
            async for one in camera.newest(reader, camera.FRAME):
                shown.append(one)
        assert asyncio.get_running_loop().time() - begun >= 0.24
        assert set(shown) == {picture}
        assert len(shown) <= 4_000_000 / camera.READ + 1  # the newest of each look

    run(flood())


def test_a_name_that_no_machine_can_have_is_told_in_words() -> None:
    with pytest.raises(TemporaryFailure, match="cannot be found by its name"), camera.in_words("the camera"):
        "gate..example".encode("idna")


def test_a_place_without_a_camera_says_so() -> None:
    cameras = SiteCameras(site(), Runtime(), Source(1).stream)
    assert cameras.has(GATE)
    assert not cameras.has("roof")

    async def nothing() -> Any:
        with pytest.raises(TemporaryFailure, match="no camera"):
            await look(cameras, "roof", 1)

    run(nothing())


def test_a_place_uses_the_nearest_camera_around_it_and_demo_names_the_simulated_one() -> None:
    found = cameras(site(), Runtime(cameras_port=7, intercom_port=8))
    assert found[GATE] == found[HALL] == Camera("http://hall.example/film")
    assert found[LIFT] == Camera("http://127.0.0.1:7/lift.mjpeg", "http://127.0.0.1:7/lift.jpg")
    assert intercoms(site(), Runtime(cameras_port=7, intercom_port=8)) == {LIFT: Intercom("rtsp://127.0.0.1:8/lift")}
    assert set(cameras(site(), Runtime())) == {HALL, GATE}  # where no simulated ones run
    assert intercoms(site(), Runtime()) == {}


def test_without_ffmpeg_a_camera_that_speaks_rtsp_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    async def first() -> bytes:
        return await anext(camera.stream(Camera("rtsp://gate.example/film")))

    with pytest.raises(TemporaryFailure, match="ffmpeg is not on this machine"):
        run(first())
