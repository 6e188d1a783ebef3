"""E-mail to a real mail server: taken, refused, slow, cut off, and with a certificate of its own making."""

import asyncio
import gc
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from notifiers import email
from notifiers.email import Email, Settings
from notifiers.http import Client
from tests.unit.notifiers.test_email import JPEG, notification
from vorab.model import Delivery, Receipt

pytestmark = pytest.mark.live

SENDER = "Example Airport <alarm@airport.example>"


class Postman:
    """Keeps what it gets, or does what the test asks."""

    def __init__(self, rcpt: str = "", data: str = "", cut: bool = False) -> None:
        self.kept: list[Envelope] = []
        self._rcpt, self._data, self._cut = rcpt, data, cut

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        envelope.rcpt_tos.append(address)
        return self._rcpt or "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.kept.append(envelope)
        if self._cut:
            server.transport.abort()
        return self._data or "250 OK"


@contextmanager
def server(postman: Postman, **more: Any) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(postman, hostname="127.0.0.1", port=port, **more)
    controller.start()
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(_served(), controller.loop).result()
        controller.stop()


async def _served() -> None:
    """Whoever came, and perhaps left again, has been dealt with: aiosmtpd stops without waiting for them."""
    await asyncio.sleep(0.05)
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=5)


def send(port: int, host: str = "127.0.0.1", **changes: Any) -> Receipt:
    settings = {"host": host, "port": port, "tls": "none", "sender": SENDER, "allow_private": True} | changes
    return Email(Settings.model_validate(settings), Client()).send(
        notification(address="ivo@lounge.example", picture=JPEG)
    )


def test_what_the_server_takes_is_delivered_as_we_wrote_it() -> None:
    postman = Postman()
    with server(postman) as port:
        got = send(port)
    assert (got.state, got.reason) == (Delivery.DELIVERED, "")
    (envelope,) = postman.kept
    assert (envelope.mail_from, envelope.rcpt_tos) == ("alarm@airport.example", ["ivo@lounge.example"])
    assert isinstance(envelope.content, bytes)
    message = message_from_bytes(envelope.content, policy=policy.default)
    assert (message["Subject"], message["Message-ID"]) == ("High: door open", got.provider_id)
    assert [part.get_content() for part in message.walk() if part.get_content_type() == "image/jpeg"] == [JPEG]


@pytest.mark.parametrize(
    ("postman", "state"),
    [
        (Postman(rcpt="550 no such person ivo@lounge.example"), Delivery.FAILED),
        (Postman(rcpt="450 greylisted"), Delivery.READY),
        (Postman(data="554 spam"), Delivery.FAILED),
        (Postman(data="452 full"), Delivery.READY),
        (Postman(cut=True), Delivery.UNKNOWN),  # perhaps it kept it
    ],
)
def test_a_server_that_refuses_or_cuts_the_line(postman: Postman, state: Delivery) -> None:
    with server(postman) as port:
        got = send(port)
    assert got.state is state
    assert got.reason
    assert "ivo@" not in got.reason


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    assert send(port).state is Delivery.READY


@contextmanager
def mute(script: list[bytes]) -> Iterator[int]:
    """A server that says each of these lines when it has heard something, and then nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            line, _ = listening.accept()
            with closing(line):
                for say in script:
                    line.sendall(say)
                    line.recv(65536)
                while line.recv(65536):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(5)


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ([], Delivery.READY),
        ([b"220 x\r\n"], Delivery.READY),
        ([b"220 x\r\n", b"250 x\r\n", b"250 x\r\n"], Delivery.READY),
        ([b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"], Delivery.UNKNOWN),
        ([b"\xff" * 100_000], Delivery.READY),
    ],
)
def test_a_server_that_falls_silent_is_left_in_time(
    script: list[bytes], state: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(email, "TOTAL_S", 0.5)
    with mute(script) as port:
        assert send(port).state is state


def test_a_private_server_is_spoken_to_only_on_purpose() -> None:
    with server(Postman()) as port:
        got = send(port, tls="starttls", allow_private=False, sender="alarm@airport.com")
        assert got.state is Delivery.FAILED  # the address is one of fiction
        settings = Settings.model_validate({"host": "127.0.0.1", "port": port, "sender": "alarm@airport.com"})
        got = Email(settings, Client()).send(notification(address="ivo@lounge.com"))
    assert got.state is Delivery.FAILED
    assert "not a public address" in got.reason


# --- a line that is kept secret ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """Of localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, crt = folder / "key.pem", folder / "crt.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    argv += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(crt)]
    subprocess.run(argv, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return crt, context


def only_us(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    is_right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"vorab", b"right")
    return AuthResult(success=is_right, handled=False)


# The server forgets to close its end of a line whose certificate was refused.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("tls", ["tls", "starttls"])
def test_the_line_is_secret_and_the_server_proves_who_it_is(
    tls: str, certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, context = certificate
    postman = Postman()
    how: dict[str, Any] = {"tls_context": context, "require_starttls": True, "auth_required": True}
    if tls == "tls":  # its login knows of STARTTLS only
        how = {"ssl_context": context, "auth_require_tls": False}
    with server(postman, authenticator=only_us, **how) as port:
        got = send(port, "localhost", tls=tls, user="vorab", password="right")
        assert got.state is Delivery.READY
        assert "certificate" in got.reason
        assert postman.kept == []
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert send(port, "127.0.0.1", tls=tls, user="vorab", password="right").state is Delivery.READY  # another name
        got = send(port, "localhost", tls=tls, user="vorab", password="wrong")
        assert (got.state, "535" in got.reason) == (Delivery.FAILED, True)
        assert send(port, "localhost", tls=tls, user="vorab", password="right").state is Delivery.DELIVERED
    gc.collect()  # while that is not a fault
    assert len(postman.kept) == 1


def test_a_server_that_cannot_keep_the_line_secret_gets_nothing() -> None:
    postman = Postman()
    with server(postman) as port:
        assert send(port, tls="starttls").state is Delivery.FAILED
    assert postman.kept == []
