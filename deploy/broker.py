"""The broker of a site: the configured one; else Mosquitto as our child, set up to lose nothing; else one in Python."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from vorab.errors import ConfigurationError
from vorab.site import Site

READY_WITHIN_S = 10.0
STOP_WITHIN_S = 5.0
#: The last is where tests/servers unpacks it without root.
PLACES = (
    Path("/usr/sbin/mosquitto"),
    Path("/usr/local/sbin/mosquitto"),
    Path(__file__).parents[1] / ".venv/servers/mosquitto",
)

#: Mosquitto's defaults drop messages of a busy or absent subscriber; these keep them.  Saved each second: after every
#: change (autosave_on_changes) it would write its whole store for each message, and carry a thousandth of the load.
SETTINGS = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_on_changes false
autosave_interval 1
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
log_dest file {folder}/mosquitto.log
log_type error
log_type warning
"""


@dataclass
class Handle:
    """A broker that can be reached."""

    host: str
    port: int
    describes: str
    process: subprocess.Popen[bytes] | None = None  #: ours to watch over and to stop
    argv: list[str] = field(default_factory=list)  #: how to start it again, on the same port

    def stop(self) -> None:
        """Also saves what Mosquitto still holds for its sessions."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(site: Site, data: Path) -> Handle:
    """Returns when it answers.  Raises ConfigurationError."""
    configured = next((broker for broker in site.brokers if broker.host), None)
    if configured:
        return Handle(configured.host, configured.port, "as configured in site.yaml")
    program = mosquitto()
    port = _free_port()
    if program:
        return _started([program, "-c", str(settings(data, port))], port, data, "Mosquitto, started for this site")
    argv = [sys.executable, "-m", "deploy.python_broker", str(port)]
    return _started(
        argv, port, data, "embedded demo broker (MQTT 3.1.1, no redelivery): install mosquitto for real use"
    )


def mosquitto() -> str | None:
    """Where the program is; None = not on this machine."""
    return shutil.which("mosquitto") or next((str(place) for place in PLACES if place.exists()), None)


def die_with_parent() -> None:
    """The kernel sends SIGTERM to this child when its parent is gone, however it went (prctl(2), Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def settings(data: Path, port: int) -> Path:
    """The configuration file of a Mosquitto that loses nothing, in the data folder."""
    folder = data.resolve() / "broker"
    folder.mkdir(exist_ok=True, mode=0o700)
    path = folder / "mosquitto.conf"
    stay_root = "user root\n" if os.geteuid() == 0 else ""  # else it becomes mosquitto, whom the folder shuts out
    path.write_text(SETTINGS.format(port=port, folder=folder) + stay_root)
    return path


def _started(argv: list[str], port: int, data: Path, describes: str) -> Handle:
    said = data / "broker.log"
    with said.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - a program found on this machine, or our own interpreter
            argv,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the supervisor
            preexec_fn=die_with_parent,  # nobody who starts a broker has threads yet
        )
    handle = Handle("127.0.0.1", port, describes, process, argv)
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return handle
        time.sleep(0.02)
    handle.stop()
    raise ConfigurationError(
        f"{argv[0]} does not start on port {port}: {said.read_text().strip() or 'it said nothing'}"
    )


def _free_port() -> int:
    """1883 when it is free, else any other."""
    for wanted in (1883, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    raise ConfigurationError("no free port for a broker on 127.0.0.1")
