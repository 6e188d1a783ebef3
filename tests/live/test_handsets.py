"""The phone world on its sockets, and its page in a real browser: a call that rings, speaks and takes keys; mail."""

import io
import json
import shutil
import smtplib
import socket
import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.parse import parse_qsl
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.live.conftest import absent
from vorab.model import SECOND, Span
from vorab.testing.phones import Fault, PhoneWorld, Server, serve
from vorab.testing.phones.outside import post
from vorab.testing.phones.server import WallClock

pytestmark = pytest.mark.live

BEN, ANA, US, IVO = "+12025550122", "+12025550121", "+12025550100", "ivo@lounge.example"
PEOPLE = [
    {"name": "Ben", "number": BEN, "role": "security", "language": "en", "mail": ""},
    {"name": "Ana", "number": ANA, "role": "security", "language": "fr", "mail": ""},
    {"name": "Ivo", "number": "", "role": "customer", "language": "de", "mail": IVO},
]
#: One white point.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63f80f000101010055"
    "2a2c9b0000000049454e44ae426082"
)
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), "")


def a_second_of_sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"".join(struct.pack("<h", (n % 20) * 400) for n in range(8000)))
    return file.getvalue()


class Ours(BaseHTTPRequestHandler):
    """Our side: what to say, what a key does, a recording."""

    told: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.told.append((self.path, form))
        say = '<Say language="en-GB">{}</Say>'.format
        keys = f'<Gather numDigits="1" timeout="20" action="/key">{say("Press 1 if you go.")}</Gather>'
        high = f"<Play>/recordings/high.wav</Play>{say('Gate B twelve.')}"
        said = {"/voice": high + keys, "/key": say("It is yours.")}
        self._answer("text/xml", f"<Response>{said.get(self.path, '')}</Response>".encode())

    def do_GET(self) -> None:
        self._answer("text/html" if "page" in self.path else "audio/wav", a_second_of_sound())

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def ours() -> Iterator[str]:
    Ours.told = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Ours) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def smtp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(smtp_port: int) -> Iterator[Server]:
    running = serve(PhoneWorld(WallClock(), post=post), people=PEOPLE, smtp_port=smtp_port)
    yield running
    running.stop()


def call(server: Server, url: str, to: str = BEN) -> None:
    world = server.world
    form = [("To", to), ("From", US), ("Url", url), ("Timeout", "60")]
    target = f"{server.url}/2010-04-01/Accounts/{world.account}/Calls.json"
    assert world.request("POST", target, form=form, auth=(world.account, world.token)).status == 201


