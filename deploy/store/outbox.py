"""The outbox: one row for each message.  `notifiers.delivery` decides what becomes of it; here it is kept.

Whatever leaves the outbox keeps law 8: not past its validity, not to the opted-out, not beyond a person's limits.
"""

import logging
from collections.abc import Iterable
from typing import Any

from msgspec.structs import asdict, replace
from sqlalchemy import Select, bindparam, func, or_, select, text, union_all, update

from deploy.store.prepared import Prepared
from deploy.store.tables import incidents, outbox, pictures
from deploy.store.transaction import Claim, HangUp, Transaction
from notifiers import delivery
from notifiers.delivery import Change, Row
from notifiers.limits import allowed_at
from vorab.model import (
    SECOND,
    Delivery,
    IncidentId,
    Instant,
    Notification,
    NotificationId,
    PersonId,
    Priority,
    Purpose,
    Span,
    State,
)

_MACHINE = Row.__struct_fields__

log = logging.getLogger("vorab.contact")


class Message:
    """One row: what was ordered, which never changes, and where it stands."""

    __slots__ = ("notification", "row")

    def __init__(self, notification: Notification, row: Row) -> None:
        self.notification = notification
        self.row = row

    @property
    def is_request(self) -> bool:
        return self.notification.purpose is Purpose.REQUEST


def put(tx: Transaction, notification: Notification) -> str:
    """The message is in the outbox, being sent already if a sender is free.  Why it will not go out; "" = it may."""
    row = Row(priority=notification.priority.rank, due_at=notification.created_at, expires_at=notification.expires_at)
    is_free = tx.free(urgent=notification.priority is Priority.LIFE_SAFETY) > 0
    change = _claimed(tx, Message(notification, row)) if is_free else Change(row)
    _INSERT.run(tx.connection, _values(notification) | _columns(change.row))
    if change.tell:
        tx.note(f"message {change.row.state}", notification.id, change.tell)
    return change.tell


def give_up(tx: Transaction, notification: Notification, reason: str) -> None:
    """A message that there cannot be is in the outbox too, as failed."""
    row = Row(
        state=Delivery.FAILED,
        priority=notification.priority.rank,
        due_at=notification.created_at,
        expires_at=notification.expires_at,
        reason=reason,
    )
    _INSERT.run(tx.connection, _values(notification) | _columns(row))
    tx.note(f"message {row.state}", notification.id, reason)


def claim(tx: Transaction, message: Message) -> str:
    """A ready message that is due is being sent, or put off, or withdrawn.  Why it will not go out; "" = it may."""
    return write(tx, message, _claimed(tx, message))


def write(tx: Transaction, message: Message, change: Change) -> str:
    """The row is what the change says, with one audit line if its state is another; gives back what is to be told.

    What we learn of only when it is valid no more is stopped, if it still can be.
    """
    if change.row != message.row:
        _UPDATE.run(tx.connection, {"message": message.notification.id, **_columns(change.row)})
    if change.row.state is not message.row.state:
        tx.note(f"message {change.row.state}", message.notification.id, change.row.reason)
        if change.row.state is Delivery.SENT and change.row.expires_at <= tx.at:
            _stop(tx, message, change.row.provider_id)
    message.row = change.row
    return change.tell


def _stop(tx: Transaction, message: Message, provider_id: str) -> None:
    if hasattr(tx.world.channels.get(message.notification.channel), "hang_up"):
        tx.errands.append(HangUp(message.notification.channel, provider_id))


def withdraw(tx: Transaction, messages: Iterable[Message], reason: str) -> None:
    """Not sent, if that can still be helped: also what this transaction itself was about to hand over."""
    for message in messages:
        row = message.row
        kept = [claim for claim in tx.claims if claim.notification.id != message.notification.id]
        if len(kept) < len(tx.claims):
            tx.claims = kept
            row = replace(row, state=Delivery.READY, attempts=row.attempts - 1, lease_until=None)
        elif row.state is Delivery.SENT:
            _stop(tx, message, row.provider_id)
        write(tx, message, delivery.withdraw(row, reason, tx.at))


def due(tx: Transaction) -> list[Message]:
    """What must be looked at now, the most urgent first, as far as there are senders; the reserve only sends."""
    free, others = tx.free(urgent=True), tx.free(urgent=False)
    found = _read(tx, _DUE, {"at": tx.at, "limit": free}) if free > 0 else []
    first = sorted(found, key=_turn)[:free]
    return [message for place, message in enumerate(first) if place < others or _is_urgent(message)]


