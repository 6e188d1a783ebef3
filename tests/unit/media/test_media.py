"""The media process as others ask it; what it needs of WebRTC is proved in tests/live."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from deploy.media_host import Media, application
from deploy.runtime import Runtime
from deploy.scene import SiteScene
from deploy.talks import SECRET, MediaTalks
from deploy.talks import Media as Asked
from tests.unit.media.loop import run
from tests.unit.media.test_cameras import site
from vorab.errors import Malformed, TemporaryFailure
from vorab.ports import HttpResponse

FORM = {"incident": "i", "place": "roof", "by": "ana", "sdp": "no offer"}


class Client:
    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def post(self, path: str, data: dict[str, str], headers: dict[str, str]) -> Response:
        async def ask() -> Response:
            async with AsyncClient(transport=ASGITransport(self._app), base_url="http://media.test") as client:
                return await client.post(path, data=data, headers=headers)

        return run(ask())


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(application(Media({}, tmp_path, lambda _: None), "tiger"))


@pytest.mark.parametrize("headers", [{}, {SECRET: ""}, {SECRET: "lion"}])
@pytest.mark.parametrize("path", ["/talks", "/talks/end", "/instructions"])
def test_nobody_asks_without_the_secret(client: Client, path: str, headers: dict[str, str]) -> None:
    assert client.post(path, data=FORM, headers=headers).status_code == 403


def test_no_secret_at_all_lets_nobody_in(tmp_path: Path) -> None:
    client = Client(application(Media({}, tmp_path, lambda _: None), ""))
    assert client.post("/talks", data=FORM, headers={SECRET: ""}).status_code == 403


def test_a_place_without_a_loudspeaker_is_told_in_words(client: Client) -> None:
    answer = client.post("/talks", data=FORM, headers={SECRET: "tiger"})
    assert (answer.status_code, answer.text) == (503, "there is no loudspeaker here")
    assert client.post("/talks", data=FORM | {"sdp": "x" * 40_000}, headers={SECRET: "tiger"}).status_code == 422


class Answers:
    """An HttpClient whose other side says always the same."""

    def __init__(self, status: int, body: bytes) -> None:
        self._answer = HttpResponse(status, body)
        self.asked: list[tuple[str, object]] = []

    def request(self, method: str, url: str, **more: object) -> HttpResponse:
        self.asked.append((f"{method} {url}", more["headers"]))
        return self._answer


def test_what_the_media_process_says_is_passed_on() -> None:
    found = Runtime(intercom_port=8, media_port=9, media_secret="tiger")
    talks = MediaTalks(site(), found, http := Answers(201, b'{"id": "t", "sdp": "answer"}'))
    assert talks.has("lift")
    assert not talks.has("hall")
    talk = run(talks.begin("i", "lift", "ana", "offer"))
    assert (talk.id, talk.sdp) == ("t", "answer")
    assert http.asked == [("POST http://127.0.0.1:9/talks", {SECRET: "tiger"})]
    with pytest.raises(TemporaryFailure, match="ben is talking"):
        Asked(found, Answers(503, b"ben is talking there just now")).ask("POST", "/talks")
    with pytest.raises(Malformed, match="no offer"):
        Asked(found, Answers(422, b"no offer")).ask("POST", "/talks")
    with pytest.raises(TemporaryFailure, match="answers 500"):
        Asked(found, Answers(500, b"<html>")).ask("POST", "/talks")


def test_a_machine_that_cannot_speak_says_so() -> None:
    http = Answers(201, b"")
    assert not MediaTalks(site(), Runtime(intercom_port=8), http).has("lift")
    with pytest.raises(TemporaryFailure, match="extra camera"):
        Asked(Runtime(), http).ask("POST", "/talks")
    assert http.asked == []


def test_a_place_without_an_instruction_has_none() -> None:
    lift = next(place for place in site().places if place.id == "lift")
    assert not SiteScene(site(), Runtime(intercom_port=8, media_port=9), http := Answers(204, b"")).instruct(lift)
    assert http.asked == []
