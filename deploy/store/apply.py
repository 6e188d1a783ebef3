"""The one door into an incident.  Nothing else writes incidents or orders messages.

In the caller's transaction: the row locked, the event's own id unique in the journal (a repeated one changes nothing),
`workflows.incident.step`, then the incident, its orders into the outbox, journal and audit.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, select, text, update

from deploy.store import outbox
from deploy.store.message import VOICE, addressed, compose
from deploy.store.prepared import Prepared
from deploy.store.store import open_incidents
from deploy.store.tables import breaches, incidents
from deploy.store.transaction import Instruct, Picture, Transaction
from vorab import wire
from vorab.model import (
    FOR_CUSTOMERS,
    Answer,
    Breach,
    BreachId,
    Candidate,
    Delivery,
    Incident,
    IncidentId,
    Notification,
    PersonId,
    Priority,
    Purpose,
    Rung,
    Span,
    State,
    incident_id,
)
from vorab.site import Person
from workflows.incident import (
    NO_RUNG,
    BreachEdge,
    Cancel,
    DeliveryFailed,
    Event,
    FollowUpDue,
    Notify,
    Opened,
    Order,
    Rated,
    ReminderDue,
    RungDue,
    Talked,
    due_rungs,
    step,
)
from workflows.nearest import candidates

EDGES = wire.unpacker(Breach)


def take(tx: Transaction, breach: Breach) -> None:
    """One edge of a breach: opens an incident, attaches to the one of its id, or waits for the edges before it.

    It does not wait for those that were set aside.
    """
    following: Breach | None = breach
    while following is not None:
        before = read(tx, incident_id(following.id))
        expected = before.breach.number + 1 if before else 0
        if following.number > expected and not _overtakes(tx, following, expected):
            _wait(tx, following)
            return
        if following.number >= expected:
            event = BreachEdge(following) if before else _opened(tx, following)
            _apply(tx, before, f"{following.id}#{following.number}", event)
        following = _waiting(tx, following)


def suppress(tx: Transaction, breach: Breach, reason: str) -> None:
    """A breach that cannot be applied is kept with its reason."""
    tx.connection.execute(
        _SUPPRESS,
        {"id": breach.id, "edge": breach.number, "reason": reason, "at": tx.at, "body": wire.pack(breach)},
    )
    tx.note("breach set aside", breach.id, reason)


def set_aside(tx: Transaction) -> list[Row[Any]]:
    """What could not be applied, perhaps not even read, in order: its id, its edge and its bytes."""
    return list(tx.connection.execute(_SET_ASIDE))


def take_again(tx: Transaction, row: Any) -> None:
    """What was set aside is taken as if it came now.  Raises Corrupt when it still cannot be read."""
    breach = wire.unpack(row.body, EDGES)
    _is_taken(tx, breach.id, breach.number)
    take(tx, breach)


def put_off(tx: Transaction, incident: IncidentId, span: Span) -> None:
    """An incident that cannot go on is woken again after this span."""
    tx.connection.execute(_UPDATE, {"incident": incident, "wake_at": tx.at + span})


def wake(tx: Transaction, incident: IncidentId) -> None:
    """What is due for this incident happens, if it still is.  One without a ladder waits until the site has it."""
    found = read(tx, incident)
    if found is None or not _is_due(tx, found):
        return
    if found.state is State.TRIGGERED and not (found.ladder or _ladder(tx, found.breach)):
        put_off(tx, incident, NO_RUNG)
        return
    _apply(tx, found, *_due(tx, found))


def undelivered(tx: Transaction, message: outbox.Message, reason: str) -> None:
    """The incident hears, once, that this will not reach its person by this channel, if that matters to it."""
    if message.is_request or message.notification.purpose in FOR_CUSTOMERS:
        apply(tx, message.notification.incident, *_failed(message.notification, reason))


def read(tx: Transaction, incident: IncidentId) -> Incident | None:
    """The incident, locked until the end of the transaction."""
    body = _BODY.scalar(tx.connection, {"incident": incident})
    return None if body is None else wire.unpack(body, wire.INCIDENT)


def apply(tx: Transaction, incident: IncidentId, event_id: str, event: Event) -> Incident | None:
    """The incident after this event and all that falls due by it; None = there is none, or it knew the event."""
    found = read(tx, incident)
    if found is None or tx.knows(event_id):
        return None
    return _apply(tx, found, event_id, event)


def _apply(tx: Transaction, before: Incident | None, event_id: str, event: Event) -> Incident:
    """A new event of an incident that is locked.  What is due at once, and what cannot be sent, are events too."""
    ahead: deque[tuple[str, Event]] = deque([(event_id, event)])
    now = before
    while ahead:
        event_id, event = ahead.popleft()
        after, orders = step(now, event, tx.at)
        tx.journal(after, event_id, _kind(event), wire.pack(event))
        tx.note(*_line(now, after, event, orders))
        now = after
        ahead.extend(one for one in _carry_out(tx, after, event, orders) if not tx.knows(one[0]))
        if not ahead and _is_due(tx, after):
            ahead.append(_due(tx, after))
    assert now is not None
    _write(tx, now, new=before is None)
    return now


# --- events that the host makes ---------------------------------------------------------------------------------------


def _opened(tx: Transaction, breach: Breach) -> Opened:
    ladder = _ladder(tx, breach)
    if not ladder:
        tx.note("nobody can be asked", breach.id, f"the site has no response {breach.respond!r}")
    opened = Opened(breach, _code(tx, incident_id(breach.id)), ladder, *_told_besides(tx, breach))
    _look_and_speak(tx, incident_id(breach.id), breach)
    return opened


def _look_and_speak(tx: Transaction, incident: IncidentId, breach: Breach) -> None:
    """After the commit a picture of the place is taken; of life safety its loudspeaker may have something to say."""
    scene, place = tx.world.scene, tx.world.directory.place_of(breach.subject)
    if scene is None or place is None:
        return
    if scene.sees(place):
        tx.connection.execute(_AWAIT_PICTURE, {"incident": incident, "at": tx.at})
        tx.errands.append(Picture(incident, place.id))
    if breach.priority is Priority.LIFE_SAFETY:
        tx.errands.append(Instruct(incident, place.id))


def _told_besides(tx: Transaction, breach: Breach) -> tuple[list[str], dict[PersonId, list[str]]]:
    """The roles that must all go, and the customers of the place with the channels by which they are told."""
    response, place = tx.world.directory.response(breach.respond), tx.world.directory.place_of(breach.subject)
    if response is None:
        return [], {}
    people = tx.world.directory.customers(place.id) if place and response.tell_customer else []
    return response.needs, {one.id: channels for one in people if (channels := _quiet(tx, one))}


def _quiet(tx: Transaction, person: Person) -> list[str]:
    """The channels by which he can be told what asks for nothing, the ones he prefers first."""
    known = [channel for channel in dict.fromkeys([*person.channels, *person.addresses]) if channel in person.addresses]
    known = [channel for channel in known if (person.addresses[channel], channel) not in tx.opted_out]
    return [one for one in known if (channel := tx.world.channels.get(one)) and not channel.requests_only]


def _ladder(tx: Transaction, breach: Breach) -> list[Rung]:
    response = tx.world.directory.response(breach.respond)
    return response.ladder if response else []


def _is_due(tx: Transaction, incident: Incident) -> bool:
    return incident.wake_at is not None and incident.wake_at <= tx.at


def _due(tx: Transaction, incident: Incident) -> tuple[str, Event]:
    event_id = f"{incident.id}/due/{incident.events}"
    if incident.state is State.TAKEN:
        return event_id, ReminderDue()
    if incident.state is State.RESOLVED:
        return event_id, FollowUpDue()
    first, *others = [_candidates(tx, incident, rung) for rung in due_rungs(incident)] or [[]]
    return event_id, RungDue(first, others, [] if incident.ladder else _ladder(tx, incident.breach))


def _candidates(tx: Transaction, incident: Incident, rung: Rung) -> list[Candidate]:
    world, breach = tx.world, incident.breach
    return candidates(
        world.directory,
        world.directory.place_of(breach.subject),
        rung,
        world.directory.response(breach.respond),
        tx.at,
        world.zone,
        open_incidents(tx.connection, incident.id),
        tx.opted_out,
        tx.looking,
    )


def _failed(notification: Notification, reason: str) -> tuple[str, Event]:
    event = DeliveryFailed(
        notification.id, notification.number, notification.person, notification.channel, reason, notification.purpose
    )
    return f"{notification.id}/failed", event


def _wait(tx: Transaction, breach: Breach) -> None:
    values = {"id": breach.id, "edge": breach.number, "at": tx.at, "body": wire.pack(breach)}
    tx.connection.execute(_WAIT, values)


def _overtakes(tx: Transaction, breach: Breach, expected: int) -> bool:
    """Whether all the edges before it, from the expected one on, were set aside; then they stay so."""
    before = {"breach": breach.id, "first": expected, "number": breach.number}
    if tx.connection.scalar(_SET_ASIDE_BEFORE, before) != breach.number - expected:
        return False
    tx.connection.execute(_OVERTAKE, before)
    return True


def _waiting(tx: Transaction, applied: Breach) -> Breach | None:
    """The edge after this one, if it came too early; it waits no longer."""
    number = applied.number + 1
    body = _WAITING.scalar(tx.connection, {"breach": applied.id, "number": number})
    if body is None:
        return None
    _is_taken(tx, applied.id, number)
    return wire.unpack(body, EDGES)


def _is_taken(tx: Transaction, breach: BreachId, number: int) -> None:
    """The row waits no more: it goes; on PostgreSQL, where workers put every edge, it stays as applied."""
    is_kept = tx.connection.dialect.name == "postgresql"
    tx.connection.execute(_TAKEN if is_kept else _NO_LONGER, {"breach": breach, "number": number})


def _code(tx: Transaction, incident: IncidentId) -> str:
    """Digits that no open incident has: four, made from its id; six when four tries are taken, for many are open."""
    digits = f"{int(incident, 16):020d}"
    short = (digits[at : at + 4] for at in (16, 12, 8, 4))
    long = (f"{(int(digits[-6:]) + step) % 10**6:06d}" for step in range(10**6))
    return next(code for code in chain(short, long) if not _IS_OPEN.scalar(tx.connection, {"code": code}))


# --- orders -----------------------------------------------------------------------------------------------------------


def _carry_out(
    tx: Transaction, incident: Incident, event: Event, orders: Iterable[Order]
) -> Iterator[tuple[str, Event]]:
    """Orders become rows of the outbox; what cannot go out at all comes back as an event."""
    heard: dict[PersonId, str] | None = None
    for order in orders:
        if isinstance(order, Cancel):
            requests = [one for one in outbox.of(tx, incident.id) if one.is_request]
            requests = [one for one in requests if one.notification.person not in order.besides]
            outbox.withdraw(tx, requests, "the incident moved on")
            continue
        if not order.channel and heard is None:
            heard = _heard(tx, incident)
        channel = _way(tx, order, order.channel or (heard or {}).get(order.person, ""))
        if not channel:
            tx.note("nothing to tell", incident.id, f"{order.purpose}: {order.person} has not heard of it")
            continue
        tx.ordered += 1
        notification = compose(tx, incident, event, order, channel)
        if isinstance(notification, Notification):
            failure = outbox.put(tx, notification)
        else:
            failure = notification
            notification = addressed(tx, incident, order, channel, "", "")
            outbox.give_up(tx, notification, failure)
        if failure and (order.purpose is Purpose.REQUEST or order.purpose in FOR_CUSTOMERS):
            yield _failed(notification, failure)


def _way(tx: Transaction, order: Notify, channel: str) -> str:
    """The channel itself; for what asks for nothing a quiet one of the same person instead, if there is one."""
    known = tx.world.channels.get(channel)
    if known is None or order.purpose is Purpose.REQUEST or not known.requests_only:
        return channel
    person = tx.world.directory.person(order.person)
    return next(iter(_quiet(tx, person)), "") if person else ""


def _heard(tx: Transaction, incident: Incident) -> dict[PersonId, str]:
    """By which channel each person last heard of this incident; whose telephone rang has heard of it too."""
    lost = (Delivery.FAILED, Delivery.WITHDRAWN)
    return {
        one.notification.person: one.notification.channel
        for one in reversed(outbox.of(tx, incident.id))
        if one.row.state not in lost or (one.notification.channel == VOICE and one.row.sent_at is not None)
    }


# --- rows -------------------------------------------------------------------------------------------------------------


def _write(tx: Transaction, incident: Incident, *, new: bool) -> None:
    breach = incident.breach
    values: dict[str, Any] = {
        "code": incident.code,
        "state": incident.state.value,
        "priority": breach.priority.value,
        "owner": incident.owner,
        "resolved_at": incident.resolved_at,
        "wake_at": incident.wake_at,
        "next_edge": breach.number + 1,
        "body": wire.pack(incident),
    }
    if new:
        first = {"id": incident.id, "breach": breach.id, "subject": breach.subject, "opened_at": incident.opened_at}
        _INSERT.run(tx.connection, values | first)
    else:
        _REWRITE.run(tx.connection, values | {"incident": incident.id})


def _line(before: Incident | None, after: Incident, event: Event, orders: list[Order]) -> tuple[str, str, str, str]:
    """The audit line: what happened, to which incident, what followed, and who did it."""
    told = [f"{order.purpose} to {order.person}" for order in orders if isinstance(order, Notify)]
    moved = [f"{before.state} → {after.state}"] if before and before.state is not after.state else []
    detail = "; ".join([*moved, *_why(event, after), *told])
    who = event.by if isinstance(event, Answer | Talked | Rated) else "vorab"
    return _what(event), after.id, detail, who


def _kind(event: Event) -> str:
    return str(type(event).__struct_config__.tag)


def _what(event: Event) -> str:
    match event:
        case Answer(meaning=meaning):
            return f"answered: {meaning}"
        case BreachEdge(breach=breach):
            return f"breach {breach.edge}"
        case Opened():
            return "opened"
        case RungDue():
            return "rung due"
        case ReminderDue():
            return "reminder due"
        case FollowUpDue():
            return "follow-up due"
        case Talked():
            return "talked"
        case Rated():
            return "rated"
        case DeliveryFailed():
            return "not reached"


def _why(event: Event, incident: Incident) -> list[str]:
    match event:
        case Opened(breach=breach):
            return [breach.id]
        case RungDue(weighed=found) if not any(one.suitable for one in found):
            return [f"nobody suitable among {len(found)} on rung {incident.rung}"]
        case Answer(channel=channel, clicked_by=clicked_by):
            return [f"by {channel}" + (f", clicked by {clicked_by}" if clicked_by else "")]
        case DeliveryFailed(person=person, channel=channel, reason=reason):
            return [f"{person} by {channel}: {reason}"]
        case Talked(place=place, seconds=seconds):
            return [f"{seconds} s over the loudspeaker of {place}"]
        case Rated(score=score):
            return [f"{score} of 5"]
    return []


_AWAIT_PICTURE = text("INSERT INTO pictures (incident, asked_at) VALUES (:incident, :at)")
_BODY = Prepared(select(incidents.c.body).where(incidents.c.id == bindparam("incident")).with_for_update())
_INSERT = Prepared(incidents.insert(), incidents.c.keys())
_IS_OPEN = Prepared(
    select(incidents.c.id).where(incidents.c.resolved_at.is_(None), incidents.c.code == bindparam("code"))
)
_UPDATE = update(incidents).where(incidents.c.id == bindparam("incident"))
_REWRITE = Prepared(_UPDATE, ["code", "state", "priority", "owner", "resolved_at", "wake_at", "next_edge", "body"])
_WAIT = text(
    "INSERT INTO breaches (id, edge, state, at, body) VALUES (:id, :edge, 'waiting', :at, :body)"
    " ON CONFLICT (id, edge) DO UPDATE SET state = excluded.state"
)
_SUPPRESS = text(
    "INSERT INTO breaches (id, edge, state, reason, at, body) VALUES (:id, :edge, 'suppressed', :reason, :at, :body)"
    " ON CONFLICT (id, edge) DO UPDATE SET state = excluded.state, reason = excluded.reason"
)
_OF_EDGE = (breaches.c.id == bindparam("breach"), breaches.c.edge == bindparam("number"))
_WAITING = Prepared(select(breaches.c.body).where(*_OF_EDGE, breaches.c.state == "waiting"))
_NO_LONGER = delete(breaches).where(*_OF_EDGE)
_TAKEN = update(breaches).where(*_OF_EDGE).values(state="applied")
_SUPPRESSED = breaches.c.state == "suppressed"
_SET_ASIDE = (
    select(breaches.c.id, breaches.c.edge, breaches.c.body).where(_SUPPRESSED).order_by(breaches.c.id, breaches.c.edge)
)
_BEFORE = (
    breaches.c.id == bindparam("breach"),
    breaches.c.edge >= bindparam("first"),
    breaches.c.edge < bindparam("number"),
    _SUPPRESSED,
)
_SET_ASIDE_BEFORE = select(func.count()).where(*_BEFORE)
_OVERTAKE = update(breaches).where(*_BEFORE).values(state="overtaken")
