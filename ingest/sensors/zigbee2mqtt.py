"""Devices behind zigbee2mqtt: door contacts, climate, air, water, smoke, motion, buttons, switches, plugs.

`zigbee2mqtt/NAME` brings the state as a JSON object, `zigbee2mqtt/NAME/availability` whether the device is reachable
(JSON or text), `zigbee2mqtt/bridge/state` whether the bridge is: declare that as a sensor, the gateway of the others.
Commands (`/set`, `/get`) and what the bridge tells about itself hold no reading.  The devices' own time is `last_seen`.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from ingest.instants import instant_of
from vorab import Malformed, Payload, Quantity, Sample
from vorab.model import Instant

_MILLIVOLTS = 100  #: a battery's voltage above this is in millivolts (the rule), below in volts (some)
_SWITCH = {"ON": True, "OFF": False}

Read = Callable[[str, Any], float | bool | str | None]  #: name, value on the wire → ours; None = it says nothing
Step = tuple[str, Quantity, Read | None, str]  #: name on the wire, what it is, how it is read (None: not), channel


def _number(name: str, value: Any) -> float:
    """Raises Malformed: a number as a word is none."""
    if type(value) not in (float, int):
        raise Malformed(f"{name} is {str(value)[:40]!r}; expected a number")
    return float(value)


def _flag(name: str, value: Any) -> bool:
    """Raises Malformed."""
    if type(value) is not bool:
        raise Malformed(f"{name} is {str(value)[:40]!r}; expected true or false")
    return value


def _not(name: str, value: Any) -> bool:
    """Raises Malformed."""
    return not _flag(name, value)


def _word(_name: str, value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _switch(_name: str, value: Any) -> bool | None:
    """ON or OFF; the state of a blind, a lock or a siren is none of ours."""
    return _SWITCH.get(value.upper()) if isinstance(value, str) else None


def _battery_volts(name: str, value: Any) -> float:
    volts = _number(name, value)
    return volts / 1000 if volts > _MILLIVOLTS else volts


class _Field(Struct, frozen=True):
    """What one field of the state means."""

    quantity: Quantity
    read: Read
    beside: str = ""  #: says nothing beside this field, which says the same better


#: Field → meaning.  `contact: true` says that the magnet is there: the door is *closed* (exposes: value_on is false).
FIELDS: dict[str, _Field] = {
    "contact": _Field(Quantity.OPEN, _not),
    "temperature": _Field(Quantity.TEMPERATURE, _number),
    "local_temperature": _Field(Quantity.TEMPERATURE, _number, beside="temperature"),  # thermostats: of the room
    "humidity": _Field(Quantity.HUMIDITY, _number),
    "pressure": _Field(Quantity.PRESSURE, _number),
    "co2": _Field(Quantity.CO2, _number),
    "pm25": _Field(Quantity.PM2_5, _number),
    "pm10": _Field(Quantity.PM10, _number),
    "illuminance_lux": _Field(Quantity.ILLUMINANCE, _number),
    "illuminance": _Field(Quantity.ILLUMINANCE, _number, beside="illuminance_lux"),  # then it is the raw value
    "occupancy": _Field(Quantity.OCCUPIED, _flag),
    "presence": _Field(Quantity.OCCUPIED, _flag, beside="occupancy"),
    "water_leak": _Field(Quantity.WET, _flag),
    "smoke": _Field(Quantity.SMOKE, _flag),
    "carbon_monoxide": _Field(Quantity.CO_ALARM, _flag),
    "vibration": _Field(Quantity.VIBRATION, _flag),
    "tamper": _Field(Quantity.TAMPER, _flag),
    "battery": _Field(Quantity.BATTERY, _number),
    "battery_low": _Field(Quantity.BATTERY_LOW, _flag),
    "linkquality": _Field(Quantity.LINK_QUALITY, _number),
    "power": _Field(Quantity.POWER, _number),
    "current": _Field(Quantity.CURRENT, _number),
    "energy": _Field(Quantity.ENERGY, _number),
    "voltage": _Field(Quantity.VOLTAGE, _number),
    "action": _Field(Quantity.BUTTON, _word),
    "click": _Field(Quantity.BUTTON, _word, beside="action"),  # its name before 2020
    "state": _Field(Quantity.ON, _switch),
}

#: Several relays, probes or phases of one device: state_l1, temperature_2, power_left, current_phase_b.
_CHANNEL = re.compile(r"(l?\d{1,2}|left|right|center|top|bottom|phase_[abc])")
_CHANNELLED = {"state", "contact", "temperature", "humidity", "power", "current", "energy", "voltage"}

#: Beside one of these a `temperature` is that of the chip in a plug, unless a humidity shows it to be the room's.
_RELAY = {"power", "state", "state_l1", "state_left", "state_right", "consumption", "energy", "current"}
_BATTERY = {
    "battery",
    "battery_low",
}  #: beside one of these `voltage` is the battery's, else beside the above the mains'
_COMMANDS = {"get", "set", "request", "response"}
_REACHABLE = {"online": True, "offline": False}
_USUAL_BYTES = 4096  #: the fields of a larger message are not remembered
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
    start = payload.raw[:1]
    if payload.suffix:
        levels = payload.suffix.split("/")
        if start == b"[" or not _COMMANDS.isdisjoint(levels):  # lists: bridge/devices, bridge/groups …
            return []
        if start != b"{":
            return _attribute(levels[-1], payload.text())
        if levels[-1] == "availability":
            return _reachable(payload.first("state"))
    elif start.isalpha():
        return _reachable(payload.text())
    fields = payload.object()
    if len(fields) == 1 and str(fields.get("state")).lower() in _REACHABLE:
        return _reachable(fields["state"])
    names = tuple(fields)
    try:
        return _samples(fields, _steps(names) if len(payload.raw) < _USUAL_BYTES else _steps.__wrapped__(names))
    except OverflowError:
        raise Malformed("a whole number that is too large; expected one that can be measured") from None


def time_of(payload: Payload) -> Instant | None:
    """`last_seen`: ISO 8601 with an offset, or milliseconds since 1970 (zigbee2mqtt's setting of the same name)."""
    if b'"last_seen"' not in payload.raw:
        return None
    seen = payload.object().get("last_seen")
    return instant_of(seen, "iso" if isinstance(seen, str) else "ms")


def _samples(fields: dict[str, Any], steps: list[Step]) -> list[Sample]:
    samples = []
    for (name, quantity, read, channel), value in zip(steps, fields.values(), strict=True):
        if read is _number and ((kind := type(value)) is float or kind is int):  # most fields, without a call
            samples.append(Sample(quantity, float(value), channel))
        elif read is not None and value is not None:
            found = read(name, value)
            if found is not None:
                samples.append(Sample(quantity, found, channel))
    return samples


@lru_cache(1024)
def _steps(names: tuple[str, ...]) -> list[Step]:
    """What each of these fields says beside the others: a device sends the same ones again and again."""
    return [_step(name, set(names)) for name in names]


def _step(name: str, names: set[str]) -> Step:
    field, channel = FIELDS.get(name), ""
    if field is None:
        base, _, channel = name.partition("_")
        if base not in _CHANNELLED or not _CHANNEL.fullmatch(channel):
            return name, Quantity.ONLINE, None, ""
        field = FIELDS[base]
    if field.beside in names or (name == "temperature" and "humidity" not in names and not _RELAY.isdisjoint(names)):
        return name, field.quantity, None, ""
    if name == "voltage" and not _BATTERY.isdisjoint(names):
        return name, Quantity.BATTERY_VOLTAGE, _battery_volts, ""
    if name == "voltage" and _RELAY.isdisjoint(names):
        return name, field.quantity, None, ""  # of the mains or of a battery: nobody knows
    return name, field.quantity, field.read, channel


def _reachable(state: Any) -> list[Sample]:
    word = str(state).strip().lower()
    if word not in _REACHABLE:
        raise Malformed(f"availability is {word[:40]!r}; expected online or offline")
    return [Sample(Quantity.ONLINE, _REACHABLE[word])]


def _attribute(name: str, text: str) -> list[Sample]:
    """A word on a topic of its own: availability, or one field (zigbee2mqtt's setting `output: attribute`)."""
    if name == "availability" or (name == "state" and text.lower() in _REACHABLE):
        return _reachable(text)
    if name not in FIELDS or name == "voltage":
        return []
    value: Any = _WORDS.get(text, text)
    if FIELDS[name].read is _number and value is not None:
        try:
            value = float(text)
        except ValueError:
            raise Malformed(f"{name} is {text[:40]!r}; expected a number") from None
    return _samples({name: value}, _steps((name,)))
