"""The page of handsets speaks every language of its people."""

import json
import re
from importlib.resources import files

from vorab.words import LANGUAGES

FOLDER = files("vorab.testing.phones")
WORDS = json.loads((FOLDER / "handsets.json").read_text("utf-8"))


def test_every_sentence_is_there_in_every_language() -> None:
    assert set(WORDS) == set(LANGUAGES)
    for language in LANGUAGES:
        assert set(WORDS[language]) == set(WORDS["en"]), language
        assert all(WORDS[language].values()), language


def test_every_sentence_that_the_page_asks_for_is_there_and_no_other() -> None:
    script = (FOLDER / "handsets.js").read_text("utf-8")
    page = (FOLDER / "handsets.html").read_text("utf-8")
    asked = set(re.findall(r"\b(?:phone\.said|pageWords\(\))\.([a-z_]+)", script))
    asked |= set(re.findall(r'data-word="(\w+)"', page))
    of_an_offer = {"go", "no", "why", "done"}
    assert asked == set(WORDS["en"]) - of_an_offer
