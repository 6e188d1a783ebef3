"""The rules of one lane on Faust, which shares out the partitions and delivers; the Keeper decides what counts.

No Table, raw bytes, one agent, one event at a time: Faust keeps no state for us (DESIGN §4).
"""

import asyncio
import contextlib
from collections.abc import Iterator, Set
from io import StringIO
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import IllegalStateError  # type: ignore[import-untyped]
from faust.types import TP, StreamT

from deploy import lane
from deploy.lane import FETCH_BYTES, HEARTBEAT_S, SESSION_S, TICK_S, Host, Lane, end
from deploy.stop import ANOTHER_ONE

#: Records that may wait for the agent.  Where every partition's queue is full Faust sleeps a whole second, so that a
#: short one makes it slow; memory is bounded by the size of a record.
QUEUED = 4096


def main(site_folder: Path, data: Path, *, life_safety: bool) -> int:
    """Runs until it is told to stop.  Raises ConfigurationError; ends by itself with 70 or 78 (deploy.lane.end)."""
    found = lane.find(site_folder, life_safety=life_safety)
    data.mkdir(parents=True, exist_ok=True)
    worker = faust.Worker(
        app(found, data), override_logging=False, redirect_stdouts=False, quiet=True, stdout=StringIO()
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return ANOTHER_ONE if ended.code else 0


def app(found: Lane, data: Path) -> faust.App:
    made = faust.App(
        found.topic,
        broker=[f"kafka://{server}" for server in found.servers],
        store="memory://",
        datadir=str(data / "faust"),
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=found.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_commit_interval=0.5,
        stream_wait_empty=False,
        stream_buffer_maxsize=QUEUED,
    )
    _connect(made, found)
    return made


def _connect(made: faust.App, found: Lane) -> None:
    async def seek(number: int, offset: int) -> None:
        with contextlib.suppress(IllegalStateError):  # it is not ours any more
            await made.consumer.seek(TP(found.topic, number), offset)

    host, ready = Host(found, seek), asyncio.Event()

    @made.on_partitions_assigned.connect  # type: ignore[arg-type]  # its type leaves no way to name an argument
    async def assigned(_: object, assigned: Set[TP], **__: Any) -> None:
        host.keeper.owns(each.partition for each in assigned if each.topic == found.topic)

    @made.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def revoked(_: object, revoked: Set[TP], **__: Any) -> None:
        host.keeper.owns(())

    @made.agent(made.topic(found.topic, key_type=bytes, value_type=bytes), concurrency=1)
    async def decide(stream: StreamT[bytes]) -> None:
        with _unto_the_end():
            await ready.wait()
            async for event in stream.events():
                await host.keeper.event(event.message.partition, event.message.offset, event.value)

    @made.task  # type: ignore[untyped-decorator]  # Faust's own types stop here
    async def ticks() -> None:
        with _unto_the_end():
            await host.start()
            ready.set()
            while not made.should_stop:
                await asyncio.sleep(TICK_S)
                await host.keeper.tick()


@contextlib.contextmanager
def _unto_the_end() -> Iterator[None]:
    """An error ends the process: Faust would start the agent again, one record further."""
    try:
        yield
    except Exception as error:  # not CancelledError: that is Faust stopping
        end(error)
