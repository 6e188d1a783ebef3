"""The life of one message in the outbox, as a pure machine (DESIGN §7).

    state      what happens                                       becomes
    ready      claimed                                            sending
    ready      expired                                            withdrawn, told
    sending    the provider has it                                sent
    sending    refused for good                                   failed, told
    sending    surely not processed (429, no connection)          ready, later
    sending    outcome not known, or the lease ran out            unknown
    unknown    listed by the provider                             sent, delivered, failed
    unknown    absent in three lists over 15 s, first time        ready once more, `repeated`
    unknown    the same a second time, or expired                 failed, told
    sent       report                                             delivered, or failed and told
    sent       no report for 60 s: asked, still none              sent, told, asked again later
    sent       the same after it expired                          failed, told
    failed     only for want of a report, which comes late        delivered

A report from the provider moves any of the first four on, also one that comes before the answer to the call.  States
never go backwards but for the two ways back to ready, and for a report that comes when we had given up waiting for it.
*Told* means that the incident hears of it and tries another channel or person; the same may be told twice, so the
event's id is made from the notification's.
"""

from msgspec import Struct
from msgspec.structs import replace

from vorab.model import SECOND, Delivery, Instant, Priority, Receipt, Span

LEASE = Span(15 * SECOND)  #: for one call; the HTTP client gives up after 10 s
REPORT_WITHIN = Span(60 * SECOND)  #: a message without a delivery report after this is asked for
#: From one look at the provider's list to the next: looks at 1, 5 and 15 s; its list may lag by seconds.
LOOKS = (Span(1 * SECOND), Span(4 * SECOND), Span(10 * SECOND))
PATIENCE = Span(10 * SECOND)  #: a wait longer than this is a reason to try another way meanwhile
LONGEST_WAIT = Span(60 * SECOND)  #: between two tries when the provider does not say how long

_LIFE_SAFETY = Priority.LIFE_SAFETY.rank
_FINAL = (Delivery.DELIVERED, Delivery.FAILED, Delivery.WITHDRAWN)
_NO_REPORT = "no delivery report"
_NOT_ASKED = ", and the provider cannot be asked"


class Row(Struct, frozen=True, kw_only=True):
    """Of an outbox row what the machine reads and writes; the fields are the columns of the same name."""

    state: Delivery = Delivery.READY
    priority: int = 0  #: Priority.rank
    due_at: Instant
    expires_at: Instant
    lease_until: Instant | None = None
    fence: int = 0  #: of the newest claim: an answer to an older one is only a report
    owner: int | None = None  #: of several processes, the one that made it
    attempts: int = 0  #: calls made
    lookups: int = 0  #: unknown: lists that did not show it; sent: times it was asked for without a report
    first_sent_at: Instant | None = None
    sent_at: Instant | None = None  #: when the provider took it
    provider_id: str = ""
    reason: str = ""
    repeated: bool = False


class Change(Struct, frozen=True):
    """What the row becomes, and what the host does about it."""

    row: Row
    tell: str = ""  #: why the person was not reached, for the incident; "" = nothing to tell
    look: bool = False  #: ask the provider: Finds.find for an unknown row, Finds.status for a sent one


def claim(row: Row, now: Instant, owner: int | None = None) -> Change:
    """A ready row that is due, taken for sending by this process; withdrawn if it has expired."""
    assert row.state is Delivery.READY
    if now >= row.expires_at:
        return _end(row, Delivery.WITHDRAWN, "expired before it could be sent")
    return Change(
        replace(
            row,
            state=Delivery.SENDING,
            lease_until=Instant(now + LEASE),
            due_at=Instant(now + LEASE),
            fence=row.fence + 1,
            owner=owner,
            attempts=row.attempts + 1,
            first_sent_at=row.first_sent_at or now,
            reason="",
        )
    )


def after_send(row: Row, receipt: Receipt, now: Instant) -> Change:
    """The answer to the call that the row's newest claim made."""
    if row.state not in (Delivery.SENDING, Delivery.UNKNOWN):
        return after_status(row, receipt, now)
    match receipt.state:
        case Delivery.READY:
            return _again(row, receipt, now)
        case Delivery.UNKNOWN if row.state is Delivery.SENDING:
            return _unknown(row, receipt.reason, Instant(now + LOOKS[0]))
        case _:
            return after_status(row, receipt, now)


def after_status(row: Row, receipt: Receipt, now: Instant) -> Change:
    """A report of the provider, whichever way it came, perhaps repeated or overtaken by a later one."""
    another_copy = bool(row.provider_id and receipt.provider_id and receipt.provider_id != row.provider_id)
    is_final = row.state in _FINAL and not (receipt.state is Delivery.DELIVERED and _was_given_up(row))
    if is_final or (another_copy and receipt.state is not Delivery.DELIVERED):
        return Change(row)
    if receipt.provider_id and not row.provider_id:
        row = replace(row, provider_id=receipt.provider_id)
    match receipt.state:
        case Delivery.DELIVERED:
            taken_at = row.sent_at or now
            return Change(replace(row, state=Delivery.DELIVERED, lease_until=None, sent_at=taken_at, reason=""))
        case Delivery.FAILED:
            return _end(row, Delivery.FAILED, receipt.reason)
        case Delivery.SENT if row.state is not Delivery.SENT:
            within = receipt.report_within_s
            due = Instant(now + (REPORT_WITHIN if within is None else int(within * SECOND)))
            return Change(
                replace(row, state=Delivery.SENT, lease_until=None, sent_at=now, due_at=due, lookups=0, reason="")
            )
        case _:
            return Change(row)


