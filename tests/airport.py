"""The example airport in a test: MQTT messages in, telephones out, real capture and contact, the clock moved by hand.

airport.door("gate-b12").opens()
airport.passes(minutes=1)
airport.phone("ana").receives_sms("gate B12", "open").and_replies("4821")
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace
from sqlalchemy import Engine, select

from console import ports
from console.app import create
from deploy import links
from deploy.capture import Capture
from deploy.console_host import StoreInbox, StoreReader, StoreShifts
from deploy.contact import Contact
from deploy.log.sqlite import SqliteLog, open_reader
from deploy.site.load import load
from deploy.store.breaches import LogBreaches, TableBreaches
from deploy.store.store import open_store
from deploy.store.tables import incidents, outbox
from deploy.wake import Ringer
from ingest.mqtt import RETAIN
from notifiers import channels
from notifiers.email import Email
from notifiers.text import Texts
from tests.browser import Browser
from tests.partitioned import Workers
from tests.small_site import HandClock
from vorab.model import SECOND, Incident, Instant, State
from vorab.ports import HttpResponse, InboxItem
from vorab.site import Place, Site
from vorab.testing.phones import Handset, Phones, PhoneWorld
from vorab.wire import INCIDENT, unpack
from workflows.directory.stub import SiteDirectory

ROOT = Path(__file__).parents[1]
AIRPORT = ROOT / "deploy/sites/airport"
MONDAY_NOON = Instant(1_764_586_800 * SECOND)  #: 2025-12-01 12:00 in Paris
CONSOLE = "http://console.test"
LIFE = 50 * SECOND  #: between two signs of life of the devices
DESK = "control-room"
JPEG = b"\xff\xd8\xff\xe0 what the camera showed \xff\xd9"
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


class Cameras:
    """Implements vorab.ports.Scene: every place with a camera shows the same; what plays at which is kept."""

    def __init__(self) -> None:
        self.plays: list[str] = []

    def sees(self, place: Place) -> bool:
        return place.camera is not None

    def picture(self, place: Place) -> bytes:
        return JPEG

    def instruct(self, place: Place) -> bool:
        has_one = place.intercom is not None and bool(place.intercom.instruction)
        self.plays += [place.id] * has_one
        return has_one


class Page:
    """The page behind a link: what it shows, and its buttons."""

    def __init__(self, airport: "Airport", path: str) -> None:
        self._airport, self.path = airport, path

    def shows(self, *words: str) -> "Page":
        answer = self._airport.browser.get(self.path)
        assert answer.status_code == 200, answer.status_code
        text = answer.text.casefold()
        missing = [word for word in words if word.casefold() not in text]
        assert not missing, f"{missing} not on the page\n{answer.text}"
        return self

    def presses(self, say: str) -> "Page":
        """A button of the page as it is now."""
        page = self._airport.browser.get(self.path).text
        assert f'value="{say}"' in page, page
        seen = page.partition('name="seen" value="')[2].partition('"')[0]
        form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
        answer = self._airport.browser.post(self.path, content=f"say={say}&seen={seen}", headers=form)
        assert answer.status_code == 303, (answer.status_code, answer.text)
        self._airport.contact.turn()
        self._airport.world.tick()
        return self


class Airport:
    """Capture and contact of the example site over one data folder; `comes_back` puts new ones over the same files.

    With a store on PostgreSQL as on many machines: workers find what contact takes, and capture only feeds them.
    """

    def __init__(
        self, folder: Path, site_folder: Path = AIRPORT, at: Instant = MONDAY_NOON, store: Path | str = ""
    ) -> None:
        self.folder = folder
        self.clock = HandClock(at)
        self.world = PhoneWorld(self.clock, webhook=f"{CONSOLE}/twilio/sms", post=self._post)
        self.site = self._site(site_folder)
        where = store or folder / "contact.db"
        self.store: Engine = open_store(where)
        self._workers = Workers(self.site, where) if isinstance(where, str) else None
        self._lives = 0
        self._ringer = Ringer(folder)
        self.inbox = StoreInbox(self.store, self._ringer)
        self.reader = StoreReader(self.store, SiteDirectory(self.site))
        mails = {str(person.id): mail for person in self.site.people if (mail := person.addresses.get("email"))}
        self.phone: Callable[[str], Handset] = Phones(self.world, numbers(self.site), mails)
        self.deaf = False  #: ingest is not connected: nothing arrives, and no `until` is written
        self.down = False  #: no process of ours runs
        self.sends = True  #: False: what came of handing a message over dies with the process
        self.dead: set[str] = set()  #: devices that say nothing of their own accord any more
        self.cameras = Cameras()
        self.looks = False  #: somebody has started the shift at the desk, and looks
        self._queue: list[tuple[bytes, bytes, int]] = []
        self._clicked = 0
        self._start()

    def _site(self, folder: Path) -> Site:
        """The demo's channels, as the supervisor would fill them in."""
        site = read_site(folder)
        known: dict[str, object] = {"public_url": CONSOLE, "base_url": "http://phones.test", "allow_private": True}
        known |= {"account_sid": self.world.account, "auth_token": self.world.token}
        known |= {"host": "mail.test", "port": 25, "tls": "none"}
        fields = {one.name: channels.load(one.name).Settings.model_fields for one in site.channels}
        fit = {one.name: {key: known[key] for key in known if key in fields[one.name]} for one in site.channels}
        return replace(site, channels=[replace(one, settings=one.settings | fit[one.name]) for one in site.channels])

    def _start(self) -> None:
        self.log = SqliteLog(self.folder / "capture.db")
        self.capture = Capture(self.site, self.log, self.clock.now())
        self.channels = channels.build(self.site.channels, self.world)
        email = self.channels["email"]
        assert isinstance(email, Email)
        self.channels["email"] = Email(email.settings, self.world, lambda _settings, mail: self.world.mail(mail))
        texts = Texts(self.site.templates, self.site.zone)
        self._reader = open_reader(self.folder / "capture.db")
        self._lives += 1
        if self._workers:
            self._workers.start()
            self._workers.work(self._reader)
        self.contact = Contact(
            self.site,
            self.store,
            TableBreaches() if self._workers else LogBreaches(self._reader),
            SiteDirectory(self.site),
            self.channels,
            texts,
            self.clock,
            self._job,
            link=links.maker(b"the key of the airport", CONSOLE),
            scene=self.cameras,
            errand=lambda errand: errand(),
            owner=partial(int, self._lives) if self._workers else None,
        )
        self.contact.turn()

    def _job(self, job: Callable[[], None]) -> None:
        job()
        if not self.sends:  # it was done, and nobody lives to hear the outcome
            self.contact._heard.get()

    def _post(self, url: str, form: Sequence[tuple[str, str]], signature: str) -> HttpResponse:
        """The console's webhooks, as far as they matter here."""
        path = urlsplit(url).path
        hooks: Any = next(one for one in self.channels.values() if path in getattr(one, "paths", ()))
        called = hooks.webhook(path, url, form, signature, self.reader.told)
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
        self._work()
        self.contact.turn()
        return taken

    def _page_of_the_desk(self) -> None:
        """What the page does while somebody looks: it says so, and that it has shown each alarm."""
        if not self.looks or self.down:
            return
        StoreShifts(self.store).seen("the page", DESK, "operator", self.clock.now())
        with self.store.connect() as connection:
            sent = connection.scalars(
                select(outbox.c.id).where(outbox.c.channel == "desktop", outbox.c.state == "sent")
            )
            seen = [InboxItem(f"{one}/seen", "status", _seen(one)) for one in sent]
        self.inbox.put(seen, self.clock.now())

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
        self._page_of_the_desk()
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
        self._work()

    def _work(self) -> None:
        if self._workers:
            self._workers.work(self._reader)

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
        if self._workers:
            self._workers.close()
        self.contact.leave()
        self.log.close()
        self._reader.close()
        self._ringer.close()
        self.store.dispose()

    def starts_shift(self) -> None:
        """Somebody sits at the desk from now on."""
        self.looks = True
        self._page_of_the_desk()

    def clicks(self, person: str, meaning: str) -> None:
        """At the desk, for this person, about the newest incident that is open."""
        incident = next(one for one in reversed(self.incidents()) if one.state is not State.RESOLVED)
        said = {"person": person, "incident": incident.id, "meaning": meaning, "by": "operator"}
        self._clicked += 1
        self.inbox.put([InboxItem(f"click {self._clicked}", "click", said)], self.clock.now())
        self.contact.turn()
        self.world.tick()

    @cached_property
    def browser(self) -> Browser:
        """Not signed in: for the pages behind links."""
        outside = ports.Outside(
            site=self.site,
            directory=SiteDirectory(self.site),
            public_url=CONSOLE,
            reader=self.reader,
            inbox=self.inbox,
            now=self.clock.now,
            secret=b"",
            key=b"0" * 32,
            ended=self.folder / "sessions.ended",
            shifts=StoreShifts(self.store),
        )
        return Browser(create(outside)[0], CONSOLE)

    def page(self, name: str) -> "Page":
        """The page behind the link in the last message that this person got."""
        person = next(one for one in self.site.people if one.id == name)
        found = [entry.text for entry in self.world.ledger if entry.handset in person.addresses.values()]
        link = next(word for text in reversed(found) for word in text.split() if word.startswith(f"{CONSOLE}/b/"))
        return Page(self, link.removeprefix(CONSOLE).rstrip("."))

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

    def messages(self, channel: str) -> list[tuple[str, str, str]]:
        """Person, purpose and state of what was ordered by this channel, in order."""
        columns = (outbox.c.person, outbox.c.purpose, outbox.c.state)
        with self.store.connect() as connection:
            rows = connection.execute(select(*columns).where(outbox.c.channel == channel).order_by(outbox.c.created_at))
            return [(row.person, row.purpose, row.state) for row in rows]

    def incidents(self) -> list[Incident]:
        with self.store.connect() as connection:
            rows = connection.scalars(select(incidents.c.body).order_by(incidents.c.opened_at)).all()
        return [unpack(body, INCIDENT) for body in rows]

    def unexpected(self) -> list[str]:
        """What handsets have shown and no test has asked for."""
        return self.world.unexpected()


def _seen(notification: str) -> dict[str, str]:
    return {"channel": "desktop", "notification": notification, "state": "delivered"}


def numbers(site: Site) -> dict[str, str]:
    return {str(person.id): person.addresses["sms"] for person in site.people if "sms" in person.addresses}


@cache
def read_site(folder: Path) -> Site:
    return load(folder)
