"""What both hosts of the rules share (deploy.workers, deploy.plain): finding the lane, watching over it, ending."""

import contextlib
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

import psycopg

from deploy.cli.folders import NEEDS_A_PERSON
from deploy.keeper import Keeper, Over
from deploy.log import topics
from deploy.log.kafka import topic_of
from deploy.log.postgres import PostgresTables
from deploy.log.reader import TopicReader
from deploy.patience import answered
from deploy.postgres import address, cause, connect
from deploy.site.load import load
from deploy.stop import ANOTHER_ONE
from vorab.errors import ConfigurationError, Corrupt, TemporaryFailure
from vorab.site import Site

SESSION_S = 4.0  #: a worker that gave no sign of life for so long has its partitions taken over
HEARTBEAT_S = 1.0
HUNG_AFTER_S = 10.0  #: neither a record nor a tick got through
TICK_S = 1.0
IDENTITY_EVERY_S = 30.0  #: from one look at the topic's identity to the next
GIVES_WAY = 5  #: nice: a lane that works off a backlog leaves the processor to life safety, and to whoever waits
FETCH_BYTES = 1 << 20  #: of one partition at once

log = logging.getLogger("vorab.worker")
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells each try; that Kafka is away, we tell once


class Lane(NamedTuple):
    """One lane of a site on Kafka, found as the site file says."""

    servers: list[str]
    topic: str  #: also the name of the group of its workers
    topic_id: str
    partitions: int
    store: str
    life_safety: bool


def find(site_folder: Path, *, life_safety: bool) -> Lane:
    """Kafka and PostgreSQL answer, and have what a worker needs: they are asked until they do.

    Raises ConfigurationError when a person must look.
    """
    site = load(site_folder)
    if site.log is None or not site.store:
        raise ConfigurationError(f"{site.name} has one machine; workers need `log:` and `store:` in its site file")
    return found(site, site.log.servers, life_safety=life_safety)


def found(site: Site, servers: list[str], *, life_safety: bool) -> Lane:
    """As `find`, for a site that is loaded."""
    assert site.log
    partitions, name = site.log.partitions, topic_of(site, life_safety=life_safety)
    topic = answered(lambda: topics.fitting(servers, name, partitions), log)
    answered(lambda: topics.allow_session(servers, SESSION_S), log)
    answered(lambda: _has_our_tables(site.store), log)
    assert topic, "nobody stops this but a signal"
    return Lane(servers, name, topic.id, partitions, site.store, life_safety)


def _has_our_tables(url: str) -> None:
    place = address(url)
    try:
        with connect(url, {}) as connection:
            connection.execute("SELECT 1 FROM checkpoints LIMIT 0")
    except psycopg.errors.UndefinedTable:
        raise ConfigurationError(f"PostgreSQL at {place} has no tables of ours: python -m vorab kafka init") from None
    except psycopg.OperationalError as error:
        raise TemporaryFailure(f"PostgreSQL at {place}: {cause(error)}") from None


class Host:
    """The Keeper of one lane, with Kafka and PostgreSQL behind it."""

    def __init__(self, lane: Lane, seek: Callable[[int, int], Awaitable[None]]) -> None:
        self._lane = lane
        self._reader = TopicReader(lane.servers, lane.topic, self._waits)
        self._tables = PostgresTables(lane.store, lane.topic, self._waits)
        self.keeper = Keeper(
            lane.topic,
            lane.topic_id,
            lane.partitions,
            self._tables,
            self._reader,
            life_safety=lane.life_safety,
            seek=seek,
        )

    async def start(self) -> None:
        """Records may come; two threads see to it that what goes wrong ends the process."""
        await self._reader.start()
        if not self._lane.life_safety:
            _give_way()
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked at again
        gc.set_threshold(50_000, 20, 50)
        self._waits()
        for watch in (self._see_that_it_lives, self._see_that_the_topic_stays):
            threading.Thread(target=watch, name=watch.__name__, daemon=True).start()

    async def stop(self) -> None:
        await self._reader.stop()
        await self._tables.close()

    def _waits(self) -> None:
        """For somebody else: that is not being hung."""
        self.keeper.alive = time.monotonic()

    def _see_that_it_lives(self) -> None:
        """A rule that hangs, or a loop that does: Faust's own thread would keep its partitions for ever."""
        while time.monotonic() - self.keeper.alive < HUNG_AFTER_S:
            time.sleep(TICK_S)
        end(Over(f"{self._lane.topic}: neither a record nor a tick got through for {HUNG_AFTER_S:g} s"))

    def _see_that_the_topic_stays(self) -> None:
        """One that was deleted and made again has other records at our positions."""
        while True:
            time.sleep(IDENTITY_EVERY_S)
            try:
                topic = topics.fitting(self._lane.servers, self._lane.topic, self._lane.partitions)
                if topic.id != self._lane.topic_id:
                    raise ConfigurationError(f"topic {self._lane.topic} was deleted and made again under this worker")
            except TemporaryFailure:
                continue
            except Exception as error:  # also what must not happen: nobody would watch any more
                end(error)


def _give_way() -> None:
    """To whatever else runs on this machine: Linux may weigh sessions against each other, and nice only within one."""
    os.nice(GIVES_WAY)
    if os.getsid(0) == os.getpid():  # the session is ours alone
        with contextlib.suppress(OSError):  # not every kernel has it
            Path("/proc/self/autogroup").write_text(str(GIVES_WAY))


def end(error: BaseException) -> NoReturn:
    """The process, at once: what it knows is a cache of the log."""
    needs_a_person = isinstance(error, ConfigurationError | Corrupt)
    if not needs_a_person and not isinstance(error, Over):
        log.error("this must not happen", exc_info=error)
    sys.stderr.write(f"vorab worker: {error!s}\n")
    sys.stderr.flush()
    os._exit(NEEDS_A_PERSON if needs_a_person else ANOTHER_ONE)
