"""Cabinets of defibrillators (AED).  Every field may be absent, but one must be there:

    {"present": true, "door": "shut", "battery": 97, "battery_low": false, "tamper": false,
     "time": "2026-10-03T14:02:09Z"}

`present` says that the AED hangs in its cabinet; instead, or beside it, `taken` says the opposite.  `door` is that of
the cabinet: "open" or "shut".  `battery` is the cabinet's, in %.  `time` is ISO 8601 with an offset.
"""

from typing import Any

from ingest.instants import instant_of
from vorab import Malformed, Payload, Quantity, Sample
from vorab.model import Instant

RANGES: dict[Quantity, tuple[float, float]] = {Quantity.BATTERY: (0.0, 100.0)}

NEVER = 1e9  #: no number at all; what lies outside of RANGES, but below this, is a reading of bad quality

_DOOR = {"open": True, "shut": False, "closed": False}


def decode(payload: Payload) -> list[Sample]:
    """Raises Malformed, also where `present` and `taken` say both or neither: nobody may guess whether it is there."""
    fields = payload.object()
    samples = [*_presence(fields)]
    if (door := fields.get("door")) is not None:
        if not isinstance(door, str) or door not in _DOOR:
            raise Malformed(f"door is {_shown(door)}; expected 'open' or 'shut'")
        samples.append(Sample(Quantity.OPEN, _DOOR[door]))
    if (battery := fields.get("battery")) is not None:
        if isinstance(battery, bool) or not isinstance(battery, int | float) or not abs(battery) < NEVER:
            raise Malformed(f"battery is {_shown(battery)}; expected a number of percent")
        samples.append(Sample(Quantity.BATTERY, float(battery)))
    for quantity in (Quantity.BATTERY_LOW, Quantity.TAMPER):
        if (value := _flag(fields, quantity)) is not None:
            samples.append(Sample(quantity, value))
    if not samples:
        raise Malformed("none of present, taken, door, battery, battery_low, tamper in the message")
    return samples


def time_of(payload: Payload) -> Instant | None:
    return instant_of(payload.object().get("time"))


def _presence(fields: dict[str, Any]) -> list[Sample]:
    present, taken = _flag(fields, "present"), _flag(fields, "taken")
    if present is None and taken is None:
        return []
    if present is taken:
        raise Malformed(f"present and taken are both {_shown(present)}; it is one of them")
    is_taken = taken if taken is not None else not present
    return [Sample(Quantity.PRESENT, not is_taken), Sample(Quantity.TAKEN, is_taken)]


def _flag(fields: dict[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise Malformed(f"{name} is {_shown(value)}; expected true or false")


def _shown(value: object) -> str:
    return repr(value)[:40]
