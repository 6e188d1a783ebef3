"""Every record that Kafka holds of a partition, from the first one up to where it ends now; read beside all groups."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from deploy.log.kafka import LARGEST, topic_of
from deploy.log.producer import ANSWER_WITHIN_MS, told
from rules.partition import Shard
from vorab import wire
from vorab.errors import Corrupt, Newer, TemporaryFailure
from vorab.model import Record
from vorab.site import Site

log = logging.getLogger("vorab.replay")


@contextlib.contextmanager
def reading(site: Site) -> Iterator["WholeLog"]:
    """Raises TemporaryFailure when Kafka does not answer, also later."""
    assert site.log
    with told():
        consumer = KafkaConsumer(
            bootstrap_servers=site.log.servers,
            bootstrap_timeout_ms=ANSWER_WITHIN_MS,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # house-keeping may just be deleting
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=LARGEST,
            metrics_enabled=False,
        )
        with contextlib.closing(consumer):
            yield WholeLog(consumer, site)


class WholeLog:
    def __init__(self, consumer: Any, site: Site) -> None:
        self._consumer, self._site = consumer, site

    def records(self, shard: Shard) -> Iterator[Record]:
        """What nobody can read is told and passed over, as a worker does.  Raises Newer."""
        place = TopicPartition(topic_of(self._site, life_safety=shard.life_safety), shard.number)
        first, end = self._consumer.beginning_offsets([place])[place], self._consumer.end_offsets([place])[place]
        name = f"{place.topic}, partition {place.partition}"
        if first:
            log.warning("%s begins with record %d: what was before it is not known", name, first)
        self._consumer.assign([place])
        self._consumer.seek(place, first)
        while self._consumer.position(place) < end:
            messages = self._consumer.poll(timeout_ms=ANSWER_WITHIN_MS).get(place)
            if not messages:
                raise TemporaryFailure(f"Kafka does not give the records of {name}")
            for message in messages:
                if message.offset < end and (record := _readable(message.value, f"{name}, record {message.offset}")):
                    yield record


def _readable(value: bytes | None, name: str) -> Record | None:
    try:
        return wire.unpack(value or b"", wire.RECORD)
    except Newer as error:
        raise Newer(f"{name}: {error}") from None
    except Corrupt as error:
        log.error("%s is passed over: %s", name, error)
        return None
