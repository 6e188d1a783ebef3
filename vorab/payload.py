"""A message as a decoder sees it: the rest of its topic, bytes, and readers that say what is wrong with a value."""

import math
from typing import Any

import msgspec

from vorab.errors import Malformed

MAX_BYTES = 256 * 1024  #: of one payload; larger is quarantined unread


class Payload:
    """One message: `raw` its bytes, and `suffix`."""

    __slots__ = ("_json", "raw", "suffix")

    def __init__(self, raw: bytes, suffix: str = "") -> None:
        self.raw = raw
        self.suffix = suffix  #: what follows the sensor's topic, e.g. "availability"; usually ""
        self._json: Any = None

    def text(self) -> str:
        """The payload as UTF-8 text.  Raises Malformed."""
        try:
            return self.raw.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"not UTF-8: {error.reason} at byte {error.start}") from None

    def object(self) -> dict[str, Any]:
        """The payload as a JSON object.  Raises Malformed."""
        if self._json is None:
            try:
                self._json = msgspec.json.decode(self.raw)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                raise Malformed(f"not JSON: {error}") from None
        if not isinstance(self._json, dict):
            raise Malformed(f"expected a JSON object, found {type(self._json).__name__}")
        return self._json

    def flag(self, *names: str, true: str = "true", false: str = "false") -> bool:
        """The first of these fields that is there, as true or false.  Raises Malformed."""
        value = self.first(*names)
        if isinstance(value, bool):
            return value
        if value == true:
            return True
        if value == false:
            return False
        raise Malformed(f"{names[0]} is {value!r}; expected {true!r} or {false!r}")

    def number(self, *names: str) -> float:
        """The first of these fields that is there, as a finite number.  Raises Malformed."""
        value = self.first(*names)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Malformed(f"{names[0]} is {value!r}; expected a number")
        return float(value)

    def first(self, *names: str) -> Any:
        """The value of the first of these fields that is there.  Raises Malformed."""
        fields = self.object()
        for name in names:
            if name in fields:
                return fields[name]
        raise Malformed(f"none of {', '.join(names)} in the message")
