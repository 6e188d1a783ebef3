"""The airport that everybody starts with: it is sound, its rules do as their examples say, somebody always comes."""

import struct
from pathlib import Path

import pytest

import deploy
from deploy.cli.examples import played
from deploy.site.files import EVERYBODY
from deploy.site.load import check, load
from notifiers.segments import Encoding, gsm, segments
from rules.ruleset import unpack
from vorab.model import HOUR, Instant, PlaceId, Priority
from vorab.site import Site
from vorab.words import LANGUAGES
from workflows.directory.stub import SiteDirectory
from workflows.nearest import candidates

FOLDER = Path(deploy.__file__).parent / "sites" / "airport"
MONDAY = Instant(1_768_172_400_000_000)  #: 2026-01-12 00:00 in Paris


@pytest.fixture(scope="module")
def airport() -> Site:
    return load(FOLDER)


def test_it_has_neither_faults_nor_warnings() -> None:
    assert check(FOLDER) == []


def test_every_rule_finds_what_the_examples_beside_it_say() -> None:
    found = list(played(FOLDER))
    assert {example.rule for example in found} >= {"door-held-open", "door-unauthorised", "room-too-warm", "aed-taken"}
    assert [example for example in found if not example.ok] == []


def test_it_can_call_nobody(airport: Site) -> None:
    assert airport.demo
    assert airport.channels[0].settings["base_url"] == "phones"
    numbers = [person.addresses["sms"] for person in airport.people]
    assert all(number.startswith("+3363998") for number in numbers)  # reserved for fiction
    assert len(set(numbers)) == len(numbers)
    assert all(
        person.addresses.get("voice", number) == number for person, number in zip(airport.people, numbers, strict=True)
    )
    assert all(person.addresses.get("email", "x.example").endswith(".example") for person in airport.people)


def test_at_every_hour_of_the_week_somebody_who_may_enter_is_on_every_ladder(airport: Site) -> None:
    directory = SiteDirectory(airport)
    for rule in unpack(airport.rules).rules:
        response = directory.response(rule.respond)
        assert response is not None
        for sensor in rule.watch:
            place = directory.place_of(sensor)
            for hour in range(0, 7 * 24, 3):
                at = Instant(MONDAY + hour * HOUR)
                found = [
                    candidate
                    for rung in response.ladder
                    for candidate in candidates(directory, place, rung, response, at, airport.zone, {}, set(), set())
                    if candidate.suitable
                ]
                assert found, f"{rule.id}: nobody for {sensor} in hour {hour}"
                assert found[0].seconds is not None, f"{rule.id}: no way to {sensor}"


def test_at_night_the_nearest_guard_of_the_terminal_is_asked_first(airport: Site) -> None:
    directory = SiteDirectory(airport)
    at = Instant(MONDAY + 3 * HOUR)
    security = directory.response("security")
    assert security is not None

    def first(sensor: str) -> str:
        place = directory.place_of(sensor)
        return candidates(directory, place, security.ladder[0], security, at, airport.zone, {}, set(), set())[0].person

    assert first("gate-b12-door") == "ben"
    assert first("gate-c1-door") == "cem"


def test_a_taken_aed_is_life_safety_and_waits_for_nobody(airport: Site) -> None:
    rule = next(rule for rule in unpack(airport.rules).rules if rule.id == "aed-taken")
    rescue = next(response for response in airport.responses if response.id == rule.respond)
    assert (rule.priority, rule.for_, rule.lateness) == (Priority.LIFE_SAFETY, 0, 0)
    assert {rung.role for rung in rescue.ladder} == {"rescue", "security"}
    assert rescue.ladder[0].wait == 0
    assert rescue.needs == ["rescue", "security"]
    assert [(rung.count, rung.at_once, rung.channels) for rung in rescue.ladder] == [
        (EVERYBODY, True, ["desktop", "sms", "voice"])
    ] * 2
    aed = next(sensor for sensor in airport.sensors if sensor.type.name == "aed")
    assert aed.type.life_safety


def test_whoever_is_in_charge_of_a_room_is_told_that_somebody_comes(airport: Site) -> None:
    assert [response.id for response in airport.responses if response.tell_customer] == ["maintenance"]
    assert {place for person in airport.people for place in person.customer_of} == {"cafe-c2", "lounge-b"}
    assert {person.id: person.channels[:1] for person in airport.people if person.customer_of} == {
        "hana": [],
        "ivo": ["email"],
    }


def test_it_speaks_every_language_everywhere(airport: Site) -> None:
    for place in airport.places:
        assert place.spoken.keys() == set(LANGUAGES), place.id
    for rule in unpack(airport.rules).rules:
        for sentence in (rule.cause, rule.consequence, rule.action):
            assert isinstance(sentence, dict), rule.id
            assert sentence.keys() == set(LANGUAGES), rule.id
            assert len(set(sentence.values())) == len(LANGUAGES), f"{rule.id}: {sentence} stands there twice"


def test_its_sentences_are_short_enough_for_one_sms(airport: Site) -> None:
    """The renderer leaves out what does not fit: with 50 characters each, little is."""
    for rule in unpack(airport.rules).rules:
        for sentence in (rule.cause, rule.action):
            assert isinstance(sentence, dict)
            long = [text for text in sentence.values() if segments(gsm(text)).characters > 50]
            assert long == [], rule.id
            assert not [text for text in sentence.values() if segments(gsm(text)).encoding != Encoding.GSM], rule.id


def test_everything_can_be_seen(airport: Site) -> None:
    places = {place.id: place for place in airport.places}
    points = [place for place in airport.places if place.kind == "point"]
    assert [place.id for place in points if place.at is None] == []
    for place in (places[sensor.place] for sensor in airport.sensors if sensor.place and sensor.type.name != "gateway"):
        assert place.camera, place.id
        assert place.camera.stream == f"demo:{place.id}"
    for gate in (place for place in points if place.readers):
        assert gate.intercom, gate.id
    aed = places[PlaceId("aed-b")].intercom
    assert aed
    assert (FOLDER / aed.instruction).is_file()


def test_plans_and_recordings_are_small() -> None:
    plans, sounds = list(FOLDER.glob("plans/*.svg")), list(FOLDER.rglob("*.wav"))
    assert max(file.stat().st_size for file in plans) < 20_000
    assert sum(file.stat().st_size for file in sounds) < 200_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_sentence_is_played_instead_of_spoken(airport: Site, language: str) -> None:
    names = {rule.id for rule in unpack(airport.rules).rules}
    assert {file.stem for file in (FOLDER / "recordings" / language).iterdir()} <= names
    head = (FOLDER / "recordings" / language / "aed-taken.wav").read_bytes()[:36]
    kind, channels, rate = struct.unpack_from("<HHI", head, 20)
    assert (head[:4], kind, channels, rate) == (b"RIFF", 7, 1, 8000)  # µ-law, as the telephone network carries it
