"""Who is suitable for an incident, who is nearest, and why: every exclusion and every rank as text (`vorab who`)."""

from collections.abc import Collection, Mapping

from vorab.errors import ConfigurationError
from vorab.model import Candidate, Instant, PersonId, Rung
from vorab.ports import Directory
from vorab.site import Person, Place, Response
from workflows.duty import on_duty

#: Each incident that a person has in hand counts like this many seconds more on foot.
BUSY = 300
DESKTOP = "desktop"


def candidates(
    directory: Directory,
    place: Place | None,
    rung: Rung,
    response: Response | None,
    at: Instant,
    zone: str,
    open_incidents: Mapping[PersonId, int],
    opted_out: Collection[tuple[str, str]],
    looking: Collection[str],
) -> list[Candidate]:
    """Everybody with the rung's role, weighed: the suitable ones first, the nearest of them first.

    `open_incidents`: how many each person has taken and not done.  `opted_out`: (address, channel) that sent STOP.
    `looking`: the desks at which somebody looks.
    """
    skill = response.skill if response else ""
    found = [
        _weigh(directory, person, place, rung, skill, at, zone, open_incidents.get(person.id, 0), opted_out, looking)
        for person in directory.people()
        if rung.role in person.roles
    ]
    return sorted(found, key=_rank)


def _rank(one: Candidate) -> tuple[bool, bool, int, PersonId]:
    return not one.suitable, one.seconds is None, (one.seconds or 0) + BUSY * one.open_incidents, one.person


def _weigh(
    directory: Directory,
    person: Person,
    place: Place | None,
    rung: Rung,
    skill: str,
    at: Instant,
    zone: str,
    open_incidents: int,
    opted_out: Collection[tuple[str, str]],
    looking: Collection[str],
) -> Candidate:
    channels, unheard = _channels(person, rung, opted_out, looking)
    seconds = directory.seconds(person.base, place.id) if person.base and place else None
    checks = [
        _duty(person, at, zone),
        (True, rung.role),
        *(
            [(skill in person.skills, f"certified: {skill}" if skill in person.skills else f"lacks {skill}")]
            * bool(skill)
        ),
        *_access(person, place),
        (bool(channels), f"by {', '.join(channels)}" if channels else unheard),
    ]
    against = [text for ok, text in checks if not ok]
    reasons = against or [*(text for _, text in checks), _distance(seconds), *_workload(open_incidents)]
    return Candidate(person.id, not against, reasons, seconds, channels, open_incidents)


def _duty(person: Person, at: Instant, zone: str) -> tuple[bool, str]:
    try:
        return on_duty(person.duty, at, zone)
    except ConfigurationError as error:
        return False, str(error)


def _access(person: Person, place: Place | None) -> list[tuple[bool, str]]:
    if place is None or not place.access:
        return []
    allowed = place.access in person.access
    return [(allowed, f"{'may' if allowed else 'may not'} enter {place.access}")]


def _channels(
    person: Person, rung: Rung, opted_out: Collection[tuple[str, str]], looking: Collection[str]
) -> tuple[list[str], str]:
    """The rung's channels that reach him, the one he prefers first; and why none does."""
    known = [channel for channel in rung.channels if channel in person.addresses]
    wanted = [channel for channel in known if (person.addresses[channel], channel) not in opted_out]
    open_ = [channel for channel in wanted if channel != DESKTOP or person.addresses[channel] in looking]
    if not open_:
        unheard = "nobody looks at his desk" if wanted else "sent STOP"
        return [], unheard if known else f"no address for {' or '.join(rung.channels)}"
    preferred = [channel for channel in person.channels if channel in open_]
    return [*preferred, *(channel for channel in open_ if channel not in preferred)], ""


def _distance(seconds: int | None) -> str:
    return "no way known" if seconds is None else f"{max(1, -(-seconds // 60))} min on foot"


def _workload(open_incidents: int) -> list[str]:
    if not open_incidents:
        return []
    return [f"has {open_incidents} in hand, counts as {open_incidents * BUSY // 60} min more"]
