"""The channel, its HTTP client and the phone world over real sockets, with everything that may go wrong there."""

import contextlib
import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from notifiers.http import Client
from notifiers.sms import Settings, Sms
from vorab.errors import ConfigurationError, OutcomeUnknown, TemporaryFailure
from vorab.model import MINUTE, Delivery, Notification, NotificationId, Priority, Purpose
from vorab.testing.phones import Fault, PhoneWorld, Server, serve
from vorab.testing.phones.server import WallClock

pytestmark = pytest.mark.live
ANA, US = "+12025550121", "+12025550100"
PEOPLE = [{"name": "Ana", "number": ANA, "role": "security", "language": "en"}]


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld(WallClock())


@pytest.fixture
def server(world: PhoneWorld) -> Iterator[Server]:
    running = serve(world, people=PEOPLE)
    yield running
    running.stop()


@pytest.fixture
def http() -> Client:
    return Client(allow_private=True, total_s=1.0)


@pytest.fixture
def sms(world: PhoneWorld, server: Server, http: Client) -> Sms:
    settings = {
        "account_sid": world.account,
        "auth_token": world.token,
        "sender": US,
        "base_url": server.url,
        "allow_private": True,
    }
    return Sms(Settings.model_validate(settings), http)


def message(text: str = "Reply 4821") -> Notification:
    now = WallClock().now()
    fields: dict[str, Any] = {"incident": "inc", "number": 1, "person": "ana", "channel": "sms", "token": "4821"}
    fields |= {"purpose": Purpose.REQUEST, "priority": Priority.HIGH, "created_at": now, "expires_at": now + MINUTE}
    return Notification(**fields, id=NotificationId("inc.1.ana.sms"), address=ANA, text=text)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_message_and_its_reply_go_round(sms: Sms, world: PhoneWorld) -> None:
    assert sms.send(message()).state is Delivery.SENT
    until(lambda: len(world.received(ANA)) == 1)
    world.write(ANA, "4821")
    assert [heard.text for heard in sms.replies(world.ledger[0].at)] == ["4821"]


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.REFUSED])
def test_over_a_socket_a_fault_means_the_same_as_without(sms: Sms, world: PhoneWorld, fault: Fault) -> None:
    world.fail(fault, seconds=0.1)
    receipt = sms.send(message())
    expected = {Fault.TOO_MANY: Delivery.READY, Fault.BAD_REQUEST: Delivery.FAILED, Fault.SLOW: Delivery.SENT}
    assert receipt.state is expected.get(fault, Delivery.UNKNOWN)
    assert sms.send(message()).state is Delivery.SENT, "the next message is not disturbed"


def test_one_client_serves_many_threads(sms: Sms, world: PhoneWorld) -> None:
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda n: sms.send(message(f"number {n}")), range(200)))
    assert {receipt.state for receipt in receipts} == {Delivery.SENT}
    assert len({receipt.provider_id for receipt in receipts}) == 200
    until(lambda: len(world.received(ANA)) == 200)


def test_two_hundred_messages_over_one_kept_connection_all_arrive(
    http: Client, world: PhoneWorld, server: Server
) -> None:
    url = f"{server.url}/2010-04-01/Accounts/{world.account}/Messages.json"
    form = [("To", ANA), ("From", US), ("Body", "x")]
    for _ in range(200):
        http.request("POST", url, form=form, auth=(world.account, world.token))
    until(lambda: len(world.received(ANA)) == 200)


# --- servers that misbehave -------------------------------------------------------------------------------------------


