"""What was said around an instant, and every breach."""

from collections.abc import Iterator

from deploy.log.sqlite import Reader
from vorab.model import Breach, Instant, Reading

AT_ONCE = 1000  #: breaches


def readings(log: Reader, start: Instant, stop: Instant) -> Iterator[Reading]:
    """All that was received from `start` to `stop`, in the order of the log."""
    for _, record in log.records(log.position_at(start), log.position_at(Instant(stop + 1))):
        yield from (each for each in record.readings if start <= each.received_at <= stop)


def breaches(log: Reader, after: int = 0) -> Iterator[tuple[int, Breach]]:
    """Every edge found after this number, in the order in which they were found."""
    while found := log.breaches_after(after, AT_ONCE):
        yield from found
        after = found[-1][0]
