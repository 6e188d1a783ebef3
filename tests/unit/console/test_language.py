"""The desk in the reader's language: chosen in the bar, else asked for by his browser, else that of the house."""

import asyncio
import json

import pytest

from console.language import chosen
from deploy.store.tables import audit
from tests.browser import Browser
from tests.unit.console.conftest import Bench
from tests.unit.console.test_stream import always, greeted
from vorab.model import Incident
from vorab.words import LANGUAGES

languages = pytest.mark.parametrize("language", LANGUAGES)


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        ("de", "fr", "de"),  # what he chose wins
        ("", "fr", "fr"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "en;q=0.1, fr ; q=0.9", "fr"),
        ("", "it, es;q=0.9, fr;q=0.2", "fr"),  # the first that we speak
        ("", "de;q=0, en", "en"),
        ("", "fr, de", "fr"),
        ("", "", "fr"),  # the house
        ("", "*", "fr"),
        ("it", "", "fr"),
        ("", "DE", "de"),
    ],
)
def test_the_reader_has_the_word(cookie: str, accepted: str, language: str) -> None:
    assert chosen(cookie, accepted, "fr") == language


HOSTILE = [
    "de" * 5000,
    "../de",
    "de\x00",
    "<script>",
    "',;",
    ";;;q=,,",
    "de;q=nan",
    "de;q=inf",
    "de;q=-1",
    "de;q=1e99",
    "de;q=",
    "," * 9000,
    "é",
    "＄de",
    "__class__",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_strange_cookie_or_header_is_passed_over(bench: Bench, value: str) -> None:
    assert chosen(value, value, "fr") == "fr"
    bench.browser.cookies["language"] = "".join(one for one in value if one not in ";,")
    answer = bench.browser.get("/sign-in", headers={"accept-language": value.encode()})
    assert answer.status_code == 200
    assert '<html lang="en"' in answer.text


def test_a_house_whose_language_we_do_not_speak_reads_english() -> None:
    assert chosen("", "", "it") == "en"


@languages
def test_the_sign_in_page_speaks_before_anybody_is_known(bench: Bench, language: str) -> None:
    page = bench.browser.get("/sign-in", headers={"accept-language": language}).text
    assert f'<html lang="{language}"' in page
    assert {"en": "Sign in", "de": "Anmelden", "fr": "Se connecter"}[language] in page
    assert f"<option selected>{language}</option>" in page


@languages
def test_pages_lists_threads_and_errors_speak(bench: Bench, browser: Browser, language: str) -> None:
    incident = bench.raises()
    browser.cookies["language"] = language
    assert f'<html lang="{language}"' in browser.get("/").text
    (one,) = browser.get("/api/incidents").json()["incidents"]
    assert (
        one["status"]
        == {
            "en": "asked Ben, no answer yet",
            "de": "Ben gefragt, noch keine Antwort",
            "fr": "Ben : pas encore de réponse",
        }[language]
    )
    thread = browser.get(f"/api/incidents/{incident}").json()
    assert thread["lines"][0]["text"].startswith({"en": "Door held open", "de": "Tür offen", "fr": "Porte"}[language])
    assert thread["messages"][0]["receipt"] == {"en": "waiting", "de": "wartet", "fr": "en attente"}[language]
    missing = browser.get("/api/incidents/nobody")
    assert (
        missing.json()["error"]
        == {
            "en": "no such incident",
            "de": "diesen Vorfall gibt es nicht",
            "fr": "cet incident n'existe pas",
        }[language]
    )
    assert (
        browser.get("/api/people").json()[0]["name"]
        == {"en": "Desk", "de": "Leitstelle", "fr": "Poste central"}[language]
    )


@languages
def test_the_simulator_speaks(bench: Bench, browser: Browser, language: str) -> None:
    browser.cookies["language"] = language
    (door,) = browser.get("/api/demo/devices").json()["devices"]
    assert door["actions"][0]["label"] == {"en": "Opens", "de": "Öffnet", "fr": "S'ouvre"}[language]
    assert door["state"] == {"en": "shut", "de": "zu", "fr": "fermée"}[language]


def test_a_language_is_asked_for_in_vain_without_a_session(bench: Bench) -> None:
    bench.browser.cookies["language"] = "de"
    answer = bench.browser.get("/api/incidents")
    assert (answer.status_code, answer.json()["error"]) == (401, "zuerst anmelden, als operator")


def test_the_stream_speaks_to_each_and_renders_once_a_language(bench: Bench) -> None:
    rendered: list[str] = []
    render = bench.stream._render

    def counted(incident: Incident, language: str) -> bytes:
        rendered.append(language)
        return render(incident, language)

    bench.stream._render = counted

    async def story() -> None:
        await bench.stream.look()
        readers = ["de", "en", "de", "de", "en"]
        browsers = [bench.stream.frames(language, None, always) for language in readers]
        for browser in browsers:
            await greeted(browser)
        waiting = [asyncio.ensure_future(anext(browser)) for browser in browsers]
        await asyncio.sleep(0)
        bench.raises()
        await bench.stream.look()
        frames = [await one for one in waiting]
        said = [json.loads(frame.decode().split("data: ")[1])["status"] for frame in frames]
        assert said[:2] == ["Ben gefragt, noch keine Antwort", "asked Ben, no answer yet"]
        assert frames[0] is frames[2] is frames[3]
        assert frames[1] is frames[4]
        assert sorted(rendered) == ["de", "en"]

    asyncio.run(story())


def test_a_replay_speaks_too(bench: Bench) -> None:
    async def story() -> None:
        bench.raises()
        frames = bench.stream.frames("fr", 0, always)
        await greeted(frames)
        assert "pas encore de réponse" in (await anext(frames)).decode()

    asyncio.run(story())


def test_what_is_stored_does_not_depend_on_who_reads(bench: Bench, browser: Browser) -> None:
    """The audit and the journal are in the words of the code; only what is shown is translated."""
    browser.cookies["language"] = "de"
    incident = bench.raises()
    body = {"id": "0f0e0d0c-0b0a-4908-8706-050403020100", "person": "ben", "meaning": "taken"}
    assert browser.post(f"/api/incidents/{incident}/answers", json=body).status_code == 202
    bench.contact_turns()
    with bench.store.connect() as connection:
        assert "answered: taken" in set(connection.scalars(audit.select().with_only_columns(audit.c.what)))
