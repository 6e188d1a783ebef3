"""The inbox: what came from people and providers, each row applied once, in order, and kept with its outcome."""

from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Row, bindparam, func, select, text, update

from deploy.store import outbox
from deploy.store.apply import apply, undelivered
from deploy.store.tables import inbox, incidents
from deploy.store.transaction import Transaction
from notifiers import delivery
from notifiers.reply import Reply, parse
from vorab.errors import Malformed
from vorab.model import HOUR, Answer, Delivery, Incident, IncidentId, Instant, Meaning, PersonId, Receipt
from vorab.ports import Inbound
from vorab.site import Person
from vorab.wire import INCIDENT, unpack

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


class ClickBody(Struct, frozen=True):
    person: str
    incident: str
    meaning: Meaning
    by: str = ""  #: who was signed in


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
            case "click":
                outcome = _click(tx, row, msgspec.json.decode(row.body, type=ClickBody))
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
        return f"not an answer, from {people[0].id}"
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
            apply(tx, incident.id, row.id, Answer(row.id, person, reply.meaning, Instant(row.at), channel))
            return APPLIED
    return wrong


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
    if tell:
        undelivered(tx, message, tell)
    return APPLIED


def _click(tx: Transaction, row: Row[Any], body: ClickBody) -> str:
    if body.meaning in (Meaning.STOP, Meaning.START):
        raise Malformed(f"inbox: {body.meaning} is said by message, not by click")
    incident, person = IncidentId(body.incident), PersonId(body.person)
    answer = Answer(row.id, person, body.meaning, Instant(row.at), "desktop", body.by)
    return APPLIED if apply(tx, incident, row.id, answer) else f"no such incident {body.incident}, or known already"


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
_OPT_IN = text("DELETE FROM opt_outs WHERE address = :address AND channel = :channel")
_OPT_OUT = text("INSERT INTO opt_outs (address, channel, at) VALUES (:address, :channel, :at)")
