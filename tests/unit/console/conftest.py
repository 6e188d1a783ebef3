"""A desk over a real store, with a clock moved by hand and nobody on the network."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import FastAPI

from console import ports, signin
from console.app import create
from console.stream import Stream
from deploy.console_host import StoreInbox, StoreReader, StoreShifts
from deploy.store import inbox, outbox
from deploy.store.apply import take
from deploy.store.store import open_reader, open_store
from deploy.store.transaction import Transaction, World
from deploy.wake import Ringer
from notifiers.desktop import Desktop
from notifiers.desktop import Settings as DesktopSettings
from notifiers.http import Client
from notifiers.sms import Settings, Sms
from notifiers.text import Texts
from tests.browser import Browser as Browser  # most tests ask for it here
from vorab.model import (
    MINUTE,
    SECOND,
    Breach,
    Edge,
    IncidentId,
    Instant,
    PersonId,
    PlaceId,
    Priority,
    Quantity,
    ResponseId,
    RuleId,
    Rung,
    SensorId,
    Span,
    breach_id,
    incident_id,
)
from vorab.site import Broker, Person, Place, Response, Sensor, SensorType, Site
from workflows.directory.stub import SiteDirectory

START = Instant(1_764_000_000 * SECOND)
PUBLIC_URL = "https://desk.example"
HOSTILE = "<script>alert(1)</script>\"'&"
SECRET = "abcd-efgh-jkmn-pqrs"
#: Made once: both take longer than a test.
HASHED, TEXTS = signin.hashed(SECRET, b"0123456789abcdef"), Texts({}, "Europe/Paris")
TOKEN = "0123456789abcdef0123456789abcdef"
ACCOUNT = "AC" + "0" * 32
PLAN = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 200"><script>alert(1)</script></svg>'


def site(folder: Path) -> Site:
    door = SensorType("door", "zigbee2mqtt", "zigbee2mqtt/{sensor}")
    place = PlaceId("gate")
    return Site(
        name="airport",
        zone="Europe/Paris",
        languages=["en"],
        public_url=PUBLIC_URL,
        brokers=[Broker()],
        channels=[],
        sensors=[Sensor(SensorId("door"), door, "zigbee2mqtt/door", place)],
        places=[
            Place(PlaceId("t1"), "T1", "floor", plan="plan.svg"),
            Place(place, HOSTILE, "point", path=[PlaceId("t1"), place], at=(120.0, 80.5)),
        ],
        ways=[],
        people=[
            Person(PersonId("ben"), "Ben", ["security"], "en", {"sms": "+33639980002"}, duty="24/7"),
            Person(PersonId("kim"), "Kim", [], "en", {"sms": "+33639980004"}),
            Person(PersonId("eve"), HOSTILE, ["security"], "en", {"sms": "+33639980003"}, duty="24/7"),
            Person(
                PersonId("dan"), "Dan", ["watch"], "en", {"desktop": "control-room", "sms": "+33639980005"}, duty="24/7"
            ),
        ],
        responses=[
            Response(ResponseId("security"), [Rung("security", 1, ["sms"], MINUTE)]),
            Response(ResponseId("watch"), [Rung("watch", 1, ["desktop"], MINUTE)]),
            Response(ResponseId("both"), [Rung("watch", 1, ["desktop", "sms"], MINUTE, at_once=True)]),
            Response(
                ResponseId("rescue"),
                [Rung("security", 2, ["sms"], Span(0)), Rung("watch", 1, ["desktop"], MINUTE)],
                needs=["security", "watch"],
            ),
        ],
        rules=b"",
        rules_hash="",
        folder=str(folder),
    )


class Devices:
    """One simulated door."""

    def __init__(self) -> None:
        self.pressed: list[tuple[str, str]] = []

    def devices(self) -> list[ports.Device]:
        return [ports.Device("door", "door", "gate", "shut", False, [ports.Action("open", "Opens")])]

    def stories(self) -> list[ports.Story]:
        return [ports.Story("open", "A door stands open", "Nobody shuts it.")]

    def published(self) -> list[ports.Published]:
        return [ports.Published(START, "zigbee2mqtt/door", '{"contact":false}', False)]

    def press(self, device: str, action: str) -> bool:
        self.pressed.append((device, action))
        return (device, action) == ("door", "open")

    def play(self, story: str) -> bool:
        self.pressed.append(("story", story))
        return story == "open"


class Cameras:
    """One camera, at the gate; its stream is what a test has put there."""

    def __init__(self) -> None:
        self.shows: list[bytes | Exception] = []
        self.closed = 0

    def has(self, place: str) -> bool:
        return place == "gate"

    async def frames(self, place: str) -> AsyncIterator[bytes]:
        try:
            for one in self.shows:
                if isinstance(one, Exception):
                    raise one
                yield one
        finally:
            self.closed += 1


class Talks:
    """One loudspeaker, at the gate."""

    def __init__(self) -> None:
        self.open: dict[str, tuple[str, str, str]] = {}
        self.refuses: Exception | None = None

    def has(self, place: str) -> bool:
        return place == "gate"

    async def begin(self, incident: str, place: str, by: str, sdp: str) -> ports.Talk:
        if self.refuses:
            raise self.refuses
        self.open["talk"] = (incident, place, by)
        return ports.Talk("talk", f"answer to {sdp}")

    async def end(self, talk: str) -> None:
        self.open.pop(talk, None)


class Bench:
    """The desk, and the hands that move the world around it."""

    def __init__(self, data: Path, public_url: str = "http://localhost") -> None:
        self.now = START
        self.key, self.ended = signin.session_key(data), data / "sessions.ended"
        (data / "plan.svg").write_text(PLAN)
        self.site = site(data)
        self.ringer = Ringer(data)
        self.store = open_store(data / "contact.db")
        self.directory = SiteDirectory(self.site)
        sms = Sms(
            Settings.model_validate(
                {"account_sid": ACCOUNT, "auth_token": TOKEN, "sender": "+33639989999", "public_url": PUBLIC_URL}
            ),
            Client(),
        )
        desktop = Desktop(DesktopSettings(), Client())
        self.world = World(self.directory, self.site.zone, {"sms": sms, "desktop": desktop}, {}, TEXTS)
        self.devices, self.cameras, self.talks = Devices(), Cameras(), Talks()
        self.read_only = open_reader(data / "contact.db")
        self.reader = StoreReader(self.read_only, self.directory)
        self.app: FastAPI
        self.stream: Stream
        self.outside = ports.Outside(
            site=self.site,
            directory=self.directory,
            public_url=public_url,
            reader=self.reader,
            inbox=StoreInbox(self.store, self.ringer),
            shifts=StoreShifts(self.store),
            now=lambda: self.now,
            secret=HASHED,
            key=self.key,
            ended=self.ended,
            hooks={"/twilio/sms": sms, "/twilio/status": sms},
            cameras=self.cameras,
            talks=self.talks,
            devices=self.devices,
        )
        self.app, self.stream = create(self.outside)
        self.browser = Browser(self.app)

    def close(self) -> None:
        self.ringer.close()
        self.store.dispose()
        self.read_only.dispose()

    def signed_in(self) -> Browser:
        self.browser.cookies["vorab"] = signin.Sessions(self.key, lambda: self.now, self.ended).begin()
        return self.browser

    def raises(
        self, rule: str = "door-held-open", note: str = "", onset: Instant = START, respond: str = "security"
    ) -> IncidentId:
        """The door breaks this rule; contact has opened the incident and asked somebody."""
        breach = Breach(
            id=breach_id(RuleId(rule), SensorId("door"), onset),
            number=0,
            edge=Edge.RAISED,
            rule=RuleId(rule),
            subject=SensorId("door"),
            onset=onset,
            at=Instant(onset + 30 * SECOND),
            priority=Priority.HIGH,
            respond=ResponseId(respond),
            rules_hash="",
            quantity=Quantity.OPEN,
            value=True,
            note=note,
            action="Close it",
        )
        with self.store.begin() as connection:
            tx = Transaction(connection, self.world, self.now, 0)
            take(tx, breach)
            tx.close()
        return incident_id(breach.id)

    def contact_turns(self) -> list[str]:
        """Contact applies the inbox; the outcomes."""
        with self.store.begin() as connection:
            tx = Transaction(connection, self.world, self.now, 0)
            rows = inbox.waiting(tx, 100)
            for row in rows:
                inbox.hear(tx, row)
            tx.close()
            return [row.id for row in rows]

    def hands_over(self) -> None:
        """Contact sends what is due now."""
        with self.store.begin() as connection:
            tx = Transaction(connection, self.world, self.now, 10)
            for message in outbox.due(tx):
                outbox.claim(tx, message)
            tx.close()

    def session(self) -> signin.Session:
        return signin.Session("of a test", self.now, self.now)

    def passes(self, span: Span | int) -> None:
        self.now = Instant(self.now + span)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: the migrations take longer than a test."""
    path = tmp_path_factory.mktemp("store") / "contact.db"
    open_store(path).dispose()
    return path


@pytest.fixture
def bench(tmp_path: Path, empty_store: Path) -> Iterator[Bench]:
    shutil.copy(empty_store, tmp_path)
    with closing(Bench(tmp_path)) as bench:
        yield bench


@pytest.fixture
def browser(bench: Bench) -> Browser:
    """Signed in."""
    return bench.signed_in()
