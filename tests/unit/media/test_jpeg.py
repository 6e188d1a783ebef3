"""Whole pictures out of whatever a camera sends."""

import io
import random

import pytest
from PIL import Image

from deploy.media.jpeg import Scan
from vorab.errors import Malformed

LIMIT = 1_000_000


def jpeg(seed: int = 1, *, progressive: bool = False, thumbnail: bool = False) -> bytes:
    chance = random.Random(seed)
    image = Image.frombytes("RGB", (64, 48), chance.randbytes(64 * 48 * 3))
    exif = Image.Exif()
    if thumbnail:
        exif[0x010E] = "a picture within: \xff\xd8\xff \xff\xd9"
    kept = io.BytesIO()
    image.save(kept, "JPEG", progressive=progressive, exif=exif, restart_marker_blocks=4)
    return kept.getvalue()


ONE, TWO, THREE = jpeg(1), jpeg(2, progressive=True), jpeg(3, thumbnail=True)
STREAM = b"".join(
    b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 7\r\n\r\n" + one + b"\r\n" for one in (ONE, TWO, THREE)
)


@pytest.mark.parametrize("piece", [1, 7, 1000, len(STREAM)])
def test_pictures_are_found_however_the_bytes_arrive_and_whatever_length_is_claimed(piece: int) -> None:
    scan, found = Scan(LIMIT), list[bytes]()
    for begin in range(0, len(STREAM), piece):
        found += scan.feed(STREAM[begin : begin + piece])
    assert found == [ONE, TWO, THREE]


@pytest.mark.parametrize("between", [b"", b"--wrong\r\n", b"\xff", b"\xff\xd8", b"\x00" * 50, b"--frame--\r\n"])
def test_what_stands_between_two_pictures_does_not_matter(between: bytes) -> None:
    assert Scan(LIMIT).feed(between + ONE + between + TWO) == [ONE, TWO]


def test_a_picture_that_was_cut_short_is_left_out() -> None:
    assert Scan(LIMIT).feed(ONE[: len(ONE) // 2] + TWO + THREE) == [TWO, THREE]


@pytest.mark.parametrize(
    "never",
    [
        b"<html>Please sign in</html>",
        b"\xff\xd8\xff\xe0\x00\x10" + b"\x00" * 50,
        b"\xff\xd8\xff\xda\x00\x02\x01",
        b"\xff\xd8\xff\xd9",
        b"\xff",
    ],
)
def test_what_never_becomes_a_picture_is_left_at_the_limit(never: bytes) -> None:
    scan = Scan(10_000)
    for _ in range(10_000 // len(never)):
        assert scan.feed(never) == []
    with pytest.raises(Malformed, match="no picture"):
        scan.feed(never)


def test_many_pictures_may_be_more_than_the_limit() -> None:
    scan = Scan(len(ONE) + 100)
    assert all(scan.feed(ONE) == [ONE] for _ in range(50))


def test_noise_raises_nothing_else() -> None:
    chance = random.Random(4)
    for _ in range(300):
        noise = bytes(chance.choice(b"\xff\xd8\xd9\xda\xe0\x00\x02\x01") for _ in range(300))
        for found in Scan(LIMIT).feed(noise):
            assert found.startswith(b"\xff\xd8")
            assert found.endswith(b"\xff\xd9")
            assert len(found) >= 100
