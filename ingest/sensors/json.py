"""Plain JSON: an object whose fields are named as our quantities, or whose fields the site file points at.

Without options: {"open": true} or {"state": "open" | "closed"}, {"temperature": 21.4, "humidity": 40}, {"taken": false}
with the units of `vorab.Quantity`, and `time` in ISO 8601 with an offset, if any.  With options, what they name:

    options:
      temperature: { at: d.T, unit: °F, decimal: "," }    # at: field names from outside to inside
      open: { at: d.contact, true: 0, false: 1 }
      time: { at: ts, unit: s }                           # s, ms, µs or iso
      sequence: { at: d.n }
"""

from sys import float_info
from typing import Any

from msgspec import Struct, ValidationError, convert, field

from ingest.instants import PER_UNIT, instant_of
from vorab import ConfigurationError, Malformed, Payload, Quantity, Sample
from vorab.model import Instant

FLAGS = {
    Quantity.OPEN, Quantity.BATTERY_LOW, Quantity.WET, Quantity.SMOKE, Quantity.CO_ALARM, Quantity.OCCUPIED,
    Quantity.PRESENT, Quantity.TAKEN, Quantity.VIBRATION, Quantity.TAMPER, Quantity.ONLINE, Quantity.ON, Quantity.INPUT,
}  # fmt: skip
TEXTS = {Quantity.BUTTON, Quantity.BADGE, Quantity.BADGE_REFUSED}
_STATES = {"open": True, "closed": False}
LARGEST = float_info.max  #: JSON has larger ones

#: Unit on the wire → (factor, offset) to ours.
UNITS: dict[str, tuple[float, float]] = {
    "°C": (1.0, 0.0),
    "°F": (5 / 9, -160 / 9),
    "K": (1.0, -273.15),
    "mV": (0.001, 0.0),
    "mA": (0.001, 0.0),
    "Pa": (0.01, 0.0),
    "kPa": (10.0, 0.0),
    "Wh": (0.001, 0.0),
    "kW": (1000.0, 0.0),
}


class Where(Struct, frozen=True, forbid_unknown_fields=True):
    """Where one value stands, and how it is written."""

    at: str  #: field names from the outside to the inside, with dots between them
    unit: str = ""  #: on the wire; "" = ours
    decimal: str = ""  #: the value is a text with this decimal sign
    true: Any = field(name="true", default=True)
    false: Any = field(name="false", default=False)


def decode(payload: Payload) -> list[Sample]:
    """Raises Malformed."""
    fields = payload.object()
    samples = [
        Sample(quantity, _checked(quantity, fields[quantity], _HERE[quantity]))
        for quantity in Quantity
        if fields.get(quantity) is not None
    ]
    if "open" not in fields and "state" in fields:
        samples.append(Sample(Quantity.OPEN, payload.flag("state", true="open", false="closed")))
    return samples


def time_of(payload: Payload) -> Instant | None:
    return instant_of(payload.object().get("time"))


class configured:  # noqa: N801 - called as a function: one decoder with the options of one type
    """The decoder of one type of the site file.  Raises ConfigurationError."""

    def __init__(self, options: dict[str, object]) -> None:
        try:
            wheres = convert(options, dict[str, Where])
        except ValidationError as error:
            raise ConfigurationError(f"json: {error}") from None
        self._time = wheres.pop("time", None)
        self._sequence = wheres.pop("sequence", None)
        if self._time and self._time.unit not in ("", "iso", *PER_UNIT):
            raise ConfigurationError(f"json: time: unit {self._time.unit!r}; expected iso, {', '.join(PER_UNIT)}")
        self._wheres = {_quantity(name): _known_unit(name, where) for name, where in wheres.items()}

    def decode(self, payload: Payload) -> list[Sample]:
        """Raises Malformed."""
        found = ((quantity, where, _at(payload.object(), where.at)) for quantity, where in self._wheres.items())
        return [
            Sample(quantity, _checked(quantity, value, where)) for quantity, where, value in found if value is not None
        ]

    def time_of(self, payload: Payload) -> Instant | None:
        return instant_of(_at(payload.object(), self._time.at), self._time.unit or "iso") if self._time else None

    def sequence_of(self, payload: Payload) -> int | None:
        value = _at(payload.object(), self._sequence.at) if self._sequence else None
        return value if type(value) is int else None


def _quantity(name: str) -> Quantity:
    try:
        return Quantity(name)
    except ValueError:
        raise ConfigurationError(f"json: no quantity {name!r}; there are {', '.join(Quantity)}") from None


def _known_unit(name: str, where: Where) -> Where:
    if where.unit not in ("", *UNITS):
        raise ConfigurationError(f"json: {name}: unit {where.unit!r}; leave it out (ours) or use {', '.join(UNITS)}")
    return where


def _at(fields: Any, path: str) -> Any:
    """The value at the end of the path; None where the path ends before."""
    for name in path.split("."):
        fields = fields.get(name) if isinstance(fields, dict) else None
    return fields


def _checked(quantity: Quantity, value: Any, where: Where) -> float | bool | str:
    """The value in our sense and unit.  Raises Malformed for another type: a number as a word is none."""
    if quantity in TEXTS:
        if isinstance(value, str) and value:
            return value
        raise Malformed(f"{quantity} is {str(value)[:40]!r}; expected a text")
    if quantity in FLAGS:
        for meant, wire in ((True, where.true), (False, where.false)):
            if type(value) is type(wire) and value == wire:
                return meant
        raise Malformed(f"{quantity} is {str(value)[:40]!r}; expected {where.true!r} or {where.false!r}")
    factor, offset = UNITS[where.unit] if where.unit else (1.0, 0.0)
    number = _number(quantity, value, where.decimal)
    return number * factor + offset if where.unit else number


def _number(quantity: Quantity, value: Any, decimal: str) -> float:
    if decimal and isinstance(value, str):
        try:
            value = float(value.replace(decimal, "."))
        except ValueError:
            value = None
    if type(value) not in (int, float) or not -LARGEST <= value <= LARGEST:
        raise Malformed(f"{quantity} is {str(value)[:40]!r}; expected a number")
    return float(value)


_HERE = {quantity: Where(quantity) for quantity in Quantity}
