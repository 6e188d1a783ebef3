"""A browser at an open desk, as far as a benchmark needs one."""

import contextlib
import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from uuid import uuid4

from benchmarks.site import DESK


@dataclass
class Desk(threading.Thread):
    """A browser at the desk, as far as it matters: signed in, its shift started, the stream read without a pause."""

    port: int
    secret: str
    watched: str = "aed-"  #: how the sensors begin that matter
    frames: dict[str, int] = field(default_factory=dict)  #: sensor → CLOCK_MONOTONIC ns of its first frame
    incidents: dict[str, str] = field(default_factory=dict)  #: incident → sensor
    open: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.page = str(uuid4())
        self.cookie = ""

    def __hash__(self) -> int:
        return id(self)

    def ask(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        origin = f"http://127.0.0.1:{self.port}"
        headers = {"content-type": "application/json", "origin": origin, "cookie": self.cookie}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection.getresponse()

    def sign_in(self) -> None:
        answer = self.ask("POST", "/api/session", {"name": "operator", "secret": self.secret})
        if answer.status != 200:
            raise SystemExit(f"the desk could not sign in: {answer.status}")
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        self.beat()

    def beat(self) -> None:
        status = self.ask("POST", "/api/shift", {"page": self.page, "desk": DESK}).status
        if status != 204:
            raise SystemExit(f"the shift could not be started: {status}")

    def run(self) -> None:
        stream = self.ask("GET", "/api/stream")
        threading.Thread(target=self._beats, daemon=True).start()
        event = ""
        while not self.stop.is_set():
            line = stream.readline()
            if line.startswith(b"event: "):
                event = line[7:].strip().decode()
                self.open.set()
            elif line.startswith(b"data: ") and event == "incident":
                self._see(json.loads(line[6:]))
            if event == "resync" and line == b"\n":
                for incident in json.loads(self.ask("GET", "/api/incidents").read())["incidents"]:
                    self._see(incident)
            if not line:
                return

    def _see(self, incident: dict[str, str]) -> None:
        if incident["subject"].startswith(self.watched):
            self.incidents.setdefault(incident["id"], incident["subject"])
            self.frames.setdefault(incident["subject"], time.monotonic_ns())

    def _beats(self) -> None:
        while not self.stop.wait(5):
            self.beat()


def await_console(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/api/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("the console did not start")