def _turn(message: Message) -> tuple[int, bool, Instant]:
    """The more urgent, then what can be sent, then what has been due for longer."""
    row = message.row
    return -row.priority, row.state is not Delivery.READY, row.due_at


def _is_urgent(message: Message) -> bool:
    return message.notification.priority is Priority.LIFE_SAFETY and message.row.state is Delivery.READY


def one(tx: Transaction, notification: str, provider_id: str = "") -> Message | None:
    """By our id, else by the provider's."""
    found = _read(tx, _ONE, {"message": notification})
    if not found and provider_id:
        found = _read(tx, _BY_PROVIDER, {"provider": provider_id})
    return found[0] if found else None


def of(tx: Transaction, incident: IncidentId) -> list[Message]:
    """Every message of this incident, the newest first."""
    return _read(tx, _OF, {"incident": incident})


def requests_to(tx: Transaction, person: PersonId, channel: str) -> list[Message]:
    """The requests to this person by this channel for incidents that nobody has taken."""
    return _read(tx, _REQUESTS, {"person": person, "channel": channel})


def being_sent(tx: Transaction) -> list[Message]:
    return _read(tx, _SENDING, {})


def orphans(tx: Transaction) -> list[Message]:
    """What other processes were sending that are no more; of one that only hangs, nothing before its leases end."""
    return _read(tx, _ORPHANS, {"own": tx.owner})


def _claimed(tx: Transaction, message: Message) -> Change:
    """What claiming makes of a ready row, with the limits of its person in between."""
    notification, row = message.notification, message.row
    if (notification.address, notification.channel) in tx.opted_out:
        return Change(delivery.withdraw(row, "sent STOP", tx.at).row, tell="sent STOP")
    at = _allowed_at(tx, notification)
    if at >= row.expires_at > tx.at:
        reason = "the limit of messages to this person is reached"
        return Change(delivery.withdraw(row, reason, tx.at).row, tell=reason)
    if at > tx.at:
        return Change(replace(row, due_at=at))
    picture, comes_at = _picture(tx, notification)
    if comes_at > tx.at:
        return Change(replace(row, due_at=comes_at))
    change = delivery.claim(row, tx.at, tx.owner)
    if change.row.state is Delivery.SENDING and change.row.lease_until is not None:
        claimed = Claim(replace(notification, picture=picture), change.row.fence, change.row.lease_until, tx.owner)
        tx.claims.append(claimed)
    return change


PICTURE_WITHIN = Span(3 * SECOND)  #: so long a message that can show the picture of the place waits; life safety never


def _picture(tx: Transaction, notification: Notification) -> tuple[bytes, Instant]:
    """The picture of the place, if the channel can show it; and until when it is worth waiting for."""
    channel = tx.world.channels.get(notification.channel)  # None: it has left the site since the message was ordered
    if notification.purpose is not Purpose.REQUEST or channel is None or not channel.shows_pictures:
        return b"", tx.at
    found = _PICTURE.run(tx.connection, {"incident": notification.incident}).fetchone()
    if found is None:
        return b"", tx.at
    jpeg, reason, asked_at = found
    goes_now = jpeg or reason or notification.priority is Priority.LIFE_SAFETY
    return jpeg or b"", tx.at if goes_now else Instant(asked_at + PICTURE_WITHIN)


def _allowed_at(tx: Transaction, notification: Notification) -> Instant:
    """Life safety counts only its own kind, in its own windows, and never waits: that there are too many is said."""
    limits = tx.world.limits.get(notification.channel)
    urgent = notification.priority is Priority.LIFE_SAFETY
    windows = (limits.life_safety if urgent else limits.windows) if limits else []
    if not windows:
        return tx.at
    counted = {
        "person": notification.person,
        "channel": notification.channel,
        "since": tx.at - max(span for span, _ in windows),
        "low": Priority.LIFE_SAFETY.rank if urgent else 0,
        "high": Priority.LIFE_SAFETY.rank - (not urgent),
    }
    how_many, fewest = _HOW_MANY.scalar(tx.connection, counted), min(number for _, number in windows)
    if how_many < fewest:
        return tx.at  # as nearly always
    if urgent:
        if how_many == fewest:  # once, not with each of those after it
            log.warning("%s gets more messages of life safety than the site expects", notification.person)
            tx.note("more than expected", notification.person, f"{how_many} messages of life safety; none is withheld")
        return tx.at
    return allowed_at([Instant(at) for (at,) in _WHEN.run(tx.connection, counted)], windows, tx.at)


