"""The three systems in a real browser: `vorab run`, a real Mosquitto, every process and page, a microphone that speaks.

The example airport with shorter waits, everybody on duty and the staff reading English.  No page asks another host, has
an error in its console, or fails axe-core in dark or light.  The pictures are kept in data/screenshots/.
"""

import json
import math
import os
import re
import shutil
import struct
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from deploy import broker
from tests.airport import AIRPORT, ROOT
from tests.live.conftest import absent
from tests.live.running import Running, within
from vorab.testing.cameras.intercom import LINEAR, RATE

pytestmark = pytest.mark.live

AXE = ROOT / ".venv/axe/node_modules/axe-core/axe.min.js"
SCREENSHOTS = ROOT / "data/screenshots"
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), "")
SPOKEN_HZ = (700, 900)  #: what the microphone says, in syllables: a steady tone is noise, and taken away
LOUD = 1000  #: of 32,768

NEXT_RUNG = "count: 1, channels: [desktop, sms], at_once: true, wait: 6s"
#: Waits of the example, and as they are here.
SHORTER = {
    "rules/doors.yaml": [("for: 30s", "for: 3s"), ("clear_for: 5s", "clear_for: 1s")],
    "rules/rooms.yaml": [("high: 1min }", "high: 2s }"), ("clear_for: 2min", "clear_for: 1s")],
    "responses.yaml": [("count: 1, channels: [desktop, sms], at_once: true, wait: 60s", NEXT_RUNG)],
}

