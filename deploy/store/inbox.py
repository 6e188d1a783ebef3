"""The inbox: what came from people and providers, each row applied once, in order, and kept with its outcome."""

from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Row, bindparam, func, select, text, update

from deploy.store import outbox
from deploy.store.apply import apply, read, undelivered
from deploy.store.tables import inbox, incidents
from deploy.store.tables import outbox as outbox_table
from deploy.store.transaction import HangUp, Transaction
from notifiers import delivery
from notifiers.reply import Reply, parse
from notifiers.text import DESK
from vorab.errors import Malformed
from vorab.model import (
    DAY,
    HOUR,
    Answer,
    Delivery,
    Incident,
    IncidentId,
    Instant,
    Meaning,
    PersonId,
    PlaceId,
    Purpose,
    Receipt,
)
from vorab.ports import Inbound
from vorab.site import Person
from vorab.wire import INCIDENT, unpack
from workflows.incident import DESKTOP, Rated, Talked

WRONG_CODES = 5  #: of one person in an hour; after that he is not heard until the hour is over


class ReplyBody(Struct, frozen=True):
    channel: str
    sender: str  #: address
    text: str
    to: str = ""


class StatusBody(Struct, frozen=True):
    channel: str
    state: Delivery
    provider_id: str = ""
    notification: str = ""
    reason: str = ""
    hang_up: str = ""  #: not empty: nobody listens, and the line is still open


class KeyBody(Struct, frozen=True):
    channel: str
    provider_id: str  #: of the call
    notification: str
    meaning: Meaning


class ClickBody(Struct, frozen=True):
    """At the desk, or on the page behind a link."""

    person: str
    incident: str
    meaning: Meaning
    by: str = ""  #: who was signed in


class RatingBody(Struct, frozen=True):
    """On the customer's page."""

    person: str
    incident: str
    score: str  #: 1 to 5


class TalkBody(Struct, frozen=True):
    incident: str
    place: str
    by: str
    seconds: str


def keep(tx: Transaction, inbound: Inbound) -> bool:
    """A polled reply is in the inbox, once, whether or not a webhook had brought it.  Whether it is new."""
    body = ReplyBody(inbound.channel, inbound.sender, inbound.text)
    values = {"id": inbound.id, "kind": "reply", "at": inbound.at, "body": msgspec.json.encode(body).decode()}
    return tx.connection.execute(_KEEP, values).rowcount == 1


def waiting(tx: Transaction, limit: int) -> list[Row[Any]]:
    return list(tx.connection.execute(_WAITING, {"limit": limit}))


def hear(tx: Transaction, row: Row[Any]) -> None:
    """This row has had its effect.  Raises Malformed for one that nobody can have meant."""
    try:
        match row.kind:
            case "reply":
                outcome = _reply(tx, row, msgspec.json.decode(row.body, type=ReplyBody))
            case "status":
                outcome = _status(tx, msgspec.json.decode(row.body, type=StatusBody))
            case "key":
                outcome = _key(tx, row, msgspec.json.decode(row.body, type=KeyBody))
            case "click":
                outcome = _click(tx, row, msgspec.json.decode(row.body, type=ClickBody), DESKTOP)
            case "page":
                outcome = _click(tx, row, msgspec.json.decode(row.body, type=ClickBody), "page")
            case "rating":
                rated = msgspec.json.decode(row.body, type=RatingBody)
                outcome = _rate(tx, row, IncidentId(rated.incident), PersonId(rated.person), rated.score)
            case "talk":
                outcome = _talk(tx, row, msgspec.json.decode(row.body, type=TalkBody))
            case _:
                raise Malformed(f"inbox: nothing is known of the kind {row.kind!r}")
    except msgspec.DecodeError as error:
        raise Malformed(f"inbox: {error}") from None
    settle(tx, row, outcome)


def settle(tx: Transaction, row: Row[Any], outcome: str) -> None:
    """The row is done with; what had no effect leaves an audit line, what had one has left its own."""
    tx.connection.execute(_SETTLE, {"row": row.number, "applied_at": tx.at, "outcome": outcome})
    if outcome != APPLIED:
        tx.note(f"{row.kind} without effect", row.id, outcome)


