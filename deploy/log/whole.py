"""Every record that Kafka holds of a partition, from the first one up to where it ends now; read beside all groups."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition  # type: ignore[import-untyped]

from deploy.log.client import ANSWER_WITHIN_MS, consumer
from deploy.log.kafka import topic_of
from rules.partition import Shard, every_shard
from vorab import wire
from vorab.errors import Corrupt, Newer, TemporaryFailure
from vorab.model import Instant, Record
from vorab.site import Site

log = logging.getLogger("vorab.replay")


@contextlib.contextmanager
def reading(site: Site) -> Iterator["WholeLog"]:
    """Raises TemporaryFailure when Kafka does not answer, also later."""
    with consumer(site) as made:
        yield WholeLog(made, site)


class WholeLog:
    def __init__(self, consumer: Any, site: Site) -> None:
        assert site.log
        self._consumer = consumer
        self._places = {
            shard: TopicPartition(topic_of(site, life_safety=shard.life_safety), shard.number)
            for shard in every_shard(site.log.partitions)
        }

    def spans(self) -> dict[Shard, tuple[int, int]]:
        """Of each partition the offset of the first record, and of the one that will be written next."""
        firsts = self._consumer.beginning_offsets(list(self._places.values()))
        ends = self._consumer.end_offsets(list(self._places.values()))
        return {shard: (firsts[place], ends[place]) for shard, place in self._places.items()}

    def since(self, at: Instant) -> dict[Shard, int]:
        """Offset of the first record that was written then or later, where there is one."""
        found = self._consumer.offsets_for_times(dict.fromkeys(self._places.values(), at // 1000))
        return {shard: found[place].offset for shard, place in self._places.items() if found[place]}

    def records(self, shard: Shard) -> Iterator[Record]:
        """What nobody can read is told and passed over, as a worker does.  Raises Newer."""
        place = self._places[shard]
        first, end = self._consumer.beginning_offsets([place])[place], self._consumer.end_offsets([place])[place]
        if first:
            log.warning("%s begins with record %d: what was before it is not known", _name(place), first)
        yield from self.between(shard, first, end)

    def between(self, shard: Shard, start: int, end: int) -> Iterator[Record]:
        """The same, from the first of these offsets up to the second one."""
        place = self._places[shard]
        self._consumer.assign([place])
        self._consumer.seek(place, start)
        while self._consumer.position(place) < end:
            messages = self._consumer.poll(timeout_ms=ANSWER_WITHIN_MS).get(place)
            if not messages:
                raise TemporaryFailure(f"Kafka does not give the records of {_name(place)}")
            for message in messages:
                name = f"{_name(place)}, record {message.offset}"
                if message.offset < end and (record := _readable(message.value, name)):
                    yield record


def _name(place: Any) -> str:
    return f"{place.topic}, partition {place.partition}"


def _readable(value: bytes | None, name: str) -> Record | None:
    try:
        return wire.unpack(value or b"", wire.RECORD)
    except Newer as error:
        raise Newer(f"{name}: {error}") from None
    except Corrupt as error:
        log.error("%s is passed over: %s", name, error)
        return None
