"""Law 2 for a log in partitions: what an ingest says that it received, against what stands in the log.

Two witnesses: the packet reader's counts, which come beside each `until`, and the messages themselves, which a worker
counts where they are at home.  Its counts are saved with its position, so a record is counted once.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from vorab.errors import Corrupt
from vorab.model import Counts, Instant, Record, Replayed, SensorId

RUNS = 16  #: kept of each ingest, the newest

Run = tuple[str, Instant]  #: an ingest, and when it was started


class Told(NamedTuple):
    """As of a record with counts."""

    counts: Counts  #: of the whole run: all that was sent before that record, into whatever partition
    stored: int  #: messages of this partition up to there
    quarantined: int


class Tally(Struct, array_like=True):
    """Of one run, in one partition, so far."""

    ingest: str
    run: Instant
    stored: int = 0
    quarantined: int = 0
    told: Told | None = None


class Received(Struct, frozen=True):
    """Of one run, over all partitions."""

    counts: Counts
    stored: int
    quarantined: int
    missing: int  #: received and nowhere in the log; negative = there more often than received


class Tallies:
    """Of one partition."""

    def __init__(self, packed: bytes | None = None) -> None:
        """Raises Corrupt."""
        try:
            known = _decoder.decode(packed) if packed else []
        except msgspec.MsgspecError as error:
            raise Corrupt(f"not the counts of a partition: {error}") from None
        self._of: dict[Run, Tally] = {(each.ingest, each.run): each for each in known}

    def add(self, record: Record, guests: frozenset[SensorId]) -> None:
        """`guests`: sensors that speak here and are counted elsewhere (rules.partition)."""
        tally = self._of.get((record.ingest, record.run))
        if tally is None:
            tally = self._of[record.ingest, record.run] = Tally(record.ingest, record.run)
            runs = sorted(run for ingest, run in self._of if ingest == record.ingest)
            for old in runs[:-RUNS]:
                del self._of[record.ingest, old]
        if not any(isinstance(each, Replayed) for each in record.commands):  # those were counted when they came
            readings = record.readings
            tally.stored += sum(each.sensor not in guests for each in readings) if guests else len(readings)
        tally.quarantined += len(record.quarantined)
        if record.counts is not None:
            tally.told = Told(record.counts, tally.stored, tally.quarantined)

    def pack(self) -> bytes:
        return _encoder.encode(list(self._of.values()))

    def told(self) -> Mapping[Run, Told]:
        return {run: tally.told for run, tally in self._of.items() if tally.told is not None}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Tally])


def received(partitions: Sequence[Mapping[Run, Told]]) -> dict[Run, Received]:
    """Of every partition what was told last.  A run of which one partition was never told is not judged.

    No partition is as far as another.  What the earliest told counts must be there, for it was sent before; and what
    is there must be in the latest, for that was told after it.
    """
    every = [set(told) for told in partitions]
    return (
        {run: _received([told[run] for told in partitions]) for run in sorted(set.intersection(*every))}
        if every
        else {}
    )


def _received(told: Sequence[Told]) -> Received:
    earliest = min((each.counts for each in told), key=_in_the_log)
    latest = max((each.counts for each in told), key=_in_the_log)
    stored, quarantined = sum(each.stored for each in told), sum(each.quarantined for each in told)
    found = stored + quarantined
    if found < _in_the_log(earliest):
        return Received(earliest, stored, quarantined, _in_the_log(earliest) - found)
    return Received(latest, stored, quarantined, min(0, _in_the_log(latest) - found))


def _in_the_log(counts: Counts) -> int:
    return counts.received - counts.duplicates - counts.ignored
