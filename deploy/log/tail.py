"""What stands at the end of the log, for an ingest that begins: what it had received, and which rules decide."""

from collections.abc import Iterable
from typing import Any

from kafka import TopicPartition  # type: ignore[import-untyped]
from msgspec import Struct
from msgspec.structs import replace

from deploy.log.client import ANSWER_WITHIN_MS, consumer
from deploy.log.kafka import topic_of
from rules.partition import Routes, Shard, every_shard
from rules.ruleset import unpack
from vorab import wire
from vorab.errors import Corrupt, Newer, TemporaryFailure
from vorab.model import Instant, Quarantined, Reading, Record, RulesChanged
from vorab.site import Site

TAIL_RECORDS = 2_048  #: of one partition, at the most; of time alone, half an hour
TAIL_READINGS = 50_000  #: of all together


class Tail(Struct, frozen=True):
    """The last records of every partition, as far as one ingest needs them when it begins."""

    records: list[Record]  #: its own, with messages where they are at home, in the order in which those were received
    newest: Instant  #: when its part of the log ends; 0 = it has none there
    spans: dict[Shard, tuple[int, int]]  #: offsets of the first record that was looked at, and of the next one
    rules: dict[Shard, str]  #: hash of the last rule set that is named there, where one is

    @property
    def is_empty(self) -> bool:
        """Nothing was ever written."""
        return all(end == 0 for _, end in self.spans.values())


def read_tail(site: Site, ingest: str) -> Tail:
    """Raises TemporaryFailure when Kafka does not answer; Newer for a record that this program is too old for."""
    with consumer(site) as reading:
        return _Looking(reading, site, ingest).look()


class _Looking:
    """At the end of each partition, further and further back until enough is known."""

    def __init__(self, consumer: Any, site: Site, ingest: str) -> None:
        assert site.log
        self._consumer, self._ingest = consumer, ingest
        shards = every_shard(site.log.partitions)
        self._places = {
            TopicPartition(topic_of(site, life_safety=shard.life_safety), shard.number): shard for shard in shards
        }
        self._enough = TAIL_READINGS // len(shards)
        self._routes = Routes(unpack(site.rules), site.log.partitions)
        self._records: list[Record] = []
        self._newest = Instant(0)
        self._readings = dict.fromkeys(shards, 0)
        self._rules: dict[Shard, str] = {}

    def look(self) -> Tail:
        firsts = self._consumer.beginning_offsets(list(self._places))
        ends = self._consumer.end_offsets(list(self._places))
        starts, back = dict(ends), TAIL_RECORDS // 16
        while back <= TAIL_RECORDS:
            wanted = {}
            for place, shard in self._places.items():
                start = max(firsts[place], ends[place] - back)
                if start < starts[place] and self._readings[shard] < self._enough:
                    wanted[place], starts[place] = (start, starts[place]), start
            self._read(wanted)
            back *= 2
        self._records.sort(key=_received_at)
        spans = {shard: (starts[place], ends[place]) for place, shard in self._places.items()}
        return Tail(self._records, self._newest, spans, self._rules)

    def _read(self, spans: dict[Any, tuple[int, int]]) -> None:
        """From the first of these offsets up to the second one, of each."""
        self._consumer.assign(list(spans))
        for place, (start, _) in spans.items():
            self._consumer.seek(place, start)
        named: dict[Shard, str] = {}
        while left := [place for place, (_, end) in spans.items() if self._consumer.position(place) < end]:
            found = self._consumer.poll(timeout_ms=ANSWER_WITHIN_MS)
            if not found:
                raise TemporaryFailure(f"Kafka does not give the records of {left[0].topic}")
            for place, messages in found.items():
                until = spans[place][1]
                self._note(self._places[place], [each.value for each in messages if each.offset < until], named)
        self._rules = named | self._rules  # what was read before is newer

    def _note(self, shard: Shard, values: Iterable[bytes], named: dict[Shard, str]) -> None:
        for value in values:
            record = _readable(value)
            if record is None:
                continue
            for command in record.commands:
                if isinstance(command, RulesChanged):
                    named[shard] = command.rules_hash
            if record.ingest == self._ingest:
                self._newest = max(self._newest, record.run, record.until or record.run, _received_at(record))
                at_home = [each for each in record.readings if self._routes.of(each.sensor)[0] == shard]
                if at_home or record.quarantined or record.commands:
                    self._readings[shard] += len(at_home)
                    self._records.append(replace(record, readings=at_home))


def _readable(value: bytes | None) -> Record | None:
    """None: the workers keep it and tell.  Raises Newer when it takes a newer version of this program to read it."""
    try:
        return wire.unpack(value or b"", wire.RECORD)
    except Newer:
        raise
    except Corrupt:
        return None


def _received_at(record: Record) -> Instant:
    """Of its last message; 0 = it has none."""
    messages: list[Reading | Quarantined] = [*record.readings[-1:], *record.quarantined[-1:]]
    return max((message.received_at for message in messages), default=Instant(0))
