"""The pages behind the links in messages: what they say, to whom, and that only a deliberate press acts."""

import re
import shutil
import string
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select

from console import link_sentences, links, ports
from console.app import create
from deploy.console_host import StoreInbox, StoreReader, StoreShifts
from deploy.links import maker
from deploy.store import inbox
from deploy.store.apply import take, wake
from deploy.store.store import open_reader, open_store
from deploy.store.tables import incidents, outbox, pictures
from deploy.store.tables import inbox as inbox_rows
from deploy.store.transaction import Transaction, World
from deploy.wake import Ringer
from notifiers.http import Client
from notifiers.sms import Settings, Sms
from tests.unit.console.conftest import ACCOUNT, HASHED, TEXTS, Browser
from tests.unit.console.conftest import TOKEN as AUTH_TOKEN
from vorab.model import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Breach,
    Edge,
    Incident,
    IncidentId,
    Instant,
    PersonId,
    PlaceId,
    Priority,
    Purpose,
    Quantity,
    ResponseId,
    RuleId,
    Rung,
    SensorId,
    Span,
    State,
    breach_id,
    incident_id,
)
from vorab.site import Broker, Person, Place, Response, Sensor, SensorType, Site, Way
from workflows.directory.stub import SiteDirectory

START = Instant(1_764_000_000 * SECOND)
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"
JPEG = b"\xff\xd8\xff\xe0 not really \xff\xd9"
FORM = {"origin": "http://localhost", "content-type": "application/x-www-form-urlencoded"}
PLAN = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 240"><rect width="400" height="240"/></svg>'


def site(folder: Path, gate: str = "Gate B12", ana: str = "Ana") -> Site:
    door, room = (SensorType(name, "zigbee2mqtt", "zigbee2mqtt/{sensor}") for name in ("door", "climate"))
    airport, floor, point, lounge = (PlaceId(name) for name in ("apt", "apt/l2", "apt/l2/b12", "apt/l2/lounge"))
    (folder / "plan.svg").write_text(PLAN)
    security = ["security"]
    return Site(
        name="airport",
        zone="Europe/Paris",
        languages=["en", "de", "fr"],
        public_url="http://localhost",
        brokers=[Broker()],
        channels=[],
        sensors=[
            Sensor(SensorId("door"), door, "zigbee2mqtt/door", point),
            Sensor(SensorId("room"), room, "zigbee2mqtt/room", lounge),
        ],
        places=[
            Place(airport, "Example Airport", "site", path=[airport]),
            Place(floor, "Level 2", "floor", path=[airport, floor], plan="plan.svg"),
            Place(point, gate, "point", path=[airport, floor, point], at=(120.0, 80.5)),
            Place(lounge, "Lounge B", "zone", path=[airport, floor, lounge]),
        ],
        ways=[Way(lounge, point, 240)],
        people=[
            Person(PersonId("ben"), "Ben", security, "en", {"sms": "+33639980002"}, duty="24/7", base=lounge),
            Person(PersonId("ana"), ana, security, "de", {"sms": "+33639980003"}, duty="24/7"),
            Person(PersonId("cem"), "Cem", ["rescue"], "fr", {"sms": "+33639980004"}, duty="24/7"),
            Person(PersonId("kim"), "Kim", ["maintenance"], "pt", {"sms": "+33639980005"}, duty="24/7", base=point),
            Person(PersonId("ivo"), "Ivo", [], "en", {"sms": "+33639980006"}, customer_of=[lounge]),
            Person(PersonId("lea"), "Léa", [], "fr", {"sms": "+33639980007"}, customer_of=[lounge]),
        ],
        responses=[
            Response(ResponseId("security"), [Rung("security", 2, ["sms"], MINUTE)]),
            Response(
                ResponseId("rescue"),
                [Rung("security", 2, ["sms"], Span(0)), Rung("rescue", 1, ["sms"], MINUTE)],
                needs=["security", "rescue"],
            ),
            Response(ResponseId("comfort"), [Rung("maintenance", 1, ["sms"], MINUTE)], tell_customer=True),
        ],
        rules=b"",
        rules_hash="",
        folder=str(folder),
    )


