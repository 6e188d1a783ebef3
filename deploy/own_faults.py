"""Faults of our own, told like any other: an incident for whoever the site calls for its instruments."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import select

from deploy.store.apply import take
from deploy.store.tables import incidents
from deploy.store.transaction import Transaction
from vorab import wire
from vorab.model import Breach, Edge, Priority, ResponseId, RuleId, Said, SensorId, breach_id

RESPONSE = ResponseId("instruments")


class Fault(Struct, frozen=True):
    rule: RuleId
    subject: SensorId  #: its own: by it the open incident is found again
    what: str  #: for the audit
    over: str  #: the note of the edge that clears it
    cause: Said
    action: Said


def report(tx: Transaction, fault: Fault, found: Sequence[str]) -> None:
    """Anything found opens an incident, once, if the site says whom to ask; nothing found clears it."""
    opened = _opened(tx, fault)
    is_told = opened is not None and opened.edge is not Edge.CLEARED
    if found and not is_told:
        tx.note(fault.what, fault.subject, "; ".join(found))
        if tx.world.directory.response(RESPONSE) is not None:
            take(tx, _raised(tx, fault, "; ".join(found)))
    elif not found and opened is not None and is_told:
        take(tx, replace(opened, number=opened.number + 1, edge=Edge.CLEARED, at=tx.at, note=fault.over))


def _raised(tx: Transaction, fault: Fault, note: str) -> Breach:
    return Breach(
        id=breach_id(fault.rule, fault.subject, tx.at),
        number=0,
        edge=Edge.RAISED,
        rule=fault.rule,
        subject=fault.subject,
        onset=tx.at,
        at=tx.at,
        priority=Priority.HIGH,
        respond=RESPONSE,
        rules_hash="",
        note=note,
        cause=fault.cause,
        action=fault.action,
    )


def _opened(tx: Transaction, fault: Fault) -> Breach | None:
    """The newest edge of the newest incident that is open; one that is over may wait for somebody to say "done"."""
    mine = select(incidents.c.body).where(incidents.c.resolved_at.is_(None), incidents.c.subject == fault.subject)
    body = tx.connection.scalar(mine.order_by(incidents.c.opened_at.desc()))
    return None if body is None else wire.unpack(body, wire.INCIDENT).breach
