"""people.yaml and responses.yaml: who can be called, when, by which number, and whether somebody always can."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache

import phonenumbers
from opening_hours import OpeningHours, ParserError  # type: ignore[attr-defined]  # its stubs lack the error

from deploy.site.document import Document, Path_
from deploy.site.faults import unknown
from deploy.site.files import Person as Entry
from deploy.site.files import Response as ResponseEntry
from vorab.model import PersonId, PlaceId, ResponseId, Rung, Span
from vorab.site import Person, Response

#: A week like any other, a Monday: coverage is looked at in these quarters of an hour.
_MONDAY = datetime(2026, 1, 12)
_STEP = timedelta(minutes=15)
_WEEK = [_MONDAY + _STEP * index for index in range(7 * 24 * 4)]
_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")

PHONES = ("sms", "voice")  #: channels whose address is a telephone number
DESKTOP = "desktop"  #: reaches nobody by itself: the desk may be empty

Accepts = Callable[[str], str | None]  #: why a channel cannot use this address; None = it can


def people(
    document: Document,
    entries: dict[str, Entry],
    *,
    places: set[str],
    channels: set[str],
    accepts: Mapping[str, Accepts],
    languages: list[str],
    demo: bool,
) -> list[Person]:
    """The people in the order of the file, telephone numbers in E.164."""
    return [
        _person(document, name, entry, places, channels, accepts, languages, demo) for name, entry in entries.items()
    ]


def _person(
    document: Document,
    name: str,
    entry: Entry,
    places: set[str],
    channels: set[str],
    accepts: Mapping[str, Accepts],
    languages: list[str],
    demo: bool,
) -> Person:
    addresses = {}
    for channel, address in entry.addresses.items():
        path: Path_ = (name, "addresses", channel)
        if channel not in channels:
            document.fault(path, unknown("channel", channel, channels), key=True)
        addresses[channel] = address
        if channel in PHONES:
            try:
                addresses[channel] = telephone(address, fictional=demo)
            except ValueError as error:
                document.fault(path, str(error))
                continue
        if channel in accepts and (wrong := accepts[channel](addresses[channel])):
            document.fault(path, f"{address!r}: {wrong}")
    for index, channel in enumerate(entry.channels):
        if channel not in entry.addresses:
            document.fault((name, "channels", index), unknown("address", channel, entry.addresses))
    if languages and entry.language not in languages:
        document.fault((name, "language"), unknown("language", entry.language, languages))
    for field, used in (("base", [entry.base] if entry.base else []), ("customer_of", entry.customer_of)):
        for place in used:
            if place not in places:
                document.fault((name, field), unknown("place", place, places))
    if entry.duty and (wrong := _wrong_duty(entry.duty)):
        document.fault((name, "duty"), wrong)
    return Person(
        PersonId(name),
        entry.name,
        entry.roles,
        entry.language,
        addresses,
        entry.channels,
        entry.duty,
        entry.skills,
        entry.access,
        PlaceId(entry.base) if entry.base else None,
        [PlaceId(place) for place in entry.customer_of],
    )


def telephone(text: str, *, fictional: bool) -> str:
    """The number in E.164: +33 6 39 98 00 01 → +33639980001.  Raises ValueError.

    A fictional one need only have the right length: numbers reserved for films and demos belong to nobody.
    """
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        raise ValueError(f"{text!r} is no telephone number; write it with its country: '+33 6 12 34 56 78'") from None
    right = phonenumbers.is_possible_number(number) if fictional else phonenumbers.is_valid_number(number)
    if not right:
        raise ValueError(
            f"{text!r} cannot be called: no such number in +{number.country_code}; look for a typing error"
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _wrong_duty(text: str) -> str | None:
    try:
        OpeningHours(text)
    except ParserError as error:
        column = str(error).partition("--> 1:")[2].split("\n")[0]
        at = f" (not understood from {text[int(column) - 1 :]!r} on)" if column.isdigit() and text else ""
        return f"{text!r} are no duty hours{at}; write for example Mo-Fr 07:00-19:00, Sa,Su 22:00-06:00 or 24/7"
    return None


def responses(
    document: Document, entries: dict[str, ResponseEntry], *, channels: set[str], roles: set[str], customers: bool
) -> list[Response]:
    """The responses in the order of the file.  `customers`: some place has one."""
    for name, entry in entries.items():
        asked = {rung.role for rung in entry.ladder}
        for index, role in enumerate(entry.needs):
            if role not in asked:
                message = f"nobody with role {role!r} is ever asked: add a rung for it, or remove it here"
                document.fault((name, "needs", index), message)
        if entry.tell_customer and not customers:
            message = "no place has a customer: nobody will be told; write customer_of in people.yaml"
            document.fault((name, "tell_customer"), message, warning=True)
        for index, rung in enumerate(entry.ladder):
            path: Path_ = (name, "ladder", index)
            if rung.role not in roles:
                document.fault((*path, "role"), unknown("role", rung.role, roles))
            for position, channel in enumerate(rung.channels):
                if channel not in channels:
                    document.fault((*path, "channels", position), unknown("channel", channel, channels))
        if entry.ladder[-1].wait == 0:
            path = (name, "ladder", len(entry.ladder) - 1, "wait")
            document.fault(path, "the last rung is repeated until somebody answers: let it wait, e.g. 60s")
    return [
        Response(
            ResponseId(name),
            [Rung(rung.role, rung.count, rung.channels, Span(rung.wait), rung.at_once) for rung in entry.ladder],
            entry.skill,
            entry.needs,
            entry.tell_customer,
        )
        for name, entry in entries.items()
    ]


def uncovered(document: Document, response: Response, everybody: list[Person]) -> None:
    """Faults for the hours of the week in which nobody on the ladder is on duty and has an address to be reached at."""
    able = [person for person in everybody if _reached_by(person, response)]
    roles = " or ".join(dict.fromkeys(rung.role for rung in response.ladder))
    gaps = list(_gaps(able))
    if not gaps:
        return
    path: Path_ = (response.id, "ladder", 0, "role")
    if len(gaps) == 1 and gaps[0] == (_WEEK[0], _WEEK[0] + timedelta(days=7)):
        document.fault(path, f"nobody with role {roles} can ever be reached{_excuses(response, everybody, None)}")
        return
    spans = ", ".join(_when(start, end) for start, end in gaps[:4]) + (" …" if len(gaps) > 4 else "")
    reasons = _excuses(response, everybody, gaps[0][0])
    document.fault(path, f"on {spans} nobody with role {roles} can be reached{reasons}")


def _reached_by(person: Person, response: Response) -> bool:
    return (not response.skill or response.skill in person.skills) and any(
        rung.role in person.roles and (set(rung.channels) - {DESKTOP}) & person.addresses.keys()
        for rung in response.ladder
    )


@cache
def on_duty(duty: str) -> frozenset[datetime]:
    """The quarters of an hour of the week in which these duty hours hold; local time."""
    if not duty or _wrong_duty(duty):
        return frozenset()
    hours = OpeningHours(duty)
    return frozenset(instant for instant in _WEEK if hours.is_open(instant))


def _gaps(able: Iterable[Person]) -> Iterator[tuple[datetime, datetime]]:
    covered = frozenset[datetime]().union(*(on_duty(duty) for duty in {person.duty for person in able}))
    start: datetime | None = None
    for instant in [*_WEEK, _WEEK[-1] + _STEP]:
        free = instant not in covered and instant <= _WEEK[-1]
        if free and start is None:
            start = instant
        elif not free and start is not None:
            yield start, instant
            start = None


def _when(start: datetime, end: datetime) -> str:
    last = end - _STEP
    days = _DAYS[start.weekday()]
    if last.date() == start.date():
        return f"{days} {start:%H:%M}-{'24:00' if end.date() > start.date() else f'{end:%H:%M}'}"
    return f"{days} {start:%H:%M} to {_DAYS[end.weekday()]} {end:%H:%M}"


def _excuses(response: Response, everybody: list[Person], at: datetime | None) -> str:
    """Why those who have the role cannot: at most three, in brackets."""
    roles = {rung.role for rung in response.ladder}
    channels = dict.fromkeys(channel for rung in response.ladder for channel in rung.channels)
    numbers = " or ".join(channel for channel in channels if channel != DESKTOP)
    found = []
    for person in everybody:
        if not roles & set(person.roles):
            continue
        if response.skill and response.skill not in person.skills:
            found.append(f"{person.id} has no skill {response.skill}")
        elif not _reached_by(person, response):
            found.append(f"{person.id} has no number for {numbers}" if numbers else "a desk may be empty: add sms")
        elif at is None or at not in on_duty(person.duty):
            found.append(f"{person.id} is off duty")
    return f" ({', '.join(found[:3])}{' …' if len(found) > 3 else ''})" if found else ""
