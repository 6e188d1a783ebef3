"""A site started by the command that a user types: its processes, its ports, its telephones."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.load import Publisher
from deploy.site.load import load
from tests.airport import ROOT, numbers

PIPE_BYTES = 1 << 16  #: as much as Linux keeps for who does not read


class Running:
    """A site started by the command that a user types."""

    def __init__(self, site: Path, data: Path) -> None:
        self.site, self.data = site, data
        self.started_at = 0.0
        self.secret = ""
        self.start()

    def start(self) -> None:
        argv = [sys.executable, "-m", "vorab", "run", str(self.site), "--data", str(self.data)]
        self.started_at = time.time()
        self.process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break
        assert "console" in self.said, self.said
        self.broker = int(self.port("broker"))
        self.phones = self.port("phones")
        shown = re.search(r"operator / (\S+)", self.said)
        self.secret = shown[1] if shown else self.secret  # shown only at the first start

    def port(self, what: str) -> str:
        found = re.search(rf"{what} +\S*?127\.0\.0\.1:(\d+)", self.said)
        assert found, self.said
        return found[1]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)
        out = self.process.stdout
        assert out is not None
        if not out.closed:
            os.set_blocking(out.fileno(), False)  # a process that is left over must not hold us up
            with contextlib.suppress(BlockingIOError):
                self.said += os.read(out.fileno(), PIPE_BYTES).decode(errors="replace")
            out.close()
            sys.stdout.write(self.said)  # shown with a test that failed

    def kill_everything(self) -> None:
        """Supervisor and processes at once, and the phone world with them; Mosquitto too."""
        for process in [*reversed(family(self.process.pid)), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def says(self, topic: str, **fields: object) -> None:
        publisher = Publisher(self.broker, "devices")
        publisher.send([(topic.encode(), json.dumps(fields).encode())])
        deadline = time.monotonic() + 5
        while publisher.collect(0.1) < 1 and time.monotonic() < deadline:
            continue
        assert publisher.acknowledged
        publisher.close()

    def texts(self, person: str) -> list[str]:
        """What this person's handset has shown."""
        number = numbers_of(self.site)[person]
        return [entry["text"] for entry in self.ledger() if entry["handset"] == number and not entry["written"]]

    def ledger(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.phones}/ledger?since=0", timeout=5) as answer:
            entries: list[dict[str, Any]] = json.load(answer)["entries"]
        return entries

    def writes(self, person: str, text: str) -> None:
        body = json.dumps({"handset": numbers_of(self.site)[person], "text": text}).encode()
        origin = f"http://127.0.0.1:{self.phones}"
        request = urllib.request.Request(
            f"{origin}/write", body, {"Content-Type": "application/json", "Origin": origin}
        )
        with urllib.request.urlopen(request, timeout=5):
            pass

    def incidents(self) -> list[tuple[str, str, str | None]]:
        with contextlib.closing(sqlite3.connect(f"file:{self.data / 'contact.db'}?mode=ro", uri=True)) as store:
            return store.execute("SELECT breach, state, owner FROM incidents ORDER BY opened_at").fetchall()


def numbers_of(site: Path) -> dict[str, str]:
    return numbers(load(site))


def family(pid: int) -> list[int]:
    """All descendants of this process."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = []
    rest = [pid]
    while rest:
        below = children.get(rest.pop(), [])
        found += below
        rest += below
    return found


def within(seconds: float, true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
