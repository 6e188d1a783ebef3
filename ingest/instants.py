"""The time that a device gives its own values, in the forms in which devices give it."""

from datetime import datetime
from typing import Any

from vorab.model import Instant

PER_UNIT = {"s": 1_000_000, "ms": 1_000, "µs": 1}  #: microseconds in one


def instant_of(value: Any, unit: str = "iso") -> Instant | None:
    """ISO 8601 with an offset (unit iso), or a number of this unit since 1970.

    None when it is no usable time: local time without a zone could be any of 26 hours.
    """
    kind = type(value)
    if unit == "iso":
        try:
            at = datetime.fromisoformat(value) if kind is str else None
            return None if at is None or at.tzinfo is None else Instant(round(at.timestamp() * 1_000_000))
        except (ValueError, OverflowError):
            return None
    if kind is not int and kind is not float:
        return None
    at_us = value * PER_UNIT[unit]
    return Instant(int(at_us)) if 0 < at_us < 1 << 62 else None
