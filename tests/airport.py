"""The example airport in a test: MQTT messages in, telephones out, real capture and contact, the clock moved by hand.

airport.door("gate-b12").opens()
airport.passes(minutes=1)
airport.phone("ana").receives_sms("gate B12", "open").and_replies("4821")
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace
from sqlalchemy import Engine, select

from deploy.capture import Capture
from deploy.console_host import StoreInbox, StoreReader
from deploy.contact import Contact
from deploy.log.sqlite import SqliteLog, open_reader
from deploy.site.load import load
from deploy.store.store import open_store
from deploy.store.tables import incidents
from deploy.wake import Ringer
from ingest.mqtt import RETAIN
from notifiers import channels
from notifiers.sms import Sms
from notifiers.text import Texts
from tests.small_site import HandClock
from vorab.model import SECOND, Incident, Instant
from vorab.ports import HttpResponse
from vorab.site import Site
from vorab.testing.phones import Handset, Phones, PhoneWorld
from vorab.wire import INCIDENT, unpack
from workflows.directory.stub import SiteDirectory

ROOT = Path(__file__).parents[1]
AIRPORT = ROOT / "deploy/sites/airport"
MONDAY_NOON = Instant(1_764_586_800 * SECOND)  #: 2025-12-01 12:00 in Paris
CONSOLE = "http://console.test"
LIFE = 50 * SECOND  #: between two signs of life of the devices
LISTENS = 10 * SECOND  #: between two signs of life of capture in its log


class Device:
    """A simulated device: what it says goes out as a real one would say it."""

    def __init__(self, airport: "Airport", topic: str) -> None:
        self._airport = airport
        self._topic = topic

    def says(self, *, retained: bool = False, at: int | None = None, **fields: object) -> None:
        """At `at` (seconds from now; usually past) by its own clock, or undated."""
        if at is not None:
            fields["last_seen"] = (self._airport.clock.at + at * SECOND) // 1000
        self._airport.hears(self._topic, json.dumps(fields).encode(), retained=retained)


class Door(Device):
    def opens(self, at: int | None = None, *, retained: bool = False) -> None:
        self.says(contact=False, battery=97, linkquality=120, at=at, retained=retained)

    def shuts(self, at: int | None = None, *, retained: bool = False) -> None:
        self.says(contact=True, battery=97, linkquality=120, at=at, retained=retained)


class Badge(Device):
    def reads(self, number: str = "0471A2", granted: bool = True) -> None:
        """Readers know the time."""
        now = datetime.fromtimestamp(self._airport.clock.now() / SECOND, UTC)
        self.says(badge=number, granted=granted, time=now.isoformat())


class Room(Device):
    def has(self, temperature: float | None) -> None:
        self.says(temperature=temperature, humidity=41.5, battery=88, linkquality=99)


class Cabinet(Device):
    def taken(self) -> None:
        self.says(taken=True)

    def returned(self) -> None:
        self.says(taken=False)


class Airport:
    """Capture and contact of the example site over one data folder; `restarts` puts new ones over the same files."""

    def __init__(self, folder: Path, site_folder: Path = AIRPORT, at: Instant = MONDAY_NOON) -> None:
        self.folder = folder
        self.clock = HandClock(at)
        self.world = PhoneWorld(self.clock, webhook=f"{CONSOLE}/twilio/sms", post=self._post)
        self.site = self._site(site_folder)
        self.store: Engine = open_store(folder / "contact.db")
        self._ringer = Ringer(folder)
        self.inbox = StoreInbox(self.store, self._ringer)
        self.reader = StoreReader(self.store, SiteDirectory(self.site))
        self.phone: Callable[[str], Handset] = Phones(self.world, numbers(self.site))
        self.deaf = False  #: ingest is not connected: nothing arrives, and no `until` is written
        self.down = False  #: no process of ours runs
        self.sends = True  #: False: what came of handing a message over dies with the process
        self.dead: set[str] = set()  #: devices that say nothing of their own accord any more
        self._queue: list[tuple[bytes, bytes, int]] = []
        self._start()

    def _site(self, folder: Path) -> Site:
        """The demo's channel, as the supervisor would fill it in."""
        site = read_site(folder)
        known: dict[str, object] = {"public_url": CONSOLE, "base_url": "http://phones.test", "allow_private": True}
        known |= {"account_sid": self.world.account, "auth_token": self.world.token}
        return replace(site, channels=[replace(one, settings=one.settings | known) for one in site.channels])

    def _start(self) -> None:
        self.log = SqliteLog(self.folder / "capture.db")
        self.capture = Capture(self.site, self.log, self.clock.now())
        built = channels.build(self.site.channels, self.world)
        sms = built["sms"]
        assert isinstance(sms, Sms)
        self.sms = sms
        texts = Texts(self.site.templates, self.site.zone)
        directory = SiteDirectory(self.site)
        self._reader = open_reader(self.folder / "capture.db")
        self.contact = Contact(self.site, self.store, self._reader, directory, built, texts, self.clock, self._job)
        self.contact.turn()

    def _job(self, job: Callable[[], None]) -> None:
        job()
        if not self.sends:  # it was done, and nobody lives to hear the outcome
            self.contact._heard.get()

    def _post(self, url: str, form: Sequence[tuple[str, str]], signature: str) -> HttpResponse:
        """The console's webhook, as far as it matters here."""
        called = self.sms.webhook(urlsplit(url).path, url, form, signature, self.reader.told)
        self.inbox.put(called.items, self.clock.now())
        return HttpResponse(200, called.answer)

    # --- what happens -------------------------------------------------------------------------------------------------

    def hears(self, topic: str, payload: bytes, *, retained: bool = False) -> list[int]:
        """What capture may acknowledge.  Deaf: the broker keeps it for later."""
        message = (topic.encode(), payload, 2 | (RETAIN if retained else 0))
        if self.deaf:
            self._queue.append(message)
            return []
        return self._takes([message])

    def _takes(self, messages: list[tuple[bytes, bytes, int]], *, drained: bool = True) -> list[int]:
        publishes = [
            (topic, payload, flags, self.capture.received % 65000 + i + 1)
            for i, (topic, payload, flags) in enumerate(messages)
        ]
        life = [one for one in publishes if one[0].startswith(b"aed/")]
        bulk = [one for one in publishes if not one[0].startswith(b"aed/")]
        taken: list[int] = []
        for lane, some in ((True, life), (False, bulk)):
            if some:
                self.capture.received += len(some)
                taken += self.capture.take(some, self.clock.now(), life_safety=lane, drained=drained)
        self.contact.turn()
        return taken

    def passes(self, *, minutes: float = 0, seconds: float = 0) -> None:
        """Time goes by; both processes do what falls due, when it does."""
        end = Instant(self.clock.now() + int((minutes * 60 + seconds) * SECOND))
        while True:
            due = self._turn()
            if self.clock.now() >= end:
                return
            next_life = (self.clock.now() // LIFE + 1) * LIFE
            then = Instant(min(max(due, self.clock.now() + SECOND // 10), next_life, end))
            while not self.deaf and then - self.clock.now() > LISTENS:
                self.clock.at = Instant(self.clock.now() + LISTENS)
                self._ticks()
            self.clock.at = then
            if self.clock.now() == next_life:
                self._live()

    def _turn(self) -> Instant:
        """Everything that is due now is done; when something is due next."""
        self.world.tick()
        due = [Instant(self.clock.now() + LIFE)]
        if not self.deaf:
            self._ticks()
            due += [self.capture.due(life_safety=lane) or due[0] for lane in (True, False)]
        if not self.down:
            due.append(self.contact.turn())
        self.world.tick()
        return min(due)

    def _ticks(self) -> None:
        for lane in (True, False):
            self.capture.tick(self.clock.now(), life_safety=lane)

    def _live(self) -> None:
        """Whoever is not dead says so, as real devices do: readers every minute, rooms and the cabinet every few."""
        for place in ("gate-b11", "gate-b12", "gate-c1"):
            if f"{place}-badge" not in self.dead:
                self.badge(place).says(online=True)
        for place in ("lounge-b", "cafe-c2", "baggage", "server-room"):
            if f"{place}-climate" not in self.dead:
                self.room(place).says(battery=88, linkquality=99)
        if "aed-b-cabinet" not in self.dead:
            self.aed("aed-b").says(battery=95)

    def goes_down(self) -> None:
        """Everything of ours is gone; the broker keeps what the devices say."""
        self.deaf = self.down = True
        self._reader.close()
        self.log.close()

    def close(self) -> None:
        self.log.close()
        self._reader.close()
        self._ringer.close()
        self.store.dispose()

    def comes_back(self) -> None:
        """New processes over the same files; what the broker kept comes first."""
        self.down = False
        self._start()
        self.hears_again()

    def hears_again(self) -> None:
        """The broker is there again, with what it kept."""
        self.deaf = False
        waiting, self._queue = self._queue, []
        if waiting:
            self._takes(waiting, drained=False)
        self._ticks()
        self.contact.turn()

    # --- what is there ------------------------------------------------------------------------------------------------

    def door(self, place: str) -> Door:
        return Door(self, f"zigbee2mqtt/{place}-door")

    def badge(self, place: str) -> Badge:
        return Badge(self, f"access/{place}-badge")

    def room(self, place: str) -> Room:
        return Room(self, f"zigbee2mqtt/{place}-climate")

    def aed(self, place: str) -> Cabinet:
        return Cabinet(self, f"aed/{place}-cabinet")

    def incidents(self) -> list[Incident]:
        with self.store.connect() as connection:
            rows = connection.scalars(select(incidents.c.body).order_by(incidents.c.opened_at)).all()
        return [unpack(body, INCIDENT) for body in rows]

    def unexpected(self) -> list[str]:
        """What handsets have shown and no test has asked for."""
        return self.world.unexpected()


def numbers(site: Site) -> dict[str, str]:
    return {str(person.id): person.addresses["sms"] for person in site.people if "sms" in person.addresses}


@cache
def read_site(folder: Path) -> Site:
    return load(folder)
