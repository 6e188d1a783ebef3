"""The place of an incident: plan, camera, picture, loudspeaker."""

import asyncio
import hashlib
from typing import Any, cast
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import insert

from console import place
from console.place import MAX_SDP
from console.views import Views
from deploy.store.tables import pictures
from tests.unit.console.conftest import PLAN, START, Bench, Browser
from vorab.errors import Malformed, TemporaryFailure
from vorab.model import SECOND

JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"


def thread(browser: Browser, incident: str) -> dict[str, Any]:
    found: dict[str, Any] = browser.get(f"/api/incidents/{incident}").json()
    return found


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_the_thread_says_where_the_place_is_on_the_plan_of_its_floor(bench: Bench, browser: Browser) -> None:
    found = thread(browser, bench.raises())
    assert found["place"] == "gate"
    assert found["plan"] == {"floor": "t1", "width": 400.0, "height": 200.0, "x": 120.0, "y": 80.5}


def test_the_plan_is_the_file_of_the_site(browser: Browser) -> None:
    answer = browser.get("/api/plans/t1")
    assert (answer.text, answer.headers["content-type"]) == (PLAN, "image/svg+xml")
    assert "script-src 'self'" in answer.headers["content-security-policy"]  # opened by itself, it runs nothing


@pytest.mark.parametrize(
    "floor", ["gate", "..%2fcontact.db", "../contact.db", "%2fetc%2fpasswd", "t1%00", "t1/", "plan.svg"]
)
def test_there_are_no_plans_but_those_of_the_site(browser: Browser, floor: str) -> None:
    assert browser.get(f"/api/plans/{floor}").status_code == 404


# --- the camera -------------------------------------------------------------------------------------------------------


def test_the_thread_knows_what_there_is_at_the_place(bench: Bench, browser: Browser) -> None:
    found = thread(browser, bench.raises())
    assert (found["camera"], found["talk"], found["picture"]) == (True, True, None)


def test_the_camera_is_one_picture_after_the_other(bench: Bench, browser: Browser) -> None:
    bench.cameras.shows = [JPEG, JPEG + b"2"]
    answer = browser.get("/api/places/gate/camera")
    assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=vorab-frame"
    _, first, second, end, _ = answer.content.split(b"--vorab-frame")
    assert first == b"\r\ncontent-type: image/jpeg\r\ncontent-length: %d\r\n\r\n%b\r\n" % (len(JPEG), JPEG)
    assert second.endswith(JPEG + b"2\r\n")
    assert (
        end.endswith(b"text/plain\r\ncontent-length: 34\r\n\r\nthe camera has ended its stream\r\n") or b"ended" in end
    )


def test_a_dead_camera_says_so_in_words(bench: Bench, browser: Browser) -> None:
    bench.cameras.shows = [TemporaryFailure("the camera does not answer")]
    answer = browser.get("/api/places/gate/camera")
    assert (answer.status_code, answer.json()) == (503, {"error": "the camera does not answer"})


def test_a_camera_that_dies_says_so_behind_its_last_picture(bench: Bench, browser: Browser) -> None:
    bench.cameras.shows = [JPEG, TemporaryFailure("it sent a page instead of a picture")]
    answer = browser.get("/api/places/gate/camera")
    assert answer.content.endswith(b"it sent a page instead of a picture\r\n--vorab-frame--\r\n")
    assert bench.cameras.closed == 1


def test_a_camera_that_hangs_is_given_up(bench: Bench, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "LOOK_S", 0)

    async def nothing(_place: str) -> Any:
        await asyncio.Event().wait()
        yield b""

    monkeypatch.setattr(bench.cameras, "frames", nothing)
    answer = browser.get("/api/places/gate/camera")
    assert (answer.status_code, answer.json()["error"]) == (503, "no picture for 0 s")


def test_a_camera_that_hangs_does_not_hold_up_the_stop(
    bench: Bench, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_place: str) -> Any:
        bench.stream.close()
        await asyncio.Event().wait()
        yield b""

    monkeypatch.setattr(place, "LOOK_S", 0)
    monkeypatch.setattr(bench.cameras, "frames", nothing)
    answer = browser.get("/api/places/gate/camera")
    assert (answer.status_code, answer.json()["error"]) == (503, "this page may look no longer")


def test_whoever_looks_is_let_go_when_his_session_ends(bench: Bench) -> None:
    bench.cameras.shows = [JPEG, JPEG, JPEG]
    read = cast(APIRoute, next(one for one in bench.app.routes if getattr(one, "path", "").endswith("/camera")))

    async def story() -> list[bytes]:
        answer = await read.endpoint("gate", bench.session(), Views(bench.outside, {}, "de"))
        parts = aiter(answer.body_iterator)
        first = await anext(parts)
        bench.passes(13 * 3600 * SECOND)
        return [first, *[part async for part in parts]]

    assert len(asyncio.run(story())) == 1
    assert bench.cameras.closed == 1