APPLIED = "applied"


# --- replies ----------------------------------------------------------------------------------------------------------


def _reply(tx: Transaction, row: Row[Any], body: ReplyBody) -> str:
    people = [one for one in tx.world.directory.people() if one.addresses.get(body.channel) == body.sender]
    if not people:
        return f"unknown sender {masked(body.sender)}"
    reply = parse(body.text)
    if reply is None:
        return _rating(tx, row, people, body.text) or f"not an answer, from {people[0].id}"
    if reply.meaning in (Meaning.STOP, Meaning.START):
        return _opt(tx, people, body.channel, body.sender, reply.meaning)
    return _answer(tx, row, people, body.channel, reply)


def _answer(tx: Transaction, row: Row[Any], people: list[Person], channel: str, reply: Reply) -> str:
    """To the newest incident with this code that one of them was asked for."""
    wrong = f"wrong code, from {people[0].id}"
    if _count(tx, wrong) >= WRONG_CODES:
        return f"not heard: {WRONG_CODES} wrong codes within an hour, from {people[0].id}"
    for incident in map(_incident, tx.connection.scalars(_BY_CODE, {"code": reply.code})):
        person = next((one.id for one in people if one.id in incident.asked), None)
        if person is not None:
            apply(tx, incident.id, row.id, answered(tx, row, incident, person, reply.meaning, channel))
            return APPLIED
    return wrong


def answered(
    tx: Transaction, row: Row[Any], incident: Incident, person: PersonId, meaning: Meaning, channel: str, by: str = ""
) -> Answer:
    """The answer, with what is known of who gives it."""
    directory = tx.world.directory
    found, place = directory.person(person), directory.place_of(incident.breach.subject)
    seconds = directory.seconds(found.base, place.id) if found and found.base and place else None
    return Answer(row.id, person, meaning, Instant(row.at), channel, by, found.roles if found else [], seconds)


def _rating(tx: Transaction, row: Row[Any], people: list[Person], said: str) -> str:
    """A customer's one digit, for the last incident of which he was asked; "" = it is none."""
    if said.strip() not in SCORES:
        return ""
    for person in people:
        incident = tx.connection.scalar(_ASKED_OF, {"person": person.id, "since": tx.at - DAY})
        if incident is not None:
            return _rate(tx, row, IncidentId(incident), person.id, said.strip())
    return ""


SCORES = frozenset("12345")


def _rate(tx: Transaction, row: Row[Any], incident: IncidentId, person: PersonId, score: str) -> str:
    if score not in SCORES:
        raise Malformed(f"inbox: a score of {score[:20]!r}; there are 1 to 5")
    done = apply(tx, incident, row.id, Rated(person, int(score)))
    return APPLIED if done else f"no such incident {incident}, or known already"


def _incident(body: bytes) -> Incident:
    return unpack(body, INCIDENT)


def _count(tx: Transaction, outcome: str) -> int:
    return tx.connection.scalar(_RECENT, {"outcome": outcome, "since": tx.at - HOUR}) or 0


def _opt(tx: Transaction, people: list[Person], channel: str, address: str, meaning: Meaning) -> str:
    """STOP: no message to this address any more; whoever waits for his answer is helped at once.  START: again."""
    key = {"address": address, "channel": channel}
    tx.connection.execute(_OPT_IN, key)
    if meaning is Meaning.STOP:
        tx.connection.execute(_OPT_OUT, key | {"at": tx.at})
    tx.forget_opt_outs()
    for person in people:
        tx.note(f"wrote {meaning.upper()}", person.id, channel, who=person.id)
        if meaning is Meaning.STOP:
            for message in outbox.requests_to(tx, person.id, channel):
                outbox.withdraw(tx, [message], "wrote STOP")
                undelivered(tx, message, "wrote STOP")
    return APPLIED


