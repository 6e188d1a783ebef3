"""The guide, walked through: `vorab run`, its stories, a browser.  What it names is there, and its pictures are made.

VORAB_PICTURES=write renews docs/pictures/guide/; otherwise they are taken into a folder that goes away.
"""

import datetime
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from deploy import broker
from tests.airport import AIRPORT, ROOT
from tests.live.conftest import absent
from tests.live.running import Running, within

pytestmark = pytest.mark.live

GUIDE = ROOT / "docs/guide/first-ten-minutes.md"
PICTURES = ROOT / "docs/pictures/guide"
LARGEST, IN_ALL = 150_000, 2_000_000  #: bytes
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), "")
SOON = 15_000  #: ms until a page shows it; waits of the rules come on top

START = "Sign in and start your shift"
OPEN = "A door stands open"
UNBADGED = "A door opens without a badge"
WARM = "A room warms"
TAKEN = "The AED is taken"
DIES = "A sensor dies"
LANGUAGE = "In your language"
YOURS = "Make it yours"


class Walk:
    """What a reader of the guide has before him: the desk, the simulator, the handsets, now and then a link."""

    def __init__(self, browser: Browser, running: Running, folder: Path) -> None:
        self.folder = folder
        self.seen: dict[str, str] = defaultdict(str)  #: heading → all that could be read on the pages it speaks of
        at_home: dict[str, Any] = {"locale": "en-GB", "timezone_id": "Europe/Paris", "color_scheme": "light"}
        permissions = ["microphone", "notifications"]
        self.desks = browser.new_context(viewport={"width": 1280, "height": 800}, permissions=permissions, **at_home)
        self.phone = browser.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=1.5, **at_home)
        self.url = f"http://127.0.0.1:{running.port('console')}"
        self.desk, self.demo, self.handsets = (self.desks.new_page() for _ in range(3))
        self.phones_url = f"http://127.0.0.1:{running.phones}"

    def reads(self, heading: str, *pages: Page) -> None:
        for page in pages:
            self.seen[heading] += page.locator("body").inner_text() + "\n"

    def picture(self, what: Page | Locator, name: str) -> None:
        """A flat palette: pages have few colours, and the pictures come with every clone."""
        shot = Image.open(io.BytesIO(what.screenshot(animations="disabled"))).convert("RGB")
        file = self.folder / f"{name}.png"
        shot.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, optimize=True)
        assert file.stat().st_size < LARGEST, name

    def plays(self, story: str) -> None:
        self.demo.get_by_role("button", name=re.compile(f"^{story}")).click()

    def presses(self, device: str, button: str, times: int = 1) -> None:
        card = self.demo.locator(".device", has=self.demo.get_by_role("heading", name=device))
        for _ in range(times):
            with self.demo.expect_response("**/api/demo/**"):
                card.get_by_role("button", name=button).click()

    def handset(self, name: str) -> Locator:
        heading = self.handsets.get_by_role("heading", name=name, exact=True)
        return self.handsets.locator(".handset", has=heading)

    def link(self, handset: Locator) -> Page:
        """The page behind the newest link on it, on a telephone."""
        page = self.phone.new_page()
        page.goto(handset.get_by_role("link").last.get_attribute("href") or "", wait_until="networkidle")
        return page

    def alarm(self, text: str, within_s: float) -> None:
        """It is on the screen of the desk, with its place, its camera and what that showed."""
        expect(self.desk.locator("#band")).to_contain_text(text, timeout=within_s * 1000)
        expect(self.desk.locator("#scene")).to_contain_text("When it was found,")
        expect(self.desk.locator("#scene")).to_contain_text("live")
        loaded = "[...document.querySelectorAll('#scene img')].every((one) => one.naturalWidth > 0)"
        within(15, lambda: bool(self.desk.evaluate(loaded)), "every picture of the scene")
        self.desk.mouse.move(0, 0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        absent("chromium")
    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        expect.set_options(timeout=SOON)
        yield browser
        expect.set_options(timeout=None)
        browser.close()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    if broker.mosquitto() is None:
        absent("mosquitto")
    pytest.importorskip("aiortc", reason="of the extra camera")
    for name in [name for name in os.environ if name.startswith("VORAB_") and name != "VORAB_PICTURES"]:
        monkeypatch.delenv(name)
    running = Running(in_the_evening(tmp_path / "airport"), tmp_path / "data")
    yield running
    running.stop()


def in_the_evening(site: Path) -> Path:
    """The example as it is; but whoever works by night is on duty now, and whoever works by day is not."""
    shutil.copytree(AIRPORT, site)
    is_day = 7 <= datetime.datetime.now(ZoneInfo("Europe/Paris")).hour < 21
    people = (site / "people.yaml").read_text()
    people = re.sub("duty: Mo-(Su 06:00-18:00|Fr 07:00-19:00)", "duty: BY-DAY", people)
    people = re.sub("duty: Mo-Su 18:00-06:00", "duty: 24/7", people)
    away = "Mo-Su 02:00-04:00" if is_day else "Mo-Su 12:00-14:00"
    (site / "people.yaml").write_text(people.replace("BY-DAY", away))
    return site


def commands_are_true(data: Path) -> None:
    """Those of the guide, on what the walk has left behind."""
    commands = re.findall(r"^\.venv/bin/python (-m vorab .+?)(?: +#.*)?$", section(YOURS), re.MULTILINE)
    assert [shlex.split(one)[2] for one in commands] == ["check", "try", "who", "why"]
    for one in commands:
        argv = [sys.executable, *shlex.split(one)]
        argv += ["--data", str(data)] if argv[3] in ("who", "why") else []
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{one}\n{done.stdout}{done.stderr}"


def section(heading: str) -> str:
    """What the guide says under this heading."""
    _, _, rest = GUIDE.read_text().partition(f"## {heading}\n")
    assert rest, f"the guide has no heading {heading}"
    return rest.partition("\n## ")[0]


# --- the walk ---------------------------------------------------------------------------------------------------------


def test_the_first_ten_minutes_are_as_the_guide_tells_them(browser: Browser, running: Running, tmp_path: Path) -> None:
    folder = PICTURES if os.environ.get("VORAB_PICTURES") == "write" else tmp_path / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    walk = Walk(browser, running, folder)
    signs_in(walk, running.secret)
    a_door_stands_open(walk)
    a_door_opens_without_a_badge(walk)
    a_room_warms(walk)
    the_aed_is_taken(walk)
    a_sensor_dies(walk)
    the_room_is_well(walk)
    commands_are_true(running.data)
    for heading, text in walk.seen.items():
        read = " ".join(text.split()).casefold()
        for word in re.findall(r"\*\*(.+?)\*\*", " ".join(section(heading).split())):
            assert word.casefold() in read, f"{heading}: nobody can read {word!r} there"
    taken = {file.name for file in folder.iterdir()}
    assert taken == {file.name for file in PICTURES.iterdir()}, "VORAB_PICTURES=write renews them"


def signs_in(walk: Walk, secret: str) -> None:
    walk.desk.goto(walk.url, wait_until="domcontentloaded")
    walk.reads(START, walk.desk)
    walk.desk.get_by_label("Secret").fill(secret)
    walk.desk.get_by_role("button", name="Sign in").click()
    expect(walk.desk.get_by_text("All quiet")).to_be_visible()
    walk.reads(START, walk.desk)
    walk.desk.get_by_role("button", name="Start shift").click()
    expect(walk.desk.locator("#shift-said")).to_contain_text("Shift at control-room")
    walk.demo.goto(f"{walk.url}/demo", wait_until="domcontentloaded")
    walk.handsets.goto(walk.phones_url, wait_until="domcontentloaded")
    expect(walk.handset("Ben")).to_be_visible()
    expect(walk.demo.locator(".device").first).to_be_visible()
    walk.picture(walk.demo, "simulator")
    walk.reads(START, walk.desk, walk.demo, walk.handsets)


def a_door_stands_open(walk: Walk) -> None:
    walk.plays(OPEN)
    walk.reads(OPEN, walk.demo)
    walk.alarm("Door held open", 45)
    expect(walk.desk.locator("#lines")).to_contain_text("delivered")
    walk.picture(walk.desk, "door-desk")
    walk.reads(OPEN, walk.desk)
    ben = walk.handset("Ben")
    expect(ben.get_by_role("button", name="I go")).to_be_visible()
    walk.picture(ben, "door-sms")
    walk.reads(OPEN, walk.handsets)
    expect(ben).to_contain_text("Incoming call", timeout=75_000)
    walk.picture(ben, "door-rings")
    walk.reads(OPEN, walk.handsets)
    ben.get_by_role("button", name="Pick up").click()
    expect(ben).to_contain_text("Press a key", timeout=60_000)
    expect(ben.locator(".said")).to_contain_text("Press 1", timeout=60_000)
    walk.picture(ben, "door-keypad")
    ben.get_by_role("button", name="Key 1", exact=True).click()
    expect(walk.desk.locator("#thread")).to_contain_text("Ben goes")
    walk.reads(OPEN, walk.desk)
    page = walk.link(ben)
    expect(page.locator("body")).to_contain_text("It is yours")
    walk.picture(page, "door-page")
    walk.reads(OPEN, page)
    page.get_by_role("button", name="Arrived").click()
    expect(page.locator("body")).to_contain_text("You are there")
    expect(walk.desk.locator("#thread")).to_contain_text("there since")
    walk.presses("gate-b12-door", "Shuts")
    page.get_by_role("button", name="Done").click()
    expect(walk.desk.get_by_text("All quiet")).to_be_visible(timeout=SOON + 10_000)
    walk.reads(OPEN, walk.demo, walk.desk, page)


def a_door_opens_without_a_badge(walk: Walk) -> None:
    walk.plays(UNBADGED)
    walk.alarm("Door unauthorised", 5)
    cem = walk.handset("Cem")
    expect(cem.get_by_role("button", name="Kann nicht")).to_be_visible()
    walk.picture(cem, "badge-sms")
    walk.reads(UNBADGED, walk.demo, walk.handsets)
    cem.get_by_role("button", name="Kann nicht").click()
    expect(walk.desk.locator("#thread")).to_contain_text("asked Ben")
    walk.reads(UNBADGED, walk.desk)
    walk.desk.locator("#take").click()
    expect(walk.desk.locator("#thread")).to_contain_text("Desk goes")
    walk.desk.locator("#lines summary").first.click()
    walk.desk.set_viewport_size({"width": 1280, "height": 1000})
    walk.desk.locator("#lines > li").last.scroll_into_view_if_needed()
    walk.desk.mouse.move(0, 0)
    walk.picture(walk.desk, "badge-desk")
    walk.desk.set_viewport_size({"width": 1280, "height": 800})
    walk.reads(UNBADGED, walk.desk)
    walk.desk.locator("#done").click()
    expect(walk.desk.get_by_text("All quiet")).to_be_visible(timeout=SOON + 10_000)


def a_room_warms(walk: Walk) -> None:
    walk.presses("lounge-b-climate", "Warms 3 °C", 4)
    walk.plays(WARM)
    walk.reads(WARM, walk.demo)
    emil = walk.handset("Emil")
    expect(emil.get_by_role("link")).to_have_count(2, timeout=90_000)
    walk.alarm("Room too warm", 5)
    walk.reads(WARM, walk.desk, walk.handsets)
    page = walk.link(emil)
    walk.picture(page, "room-page")
    walk.reads(WARM, page)
    page.get_by_role("button", name="On my way").click()
    expect(page.locator("body")).to_contain_text("It is yours")
    first = walk.phone.new_page()
    first.goto(emil.get_by_role("link").first.get_attribute("href") or "")
    first.get_by_role("button", name="On my way").click()
    hana, ivo = walk.handset("Hana, café C2"), walk.handset("Ivo, lounge B")
    expect(hana.get_by_role("link")).to_be_visible()
    expect(ivo.get_by_role("link")).to_be_visible()
    walk.picture(ivo, "room-mail")
    waits = walk.link(hana)
    expect(waits.locator("body")).to_contain_text("Un technicien est en route")
    walk.picture(waits, "room-waits")
    walk.reads(WARM, walk.handsets)
    walk.plays("Set everything right again")
    for one in (page, first):
        one.get_by_role("button", name="Done").click()


def the_room_is_well(walk: Walk) -> None:
    """Two minutes after it has cooled down."""
    hana = walk.handset("Hana, café C2")
    expect(hana).to_contain_text("résolu", timeout=150_000)
    expect(walk.handset("Ivo, lounge B")).to_contain_text("behoben", timeout=150_000)
    walk.picture(hana, "room-customer")
    expect(walk.link(hana).locator("body")).to_contain_text("C'est résolu")


def the_aed_is_taken(walk: Walk) -> None:
    walk.plays(TAKEN)
    walk.alarm("AED taken", 5)
    walk.picture(walk.desk, "aed-desk")
    gus, ben, cem = (walk.handset(name) for name in ("Gus", "Ben", "Cem"))
    expect(ben).to_contain_text("Incoming call")
    expect(cem).to_contain_text("Eingehender Anruf")
    expect(gus).to_contain_text("Appel entrant")
    walk.handsets.set_viewport_size({"width": 1280, "height": 730})  # the first row
    walk.handsets.evaluate("scrollTo(0, 0)")
    walk.picture(walk.handsets, "aed-phones")
    walk.reads(TAKEN, walk.demo, walk.desk, walk.handsets)
    gus.get_by_role("button", name="Décrocher").click()
    expect(gus).to_contain_text("Appuyez sur une touche", timeout=60_000)
    gus.get_by_role("button", name="Touche 1", exact=True).click()
    expect(walk.desk.locator("#crew")).to_contain_text("Gus")
    walk.desk.locator("#talk").click()
    push = walk.desk.get_by_role("button", name="Hold to talk")
    expect(push).to_be_enabled()
    expect(walk.desk.locator("#line-said")).to_contain_text("you hear the place")
    walk.picture(walk.desk, "aed-talk")
    walk.reads(TAKEN, walk.desk)
    walk.desk.keyboard.down(" ")
    expect(walk.desk.locator("#line-said")).to_contain_text("you are heard there")
    walk.desk.keyboard.up(" ")
    walk.desk.get_by_role("button", name="Hang up").click()
    expect(walk.desk.locator("#thread")).to_contain_text("spoke")
    expect(ben.locator(".call")).to_be_hidden(timeout=60_000)
    ben.get_by_role("button", name="I go").click()
    expect(walk.desk.locator("#crew")).to_contain_text("Ben")
    walk.reads(TAKEN, walk.desk, walk.handsets)
    walk.plays("Set everything right again")
    walk.desk.locator("#done").click()
    expect(walk.desk.locator("#open")).not_to_contain_text("AED taken")


def a_sensor_dies(walk: Walk) -> None:
    walk.plays(DIES)
    walk.alarm("AED silent", 90)
    walk.picture(walk.desk, "silent-desk")
    expect(walk.handset("Gus")).to_contain_text("capteur muet")
    walk.reads(DIES, walk.demo, walk.desk, walk.handsets)
    walk.desk.emulate_media(color_scheme="dark")
    walk.desk.locator("#language").select_option("fr")
    start = walk.desk.get_by_role("button", name="Prendre le service")
    expect(start).to_be_visible()
    walk.reads(LANGUAGE, walk.desk)
    start.click()
    expect(walk.desk.locator("#scene")).to_contain_text("Lors de la découverte,")
    expect(walk.desk.locator("#scene")).to_contain_text("direct")
    walk.desk.mouse.move(0, 0)
    walk.picture(walk.desk, "desk-fr")
    walk.desk.locator("#language").select_option("en")
    expect(walk.demo.get_by_text("Set everything right again")).to_be_visible()
    walk.plays("Set everything right again")
    expect(walk.desk.locator("#open")).not_to_contain_text("AED")


# --- the guide itself -------------------------------------------------------------------------------------------------


def test_each_picture_is_shown_and_each_link_leads_somewhere() -> None:
    text = GUIDE.read_text()
    targets = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    assert [one for one in targets if not (GUIDE.parent / one).exists()] == []
    shown = {Path(one).name for one in targets if "pictures/guide/" in one}
    assert shown == {file.name for file in PICTURES.iterdir()}
    assert sum(file.stat().st_size for file in PICTURES.iterdir()) < IN_ALL