@pytest.mark.parametrize("where", ["t1", "nowhere", "..%2f..", "%00", "gate%2f.."])
def test_there_is_no_camera_where_the_site_has_none(browser: Browser, where: str) -> None:
    assert browser.get(f"/api/places/{where}/camera").status_code == 404


# --- the picture ------------------------------------------------------------------------------------------------------


def test_the_picture_of_when_it_was_found_has_its_time_and_hash(bench: Bench, browser: Browser) -> None:
    incident, sha256 = bench.raises(), hashlib.sha256(JPEG).hexdigest()
    row = {"incident": incident, "asked_at": START, "taken_at": START, "jpeg": JPEG, "sha256": sha256, "reason": ""}
    with bench.store.begin() as connection:
        connection.execute(insert(pictures).values(row))
    answer = browser.get(f"/api/incidents/{incident}/picture")
    assert (answer.content, answer.headers["content-type"]) == (JPEG, "image/jpeg")
    assert thread(browser, incident)["picture"] == {
        "taken_at": "2025-11-24T16:00:00.000Z",
        "sha256": sha256,
        "reason": "",
    }


def test_there_is_no_picture_where_none_was_taken(bench: Bench, browser: Browser) -> None:
    for incident in (bench.raises(), "nothing", "..%2f.."):
        assert browser.get(f"/api/incidents/{incident}/picture").status_code == 404


# --- the loudspeaker --------------------------------------------------------------------------------------------------


def test_an_offer_is_answered_and_the_talk_can_be_ended(bench: Bench, browser: Browser) -> None:
    incident = bench.raises()
    answer = browser.post(f"/api/incidents/{incident}/talk", json={"sdp": "offer"})
    assert (answer.status_code, answer.json()) == (201, {"talk": "talk", "sdp": "answer to offer"})
    assert bench.talks.open == {"talk": (incident, "gate", "operator")}
    assert browser.request("DELETE", "/api/talks/talk").status_code == 204
    assert bench.talks.open == {}


def test_a_talk_that_cannot_be_now_is_refused_in_words(bench: Bench, browser: Browser) -> None:
    bench.talks.refuses = TemporaryFailure("somebody else speaks there")
    answer = browser.post(f"/api/incidents/{bench.raises()}/talk", json={"sdp": "offer"})
    assert (answer.status_code, answer.json()) == (503, {"error": "somebody else speaks there"})


def test_what_is_no_offer_is_refused(bench: Bench, browser: Browser) -> None:
    bench.talks.refuses = Malformed("no audio in it")
    answer = browser.post(f"/api/incidents/{bench.raises()}/talk", json={"sdp": "<script>"})
    assert (answer.status_code, answer.json()) == (422, {"error": "sdp: no audio in it"})


@pytest.mark.parametrize(
    "body", [{}, [], {"sdp": ""}, {"sdp": 7}, {"sdp": "x" * (MAX_SDP + 1)}, {"sdp": "x", "place": "t1"}]
)
def test_a_body_that_cannot_be_an_offer_never_reaches_the_loudspeaker(
    bench: Bench, browser: Browser, body: Any
) -> None:
    answer = browser.post(f"/api/incidents/{bench.raises()}/talk", json=body)
    assert (answer.status_code, bench.talks.open) == (422, {})


def test_nobody_speaks_for_an_incident_that_is_not(bench: Bench, browser: Browser) -> None:
    assert browser.post("/api/incidents/nothing/talk", json={"sdp": "offer"}).status_code == 404
    assert browser.request("DELETE", "/api/talks/..%2fx").status_code in (204, 404)
    assert bench.talks.open == {}


# --- who goes ---------------------------------------------------------------------------------------------------------


def test_who_goes_and_who_is_still_missing(bench: Bench, browser: Browser) -> None:
    browser.post("/api/shift", json={"page": str(uuid4()), "desk": "control-room"})
    incident = bench.raises(respond="rescue")
    assert thread(browser, incident)["incident"]["missing"] == ["security", "watch"]
    bench.passes(7 * SECOND)
    said = {"id": str(uuid4()), "person": "ben", "meaning": "taken"}
    browser.post(f"/api/incidents/{incident}/answers", json=said)
    bench.contact_turns()
    found = thread(browser, incident)
    assert found["incident"]["missing"] == ["watch"]
    assert found["incident"]["going"] == [{"id": "ben", "name": "Ben"}]
    assert found["incident"]["desks"] == ["control-room"]
    assert found["going"] == [
        {"name": "Ben", "roles": ["security"], "at": "2025-11-24T16:00:07.000Z", "arrived_at": None}
    ]