COUNT_CONTEXTS = """
  window.contexts = 0;
  window.AudioContext = class extends AudioContext { constructor(...more) { super(...more); window.contexts += 1; } };
"""
#: The loudest that goes to the desk's loudspeaker now.
PEAK = """() => {
  const samples = new Float32Array(2048);
  vorabSound.analyser.getFloatTimeDomainData(samples);
  return Math.max(...samples.map(Math.abs));
}"""
VIOLATIONS = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
  one => `${one.id}: ${one.nodes.map(node => node.target.join(" ") + " " + node.failureSummary).join(" | ")}`
)"""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        absent("axe-core (npm)")
    return AXE.read_text()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Its microphone says syllables; pages may use it only where they are allowed to."""
    if not CHROMIUM:
        absent("chromium")
    voice = tmp_path_factory.mktemp("voice") / "voice.wav"
    says(voice)
    args = ["--no-sandbox", "--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={voice}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield browser
        browser.close()


def says(path: Path) -> None:
    """Three seconds of syllables of 120 ms, each after 80 ms of silence."""
    rate = 48_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for number in range(15):
            hertz = SPOKEN_HZ[number % 2]
            tone = [round(14_000 * math.sin(math.tau * hertz * at / rate)) for at in range(rate * 120 // 1000)]
            samples = [0] * (rate * 80 // 1000) + tone
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    if broker.mosquitto() is None:
        absent("mosquitto")
    pytest.importorskip("aiortc", reason="of the extra camera")
    for name in [name for name in os.environ if name.startswith("VORAB_")]:
        monkeypatch.delenv(name)
    running = Running(shortened(tmp_path / "airport"), tmp_path / "data")
    yield running
    running.stop()


def shortened(site: Path) -> Path:
    shutil.copytree(AIRPORT, site)
    for name, changes in SHORTER.items():
        text = (site / name).read_text()
        for old, new in changes:
            assert old in text, f"{name} has no {old}"
            text = text.replace(old, new)
        (site / name).write_text(text)
    people = site / "people.yaml"
    staff, hana, customers = re.sub("duty: .*", "duty: 24/7", people.read_text()).partition("hana:")
    people.write_text(re.sub("language: ..", "language: en", staff) + hana + customers)
    return site


class Pages:
    """Pages of one browser; none asks another host or has an error to tell."""

    def __init__(self, browser: Browser, running: Running, axe: str) -> None:
        self.browser, self.running, self.axe = browser, running, axe
        self.url = f"http://127.0.0.1:{running.port('console')}"
        self.faults: list[str] = []
        self.desks = self.talking()

    def context(self, **more: Any) -> BrowserContext:
        context = self.browser.new_context(locale="en-GB", timezone_id="Europe/Paris", color_scheme="dark", **more)
        context.on("request", self._asked)
        context.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        return context

    def talking(self) -> BrowserContext:
        """At a desk whose microphone may be used."""
        context = self.context(viewport={"width": 1440, "height": 900})
        context.grant_permissions(["microphone"])
        return context

    def _asked(self, request: Any) -> None:
        if not re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:http://127\.0\.0\.1)", request.url):
            self.faults.append(request.url)

    def desk(self, context: BrowserContext | None = None) -> Page:
        """Signed in with the secret that the start has printed."""
        page = (context or self.desks).new_page()
        page.add_init_script(COUNT_CONTEXTS)
        page.goto(self.url, wait_until="domcontentloaded")
        page.get_by_label("Secret").fill(self.running.secret)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Start shift")).to_be_visible()
        return page

    def demo(self, signed_in: BrowserContext | None = None) -> Page:
        page = (signed_in or self.desks).new_page()
        page.goto(f"{self.url}/demo", wait_until="domcontentloaded")
        expect(page.locator(".story")).to_have_count(6)
        return page

    def handsets(self) -> Page:
        page = self.context(viewport={"width": 1440, "height": 1200}).new_page()
        page.goto(f"http://127.0.0.1:{self.running.phones}/", wait_until="domcontentloaded")
        expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()
        return page

    def phone(self, link: str) -> Page:
        """The page behind a link, on a telephone that runs no script."""
        page = self.context(
            viewport={"width": 390, "height": 844}, java_script_enabled=False, has_touch=True
        ).new_page()
        page.goto(link, wait_until="domcontentloaded")
        return page

    def looked_at(self, page: Page, name: str) -> None:
        """Dark and light: a picture, and nothing that axe-core finds; a page without scripts is opened again for it."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        seen = self.context(viewport=page.viewport_size).new_page() if "/b/" in page.url else page
        if seen is not page:
            seen.goto(page.url, wait_until="domcontentloaded")
        seen.evaluate(self.axe)
        for scheme in ("light", "dark"):
            for one in {page, seen}:
                one.emulate_media(color_scheme=scheme)
            page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}.png", full_page="/b/" in page.url)
            assert seen.evaluate(VIOLATIONS) == [], f"{name}, {scheme}"
        if seen is not page:
            seen.context.close()


@pytest.fixture
def pages(browser: Browser, running: Running, axe: str) -> Iterator[Pages]:
    pages = Pages(browser, running, axe)
    yield pages
    for context in list(browser.contexts):
        context.close()
    assert pages.faults == []


def picture(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def start_shift(page: Page) -> None:
    page.get_by_role("button", name="Start shift").click()
    expect(page.locator("#shift")).to_contain_text("Shift at control-room")


def story(demo: Page, name: str) -> None:
    demo.get_by_role("button", name=name).click()


def press(demo: Page, device: str, button: str) -> None:
    card = demo.locator(".device", has=demo.get_by_role("heading", name=device, exact=True))
    card.get_by_role("button", name=button).click()


def handset(page: Page, name: str) -> Locator:
    return page.locator(".handset", has=page.get_by_role("heading", name=name, exact=True))


def link_on(phone: Locator) -> str:
    """In the newest message that has one."""
    found = phone.locator("a").last.get_attribute("href")
    assert found
    return found


def is_heard(page: Page) -> bool:
    """Within one repetition of any alarm there is a tone."""
    for _ in range(200):
        if page.evaluate(PEAK) > 0.05:
            return True
        page.wait_for_timeout(40)
    return False


def is_silent(page: Page) -> bool:
    """For longer than between two bursts of an alarm."""
    page.wait_for_timeout(200)
    for _ in range(130):
        if page.evaluate(PEAK) > 0.01:
            return False
        page.wait_for_timeout(40)
    return True


def frame(page: Page) -> str:
    """What the camera shows now."""
    return str(page.locator(".camera-live").evaluate("one => one.toDataURL()"))


def take(page: Page) -> None:
    """After the while in which nobody can mean what has just jumped there by itself."""
    page.wait_for_timeout(800)
    page.get_by_role("button", name="Take", exact=False).click()


def answers_on(phone: Page, button: str, told: str) -> None:
    phone.get_by_role("button", name=button, exact=True).click()
    expect(phone.get_by_role("status").first).to_contain_text(told, timeout=15_000)


# --- the loudspeaker of a place ---------------------------------------------------------------------------------------


class Speaker:
    """What one simulated loudspeaker has been told."""

    def __init__(self, running: Running, name: str) -> None:
        self._url = f"http://127.0.0.1:{running.port('cameras')}/speaker/{name}"

    def samples(self) -> int:
        with urllib.request.urlopen(f"{self._url}.json", timeout=5) as answer:
            return int(json.load(answer)["samples"])

    def last(self, count: int) -> list[int]:
        with urllib.request.urlopen(f"{self._url}.wav", timeout=5) as answer:
            data: bytes = answer.read()
        return [LINEAR[code] for code in data[data.index(b"data") + 8 :][-count:]]


def strength(samples: list[int], hertz: int) -> float:
    """Of this tone, in the unit of the samples (Goertzel)."""
    turn = 2 * math.cos(math.tau * hertz / RATE)
    one = two = 0.0
    for sample in samples:
        one, two = sample + turn * one - two, one
    return 2 * math.sqrt(max(0.0, one * one + two * two - turn * one * two)) / max(1, len(samples))


# --- before anything has happened -------------------------------------------------------------------------------------


def test_the_quiet_pages_in_their_languages(pages: Pages) -> None:
    page = pages.desks.new_page()
    page.goto(pages.url, wait_until="domcontentloaded")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    pages.looked_at(page, "sign-in")
    page.close()
    desk = pages.desk()
    pages.looked_at(desk, "desk-before-shift")
    for language, quiet in (("de", "Alles ruhig"), ("fr", "Tout est calme"), ("en", "All quiet")):
        desk.locator("#language").select_option(language)
        expect(desk.locator("#quiet")).to_contain_text(quiet)
        assert desk.locator("html").get_attribute("lang") == language
        picture(desk, f"desk-{language}")
    start_shift(desk)
    pages.looked_at(desk, "desk-quiet")
    pages.looked_at(pages.demo(), "demo")
    pages.looked_at(pages.handsets(), "handsets")


# --- the door ---------------------------------------------------------------------------------------------------------


def test_the_door(pages: Pages) -> None:
    desk, demo, handsets = pages.desk(), pages.demo(), pages.handsets()
    ana = handset(handsets, "Ana")
    story(demo, "A door stands open")
    expect(desk.locator("#open .row")).to_contain_text("Door held open", timeout=15_000)
    desk.wait_for_timeout(1000)
    assert desk.evaluate("[window.contexts, typeof window.vorabSound]") == [0, "undefined"], "no sound before the shift"
    start_shift(desk)
    expect(desk.locator("#band")).to_contain_text("High: Door held open · gate B12")
    within(5, lambda: bool(desk.evaluate("vorabSound.playing()") == "high"), "the alarm's tone after the test tone")
    assert is_heard(desk)
    desk.bring_to_front()
    expect(desk.locator(".lists")).to_be_hidden()
    expect(desk.locator(".plan .name")).to_have_text("gate B12")
    expect(desk.locator("#found img")).to_be_visible()
    first = frame(desk)
    within(5, lambda: frame(desk) != first, "a moving picture of the door")
    pages.looked_at(desk, "door-alarm")

    desk.get_by_role("button", name="Silence").click()
    assert is_silent(desk)
    expect(desk.locator("#band")).to_contain_text("Silenced")
    expect(desk.get_by_role("button", name="Take")).to_be_visible()

    expect(ana).to_contain_text("High: door open")
    handsets.bring_to_front()
    expect(ana.get_by_text("Incoming call")).to_be_visible(timeout=20_000)
    picture(handsets, "door-ringing")
    ana.get_by_role("button", name="Pick up").click()
    expect(ana.locator(".call .said")).to_contain_text("gate B twelve", timeout=20_000)
    expect(ana.get_by_text("Press a key")).to_be_visible(timeout=40_000)
    picture(handsets, "door-keypad")
    ana.get_by_role("button", name="Key 1", exact=True).click()
    expect(ana.locator(".call .said")).to_contain_text("yours", timeout=10_000)

    desk.bring_to_front()
    expect(desk.locator("#thread")).to_contain_text("Ana goes")
    expect(desk.locator("#band")).to_be_hidden()
    desk.locator("#open .row").click()
    pages.looked_at(desk, "door-taken")
    press(demo, "gate-b12-door", "Shuts")
    expect(desk.locator("#open .row")).to_contain_text("Ana goes")
    desk.get_by_label("as", exact=True).select_option("Ana")
    desk.locator("#done").click()
    expect(desk.locator("#resolved .row")).to_contain_text("Door held open", timeout=15_000)
    expect(desk.locator("#quiet")).to_be_visible()
    expect(desk.locator("#head .status")).to_contain_text("resolved by Ana")
    expect(desk.locator("#actions")).to_be_hidden()
    picture(desk, "door-resolved")


# --- the temperature --------------------------------------------------------------------------------------------------


def test_the_temperature(pages: Pages) -> None:
    desk, demo, handsets = pages.desk(), pages.demo(), pages.handsets()
    start_shift(desk)
    story(demo, "A room warms")
    expect(desk.locator("#band")).to_contain_text("café C2", timeout=25_000)
    pages.looked_at(desk, "room-alarm")
    asked = handsets.locator(".handset", has_text="café C2", has=handsets.locator("a"))
    expect(asked).to_have_count(1)  # nobody but the nearest, and no customer yet
    hana = handset(handsets, "Hana, café C2")
    expect(hana).to_contain_text("Rien pour l'instant.")
    technician = pages.phone(link_on(asked))
    expect(technician.get_by_role("heading", level=1)).to_contain_text("emperature")
    pages.looked_at(technician, "technician-asked")
    answers_on(technician, "On my way", "It is yours")
    pages.looked_at(technician, "technician-taken")
    expect(hana).to_contain_text("Un technicien arrive", timeout=15_000)
    customer = pages.phone(link_on(hana))
    expect(customer.get_by_text("Un technicien est en route.")).to_be_visible()
    pages.looked_at(customer, "customer-coming")
    answers_on(technician, "Arrived", "You are there")
    expect(desk.locator("#crew")).to_contain_text("there since")
    story(demo, "Set everything right again")
    expect(technician.get_by_role("button", name="Done", exact=True)).to_be_visible()
    technician.get_by_role("button", name="Done", exact=True).click()
    expect(desk.locator("#resolved .row")).to_contain_text("café C2", timeout=20_000)
    technician.get_by_role("link", name="Show the newest").click()
    expect(technician.get_by_text("Nothing to do").first).to_be_visible()
    expect(hana).to_contain_text("résolu", timeout=15_000)
    customer.get_by_role("link", name="Afficher l'état actuel").click()
    expect(customer.get_by_text("C'est résolu.")).to_be_visible()
    pages.looked_at(customer, "customer-solved")
    pages.looked_at(technician, "technician-over")
    pages.looked_at(handsets, "room-handsets")


def test_who_prefers_e_mail_hears_of_his_lounge_by_e_mail(pages: Pages) -> None:
    pages.desk()
    demo, handsets = pages.demo(), pages.handsets()
    for _ in range(4):
        press(demo, "lounge-b-climate", "Warms 3 °C")
    asked = handsets.locator(".handset", has_text="lounge B", has=handsets.locator("a"))
    expect(asked).to_have_count(1, timeout=25_000)
    answers_on(pages.phone(link_on(asked)), "On my way", "It is yours")
    ivo = handset(handsets, "Ivo, lounge B")
    expect(ivo.locator(".mail")).to_contain_text("Techniker", timeout=15_000)
    ivo.scroll_into_view_if_needed()
    picture(handsets, "room-mail")


# --- the defibrillator ------------------------------------------------------------------------------------------------


def test_the_defibrillator(pages: Pages) -> None:
    desk, demo, handsets = pages.desk(), pages.demo(), pages.handsets()
    speaker = Speaker(pages.running, "aed-b")
    start_shift(desk)
    assert speaker.samples() == 0
    story(demo, "The AED is taken")
    expect(desk.locator("#band")).to_contain_text("Life safety: AED taken", timeout=5000)
    within(5, lambda: bool(desk.evaluate("vorabSound.playing()") == "life-safety"), "its own tone")
    assert desk.evaluate("document.body.dataset.alarm") == "life-safety"
    expect(desk.locator(".crew .missing")).to_have_count(2)
    within(15, lambda: speaker.samples() > RATE, "the recorded instruction")
    pages.looked_at(desk, "aed-alarm")

    desk.bring_to_front()
    desk.get_by_role("button", name="Talk", exact=True).click()
    push = desk.locator("#push")
    expect(push).to_be_focused(timeout=15_000)
    desk.wait_for_timeout(1500)
    before = speaker.samples()
    desk.wait_for_timeout(1500)
    assert speaker.samples() == before, "the instruction ends when somebody has joined, and nobody pushes"
    push.hover()
    desk.mouse.down()
    expect(push).to_have_text("You are heard …")
    desk.wait_for_timeout(2000)
    picture(desk, "aed-talk")
    desk.mouse.up()
    desk.wait_for_timeout(700)
    count = speaker.samples() - before
    heard = speaker.last(count)
    assert count > 1.5 * RATE
    assert max(map(abs, heard), default=0) > LOUD
    spoken, beside = (max(strength(heard, hertz) for hertz in tones) for tones in (SPOKEN_HZ, (500, 1130, 1370)))
    assert spoken > 4 * beside, "what the microphone said, and not the instruction"
    desk.wait_for_timeout(1000)
    assert speaker.samples() == before + count, "released, one is heard no more"
    desk.get_by_role("button", name="Hang up").click()
    expect(desk.locator("#lines .talked")).to_have_count(1, timeout=10_000)

    for name, role in (("Fay", "rescue"), ("Ana", "security")):
        phone = handset(handsets, name)
        expect(phone).to_contain_text("AED")
        phone.locator(".act.hang").click()
        phone.get_by_role("button", name="I go").click()
        expect(desk.locator("#crew .goes").filter(has_text=name)).to_contain_text(role, timeout=10_000)
    expect(desk.locator(".crew .missing")).to_have_count(0)
    expect(desk.locator("#band")).to_be_hidden()
    expect(handset(handsets, "Fay")).to_contain_text("Ana goes")
    pages.looked_at(handsets, "aed-handsets")
    pages.looked_at(desk, "aed-taken")
    press(demo, "aed-b-cabinet", "AED is put back")
    expect(demo.locator(".device.aed")).to_contain_text("in its station")
    expect(desk.locator("#open .row")).to_have_count(1)
    desk.locator("#open .row").click()
    desk.locator("#done").click()
    expect(desk.locator("#resolved .row")).to_contain_text("AED taken", timeout=15_000)
    expect(desk.locator("#head .status")).to_contain_text("resolved")
    picture(desk, "aed-resolved")


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_browser_that_goes_away_while_it_talks_leaves_the_line_to_others(pages: Pages) -> None:
    desk, other, demo = pages.desk(), pages.desk(pages.talking()), pages.demo()
    story(demo, "The AED is taken")
    for page in (desk, other):
        start_shift(page)
        expect(page.locator("#band")).to_contain_text("AED taken", timeout=10_000)
    desk.bring_to_front()
    desk.get_by_role("button", name="Talk", exact=True).click()
    expect(desk.locator("#push")).to_be_focused(timeout=15_000)
    other.get_by_role("button", name="Talk", exact=True).click()
    expect(other.locator("#line")).to_contain_text("No talk now", timeout=15_000)
    expect(other.locator("#band")).to_be_visible()
    pages.faults.clear()  # the browser notes the refusal (503) in its console
    desk.keyboard.down("Space")
    desk.wait_for_timeout(500)
    desk.close()
    other.wait_for_timeout(1000)
    other.get_by_role("button", name="Close").click()
    other.get_by_role("button", name="Talk", exact=True).click()
    expect(other.locator("#push")).to_be_visible(timeout=15_000)


def test_a_refused_microphone_is_said_and_the_alarm_goes_on(pages: Pages) -> None:
    desk = pages.desk(pages.context(viewport={"width": 1440, "height": 900}))
    start_shift(desk)
    demo = pages.demo(desk.context)
    story(demo, "The AED is taken")
    expect(desk.locator("#band")).to_contain_text("AED taken", timeout=10_000)
    desk.bring_to_front()
    desk.get_by_role("button", name="Talk", exact=True).click()
    expect(desk.locator("#line")).to_contain_text("may not use the microphone")
    picture(desk, "aed-microphone-refused")
    expect(desk.locator("#band")).to_be_visible()
    expect(desk.locator("#push")).to_be_hidden()
    take(desk)
    expect(desk.locator("#crew .goes")).to_have_count(1, timeout=10_000)
    phones = pages.handsets()
    expect(handset(phones, "Fay")).to_contain_text("AED")
