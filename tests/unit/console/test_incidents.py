"""Incidents, their threads, and what a person at the desk says about them."""

import json
from uuid import uuid4

import pytest
from sqlalchemy import select

from deploy.store.tables import audit, inbox
from tests.unit.console.conftest import HOSTILE, Bench, Browser


def click(meaning: str = "taken", person: str = "ben") -> dict[str, str]:
    return {"id": str(uuid4()), "person": person, "meaning": meaning}


def rows(bench: Bench) -> list[tuple[str, str, dict[str, str]]]:
    with bench.store.begin() as connection:
        found = connection.execute(select(inbox.c.id, inbox.c.kind, inbox.c.body).order_by(inbox.c.number))
        return [(row.id, row.kind, json.loads(row.body)) for row in found]


def test_an_open_incident_is_listed_with_all_one_must_know(bench: Bench, browser: Browser) -> None:
    incident = bench.raises()
    listed = browser.get("/api/incidents?state=open").json()
    assert listed["position"] > 0
    (one,) = listed["incidents"]
    assert (one["id"], one["what"], one["finding"]) == (incident, "Door held open", "")
    assert (one["priority_name"], one["place"], one["owner"]) == ("High", ["T1", HOSTILE], None)
    assert one["since"] == "2025-11-24T16:00:00.000Z"
    assert one["status"] == "asked Ben, no answer yet"


def test_an_empty_desk_says_so_by_an_empty_list(browser: Browser) -> None:
    assert browser.get("/api/incidents?state=open").json()["incidents"] == []


def test_the_thread_tells_who_was_asked_and_why(bench: Bench, browser: Browser) -> None:
    incident = bench.raises()
    thread = browser.get(f"/api/incidents/{incident}").json()
    assert [line["kind"] for line in thread["lines"]] == ["opened", "rung"]
    assert thread["lines"][0]["text"] == "Door held open for 30 s"
    assert thread["lines"][1]["details"][0].startswith("✓ Ben: ")
    (message,) = thread["messages"]
    assert (message["person"], message["channel"], message["receipt"]) == ("Ben", "SMS", "waiting")
    assert thread["action"] == "Close it"


def test_no_whole_number_leaves_the_desk(bench: Bench, browser: Browser) -> None:
    incident = bench.raises()
    thread = browser.get(f"/api/incidents/{incident}")
    assert thread.json()["messages"][0]["address"] == "+33•••••002"
    assert "39980002" not in thread.text


def test_taking_stores_a_click_that_contact_applies(bench: Bench, browser: Browser) -> None:
    incident = bench.raises()
    body = click()
    answer = browser.post(f"/api/incidents/{incident}/answers", json=body)
    assert (answer.status_code, answer.json()) == (202, {"id": body["id"]})
    assert rows(bench) == [
        (body["id"], "click", {"person": "ben", "incident": incident, "meaning": "taken", "by": "operator"})
    ]
    bench.contact_turns()
    with bench.store.connect() as connection:
        (line,) = connection.execute(select(audit.c.who, audit.c.detail).where(audit.c.what == "answered: taken"))
    assert line.who == "ben"
    assert "by desktop, clicked by operator" in line.detail
    (one,) = browser.get("/api/incidents").json()["incidents"]
    assert (one["state"], one["owner"], one["status"]) == ("taken", {"id": "ben", "name": "Ben"}, "Ben goes")


def test_the_operator_may_take_it_himself(bench: Bench, browser: Browser) -> None:
    incident = bench.raises()
    assert browser.post(f"/api/incidents/{incident}/answers", json=click(person="desk")).status_code == 202
    bench.contact_turns()
    assert browser.get("/api/incidents").json()["incidents"][0]["status"] == "Desk goes"


def test_the_same_click_twice_is_one(bench: Bench, browser: Browser) -> None:
    incident, body = bench.raises(), click()
    for _ in range(2):
        assert browser.post(f"/api/incidents/{incident}/answers", json=body).status_code == 202
    assert len(rows(bench)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"id": "not-a-uuid", "person": "ben", "meaning": "taken"},
        click(meaning="stop"),
        click(person="nobody"),
        click(person="kim"),  # a customer, whom nobody can send
        click(person="x" * 65),
        click(person=HOSTILE),
        click() | {"more": 1},
        click() | {"person": {"id": "ben"}},
        click() | {"person": None},
    ],
)
def test_what_is_no_answer_is_refused_without_repeating_it(bench: Bench, browser: Browser, body: object) -> None:
    incident = bench.raises()
    answer = browser.post(f"/api/incidents/{incident}/answers", json=body)
    assert answer.status_code == 422
    assert "<" not in answer.text
    assert rows(bench) == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"id":NaN}', b"null", b'"' + b"x" * 60_000]
)
def test_what_is_no_json_is_refused(bench: Bench, browser: Browser, content: bytes) -> None:
    incident = bench.raises()
    assert browser.post(f"/api/incidents/{incident}/answers", content=content).status_code in (400, 422)


@pytest.mark.parametrize("incident", ["x", "0" * 16, "..", "%00", "%2e%2e%2f", "'--", "é", "x" * 5000])
def test_an_unknown_incident_is_not_found(browser: Browser, incident: str) -> None:
    assert browser.get(f"/api/incidents/{incident}").status_code == 404
    assert browser.post(f"/api/incidents/{incident}/answers", json=click()).status_code in (404, 405)


def test_an_unknown_state_is_refused(browser: Browser) -> None:
    assert browser.get("/api/incidents?state=%27").status_code == 422


def test_hostile_names_are_text_in_json_and_never_markup(bench: Bench, browser: Browser) -> None:
    incident = bench.raises(rule="<img src=x onerror=alert(1)>", note=HOSTILE)
    answer = browser.get(f"/api/incidents/{incident}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["incident"]["note"] == HOSTILE


def test_the_desk_knows_who_may_be_named(browser: Browser) -> None:
    assert [one["id"] for one in browser.get("/api/people").json()] == ["desk", "eve", "ben", "dan"]


def test_a_button_of_the_demo_is_pressed(bench: Bench, browser: Browser) -> None:
    answer = browser.post("/api/demo/devices/door/open", json={})
    assert answer.status_code == 202
    assert answer.json()["published"][0]["at"] == "2025-11-24T16:00:00.000Z"
    assert browser.post("/api/demo/devices/door/explode", json={}).status_code == 404
    assert bench.devices.pressed == [("door", "open"), ("door", "explode")]


def test_a_story_of_the_demo_is_played(bench: Bench, browser: Browser) -> None:
    answer = browser.post("/api/demo/stories/open", json={})
    assert answer.status_code == 202
    assert answer.json()["stories"] == [{"id": "open", "label": "A door stands open", "line": "Nobody shuts it."}]
    assert browser.post("/api/demo/stories/nonsense", json={}).status_code == 404
    assert bench.devices.pressed == [("story", "open"), ("story", "nonsense")]


def test_health_needs_nobody_and_tells_nothing(bench: Bench) -> None:
    answer = bench.browser.get("/api/health")
    assert set(answer.json()) == {"version", "position"}


def test_a_store_that_does_not_answer_is_503(bench: Bench, browser: Browser) -> None:
    with bench.store.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE journal RENAME TO gone")
    assert browser.get("/api/health").status_code == 503
    assert browser.get("/api/incidents").status_code == 503
