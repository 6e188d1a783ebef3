"""Talk: what is said into a microphone in a real Chromium arrives at a real loudspeaker, while the button is held."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from deploy import broker
from tests.airport import AIRPORT, ROOT
from tests.live.conftest import Device, absent

pytestmark = pytest.mark.live

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), "")
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
LOUD = 1000  #: of 32,768; the fake microphone beeps

#: An offer, and what comes back on the line; `talk.hear()` tells the loudest sample of the last moment.
TALK = """async incident => {
  const peer = new RTCPeerConnection({iceServers: []}), pushes = peer.createDataChannel("ptt");
  const microphone = await navigator.mediaDevices.getUserMedia({audio: true});
  peer.addTrack(microphone.getAudioTracks()[0], microphone);
  const said = [], sound = new AudioContext(), meter = sound.createAnalyser();
  pushes.onmessage = event => said.push(event.data);
  peer.ontrack = event => {
    const stream = new MediaStream([event.track]), silent = new Audio();
    silent.srcObject = stream; silent.muted = true; silent.play();  // Chromium decodes nothing that no element plays
    sound.createMediaStreamSource(stream).connect(meter);
  };
  await peer.setLocalDescription();
  await new Promise(done => {
    const look = () => peer.iceGatheringState === "complete" && done();
    peer.onicegatheringstatechange = look; look();
  });
  const answer = await fetch(`/api/incidents/${incident}/talk`, {
    method: "POST", headers: {"content-type": "application/json"},
    body: JSON.stringify({sdp: peer.localDescription.sdp}),
  });
  if (answer.status !== 201) { peer.close(); return `${answer.status} ${await answer.text()}`; }
  const {talk, sdp} = await answer.json();
  await peer.setRemoteDescription({type: "answer", sdp});
  if (pushes.readyState !== "open") await new Promise(done => pushes.onopen = done);
  const hear = () => {
    const samples = new Float32Array(meter.fftSize);
    meter.getFloatTimeDomainData(samples);
    return samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  };
  window.talk = {id: talk, peer, pushes, said, hear};
  return "open";
}"""


class Site(NamedTuple):
    url: str
    secret: str


@pytest.fixture(scope="module")
def site(device: Device, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The airport as `vorab run` starts it; at the defibrillator hangs the real device."""
    if broker.mosquitto() is None:
        absent("mosquitto")
    base = tmp_path_factory.mktemp("site")
    folder = base / "site"
    shutil.copytree(AIRPORT, folder)
    places = folder / "places.yaml"
    who = f'user: {device.user}, password: "env:TEST_DEVICE"'
    text = re.sub(r'camera: \{ stream: "demo:aed-b"', f'camera: {{ stream: "{device.url}", {who}', places.read_text())
    text, count = re.subn(r'intercom: \{ url: "demo:aed-b"', f'intercom: {{ url: "{device.url}", {who}', text)
    assert count == 1
    places.write_text(text)
    argv = [sys.executable, "-m", "vorab", "run", str(folder), "--data", str(base / "data")]
    environment = os.environ | {"TEST_DEVICE": device.password}
    with subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = "".join(itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
        secret, url = re.search(r"operator / (\S+)", said), re.search(r"console +(\S+)", said)
        assert secret, said
        assert url, said
        yield Site(url[1].rstrip("/"), secret[1])
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    """Signed in, with a microphone that beeps."""
    if not CHROMIUM:
        absent("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield signed_in(browser, site)
        browser.close()


def signed_in(browser: Browser, site: Site) -> Page:
    page = browser.new_context(base_url=site.url).new_page()
    page.goto("/")
    body = json.dumps({"name": "operator", "secret": site.secret})
    sign_in = (
        "body => fetch('/api/session', {method: 'POST', headers: {'content-type': 'application/json'}, body})"
        ".then(answer => answer.status)"
    )
    assert page.evaluate(sign_in, body) == 200
    return page


def within(seconds: float, true: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
    return found


def api(page: Page, path: str) -> Any:
    return page.evaluate("path => fetch(path).then(answer => answer.json())", path)


def taken(page: Page) -> str:
    """The AED is taken; the incident."""
    press = (
        "() => fetch('/api/demo/devices/aed-b-cabinet/take', {method: 'POST', headers:"
        " {'content-type': 'application/json'}, body: '{}'}).then(answer => answer.status)"
    )
    within(10, lambda: page.evaluate(press) < 300, "the button of the simulator")
    found = within(15, lambda: api(page, "/api/incidents")["incidents"], "an incident")
    return str(found[0]["id"])


def spoken(page: Page, incident: str) -> list[str]:
    """Each push, as the thread has it."""
    return [line["text"] for line in api(page, f"/api/incidents/{incident}")["lines"] if line["kind"] == "talked"]


def loudest(device: Device, since: int) -> int:
    """Of what was said to it after so many bytes."""
    samples = array("h", device.heard.read_bytes()[since:][: (device.heard.stat().st_size - since) // 2 * 2])
    return max(map(abs, samples), default=0)


def test_what_is_said_arrives_only_while_the_button_is_held(page: Page, device: Device) -> None:
    incident = taken(page)
    within(15, lambda: device.heard.exists() and device.heard.stat().st_size > 8_000, "the recorded instruction")
    assert page.evaluate(TALK, incident) == "open"
    time.sleep(1)
    before = device.heard.stat().st_size
    time.sleep(2)
    assert device.heard.stat().st_size == before, "somebody has joined, and does not push"
    page.evaluate("talk.pushes.send('down')")
    within(5, lambda: device.heard.stat().st_size >= before + 32_000, "two seconds of speech")
    page.evaluate("talk.pushes.send('up')")
    time.sleep(0.5)
    assert loudest(device, before) > LOUD
    after = device.heard.stat().st_size
    time.sleep(1.5)
    assert device.heard.stat().st_size == after
    assert within(5, lambda: page.evaluate("talk.hear()") > 0.01, "the ticks of the microphone there")
    within(10, lambda: spoken(page, incident), "who spoke stands in the thread")
    second = page.context.new_page()
    second.goto("/")
    assert str(second.evaluate(TALK, incident)).startswith("503")
    page.evaluate("talk.peer.close()")
    within(15, lambda: second.evaluate(TALK, incident) == "open", "the next one, when the first has gone")


def test_a_browser_that_is_killed_while_it_talks_ends_the_talk(site: Site, page: Page) -> None:
    incident, mark = taken(page), f"--talks-as={time.monotonic_ns()}"
    assert page.context.browser
    other = signed_in(page.context.browser.browser_type.launch(executable_path=CHROMIUM, args=[*FLAGS, mark]), site)
    within(15, lambda: other.evaluate(TALK, incident) == "open", "the line, after the test before")
    before = spoken(page, incident)
    other.evaluate("talk.pushes.send('down')")
    time.sleep(1)
    kill(mark)
    within(15, lambda: page.evaluate(TALK, incident) == "open", "the line is free again")
    within(10, lambda: len(spoken(page, incident)) == len(before) + 1, "what was said until then")


def kill(mark: str) -> None:
    """The browser with this in its arguments is gone, without a word to anybody."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)


def test_the_picture_of_the_place_moves_at_the_desk(page: Page) -> None:
    """Through the console's own route, as its page shows it."""
    count = """async () => {
      const answer = await fetch("/api/places/aed-b/camera"), reader = answer.body.getReader(), seen = new Set();
      let text = "";
      while (seen.size < 6) {
        const {value, done} = await reader.read();
        if (done) break;
        text += Array.from(value, byte => String.fromCharCode(byte)).join("");
        for (const one of text.split("content-type: image/jpeg").slice(1, -1)) seen.add(one);
      }
      reader.cancel();
      return seen.size;
    }"""
    assert page.evaluate(count) == 6
    incident = taken(page)
    assert within(10, lambda: (api(page, f"/api/incidents/{incident}")["picture"] or {}).get("taken_at"), "a picture")