@pytest.fixture
def rude() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Starts a server that does this with each connection; its address."""
    opened: list[socket.socket] = []

    def start(behave: Callable[[socket.socket], None]) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        opened.append(listening)

        def run() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                opened.append(connection)
                threading.Thread(target=_quietly, args=(behave, connection), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    yield start
    for one in opened:
        one.close()


def _quietly(behave: Callable[[socket.socket], None], connection: socket.socket) -> None:
    try:
        behave(connection)
    except OSError:
        return


def says(*pieces: bytes, pause: float = 0.0, close: bool = True) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        if close:
            connection.close()

    return behave


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize(
    "behave",
    [
        says(),  # hangs up
        says(close=False),  # never answers
        says(b"\x00\xff" * 1000),  # garbage
        says(b"HTTP/1.1 200 OK\r\n", close=False),  # stops in the middle of the head
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),  # ends too early
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),  # a chunk that is none
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", b"x" * 200_000, close=False),  # too long
        says(HEAD, *[b"x"] * 9, pause=0.2, close=False),  # a drop at a time
        says(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000 + b"\r\n"),  # 5,000 headers
    ],
)
def test_a_broken_answer_leaves_the_outcome_unknown_in_time(
    rude: Callable[..., str], http: Client, behave: Callable[[socket.socket], None]
) -> None:
    start = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        http.request("POST", rude(behave), form=[("a", "b")])
    assert time.monotonic() - start < 2.5


def test_nobody_there_means_that_nothing_was_sent(http: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", "http://no-such-host.invalid/"):
        with pytest.raises(TemporaryFailure):
            http.request("POST", url, form=[])


def test_a_plain_server_behind_https_gets_nothing(rude: Callable[..., str], http: Client) -> None:
    with pytest.raises((TemporaryFailure, OutcomeUnknown)):
        http.request("GET", rude(says(HEAD)).replace("http:", "https:"))


def test_a_redirect_is_not_followed(rude: Callable[..., str], http: Client) -> None:
    url = rude(says(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"))
    assert http.request("GET", url).status == 302


def test_a_compressed_answer_is_not_unpacked(rude: Callable[..., str], http: Client) -> None:
    packed = gzip.compress(b"x" * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    assert http.request("GET", rude(says(head + packed))).body == packed


def test_without_leave_only_https_to_public_addresses(rude: Callable[..., str]) -> None:
    client = Client(total_s=1.0)
    touched: list[bytes] = []
    url = rude(lambda connection: touched.append(connection.recv(65536)))
    for target in (url, url.replace("http:", "https:"), url.replace("http://127.0.0.1", "https://localhost")):
        with pytest.raises(ConfigurationError, match="allow_private"):
            client.request("POST", target, form=[])
    time.sleep(0.05)
    assert set(touched) <= {b""}


# --- the served world -------------------------------------------------------------------------------------------------


def raw(server: Server, *pieces: bytes) -> bytes:
    with socket.create_connection(server.server_address[:2], timeout=2) as connection:  # type: ignore[arg-type]
        for piece in pieces:
            connection.sendall(piece)
        with contextlib.suppress(OSError):  # it may have hung up on us already
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def post(server: Server, path: str, body: object, **headers: str) -> int:
    told = json.dumps(body).encode()
    head = {"Host": server.url.removeprefix("http://"), "Content-Type": "application/json", "Connection": "close"}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in (head | headers).items()]
    request = f"POST {path} HTTP/1.1\r\n" + "\r\n".join([*lines, f"Content-Length: {len(told)}", "", ""])
    return int(raw(server, request.encode(), told).split()[1])


def test_a_page_from_elsewhere_cannot_write(server: Server, world: PhoneWorld) -> None:
    body = {"handset": ANA, "text": "4821"}
    assert post(server, "/write", body, Origin="https://evil.example") == 403
    assert post(server, "/write", body, Origin="null") == 403
    assert post(server, "/write", body, Sec_Fetch_Site="cross-site") == 403
    assert post(server, "/write", body, **{"Content-Type": "text/plain"}) == 403
    assert not world.ledger
    assert post(server, "/write", body, Origin=server.url) == 200
    assert [entry.text for entry in world.ledger] == ["4821"]


@pytest.mark.parametrize("path", ["/", "/people", "/ledger", "/events", "/handsets.js"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "evil.example:80@127.0.0.1.evil"])
def test_a_foreign_name_that_leads_here_shows_nothing(server: Server, path: str, host: str) -> None:
    answer = raw(server, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 421 ")
    assert ANA.encode() not in answer


@pytest.mark.parametrize("length", ["-1", "1e3", "\u00b2", "99999999", "9" * 5000])
def test_a_length_that_is_none_is_refused_without_reading_on(server: Server, length: str) -> None:
    with socket.create_connection(server.server_address[:2], timeout=2) as connection:  # type: ignore[arg-type]
        connection.sendall(f"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_the_page_is_there_under_both_names_of_this_machine(server: Server) -> None:
    for host in ("localhost", server.url.removeprefix("http://")):
        assert raw(server, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())[9:12] == b"200"


@pytest.mark.parametrize("body", [None, [], {}, {"handset": ANA}, "x", 7])
def test_a_write_that_cannot_be_understood_is_refused(server: Server, body: object) -> None:
    assert post(server, "/write", body) == 400


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"POST /write HTTP/1.1\r\nContent-Length: nine\r\n\r\n",
        b"POST /write HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"GET /" + b"x" * 100_000,
        b"GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: x\r\n\r\n",
        b"GET /ledger?since=x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_hurt_nobody(server: Server, sms: Sms, request_bytes: bytes) -> None:
    raw(server, request_bytes)
    assert sms.send(message()).state is Delivery.SENT


def test_the_page_loads_nothing_from_elsewhere(server: Server) -> None:
    for path in ("/", "/handsets.css", "/handsets.js"):
        answer = raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"default-src 'none'" in head
        assert b"//" not in body.replace(b"// ", b"")
    assert b"<script>" not in raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")


def test_the_ledger_is_told_as_json_and_live(server: Server, sms: Sms, http: Client) -> None:
    sms.send(message("one"))
    sms.send(message("two"))
    until(lambda: len(json.loads(http.request("GET", f"{server.url}/ledger").body)["entries"]) == 2)
    told = json.loads(http.request("GET", f"{server.url}/ledger?since=1").body)
    assert [entry["text"] for entry in told["entries"]] == ["two"]
    assert told["last"] == 2
    with socket.create_connection(server.server_address[:2], timeout=2) as live:  # type: ignore[arg-type]
        live.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1\r\n\r\n")
        until(lambda: b'"text": "two"' in live.recv(65536))
        sms.send(message("three"))
        until(lambda: b'"text": "three"' in live.recv(65536))


def test_faults_and_settings_are_switched_over_http(server: Server, sms: Sms, world: PhoneWorld) -> None:
    assert post(server, "/faults", {"fault": "error-before", "times": 1}) == 200
    assert post(server, "/settings", {"delay_ms": 60_000, "reports": "lost"}) == 200
    assert post(server, "/faults", {"fault": "earthquake"}) == 400
    assert post(server, "/settings", {"nope": 1}) == 400
    assert sms.send(message()).state is Delivery.UNKNOWN
    assert sms.send(message()).state is Delivery.SENT
    assert world.received(ANA) == []


def test_the_program_serves_calls_our_webhook_and_stops_when_told(tmp_path: Path, http: Client) -> None:
    heard: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    (tmp_path / "token").write_text("token\n")
    (tmp_path / "people.json").write_text(json.dumps(PEOPLE))
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as hooks:
        threading.Thread(target=hooks.serve_forever, args=(0.05,), daemon=True).start()
        argv = [sys.executable, "-m", "vorab.testing.phones", "--port", "0", "--account", "AC" + "0" * 32]
        argv += ["--webhook", f"http://127.0.0.1:{hooks.server_port}/twilio/sms"]
        argv += ["--token-file", str(tmp_path / "token"), "--people", str(tmp_path / "people.json")]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as phones:
            assert phones.stdout is not None
            url = phones.stdout.readline().strip()
            assert json.loads(http.request("GET", f"{url}/people").body) == PEOPLE
            told = json.dumps({"handset": ANA, "text": "4821"}).encode()
            asked = Request(f"{url}/write", told, {"Content-Type": "application/json"})
            with urlopen(asked, timeout=5) as answer:
                assert answer.status == 200
            until(lambda: len(heard) == 1)
            phones.terminate()
            assert phones.wait(5) == 0
        hooks.shutdown()
    assert b"Body=4821" in heard[0]
