"""The whole site as a user starts it: `vorab run`, a real Mosquitto, the processes, the phone world, real seconds."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import broker
from tests.airport import AIRPORT, ROOT
from tests.live.running import Running, family, within

pytestmark = pytest.mark.live

#: name → role, last digits of the number, what he may enter, where he waits; all speak English and are always on duty
PEOPLE = {
    "ana": ("security", "01", "airside, technical", "security-post"),
    "cem": ("security", "03", "airside", "post-t2"),
    "dora": ("maintenance", "04", "airside, technical", "workshop"),
    "emil": ("maintenance", "05", "airside, technical", "workshop"),
    "fay": ("rescue", "06", "airside, technical", "first-aid"),
}


@pytest.fixture
def mosquitto() -> None:
    if broker.mosquitto() is None:
        message = "mosquitto is not installed: apt install mosquitto"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The airport, with people who are on duty whenever the test runs, and doors that the demo does not simulate."""
    folder = tmp_path / "site"
    shutil.copytree(AIRPORT, folder)
    (folder / "people.yaml").write_text(
        "".join(
            f"{name}: {{ name: {name.title()}, roles: [{role}], language: en, duty: 24/7, access: [{access}], "
            f'base: {base}, addresses: {{ sms: "+33 6 39 98 00 {digits}" }} }}\n'
            for name, (role, digits, access, base) in PEOPLE.items()
        )
    )
    for rules in (folder / "rules").iterdir():
        text = re.sub(r"^  owner: .*\n", "", rules.read_text(), flags=re.MULTILINE)
        rules.write_text(text.replace("type: door", "type: portal"))
    sensors = (folder / "sensors.yaml").read_text()
    (folder / "sensors.yaml").write_text(
        sensors.replace("  door: ", "  portal: ").replace("type: door", "type: portal")
    )
    return folder


@pytest.fixture
def running(site: Path, tmp_path: Path, mosquitto: None) -> Iterator[Running]:
    os.environ.setdefault("VORAB_SMS_ACCOUNT", "AC" + "0" * 31 + "1")
    os.environ.setdefault("VORAB_SMS_TOKEN", "0" * 32)
    running = Running(site, tmp_path / "data")
    yield running
    running.stop()


def test_the_door_both_ways_in_real_seconds(running: Running) -> None:
    running.says("access/gate-b12-badge", badge="0471A2", granted=True)
    running.says("zigbee2mqtt/gate-b12-door", contact=False)
    opened = time.monotonic()
    running.says("access/gate-b11-badge", online=True)
    running.says("zigbee2mqtt/gate-b11-door", contact=False)
    within(5, lambda: any("B11" in text for text in running.texts("ana")), "the door without a badge")
    assert time.monotonic() - opened < 5
    within(40, lambda: any("B12" in text for text in running.texts("ana")), "the door that stands open")
    assert 29 <= time.monotonic() - opened <= 35
    request = next(text for text in running.texts("ana") if "B12" in text)
    code = re.search(r"Reply (\d{4,6})", request)
    assert code, request
    running.writes("ana", code[1])
    within(10, lambda: any("open" in b and (s, o) == ("taken", "ana") for b, s, o in running.incidents()), "taken")
    within(5, lambda: any("yours" in text for text in running.texts("ana")), "told so")
    assert not any("B12" in text for text in running.texts("cem"))


def test_killed_twenty_seconds_after_the_door_opened_and_started_again(running: Running) -> None:
    running.says("access/gate-b12-badge", badge="0471A2", granted=True)
    running.says("zigbee2mqtt/gate-b12-door", contact=False)
    opened = time.time()
    time.sleep(20)
    running.kill_everything()
    time.sleep(2)
    running.start()
    within(30, lambda: any("B12" in text for text in running.texts("ana")), "the alarm after the restart")
    late = time.time() - max(opened + 30, running.started_at)
    assert late <= 3.0, f"sent {late:.1f} s late"
    [(breach, _, _)] = [row for row in running.incidents() if "held-open" in row[0]]
    with contextlib.closing(sqlite3.connect(f"file:{running.data / 'capture.db'}?mode=ro", uri=True)) as log:
        [(at,)] = log.execute("SELECT at FROM breaches WHERE id = ? AND edge = 0", (breach,)).fetchall()
    assert abs(at / 1e6 - (opened + 30)) < 1.0


def test_ctrl_c_leaves_no_process_and_a_second_instance_is_refused(running: Running, site: Path) -> None:
    argv = [sys.executable, "-m", "vorab", "run", str(site), "--data", str(running.data)]
    second = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert "already in use" in second.stderr + second.stdout
    all_of_it = family(running.process.pid)
    assert len(all_of_it) >= 5
    running.stop()
    assert running.process.returncode == 0
    assert [pid for pid in all_of_it if Path(f"/proc/{pid}").exists()] == []


def test_a_process_that_dies_is_started_again_and_the_others_go_on(running: Running) -> None:
    def named(name: str) -> list[int]:
        found = []
        for pid in family(running.process.pid):
            with contextlib.suppress(OSError):
                if f"vorab\0{name}\0".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    [contact], [capture] = named("contact"), named("capture")
    os.kill(contact, signal.SIGKILL)
    within(20, lambda: named("contact") not in ([], [contact]), "contact started again")
    assert named("capture") == [capture]
    running.says("access/gate-b11-badge", online=True)
    running.says("zigbee2mqtt/gate-b11-door", contact=False)
    within(15, lambda: any("B11" in text for text in running.texts("ana")), "the alarm all the same")


def test_a_broker_that_dies_is_started_again_and_the_doors_are_heard(running: Running) -> None:
    def mosquittos() -> list[int]:
        found = []
        for pid in family(running.process.pid):
            with contextlib.suppress(OSError):
                if b"mosquitto.conf" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    [before] = mosquittos()
    os.kill(before, signal.SIGKILL)
    within(10, lambda: mosquittos() not in ([], [before]), "the broker started again")
    time.sleep(3)  # until capture has connected again
    running.says("access/gate-b11-badge", online=True)
    running.says("zigbee2mqtt/gate-b11-door", contact=False)
    within(15, lambda: any("B11" in text for text in running.texts("ana")), "the alarm all the same")
