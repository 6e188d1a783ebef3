"""What stands before every route."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from console import guard
from console.guard import Gate, Right
from tests.unit.console.conftest import Bench, Browser

WRITES = ["/api/incidents/x/answers", "/api/demo/devices/door/open", "/api/demo/stories/open", "/api/session"]


def rights(route: APIRoute) -> list[str]:
    return [one.call.name for one in route.dependant.dependencies if isinstance(one.call, Right)]


def routes(bench: Bench) -> list[APIRoute]:
    found = [one for one in bench.app.routes if isinstance(one, APIRoute)]
    assert len(found) == len(bench.app.routes), "a route of another kind, whose right nobody checks"
    assert len(found) > 12
    return found


def test_every_route_declares_one_right(bench: Bench) -> None:
    assert [route.path for route in routes(bench) if len(rights(route)) != 1] == []


def test_without_a_session_only_the_open_routes_answer(bench: Bench) -> None:
    for route in routes(bench):
        if set(rights(route)) <= guard.OPEN_RIGHTS:
            continue
        for method in route.methods or ():
            answer = bench.browser.request(method, route.path.replace("{", "").replace("}", ""))
            assert answer.status_code == 401, route.path


def test_a_browser_without_a_session_is_led_to_the_sign_in_page(bench: Bench) -> None:
    answer = bench.browser.get("/", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:99"},
        {"origin": "http://localhost", "sec-fetch-site": "cross-site"},
        {"origin": "http://localhost", "sec-fetch-site": "same-site"},
        {"origin": ""},
        {"origin": "http://["},
    ],
)
def test_a_write_from_another_site_is_refused(browser: Browser, path: str, headers: dict[str, str]) -> None:
    assert browser.post(path, json={}, headers=headers).status_code == 403


def test_a_write_that_does_not_say_where_it_comes_from_is_refused(bench: Bench, browser: Browser) -> None:
    del browser.headers["origin"]
    assert browser.post("/api/demo/devices/door/open", json={}).status_code == 403
    assert bench.devices.pressed == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_foreign_form_could_send_is_not_read(browser: Browser, kind: str) -> None:
    answer = browser.post("/api/incidents/x/answers", content=b"{}", headers={"content-type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "", "[", "localhost.evil.example", "127.0.0.1@evil"]
)
def test_a_foreign_host_name_gets_nothing(bench: Bench, host: str) -> None:
    assert bench.browser.get("/sign-in", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("path", ["/api/incidents/%00", "/b/%00", "/twilio/sms?m=a%00", "/api/incidents/x%00/picture"])
def test_a_name_with_nul_in_it_reaches_no_store(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST"])
def test_our_own_names_are_served(bench: Bench, host: str) -> None:
    assert bench.browser.get("/sign-in", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/twilio/sms", "/api/session", "/api/incidents/x/answers"])
def test_a_body_of_more_than_64_kb_is_refused(browser: Browser, path: str) -> None:
    assert browser.post(path, content=b"x" * (64 * 1024 + 1)).status_code == 413


def test_a_large_body_without_a_length_is_refused(browser: Browser) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 8192

    assert browser.post("/api/session", content=pieces()).status_code == 413


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(*_: object) -> None:
        raise AssertionError("it was let through")

    async def nothing() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    sent: list[guard.Message] = []

    async def send(message: guard.Message) -> None:
        sent.append(message)

    monkeypatch.setattr(guard, "BODY_WITHIN_S", 0)
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")]}
    asyncio.run(Gate(app, frozenset())(scope, nothing, send))
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("path", ["/sign-in", "/api/health", "/nowhere", "/static/vorab.js"])
def test_every_answer_carries_the_headers(bench: Bench, path: str) -> None:
    answer = bench.browser.get(path)
    assert {name: answer.headers.get(name) for name in guard.HEADERS} == guard.HEADERS
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_what_shows_data_is_not_kept_by_the_browser(browser: Browser) -> None:
    for path in ("/", "/demo", "/api/incidents", "/api/people"):
        assert browser.get(path).headers["cache-control"] == "no-store"


def test_no_documentation_page_loads_scripts_from_elsewhere(browser: Browser) -> None:
    assert {browser.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")} == {404}


@pytest.mark.parametrize(
    "name",
    ["..%2fapp.py", "%2e%2e/app.py", "../app.py", "..%5capp.py", "%00", "vorab.js%00", "nope.js", "%2fetc%2fpasswd"],
)
def test_no_file_is_served_that_is_not_in_the_table(bench: Bench, name: str) -> None:
    assert bench.browser.get(f"/static/{name}").status_code == 404


def test_a_file_the_browser_has_is_not_sent_again(bench: Bench) -> None:
    first = bench.browser.get("/static/vorab.css")
    again = bench.browser.get("/static/vorab.css", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


def test_the_pages_hold_no_script_style_or_foreign_address_in_themselves(browser: Browser) -> None:
    for path in ("/", "/demo", "/sign-in"):
        page = browser.get(path).text
        assert "://" not in page
        assert [one for one in ("<style", " style=", " onclick") if one in page] == []
        assert page.count("<script") == page.count('<script type="module" src="/static/') == 1


def test_what_we_have_from_others_is_what_they_published() -> None:
    folder = Path(guard.__file__).parent / "static/vendor"
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sums} == sums
    assert {one.name for one in folder.iterdir()} == {*sums, "SHA256SUMS"}


def test_only_what_a_page_may_load_is_served_of_it(bench: Bench) -> None:
    assert bench.browser.get("/static/vendor/leaflet.js").status_code == 200
    for name in ("vendor/SHA256SUMS", "vendor/leaflet.LICENSE", "vendor", "vendor/", "vendor/..%2fdesk.js"):
        assert bench.browser.get(f"/static/{name}").status_code == 404, name


def test_a_microphone_is_for_our_own_pages_only(bench: Bench) -> None:
    assert bench.browser.get("/sign-in").headers["permissions-policy"].startswith("microphone=(self)")
