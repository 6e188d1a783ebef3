"""An alarm at the desk, in a real browser: seen, heard, silenced, taken; its place, camera and loudspeaker."""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.live.desk_bench import Desk, now
from vorab.model import SECOND, Priority, Quantity, ResponseId

pytestmark = pytest.mark.live

SCREENSHOTS = Path(__file__).parent / "screenshots"
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), "")

#: How loud it is now: the peak of what goes to the loudspeaker.
PEAK = """() => {
  const samples = new Float32Array(2048);
  vorabSound.analyser.getFloatTimeDomainData(samples);
  return Math.max(...samples.map(Math.abs));
}"""
COUNT_CONTEXTS = """
  window.contexts = 0;
  window.AudioContext = class extends AudioContext { constructor(...more) { super(...more); window.contexts += 1; } };
"""
#: A tab in the background at its worst: no clock of the page ever fires; that of its worker does.
NO_CLOCKS = "window.setInterval = window.setTimeout = () => 0"

AED = {"priority": Priority.LIFE_SAFETY, "quantity": Quantity.TAKEN, "respond": ResponseId("rescue")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        if os.environ.get("CI") == "true":
            pytest.fail("not installed: chromium")
        pytest.skip("not installed: chromium")
    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield browser
        browser.close()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("VORAB_SMS_ACCOUNT", "AC" + "0" * 32)
    monkeypatch.setenv("VORAB_SMS_TOKEN", "x" * 32)
    desk = Desk(tmp_path)
    desk.start()
    yield desk
    desk.close()


@pytest.fixture(params=["dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page that fails the test when it asks another host or its scripts have an error to tell."""
    context = browser.new_context(
        color_scheme=request.param, viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="Europe/Paris"
    )
    page = context.new_page()
    faults: list[str] = []
    context.on("request", lambda asked: None if asked.url.startswith("http://127.0.0.1:") else faults.append(asked.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.add_init_script(COUNT_CONTEXTS)
    yield page
    context.close()
    assert faults == []


both = pytest.mark.parametrize("page", ["dark", "light"], indirect=True)


def picture(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    scheme = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
    page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}.png")


def sign_in(page: Page, desk: Desk) -> None:
    page.goto(desk.url, wait_until="domcontentloaded")
    page.get_by_label("Secret").fill(desk.secret)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Start shift")).to_be_visible()


def start_shift(page: Page, desk: Desk) -> None:
    sign_in(page, desk)
    page.get_by_role("button", name="Start shift").click()
    assert heard(page), "the test tone"
    expect(page.locator("#shift")).to_contain_text("Shift at control-room")
    eventually(lambda: len(desk.looked_at()) == 1)
    is_played(page, "")  # the test tone is over


def take(page: Page) -> None:
    """After the while in which nobody can mean what has just jumped there by itself."""
    page.wait_for_timeout(700)
    page.keyboard.press("t")


def is_played(page: Page, name: str) -> None:
    """Before long this tone is on, again and again; "" = none."""
    eventually(lambda: bool(page.evaluate("vorabSound.playing()") == name))


def eventually(holds: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)


def peaks(page: Page, count: int) -> Iterator[float]:
    for _ in range(count):
        yield page.evaluate(PEAK)
        page.wait_for_timeout(40)


def heard(page: Page) -> bool:
    """Within one repetition of any alarm there is a tone."""
    return any(peak > 0.05 for peak in peaks(page, 200))


def is_silent(page: Page) -> bool:
    """From now on; the analyser still holds the last twentieth of a second."""
    page.wait_for_timeout(200)
    return all(peak < 0.01 for peak in peaks(page, 60))


def test_without_a_shift_everything_is_shown_and_nothing_is_taken_over_or_heard(desk: Desk, page: Page) -> None:
    sign_in(page, desk)
    expect(page.locator("#shift")).to_contain_text("takes nothing over and makes no sound")
    desk.raises("door-held-open", "gate-b12-door")
    expect(page.locator("#open .row")).to_contain_text("Door held open")
    expect(page.locator("#band")).to_be_hidden()
    assert page.evaluate("[window.contexts, typeof window.vorabSound]") == [0, "undefined"]


@both
def test_an_alarm_takes_the_screen_and_sounds_until_it_is_taken(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    picture(page, "desk-quiet")
    desk.photographs(desk.raises("door-held-open", "gate-b12-door", action="Close it, look for people"))
    expect(page.locator("#band")).to_contain_text("High: Door held open · gate B12", timeout=2000)
    expect(page.locator(".lists")).to_be_hidden()
    desk.contact_hears("status")
    assert page.evaluate("vorabSound.playing()") == "high"
    assert heard(page)
    expect(page).to_have_title("▲ Door held open · gate B12", timeout=3000)
    assert page.locator("link[rel=icon]").get_attribute("href") in ("/static/icon.svg", "/static/icon-alarm.svg")
    expect(page.locator(".plan .name")).to_have_text("gate B12")
    expect(page.locator("#found img")).to_be_visible()
    picture(page, "alarm-high")
    take(page)
    desk.contact_hears("click")
    expect(page.locator("#band")).to_be_hidden()
    expect(page.locator(".lists")).to_be_visible()
    assert page.evaluate("vorabSound.playing()") == ""
    assert is_silent(page)


def test_to_silence_is_not_to_take(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    incident = desk.raises("door-held-open", "gate-b12-door")
    expect(page.locator("#band")).to_be_visible()
    page.get_by_role("button", name="Silence", exact=True).click()
    is_played(page, "")
    assert is_silent(page)
    with pytest.raises(AssertionError, match="no click came"):
        desk.contact_hears("click", 1)
    found = desk.reader.incident(incident)
    assert found is not None
    assert (found.state, found.owner) == ("triggered", None)
    expect(page.locator("#band")).to_contain_text("Silenced")
    expect(page.get_by_role("button", name="Take")).to_be_visible()
    desk.raises("door-held-open", "gate-b11-door", ago_s=40)  # another alarm sounds again
    is_played(page, "high")


@both
def test_life_safety_goes_before_all_and_says_who_goes_and_who_is_missing(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    desk.raises("door-held-open", "gate-b12-door")
    expect(page.locator("#band")).to_contain_text("Door held open")
    desk.photographs(desk.raises("aed-taken", "aed-b-cabinet", 5, **AED))
    expect(page.locator("#band")).to_contain_text("Life safety: AED taken")
    expect(page.locator("#band")).to_contain_text("alarm 1 of 2")
    is_played(page, "life-safety")
    expect(page.locator(".crew .missing")).to_have_count(2)
    page.get_by_label("as", exact=True).select_option("Ben")
    take(page)
    desk.contact_hears("click")
    expect(page.locator(".crew")).to_contain_text("Ben · security · goes")
    expect(page.locator(".crew")).to_contain_text("rescue · nobody yet")
    picture(page, "alarm-life-safety")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#band")).to_contain_text("Door held open")
    page.keyboard.press("Escape")
    expect(page.locator(".lists")).to_be_visible()
    expect(page.locator("#band")).to_be_visible()


def test_in_a_background_tab_the_heartbeat_goes_on_and_an_alarm_is_seen_and_heard(desk: Desk, page: Page) -> None:
    page.add_init_script(NO_CLOCKS)
    start_shift(page, desk)
    (first,) = desk.looked_at()
    desk.raises("door-held-open", "gate-b12-door")
    is_played(page, "high")
    assert heard(page)
    eventually(lambda: desk.looked_at()[0].seen_at > first.seen_at + 9 * SECOND, 15)
    assert page.evaluate("document.title").startswith(("▲", "(1) Alarm"))


@both
def test_a_lost_link_is_grey_and_said_and_has_a_sound_of_its_own(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    is_played(page, "")
    desk.stop()
    expect(page.get_by_role("alert")).to_contain_text("No link to the server", timeout=3000)
    assert page.evaluate("vorabSound.playing()") == "lost"
    assert heard(page)
    picture(page, "desk-lost")
    page.keyboard.press("s")
    is_played(page, "")
    desk.start()
    expect(page.locator("#lost")).to_be_hidden(timeout=8000)
    desk.raises("door-held-open", "gate-b12-door")
    is_played(page, "high")


def test_the_shift_ends_with_its_page_and_with_its_button(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    page.get_by_role("button", name="End shift").click()
    eventually(lambda: desk.looked_at() == [])
    assert page.evaluate("vorabSound.analyser.context.state") in ("suspended", "running")
    expect(page.locator("#shift")).to_contain_text("No shift")
    page.get_by_role("button", name="Start shift").click()
    eventually(lambda: len(desk.looked_at()) == 1)
    page.goto(f"{desk.url}/sign-in")
    eventually(lambda: desk.looked_at() == [])


def test_a_desk_whose_session_has_ended_says_so_loudly(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    page.context.clear_cookies()
    desk.raises("door-held-open", "gate-b12-door")
    expect(page.get_by_role("alert").first).to_contain_text("Your session has ended")
    assert page.evaluate("vorabSound.playing()") == "lost"
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_the_camera_lives_and_when_it_does_not_the_page_says_so(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    desk.raises("door-held-open", "gate-b12-door")
    live = page.locator(".camera-live")
    expect(live).to_have_attribute("data-frames", re.compile(r"^\d+$"))
    first = live.screenshot()
    eventually(lambda: int(live.get_attribute("data-frames") or 0) > 5)
    assert live.screenshot() != first
    desk.cameras.frozen = True
    expect(page.locator(".camera")).to_contain_text("stands still for", timeout=8000)
    picture(page, "camera-frozen")


def test_a_dead_camera_is_said_in_words_and_comes_back_by_itself(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    desk.cameras.failure = "the camera does not answer"
    desk.raises("door-held-open", "gate-b12-door")
    expect(page.locator(".camera")).to_contain_text("No picture: the camera does not answer")
    desk.cameras.failure = ""
    expect(page.locator(".camera")).to_contain_text("live", timeout=8000)
    desk.cameras.failure = "it sent a page instead of a picture"
    expect(page.locator(".camera")).to_contain_text("it sent a page instead of a picture", timeout=8000)


def test_a_refused_microphone_is_said_and_nothing_else_suffers(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    desk.raises("door-held-open", "gate-b12-door")
    page.get_by_role("button", name="Talk", exact=True).click()
    expect(page.locator("#line")).to_contain_text("may not use the microphone")
    assert desk.talks.offers == []
    expect(page.locator("#band")).to_be_visible()
    take(page)
    desk.contact_hears("click")


def test_while_another_talks_one_is_refused_kindly(desk: Desk, page: Page) -> None:
    page.context.grant_permissions(["microphone"])
    desk.talks.failure = "Ana is talking there"
    start_shift(page, desk)
    desk.raises("door-held-open", "gate-b12-door")
    expect(page.get_by_role("button", name="Talk", exact=True)).to_be_visible()
    page.locator("#thread").focus()
    page.keyboard.press("Space")
    expect(page.locator("#line")).to_contain_text("No talk now: Ana is talking there")
    (offer,) = desk.talks.offers
    assert "m=audio" in offer
    assert "a=candidate" in offer, "the offer was sent before our addresses were known"
    assert "webrtc-datachannel" in offer
    expect(page.locator("#push")).to_be_hidden()
    assert page.evaluate("vorabSound.playing()") == "", "who talks there is not to be drowned by the alarm"


def test_one_is_heard_there_only_while_the_button_or_the_space_bar_is_held(desk: Desk, page: Page) -> None:
    pytest.importorskip("aiortc", reason="of the extra camera")
    page.context.grant_permissions(["microphone"])
    start_shift(page, desk)
    desk.raises("aed-taken", "aed-b-cabinet", 5, **AED)
    page.get_by_role("button", name="Talk", exact=True).click()
    push = page.locator("#push")
    expect(push).to_be_focused()
    expect(page.locator("#line")).to_contain_text("AED gate B: you hear the place")
    page.wait_for_timeout(1000)  # the line itself
    page.keyboard.down("Space")
    expect(push).to_have_text("You are heard …")
    picture(page, "alarm-talk")
    page.keyboard.up("Space")
    expect(push).to_have_text("Hold to talk (space)")
    eventually(lambda: desk.talks.pushes == [True, False])
    push.hover()
    page.mouse.down()
    eventually(lambda: desk.talks.pushes == [True, False, True])
    page.evaluate("dispatchEvent(new Event('blur'))")  # another window came to the front
    eventually(lambda: desk.talks.pushes == [True, False, True, False])
    page.mouse.up()
    page.goto(f"{desk.url}/sign-in")  # the page goes, and the line with it
    eventually(lambda: desk.talks.open == {})


def test_hostile_names_are_text_in_an_alarm_too(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    desk.raises("<img src=x onerror=alert(1)>", "gate-b12-door", note="<svg onload=alert(1)>", action="<b>run</b>")
    expect(page.locator("#band")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator("#facts")).to_contain_text("<b>run</b>")
    assert page.locator("[src=x], #facts b, [onload]").count() == 0


def test_the_keys_are_shown_and_do_nothing_while_they_are(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    desk.raises("door-held-open", "gate-b12-door", ago_s=60)
    expect(page.locator("#band")).to_be_visible()
    page.wait_for_timeout(700)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("nobody has taken it by that")
    page.keyboard.press("t")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#band")).to_be_visible()
    with pytest.raises(AssertionError, match="no click came"):
        desk.contact_hears("click", 1)


def test_who_wants_less_motion_sees_a_plan_that_stands_still(desk: Desk, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    start_shift(page, desk)
    desk.raises("aed-taken", "aed-b-cabinet", 5, **AED)
    expect(page.locator(".here .sign")).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0


def test_a_shown_alarm_is_confirmed_before_the_server_gives_it_up(desk: Desk, page: Page) -> None:
    start_shift(page, desk)
    began = now()
    incident = desk.raises("door-held-open", "gate-b12-door")
    desk.contact_hears("status")
    assert now() < began + 10 * SECOND
    states = [one.state for one in desk.reader.messages(incident) if one.channel == "desktop"]
    assert states == ["delivered"]


def test_in_a_storm_the_page_lists_five_hundred_and_says_how_many_more_and_shows_life_safety_first(
    desk: Desk, page: Page
) -> None:
    confirmed: list[str] = []
    page.context.on("request", lambda asked: confirmed.append(asked.url) if asked.url.endswith("/seen") else None)
    start_shift(page, desk)
    door = desk.raises("door-held-open", "gate-b12-door")
    expect(page.locator("#open .row")).to_have_count(1)
    for number in range(5):
        desk.storms(door, 400, name=f"storm{number}")  # few enough to come one by one
        page.wait_for_timeout(100)
    desk.storms(door, 1500, name="flood")  # and so many that the page must read anew
    expect(page.locator("#more")).to_have_text("And 3001 more of lower urgency.", timeout=20_000)
    expect(page.locator("#open-count")).to_have_text("3501")
    expect(page.locator("#open .row")).to_have_count(500)
    desk.raises("aed-taken", "aed-b-cabinet", 5, **AED)
    expect(page.locator("#band-what")).to_contain_text("AED", timeout=5_000)
    expect(page.locator("#open .row").first).to_contain_text("AED")
    take(page)
    desk.contact_hears("click")
    expect(page.locator("#thread .status")).to_contain_text("Desk goes")
    assert len(confirmed) < 5_000  # some for each alarm that was listed
