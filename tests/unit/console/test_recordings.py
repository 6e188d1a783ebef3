"""Recorded sentences: only those of the site folder, to anybody."""

from pathlib import Path

import pytest

from tests.unit.console.conftest import Bench


@pytest.fixture
def recorded(tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "en"
    folder.mkdir(parents=True)
    (folder / "high.wav").write_bytes(b"RIFF a wave")
    (folder / "call-keys.mp3").write_bytes(b"ID3")
    (folder / "notes.txt").write_text("who spoke them")
    (folder / "outside.wav").symlink_to(tmp_path / "contact.db")


pytestmark = pytest.mark.usefixtures("recorded")


@pytest.mark.parametrize(
    ("name", "kind", "content"), [("high.wav", "audio/wav", b"RIFF a wave"), ("call-keys.mp3", "audio/mpeg", b"ID3")]
)
def test_a_recording_is_there_for_who_plays_it(bench: Bench, name: str, kind: str, content: bytes) -> None:
    bench.browser.cookies.clear()
    answer = bench.browser.get(f"/recordings/en/{name}")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, kind)
    assert "max-age" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "en/notes.txt",
        "en/outside.wav",
        "en/HIGH.WAV",
        "en/high.wav/",
        "de/high.wav",
        "en/..%2f..%2fcontact.db",
        "..%2fcontact.db/high.wav",
        "en/%2e%2e/high.wav",
        "%2e%2e/%2e%2e/contact.db",
        "en/high.wav%00",
        "en/",
        "",
        "en/" + "x" * 5000,
    ],
)
def test_nothing_else_is_shown(bench: Bench, path: str) -> None:
    assert bench.browser.get(f"/recordings/{path}").status_code == 404


def test_it_is_only_read(bench: Bench) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert bench.browser.request(method, "/recordings/en/high.wav", content=b"{}").status_code == 405


def test_what_came_or_went_after_the_start_is_not_there(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "recordings" / "en" / "later.wav").write_bytes(b"RIFF")
    (tmp_path / "recordings" / "en" / "high.wav").unlink()
    for name in ("later.wav", "high.wav"):
        assert bench.browser.get(f"/recordings/en/{name}").status_code == 404