class Street:
    """A console over a real store, and contact's hands."""

    def __init__(self, data: Path, **names: str) -> None:
        self.now = START
        self.site = site(data, **names)
        self._data, self._ringer = data, Ringer(data)
        self.store = open_store(data / "contact.db")
        self._read_only = open_reader(data / "contact.db")
        directory = SiteDirectory(self.site)
        settings = {"account_sid": ACCOUNT, "auth_token": AUTH_TOKEN, "sender": "+33639989999"}
        sms = Sms(Settings.model_validate(settings), Client())
        self.link = maker(b"k" * 32, "http://localhost")
        self._world = World(directory, self.site.zone, {"sms": sms}, {}, TEXTS, link=self.link, sees=lambda _: True)
        self.reader = StoreReader(self._read_only, directory)
        self.app, _ = create(
            ports.Outside(
                site=self.site,
                directory=directory,
                public_url="http://localhost",
                reader=self.reader,
                inbox=StoreInbox(self.store, self._ringer),
                shifts=StoreShifts(self.store),
                now=lambda: self.now,
                secret=HASHED,
                key=b"key",
                ended=data / "sessions.ended",
            )
        )
        self.browser = Browser(self.app)
        self.browser.headers = dict(FORM)

    def close(self) -> None:
        self._ringer.close()
        self.store.dispose()
        self._read_only.dispose()

    def raises(self, respond: str = "security", **changes: Any) -> IncidentId:
        """A rule finds something; contact has opened the incident and asked."""
        breach = Breach(
            **{
                "id": breach_id(RuleId("held-open"), SensorId("door"), START),
                "number": 0,
                "edge": Edge.RAISED,
                "rule": RuleId("held-open"),
                "subject": SensorId("door"),
                "onset": START,
                "at": Instant(START + 30 * SECOND),
                "priority": Priority.HIGH,
                "respond": ResponseId(respond),
                "rules_hash": "",
                "quantity": Quantity.OPEN,
                "value": True,
                "cause": {"en": "Door wedged", "de": "Tür verkeilt", "fr": "Porte coincée"},
                "action": {"en": "Close it", "de": "Schließen", "fr": "Fermez-la"},
                **changes,
            }
        )
        self._as_contact(lambda tx: take(tx, breach))
        return incident_id(breach.id)

    def too_warm(self) -> IncidentId:
        return self.raises("comfort", **WARM)

    def _as_contact(self, work: Any) -> None:
        with self.store.begin() as connection:
            tx = Transaction(connection, self._world, self.now, 0)
            work(tx)
            tx.close()

    def contact_turns(self) -> list[str]:
        """The inbox is applied, and what is due happens; the outcomes."""

        def turn(tx: Transaction) -> None:
            for row in inbox.waiting(tx, 100):
                inbox.hear(tx, row)
            for incident in tx.connection.scalars(select(incidents.c.id)).all():
                wake(tx, incident)

        self._as_contact(turn)
        return [row.outcome for row in self.inbox()]

    def path(self, incident: IncidentId, person: str) -> str:
        return f"/b/{self.link(incident, PersonId(person)).token}"

    def page(self, incident: IncidentId, person: str, query: str = "") -> str:
        answer = self.browser.get(self.path(incident, person) + query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def presses(self, incident: IncidentId, person: str, say: str, *, seen: int | None = None) -> str:
        """Where it leads; contact has not turned yet."""
        path = self.path(incident, person)
        if seen is None:
            seen = seen_on(self.browser.get(path).text)
        answer = self.browser.post(path, data={"say": say, "seen": str(seen)})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def says(self, incident: IncidentId, person: str, say: str) -> None:
        self.presses(incident, person, say)
        self.contact_turns()

    def incident(self, incident: IncidentId) -> Incident:
        found = self.reader.incident(incident)
        assert found is not None
        return found

    def photographs(self, incident: IncidentId, at: Instant = START) -> None:
        with self.store.begin() as connection:
            row = pictures.update().where(pictures.c.incident == incident)
            connection.execute(row.values(taken_at=at, jpeg=JPEG, sha256="x"))

    def inbox(self) -> list[Any]:
        with self.store.begin() as connection:
            return list(connection.execute(inbox_rows.select()))

    def passes(self, span: int) -> None:
        self.now = Instant(self.now + span)


WARM = {
    "id": breach_id(RuleId("too-warm"), SensorId("room"), START),
    "rule": RuleId("too-warm"),
    "subject": SensorId("room"),
    "quantity": Quantity.TEMPERATURE,
    "value": 28.14,
    "limit": 26.0,
    "priority": Priority.MEDIUM,
    "cause": "",
    "action": "Look at the ventilation",
}


@pytest.fixture
def street(tmp_path: Path, empty_store: Path) -> Iterator[Street]:
    shutil.copy(empty_store, tmp_path)
    with closing(Street(tmp_path)) as street:
        yield street


def text(page: str) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<head>.*?</head>|<[^>]+>", " ", page, flags=re.DOTALL)).split())


def seen_on(page: str) -> int:
    found = re.search(r'name="seen" value="(\d+)"', page)
    return int(found[1]) if found else 0


def buttons(page: str) -> list[str]:
    return re.findall(r'name="say" value="(\w+)"', page)


# --- what the technician sees -----------------------------------------------------------------------------------------


def test_who_is_asked_reads_what_where_how_far_and_what_to_do(street: Street) -> None:
    street.now = Instant(START + 30 * SECOND)
    page = street.page(street.raises(), "ben")
    for part in ("High", "Door open 30 s", "Level 2 › Gate B12", "4 min on foot", "Can you go?", "Close it", "17:00"):
        assert part in text(page), part
    assert "Example Airport" not in page  # he knows at which site he is
    assert buttons(page) == ["taken", "arrived", "done", "declined"]


def test_each_reads_it_in_his_language(street: Street) -> None:
    incident = street.raises("rescue", priority=Priority.LIFE_SAFETY, quantity=Quantity.TAKEN)
    assert "Können Sie hingehen?" in street.page(incident, "ana")
    assert "Schließen" in street.page(incident, "ana")
    page = street.page(incident, "cem")
    assert "Pouvez-vous y aller ?" in page
    assert '<html lang="fr">' in page
    assert "Fermez-la" in page


def test_a_reader_whose_language_we_do_not_speak_reads_english(street: Street) -> None:
    assert "Can you go?" in street.page(street.too_warm(), "kim")
