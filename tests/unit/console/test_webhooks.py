"""What the provider calls: signed, stored once, answered at once."""

from urllib.parse import urlencode

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # its SDK is not typed

from console.app import create
from deploy.store.tables import inbox
from tests.unit.console.conftest import ACCOUNT, PUBLIC_URL, TOKEN, Bench, Browser
from vorab.errors import TemporaryFailure
from vorab.model import Instant
from vorab.ports import Called, InboxItem

SID = "SM" + "a" * 32
REPLY = {"MessageSid": SID, "AccountSid": ACCOUNT, "From": "+33639980002", "To": "+33639989999", "Body": "4821"}


def call(browser: Browser, form: dict[str, str], *, token: str = TOKEN, url: str = f"{PUBLIC_URL}/twilio/sms") -> int:
    """As Twilio does it; its own validator makes the signature."""
    headers = {
        "x-twilio-signature": RequestValidator(token).compute_signature(url, form),
        "content-type": "application/x-www-form-urlencoded",
    }
    del browser.headers["origin"]
    answer = browser.post(url.removeprefix(PUBLIC_URL), content=urlencode(form), headers=headers)
    browser.headers["origin"] = "http://localhost"
    assert answer.status_code != 200 or answer.text.endswith("<Response/>")
    assert answer.status_code == 200 or answer.text == ""
    return answer.status_code


def stored(bench: Bench) -> int:
    with bench.store.begin() as connection:
        return connection.scalar(select(func.count()).select_from(inbox)) or 0


def test_a_signed_reply_is_stored_without_signing_in(bench: Bench) -> None:
    assert call(bench.browser, REPLY) == 200
    assert stored(bench) == 1


def test_a_replay_is_a_no_op_for_ever(bench: Bench) -> None:
    for _ in range(3):
        assert call(bench.browser, REPLY) == 200
    bench.contact_turns()
    assert call(bench.browser, REPLY) == 200
    assert stored(bench) == 1
    assert bench.contact_turns() == []


def test_a_forged_one_gets_403_without_a_word(bench: Bench) -> None:
    assert call(bench.browser, REPLY, token="another") == 403
    assert bench.browser.post("/twilio/sms", content=urlencode(REPLY)).status_code == 403
    assert stored(bench) == 0


def test_a_signature_for_another_address_does_not_count(bench: Bench) -> None:
    signature = RequestValidator(TOKEN).compute_signature("https://evil.example/twilio/sms", REPLY)
    headers = {"x-twilio-signature": signature}
    assert bench.browser.post("/twilio/sms", content=urlencode(REPLY), headers=headers).status_code == 403


def test_a_reply_to_another_number_is_not_ours(bench: Bench) -> None:
    assert call(bench.browser, REPLY | {"To": "+33600000000"}) == 400
    assert stored(bench) == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"&" * 60_000, b"a=1&" * 300, b"Body=%FF%FE", b"a", b"=" * 1000, urlencode(REPLY).encode()],
)
def test_noise_is_refused(bench: Bench, content: bytes) -> None:
    for path in ("/twilio/sms", "/twilio/status", "/twilio/status?m=x&k=y", "/twilio/sms?%ff"):
        answer = bench.browser.post(path, content=content, headers={"x-twilio-signature": b"\xe9"})
        assert answer.status_code in (400, 403)
    assert stored(bench) == 0


def test_an_address_in_a_message_is_never_fetched(bench: Bench) -> None:
    assert call(bench.browser, REPLY | {"NumMedia": "1", "MediaUrl0": "http://127.0.0.1:1/secret"}) == 200
    with bench.store.begin() as connection:
        assert "127.0.0.1" not in (connection.scalar(select(inbox.c.body)) or "")


# --- while the store is away ------------------------------------------------------------------------------------------


class Calls:
    """A provider that asks what to say, with somebody on the line."""

    paths = ("/calls", "/reports")

    def webhook(self, path: str, *_: object) -> Called:
        item = InboxItem("CA1/key", "key", {})
        return Called([item], b"<Response>yours</Response>", b"<Response>wait</Response>" if path == "/calls" else b"")


class Away:
    def put(self, rows: object, at: Instant) -> None:
        raise TemporaryFailure("locked")


def test_who_is_on_the_line_is_told_to_wait_when_it_cannot_be_stored(bench: Bench) -> None:
    hooks = {path: Calls() for path in Calls.paths}
    app, _ = create(replace(bench.outside, hooks=hooks, inbox=Away()))
    browser = Browser(app)
    answer = browser.post("/calls", content=b"Digits=1")
    assert (answer.status_code, answer.content) == (200, b"<Response>wait</Response>")
    assert browser.post("/reports", content=b"").status_code == 503


def test_who_is_on_the_line_hears_what_came_of_it(bench: Bench) -> None:
    app, _ = create(replace(bench.outside, hooks={"/calls": Calls()}))
    assert Browser(app).post("/calls", content=b"Digits=1").content == b"<Response>yours</Response>"
    assert stored(bench) == 1
