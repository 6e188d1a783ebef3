"""Plans, cameras, loudspeakers, sentences in several languages, and who must go: each fault with the way out."""

import wave
from io import BytesIO
from pathlib import Path

import pytest

from deploy.site.load import check, load
from rules.ruleset import unpack
from tests.unit.site.conftest import Spoil, write
from vorab.model import said
from vorab.site import Camera, Intercom

PLAN = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300"><path d="M0,0 H400"/></svg>'
PLACES = """\
    places:
      depot: { kind: site }
      north: { in: depot, kind: floor, access: staff, plan: plans/north.svg }
      gate-1:
        in: north
        readers: [gate-1-badge]
        at: [120, 80.5]
        spoken: { en: gate one }
        camera: { stream: "rtsp://camera.example/1", snapshot: "http://camera.example/1.jpg", user: u, password: env:P }
        intercom: { url: "rtsp://speaker.example/1", user: u, password: env:P, instruction: recordings/help.wav }
      cold-1: { in: depot }
    ways:
      - { from: gate-1, to: cold-1, on_foot: 90s }
    """


def sound() -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(bytes(160))
    return file.getvalue()


@pytest.fixture
def seen(folder: Path) -> Path:
    """The small site, with a plan, a camera and a loudspeaker."""
    write(folder, "plans/north.svg", PLAN)
    write(folder, "recordings/help.wav", sound())
    write(folder, "places.yaml", PLACES)
    return folder


