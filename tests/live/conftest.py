"""Real servers for the live tests, each on a free port.  Without one its tests are skipped; with CI=true they fail."""

import contextlib
import gc
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql

from deploy import bare, broker

WITHIN_S = 10.0


class Mosquitto:
    """One broker with the settings that we ship; it keeps its sessions when it is stopped and started again."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._argv = [program, "-c", str(broker.settings(folder, self.port))]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)
        raise AssertionError("Mosquitto does not answer")

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(WITHIN_S)
            self._process = None


def absent(what: str) -> None:
    """Skips, or fails where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not on this machine, and CI=true asks for it: run tests/servers")
    pytest.skip(f"{what} is not on this machine: run tests/servers")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    program = broker.mosquitto()
    if program is None:
        absent("mosquitto")
        return
    server = Mosquitto(program, tmp_path)
    server.start()
    yield server
    server.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """kafka-python 3.0.12 leaves a socket that was refused to the garbage collector, which warns."""
    refused = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
    for item in items:
        if _speaks_kafka(item):
            item.add_marker(refused)


@pytest.fixture(autouse=True)
def _refused_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """They are collected where that is expected, and not in some later test."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what is logged holds them, and pytest keeps what is logged
    yield
    if _speaks_kafka(request.node):
        gc.collect()


def _speaks_kafka(item: pytest.Item) -> bool:
    return not {"kafka", "three_brokers"}.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bare.Kafka]:
    """One broker for all tests: each uses a site of its own name, and with it topics of its own."""
    if missing := bare.Kafka.absent():
        absent(missing)
    server = bare.Kafka(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bare.Kafka]:
    """Each record on three, acknowledged by two."""
    if missing := bare.Kafka.absent():
        absent(missing)
    servers = bare.Kafka(tmp_path_factory.mktemp("three"), brokers=3)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[bare.Postgres]:
    if missing := bare.Postgres.absent():
        absent(missing)
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to the user postgres
        server = bare.Postgres(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def store_url(postgres: bare.Postgres) -> Iterator[str]:
    """An empty database."""
    name = f"test_{secrets.token_hex(4)}"
    postgres.create_database(name)
    yield postgres.url_of(name)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class Device(NamedTuple):
    """A camera with a loudspeaker, made by GStreamer."""

    url: str
    user: str
    password: str
    heard: Path  #: what was said to it: 16 bits, 8 kHz


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    parts = ["/usr/bin/python3", "-c", 'import gi; gi.require_version("GstRtspServer", "1.0")']
    if not Path(parts[0]).exists() or subprocess.run(parts, capture_output=True).returncode != 0:
        absent("GStreamer's RTSP server")
    if shutil.which("ffmpeg") is None:
        absent("ffmpeg")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    heard = tmp_path_factory.mktemp("device") / "heard.raw"
    argv = ["/usr/bin/python3", str(Path(__file__).parent / "gstreamer_camera.py"), str(port), str(heard)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield Device(f"rtsp://127.0.0.1:{port}/cam", "ana", "p%40ss: /word", heard)
        process.terminate()
