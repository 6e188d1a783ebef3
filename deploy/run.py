"""`vorab run`: starts the processes of one machine, watches over them, and stops them all.

Capture, contact and console are processes of their own and survive each other's death (DESIGN §4); one that ends is
started again, later each time it ends early.  A process that ends with 78 has found something a person must look at.
Where the log is in Kafka, an ingest for each broker and the workers stand in for capture.
"""

import contextlib
import fcntl
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
from rich.console import Console

from console.signin import first_secret
from deploy import broker, extras, runtime
from deploy.postgres import address
from deploy.site.load import load
from vorab.errors import ConfigurationError
from vorab.site import Site

NEEDS_A_PERSON = 78  #: exit code (EX_CONFIG): starting it again would not help
STOP_WITHIN_S = 10.0
BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_AFTER_S = 60.0  #: a process that lived this long starts afresh with its back-off
DEMO_ACCOUNT = "AC" + "0" * 31 + "1"

out = Console(highlight=False, soft_wrap=True)


class DataFolder:
    """The one folder a running site writes to.  Locked: a second instance is refused."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path.resolve()
        self._lock = (self.path / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            other = self._lock.read().strip() or "unknown"
            raise ConfigurationError(
                f"{path}: already in use by process {other}; stop that one, or choose another folder with --data"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def release(self) -> None:
        self._lock.close()


@dataclass
class Child:
    """One supervised process."""

    name: str
    argv: list[str]
    environment: dict[str, str]
    quiet: bool = False  #: what it prints concerns nobody
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    ends: int = 0  #: in a row, each soon after its start
    start_at: float = field(default_factory=time.monotonic)  #: the next start is due

    def start(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
            self.argv,
            env=os.environ | self.environment,
            stdout=subprocess.DEVNULL if self.quiet else None,
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops them in order
            preexec_fn=broker.die_with_parent,  # this process has no threads
        )
        self.started_at = time.monotonic()

    def tend(self, tell: Callable[[str], None]) -> None:
        """Starts it when it is due; notices when it has ended."""
        if self.process is None:
            if time.monotonic() >= self.start_at:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        self.process = None
        lived = time.monotonic() - self.started_at
        self.ends = 1 if lived > STEADY_AFTER_S else self.ends + 1
        if code == NEEDS_A_PERSON:
            self.start_at = float("inf")
            tell(f"{self.name} stopped and needs a person: see the line above")
            return
        wait = BACK_OFF_S[min(self.ends, len(BACK_OFF_S)) - 1]
        self.start_at = time.monotonic() + wait
        tell(f"{self.name} ended with {_how(code)} after {lived:.1f} s; started again in {wait:g} s")

    def stop(self, within_s: float) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def _how(code: int) -> str:
    return f"code {code}" if code >= 0 else signal.Signals(-code).name


def free_port(wanted: int, host: str = "127.0.0.1") -> int:
    """The first port from `wanted` on that nobody listens on.  Raises ConfigurationError."""
    for port in range(wanted, min(wanted + 200, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return port
    raise ConfigurationError(f"no free port from {wanted} to {wanted + 199}")


def demo_environment(data: Path) -> dict[str, str]:
    """What the demo's phone world and its customers share: an invented account, and a token made for this folder."""
    path = data / "phones.token"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16))
    names = ("VORAB_SMS", "VORAB_VOICE")
    return {f"{name}_ACCOUNT": DEMO_ACCOUNT for name in names} | {f"{name}_TOKEN": path.read_text() for name in names}


#: Name → command and options of each process of a site on one machine, in the order of their start.
ONE_MACHINE = {name: [name] for name in ("contact", "capture", "console")}


def commands(site: Site, *, has_media: bool) -> dict[str, list[str]]:
    """The same for this site."""
    found = ONE_MACHINE
    if site.log:
        hearing = {f"ingest {each.ingest}": ["ingest", "--broker", each.ingest] for each in site.brokers}
        deciding = {f"worker {number}": ["worker"] for number in range(1, site.workers + 1)}
        lane = {"worker life-safety": ["worker", "--life-safety"]}
        found = {"contact": ["contact"], **hearing, **lane, **deciding, "console": ["console"]}
    return found | ({"media": ["media"]} if has_media else {})


def children(
    site_folder: Path, data: Path, environment: dict[str, str], commands: dict[str, list[str]] = ONE_MACHINE
) -> list[Child]:
    """These processes, not started yet."""
    return [
        Child(
            name,
            [sys.executable, "-m", "vorab", command, str(site_folder), "--data", str(data), *options],
            environment,
        )
        for name, (command, *options) in commands.items()
    ]


def speaks(site: Site) -> bool:
    """Whether there is a loudspeaker, and this machine has what it takes to speak to one."""
    return any(place.intercom for place in site.places) and importlib.util.find_spec("aiortc") is not None


def phone_world(data: Path, found: runtime.Runtime, site: Site) -> Child:
    """The demo's provider: handsets on a page, and nobody behind them."""
    people = data / "handsets.json"
    people.write_bytes(_handsets(site))
    argv = [sys.executable, "-m", "vorab.testing.phones", "--port", str(found.phones_port)]
    argv += ["--smtp-port", str(found.mail_port)]
    argv += ["--webhook", f"http://127.0.0.1:{found.console_port}/twilio/sms", "--account", DEMO_ACCOUNT]
    argv += ["--token-file", str(data / "phones.token"), "--people", str(people)]
    return Child("phones", argv, {}, quiet=True)


def _handsets(site: Site) -> bytes:
    rows = [
        {
            "id": person.id,
            "name": person.name,
            "role": ", ".join(person.roles),
            "language": person.language,
            "number": person.addresses.get("sms", ""),
            "mail": person.addresses.get("email", ""),
        }
        for person in site.people
        if "sms" in person.addresses or "email" in person.addresses
    ]
    return msgspec.json.encode(rows)


