"""A clone, then `make run`: all that a fresh machine needs is Python, git and make."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.airport import ROOT
from tests.live.running import family

pytestmark = pytest.mark.live


def test_a_clone_then_make_run_starts_everything_within_a_minute_and_leaves_nothing(tmp_path: Path) -> None:
    clone, home = tmp_path / "clone", tmp_path / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    cold = {"HOME": str(home), "XDG_CACHE_HOME": str(home), "UV_CACHE_DIR": str(home / "uv"), "PIP_NO_CACHE_DIR": "1"}
    environment = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")
    } | cold
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 8080))
        taken.listen()
        began = time.monotonic()
        process = subprocess.Popen(
            ["make", "run"],
            cwd=clone,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        took = time.monotonic() - began
        try:
            assert "log in" in said, said
            assert took <= 60, f"{took:.0f} s:\n{said}"
            console, phones = found(said, "console"), found(said, "phones")
            assert not console.endswith(":8080/"), "that port was taken"
            assert [page(url) for url in (console, phones, found(said, "simulator"))] == [200, 200, 200]
            everything = [process.pid, *family(process.pid)]
            assert len(everything) >= 6
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(30)
            process.stdout.close()
    assert [pid for pid in everything if Path(f"/proc/{pid}").exists()] == []
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, check=True, capture_output=True, text=True)
    assert status.stdout == ""
    # The package cache; and pip asks rustc for its version, which makes a folder where rustup is installed.
    assert {entry.name for entry in home.iterdir()} <= {"uv", ".rustup"}


def found(said: str, what: str) -> str:
    match = re.search(rf"{what} +(http://127\.0\.0\.1:\d+/\S*)", said)
    assert match, said
    return match[1]


def page(url: str) -> int:
    """The status of this page for a browser; the desk and the simulator ask it to sign in."""
    try:
        browser = urllib.request.Request(url, headers={"Accept": "text/html"})
        with urllib.request.urlopen(browser, timeout=10) as answer:
            body, status = answer.read(), int(answer.status)
    except urllib.error.HTTPError as error:
        body, status = error.read(), error.code
        error.close()
    assert b"</html>" in body
    return status
