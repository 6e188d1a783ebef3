"""Where in the log an instant stands, and what one sensor said around it."""

from collections.abc import Iterator

from deploy.log.sqlite import Reader
from vorab.errors import Corrupt
from vorab.model import Breach, Instant, Reading, Record

AT_ONCE = 1000  #: breaches


def time_of(record: Record) -> Instant:
    """Until when the record tells."""
    return record.until or (record.readings[-1].received_at if record.readings else record.run)


def position_at(log: Reader, at: Instant) -> int:
    """The first record that tells of this instant or of later; the end of the log if none does."""
    low, high = 1, log.last_position() + 1
    while low < high:
        middle = (low + high) // 2
        if _ends_before(log, middle, at):
            low = middle + 1
        else:
            high = middle
    return low


def _ends_before(log: Reader, position: int, at: Instant) -> bool:
    """Records that house-keeping has deleted are the oldest ones."""
    try:
        _, record = next(log.records(position, position + 1))
    except Corrupt:
        return True
    return time_of(record) < at


def readings(log: Reader, start: Instant, stop: Instant) -> Iterator[Reading]:
    """All that was received from `start` to `stop`, in the order of the log."""
    for _, record in log.records(position_at(log, start)):
        yield from (each for each in record.readings if start <= each.received_at <= stop)
        if time_of(record) > stop:
            return


def breaches(log: Reader, after: int = 0) -> Iterator[tuple[int, Breach]]:
    """Every edge found after this number, in the order in which they were found."""
    while found := log.breaches_after(after, AT_ONCE):
        yield from found
        after = found[-1][0]
