"""Who gets in, for how long, and how often one may try."""

import stat
from contextlib import closing
from pathlib import Path

import pytest

from console import signin
from tests.unit.console.conftest import SECRET, Bench, Browser
from vorab.model import HOUR, MINUTE, SECOND, Instant


def test_the_secret_is_told_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    secret = signin.first_secret(tmp_path)
    assert secret is not None
    assert signin.first_secret(tmp_path) is None
    assert signin.fits(secret, signin.stored_secret(tmp_path))
    assert not signin.fits(secret + "x", signin.stored_secret(tmp_path))
    assert all(secret.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_nobody_else_on_the_machine_reads_the_secret_files(tmp_path: Path) -> None:
    signin.first_secret(tmp_path)
    signin.session_key(tmp_path)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["secret", "session.key"]


@pytest.mark.parametrize("body", [{"name": "operator", "secret": "wrong"}, {"name": "root", "secret": None}])
def test_a_wrong_name_and_a_wrong_secret_get_the_same_answer(bench: Bench, body: dict[str, str | None]) -> None:
    answer = bench.browser.post("/api/session", json=body | {"secret": body["secret"] or SECRET})
    assert (answer.status_code, answer.json()) == (403, {"error": "wrong name or secret"})
    assert "set-cookie" not in answer.headers


WRONG, RIGHT = {"name": "operator", "secret": ""}, {"name": "operator", "secret": SECRET}


def test_ten_wrong_tries_by_anybody_do_not_lock_the_operator_out(bench: Bench) -> None:
    for _ in range(10):
        assert bench.browser.post("/api/session", json=WRONG).status_code == 403
        bench.passes(SECOND)
    assert bench.browser.post("/api/session", json=RIGHT).status_code == 200


def test_after_ten_wrong_tries_an_address_has_one_a_second_for_a_quarter_of_an_hour(bench: Bench) -> None:
    tries = signin.Tries(lambda: bench.now)
    for _ in range(10):
        tries.wrong("flood")
    assert [tries.wait_s("flood") for _ in range(3)] == [0, 1, 1]
    assert tries.wait_s("elsewhere") == 0
    bench.passes(SECOND)
    assert [tries.wait_s("flood") for _ in range(2)] == [0, 1]
    bench.passes(15 * MINUTE)
    assert [tries.wait_s("flood") for _ in range(2)] == [0, 0]


def test_all_addresses_together_have_five_tries_a_second(bench: Bench) -> None:
    for _ in range(5):
        assert bench.browser.post("/api/session", json=RIGHT).status_code == 200
    answer = bench.browser.post("/api/session", json=RIGHT)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    bench.passes(SECOND)
    assert bench.browser.post("/api/session", json=RIGHT).status_code == 200


def test_a_flood_of_addresses_does_not_fill_the_memory() -> None:
    tries = signin.Tries(lambda: Instant(0))
    for number in range(signin.MAX_ADDRESSES + 100):
        tries.wrong(str(number))
    assert len(tries._wrong) == signin.MAX_ADDRESSES


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(bench: Bench) -> None:
    answer = bench.browser.post("/api/session", json={"name": "operator", "secret": SECRET})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_behind_https_the_cookie_never_travels_in_the_clear(bench: Bench, tmp_path: Path) -> None:
    with closing(Bench(tmp_path, "https://desk.example")) as public:
        answer = public.browser.post("/api/session", json={"name": "operator", "secret": SECRET})
    assert answer.headers["set-cookie"].startswith("__Host-vorab=")
    assert "; secure" in answer.headers["set-cookie"].lower()


def test_a_page_that_is_there_keeps_the_session_for_a_shift_and_no_longer(bench: Bench, browser: Browser) -> None:
    for _ in range(11 * 3):
        bench.passes(20 * MINUTE)
        assert browser.get("/api/session").status_code == 200
    bench.passes(HOUR)
    assert browser.get("/api/session").status_code == 401


def test_a_session_ends_when_its_page_is_gone_for_half_an_hour(bench: Bench, browser: Browser) -> None:
    bench.passes(31 * MINUTE)
    assert browser.get("/api/incidents").status_code == 401


def test_a_cookie_kept_from_before_signing_out_is_worth_nothing(bench: Bench, browser: Browser) -> None:
    kept = dict(browser.cookies)
    assert browser.request("DELETE", "/api/session").status_code == 204
    thief = Browser(bench.app)
    thief.cookies = kept
    assert thief.get("/api/incidents").status_code == 401


def test_who_has_signed_out_stays_out_when_the_console_starts_again(
    bench: Bench, browser: Browser, tmp_path: Path
) -> None:
    kept = dict(browser.cookies)
    assert browser.request("DELETE", "/api/session").status_code == 204
    with closing(Bench(tmp_path)) as again:
        thief = Browser(again.app)
        thief.cookies = kept
        assert thief.get("/api/incidents").status_code == 401
    assert stat.S_IMODE(bench.ended.stat().st_mode) == 0o600


def test_what_is_kept_of_ended_sessions_goes_with_their_cookies(bench: Bench, browser: Browser, tmp_path: Path) -> None:
    browser.request("DELETE", "/api/session")
    with bench.ended.open("a") as file:
        file.write("\nid -1\nid\n")
    bench.passes(signin.SHIFT)
    signin.Sessions(bench.key, lambda: bench.now, bench.ended)
    assert not bench.ended.exists()


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "W10.x", "\x00", "é" * 5000])
def test_a_forged_cookie_opens_nothing(bench: Bench, cookie: str) -> None:
    assert bench.browser.get("/api/incidents", headers={"cookie": f"vorab={cookie}".encode()}).status_code == 401
