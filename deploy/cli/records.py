"""What was said, and what was found: as one machine's log has it, or Kafka and PostgreSQL."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from deploy.cli.folders import answering, distributed, existing
from deploy.log.sqlite import Reader, open_reader
from vorab.errors import ConfigurationError, TemporaryFailure
from vorab.model import Breach, Instant, Reading

AT_ONCE = 1000  #: breaches


class Told(Protocol):
    def readings(self, start: Instant, stop: Instant) -> Iterable[Reading]:
        """All that was received from `start` to `stop`, in that order."""
        ...

    def last(self, count: int) -> Iterable[Reading]:
        """The last ones in order, at least as many if there are."""
        ...

    def breaches(self) -> Iterable[Breach]:
        """Every edge, in the order in which they were found."""
        ...

    def news(self) -> tuple[list[Reading], list[Breach]]:
        """What came since this was opened, or was asked for last."""
        ...


@contextlib.contextmanager
def telling(folder: Path, data: Path | None) -> Iterator[Told]:
    """Raises ConfigurationError where the site never ran, or what it needs does not answer."""
    many = distributed(folder)
    if many is None:
        with contextlib.closing(open_reader(existing(folder, data, "capture.db"))) as reader:
            yield OneMachine(reader)
        return
    from deploy.cli.many import ManyMachines
    from deploy.log.whole import reading
    from deploy.store.store import open_reader as open_store

    engine = open_store(many.store)
    try:
        with answering(many), reading(many) as log:
            yield ManyMachines(many, log, engine)
    except TemporaryFailure as error:  # whoever types waits for nobody
        raise ConfigurationError(str(error)) from None
    finally:
        engine.dispose()


class OneMachine:
    def __init__(self, log: Reader) -> None:
        self._log = log
        self._position, self._number = log.last_position(), 0
        self._number = max((number for number, _ in self._numbered()), default=0)

    def readings(self, start: Instant, stop: Instant) -> Iterator[Reading]:
        log = self._log
        for _, record in log.records(log.position_at(start), log.position_at(Instant(stop + 1))):
            yield from (each for each in record.readings if start <= each.received_at <= stop)

    def last(self, count: int) -> Iterator[Reading]:
        for record in self._log.tail(count):
            yield from record.readings

    def breaches(self) -> Iterator[Breach]:
        return (breach for _, breach in self._numbered())

    def news(self) -> tuple[list[Reading], list[Breach]]:
        after, self._position = self._position, self._log.last_position()
        said = [each for _, record in self._log.records(after + 1, self._position + 1) for each in record.readings]
        found = list(self._numbered(self._number))
        self._number = max((number for number, _ in found), default=self._number)
        return said, [breach for _, breach in found]

    def _numbered(self, after: int = 0) -> Iterator[tuple[int, Breach]]:
        while found := self._log.breaches_after(after, AT_ONCE):
            yield from found
            after = found[-1][0]
