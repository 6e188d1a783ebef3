"""Devices behind zigbee2mqtt: door contacts, climate, air, water, smoke, motion, buttons, switches, plugs.

`zigbee2mqtt/NAME` brings the state as a JSON object, `zigbee2mqtt/NAME/availability` whether the device is reachable
(JSON or text), `zigbee2mqtt/bridge/state` whether the bridge is: declare that as a sensor, the gateway of the others.
Commands (`/set`, `/get`) and what the bridge tells about itself hold no reading.  The devices' own time is `last_seen`.
"""

import re
from functools import lru_cache
from typing import Any

from msgspec import Struct

from ingest.instants import instant_of
from vorab import Malformed, Payload, Quantity, Sample
from vorab.model import Instant


class _Field(Struct, frozen=True):
    """What one field of the state means."""

    quantity: Quantity
    kind: type  #: on the wire: bool, float or str
    beside: str = ""  #: says nothing beside this field, which says the same better
    inverted: bool = False  #: true on the wire is false for us


#: Field → meaning.  `contact: true` says that the magnet is there: the door is *closed* (exposes: value_on is false).
FIELDS: dict[str, _Field] = {
    "contact": _Field(Quantity.OPEN, bool, inverted=True),
    "temperature": _Field(Quantity.TEMPERATURE, float),
    "local_temperature": _Field(Quantity.TEMPERATURE, float, beside="temperature"),  # thermostats: of the room
    "humidity": _Field(Quantity.HUMIDITY, float),
    "pressure": _Field(Quantity.PRESSURE, float),
    "co2": _Field(Quantity.CO2, float),
    "pm25": _Field(Quantity.PM2_5, float),
    "pm10": _Field(Quantity.PM10, float),
    "illuminance_lux": _Field(Quantity.ILLUMINANCE, float),
    "illuminance": _Field(Quantity.ILLUMINANCE, float, beside="illuminance_lux"),  # then it is the raw value
    "occupancy": _Field(Quantity.OCCUPIED, bool),
    "presence": _Field(Quantity.OCCUPIED, bool, beside="occupancy"),
    "water_leak": _Field(Quantity.WET, bool),
    "smoke": _Field(Quantity.SMOKE, bool),
    "carbon_monoxide": _Field(Quantity.CO_ALARM, bool),
    "vibration": _Field(Quantity.VIBRATION, bool),
    "tamper": _Field(Quantity.TAMPER, bool),
    "battery": _Field(Quantity.BATTERY, float),
    "battery_low": _Field(Quantity.BATTERY_LOW, bool),
    "linkquality": _Field(Quantity.LINK_QUALITY, float),
    "power": _Field(Quantity.POWER, float),
    "current": _Field(Quantity.CURRENT, float),
    "energy": _Field(Quantity.ENERGY, float),
    "voltage": _Field(Quantity.VOLTAGE, float),
    "action": _Field(Quantity.BUTTON, str),
    "click": _Field(Quantity.BUTTON, str, beside="action"),  # its name before 2020
    "state": _Field(Quantity.ON, str),
}

#: Several relays, probes or phases of one device: state_l1, temperature_2, power_left, current_phase_b.
_CHANNEL = re.compile(r"(l?\d{1,2}|left|right|center|top|bottom|phase_[abc])")
_CHANNELLED = {"state", "contact", "temperature", "humidity", "power", "current", "energy", "voltage"}

#: Beside one of these a `temperature` is that of the chip in a plug, unless a humidity shows it to be the room's.
_RELAY = {"power", "state", "state_l1", "state_left", "state_right", "consumption", "energy", "current"}
_BATTERY = {"battery", "battery_low"}  #: beside one of these `voltage` is the battery's
_MILLIVOLTS = 100  #: a battery's voltage above this is in millivolts (the rule); below in volts (some)

#: Numbers that mean the same whatever stands beside them.
_PLAIN = {
    name: field.quantity
    for name, field in FIELDS.items()
    if field.kind is float and not field.beside and name not in ("voltage", "temperature")
}

_COMMANDS = {"get", "set", "request", "response"}
_SWITCH = {"ON": True, "OFF": False}
_REACHABLE = {"online": True, "offline": False}
_WORDS = {"true": True, "false": False, "null": None, "": None}

RANGES: dict[Quantity, tuple[float, float]] = {
    Quantity.TEMPERATURE: (-60.0, 150.0),
    Quantity.HUMIDITY: (0.0, 100.0),
    Quantity.PRESSURE: (300.0, 1200.0),
    Quantity.CO2: (0.0, 40_000.0),
    Quantity.PM2_5: (0.0, 10_000.0),
    Quantity.PM10: (0.0, 10_000.0),
    Quantity.ILLUMINANCE: (0.0, 200_000.0),
    Quantity.BATTERY: (0.0, 100.0),
    Quantity.BATTERY_VOLTAGE: (0.0, 60.0),
    Quantity.LINK_QUALITY: (0.0, 255.0),
    Quantity.VOLTAGE: (0.0, 1000.0),
    Quantity.CURRENT: (-1000.0, 1000.0),
}