def act(server: Server, **told: object) -> tuple[int, object]:
    request = Request(f"{server.url}/call", json.dumps(told).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, error.read()


def fetched(server: Server, path: str) -> tuple[int, str, bytes]:
    try:
        with urlopen(server.url + path, timeout=5) as answer:
            return answer.status, answer.headers["content-type"], answer.read()
    except HTTPError as error:
        return error.code, "", b""


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def letter(to: str = IVO) -> EmailMessage:
    message = EmailMessage()
    message["To"], message["From"], message["Subject"] = to, "vorab@airport.example", "Ein Techniker kommt"
    message["Message-ID"] = "<1@airport.example>"
    message.set_content("Lounge B, in 6 Minuten: http://127.0.0.1:8080/b/token")
    message.add_attachment(PNG, maintype="image", subtype="png", filename="camera.png")
    return message


# --- the sockets ------------------------------------------------------------------------------------------------------


def test_a_call_goes_over_http(server: Server, ours: str) -> None:
    call(server, f"{ours}/voice")
    until(lambda: server.world.ringing(BEN))
    assert act(server, handset=BEN, action="pick_up") == (200, {"done": True})
    until(lambda: server.world.calls(BEN)[0].takes_keys)
    assert act(server, handset=BEN, action="press", key="1") == (200, {"done": True})
    until(lambda: server.world.calls(BEN)[0].status == "completed")
    assert [(path, form.get("Digits")) for path, form in Ours.told] == [("/voice", None), ("/key", "1")]
    _, _, body = fetched(server, "/ledger")
    [entry] = json.loads(body)["entries"]
    assert (entry["kind"], entry["text"]) == ("call", "[high.wav] Gate B twelve. Press 1 if you go. It is yours.")
    assert act(server, handset=BEN, action="hang_up") == (200, {"done": False})


@pytest.mark.parametrize(
    "told",
    [{}, {"handset": BEN}, {"handset": BEN, "action": "dance"}, {"handset": BEN, "action": "press", "key": "12"}],
)
def test_what_no_telephone_does_is_refused(server: Server, told: dict[str, object]) -> None:
    assert act(server, **told)[0] == 400


def test_a_recording_comes_through_the_world_and_nothing_else_does(server: Server, ours: str) -> None:
    call(server, f"{ours}/voice")
    until(lambda: server.world.pick_up(BEN))
    until(lambda: server.world.calls(BEN)[0].said)
    sid = server.world.calls(BEN)[0].sid
    status, kind, body = fetched(server, f"/sound?call={sid}&said=0")
    assert (status, kind, body[:4]) == (200, "audio/wav", b"RIFF")
    for query in (f"call={sid}&said=1", f"call={sid}&said=-1", f"call={sid}&said=99", "call=CA0&said=0", ""):
        assert fetched(server, f"/sound?{query}")[0] == 404


@pytest.mark.parametrize("recording", ["http://127.0.0.1:1/a.wav", "http://[bad", "file:///etc/passwd", "OURS/page"])
def test_a_recording_that_cannot_be_played_is_none(server: Server, ours: str, recording: str) -> None:
    document = f"<Response><Play>{recording.replace('OURS', ours)}</Play><Pause length='9'/></Response>"
    world = server.world
    form = [("To", BEN), ("From", US), ("Twiml", document)]
    target = f"{server.url}/2010-04-01/Accounts/{world.account}/Calls.json"
    world.request("POST", target, form=form, auth=(world.account, world.token))
    until(lambda: world.pick_up(BEN))
    until(lambda: world.calls(BEN)[0].said or not world.calls(BEN)[0].is_open)
    assert fetched(server, f"/sound?call={world.calls(BEN)[0].sid}&said=0")[0] == 404


def test_lines_and_pace_are_set_over_http(server: Server, ours: str) -> None:
    told = {"lines": {BEN: "voicemail"}, "speech_ms": 10}
    request = Request(f"{server.url}/settings", json.dumps(told).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=5) as answer:
        assert answer.status == 200
    call(server, f"{ours}/voice")
    until(lambda: "Press 1" in server.world.calls(BEN)[0].text)


def test_mail_comes_by_smtp(server: Server, smtp_port: int) -> None:
    with smtplib.SMTP("127.0.0.1", smtp_port, timeout=5) as client:
        client.send_message(letter("somebody@else.example"), to_addrs=[IVO])
    [entry] = server.world.received(IVO, "mail")
    assert entry.text.startswith("Ein Techniker kommt\n\nLounge B")
    assert fetched(server, "/picture?mail=1") == (200, "image/png", PNG)
    assert fetched(server, "/picture?mail=2")[0] == 404


@pytest.mark.parametrize(
    "told", [b"\xff\xfe\r\n", b"DATA\r\n", b"MAIL FROM:<" + b"a" * 5000 + b">\r\n", b"GET / HTTP/1.1\r\n"]
)
def test_bytes_that_are_no_mail_hurt_nobody(server: Server, smtp_port: int, told: bytes) -> None:
    with socket.create_connection(("127.0.0.1", smtp_port), timeout=5) as connection:
        connection.sendall(told)
        connection.recv(4096)
    with smtplib.SMTP("127.0.0.1", smtp_port, timeout=5) as client:
        client.send_message(letter())
    assert len(server.world.received(IVO, "mail")) == 1


def test_a_fault_cuts_a_call_too(server: Server, ours: str) -> None:
    server.world.fail(Fault.BAD_REQUEST, to=BEN)
    world = server.world
    target = f"{server.url}/2010-04-01/Accounts/{world.account}/Calls.json"
    form = [("To", BEN), ("From", US), ("Url", f"{ours}/voice")]
    assert world.request("POST", target, form=form, auth=(world.account, world.token)).status == 400


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        absent("chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(locale="en-GB")
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(server.url) else None)
    page.add_init_script(
        "window.tones = 0; const start = OscillatorNode.prototype.start;"
        "OscillatorNode.prototype.start = function (...told) { window.tones += 1; start.apply(this, told); };"
    )
    page.goto(server.url, wait_until="domcontentloaded")
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()
    until(lambda: page.evaluate("started"))
    yield page
    page.close()
    assert wrong == []


def handset(page: Page, name: str) -> Locator:
    return page.locator(".handset", has=page.get_by_role("heading", name=name, exact=True))


def test_a_call_is_taken_on_the_page(page: Page, server: Server, ours: str) -> None:
    server.world.speech = Span(SECOND // 50)
    expect(page.get_by_text("Nobody real is called.")).to_be_visible()
    call(server, f"{ours}/voice")
    ben = handset(page, "Ben")
    expect(ben.get_by_text("Incoming call")).to_be_visible()
    expect(ben.get_by_text(US)).to_be_visible()
    assert page.evaluate("audio === null && tones === 0"), "no page may sound before the first click"
    page.get_by_role("heading", name="Handsets").click()
    until(lambda: page.evaluate("tones > 0 && audio.state === 'running'"))
    with page.expect_response("**/sound?*") as played:
        ben.get_by_role("button", name="Pick up").click()
    assert played.value.ok
    expect(ben.get_by_text("keys do not count yet")).to_be_visible()
    expect(ben.get_by_text("Press 1 if you go.")).to_be_visible()
    expect(ben.get_by_text("Press a key")).to_be_visible()
    ben.get_by_role("button", name="Key 1", exact=True).press("1")  # the keyboard of the computer
    expect(ben.get_by_text("It is yours.").first).to_be_visible()
    expect(ben.get_by_text("Call ended")).to_be_visible()
    expect(ben.locator(".call")).to_be_hidden()
    ben.locator("summary").click()
    expect(ben.locator(".past").get_by_text("Gate B twelve.")).to_be_visible()
    assert [form["Digits"] for path, form in Ours.told if path == "/key"] == ["1"]


def test_a_call_is_declined_on_the_page(page: Page, server: Server, ours: str) -> None:
    call(server, f"{ours}/voice", ANA)
    ana = handset(page, "Ana")
    expect(ana.get_by_text("Appel entrant")).to_be_visible()
    ana.get_by_role("button", name="Refuser").click()
    expect(ana.locator(".past").get_by_text("Refusé ou occupé")).to_be_visible()
    assert server.world.calls(ANA)[0].status == "busy"


def test_words_are_read_aloud_only_when_switched_on(page: Page, server: Server, ours: str) -> None:
    page.evaluate(
        "() => { window.spokenAloud = [];speechSynthesis.speak = (said) => spokenAloud.push([said.lang, said.text]); }"
    )
    server.world.speech = Span(SECOND // 50)
    page.get_by_role("switch", name="Read calls aloud").check(force=True)
    page.evaluate("() => { HTMLMediaElement.prototype.play = () => Promise.reject(new Error('no sound here')); }")
    call(server, f"{ours}/voice")
    handset(page, "Ben").get_by_role("button", name="Pick up").click()
    until(lambda: page.evaluate("spokenAloud.length > 0"))
    assert page.evaluate("spokenAloud[0]") == ["en-GB", "Gate B twelve."]


def test_a_mail_is_a_card_with_its_picture_and_its_link(page: Page, server: Server) -> None:
    server.world.mail(letter())
    ivo = handset(page, "Ivo")
    expect(ivo.get_by_role("heading", name="Ein Techniker kommt")).to_be_visible()
    expect(ivo.get_by_role("link")).to_have_attribute("href", "http://127.0.0.1:8080/b/token")
    expect(ivo.get_by_role("img", name="Bild in der E-Mail")).to_be_visible()
    until(lambda: page.evaluate("document.querySelector('.mail img').naturalWidth === 1"))
    expect(ivo.get_by_role("textbox")).to_be_hidden()


def test_what_comes_from_outside_is_only_ever_text(page: Page, server: Server) -> None:
    nasty = '<img src=x onerror="document.title=1"><script>1</script> javascript:alert(1)'
    document = f"<Response><Say>{nasty.replace('&', '&amp;').replace('<', '&lt;')}</Say><Pause length='9'/></Response>"
    world = server.world
    server.world.mail(EmailMessage())
    message = EmailMessage()
    message["To"], message["Subject"] = IVO, nasty
    message.set_content(nasty)
    world.mail(message)
    world.write(ANA, nasty)
    form = [("To", BEN), ("From", US), ("Twiml", document)]
    target = f"{server.url}/2010-04-01/Accounts/{world.account}/Calls.json"
    world.request("POST", target, form=form, auth=(world.account, world.token))
    until(lambda: world.pick_up(BEN))
    expect(handset(page, "Ben").get_by_text("<script>1</script>")).to_be_visible()
    expect(handset(page, "Ivo").get_by_role("heading", name="<script>")).to_be_visible()
    expect(handset(page, "Ana").get_by_text("<script>1</script>")).to_be_visible()
    assert page.locator("main script, main img, main a").count() == 0


def test_a_page_opened_in_the_middle_of_a_call_shows_it(page: Page, server: Server, ours: str) -> None:
    call(server, f"{ours}/voice")
    until(lambda: server.world.pick_up(BEN))
    until(lambda: server.world.calls(BEN)[0].takes_keys)
    page.reload(wait_until="domcontentloaded")
    expect(handset(page, "Ben").get_by_text("Press 1 if you go.")).to_be_visible()
    expect(handset(page, "Ben").get_by_role("button", name="Hang up")).to_be_visible()
