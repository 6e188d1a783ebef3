"""The contact process: `Contact` with its store, its senders, its bell and its clock."""

import gc
import queue
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deploy import balance, housekeeping, links, runtime, watchdog
from deploy.balance import Balance
from deploy.contact import SENDERS, Contact
from deploy.log.sqlite import fold, open_reader
from deploy.runtime import channel_settings
from deploy.scene import SiteScene
from deploy.site.load import load
from deploy.stop import Stop
from deploy.store import store
from deploy.store.breaches import Breaches, LogBreaches, TableBreaches
from deploy.store.postgres import Listener, StoreClock, patiently
from deploy.store.store import open_store
from deploy.wake import POLL_S, Bell, OwnBell, Ringer
from notifiers import channels
from notifiers.http import Client
from notifiers.text import Texts
from vorab.errors import ConfigurationError
from vorab.model import SECOND, Instant
from vorab.site import Site
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


class OneMachine:
    """The store is a file, beside capture's log of this machine; nobody else contacts people."""

    owner = None

    def __init__(self, data: Path) -> None:
        self.bell, self._ringer, self._folded = Bell(data, "contact"), Ringer(data), threading.Event()
        self.store, self.clock, self.count = open_store(data / "contact.db"), WallClock(), Books(data)
        self._capture = data / "capture.db"
        folding = (data / "contact.db", self._folded)
        threading.Thread(target=fold, args=folding, name="fold", daemon=True).start()

    def breaches(self, stop: Stop) -> Breaches | None:
        """Once capture has made its log; None = told to stop before."""
        while not stop.asked:
            try:
                return LogBreaches(open_reader(self._capture))
            except ConfigurationError:
                self.bell.wait(POLL_S)
        return None

    def ring(self) -> None:
        self._ringer.ring("contact")

    def changed(self) -> None:
        self._ringer.ring("console")

    def close(self) -> None:
        self._folded.set()
        self.bell.close()


class ManyMachines:
    """The store is PostgreSQL: workers write into it what they find, and there may be several of this process."""

    def __init__(self, site: Site) -> None:
        url, self._site = site.store, site
        self.store = open_store(url)
        self.clock, self._reader, self.bell = StoreClock(self.store), store.open_reader(url), OwnBell()
        self.ring = self.bell.ring
        self._listener = Listener(url, "contact", self.ring)
        self.owner = self._listener.owner

    def breaches(self, _stop: Stop) -> Breaches:
        return TableBreaches()

    def count(self) -> Balance:
        return balance.of_store(self._reader, self._site)

    def changed(self) -> None:
        """The commit itself has rung the console's bell."""

    def close(self) -> None:
        self._listener.close()
        self.bell.close()
        self._reader.dispose()
        self.store.dispose()


def main(site_folder: Path, data: Path) -> int:
    """Runs until it is told to stop.  Raises ConfigurationError; Corrupt when a person must look."""
    site, stop = load(site_folder), Stop()
    where = runtime.store_of(site, data)
    patient = partial(patiently, where=where, stopped=lambda: stop.asked)
    host = patient(lambda: ManyMachines(site) if isinstance(where, str) else OneMachine(data))
    if host is None:
        return 0
    if site.log:
        threading.Thread(target=housekeeping.go_on, args=(site,), name="housekeeping", daemon=True).start()
    senders, errands = Senders(SENDERS, host.ring), Senders(ERRANDS, host.ring)
    try:
        breaches = host.breaches(stop)
        if breaches is None:
            return 0
        contact = patient(lambda: _contact(site, data, host, breaches, senders, errands))
        if contact is None:
            return 0
        sys.setswitchinterval(0.0002)  # a sender does not wait 5 ms for the thread that writes
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked through again
        while not stop.asked:
            due = patient(contact.turn)
            if due is not None:
                host.bell.wait((due - host.clock.now()) / SECOND)
        senders.close()
        errands.close()
        patient(contact.close)
    finally:
        senders.close()
        errands.close()
        host.close()
    return 0


def _contact(
    site: Site, data: Path, host: OneMachine | ManyMachines, breaches: Breaches, senders: Senders, errands: Senders
) -> Contact:
    found = runtime.read(data)
    public_url = runtime.public_url(site, found)
    return Contact(
        site,
        host.store,
        breaches,
        SiteDirectory(site),
        channels.build(channel_settings(site, found)),
        Texts(site.templates, site.zone),
        host.clock,
        senders.hand_over,
        host.changed,
        host.count,
        links.maker(links.key(data), public_url) if public_url else None,
        SiteScene(site, found, Client(allow_private=True)),
        errand=errands.hand_over,
        watchdog=watchdog.of(site, host.clock.now()),
        owner=host.owner,
    )