def _values(notification: Notification) -> dict[str, Any]:
    values = asdict(notification)
    del values["picture"]
    return values | {"event": values.pop("number"), "purpose": notification.purpose.value}


def _columns(row: Row) -> dict[str, Any]:
    return asdict(row) | {"state": row.state.value}


def _read(tx: Transaction, query: Prepared, values: dict[str, object]) -> list[Message]:
    return [_message(dict(zip(_NAMES, row, strict=True))) for row in query.run(tx.connection, values)]


def notification_of(values: Any) -> Notification:
    """The message in a row, without its picture."""
    return Notification(
        id=NotificationId(values["id"]),
        incident=IncidentId(values["incident"]),
        number=values["event"],
        person=PersonId(values["person"]),
        channel=values["channel"],
        purpose=Purpose(values["purpose"]),
        address=values["address"],
        text=values["text"],
        token=values["token"],
        priority=list(Priority)[values["priority"]],
        created_at=values["created_at"],
        expires_at=values["expires_at"],
    )


def _message(values: Any) -> Message:
    row = Row(**{name: values[name] for name in _MACHINE} | {"state": Delivery(values["state"])})
    return Message(notification_of(values), row)


_PICTURE = Prepared(
    select(pictures.c.jpeg, pictures.c.reason, pictures.c.asked_at).where(pictures.c.incident == bindparam("incident"))
)
_STATES = (Delivery.READY, Delivery.SENDING, Delivery.UNKNOWN, Delivery.SENT)
_OPEN = text("state IN ('ready','sending','unknown','sent')")  # word for word as in the index
_NAMES = outbox.c.keys()
_ALL = select(outbox)
_INSERT = Prepared(outbox.insert(), _NAMES)


def _first(priority: Priority, state: Delivery) -> Select[Any]:
    """Those of one kind that are due, the oldest first: straight from the index, however many wait."""
    kind = text(f"state = '{state}' AND priority = {priority.rank}")
    found = _ALL.where(_OPEN, kind, outbox.c.due_at <= bindparam("at"))
    return select(found.order_by(outbox.c.due_at).limit(bindparam("limit")).subquery())


_DUE = Prepared(union_all(*(_first(priority, state) for priority in Priority for state in _STATES)))
_ONE = Prepared(_ALL.where(outbox.c.id == bindparam("message")))
_BY_PROVIDER = Prepared(_ALL.where(outbox.c.provider_id == bindparam("provider")))
_OF = Prepared(_ALL.where(outbox.c.incident == bindparam("incident")).order_by(outbox.c.event.desc()))
_SENDING = Prepared(_ALL.where(_OPEN, outbox.c.state == Delivery.SENDING.value))
#: PostgreSQL's: whoever lives holds the lock with his number (deploy.store.postgres.Listener).
_OTHERS = (
    select(outbox.c.owner)
    .where(_OPEN, outbox.c.state == Delivery.SENDING.value, outbox.c.owner != bindparam("own"))
    .distinct()
    .cte("others")
    .prefix_with("MATERIALIZED")
)
_ORPHANS = Prepared(
    _ALL.where(
        _OPEN,
        outbox.c.state == Delivery.SENDING.value,
        outbox.c.owner.in_(select(_OTHERS.c.owner).where(func.pg_try_advisory_xact_lock_shared(_OTHERS.c.owner))),
    )
)
_REQUESTS = Prepared(
    _ALL.join(incidents, incidents.c.id == outbox.c.incident).where(
        incidents.c.state == State.TRIGGERED.value,
        outbox.c.person == bindparam("person"),
        outbox.c.channel == bindparam("channel"),
        outbox.c.purpose == Purpose.REQUEST.value,
        outbox.c.state != Delivery.FAILED.value,
        outbox.c.state != Delivery.WITHDRAWN.value,
    )
)
_BEING_SENT = text("sent_at IS NULL AND state IN ('sending','unknown') AND first_sent_at > :since")
_SENT_LATELY = (
    outbox.c.person == bindparam("person"),
    outbox.c.channel == bindparam("channel"),
    outbox.c.priority.between(bindparam("low"), bindparam("high")),
    or_(outbox.c.sent_at > bindparam("since"), _BEING_SENT),
)
_HOW_MANY = Prepared(select(func.count()).where(*_SENT_LATELY))
_WHEN = Prepared(select(func.coalesce(outbox.c.sent_at, outbox.c.first_sent_at)).where(*_SENT_LATELY))
_UPDATE = Prepared(update(outbox).where(outbox.c.id == bindparam("message")), _MACHINE)
