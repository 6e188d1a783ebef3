"""The desk in a real browser, over a real store and a real broker; contact's part is played by its own functions."""

import itertools
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from console import signin
from deploy import runtime
from deploy.site.load import load
from deploy.store import inbox
from deploy.store.apply import read, take
from deploy.store.store import open_store
from deploy.store.transaction import Transaction, World
from deploy.wake import Ringer
from notifiers.channels import build
from notifiers.text import Texts
from vorab.model import (
    SECOND,
    Breach,
    Edge,
    IncidentId,
    Instant,
    Priority,
    Quantity,
    ResponseId,
    RuleId,
    SensorId,
    breach_id,
    incident_id,
)
from workflows.directory.stub import SiteDirectory

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
AIRPORT = ROOT / "deploy/sites/airport"
SCREENSHOTS = Path(__file__).parent / "screenshots"
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), "")
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


@pytest.fixture(scope="module", autouse=True)
def servers() -> None:
    missing = [name for name, path in (("chromium", CHROMIUM), ("mosquitto", MOSQUITTO)) if not path]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, f"ended with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"nothing listens on {port}")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    settings = tmp_path_factory.mktemp("broker") / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with subprocess.Popen([MOSQUITTO, "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
        listens(port, process)
        yield port
        process.terminate()


class Desk:
    """The console process of the airport, and contact's functions beside it."""

    def __init__(self, data: Path, broker: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        os.environ.update(VORAB_SMS_ACCOUNT="AC" + "0" * 32, VORAB_SMS_TOKEN="x" * 32)
        self.found = runtime.Runtime(mqtt_port=broker, console_port=self.port, phones_port=free_port())
        runtime.write(data, self.found)
        self.secret = signin.first_secret(data)
        self.data = data
        self.ringer = Ringer(data)
        site = load(AIRPORT)
        self.store = open_store(data / "contact.db")
        channels = build(runtime.channel_settings(site, self.found))
        self.world = World(SiteDirectory(site), site.zone, channels, {}, Texts({}, site.zone))
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "vorab", "console", str(AIRPORT), "--data", str(self.data)]
        process = subprocess.Popen(argv, cwd=ROOT)
        listens(self.port, process)
        return process

    def stop(self) -> float:
        """Seconds until it has ended after SIGTERM."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0
        return time.monotonic() - began

    def raises(self, rule: str, sensor: str, ago_s: int = 30, **more: object) -> IncidentId:
        """The sensor breaks this rule since so many seconds; `more` are fields of the breach."""
        now = Instant(time.time_ns() // 1000)
        onset = Instant(now - ago_s * SECOND)
        door = {"quantity": Quantity.OPEN, "value": True, "priority": Priority.HIGH, "respond": ResponseId("security")}
        breach = Breach(
            id=breach_id(RuleId(rule), SensorId(sensor), onset),
            number=0,
            edge=Edge.RAISED,
            rule=RuleId(rule),
            subject=SensorId(sensor),
            onset=onset,
            at=Instant(min(now, onset + 30 * SECOND)),
            rules_hash="",
            **(door | more),  # type: ignore[arg-type]  # the fields of a breach by name
        )
        with self.store.begin() as connection:
            tx = Transaction(connection, self.world, now, 0)
            take(tx, breach)
            tx.close()
        self.ringer.ring("console")
        return incident_id(breach.id)

    def clears(self, incident: IncidentId) -> None:
        """The door has been shut."""
        with self.store.begin() as connection:
            tx = Transaction(connection, self.world, Instant(time.time_ns() // 1000), 0)
            found = read(tx, incident)
            assert found is not None
            take(tx, replace(found.breach, number=1, edge=Edge.CLEARED, value=False, at=tx.at))
            tx.close()
        self.ringer.ring("console")

    def contact_turns(self) -> None:
        """Waits for what came in, and applies it."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with self.store.begin() as connection:
                tx = Transaction(connection, self.world, Instant(time.time_ns() // 1000), 0)
                if rows := inbox.waiting(tx, 10):
                    for row in rows:
                        inbox.hear(tx, row)
                    tx.close()
            if rows:
                self.ringer.ring("console")
                return
            time.sleep(0.02)
        pytest.fail("nothing came into the inbox")


@pytest.fixture
def desk(tmp_path: Path, broker: int) -> Iterator[Desk]:
    desk = Desk(tmp_path, broker)
    yield desk
    if desk.process.poll() is None:
        desk.stop()
    desk.store.dispose()
    desk.ringer.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=["dark", "light"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page that fails the test when it asks another host or its console has an error to tell."""
    context = browser.new_context(
        color_scheme=request.param, viewport={"width": 1360, "height": 820}, timezone_id="Europe/Paris"
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("request", lambda asked: None if asked.url.startswith("http://127.0.0.1:") else faults.append(asked.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


def picture(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    scheme = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
    page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}.png")


def sign_in(page: Page, desk: Desk) -> None:
    page.goto(desk.url, wait_until="domcontentloaded")
    page.get_by_label("Secret").fill(desk.secret or "")
    picture(page, "sign-in")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("All quiet")).to_be_visible()


@pytest.mark.parametrize("page", ["dark"], indirect=True)
def test_an_incident_appears_by_itself_and_is_taken_and_done(desk: Desk, page: Page) -> None:
    sign_in(page, desk)
    picture(page, "quiet")
    desk.raises("door-held-open", "gate-b12-door", cause="Door wedged", action="Close it, look for people")
    row = page.locator("#open .row")
    expect(row).to_contain_text("Door held open", timeout=2000)
    expect(page).to_have_title("(1) Desk · Vorab")
    expect(page.locator("#thread .facts")).to_contain_text("Close it, look for people")
    row.click()  # what has jumped there by itself cannot be taken at once
    page.wait_for_timeout(700)
    page.keyboard.press("t")
    expect(page.get_by_role("button", name="Sending …")).to_be_disabled()
    desk.contact_turns()
    expect(row).to_contain_text("Desk goes", timeout=2000)
    page.get_by_label("as").select_option("Ben")
    page.get_by_role("button", name="Done", exact=True).click()
    desk.contact_turns()
    expect(page.locator("#thread")).to_contain_text("Ben: done")


BUSY: list[tuple[str, str, int, dict[str, object]]] = [
    (
        "room-too-warm",
        "cafe-c2-climate",
        3 * 3600,
        {"priority": Priority.MEDIUM, "quantity": Quantity.TEMPERATURE, "value": 28.1, "limit": 26.0}
        | {"respond": ResponseId("maintenance"), "action": "Check the ventilation"},
    ),
    (
        "door-held-open",
        "gate-b11-door",
        400,
        {
            "cause": "Door wedged, or the closer has failed",
            "consequence": "Anybody may reach the airside",
            "action": "Close it, look for people who passed, check the closer",
        },
    ),
    ("door-unauthorised", "gate-b12-door", 42, {"note": "unverified: badge reader silent since 09:58"}),
    (
        "aed-taken",
        "aed-b-cabinet",
        12,
        {"priority": Priority.LIFE_SAFETY, "quantity": Quantity.TAKEN, "respond": ResponseId("rescue")},
    ),
    (
        "sensor-silent",
        "lounge-b-climate",
        1200,
        {"priority": Priority.LOW, "quantity": None, "value": None, "respond": ResponseId("instruments")},
    ),
]


def test_a_busy_desk_is_in_order_and_hostile_names_are_text(desk: Desk, page: Page) -> None:
    sign_in(page, desk)
    for rule, sensor, ago_s, more in BUSY:
        desk.raises(rule, sensor, ago_s, **more)
    desk.raises("<img src=x onerror=alert(1)>", "gate-c1-door", 5, priority=Priority.LOW)
    desk.clears(desk.raises("door-held-open", "gate-b12-door", 90))
    rows = page.locator("#open .row .what strong")
    expect(rows).to_have_count(6)
    expect(rows.first).to_have_text("AED taken")
    expect(rows.last).to_have_text("<img src=x onerror=alert(1)>")
    assert page.locator("[src=x]").count() == 0
    page.keyboard.press("j")
    expect(page.locator("#thread h1")).to_contain_text("Door held open")
    page.get_by_label("as").select_option("Ana")
    page.locator("#thread h1").click()
    page.wait_for_timeout(700)
    page.keyboard.press("t")
    desk.contact_turns()
    expect(page.locator("#thread")).to_contain_text("Ana goes")
    page.locator("#thread summary").first.click()
    picture(page, "desk")
    page.set_viewport_size({"width": 400, "height": 900})
    picture(page, "desk-narrow")


@pytest.mark.parametrize("page", ["dark"], indirect=True)
def test_when_the_server_is_gone_the_page_is_grey_and_says_so_until_it_is_back(desk: Desk, page: Page) -> None:
    sign_in(page, desk)
    desk.raises("door-held-open", "gate-b12-door")
    expect(page.locator("#open .row")).to_be_visible()
    assert desk.stop() < 2, "an open stream held up the stop"
    expect(page.get_by_role("alert")).to_contain_text("No link to the server", timeout=3000)
    expect(page).to_have_title("⚠ No link to the server · Vorab")
    picture(page, "lost")
    desk.process = desk.start()
    desk.raises("door-unauthorised", "gate-b11-door")
    expect(page.locator("#open .row")).to_have_count(2, timeout=8000)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_button_of_the_simulator_publishes_what_the_device_would(desk: Desk, page: Page, broker: int) -> None:
    heard: queue.SimpleQueue[MQTTMessage] = queue.SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: heard.put(message)
    client.connect("127.0.0.1", broker)
    client.subscribe("zigbee2mqtt/gate-b12-door", 1)
    client.loop_start()
    sign_in(page, desk)
    page.get_by_role("link", name="Simulator").click()
    card = page.locator(".device", has=page.get_by_role("heading", name="gate-b12-door"))
    card.get_by_role("button", name="Opens").click()
    expect(card).to_contain_text("open")
    expect(page.locator("#published")).to_contain_text('"contact":false')
    others = {"gate-b12-badge": "Badge granted", "cafe-c2-climate": "Warms 3 °C", "aed-b-cabinet": "AED is taken"}
    for name, button in others.items():
        page.locator(".device", has=page.get_by_role("heading", name=name)).get_by_role("button", name=button).click()
    expect(page.locator("#published li")).to_have_count(4)
    picture(page, "demo")
    states = []
    while not heard.empty():
        states.append(json.loads(heard.get().payload)["contact"])
    assert states[-1] is False
    client.disconnect()
    client.loop_stop()


# --- the pictures of the README ---------------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The example as `vorab run` starts it, all on duty at any hour and reading English: its pages, and the secret."""
    site = tmp_path / "airport"
    shutil.copytree(AIRPORT, site)
    people = site / "people.yaml"
    people.write_text(re.sub("language: ..", "language: en", re.sub("duty: .*", "duty: 24/7", people.read_text())))
    argv = [sys.executable, "-m", "vorab", "run", str(site), "--data", str(tmp_path / "data")]
    env = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = "".join(itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
        secret = re.search(r"operator / (\S+)", said)
        assert secret, said
        yield dict(re.findall(r"^ +(console|phones) +(http\S+)", said, re.MULTILINE)) | {"secret": secret[1]}
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def press(page: Page, device: str, button: str) -> None:
    card = page.locator(".device", has=page.get_by_role("heading", name=device))
    card.get_by_role("button", name=button).click()


@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_the_demo_with_one_door_taken_and_one_not(demo: dict[str, str], page: Page) -> None:
    """The simulator and the desk with one door taken and one not, light and dark."""
    page.goto(demo["console"])
    page.get_by_label("Secret").fill(demo["secret"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Simulator").click()
    press(page, "gate-b12-badge", "Badge granted")
    press(page, "gate-b12-door", "Opens")
    phones = page.context.new_page()
    phones.set_viewport_size({"width": 1360, "height": 640})  # the first row of handsets
    phones.goto(demo["phones"])
    ana, ben = (
        phones.locator(".handset", has=phones.get_by_role("heading", name=name, exact=True)) for name in ("Ana", "Ben")
    )
    expect(ana).to_contain_text("gate B12", timeout=60_000)  # held open for 30 s
    ana.get_by_role("button", name="I go").click()
    expect(ana).to_contain_text("it is yours")
    press(page, "gate-b11-door", "Opens")
    expect(ben).to_contain_text("gate B11")
    page.get_by_role("link", name="Desk").click()
    expect(page.locator("#open .row")).to_have_count(2)
    page.locator("#open .row", has_text="Door held open").click()
    expect(page.locator("#thread")).to_contain_text("Ana goes")
    page.mouse.move(0, 0)
    picture(page, "readme-desk")
    phones.evaluate("scrollTo(0, 0)")
    picture(phones, "readme-phones")
