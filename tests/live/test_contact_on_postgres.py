"""Several contact processes over one store on PostgreSQL: nobody hears a thing twice, nothing waits for a dead one."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, insert, select, text

from deploy import bare, runtime
from deploy.contact import Contact
from deploy.run import DEMO_ACCOUNT
from deploy.store import postgres
from deploy.store.breaches import TableBreaches
from deploy.store.postgres import Listener
from deploy.store.store import open_store
from deploy.store.tables import breaches, outbox
from notifiers.text import Texts
from tests.live.lanes import site_on
from tests.live.running import within
from tests.small_site import NOON, HandClock, breach, person, rung, small_site
from vorab import wire
from vorab.model import MINUTE, SECOND, Breach, Delivery, Instant, Notification, NotificationId, Receipt
from vorab.testing.phones import PhoneWorld, serve
from vorab.testing.phones.exchange import Fault
from vorab.testing.phones.server import Server, WallClock
from workflows.directory.stub import SiteDirectory

pytestmark = pytest.mark.live
AT_A_TIME = 25  #: messages that two processes quarrel about
TOKEN = "0123456789abcdef0123456789abcdef"


def found_by_a_worker(store: Engine, *found: Breach) -> None:
    with store.begin() as connection:
        keys = [{"id": one.id, "edge": one.number, "at": one.at, "body": wire.pack(one)} for one in found]
        connection.execute(insert(breaches).values(state="new"), keys)
        postgres.ring(connection, "contact")


# --- 500 splits, in one process ---------------------------------------------------------------------------------------


class Provider:
    """Implements vorab.ports.Channel and Finds: what it took it has; its list lags; its answer may get lost."""

    limit = 160
    requests_only = False
    shows_pictures = False

    def __init__(self, clock: HandClock, chance: random.Random) -> None:
        self._clock, self._chance = clock, chance
        self.taken: list[tuple[NotificationId, Instant]] = []

    def send(self, notification: Notification) -> Receipt:
        what = self._chance.choice(["sent", "sent", "busy", "lost before", "lost after"])
        if what == "busy":
            return Receipt(Delivery.READY, retry_after_s=1)
        if what != "lost before":
            self.taken.append((notification.id, self._clock.at))
        return self._receipt(notification.id) if what == "sent" else Receipt(Delivery.UNKNOWN, reason=what)

    def find(self, notification: Notification, since: Instant, besides: Collection[str] = ()) -> Receipt | None:
        listed = {one for one, at in self.taken if at <= self._clock.at - self._chance.randrange(3) * SECOND}
        return self._receipt(notification.id) if notification.id in listed else None

    def status(self, provider_id: str) -> Receipt:
        return Receipt(Delivery.DELIVERED, provider_id)

    def accepts(self, address: str) -> str | None:
        return None

    @staticmethod
    def _receipt(notification: NotificationId) -> Receipt:
        return Receipt(Delivery.SENT, f"SM-{notification}")


class Life:
    """One contact process: alive for as long as its own connection holds the lock with its number."""

    def __init__(self, split: "Split", number: int) -> None:
        self._alive = psycopg.connect(split.url, autocommit=True)
        self._alive.execute("SELECT pg_advisory_lock(%s)", [number])
        self.jobs: list[Callable[[], None]] = []
        self.frozen_until = Instant(0)
        site, channels = split.site, {"sms": split.provider}
        directory, texts = SiteDirectory(site), Texts({}, site.zone)
        self.contact = Contact(
            *(site, split.store, TableBreaches(), directory, channels, texts, split.clock, self.jobs.append),
            owner=partial(int, number),
        )

    def runs(self, chosen: Callable[[], bool]) -> None:
        """These of the jobs that were handed over; the others wait on."""
        jobs, self.jobs[:] = [*self.jobs], []
        for job in jobs:
            if chosen():
                job()
            else:
                self.jobs.append(job)

    def dies(self) -> None:
        self.contact.leave()
        self._alive.close()


class Split:
    """Three processes, of which any may freeze, go on as if nothing had been, or be killed and replaced."""

    def __init__(self, url: str, store: Engine, seed: int) -> None:
        self.url, self.store, self.chance, self.clock = url, store, random.Random(seed), HandClock()
        self.provider = Provider(self.clock, self.chance)
        self.site = small_site([rung(1, wait=60 * MINUTE)], people=[person("ben", "post")])
        self._numbers = iter(range((1 << 40) + seed * 1000, 1 << 60))
        self.lives = [Life(self, next(self._numbers)) for _ in range(3)]

    def goes_on(self) -> None:
        """A moment of each: as its threads happen to run."""
        self.clock.advance(self.chance.randrange(4000) * 1000)
        for at, life in enumerate(self.lives):
            if self.clock.at < life.frozen_until:
                continue
            fate = self.chance.random()
            if fate < 0.06:
                life.frozen_until = Instant(self.clock.at + self.chance.randrange(20, 70) * SECOND)
            elif fate < 0.12:
                life.dies()
                self.lives[at] = Life(self, next(self._numbers))
            else:
                life.contact.turn()
                life.runs(lambda: self.chance.random() < 0.5)

    def settles(self) -> None:
        for _ in range(25):
            self.clock.advance(4 * SECOND)
            for life in self.lives:
                life.contact.turn()
                life.runs(lambda: True)

    def ends(self) -> None:
        for life in self.lives:
            life.dies()


def test_law_8_five_hundred_splits_send_at_most_one_message_and_refuse_the_old_owner(store_url: str) -> None:
    store, late = open_store(store_url), 0
    for seed in range(500 // AT_A_TIME):
        split = Split(store_url, store, seed)
        for number in range(AT_A_TIME):
            found_by_a_worker(store, breach(onset=Instant(NOON + number)))
            split.goes_on()
            split.goes_on()
        for _ in range(40):
            split.goes_on()
        split.settles()
        split.ends()
        assert max(Counter(one for one, _ in split.provider.taken).values()) == 1, f"seed {seed}"
        with store.begin() as connection:
            rows = connection.execute(select(outbox.c.id, outbox.c.state, outbox.c.fence)).all()
            assert len(rows) == AT_A_TIME
            reached = {row.id for row in rows if row.state in ("sent", "delivered")}
            assert reached == {one for one, _ in split.provider.taken}, f"seed {seed}"
            assert {row.state for row in rows if row.id not in reached} <= {"failed", "withdrawn"}, f"seed {seed}"
            late += sum(row.fence > 1 for row in rows)
            for table in ("incidents", "outbox", "journal", "breaches", "inbox"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
    assert late > 50, "splits that are none prove nothing"
    store.dispose()


# --- processes --------------------------------------------------------------------------------------------------------


class Process:
    """`vorab contact`, with a data folder of its own."""

    def __init__(self, street: "Street", name: str, crash: str = "") -> None:
        data = street.folder / name
        data.mkdir(exist_ok=True)
        runtime.write(data, runtime.Runtime(phones_port=int(street.server.server_address[1]), mail_port=1))
        environment = os.environ | {"VORAB_CRASH": crash, "VORAB_TEST_STORE": street.url}
        for channel in ("SMS", "VOICE"):
            environment |= {f"VORAB_{channel}_ACCOUNT": DEMO_ACCOUNT, f"VORAB_{channel}_TOKEN": TOKEN}
        argv = [sys.executable, "-m", "vorab", "contact", str(street.site), "--data", str(data)]
        self._said = data / "said"
        with self._said.open("ab") as said:
            self.process = subprocess.Popen(argv, env=environment, stderr=said)

    @property
    def said(self) -> str:
        return self._said.read_text()

    def sends(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        return self.process.wait(20)


class Street:
    """The airport with its store on PostgreSQL, and nobody but contact at work."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.store = folder, url, open_store(url)
        self.world = PhoneWorld(WallClock(), DEMO_ACCOUNT, TOKEN)
        self.server: Server = serve(self.world)
        self.site = site_on(folder, ["127.0.0.1:1"], "street")
        self.processes: list[Process] = []

    def contact(self, name: str, crash: str = "") -> Process:
        self.processes.append(Process(self, name, crash))
        return self.processes[-1]

    def works(self) -> None:
        """Somebody asks the provider for replies: a contact process has begun."""
        before = self._polls()
        within(30, lambda: self._polls() > before, "a contact process at work")

    def _polls(self) -> int:
        with self.store.begin() as connection:
            found = connection.scalar(text("SELECT max(value) FROM cursors WHERE name LIKE 'replies/%'"))
        return found or 0

    def opens(self) -> None:
        """First aid hears of a door by SMS; the next rung comes after five minutes."""
        now = WallClock().now()
        found_by_a_worker(self.store, breach(onset=now, at=now, respond="aed-care"))

    def shown(self) -> int:
        return sum("gate B12" in one.text for one in self.world.ledger)

    def states(self) -> list[str]:
        with self.store.begin() as connection:
            return list(connection.scalars(select(outbox.c.state).where(outbox.c.channel == "sms")))

    def close(self) -> None:
        for each in self.processes:
            if each.process.poll() is None:
                each.process.kill()
                each.process.wait()
        self.server.stop()
        self.store.dispose()