def decode(payload: Payload) -> list[Sample]:
    """Raises Malformed."""
    if payload.suffix:
        levels = payload.suffix.split("/")
        if not _COMMANDS.isdisjoint(levels):
            return []
        if payload.raw[:1] == b"[":  # bridge/devices, bridge/groups …
            return []
        if payload.raw[:1] != b"{":
            return _attribute(levels[-1], payload.text())
        if levels[-1] == "availability" and not payload.object().get("state"):
            raise Malformed("an availability without a state")
    elif payload.raw[:1].isalpha():  # zigbee2mqtt/bridge/state as a sensor, as older ones sent it
        return _reachable(payload.text())
    return _state(payload.object())


def time_of(payload: Payload) -> Instant | None:
    """`last_seen`: ISO 8601 with an offset, or milliseconds since 1970 (zigbee2mqtt's setting of the same name)."""
    if b'"last_seen"' not in payload.raw:
        return None
    seen = payload.object().get("last_seen")
    return instant_of(seen, "iso" if isinstance(seen, str) else "ms")


def _state(fields: dict[str, Any]) -> list[Sample]:
    samples = []
    for name, value in fields.items():
        quantity, kind = _PLAIN.get(name), type(value)
        if quantity is not None and kind is float:
            samples.append(Sample(quantity, value))
        elif quantity is not None and kind is int:
            samples.append(Sample(quantity, float(value)))
        elif (meaning := _meaning(name)) is not None:
            samples += _found(name, *meaning, value, fields)
    return samples


@lru_cache(4096)
def _meaning(name: str) -> tuple[_Field, str] | None:
    """What a field of this name is, and of which channel; None = nothing that we know."""
    if name in FIELDS:
        return FIELDS[name], ""
    base, _, channel = name.partition("_")
    return (FIELDS[base], channel) if base in _CHANNELLED and _CHANNEL.fullmatch(channel) else None


def _found(name: str, field: _Field, channel: str, value: Any, fields: dict[str, Any]) -> list[Sample]:
    """What one field says beside the others.  Raises Malformed."""
    if field.beside and field.beside in fields:
        return []
    found = _value(name, field, value)
    if found is None:
        is_reachable = name == "state" and isinstance(value, str) and value.lower() in _REACHABLE
        return _reachable(value) if is_reachable else []
    if name == "voltage":
        return [_voltage(found, fields)]
    if name == "temperature" and "humidity" not in fields and not _RELAY.isdisjoint(fields):
        return []
    return [Sample(field.quantity, found, channel)]


def _value(name: str, field: _Field, value: Any) -> Any:
    """The value in our sense; None = it says nothing.  Raises Malformed for a wrong type."""
    kind = type(value)
    if field.kind is float:
        if kind is float or value is None:
            return value
        if kind is int:
            return float(value)
        raise Malformed(f"{name} is {str(value)[:40]!r}; expected a number")
    if field.kind is bool:
        if kind is bool:
            return value is not field.inverted
        if value is None:
            return None
        raise Malformed(f"{name} is {str(value)[:40]!r}; expected true or false")
    if kind is str:
        return _SWITCH.get(value.upper()) if field.quantity is Quantity.ON else value or None
    return None


def _voltage(value: float, fields: dict[str, Any]) -> Sample:
    """Of the mains; of the battery beside a battery, and where it could only be millivolts."""
    if value > 1000 or (not _BATTERY.isdisjoint(fields) and "power" not in fields):
        return Sample(Quantity.BATTERY_VOLTAGE, value / 1000 if value > _MILLIVOLTS else value)
    return Sample(Quantity.VOLTAGE, value)


def _reachable(text: str) -> list[Sample]:
    word = text.strip().lower()
    if word not in _REACHABLE:
        raise Malformed(f"availability is {word[:40]!r}; expected online or offline")
    return [Sample(Quantity.ONLINE, _REACHABLE[word])]


def _attribute(name: str, text: str) -> list[Sample]:
    """A word on a topic of its own: availability, or one field (zigbee2mqtt's setting `output: attribute`)."""
    if name == "availability" or (name == "state" and text.lower() in _REACHABLE):
        return _reachable(text)
    field = FIELDS.get(name)
    if field is None:
        return []
    value: Any = _WORDS.get(text, text)
    if field.kind is float and value is not None:
        try:
            value = float(text)
        except ValueError:
            raise Malformed(f"{name} is {text[:40]!r}; expected a number") from None
    return _state({name: value})
