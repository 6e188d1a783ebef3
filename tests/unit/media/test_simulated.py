"""The demo's cameras show what its sensors say; its loudspeakers keep what is said to them."""

import io
import json
import math
import struct
from datetime import UTC, datetime

import pytest
from PIL import Image, ImageChops

from vorab.testing.cameras.drawing import draw
from vorab.testing.cameras.intercom import LINEAR, RATE, Speaker
from vorab.testing.cameras.world import Sight, View, Watched, World

AT = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
GATE = View(
    "gate", "gate B12", "UTC", [Watched("z/door", "door"), Watched("z/air", "climate"), Watched("aed/b", "aed")]
)


def hears(world: World, topic: str, **fields: object) -> Sight:
    world.hears(topic, json.dumps(fields).encode())
    return world.sight(GATE)


def test_what_is_seen_is_what_the_sensors_said_last() -> None:
    world = World([GATE])
    assert world.topics == ["aed/b", "z/air", "z/door"]
    assert world.sight(GATE) == Sight(door=False, temperature=21.0, aed=True, cabinet=False)
    assert hears(world, "z/door", contact=False).door is True
    assert hears(world, "z/door", battery=97).door is True
    assert hears(world, "z/door", contact=True).door is False
    assert hears(world, "z/air", temperature=28.1).temperature == 28.1
    assert hears(world, "aed/b", present=False, door="open") == Sight(False, 28.1, False, True)
    assert hears(world, "aed/b", present=True, taken=False, door="shut") == Sight(False, 28.1, True, False)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[1]", b'"open"', b'{"contact": "cat"}', b'{"temperature": "n/a"}'])
def test_what_is_no_state_changes_nothing(payload: bytes) -> None:
    world = World([GATE])
    for topic in world.topics:
        world.hears(topic, payload)
    assert world.sight(GATE) == Sight(door=False, temperature=21.0, aed=True, cabinet=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Sight(door=False), Sight(door=True)),
        (Sight(temperature=21.0), Sight(temperature=28.1)),
        (Sight(aed=True), Sight(aed=False)),
        (Sight(aed=True), Sight(aed=True, cabinet=True)),
    ],
)
def test_a_change_can_be_seen(before: Sight, after: Sight) -> None:
    assert _differ(draw("gate", before, AT), draw("gate", after, AT))


def test_the_picture_moves_by_itself() -> None:
    assert _differ(draw("gate", Sight(), AT), draw("gate", Sight(), AT.replace(microsecond=700_000)))


def _differ(one: bytes, other: bytes) -> bool:
    first, second = (Image.open(io.BytesIO(jpeg)) for jpeg in (one, other))
    assert first.size == second.size == (640, 360)
    box = ImageChops.difference(first, second).point(lambda value: 255 * (value > 60)).getbbox()
    return box is not None and (box[2] - box[0]) * (box[3] - box[1]) > 100


def test_loudness_and_time_of_what_was_said() -> None:
    speaker = Speaker(clock=lambda: 7.0)
    assert (speaker.level(), speaker.heard_at) == (-math.inf, None)
    speaker.hears(b"\xff" * RATE)
    assert speaker.level() == -math.inf
    speaker.hears(b"\x80" * RATE)  # the loudest of all: 32,124 of 32,768, so 20·log(0.98) dB
    assert speaker.level() == pytest.approx(-0.17, abs=0.01)
    assert (speaker.count, speaker.heard_at) == (2 * RATE, 7.0)


def test_the_law_of_g_711() -> None:
    """ITU-T G.711, table 2a: 0xFF and 0x7F are silence, 0x80 and 0x00 the loudest, 0x8F and 0x0F 16,764 (segment 8)."""
    assert [LINEAR[code] for code in (0xFF, 0x7F, 0x80, 0x00, 0x8F, 0x0F)] == [0, 0, 32124, -32124, 16764, -16764]


def test_the_last_ten_seconds_are_a_sound_file() -> None:
    speaker = Speaker(clock=lambda: 7.0)
    speaker.hears(b"\x01" * (12 * RATE - 1))
    data = speaker.wave()
    kind, channels, rate = struct.unpack("<HHI", data[20:28])
    assert (data[:4], data[8:12], kind, channels, rate) == (b"RIFF", b"WAVE", 7, 1, RATE)
    assert len(data) == 8 + struct.unpack("<I", data[4:8])[0] == 46 + 10 * RATE
