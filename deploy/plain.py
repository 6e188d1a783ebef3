"""The rules of one lane on a bare aiokafka loop, with the same Keeper: what Faust is measured and tested against."""

import asyncio
import contextlib
import signal
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import IllegalStateError, KafkaError  # type: ignore[import-untyped]

from deploy import lane
from deploy.keeper import Keeper
from deploy.lane import FETCH_BYTES, HEARTBEAT_S, SESSION_S, TICK_S, Host, Lane, end

FETCH_WAIT_MS = 50
RECORDS = 100  #: at once: heartbeats must come through between


def main(site_folder: Path, data: Path, *, life_safety: bool) -> int:
    """As deploy.workers.main."""
    found = lane.find(site_folder, life_safety=life_safety)
    try:
        asyncio.run(run(found))
    except Exception as error:
        end(error)
    return 0


async def run(found: Lane) -> None:
    """Until SIGTERM or SIGINT.  Raises as Keeper.event."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=found.servers,
        group_id=found.topic,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        session_timeout_ms=int(SESSION_S * 1000),
        heartbeat_interval_ms=int(HEARTBEAT_S * 1000),
        retry_backoff_ms=100,
    )

    async def seek(number: int, offset: int) -> None:
        with contextlib.suppress(IllegalStateError):  # it is not ours any more
            consumer.seek(TopicPartition(found.topic, number), offset)

    host = Host(found, seek)
    await host.start()
    await consumer.start()
    consumer.subscribe([found.topic], listener=_Assignments(host.keeper))
    ticked = time.monotonic()
    while not stop.is_set():
        for partition, messages in (await consumer.getmany(timeout_ms=200, max_records=RECORDS)).items():
            for message in messages:
                await host.keeper.event(partition.partition, message.offset, message.value)
        if time.monotonic() - ticked > TICK_S:
            ticked = time.monotonic()
            await host.keeper.tick()
            await _commit(consumer, found.topic, host.keeper)
    await consumer.stop()
    await host.stop()


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc]
    """Nothing is awaited here: records may be delivered while these run."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._keeper.owns(())

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._keeper.owns(each.partition for each in assigned)


async def _commit(consumer: AIOKafkaConsumer, topic: str, keeper: Keeper) -> None:
    """The true position, as a hint to whoever comes after."""
    ours = {TopicPartition(topic, number): offset for number, offset in keeper.positions().items()}
    with contextlib.suppress(KafkaError, IllegalStateError):  # a rebalance: at the next tick
        await consumer.commit({each: offset for each, offset in ours.items() if each in consumer.assignment()})
