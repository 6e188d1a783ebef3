"""A gate, two guards on duty and one off, and a sensor: enough to ask somebody, and to ask the next one."""

from collections.abc import Sequence

from vorab.model import (
    MINUTE,
    SECOND,
    Breach,
    Edge,
    Instant,
    PersonId,
    PlaceId,
    Priority,
    Quantity,
    ResponseId,
    RuleId,
    Rung,
    SensorId,
    Span,
    breach_id,
)
from vorab.site import ChannelSettings, Limits, Person, Place, Response, Sensor, SensorType, Site, Way

NOON = Instant(1_764_000_000_000_000)  #: 2025-11-24 16:00 UTC, a Monday
BEN, ANA, CEM = PersonId("ben"), PersonId("ana"), PersonId("cem")
NUMBERS = {"ben": "+33639980002", "ana": "+33639980001", "cem": "+33639980003"}
DOOR = SensorId("gate-b12-door")
OURS = "+33639989999"


class HandClock:
    """Moved by the test alone."""

    def __init__(self, at: Instant = NOON) -> None:
        self.at = at

    def now(self) -> Instant:
        return self.at

    def advance(self, span: int) -> None:
        self.at = Instant(self.at + span)


class Breaches:
    """A capture.db that the test fills."""

    def __init__(self) -> None:
        self.found: list[Breach] = []

    def breaches_after(self, number: int, limit: int, *, urgent: bool = False) -> Sequence[tuple[int, Breach]]:
        later = list(enumerate(self.found, 1))[number:]
        return [one for one in later if not urgent or one[1].priority is Priority.LIFE_SAFETY][:limit]


def person(name: str, base: str, duty: str = "24/7") -> Person:
    return Person(
        PersonId(name),
        name.title(),
        ["security"],
        "en",
        addresses={"sms": NUMBERS[name]},
        duty=duty,
        access=["airside"],
        base=PlaceId(base),
    )


def rung(count: int = 1, wait: int = MINUTE, role: str = "security", channels: Sequence[str] = ("sms",)) -> Rung:
    return Rung(role, count, list(channels), Span(wait))


def small_site(
    ladder: Sequence[Rung] = (rung(1), rung(2)),
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
    people: Sequence[Person] = (),
) -> Site:
    """Ben is one minute from the gate, Ana three, Cem off duty."""
    places = [Place(PlaceId(name), name, "zone", access=access) for name, access in (("post", ""), ("t2", ""))]
    places.append(Place(PlaceId("gate-b12"), "gate B12", "point", access="airside"))
    contact = SensorType("door", "zigbee2mqtt", "zigbee2mqtt/{sensor}")
    return Site(
        name="small",
        zone="Europe/Paris",
        languages=["en"],
        public_url="",
        brokers=[],
        channels=[ChannelSettings("sms", limits=limits)],
        sensors=[Sensor(DOOR, contact, "zigbee2mqtt/gate-b12-door", place=PlaceId("gate-b12"))],
        places=places,
        ways=[Way(PlaceId("post"), PlaceId("gate-b12"), 60), Way(PlaceId("t2"), PlaceId("gate-b12"), 180)],
        people=list(people) or [person("ben", "post"), person("ana", "t2"), person("cem", "post", "Su 01:00-02:00")],
        responses=[Response(ResponseId("security"), list(ladder))],
        rules=b"",
        rules_hash="",
    )


def breach(
    onset: Instant = NOON,
    number: int = 0,
    edge: Edge = Edge.RAISED,
    priority: Priority = Priority.HIGH,
    at: Instant | None = None,
    *,
    latched: bool = False,
    respond: str = "security",
) -> Breach:
    """The door stands open; without `at` it has done so for 30 s."""
    rule = RuleId("door-held-open")
    return Breach(
        id=breach_id(rule, DOOR, onset),
        number=number,
        edge=edge,
        rule=rule,
        subject=DOOR,
        onset=onset,
        at=at or Instant(onset + 30 * SECOND),
        priority=priority,
        respond=ResponseId(respond),
        rules_hash="",
        quantity=Quantity.OPEN,
        value=True,
        cause="Door wedged",
        action="Close it",
        latched=latched,
    )
