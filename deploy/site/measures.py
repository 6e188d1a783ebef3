"""Spans and amounts as people write them: `30s`, `1min 30s`, `26 °C`, `79 °F`, `18..26 °C`."""

import re

from vorab.model import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Quantity, Span

_SPANS = {"ms": MILLISECOND, "s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|min|h|d)")
MAX_SPAN = Span(3660 * DAY)

_NUMBER = r"[-+−]?[0-9]{1,15}(?:\.[0-9]{1,9})?"
_AMOUNT = re.compile(rf"({_NUMBER}) ?([^\d\s.].*)?")
_RANGE = re.compile(rf"({_NUMBER})\s*([^\d\s.]\S*)?\s*\.\.\s*({_NUMBER} ?.*)")

#: Unit → (factor, offset) to the unit of the quantity in `vorab.model.Quantity`; the first one is written in messages.
_CELSIUS = {"°C": (1.0, 0.0), "C": (1.0, 0.0), "°F": (5 / 9, -160 / 9), "F": (5 / 9, -160 / 9), "K": (1.0, -273.15)}
_PERCENT = {"%": (1.0, 0.0)}
_DUST = {"µg/m³": (1.0, 0.0), "μg/m³": (1.0, 0.0), "ug/m3": (1.0, 0.0)}  # the micro sign and the Greek letter
_VOLTS = {"V": (1.0, 0.0), "mV": (0.001, 0.0)}
_DECIBELS = {"dBm": (1.0, 0.0)}
UNITS: dict[Quantity, dict[str, tuple[float, float]]] = {
    Quantity.TEMPERATURE: _CELSIUS,
    Quantity.HUMIDITY: _PERCENT,
    Quantity.PRESSURE: {"hPa": (1.0, 0.0), "mbar": (1.0, 0.0), "kPa": (10.0, 0.0), "Pa": (0.01, 0.0)},
    Quantity.CO2: {"ppm": (1.0, 0.0)},
    Quantity.ILLUMINANCE: {"lx": (1.0, 0.0), "lux": (1.0, 0.0)},
    Quantity.PM2_5: _DUST,
    Quantity.PM10: _DUST,
    Quantity.BATTERY: _PERCENT,
    Quantity.BATTERY_VOLTAGE: _VOLTS,
    Quantity.POWER: {"W": (1.0, 0.0), "kW": (1000.0, 0.0)},
    Quantity.VOLTAGE: _VOLTS,
    Quantity.CURRENT: {"A": (1.0, 0.0), "mA": (0.001, 0.0)},
    Quantity.ENERGY: {"kWh": (1.0, 0.0), "Wh": (0.001, 0.0)},
    Quantity.LINK_QUALITY: {},
    Quantity.RSSI: _DECIBELS,
    Quantity.SNR: {"dB": (1.0, 0.0)},
}


def span(value: object) -> Span:
    """The span in microseconds: 1min 30s → 90,000,000.  Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a span such as 30s, found {kind_of(value)}")
    text = str(value).strip()
    if re.fullmatch(_NUMBER, text):
        raise ValueError(f"{text} of what? Write {text}s or {text}min")
    parts = _SPAN.findall(text)
    if not parts or re.sub(r"\s", "", text) != "".join(number + unit for number, unit in parts):
        raise ValueError(f"{text!r} is no span; write 30s, 10min, 2h or 1min 30s")
    total = sum(round(float(number) * _SPANS[unit]) for number, unit in parts)
    if total > MAX_SPAN:
        raise ValueError(f"{text} is longer than ten years")
    return Span(total)


def write_span(value: Span) -> str:
    """As one writes it: 90,000,000 → 1min 30s.  The longest unit first; 0 → 0s."""
    left, parts = int(value), []
    for unit in ("d", "h", "min", "s", "ms"):
        count, left = divmod(left, _SPANS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def amount(value: object, quantity: Quantity, *, difference: bool = False) -> float:
    """The amount in the unit of the quantity: 79 °F → 26.1; as a difference 1.8 °F → 1.0.  Raises ValueError."""
    units = UNITS.get(quantity)
    if units is None:
        raise ValueError(f"{quantity} has no amounts; name a state instead")
    found = _AMOUNT.fullmatch(str(value).strip()) if _is_text_or_number(value) else None
    example = f"26 {next(iter(units))}" if units else "26"
    if found is None:
        raise ValueError(f"{value!r} is no amount of {quantity}; write it like {example}")
    number, unit = float(found[1].replace("−", "-")), (found[2] or "").strip()
    if not unit and units:
        raise ValueError(f"{found[1]} of what? Write {found[1]} {next(iter(units))}")
    if unit and unit not in units:
        raise ValueError(f"{quantity} is not measured in {unit!r}; use {' or '.join(units) or 'a bare number'}")
    factor, offset = units[unit] if unit else (1.0, 0.0)
    return round(number * factor + (0.0 if difference else offset), 6)


def between(value: object, quantity: Quantity) -> tuple[float, float]:
    """The two ends of `18..26 °C`, low first.  Raises ValueError."""
    found = _RANGE.fullmatch(value.strip()) if isinstance(value, str) else None
    unit = next(iter(UNITS.get(quantity, {})), "")
    if found is None:
        raise ValueError(f"{value!r} is no range; write it like 18..26 {unit}".rstrip())
    high_text = found[3].strip()
    own = _AMOUNT.fullmatch(high_text)
    low = amount(f"{found[1]} {found[2] or (own and own[2]) or ''}".strip(), quantity)
    high = amount(high_text, quantity)
    if low >= high:
        raise ValueError(f"the limits of {value!r} are swapped: write the low one first")
    return low, high


def kind_of(value: object) -> str:
    """A value's kind in an operator's words."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return f"the text {value[:40]!r}"
    return str(value)


def _is_text_or_number(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
