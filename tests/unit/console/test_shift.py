"""The shift: a desk is asked while somebody looks, and its messages have arrived when a page has shown them."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from deploy.store.tables import desks, outbox
from tests.unit.console.conftest import START, Bench, Browser
from vorab.model import SECOND, Instant

PAGE = str(uuid4())


def begin(browser: Browser, page: str = PAGE, desk: str = "control-room") -> int:
    return browser.post("/api/shift", json={"page": page, "desk": desk}).status_code


def states(bench: Bench) -> list[tuple[str, str]]:
    with bench.store.begin() as connection:
        return [(row.channel, row.state) for row in connection.execute(select(outbox.c.channel, outbox.c.state))]


def shows(browser: Browser, incident: str, desk: str = "control-room") -> dict[str, Any]:
    found: dict[str, Any] = browser.post(f"/api/incidents/{incident}/seen", json={"desk": desk}).json()
    return found


def test_the_desks_are_those_at_which_people_can_be_asked(browser: Browser) -> None:
    assert browser.get("/api/desks").json() == ["control-room"]


def test_a_page_looks_from_its_first_word_and_is_forgotten_when_it_ends(bench: Bench, browser: Browser) -> None:
    assert begin(browser) == 204
    bench.passes(5 * SECOND)
    assert begin(browser) == 204
    (one,) = bench.reader.desks(START)
    assert (one.name, one.person, one.started_at, one.seen_at) == ("control-room", "operator", START, bench.now)
    assert browser.request("DELETE", f"/api/shift/{PAGE}").status_code == 204
    assert bench.reader.desks(START) == []


def test_two_pages_of_one_desk_are_two(bench: Bench, browser: Browser) -> None:
    begin(browser)
    begin(browser, str(uuid4()))
    assert len(bench.reader.desks(START)) == 2


def test_ending_a_shift_that_never_began_is_no_fault(browser: Browser) -> None:
    assert browser.request("DELETE", f"/api/shift/{uuid4()}").status_code == 204


def test_nobody_is_asked_at_a_desk_at_which_nobody_looks(bench: Bench, browser: Browser) -> None:
    begin(browser)
    bench.passes(16 * SECOND)
    incident = bench.raises(respond="watch")
    assert browser.get(f"/api/incidents/{incident}").json()["incident"]["desks"] == []
    assert states(bench) == []


def test_who_sits_down_later_sees_what_is_asked_already(bench: Bench, browser: Browser) -> None:
    incident = bench.raises(respond="both")
    begin(browser)
    assert browser.get(f"/api/incidents/{incident}").json()["incident"]["desks"] == ["control-room"]


def test_an_alarm_names_the_desk_that_is_asked_until_it_is_taken(bench: Bench, browser: Browser) -> None:
    begin(browser)
    incident = bench.raises(respond="watch")
    assert browser.get("/api/incidents").json()["incidents"][0]["desks"] == ["control-room"]
    said = {"id": str(uuid4()), "person": "dan", "meaning": "taken"}
    browser.post(f"/api/incidents/{incident}/answers", json=said)
    bench.contact_turns()
    assert browser.get(f"/api/incidents/{incident}").json()["incident"]["desks"] == []


def test_a_shown_alarm_has_arrived(bench: Bench, browser: Browser) -> None:
    begin(browser)
    incident = bench.raises(respond="watch")
    assert shows(browser, incident) == {"done": False}  # it waits to be handed over: the page says it again
    assert bench.contact_turns() == []
    bench.hands_over()
    assert shows(browser, incident) == {"done": True}
    assert len(bench.contact_turns()) == 1
    assert states(bench) == [("desktop", "delivered")]


def test_what_was_shown_twice_arrives_once(bench: Bench, browser: Browser) -> None:
    begin(browser)
    incident = bench.raises(respond="watch")
    bench.hands_over()
    shows(browser, incident)
    assert shows(browser, incident) == {"done": True}
    assert len(bench.contact_turns()) == 1


@pytest.mark.parametrize("desk", ["another", "", "x" * 65, "control-room'; DROP TABLE desks; --"])
def test_another_desk_confirms_nothing_of_ours(bench: Bench, browser: Browser, desk: str) -> None:
    begin(browser)
    incident = bench.raises(respond="watch")
    bench.hands_over()
    shows(browser, incident, desk)
    assert bench.contact_turns() == []


def test_the_other_channels_are_not_confirmed_by_a_desk(bench: Bench, browser: Browser) -> None:
    incident = bench.raises()
    bench.hands_over()
    assert shows(browser, incident) == {"done": False}
    assert shows(browser, "nothing of this name") == {"done": False}
    assert bench.contact_turns() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "control-room",
        {"page": PAGE},
        {"page": "cat", "desk": "control-room"},
        {"page": PAGE, "desk": "nowhere"},
        {"page": PAGE, "desk": "<script>"},
        {"page": PAGE, "desk": "x" * 10_000},
        {"page": PAGE, "desk": ["control-room"]},
        {"page": PAGE, "desk": "control-room", "person": "ben"},
    ],
)
def test_a_shift_that_makes_no_sense_is_refused_and_nothing_is_kept(bench: Bench, browser: Browser, body: Any) -> None:
    assert browser.post("/api/shift", json=body).status_code == 422
    with bench.store.begin() as connection:
        assert connection.execute(select(desks)).all() == []


def test_a_page_is_no_path(browser: Browser) -> None:
    assert browser.request("DELETE", "/api/shift/..%2F..%2Fsession.key").status_code == 404
    assert browser.request("DELETE", "/api/shift/cat").status_code == 422


def test_a_word_of_a_page_keeps_its_session(bench: Bench, browser: Browser) -> None:
    for _ in range(50):
        bench.now = Instant(bench.now + 600 * SECOND)
        assert begin(browser) == 204
