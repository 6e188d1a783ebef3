"""What the engine knows after a record, as bytes: with the rest of the log it goes on as if it had never stopped."""

import msgspec
from msgspec import Struct

from rules.index import Item, Key, Turn
from rules.watch import Watch
from rules.witness import Witness
from vorab.errors import Corrupt
from vorab.model import Instant, Quantity, SensorId


class LineState(Struct, frozen=True, array_like=True, gc=False):
    at: Instant
    seen: Instant
    since: Instant
    value: float | bool | str | None  #: None = nothing was heard


class WatcherState(Struct, frozen=True, array_like=True):
    watch: Watch | None
    pending: list[Turn]
    buffer: list[Item]
    line: LineState | None  #: of a rule with lateness: its own


class Known(Struct, frozen=True, array_like=True):
    """Sorted, so that equal knowledge is equal bytes."""

    rules_hash: str
    clocks: list[tuple[str, bool, Instant]]  #: ingest, whether it is the lane of life safety, until
    lines: list[tuple[SensorId, Quantity | None, LineState]]
    watchers: list[tuple[Key, WatcherState]]
    witnesses: list[tuple[SensorId, Witness]]
    retired: list[tuple[Key, Watch]]


_HEAD = b"\x01"  #: the version
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Known)


def pack(known: Known) -> bytes:
    return _HEAD + _encoder.encode(known)


def unpack(data: bytes) -> Known:
    """Raises Corrupt."""
    if data[:1] != _HEAD:
        raise Corrupt(f"checkpoint of version {data[:1].hex() or 'missing'}; this program reads 01: replay the log")
    try:
        return _decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"not a checkpoint: {error}") from None