def test_what_can_be_seen_and_heard_at_a_place(seen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "secret")
    assert check(seen) == []
    site = load(seen)
    places = {str(place.id): place for place in site.places}
    assert (places["north"].plan, places["gate-1"].at) == ("plans/north.svg", (120.0, 80.5))
    assert places["gate-1"].camera == Camera("rtsp://camera.example/1", "http://camera.example/1.jpg", "u", "secret")
    assert places["gate-1"].intercom == Intercom("rtsp://speaker.example/1", "u", "secret", "recordings/help.wav")
    assert Path(site.folder) == seen.resolve()


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4">'
WRONG_PLANS = [
    ("<html></html>", "plans/north.svg is no SVG: it must begin with <svg"),
    ("a picture", "plans/north.svg is no SVG"),
    ("", "plans/north.svg is no SVG"),
    (b"\x89PNG\r\n\x1a\n", "plans/north.svg is no SVG"),
    (b"\xff\xfe", "plans/north.svg is no SVG"),
    ("<svg/>", "is no SVG: it must begin with <svg xmlns="),
    (f"{SVG}<g>", "plans/north.svg is no SVG"),
    (f"<!DOCTYPE svg [<!ENTITY a 'b'>]>{SVG}</svg>", "a <!DOCTYPE or <!ENTITY: save it as plain SVG"),
    (f"{SVG}<script>alert(1)</script></svg>", "<script> in a plan"),
    (f"{SVG}<foreignObject/></svg>", "<foreignObject> in a plan"),
    (f"{SVG}<path onclick='x()'/></svg>", "onclick='x()' in a plan"),
    (f"{SVG}<image href='https://elsewhere.example/x.png'/></svg>", "href='https://elsewhere.example/x.png' in a plan"),
    (SVG.replace(' viewBox="0 0 4 4"', "") + "</svg>", "its viewBox is ''; write viewBox=\"0 0 WIDTH HEIGHT\""),
    (SVG.replace("0 0 4 4", "0 0 4") + "</svg>", "its viewBox is '0 0 4'"),
    (SVG.replace("0 0 4 4", "-2 0 4 4") + "</svg>", "its viewBox is '-2 0 4 4'"),
    (SVG.replace("0 0 4 4", "0 0 nan 4") + "</svg>", "its viewBox is '0 0 nan 4'"),
    (SVG.replace("0 0 4 4", "0 0 0 4") + "</svg>", "its viewBox is '0 0 0 4'"),
    (SVG + " " * 1_000_001 + "</svg>", "plans/north.svg: larger than 1 MB"),
    (SVG + "<g>" * 50_000, "plans/north.svg is no SVG"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG_PLANS)
def test_a_plan_that_cannot_be_drawn(seen: Path, text: str | bytes, expected: str) -> None:
    write(seen, "plans/north.svg", text)
    (found,) = map(str, check(seen))
    assert found.startswith("places.yaml:3:")
    assert expected in found


WRONG_PLACES = [
    ("plans/north.svg", "plans/nort.svg", "there is no file plans/nort.svg; did you mean 'plans/north.svg'?"),
    ("plans/north.svg", "../north.svg", "'../north.svg' is not in the site folder"),
    ("plans/north.svg", "/etc/passwd", "'/etc/passwd' is not in the site folder"),
    ("plans/north.svg", "plans", "there is no file plans"),
    (", plan: plans/north.svg", "", "7:9: there is no plan around gate-1: give its floor a `plan`"),
    ("[120, 80.5]", "[401, 80]", "[401, 80] is not on the plan of north, which is 400 wide and 300 high"),
    ("[120, 80.5]", "[10, -1]", "[10, -1] is not on the plan of north"),
    ("[120, 80.5]", "[10]", "expected 2 numbers, found 1"),
    ("[120, 80.5]", "[10, 20, 30]", "expected 2 numbers, found 3"),
    ("[120, 80.5]", "[10, cat]", "the text 'cat'"),
    ("{ en: gate one }", "{ it: porta uno }", "8:15: unknown language 'it'; there is en"),
    ("rtsp://camera.example/1", "ftp://camera.example/1", "ftp: is not spoken here; it begins with http://, https://, rtsp://"),
    ("rtsp://camera.example/1", "camera.example", "nothing: is not spoken here"),
    ("rtsp://camera.example/1", "rtsp:///1", "no host in it; write it like http://camera.example/stream"),
    ("rtsp://camera.example/1", "http://[::1", "not an address"),
    ("rtsp://camera.example/1", "http://a:99999/", "not an address"),
    ("rtsp://camera.example/1", "rtsp://u:hunter2@camera.example/1", "a name or a password in the address"),
    ("rtsp://camera.example/1", "demo:../x", "write demo:NAME"),
    ("http://camera.example/1.jpg", "rtsp://camera.example/1", "rtsp: is not spoken here; it begins with http://"),
    ("rtsp://speaker.example/1", "http://speaker.example/1", "http: is not spoken here; it begins with rtsp://"),
    ("user: u, password: env:P }", "user: u, password: hunter2 }", "a secret in the file: write env:NAME or file:PATH"),
    ("recordings/help.wav", "recordings/halp.wav", "no file recordings/halp.wav; did you mean 'recordings/help.wav'?"),
    ("recordings/help.wav", "plans/north.svg", "plans/north.svg is no WAV file"),
    ("stream:", "steam:", "unknown field 'steam' in camera; did you mean 'stream'?"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "to", "expected"), WRONG_PLACES)
def test_a_fault_in_what_can_be_seen_and_heard(seen: Path, spoil: Spoil, text: str, to: str, expected: str) -> None:
    found = spoil("places.yaml", text, to)
    assert len(found) == 1, found
    assert found[0].startswith("places.yaml:")
    assert expected in found[0]
    assert "hunter2" not in found[0]


def test_a_camera_needs_an_address(seen: Path, spoil: Spoil) -> None:
    (found,) = spoil("places.yaml", 'stream: "rtsp://camera.example/1", snapshot: "http://camera.example/1.jpg", ', "")
    assert "9:13: a camera without an address: write stream, snapshot or both" in found


def test_a_simulated_camera_is_for_a_demo_only(seen: Path, spoil: Spoil, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "secret")
    assert spoil("places.yaml", "rtsp://camera.example/1", "demo:gate-1") == []
    found = spoil("site.yaml", "demo: true", "brokers: { main: { host: mqtt.example } }")
    assert [fault for fault in found if "demo: is for a demo only; write an address that begins with http" in fault]


# --- sentences --------------------------------------------------------------------------------------------------------


def sentences(folder: Path) -> object:
    (rule,) = unpack(load(folder).rules).rules
    return rule.cause


def test_a_sentence_is_in_one_language_or_in_several(folder: Path, spoil: Spoil) -> None:
    spoil("site.yaml", "[en]", "[en, de, fr]")
    assert spoil("rules/doors.yaml", "respond: guard", "respond: guard\n  cause: Wedged") == []
    assert sentences(folder) == "Wedged"
    assert spoil("rules/doors.yaml", "cause: Wedged", "cause: { fr: Calée, de: Verkeilt }") == []
    cause = sentences(folder)
    assert isinstance(cause, dict)
    assert [said(cause, language) for language in ("en", "de", "fr")] == ["Verkeilt", "Verkeilt", "Calée"]


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ("{ en: Wedged, it: Incastrata }", "7:24: unknown language 'it'; there is en"),
        ("{ en: 5 }", "7:10: expected a text, found 5"),
        ("{}", "7:10: expected a text, found a mapping"),
        ("true", "7:10: expected a text, found true"),
        ("x" * 201, "7:10: 201 characters; 200 at the most"),
        ("{ en: " + "x" * 201 + " }", "7:10: 201 characters; 200 at the most"),
    ],
)
def test_a_fault_in_a_sentence(spoil: Spoil, cause: str, expected: str) -> None:
    (found,) = spoil("rules/doors.yaml", "respond: guard", f"respond: guard\n  cause: {cause}")
    assert expected in found