def camera_world(data: Path, found: runtime.Runtime, site: Site) -> Child:
    """The demo's cameras and loudspeakers, which show what its sensors say."""
    scene = data / "scene.json"
    scene.write_bytes(msgspec.json.encode(_scene(site)))
    argv = [sys.executable, "-m", "vorab.testing.cameras", "--scene", str(scene)]
    argv += ["--port", str(found.cameras_port), "--intercom-port", str(found.intercom_port)]
    argv += ["--broker", f"{found.mqtt_host}:{found.mqtt_port}"]
    return Child("cameras", argv, {}, quiet=True)


def _scene(site: Site) -> dict[str, object]:
    """Each simulated camera with the sensors that it has in sight: those of the places that use it."""
    places = {place.id: place for place in site.places}
    views: dict[str, dict[str, Any]] = {}
    for place, camera in runtime.inherited(site, lambda place: place.camera).items():
        kind, _, name = (camera.stream or camera.snapshot).partition(":")
        if kind != "demo":
            continue
        title = " · ".join(places[one].name for one in reversed(places[place].path[1:]))
        view = views.setdefault(name, {"name": name, "title": title, "zone": site.zone, "sensors": []})
        seen = [sensor for sensor in site.sensors if sensor.place == place]
        view["sensors"] += [{"topic": sensor.topic, "kind": sensor.type.name} for sensor in seen]
    urls = {place.intercom.url for place in site.places if place.intercom}
    return {
        "cameras": list(views.values()),
        "intercoms": sorted(url.removeprefix("demo:") for url in urls if url.startswith("demo:")),
    }


def say(line: str) -> None:
    out.print(f"[yellow]vorab:[/] {line}")


def run(site_folder: Path, data: Path) -> int:
    """Runs until a signal says stop.  Raises ConfigurationError before anything is started."""
    began = time.monotonic()
    site = load(site_folder)
    if site.log:
        extras.needed()
    os.umask(0o077)  # numbers, texts and secrets are nobody else's
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = DataFolder(data)
    data = folder.path
    environment = demo_environment(data) if site.demo else {}
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)

    demo_broker = broker.start(site, data)
    running: list[Child] = []
    if demo_broker.process is not None:
        running.append(Child("broker", demo_broker.argv, {}, process=demo_broker.process, started_at=began))
    try:
        console_port = free_port(8080)
        found = _found(site, demo_broker, console_port)
        runtime.write(data, found)
        if site.demo:
            running += [phone_world(data, found, site), camera_world(data, found, site)]
        running += children(site_folder, data, environment, commands(site, has_media=found.media_port is not None))
        secret = first_secret(data)
        for child in running:
            child.tend(say)
        listening = [found.console_port, found.phones_port, found.cameras_port]
        _await_listening([port for port in listening if port is not None], running, stopping)
        if not stopping:
            _greet(site, data, found, secret, demo_broker, time.monotonic() - began)
        while not stopping:
            for child in running:
                child.tend(say)
            time.sleep(0.1)
    finally:
        out.print("stopping …")
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in reversed(running):
            child.stop(max(0.5, deadline - time.monotonic()))
        (data / "runtime.json").unlink(missing_ok=True)
        folder.release()
    return 0


def _found(site: Site, demo_broker: broker.Handle, console_port: int) -> runtime.Runtime:
    """Ports for all that listens, each free when it was looked for."""
    names = ["phones_port", "mail_port", "cameras_port", "intercom_port"] if site.demo else []
    names += ["media_port"] if speaks(site) else []
    ports: dict[str, int] = {}
    for name in names:
        ports[name] = free_port(max([console_port, *ports.values()]) + 1)
    secret = secrets.token_hex(16) if "media_port" in ports else ""
    return runtime.Runtime(demo_broker.host, demo_broker.port, console_port, **ports, media_secret=secret)


def _await_listening(ports: list[int], running: list[Child], stopping: list[int]) -> None:
    """Returns when all these ports answer, or somebody wants us to stop.  Raises ConfigurationError after 60 s."""
    deadline = time.monotonic() + 60
    for port in ports:
        while not stopping:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            for child in running:
                child.tend(say)
            if time.monotonic() > deadline:
                raise ConfigurationError(f"port {port}: nothing answers after 60 s; the lines above say why")
            time.sleep(0.05)


def _greet(
    site: Site,
    data: Path,
    found: runtime.Runtime,
    secret: str | None,
    demo_broker: broker.Handle,
    took_s: float,
) -> None:
    out.print(f"\n[bold]Vorab[/] watches [bold]{site.name}[/]: {len(site.sensors)} sensors  ({took_s:.1f} s)\n")
    out.print(f"  console   http://127.0.0.1:{found.console_port}/")
    if secret:
        out.print(f"  log in    operator / [bold]{secret}[/]   (shown only this once)")
    else:
        out.print(f"  log in    operator, with the secret of the first start (forgotten? delete {data / 'secret'})")
    if site.demo:
        out.print(f"  simulator http://127.0.0.1:{found.console_port}/demo")
        out.print(f"  phones    http://127.0.0.1:{found.phones_port}/")
        out.print(f"  cameras   http://127.0.0.1:{found.cameras_port}/")
    out.print(f"  broker    {demo_broker.host}:{demo_broker.port}  {demo_broker.describes}")
    if site.log:
        out.print(f"  log       Kafka at {', '.join(site.log.servers)}, {site.log.partitions} partitions")
        out.print(f"  store     PostgreSQL at {address(site.store)}; {site.workers} workers, and one for life safety")
    out.print(f"  data      {data}")
    out.print("\nCtrl-C stops everything.\n")
