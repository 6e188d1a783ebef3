"""What is said of cameras and loudspeakers is said in every language."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.sentences import PHRASES
from vorab.words import phrase

DEPLOY = Path(__file__).parents[3] / "deploy"
FILES = [
    *(DEPLOY / "media").glob("*.py"),
    *(DEPLOY / f"{name}.py" for name in ("scene", "cameras", "talks", "media_host")),
]
OURS = {"what": "the camera", "WHAT": "the loudspeaker"}  #: what stands for {…}; anything else is a number


def sentences() -> Iterator[str]:
    """Every sentence with which something of ours fails, in English."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("TemporaryFailure", "Malformed"):
                for text in ast.walk(node):
                    if isinstance(text, ast.JoinedStr):
                        yield "".join(map(_said, text.values))
                        break
                    if isinstance(text, ast.Constant) and isinstance(text.value, str) and " " in text.value:
                        yield text.value


def _said(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    return OURS.get(ast.unparse(part.value), "7")


@pytest.mark.parametrize("language", ["de", "fr"])
@pytest.mark.parametrize("sentence", sorted(set(sentences())))
def test_a_failure_is_said_in_every_language(sentence: str, language: str) -> None:
    said = phrase(sentence, language, PHRASES)
    assert said != sentence
    assert not any(word in said.split() for word in ("the", "loudspeaker", "answers"))


def test_the_sentences_are_found() -> None:
    assert len(set(sentences())) > 25