@pytest.fixture
def street(tmp_path: Path, store_url: str) -> Iterator[Street]:
    street = Street(tmp_path, store_url)
    yield street
    street.close()


@pytest.mark.parametrize("point", ["contact.before-send", "contact.after-send"])
def test_what_a_killed_process_left_in_sending_is_settled_within_twenty_seconds(street: Street, point: str) -> None:
    killed = street.contact("one", crash=point)
    street.works()
    street.opens()
    assert killed.ends() == -signal.SIGKILL
    assert street.states() == ["sending"]
    street.contact("two")
    street.works()
    within(20, lambda: street.states() != ["sending"] and street.shown() == 1, "the message on the handset")
    within(20, lambda: street.states() in (["sent"], ["delivered"]), "and known to be there")
    assert street.shown() == 1


def test_a_frozen_process_keeps_its_lease_and_then_loses_the_message(street: Street) -> None:
    frozen = street.contact("one")
    street.works()
    street.world.fail(Fault.SLOW, seconds=8)
    street.opens()
    within(10, lambda: street.states() == ["sending"], "the message being sent")
    frozen.sends(signal.SIGSTOP)
    street.contact("two")
    within(40, lambda: street.states() in (["sent"], ["delivered"]), "the message found at the provider")
    frozen.sends(signal.SIGCONT)
    street.opens()
    within(10, lambda: street.shown() == 2, "the other door")
    time.sleep(3)
    assert street.shown() == 2


