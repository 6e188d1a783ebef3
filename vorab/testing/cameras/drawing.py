"""One picture of a simulated camera: the scene, its name, a clock that runs, somebody who walks by (Pillow)."""

import io
import unicodedata
from datetime import datetime
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from vorab.testing.cameras.world import Sight

SIZE = (640, 360)
QUALITY = 70

_FLOOR = 270  #: where the wall ends, from above
_WALL, _GROUND, _DARK, _INK = (188, 194, 197), (128, 130, 128), (28, 32, 36), (245, 247, 248)
_FRAME, _LEAF, _STEEL, _GREEN, _RED, _YELLOW = (
    (90, 96, 102),
    (62, 98, 140),
    (210, 214, 216),
    (20, 130, 80),
    (196, 40, 40),
    (240, 200, 40),
)
_COLD, _WARM = 18.0, 30.0  #: °C, at which the thermometer is blue and red


def draw(title: str, sight: Sight, at: datetime) -> bytes:
    """JPEG, 640 by 360, of some 15 kB."""
    image = Image.new("RGB", SIZE, _WALL)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, _FLOOR, *SIZE), fill=_GROUND)
    for x in range(-300, 940, 124):
        pen.line((320 + (x - 320) * 0.4, _FLOOR, x, SIZE[1]), fill=(112, 114, 112))
    if sight.door is not None:
        _door(pen, sight.door)
    if sight.temperature is not None:
        _thermometer(pen, sight.temperature, 520 if sight.door is not None else 320)
    if sight.aed is not None:
        _cabinet(pen, sight.aed, sight.cabinet, 150 if sight.door is not None else 320)
    _walker(pen, at)
    _caption(pen, title, at)
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=QUALITY)
    return kept.getvalue()


def _door(pen: ImageDraw.ImageDraw, is_open: bool) -> None:
    pen.rectangle((248, 66, 392, _FLOOR), fill=_FRAME)
    if is_open:
        pen.rectangle((258, 76, 382, _FLOOR), fill=_DARK)
        pen.polygon([(258, 76), (382, 76), (340, 110), (300, 110)], fill=(60, 66, 70))
        pen.polygon([(258, 76), (206, 54), (206, 312), (258, _FLOOR)], fill=_LEAF)
        pen.ellipse((212, 180, 222, 190), fill=_YELLOW)
    else:
        pen.rectangle((258, 76, 382, _FLOOR), fill=_LEAF)
        pen.rectangle((280, 96, 360, 160), fill=(150, 178, 200))
        pen.ellipse((364, 178, 376, 190), fill=_YELLOW)
    pen.rectangle((296, 40, 344, 60), fill=_GREEN)
    pen.text((320, 50), "EXIT", font=_font(14), fill=_INK, anchor="mm")


def _thermometer(pen: ImageDraw.ImageDraw, degrees: float, x: int) -> None:
    part = min(1.0, max(0.0, (degrees - _COLD) / (_WARM - _COLD)))
    colour = (int(40 + 180 * part), int(110 - 60 * part), int(200 - 160 * part))
    pen.rounded_rectangle((x - 62, 60, x + 62, 236), 10, fill=_INK)
    pen.rounded_rectangle((x - 9, 72, x + 9, 172), 9, fill=_STEEL)
    pen.rounded_rectangle((x - 6, 164 - 88 * part, x + 6, 172), 5, fill=colour)
    pen.ellipse((x - 15, 160, x + 15, 190), fill=colour)
    pen.text((x, 213), f"{degrees:.1f} °C", font=_font(28), fill=_DARK, anchor="mm")


def _cabinet(pen: ImageDraw.ImageDraw, is_there: bool, is_open: bool, x: int) -> None:
    pen.rounded_rectangle((x - 76, 70, x + 76, 250), 8, fill=_STEEL, outline=_FRAME, width=4)
    pen.rectangle((x - 76, 40, x + 76, 66), fill=_GREEN)
    pen.text((x, 53), "AED", font=_font(22), fill=_INK, anchor="mm")
    pen.rectangle((x - 60, 92, x + 60, 236), fill=_DARK)
    if is_there:
        pen.rounded_rectangle((x - 46, 118, x + 46, 224), 10, fill=_RED)
        pen.polygon(
            [(x + 8, 132), (x - 20, 178), (x - 2, 178), (x - 8, 212), (x + 20, 164), (x + 2, 164)], fill=_YELLOW
        )
    else:
        pen.rounded_rectangle((x - 46, 118, x + 46, 224), 10, outline=_RED, width=3)
        pen.line((x - 46, 118, x + 46, 224), fill=_RED, width=3)
        pen.line((x + 46, 118, x - 46, 224), fill=_RED, width=3)
    if is_open:
        pen.polygon([(x + 76, 70), (x + 128, 52), (x + 128, 276), (x + 76, 250)], fill=(180, 200, 206), outline=_FRAME)
    else:
        pen.line((x + 54, 150, x + 54, 176), fill=_FRAME, width=6)


def _walker(pen: ImageDraw.ImageDraw, at: datetime) -> None:
    """From left to right in 12 s, so that nobody takes a frozen picture for a live one."""
    seconds = at.second % 12 + at.microsecond / 1_000_000
    x = -30 + 700 * seconds / 12
    stride = 12 * (1 if int(seconds * 4) % 2 else -1)
    for foot in (stride, -stride):
        pen.line((x, 290, x + foot, 334), fill=_DARK, width=7)
    pen.rounded_rectangle((x - 12, 236, x + 12, 294), 9, fill=(70, 74, 96))
    pen.ellipse((x - 10, 212, x + 10, 234), fill=(206, 168, 140))


def _caption(pen: ImageDraw.ImageDraw, title: str, at: datetime) -> None:
    pen.rectangle((0, 0, SIZE[0], 26), fill=_DARK)
    plain = unicodedata.normalize("NFKD", title).encode("latin-1", "ignore").decode("latin-1")  # the font has no é
    pen.text((10, 13), plain, font=_font(16), fill=_INK, anchor="lm")
    pen.text(
        (SIZE[0] - 10, 13),
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 100_000}",
        font=_font(16),
        fill=_INK,
        anchor="rm",
    )
    if at.microsecond < 500_000:
        pen.ellipse((SIZE[0] - 24, 36, SIZE[0] - 12, 48), fill=_RED)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
