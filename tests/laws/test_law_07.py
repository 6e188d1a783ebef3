"""Law 7, nobody is forgotten: an unanswered step escalates on time, also after a restart; only an answer counts."""

import pytest

from tests.airport import Airport
from vorab.model import State
from vorab.testing.phones import Fault


def opened(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=30)
    airport.phone("cem").receives_sms("C1")


def test_law_7_an_unanswered_step_escalates_on_time(airport: Airport) -> None:
    opened(airport)
    airport.passes(seconds=60)
    airport.phone("cem").rings()


def test_law_7_also_when_its_time_came_while_we_were_down(airport: Airport) -> None:
    opened(airport)
    airport.goes_down()
    airport.passes(minutes=10)
    airport.comes_back()
    airport.passes(seconds=2)
    airport.phone("cem").rings()


def test_law_7_the_last_rung_repeats_until_somebody_takes_it(airport: Airport) -> None:
    opened(airport)
    airport.passes(minutes=30)
    asked = [text for text in airport.unexpected() if "C1" in text]
    assert len(asked) >= 5
    assert airport.incidents()[0].wake_at is not None


@pytest.mark.parametrize(
    "text",
    ["I am out of office until {code} June", "Liked “High: door C1 open … Reply {code}”", "{code} {code}1", "ok"],
)
def test_law_7_what_nobody_meant_as_an_answer_is_none(airport: Airport, text: str) -> None:
    opened(airport)
    cem = airport.phone("cem")
    cem.and_replies(text.replace("{code}", cem.code))
    airport.passes(seconds=5)
    assert airport.incidents()[0].state is State.TRIGGERED


def test_law_7_everybody_asked_at_once_is_asked_again_until_somebody_takes_it(airport: Airport) -> None:
    airport.world.fail(Fault.BAD_REQUEST, to=airport.phone("fay").number)
    airport.aed("aed-b").taken()
    airport.passes(minutes=3)
    for name in ("fay", "ana"):
        assert len(airport.world.received(airport.phone(name).number)) >= 3, name