def test_postgresql_may_go_away_and_come_back_while_contact_runs(
    street: Street, postgres: bare.Postgres, store_url: str
) -> None:
    process = street.contact("one")
    street.works()
    postgres.kill()
    within(10, lambda: "does not answer" in process.said, "a line that says so")
    postgres.restart()
    within(20, lambda: "answers again" in process.said, "a line that says that it is over")
    street.store.dispose()
    street.opens()
    within(10, lambda: street.shown() == 1, "the message")
    assert process.process.poll() is None
    password = str(psycopg.conninfo.conninfo_to_dict(store_url)["password"])
    assert password
    assert password not in process.said


def test_who_lost_his_connection_has_no_name_until_he_has_another(postgres: bare.Postgres, store_url: str) -> None:
    listener = Listener(store_url, "contact", lambda: None)
    first = listener.owner()
    assert first is not None
    postgres.kill()
    within(10, lambda: listener.owner() is None, "no name")
    postgres.restart()
    within(20, lambda: listener.owner() not in (None, first), "another name")
    listener.close()


def test_postgresql_that_is_not_there_yet_is_waited_for(street: Street, postgres: bare.Postgres) -> None:
    postgres.stop()
    process = street.contact("one")
    within(20, lambda: "does not answer" in process.said, "the address and the cause")
    assert postgres.url.rpartition("@")[2].partition("/")[0] in process.said
    postgres.restart()
    street.store.dispose()
    street.works()
    process.sends(signal.SIGTERM)
    assert process.ends() == 0
