"""Who is suitable, who is nearest, and that every exclusion and rank is said in words."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.small_site import ANA, BEN, CEM, DOOR, NOON, NUMBERS, person, rung, small_site
from vorab.errors import ConfigurationError
from vorab.model import DAY, HOUR, Instant, PersonId, PlaceId, ResponseId
from vorab.site import Person, Place, Response, Way
from workflows.directory.stub import SiteDirectory
from workflows.duty import fault, on_duty
from workflows.nearest import candidates

PARIS = "Europe/Paris"  # NOON is a Monday, 17:00 there


def weighed(people: list[Person], busy: dict[PersonId, int] | None = None, **changes: Any) -> dict[PersonId, list[str]]:
    directory = SiteDirectory(small_site(people=people))
    found = candidates(
        directory,
        changes.get("place", directory.place_of(DOOR)),
        changes.get("rung", rung(channels=("sms", "voice"))),
        changes.get("response"),
        NOON,
        PARIS,
        busy or {},
        changes.get("opted_out", set()),
        changes.get("looking", set()),
    )
    return {one.person: [f"{'+' if one.suitable else '-'}{one.seconds}", *one.channels, *one.reasons] for one in found}


BEN_HIMSELF, ANA_HERSELF = person("ben", "post"), person("ana", "t2")


def test_the_nearest_comes_first_with_every_reason() -> None:
    found = weighed([ANA_HERSELF, BEN_HIMSELF])
    assert list(found) == [BEN, ANA]
    assert found[BEN] == ["+60", "sms", "on duty", "security", "may enter airside", "by sms", "1 min on foot"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"duty": ""}, "no duty hours"),
        ({"duty": "Mo-Fr 07:00-16:30"}, "off duty until Tue 07:00"),
        ({"duty": "cat"}, "duty 'cat': Failed to parse expression: --> 1:1; write hours such as Mo-Fr 07:00-19:00"),
        ({"access": []}, "may not enter airside"),
        ({"addresses": {}}, "no address for sms or voice"),
        ({"addresses": {"mail": "x"}}, "no address for sms or voice"),
    ],
)
def test_what_excludes_a_person_is_said(change: dict[str, Any], reason: str) -> None:
    found = weighed([replace(BEN_HIMSELF, **change), ANA_HERSELF])
    assert list(found) == [ANA, BEN]
    assert found[BEN][0] == "-60"
    assert found[BEN][-1] == reason


def test_a_skill_that_the_response_needs() -> None:
    response = Response(ResponseId("rescue"), [], skill="first-aid")
    found = weighed([BEN_HIMSELF, replace(ANA_HERSELF, skills=["first-aid"])], response=response)
    assert found[BEN][-1] == "lacks first-aid"
    assert "certified: first-aid" in found[ANA]


def test_another_role_is_not_even_weighed() -> None:
    assert weighed([BEN_HIMSELF], rung=rung(role="rescue")) == {}


def test_who_sent_stop_is_not_reached_by_that_channel() -> None:
    both = replace(BEN_HIMSELF, addresses={"sms": NUMBERS["ben"], "voice": NUMBERS["ben"]})
    assert weighed([both], opted_out={(NUMBERS["ben"], "sms")})[BEN][1:3] == ["voice", "on duty"]
    assert weighed([BEN_HIMSELF], opted_out={(NUMBERS["ben"], "sms")})[BEN][-1] == "sent STOP"


def test_his_preferred_channel_goes_first_within_those_of_the_rung() -> None:
    addresses = {"sms": "1", "voice": "2", "mail": "3"}
    assert weighed([replace(BEN_HIMSELF, addresses=addresses)])[BEN][1:3] == ["sms", "voice"]
    choosy = replace(BEN_HIMSELF, addresses=addresses, channels=["mail", "voice"])
    assert weighed([choosy])[BEN][1:3] == ["voice", "sms"]


def test_who_has_an_incident_in_hand_counts_as_five_minutes_further() -> None:
    found = weighed([BEN_HIMSELF, ANA_HERSELF], busy={BEN: 1})
    assert list(found) == [ANA, BEN]
    assert found[BEN][-1] == "has 1 in hand, counts as 5 min more"


def test_no_way_known_is_last_but_not_excluded() -> None:
    found = weighed([replace(BEN_HIMSELF, base=None), ANA_HERSELF])
    assert list(found) == [ANA, BEN]
    assert (found[BEN][0], found[BEN][-1]) == ("+None", "no way known")


def test_a_sensor_without_a_place_is_still_answered() -> None:
    found = weighed([replace(BEN_HIMSELF, access=[])], place=None)
    assert found[BEN][0] == "+None"


@pytest.mark.parametrize(
    ("duty", "at", "expected"),
    [
        ("24/7", NOON, (True, "on duty")),
        ("Mo-Fr 07:00-19:00", NOON, (True, "on duty until 19:00")),
        ("Mo-Su 18:00-06:00", NOON, (False, "off duty until 18:00")),
        ("Mo-Su 18:00-06:00", Instant(NOON + 3 * HOUR), (True, "on duty until Tue 06:00")),
        ("Sa 08:00-12:00", NOON, (False, "off duty until Sat 08:00")),
        ("", NOON, (False, "no duty hours")),
        # the clocks go forward in Paris on 29 March 2026: 07:00 is one hour earlier in UTC
        ("Mo-Fr 07:00-19:00", Instant(1_774_846_800_000_000), (True, "on duty until 19:00")),
        ("Mo-Fr 07:00-19:00", Instant(1_774_846_800_000_000 - 3 * DAY), (False, "off duty until 07:00")),
    ],
)
def test_duty_hours_are_those_of_the_sites_time_zone(duty: str, at: Instant, expected: tuple[bool, str]) -> None:
    assert on_duty(duty, at, PARIS) == expected


def test_duty_hours_that_cannot_be_read_say_what_to_write() -> None:
    assert fault("Mo-Fr 07:00-19:00; PH off") is None
    assert "Mo-Fr 07:00-19:00" in (fault("always") or "")
    with pytest.raises(ConfigurationError, match="write hours such as"):
        on_duty("7 to 9", NOON, PARIS)


# --- the stub of the CRM ----------------------------------------------------------------------------------------------


def directory() -> SiteDirectory:
    """a -10- b -10- c -100- a, and d that no way leads to; "desk" stands in b."""
    names = [PlaceId(name) for name in ("a", "b", "c", "d", "desk")]
    a, b, c, d, desk = names
    places = [Place(name, name, "zone") for name in (a, b, c, d)] + [Place(desk, "desk", "point", b, [b, desk])]
    ways = [Way(a, b, 10), Way(b, c, 10), Way(c, a, 100)]
    return SiteDirectory(replace(small_site(), places=places, ways=ways))


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("a", "c", 20),  # by b, which is quicker than the straight way
        ("c", "a", 20),  # ways lead in both directions
        ("a", "a", 0),
        ("desk", "c", 10),  # a place without ways of its own is where the place around it is
        ("a", "desk", 10),
        ("a", "d", None),
        ("d", "d", 0),
        ("a", "nowhere", None),
        ("nowhere", "a", None),
    ],
)
def test_walking_times(start: str, end: str, seconds: int | None) -> None:
    assert directory().seconds(start, end) == seconds


def test_what_the_site_does_not_know_is_none() -> None:
    crm = SiteDirectory(small_site())
    assert (crm.person("x"), crm.place_of("x"), crm.sensor("x"), crm.response("x"), crm.place("x")) == (None,) * 5
    assert {one.id for one in crm.people()} == {BEN, ANA, CEM}
