"""The live stream: nothing missed over a reconnect, nobody waits for a slow browser."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from console import stream as module
from console.stream import BEAT, RESYNC, TOUCHED, WAITING
from tests.browser import Browser
from tests.unit.console.conftest import START, Bench
from vorab.model import SECOND, Instant


def always() -> bool:
    return True


def read(frame: bytes) -> tuple[str, int | None, str]:
    """Event, number, and the incident it is about."""
    fields = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
    number = int(fields["id"]) if "id" in fields else None
    return fields["event"], number, json.loads(fields["data"]).get("id", "")


async def greeted(frames: AsyncIterator[bytes]) -> None:
    assert (await anext(frames)).endswith(BEAT)


def test_a_new_incident_arrives_at_every_browser_as_the_same_bytes(bench: Bench) -> None:
    async def story() -> None:
        await bench.stream.look()
        browsers = [bench.stream.frames("en", None, always) for _ in range(3)]
        for browser in browsers:
            await greeted(browser)
        waiting = [asyncio.ensure_future(anext(browser)) for browser in browsers]
        await asyncio.sleep(0)
        incident = bench.raises()
        await bench.stream.look()
        frames = [await one for one in waiting]
        assert read(frames[0])[0::2] == ("incident", incident)
        assert all(frame is frames[0] for frame in frames)

    asyncio.run(story())


def test_what_was_missed_is_replayed_by_its_number(bench: Bench) -> None:
    async def story() -> None:
        first = bench.raises()
        seen = bench.reader.position().journal
        second = bench.raises("door-unauthorised")
        frames = bench.stream.frames("en", seen, always)
        await greeted(frames)
        event, number, incident = read(await anext(frames))
        assert (event, incident) == ("incident", second) != ("incident", first)
        assert number == bench.reader.position().journal

    asyncio.run(story())


def test_the_numbers_of_a_replay_rise(bench: Bench) -> None:
    async def story() -> None:
        for number in range(5):
            bench.raises(onset=Instant(START + number * SECOND))
        frames = bench.stream.frames("en", 0, always)
        await greeted(frames)
        numbers = [read(await anext(frames))[1] or 0 for _ in range(5)]
        assert all(one < other for one, other in pairwise(numbers))

    asyncio.run(story())


def test_who_is_too_far_behind_reads_everything_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPLAY", 3)

    async def story() -> None:
        bench.raises()
        bench.raises("door-unauthorised")
        frames = bench.stream.frames("en", 0, always)
        await greeted(frames)
        assert read(await anext(frames)) == ("resync", bench.reader.position().journal, "")

    asyncio.run(story())


def test_a_number_from_another_data_folder_means_reading_again(bench: Bench) -> None:
    async def story() -> None:
        frames = bench.stream.frames("en", 10**9, always)
        await greeted(frames)
        assert read(await anext(frames))[0] == "resync"

    asyncio.run(story())


def test_a_receipt_is_told_though_it_is_no_event_of_the_incident(bench: Bench) -> None:
    async def story() -> None:
        bench.raises()
        await bench.stream.look()
        frames = bench.stream.frames("en", None, always)
        await greeted(frames)
        with bench.store.begin() as connection:
            connection.exec_driver_sql("INSERT INTO audit (at, who, what, about) VALUES (1, 'vorab', 'sent', 'x')")
        waiting = asyncio.ensure_future(anext(frames))
        await asyncio.sleep(0)
        await bench.stream.look()
        assert await waiting == TOUCHED

    asyncio.run(story())


def test_a_browser_that_does_not_read_is_told_to_read_again_and_holds_nobody_up(bench: Bench) -> None:
    async def story() -> None:
        await bench.stream.look()
        frames = bench.stream.frames("en", None, always)
        await greeted(frames)
        for number in range(WAITING + 5):
            bench.stream._send(b"%d" % number)
        assert await anext(frames) == RESYNC
        assert await anext(frames) == b"%d" % WAITING

    asyncio.run(story())


def test_a_stream_ends_with_its_session(bench: Bench) -> None:
    async def story() -> None:
        alive = [True]
        frames = bench.stream.frames("en", None, lambda: alive[0])
        await greeted(frames)
        bench.stream._send(BEAT)
        assert await anext(frames) == BEAT
        alive[0] = False
        bench.stream._send(BEAT)
        with pytest.raises(StopAsyncIteration):
            await anext(frames)

    asyncio.run(story())


def test_every_stream_ends_at_once_when_the_desk_closes(bench: Bench) -> None:
    async def story() -> None:
        frames = bench.stream.frames("en", None, always)
        await greeted(frames)
        waiting = asyncio.ensure_future(anext(frames))
        await asyncio.sleep(0)
        bench.stream.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        late = bench.stream.frames("en", None, always)
        await greeted(late)
        with pytest.raises(StopAsyncIteration):
            await anext(late)

    asyncio.run(story())


def test_it_beats_while_nothing_happens(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0)

    async def story() -> None:
        frames = bench.stream.frames("en", None, always)
        await greeted(frames)
        running = asyncio.ensure_future(bench.stream.run(lambda: asyncio.sleep(0)))
        assert await anext(frames) == BEAT
        running.cancel()

    asyncio.run(story())


@pytest.mark.parametrize("number", ["abc", "-1", "9" * 30, "²", "1; DROP", "\xff"])
def test_a_strange_last_event_id_does_no_harm(bench: Bench, browser: Browser, number: str) -> None:
    bench.stream.close()  # so that the answer ends
    answer = browser.get("/api/stream", headers={"last-event-id": number.encode("latin-1")})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_last_event_id_wins_over_the_query(bench: Bench, browser: Browser) -> None:
    bench.raises()
    seen = str(bench.reader.position().journal)
    bench.stream.close()

    def followed(number: str) -> str:
        return browser.get("/api/stream?after=0", headers={"last-event-id": number}).text

    assert "event: incident" in followed("0")
    assert "event: incident" not in followed(seen)