def _was_given_up(row: Row) -> bool:
    """Failed for want of news only: no provider ever said so."""
    return row.state is Delivery.FAILED and (row.reason == _NO_REPORT or row.reason.endswith(_NOT_ASKED))


def after_lookup(row: Row, receipt: Receipt | None, now: Instant) -> Change:
    """What asking brought; None = the provider lists no such message."""
    match row.state, receipt:
        case Delivery.UNKNOWN, None:
            return _absent(row, now)
        case Delivery.SENT, (None | Receipt(state=Delivery.SENT)):
            return _unreported(row, now)
        case _, (None | Receipt(state=Delivery.UNKNOWN)):
            return lookup_failed(row, now)
        case _, _:
            return after_status(row, receipt, now)


def lookup_failed(row: Row, now: Instant) -> Change:
    """The provider could not be asked.  Asked again soon, told meanwhile: another channel may work."""
    if row.state not in (Delivery.UNKNOWN, Delivery.SENT):
        return Change(row)
    reason = f"{row.state}{_NOT_ASKED}"
    if now >= row.expires_at + REPORT_WITHIN:
        return _end(row, Delivery.FAILED, reason)
    return Change(replace(row, due_at=Instant(now + LOOKS[-1])), tell=reason)


def overdue(row: Row, now: Instant) -> Change:
    """What is to be done with a row whose `due_at` has come, other than claiming it."""
    match row.state:
        case Delivery.READY if now >= row.expires_at:
            return _end(row, Delivery.WITHDRAWN, "expired before it could be sent")
        case Delivery.SENDING if row.lease_until is None or now >= row.lease_until:
            return _unknown(row, "no answer from the process that sent it", Instant(now + LOOKS[0]))
        case Delivery.UNKNOWN | Delivery.SENT if now >= row.due_at:
            return Change(replace(row, due_at=Instant(now + LEASE)), look=True)
        case _:
            return Change(row)


def withdraw(row: Row, reason: str, now: Instant) -> Change:
    """The incident has moved on: not sent if it was not, never sent a second time if its outcome is unknown."""
    match row.state:
        case Delivery.READY:
            return Change(replace(row, state=Delivery.WITHDRAWN, reason=reason))
        case Delivery.SENDING | Delivery.UNKNOWN:
            return Change(replace(row, expires_at=min(now, row.expires_at)))
        case _:
            return Change(row)


def _again(row: Row, receipt: Receipt, now: Instant) -> Change:
    """Surely not processed: ready again, when the provider says or after 1, 2, 4 … 60 s."""
    own = min(SECOND << min(row.attempts - 1, 6), LONGEST_WAIT)
    wait = own if receipt.retry_after_s is None else int(max(0.0, receipt.retry_after_s) * SECOND)
    due = Instant(min(now + wait, max(now, row.expires_at)))
    ready = replace(row, state=Delivery.READY, due_at=due, lease_until=None, reason=receipt.reason)
    return Change(ready, tell=receipt.reason or "the provider asks to wait" if wait > PATIENCE else "")


def _unknown(row: Row, reason: str, look_at: Instant) -> Change:
    unknown = replace(row, state=Delivery.UNKNOWN, due_at=look_at, lease_until=None, lookups=0, reason=reason)
    return Change(unknown, tell=f"outcome unknown: {reason}" if row.priority >= _LIFE_SAFETY else "")


def _absent(row: Row, now: Instant) -> Change:
    lookups = row.lookups + 1
    if lookups < len(LOOKS):
        return Change(replace(row, lookups=lookups, due_at=Instant(now + LOOKS[lookups])))
    if row.repeated or now >= row.expires_at:
        return _end(replace(row, lookups=lookups), Delivery.FAILED, f"not at the provider: {row.reason}")
    return Change(replace(row, state=Delivery.READY, due_at=now, lookups=lookups, repeated=True))


def _unreported(row: Row, now: Instant) -> Change:
    reason = f"no delivery report in {REPORT_WITHIN // SECOND} s"
    if now >= row.expires_at and row.lookups:
        return _end(row, Delivery.FAILED, _NO_REPORT)
    wait = REPORT_WITHIN << min(row.lookups, 5)
    return Change(replace(row, lookups=row.lookups + 1, due_at=Instant(now + wait)), tell=reason)


def _end(row: Row, state: Delivery, reason: str) -> Change:
    return Change(replace(row, state=state, reason=reason, lease_until=None), tell=reason)