def masked(address: str) -> str:
    """Enough to find it, too little to call it: +336…89."""
    return f"{address[:4]}…{address[-2:]}" if len(address) > 8 else "…"


# --- reports and clicks -----------------------------------------------------------------------------------------------


def _status(tx: Transaction, body: StatusBody) -> str:
    message = outbox.one(tx, body.notification, body.provider_id)
    if message is None:
        return f"no such message: {body.notification or body.provider_id}"
    receipt = Receipt(body.state, body.provider_id, body.reason)
    tell = outbox.write(tx, message, delivery.after_status(message.row, receipt, tx.at))
    if body.hang_up and message.row.state is Delivery.FAILED:  # delivered: a person has pressed a key
        tx.errands.append(HangUp(body.channel, body.provider_id))
    if tell:
        undelivered(tx, message, tell)
    return APPLIED


def _key(tx: Transaction, row: Row[Any], body: KeyBody) -> str:
    """A person pressed it: the call has reached him, whatever is reported of it later."""
    message = outbox.one(tx, body.notification)
    if message is None:
        return f"no such message: {body.notification}"
    receipt = Receipt(Delivery.DELIVERED, body.provider_id)
    outbox.write(tx, message, delivery.after_status(message.row, receipt, tx.at))
    notification = message.notification
    incident = read(tx, notification.incident)
    if incident is None:
        return f"no such incident {notification.incident}"
    answer = answered(tx, row, incident, notification.person, body.meaning, body.channel)
    return APPLIED if apply(tx, incident.id, row.id, answer) else "known already"


def _talk(tx: Transaction, row: Row[Any], body: TalkBody) -> str:
    if not (body.seconds.isascii() and body.seconds.isdigit() and len(body.seconds) < 6):
        raise Malformed(f"inbox: seconds are {body.seconds[:20]!r}")
    event = Talked(PersonId(body.by), PlaceId(body.place), int(body.seconds))
    done = apply(tx, IncidentId(body.incident), row.id, event)
    return APPLIED if done else f"no such incident {body.incident}, or known already"


def _click(tx: Transaction, row: Row[Any], body: ClickBody, channel: str) -> str:
    if body.meaning in (Meaning.STOP, Meaning.START):
        raise Malformed(f"inbox: {body.meaning} is said by message, not by click")
    if body.person != DESK and tx.world.directory.person(body.person) is None:
        raise Malformed(f"inbox: nobody is called {body.person[:64]!r}")
    incident = read(tx, IncidentId(body.incident))
    if incident is None:
        return f"no such incident {body.incident}"
    answer = answered(tx, row, incident, PersonId(body.person), body.meaning, channel, body.by)
    return APPLIED if apply(tx, incident.id, row.id, answer) else "known already"


_WAITING = select(inbox).where(inbox.c.applied_at.is_(None)).order_by(inbox.c.number).limit(bindparam("limit"))
_SETTLE = update(inbox).where(inbox.c.number == bindparam("row"))
_KEEP = text("INSERT INTO inbox (id, kind, at, body) VALUES (:id, :kind, :at, :body) ON CONFLICT (id) DO NOTHING")
_RECENT = select(func.count()).where(inbox.c.outcome == bindparam("outcome"), inbox.c.at > bindparam("since"))
_BY_CODE = (
    select(incidents.c.body)
    .where(incidents.c.code == bindparam("code"))
    .order_by(incidents.c.resolved_at.is_(None).desc(), incidents.c.opened_at.desc())
    .limit(20)
)
_ASKED_OF = (
    select(outbox_table.c.incident)
    .where(
        outbox_table.c.person == bindparam("person"),
        outbox_table.c.purpose == Purpose.RATE.value,
        outbox_table.c.created_at > bindparam("since"),
    )
    .order_by(outbox_table.c.created_at.desc())
    .limit(1)
)
_OPT_IN = text("DELETE FROM opt_outs WHERE address = :address AND channel = :channel")
_OPT_OUT = text("INSERT INTO opt_outs (address, channel, at) VALUES (:address, :channel, :at)")
