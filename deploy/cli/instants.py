"""Instants as people write and read them, in the time of the site."""

import re
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from vorab.errors import ConfigurationError
from vorab.model import SECOND, Instant


def now() -> Instant:
    return Instant(time.time_ns() // 1000)


def instant(text: str, zone: str) -> Instant:
    """`10:10` (the last one that was), `2026-10-25 02:30`, or with an offset.  Raises ConfigurationError."""
    if not text:
        return now()
    local = datetime.fromtimestamp(now() / SECOND, ZoneInfo(zone))
    try:
        if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", text):
            hours, minutes, *seconds = (int(part) for part in text.split(":"))
            then = local.replace(hour=hours, minute=minutes, second=seconds[0] if seconds else 0, microsecond=0)
            then -= timedelta(days=1) if then > local else timedelta()
        else:
            then = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--at {text!r}: write 10:10, '2026-10-25 02:30' or 2026-10-25T02:30+01:00") from None
    aware = then if then.tzinfo else then.replace(tzinfo=ZoneInfo(zone))
    return Instant(round(aware.timestamp() * SECOND))


def clock(at: Instant, zone: str) -> str:
    """`10:07:02`, in the site's time."""
    return f"{datetime.fromtimestamp(at / SECOND, ZoneInfo(zone)):%H:%M:%S}"


def day(at: Instant, zone: str) -> str:
    return f"{datetime.fromtimestamp(at / SECOND, ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


def iso(at: Instant) -> str:
    """For programs: in UTC, with microseconds."""
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
