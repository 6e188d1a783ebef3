"""What was said, and what was found, on many machines: the partitions of Kafka, and the breaches in PostgreSQL."""

from collections.abc import Iterable

from sqlalchemy import Engine, select

from deploy.cli.instants import now
from deploy.log.whole import WholeLog
from deploy.store.tables import breaches
from rules.partition import Routes, Shard
from rules.ruleset import unpack
from vorab import wire
from vorab.model import MINUTE, Breach, Instant, Reading
from vorab.site import Site

TAIL_RECORDS = 2_048  #: of each partition; of time alone half an hour
WRITTEN_WITHIN = MINUTE  #: a reading stands in a record that was written at the latest so long after it was received
FOUND_WITHIN = 10 * MINUTE  #: and a breach is in the table so long after it fell due, unless workers were away

Spans = dict[Shard, tuple[int, int]]


class ManyMachines:
    """`deploy.cli.records.Told`.  What is asked about from elsewhere speaks in several partitions, and counts once."""

    def __init__(self, site: Site, log: WholeLog, store: Engine) -> None:
        assert site.log
        self._log, self._store = log, store
        self._routes = Routes(unpack(site.rules), site.log.partitions)
        self._ends = {shard: end for shard, (_, end) in log.spans().items()}
        self._known = {(each.id, each.number) for each in self.breaches()}

    def readings(self, start: Instant, stop: Instant) -> Iterable[Reading]:
        first, last = self._log.since(start), self._log.since(Instant(stop + WRITTEN_WITHIN))
        ends = self._log.spans()
        spans = {shard: (offset, last.get(shard, ends[shard][1])) for shard, offset in first.items()}
        return [each for each in self._between(spans) if start <= each.received_at <= stop]

    def last(self, count: int) -> Iterable[Reading]:
        spans = {shard: (max(first, end - TAIL_RECORDS), end) for shard, (first, end) in self._log.spans().items()}
        return self._between(spans)[-count:]

    def breaches(self) -> Iterable[Breach]:
        return self._found(Instant(0))

    def news(self) -> tuple[list[Reading], list[Breach]]:
        before, self._ends = self._ends, {shard: end for shard, (_, end) in self._log.spans().items()}
        said = self._between({shard: (before[shard], end) for shard, end in self._ends.items()})
        recent = self._found(Instant(now() - FOUND_WITHIN))
        found = [each for each in recent if (each.id, each.number) not in self._known]
        self._known |= {(each.id, each.number) for each in found}
        return said, found

    def _between(self, spans: Spans) -> list[Reading]:
        """Each where it is at home, in the order in which they were received."""
        said = [
            reading
            for shard, (start, end) in spans.items()
            if start < end
            for record in self._log.between(shard, start, end)
            for reading in record.readings
            if self._routes.of(reading.sensor)[0] == shard
        ]
        return sorted(said, key=lambda reading: reading.received_at)

    def _found(self, since: Instant) -> list[Breach]:
        table = breaches.c
        wanted = select(table.body).where(table.at >= since).order_by(table.at, table.id, table.edge)
        with self._store.connect() as connection:
            return [wire.unpack(body, wire.BREACH) for (body,) in connection.execute(wanted)]
