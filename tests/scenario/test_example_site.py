"""The airport that everybody starts with: it is sound, its rules do as their examples say, somebody always comes."""

from pathlib import Path

import pytest

import deploy
from deploy.cli.examples import played
from deploy.site.load import check, load
from rules.ruleset import unpack
from vorab.model import HOUR, Instant, Priority
from vorab.site import Site
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
    aed = next(sensor for sensor in airport.sensors if sensor.type.name == "aed")
    assert aed.type.life_safety