# --- who must go, and who is told -------------------------------------------------------------------------------------


def test_a_role_that_is_needed_is_asked(spoil: Spoil) -> None:
    assert spoil("responses.yaml", "guard:\n", "guard:\n  needs: [guard]\n") == []
    (found,) = spoil("responses.yaml", "[guard]", "[guard, medic]")
    assert "2:18: nobody with role 'medic' is ever asked: add a rung for it, or remove it here" in found


def test_a_customer_who_is_told_must_be_there(spoil: Spoil) -> None:
    (found,) = spoil("responses.yaml", "guard:\n", "guard:\n  tell_customer: true\n")
    assert "responses.yaml:2:18: warning: no place has a customer: nobody will be told" in found
    assert spoil("people.yaml", "24/7 }", "24/7, customer_of: [cold-1] }") == []


def test_all_channels_of_a_rung_at_once(folder: Path, spoil: Spoil) -> None:
    assert spoil("responses.yaml", "wait: 60s", "wait: 60s, at_once: true") == []
    assert load(folder).responses[0].ladder[0].at_once


def test_a_desk_alone_reaches_nobody(spoil: Spoil) -> None:
    spoil("site.yaml", "  sms:", "  desktop: {}\n  sms:")
    assert spoil("people.yaml", "addresses: {", "addresses: { desktop: control-room,") == []
    (found,) = spoil("responses.yaml", "[sms]", "[desktop]")
    assert "can ever be reached (a desk may be empty: add sms)" in found
    assert spoil("responses.yaml", "[desktop]", "[desktop, sms]") == []


def test_a_desk_has_a_name(spoil: Spoil) -> None:
    spoil("site.yaml", "  sms:", "  desktop: {}\n  sms:")
    (found,) = spoil("people.yaml", "addresses: {", "addresses: { desktop: the desk!,")
    assert "people.yaml:1:" in found
    assert "'the desk!': not the name of a desk" in found


@pytest.mark.parametrize("address", ["ana at home", "Ana <ana@depot.example>", "ana@", "a@b@c.example", "ana@depot"])
def test_an_e_mail_address_is_one(spoil: Spoil, address: str) -> None:
    spoil("site.yaml", "  sms:", "  email: { host: phones, sender: alarm@depot.example }\n  sms:")
    assert spoil("people.yaml", "addresses: {", "addresses: { email: ana@depot.example,") == []
    (found,) = spoil("people.yaml", "ana@depot.example", address)
    assert found.startswith("people.yaml:1:")
    assert f"{address!r}: " in found
