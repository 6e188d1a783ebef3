"""What a message is when an incident orders it: to which address, in which words, for how long it is valid."""

from sqlalchemy import bindparam, select, text

from deploy.store.prepared import Prepared
from deploy.store.tables import journal
from deploy.store.transaction import Transaction
from notifiers.text import Facts
from vorab import wire
from vorab.model import (
    DAY,
    MINUTE,
    Answer,
    Incident,
    Instant,
    Notification,
    PersonId,
    Purpose,
    Span,
    State,
    notification_id,
)
from vorab.ports import Directory
from vorab.site import Person, Place
from workflows.incident import Event, Notify, RungDue

VALID = Span(10 * MINUTE)  #: a message that asks for nothing
VALID_AT_LEAST = MINUTE  #: a request; otherwise until the next rung
VOICE = "voice"  #: what is said aloud has the spoken names of places
RUNG = wire.unpacker(RungDue)


def compose(tx: Transaction, incident: Incident, event: Event, order: Notify, channel: str) -> Notification | str:
    """The message, its text frozen; or why there can be none."""
    person = tx.world.directory.person(order.person)
    if person is None:
        return f"{order.person} is not in the directory"
    if channel not in tx.world.channels:
        return f"this site has no channel {channel!r}"
    address = person.addresses.get(channel)
    if address is None:
        return f"no address for {channel}"
    who = event.by if isinstance(event, Answer) and _is_about(order, event) else incident.owner
    facts = _facts(tx, incident, person, who, _reasons(tx, incident, event, order), channel)
    written = tx.world.texts.render(order.purpose, channel, person.language, facts, tx.world.channels[channel].limit)
    if written.fault:
        tx.note("template at fault", incident.id, written.fault)
    return addressed(tx, incident, order, channel, address, written.text)


def _is_about(order: Notify, answer: Answer) -> bool:
    """Whether it tells of what another has just said, rather than of who goes first."""
    return order.purpose in (Purpose.DONE, Purpose.TAKEN) and order.person != answer.by


def addressed(
    tx: Transaction, incident: Incident, order: Notify, channel: str, address: str, words: str
) -> Notification:
    return Notification(
        id=notification_id(incident.id, incident.events, order.person, channel),
        incident=incident.id,
        number=incident.events,
        person=order.person,
        channel=channel,
        purpose=order.purpose,
        address=address,
        text=words,
        token=incident.code,
        priority=incident.breach.priority,
        created_at=tx.at,
        expires_at=_expires_at(tx, incident, order.purpose),
    )


def _expires_at(tx: Transaction, incident: Incident, purpose: Purpose) -> Instant:
    if purpose is not Purpose.REQUEST or incident.wake_at is None:
        return Instant(tx.at + VALID)
    return max(incident.wake_at, Instant(tx.at + VALID_AT_LEAST))


def _reasons(tx: Transaction, incident: Incident, event: Event, order: Notify) -> list[str]:
    """Why this person: as weighed for the rung, now or, when he asks, the last time."""
    if isinstance(event, RungDue):
        weighed = [event.weighed]
    elif order.purpose is Purpose.WHY:
        bodies = tx.connection.scalars(_RUNGS, {"incident": incident.id}).all()
        weighed = [wire.unpack(body, RUNG).weighed for body in bodies]
    else:
        weighed = []
    of_him = (one for found in weighed for one in found if one.person == order.person and one.suitable)
    return next((one.reasons for one in of_him), [])


def _facts(
    tx: Transaction, incident: Incident, reader: Person, who: PersonId | None, reasons: list[str], channel: str
) -> Facts:
    directory, breach = tx.world.directory, incident.breach
    place = directory.place_of(breach.subject)
    owner = directory.person(who) if who else None
    return Facts(
        priority=breach.priority,
        breach=breach,
        held=Span(max(tx.at, breach.at) - breach.onset if breach.at > breach.onset else 0),
        place=place,
        place_names=names(tx.world.directory, place, reader.language if channel == VOICE else ""),
        seconds=directory.seconds(reader.base, place.id) if reader.base and place else None,
        code=incident.code,
        owner=owner.name if owner else who or "",
        at=tx.at,
        reasons=reasons,
        link="" if tx.world.channels[channel].requests_only else _link(tx, incident, reader.id),
        helps=owner.name if owner and incident.state is State.TRIGGERED and reader.id not in incident.going else "",
        needed=incident.state is State.TRIGGERED and reader.id in incident.pending,
        expected=incident.expected_at,
        joined=reader.id in incident.going,
    )


def _link(tx: Transaction, incident: Incident, reader: PersonId) -> str:
    """The address of his page, which is there for a day after his last message."""
    if tx.world.link is None:
        return ""
    token, url = tx.world.link(incident.id, reader)
    values = {"token": token, "incident": incident.id, "person": reader, "expires_at": tx.at + DAY}
    _KEEP_LINK.run(tx.connection, values)
    return url


def names(directory: Directory, place: Place | None, spoken: str = "") -> list[str]:
    """Of the place and those around it, outermost first: as they are written on the doors, or said in this language."""
    if place is None:
        return []
    around = [directory.place(step) for step in place.path or [place.id]]
    return [one.spoken.get(spoken, one.name) for one in around if one is not None]


_KEEP_LINK = Prepared(
    text(
        "INSERT INTO links (token, incident, person, expires_at) VALUES (:token, :incident, :person, :expires_at)"
        " ON CONFLICT (token) DO UPDATE SET expires_at = excluded.expires_at"
    )
)
_RUNGS = (
    select(journal.c.body)
    .where(journal.c.incident == bindparam("incident"), journal.c.kind == "rung")
    .order_by(journal.c.event.desc())
)
