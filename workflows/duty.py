"""Duty hours in the opening_hours grammar (OpenStreetMap): "Mo-Fr 07:00-19:00; Sa 08:00-12:00"."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from opening_hours import OpeningHours, ParserError  # type: ignore[attr-defined]  # its stubs lack the error

from vorab.errors import ConfigurationError
from vorab.model import MINUTE, SECOND, Instant


def on_duty(duty: str, at: Instant, zone: str) -> tuple[bool, str]:
    """Whether somebody with these hours is on duty at this instant in this time zone, and until when, as text.

    Raises ConfigurationError for hours that cannot be read.
    """
    if not duty:
        return False, "no duty hours"
    return _in_minute(duty, Instant(at - at % MINUTE), zone)


@lru_cache(maxsize=4096)
def _in_minute(duty: str, at: Instant, zone: str) -> tuple[bool, str]:
    """The grammar knows no seconds, and many people share their hours."""
    hours = _parsed(duty, zone)
    then = local(at, zone)
    is_on = hours.is_open(then)
    change = hours.next_change(then)
    word = "on duty" if is_on else "off duty"
    return is_on, word if change is None else f"{word} until {_clock(change, then)}"


def fault(duty: str) -> str | None:
    """Why these hours cannot be read, in one line; None = they can."""
    try:
        _parsed(duty, "UTC")
    except ConfigurationError as error:
        return str(error)
    return None


def local(at: Instant, zone: str) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC).astimezone(ZoneInfo(zone))


@lru_cache(maxsize=4096)
def _parsed(duty: str, zone: str) -> OpeningHours:
    try:
        return OpeningHours(duty, timezone=ZoneInfo(zone))
    except ParserError as error:
        where = " ".join(str(error).split("\n", 1)[0].split())
        raise ConfigurationError(f"duty {duty!r}: {where}; write hours such as Mo-Fr 07:00-19:00") from None


def _clock(change: datetime, now: datetime) -> str:
    return f"{change:%H:%M}" if change.date() == now.date() else f"{change:%a %H:%M}"
