"""The contact process of one machine: `Contact` with its store, its senders, its bell and the clock on the wall."""

import gc
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from deploy import balance, links, runtime, watchdog
from deploy.balance import Balance
from deploy.contact import SENDERS, Contact
from deploy.log.sqlite import Reader, fold, open_reader
from deploy.runtime import channel_settings
from deploy.scene import SiteScene
from deploy.site.load import load
from deploy.stop import Stop
from deploy.store.breaches import LogBreaches
from deploy.store.store import open_store
from deploy.wake import POLL_S, Bell, Ringer
from notifiers import channels
from notifiers.http import Client
from notifiers.text import Texts
from vorab.errors import ConfigurationError
from vorab.model import SECOND, Instant
from workflows.directory.stub import SiteDirectory

ERRANDS = 4  #: threads for what nobody waits for


class WallClock:
    def now(self) -> Instant:
        return Instant(time.time_ns() // 1_000)


class Books:
    """The balance, each time from where the last one ended."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._last: Balance | None = None

    def __call__(self) -> Balance:
        self._last = balance.balance(self._data / "capture.db", self._data / "contact.db", self._last)
        return self._last


class Senders:
    """Threads that do nothing but wait for providers.  `done` is called after each job.

    A ThreadPoolExecutor would do, but takes 0.2 ms longer to begin, and somebody waits for it.
    """

    def __init__(self, count: int, done: Callable[[], None]) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._done = done
        self._threads = [threading.Thread(target=self._work, name=f"sender-{i}", daemon=True) for i in range(count)]
        for thread in self._threads:
            thread.start()

    def hand_over(self, job: Callable[[], None]) -> None:
        """A job that raises nothing; begun at once if a thread is free."""
        self._jobs.put(job)
        time.sleep(0)  # the interpreter goes to the thread that waits for this

    def close(self) -> None:
        """Every job that was handed over is done."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            self._done()


def main(site_folder: Path, data: Path) -> int:
    """Runs until it is told to stop.  Raises ConfigurationError; Corrupt when a person must look."""
    site = load(site_folder)
    stop, bell, ringer, clock = Stop(), Bell(data, "contact"), Ringer(data), WallClock()
    senders, folded = Senders(SENDERS, lambda: ringer.ring("contact")), threading.Event()
    errands = Senders(ERRANDS, lambda: ringer.ring("contact"))
    folding = threading.Thread(target=fold, args=(data / "contact.db", folded), name="fold", daemon=True)
    try:
        store = open_store(data / "contact.db")
        folding.start()
        breaches = _log(data / "capture.db", bell, stop)
        if breaches is None:
            return 0
        found = runtime.read(data)
        public_url = runtime.public_url(site, found)
        contact = Contact(
            site,
            store,
            LogBreaches(breaches),
            SiteDirectory(site),
            channels.build(channel_settings(site, found)),
            Texts(site.templates, site.zone),
            clock,
            senders.hand_over,
            lambda: ringer.ring("console"),
            Books(data),
            links.maker(links.key(data), public_url) if public_url else None,
            SiteScene(site, found, Client(allow_private=True)),
            errand=errands.hand_over,
            watchdog=watchdog.of(site, clock.now()),
        )
        sys.setswitchinterval(0.0002)  # a sender does not wait 5 ms for the thread that writes
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked through again
        while not stop.asked:
            bell.wait((contact.turn() - clock.now()) / SECOND)
        senders.close()
        errands.close()
        contact.close()
    finally:
        senders.close()
        errands.close()
        folded.set()
        bell.close()
    return 0


def _log(path: Path, bell: Bell, stop: Stop) -> Reader | None:
    """The log, once capture has made it; None = told to stop before."""
    while not stop.asked:
        try:
            return open_reader(path)
        except ConfigurationError:
            bell.wait(POLL_S)
    return None
