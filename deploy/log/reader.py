"""A topic read by position, outside any group: the ends of its partitions, and what was not delivered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError, OffsetOutOfRangeError  # type: ignore[import-untyped]

from vorab.errors import Corrupt

ANSWER_WITHIN_S = 5.0  #: less than deploy.lane.HUNG_AFTER_S, as in deploy.log.postgres
AGAIN_AFTER_S = 0.2
FETCH_BYTES = 4 << 20  #: of one partition at once
RECORDS = 500  #: at once

T = TypeVar("T")
log = logging.getLogger("vorab.worker")


class TopicReader:
    """Of one topic.  Kafka is asked until it answers, except by `ends`."""

    def __init__(self, servers: Sequence[str], topic: str, waits: Callable[[], None]) -> None:
        """`waits` is called each time Kafka is asked for what must be known."""
        self._servers, self._topic, self._waits = list(servers), topic, waits
        self._place: tuple[int, int] | None = None  #: partition and offset from which the next fetch goes on
        self._told = False  #: that Kafka does not answer

    async def start(self) -> None:
        """Kafka has answered."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            retry_backoff_ms=100,
        )
        await self._answered(self._consumer.start)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def span(self, number: int) -> tuple[int, int]:
        """Offsets of the first record and of the next one that will be written."""
        partition = TopicPartition(self._topic, number)

        async def ask() -> tuple[int, int]:
            firsts = await self._consumer.beginning_offsets([partition])
            ends = await self._consumer.end_offsets([partition])
            return firsts[partition], ends[partition]

        return await self._answered(ask)

    async def ends(self, numbers: Iterable[int]) -> dict[int, int]:
        """By partition; nothing when Kafka does not answer now."""
        wanted = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        if not wanted:
            return {}
        try:
            found = await asyncio.wait_for(self._consumer.end_offsets(wanted), ANSWER_WITHIN_S)
        except (KafkaError, TimeoutError) as error:
            self._tell(error)
            return {}
        self._tell(None)
        return {partition.partition: end for partition, end in found.items()}

    async def read(self, number: int, start: int) -> Sequence[tuple[int, bytes | None]]:
        """Some records from there on, with their offsets; none when none came within a second.

        Raises Corrupt when the log does not reach back so far.
        """
        partition = TopicPartition(self._topic, number)
        if self._place != (number, start):
            self._consumer.assign([partition])
            self._consumer.seek(partition, start)
        self._place = None
        try:
            found = await self._consumer.getmany(partition, timeout_ms=1000, max_records=RECORDS)
        except OffsetOutOfRangeError:
            raise Corrupt(f"{self._topic}, partition {number}: record {start} is gone: restore Kafka") from None
        except KafkaError as error:
            self._tell(error)
            await asyncio.sleep(AGAIN_AFTER_S)
            return []
        records = [(message.offset, message.value) for message in found.get(partition, ())]
        self._place = (number, records[-1][0] + 1 if records else start)
        return records

    async def _answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            self._waits()
            try:
                answer = await asyncio.wait_for(ask(), ANSWER_WITHIN_S)
            except (KafkaError, TimeoutError) as error:
                self._tell(error)
                await asyncio.sleep(AGAIN_AFTER_S)
                continue
            self._tell(None)
            return answer

    def _tell(self, error: Exception | None) -> None:
        """One line when Kafka stops answering, one when it answers again."""
        if error is not None and not self._told:
            log.error("Kafka at %s does not answer about %s: %r", ", ".join(self._servers), self._topic, error)
        elif error is None and self._told:
            log.error("Kafka answers again about %s", self._topic)
        self._told = error is not None
