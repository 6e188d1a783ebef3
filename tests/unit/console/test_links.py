"""The pages behind the links in messages: what they say, to whom, and that only a deliberate press acts."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from console import link_sentences, links, ports
from console.app import create
from deploy.console_host import StoreInbox, StoreReader, StoreShifts
from deploy.links import maker
from deploy.store import inbox
from deploy.store.apply import take, wake
from deploy.store.store import open_reader, open_store
from deploy.store.tables import audit, incidents, pictures
from deploy.store.tables import inbox as inbox_rows
from deploy.store.transaction import Transaction, World
from deploy.wake import Ringer
from notifiers.http import Client
from notifiers.sms import Settings, Sms
from tests.unit.console.conftest import ACCOUNT, HASHED, TEXTS, Browser
from tests.unit.console.conftest import TOKEN as AUTH_TOKEN
from vorab.errors import TemporaryFailure
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


class Everywhere:
    """A camera at every place; contact is not there to fetch the picture."""

    def sees(self, place: Place) -> bool:
        return True

    def picture(self, place: Place) -> bytes:
        raise TemporaryFailure("not asked here")

    def instruct(self, place: Place) -> bool:
        return False


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
        self._world = World(directory, self.site.zone, {"sms": sms}, {}, TEXTS, self.link, Everywhere())
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


def test_it_is_short_enough_for_a_bad_network_and_has_no_script(street: Street) -> None:
    incident = street.raises()
    street.photographs(incident)
    page = street.page(incident, "ben")
    files = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert sorted(re.sub("/b/[0-9A-Za-z]+", "/b/T", file) for file in files) == [
        *("/b/T", "/b/T/picture", "/b/T/plan", "/static/icon.svg", "/static/page.css"),
    ]
    parts = [street.browser.get(file) for file in set(files) if not file.endswith("/picture")]
    assert {part.status_code for part in parts} == {200}
    assert sum(len(part.content) for part in parts) < 50_000
    assert "<script" not in page
    assert not re.search(r"\son\w+=|style=|https?:", page)


def test_the_picture_and_the_plan_come_under_the_same_address(street: Street) -> None:
    incident = street.raises()
    assert "/picture" not in street.page(incident, "ben")  # there is none yet
    assert street.browser.get(street.path(incident, "ben") + "/picture").status_code == 404
    street.photographs(incident, Instant(START + 12 * MINUTE))
    assert "The place at 17:12" in street.page(incident, "ben")
    picture = street.browser.get(street.path(incident, "ben") + "/picture")
    assert (picture.content, picture.headers["content-type"]) == (JPEG, "image/jpeg")
    plan = street.browser.get(street.path(incident, "ben") + "/plan")
    assert plan.headers["content-type"] == "image/svg+xml"
    assert '<circle cx="120.000" cy="80.500"' in plan.text
    assert plan.text.endswith("</svg>")


def test_without_a_plan_or_with_one_that_is_too_heavy_there_is_none(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(empty_store, tmp_path)
    monkeypatch.setattr(links, "LARGEST_PLAN", len(PLAN) - 1)
    with closing(Street(tmp_path)) as street:
        incident = street.raises()
        assert "/plan" not in street.page(incident, "ben")
        assert street.browser.get(street.path(incident, "ben") + "/plan").status_code == 404
        assert "/plan" not in street.page(street.too_warm(), "kim")  # the lounge is not on it


def test_what_is_not_certain_is_said(street: Street) -> None:
    incident = street.raises(note="unverified: badge reader x silent since 2025-11-24T15:58:00Z")
    assert "unverified: badge reader silent since 16:58" in text(street.page(incident, "ben"))


# --- what he says -----------------------------------------------------------------------------------------------------


def test_one_press_and_it_is_his(street: Street) -> None:
    incident = street.raises()
    where = street.presses(incident, "ben", "taken")
    assert street.contact_turns() == ["applied"]
    assert street.incident(incident).owner == "ben"
    page = street.browser.get(where).text
    assert "It is yours. Thank you." in text(page)
    assert "Ben, on the way" in text(page)
    assert buttons(page) == ["arrived", "done", "help", "declined"]


def test_what_is_not_applied_yet_is_said_and_looked_at_again_without_a_script(street: Street) -> None:
    incident = street.raises()
    where = street.presses(incident, "ben", "taken")
    page = street.browser.get(where).text
    assert "Sending …" in text(page)
    assert '<meta http-equiv="refresh" content="1">' in page
    assert buttons(page) == []
    street.passes(16 * SECOND)
    page = street.browser.get(where).text
    assert f"not confirmed yet. If it stays so, send {street.incident(incident).code} as a text message" in text(page)
    assert "http-equiv" not in page
    assert buttons(page)[0] == "taken"
    street.contact_turns()
    assert "It is yours" in street.browser.get(where).text


def test_a_double_press_acts_once_also_when_the_first_is_applied_already(street: Street) -> None:
    incident = street.raises()
    seen = seen_on(street.page(incident, "ben"))
    street.presses(incident, "ben", "taken", seen=seen)
    street.presses(incident, "ben", "taken", seen=seen)
    street.contact_turns()
    where = street.presses(incident, "ben", "taken", seen=seen)
    assert street.contact_turns() == ["applied"]
    assert "It is yours" in street.browser.get(where).text
    assert "http-equiv" not in street.browser.get(where).text


def test_all_the_way_to_done(street: Street) -> None:
    incident = street.raises()
    for say, shown in (("taken", "It is yours"), ("arrived", "You are there"), ("done", "Done was said")):
        street.says(incident, "ben", say)
        assert shown in text(street.page(incident, "ben"))
    street.raises(number=1, edge=Edge.CLEARED, value=False)
    page = street.page(incident, "ben")
    assert "Over since 17:00. Nothing to do." in text(page)
    assert buttons(page) == []
    assert "No network?" not in page


def test_who_cannot_says_so_and_may_go_after_all(street: Street) -> None:
    incident = street.raises()
    street.says(incident, "ben", "declined")
    page = street.page(incident, "ben")
    assert "You said that you cannot." in text(page)
    assert buttons(page) == ["taken", "arrived", "done"]
    street.says(incident, "ben", "taken")
    assert "It is yours" in text(street.page(incident, "ben"))
    street.says(incident, "ben", "declined")
    assert street.incident(incident).owner is None


def test_who_needs_help_reads_that_it_comes_and_the_other_that_he_is_needed(street: Street) -> None:
    incident = street.raises()
    street.says(incident, "ben", "taken")
    assert "Wer geht: Ben. Für Sie ist nichts zu tun." in text(street.page(incident, "ana"))
    assert buttons(street.page(incident, "ana")) == []
    street.says(incident, "ben", "help")
    assert "One more is being called." in text(street.page(incident, "ben"))
    page = street.page(incident, "ana")
    assert "Wer geht: Ben. Sie fehlen noch." in text(page)
    assert "taken" in buttons(page)


def test_each_role_is_waited_for(street: Street) -> None:
    incident = street.raises("rescue")
    street.says(incident, "ana", "taken")
    page = text(street.page(incident, "cem"))
    assert "Qui y va : Ana. On a encore besoin de vous." in page
    assert "Ana, en route encore nécessaire : rescue" in page
    street.says(incident, "cem", "arrived")
    assert "Cem, vor Ort" in text(street.page(incident, "ana"))
    assert "noch gebraucht" not in street.page(incident, "ana")


def test_what_heals_while_he_goes_is_his_to_end(street: Street) -> None:
    incident = street.raises()
    street.says(incident, "ben", "taken")
    street.raises(number=1, edge=Edge.CLEARED, value=False)
    assert "over by itself. Say done when you have seen to it." in text(street.page(incident, "ben"))
    street.says(incident, "ben", "done")
    assert street.incident(incident).state is State.RESOLVED


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_whoever_previews_the_link_says_nothing(street: Street, method: str) -> None:
    incident = street.raises()
    path = street.path(incident, "ben")
    for query in ("", "?say=taken&seen=2", "?said=taken&after=2&at=1"):
        street.browser.request(method, path + query)
    assert street.inbox() == []


# --- the customer -----------------------------------------------------------------------------------------------------


def test_a_customer_reads_how_it_stands_and_nothing_of_ours(street: Street) -> None:
    incident = street.too_warm()
    street.photographs(incident)
    street.says(incident, "kim", "taken")
    page = street.page(incident, "ivo")
    for part in ("Level 2, Lounge B", "Warmer than it should be (28.1 °C)", "A technician is on the way."):
        assert part in text(page), part
    assert "There at about 17:05. You need do nothing." in text(page)
    assert "28.1\N{NO-BREAK SPACE}°C" in page, "a number goes to no line without its unit"
    assert "Un technicien est en route." in text(street.page(incident, "lea"))
    assert buttons(page) == []
    for ours in ("Kim", street.incident(incident).code, "limit", "ventilation", "picture", "plan", "Medium"):
        assert ours not in text(page), ours
    for file in ("picture", "plan"):
        assert street.browser.get(f"{street.path(incident, 'ivo')}/{file}").status_code == 404
    street.says(incident, "kim", "arrived")
    assert "The technician is there." in text(street.page(incident, "ivo"))


def solved(street: Street) -> IncidentId:
    incident = street.too_warm()
    street.says(incident, "kim", "taken")
    street.raises("comfort", **(WARM | {"number": 1, "edge": Edge.CLEARED, "value": 24.0}))
    street.says(incident, "kim", "done")
    return incident


def test_who_was_asked_whether_it_was_good_says_so_with_one_press(street: Street) -> None:
    incident = solved(street)
    assert "It is solved. At 17:00." in text(street.page(incident, "ivo"))
    assert "<h1>It is solved.</h1>" in street.page(incident, "ivo"), "each page has a heading"
    assert buttons(street.page(incident, "ivo")) == []  # he was not asked yet
    street.passes(HOUR + MINUTE)
    street.contact_turns()
    page = street.page(incident, "ivo")
    assert "Was that good?" in text(page)
    assert buttons(page) == ["1", "2", "3", "4", "5"]
    seen = seen_on(page)
    where = street.presses(incident, "ivo", "4", seen=seen)
    assert "Sending …" in text(street.browser.get(where).text)
    street.presses(incident, "ivo", "5", seen=seen)  # his thumb slipped
    street.contact_turns()
    assert street.incident(incident).ratings == {"ivo": 4}
    assert "You answered 4 of 5. Thank you." in text(street.browser.get(where).text)
    assert buttons(street.page(incident, "ivo")) == []
    assert len(buttons(street.page(incident, "lea"))) == 5


# --- hostile ----------------------------------------------------------------------------------------------------------

TOKENS = [
    "x",
    "%00",
    "..%2f..",
    "a" * 65,
    "a" * 5000,
    "%27%20OR%201=1--",
    "é",
    "\u0664\u0668",
    "%0d%0aX: y",
    "{{7*7}}",
    "*",
]


@pytest.mark.parametrize("token", TOKENS)
def test_an_address_that_leads_nowhere_tells_nothing(street: Street, token: str) -> None:
    street.raises()
    for path in ("", "/picture", "/plan"):
        answer = street.browser.get(f"/b/{token}{path}")
        assert answer.status_code == 404
        if "gone" in answer.text:
            assert text(answer.text) == " ".join(link_sentences.GONE)
    assert street.browser.post(f"/b/{token}", data={"say": "taken", "seen": "1"}).status_code == 404
    assert street.inbox() == []


def test_an_address_ends_a_day_after_the_last_message_and_with_its_person(street: Street) -> None:
    incident = street.raises()
    path = street.path(incident, "ben")
    assert street.browser.get(path).status_code == 200
    street.passes(DAY)
    assert street.browser.get(path).status_code == 404
    assert street.browser.post(path, data={"say": "taken", "seen": "1"}).status_code == 404
    assert street.inbox() == []


def test_an_address_is_of_one_person_and_one_incident(street: Street) -> None:
    incident, other = street.raises(), street.too_warm()
    assert street.path(incident, "ben") != street.path(incident, "ana") != street.path(other, "ana")
    assert street.browser.get(street.path(incident, "kim")).status_code == 404  # he was never asked


def test_who_tries_many_addresses_waits_and_a_right_one_opens_at_once(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "SLOW_S", 0)
    incident = street.raises()
    answers = [street.browser.get(f"/b/{number:011d}") for number in range(12)]
    assert [one.status_code for one in answers] == [404] * 10 + [429] * 2
    assert answers[0].text == answers[-1].text
    street.page(incident, "ben")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"say": "taken"},
        {"seen": "2"},
        {"say": "", "seen": "2"},
        {"say": "why", "seen": "2"},
        {"say": "stop", "seen": "2"},
        {"say": "5", "seen": "2"},
        {"say": "taken ", "seen": "2"},
        {"say": HOSTILE, "seen": "2"},
        {"say": "taken", "seen": "-1"},
        {"say": "taken", "seen": "99"},
        {"say": "taken", "seen": "٢"},
        {"say": "taken", "seen": "9" * 30},
        {"say": "taken", "seen": "1.5"},
        {str(number): "x" for number in range(9)},
    ],
)
def test_what_no_button_says_is_not_stored(street: Street, form: dict[str, str]) -> None:
    answer = street.browser.post(street.path(street.raises(), "ben"), data=form)
    assert answer.status_code == 400
    assert street.inbox() == []


def test_bytes_that_are_no_form_are_not_stored(street: Street) -> None:
    path = street.path(street.raises(), "ben")
    for body in (b"\xff\xfe", b"say=taken&seen=2\xff", b"&" * 60_000, b"say=%ff&seen=2"):
        assert street.browser.post(path, content=body).status_code == 400
    assert street.inbox() == []


def test_a_customer_cannot_answer_for_us_nor_rate_unasked(street: Street) -> None:
    incident = street.too_warm()
    street.says(incident, "kim", "taken")
    for say in ("taken", "done", "5", "0", "6", "55"):
        answer = street.browser.post(street.path(incident, "ivo"), data={"say": say, "seen": "1"})
        assert answer.status_code == 400, say


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost", "sec-fetch-site": "cross-site"},
        {"origin": "http://localhost", "sec-fetch-site": "none"},
    ],
)
def test_a_press_on_another_site_is_refused(street: Street, headers: dict[str, str]) -> None:
    path = street.path(street.raises(), "ben")
    answer = street.browser.post(path, data={"say": "taken", "seen": "1"}, headers=headers)
    assert answer.status_code == 403
    assert street.inbox() == []


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_only_a_form_is_read(street: Street, kind: str) -> None:
    path = street.path(street.raises(), "ben")
    answer = street.browser.post(path, content=b"say=taken&seen=1", headers={"content-type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "query", ["?said=taken&after=x&at=1", "?after=1&at=-1", f"?said={HOSTILE}&after=99&at=1", "?at=1"]
)
def test_what_we_never_wrote_into_an_address_shows_a_plain_page(street: Street, query: str) -> None:
    page = street.page(street.raises(), "ben", query)
    assert "Can you go?" in text(page)
    assert "<script" not in page


def test_names_and_sentences_from_outside_are_only_text(tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path)
    with closing(Street(tmp_path, gate=HOSTILE, ana=HOSTILE)) as street:
        incident = street.raises(note=HOSTILE, cause=HOSTILE, consequence=HOSTILE, action=HOSTILE)
        street.says(incident, "ana", "taken")
        page = street.page(incident, "ben")
        assert text(page).count(HOSTILE) >= 5
        assert "<script" not in page
        assert "49" not in text(page)
        assert "<script" not in street.page(incident, "ana")


def test_the_token_stands_nowhere_but_in_the_address(street: Street) -> None:
    incident = street.raises()
    street.says(incident, "ben", "taken")
    token = street.path(incident, "ben").removeprefix("/b/")
    assert token not in str(street.inbox())
    with street.store.begin() as connection:
        assert token not in str(list(connection.execute(select(audit))))


def test_no_copy_is_kept_and_no_search_engine_is_told(street: Street) -> None:
    incident = street.raises()
    for path in (street.path(incident, "ben"), street.path(incident, "ben") + "/plan", "/b/nothing"):
        headers = street.browser.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-robots-tag"] == "noindex, nofollow"
        assert headers["referrer-policy"] == "same-origin"  # with no-referrer a browser calls our own page "null"
        assert "set-cookie" not in headers


# --- the sentences ----------------------------------------------------------------------------------------------------

SENTENCES = link_sentences.FOR_ALL | link_sentences.FOR_TECHNICIANS
ALL = [*SENTENCES.items(), *link_sentences.FOR_CUSTOMERS.items(), ("gone", link_sentences.GONE)]


def test_every_sentence_is_there_in_every_language_with_the_same_gaps() -> None:
    for name, three in ALL:
        assert all(three), name
        gaps = [sorted(re.findall(r"\{\w+\}", one)) for one in three]
        assert gaps[0] == gaps[1] == gaps[2], name


def test_every_sentence_is_said_somewhere() -> None:
    folder = Path(links.__file__).parent
    names = ("links.py", "pages/technician.html", "pages/customer.html")
    sources = "".join((folder / name).read_text() for name in names)
    for name, _ in ALL[:-1]:
        assert f'"{name}"' in sources, name
