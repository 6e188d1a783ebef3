"""Values to bytes and back.  Nobody else encodes them."""

from typing import TypeVar

import msgspec

from vorab.errors import Corrupt, Newer
from vorab.model import Breach, Incident, Record

VERSION = 1  #: of the format; the first byte of every packed value

_encoder = msgspec.msgpack.Encoder()
_HEAD = bytes([VERSION])
_NO_VERSION = 0x20  #: from here on a first byte is text or a bare msgpack value of somebody else's
T = TypeVar("T")


def pack(value: object) -> bytes:
    """The bytes of one value of `vorab.model`, with the version of the format in front."""
    return _HEAD + _encoder.encode(value)


def unpacker(kind: type[T]) -> "msgspec.msgpack.Decoder[T]":
    return msgspec.msgpack.Decoder(kind)


def unpack(data: bytes, decoder: "msgspec.msgpack.Decoder[T]") -> T:
    """The value in these bytes.  Raises Corrupt: what we wrote ourselves must be readable, or a person must look."""
    if data[:1] != _HEAD:
        newer = VERSION < data[0] < _NO_VERSION if data else False
        raise (Newer if newer else Corrupt)(
            f"format version {data[:1].hex() or 'missing'}; this program reads {VERSION}: install the newer one"
        )
    try:
        return decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(f"not a {decoder.type}: {error}") from None


RECORD = unpacker(Record)
BREACH = unpacker(Breach)
INCIDENT = unpacker(Incident)
