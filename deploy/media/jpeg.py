"""Whole JPEG pictures out of a stream of bytes, by their own markers (ITU-T T.81, annex B).

What stands between them does not matter: cameras send wrong boundaries, wrong lengths, or none.
"""

import re

from vorab.errors import Malformed

_START = b"\xff\xd8\xff"
#: 0xff with a code, but for what stands within the picture's data: stuffing, restart marks and fill bytes.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])", re.DOTALL)
_SOI, _EOI = 0xD8, 0xD9
SMALLEST = 100  #: bytes; below that there is no room for the tables that a picture needs


class Scan:
    """`limit`: bytes that one picture, with all that came before it, may have."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._at = 0  #: where the next marker is looked for; 0 = no picture has begun
        self._since = 0  #: bytes since the last picture

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures that these bytes complete.  Raises Malformed when none comes within the limit."""
        self._data += data
        self._since += len(data)
        found: list[bytes] = []
        while (picture := self._next()) is not None:
            if len(picture) >= SMALLEST:
                found.append(picture)
                self._since = len(self._data)
        if self._since > self._limit:
            raise Malformed(f"no picture in {self._limit // 1_000_000} MB")
        return found

    def _next(self) -> bytes | None:
        data = self._data
        if not self._at:
            start = data.find(_START)
            if start < 0:
                del data[:-2]
                return None
            del data[:start]
            self._at = 2
        while (marker := _MARKER.search(data, self._at)) is not None:
            code, begin, end = data[marker.start() + 1], marker.start(), marker.end()
            del marker  # it holds on to the bytes
            if code == _EOI:
                picture = bytes(data[:end])
                del data[:end]
                self._at = 0
                return picture
            if code == _SOI:  # the last one was cut short
                del data[:begin]
                self._at = 2
            elif len(data) < end + 2:
                self._at = begin
                return None
            else:
                self._at = end + max(2, int.from_bytes(data[end : end + 2], "big"))
        self._at = max(self._at, len(data) - 1)
        return None
