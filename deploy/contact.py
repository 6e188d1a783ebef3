"""The contact process: breaches become incidents, orders become messages, answers come back (DESIGN §3, §7).

One thread decides and writes; a few others only talk to providers, and give back what they heard.
"""

import hashlib
import logging
import queue
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Engine, bindparam, select, text

from deploy import balance
from deploy.balance import Balance
from deploy.store import audit, inbox, outbox
from deploy.store.apply import put_off, set_aside, take_again, undelivered, wake
from deploy.store.breaches import Breaches, set_row_aside
from deploy.store.outbox import Message
from deploy.store.postgres import is_away
from deploy.store.prepared import Prepared
from deploy.store.store import cursor, set_cursor
from deploy.store.tables import incidents
from deploy.store.transaction import (
    AT_ONCE,
    Claim,
    Errand,
    HangUp,
    Instruct,
    Link,
    Look,
    Picture,
    Transaction,
    World,
)
from deploy.watchdog import Watchdog
from notifiers import delivery
from notifiers.delivery import Change
from notifiers.text import Texts
from vorab import crash
from vorab.errors import ConfigurationError, TemporaryFailure
from vorab.model import (
    DAY,
    HOUR,
    MILLISECOND,
    MINUTE,
    SECOND,
    Delivery,
    IncidentId,
    Instant,
    PersonId,
    PlaceId,
    Priority,
    Receipt,
    Span,
)
from vorab.ports import Channel, Clock, Directory, Inbound, Scene
from vorab.site import Place, Site

SENDERS = 16  #: threads that talk to providers
RESERVED = 2  #: of them, which only hand over life safety, so that it waits for no other message
SENDERS_FIRST = Span(2 * MILLISECOND)  #: after handing jobs over, this thread stays out of their way for so long
POLL_EVERY = 10 * SECOND
ANSWERS_WITHIN = Span(5 * SECOND)  #: after a start nobody is asked, but for life safety, until the first poll is back
OVERLAP = MINUTE  #: polled again, because a provider's list may lag
PUT_OFF = MINUTE  #: what could not be handled is tried again after this
CALL = Span(10 * SECOND)  #: the longest that handing one message over takes (notifiers.http.TOTAL_S)
ORPHANS_EVERY = SECOND
PICTURE_LOST = Span(30 * SECOND)  #: a picture that is not there by then is brought by nobody

log = logging.getLogger("vorab.contact")


class Poll(Struct, frozen=True):
    """Ask the provider of this channel what people wrote since then."""

    channel: str
    since: Instant
    at: Instant


class Count(Struct, frozen=True):
    """Draw up the balance of law 2."""


Job = Claim | Look | Poll | Count


class Heard(Struct, frozen=True):
    """What a job brought, or an errand."""

    job: Job | Errand
    value: Receipt | list[Inbound] | Balance | bytes | None = None
    failure: str = ""  #: why it brought nothing


class Ahead(Struct, frozen=True):
    """What lies ahead in the store."""

    inbox: int | None  #: the first row that is not applied
    wake: Instant | None  #: the first incident that is due
    outbox: Instant | None  #: the first message that is due
    unsealed: int | None  #: an audit line
    is_open: int | None  #: an incident


class Contact:
    """`turn` does all that is due; whatever has to survive the process is in the store.

    `send` runs a job on another thread (a test: at once).  `changed` is called after each commit.  `count` draws up the
    balance of law 2; None = nobody asks for it.  `link` makes the addresses of the pages in messages.  `errand` runs
    what nobody waits for, on threads of its own, so that a slow camera keeps no message waiting.  `watchdog` looks
    after the workers of a site on Kafka; None = there are none.  `owner` names this process among several, of which
    each takes over what dead ones were sending; None = it is the only one, and what was being sent is its own.

    Where the store does not answer, `turn` raises, and may be called again: nothing is lost or done twice by that.
    """

    def __init__(
        self,
        site: Site,
        store: Engine,
        breaches: Breaches,
        directory: Directory,
        channels: Mapping[str, Channel],
        texts: Texts,
        clock: Clock,
        send: Callable[[Callable[[], None]], None],
        changed: Callable[[], None] = lambda: None,
        count: Callable[[], Balance] | None = None,
        link: Callable[[IncidentId, PersonId], Link] | None = None,
        scene: Scene | None = None,
        errand: Callable[[Callable[[], None]], None] | None = None,
        watchdog: Watchdog | None = None,
        owner: Callable[[], int | None] | None = None,
    ) -> None:
        limits = {settings.name: settings.limits for settings in site.channels}
        self._world = World(directory, site.zone, channels, limits, texts, link, scene)
        self._errand = errand or send
        self._connection, self._breaches, self._clock = store.connect(), breaches, clock
        self._send, self._changed, self._count = send, changed, count
        self._watchdog, self._owner = watchdog, owner
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._senders = SENDERS
        self._busy = 0  #: jobs that have not come back
        self._begun: Transaction | None = None  #: not known to be committed
        self._doubtful: list[Claim] = []  #: perhaps committed, surely not handed over
        self._again: list[Heard] = []  #: perhaps written
        self._errands: list[Errand] = []  #: of the same transactions
        now = clock.now()
        self._poll_at: dict[str, Instant] = {name: now for name, one in channels.items() if hasattr(one, "replies")}
        self._polled: dict[str, Instant] = {}
        self._first_polls = set(self._poll_at)  #: not back yet: what people wrote while we were down is not known
        self._quiet_until = Instant(now + ANSWERS_WITHIN)  #: at the latest
        self._seal_at, self._count_at = now, Instant(now + MINUTE)
        self._tidy_at, self._retain = now, site.retain
        self._orphans_at = now
        with self._connection.begin():
            connection = self._connection
            breaches.start(connection)
            for name in self._poll_at:
                self._polled[name] = Instant(cursor(connection, f"replies/{name}") or now - DAY)
            tx = Transaction(connection, self._world, now, 0, careful=True)
            if owner is None:
                tx.each(outbox.being_sent(tx), _take_over, _put_off_message)
            tx.each(set_aside(tx), take_again, set_row_aside)  # perhaps the cause is mended
            connection.execute(_NO_PICTURE, {"before": now - (PICTURE_LOST if owner else 0)})
            tx.close()

    def turn(self) -> Instant:
        """Everything that is due has been done and committed.  When something is due next."""
        while True:
            worked, now, ahead = self._round()
            started = self._start_what_is_due(now, ahead)
            if not worked and not started:
                return self._next(now, ahead)
            if self._busy and self._heard.empty():
                return Instant(now + SENDERS_FIRST)

    def close(self) -> None:
        """What the last jobs brought is written; nothing new is begun."""
        self._senders = 0
        self._round()
        self.leave()

    def leave(self) -> None:
        """As if the process had been killed."""
        self._connection.close()

    # --- one transaction ----------------------------------------------------------------------------------------------

    def _round(self) -> tuple[bool, Instant, Ahead]:
        """Whether anything was done, when, and what lies ahead after it."""
        new = [self._heard.get() for _ in range(self._heard.qsize())]
        self._busy -= sum(isinstance(one.job, Job) for one in new)
        self._first_polls -= {one.job.channel for one in new if isinstance(one.job, Poll)}
        self._polled |= {one.job.channel: one.job.at for one in new if isinstance(one.job, Poll) and not one.failure}
        heard = [*self._again, *new]
        self._breaches.look()
        try:
            tx, ahead = self._do(heard)
        except Exception:
            self._keep(heard)
            raise
        self._breaches.taken()
        errands = [*dict.fromkeys([*self._errands, *tx.errands])] if self._errands else tx.errands
        self._doubtful, self._again, self._errands = [], [], []
        jobs: list[Job] = [*tx.claims, *tx.looks]
        for job in jobs:
            self._start(job)
        for errand in errands:
            self._errand(partial(self._go, errand))
        if tx.worked:
            self._changed()
        return tx.worked, tx.at, ahead

    def _do(self, heard: list[Heard]) -> tuple[Transaction, Ahead]:
        try:
            return self._commit(heard, careful=False)
        except Exception as error:
            if is_away(error):
                raise  # the store itself: nothing may be set aside for that
            log.exception("something cannot be applied: everything once more, one by one")
            return self._commit(heard, careful=True)

    def _keep(self, heard: list[Heard]) -> None:
        """Whether the transaction was committed is not known: what it did is done once more, or undone."""
        self._again = heard
        if self._begun is not None:
            self._doubtful += self._begun.claims
            self._errands += self._begun.errands
        self._connection.invalidate()

    def _commit(self, heard: list[Heard], *, careful: bool) -> tuple[Transaction, Ahead]:
        """Answers come first, so that nobody is asked for what somebody has taken (law 8)."""
        connection, self._begun = self._connection, None
        with connection.begin():
            now = self._clock.now()  # only here: it may have waited for its turn
            free = max(0, self._senders - self._busy)
            quiet = self._is_quiet(now)
            reserved, owner = SENDERS if quiet else RESERVED, self._owner and self._owner()
            tx = Transaction(connection, self._world, now, free, reserved=reserved, careful=careful, owner=owner)
            self._begun = tx
            if self._doubtful:
                tx.each(self._doubtful, _give_back, _keep_claimed)
            if self._owner is not None and now >= self._orphans_at:
                self._orphans_at = Instant(now + ORPHANS_EVERY)
                tx.each(outbox.orphans(tx), _take_over, _put_off_message)
            ahead = Ahead(*_AHEAD.run(connection).fetchone())
            polls = [one for one in heard if isinstance(one.job, Poll)]
            tx.each(polls, _take_in, _drop)
            if polls or ahead.inbox is not None:
                tx.each(inbox.waiting(tx, AT_ONCE), inbox.hear, _set_aside)
            tx.each([one for one in heard if not isinstance(one.job, Poll)], _take_in, _drop)
            if ahead.wake is not None and ahead.wake <= now:
                tx.each(
                    [name for (name,) in _TO_WAKE[quiet].run(connection, {"at": now, "limit": AT_ONCE})],
                    wake,
                    _put_off_incident,
                )
            self._breaches.apply(tx)
            if ahead.outbox is not None and ahead.outbox <= now:
                tx.each(outbox.due(tx), _advance, _put_off_message)
            if self._watchdog is not None and now >= self._watchdog.due:
                tx.each([self._watchdog], _look_after_workers, _look_later)
            tx.close()
            if now >= self._tidy_at:
                self._tidy_at = Instant(now + HOUR)
                connection.execute(_OUTDATED_LINKS, {"at": now})
                connection.execute(_OUTDATED_PICTURES, {"since": now - self._retain})
            if ahead.unsealed is not None and now >= self._seal_at:
                self._seal_at = Instant(now + SECOND)
                audit.seal(connection)
            _pass("before", tx, heard)
        _pass("after", tx, heard)
        return tx, ahead

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def _start_what_is_due(self, now: Instant, ahead: Ahead) -> bool:
        """Whether a poll or the balance was begun."""
        if self._busy >= SENDERS - RESERVED:
            return False
        jobs: list[Job] = []
        for name in self._poll_at:
            if self._poll_due(name, ahead) <= now:
                self._poll_at[name] = Instant(now + POLL_EVERY)
                jobs.append(Poll(name, Instant(self._polled[name] - OVERLAP), now))
        if self._count is not None and self._count_at <= now:
            self._count_at = Instant(now + MINUTE)
            jobs.append(Count())
        for job in jobs:
            self._start(job)
        return bool(jobs)

    def _start(self, job: Job) -> None:
        self._busy += 1
        self._send(lambda: self._heard.put(self._run(job)))

    def _run(self, job: Job) -> Heard:
        """On another thread: the provider is asked.  Never raises."""
        try:
            match job:
                case Claim(notification=notification):
                    crash.point("contact.before-send")
                    now = self._clock.now()  # what it waited for is no part of what is left of its validity
                    if now > job.until - CALL:  # another process may take it over before this call has ended
                        return Heard(job, Receipt(Delivery.READY, reason="waited too long", retry_after_s=0))
                    receipt = self._world.channels[notification.channel].send(replace(notification, created_at=now))
                    crash.point("contact.after-send")
                    return Heard(job, receipt)
                case Look():
                    return Heard(job, self._look(job))
                case Poll():
                    channel: Any = self._world.channels[job.channel]
                    return Heard(job, channel.replies(job.since))
                case Count():
                    assert self._count is not None
                    return Heard(job, self._count())
        except TemporaryFailure as failure:
            return _failure(job, Receipt(Delivery.READY, reason=str(failure), retry_after_s=failure.retry_after_s))
        except ConfigurationError as error:
            return _failure(job, Receipt(Delivery.FAILED, reason=str(error)))
        except Exception as error:
            log.exception("%s failed", type(job).__name__)
            return _failure(job, Receipt(Delivery.UNKNOWN, reason=f"{type(error).__name__}: {error}"))

    def _go(self, errand: Errand) -> None:
        """On another thread: what nobody waits for.  Never raises."""
        try:
            match errand:
                case HangUp(channel=name, provider_id=provider_id):
                    channel: Any = self._world.channels[name]
                    channel.hang_up(provider_id)
                case Picture(place=name):
                    self._heard.put(Heard(errand, self._scene.picture(self._place(name))))
                case Instruct(place=name):
                    self._scene.instruct(self._place(name))
        except Exception as error:
            reason = str(error) if isinstance(error, TemporaryFailure) else f"{type(error).__name__}: {error}"
            self._heard.put(Heard(errand, failure=reason))

    @property
    def _scene(self) -> Scene:
        """There is one: else no errand would be about a place."""
        assert self._world.scene is not None
        return self._world.scene

    def _place(self, name: PlaceId) -> Place:
        found = self._world.directory.place(name)
        if found is None:
            raise TemporaryFailure(f"{name} is not in the directory any more")
        return found

    def _look(self, look: Look) -> Receipt | None:
        """Raises TemporaryFailure, also for a channel that cannot be asked."""
        channel: Any = self._world.channels.get(look.notification.channel)
        if not hasattr(channel, "find"):
            raise TemporaryFailure(f"{look.notification.channel} cannot be asked what became of a message")
        if look.provider_id:
            found: Receipt = channel.status(look.provider_id)
            return found
        listed: Receipt | None = channel.find(look.notification, look.since, look.besides)
        return listed

    def _poll_due(self, name: str, ahead: Ahead) -> Instant:
        """A minute after the last one while nothing is open: somebody may write STOP."""
        is_awaited = ahead.is_open is not None or name in self._first_polls
        return Instant(self._poll_at[name] + (0 if is_awaited else MINUTE - POLL_EVERY))

    def _is_quiet(self, now: Instant) -> bool:
        return bool(self._first_polls) and now < self._quiet_until

    def _next(self, now: Instant, ahead: Ahead) -> Instant:
        polls = [self._poll_due(name, ahead) for name in self._poll_at]
        count_at = self._count_at if self._count is not None else None
        seal_at = self._seal_at if ahead.unsealed is not None else None
        look_at = self._watchdog.due if self._watchdog is not None else None
        if self._is_quiet(now):
            return self._quiet_until  # or when the poll is back: it will ring
        for_senders = (
            (ahead.outbox, count_at, *polls) if self._busy < SENDERS - RESERVED else ()
        )  # a free one will ring
        dues = [at for at in (ahead.wake, seal_at, look_at, *for_senders) if at is not None]
        return min(dues, default=Instant(now + MINUTE))


# --- what is done with one item, and with one that cannot be ----------------------------------------------------------


def _failure(job: Job, receipt: Receipt) -> Heard:
    """The receipt is that of a message; for any other job only its reason matters."""
    return Heard(job, receipt if isinstance(job, Claim) else None, receipt.reason)


def _take_in(tx: Transaction, heard: Heard) -> None:
    match heard:
        case Heard(job=Claim() as claim, value=Receipt() as receipt):
            _sent(tx, claim, receipt)
        case Heard(job=Look() as look):
            message = outbox.one(tx, look.notification.id)
            assert message is not None
            if heard.failure:
                _move(tx, message, delivery.lookup_failed(message.row, tx.at))
            else:
                found = heard.value if isinstance(heard.value, Receipt) else None
                if found and not message.row.provider_id and outbox.one(tx, "", found.provider_id):
                    found = None  # meanwhile it has turned out to be another message of ours
                if found is None and (look.fence, look.lookups) != (message.row.fence, message.row.lookups):
                    return  # it was known already, or another process has gone on
                _move(tx, message, delivery.after_lookup(message.row, found, tx.at))
        case Heard(job=Poll() as poll, value=list() as replies):
            replies.reverse()  # a provider lists the newest first, in whole seconds
            new = sum(inbox.keep(tx, one) for one in sorted(replies, key=lambda one: one.at))
            set_cursor(tx.connection, f"replies/{poll.channel}", poll.at)
            if new:
                tx.note("replies polled", poll.channel, f"{new} that no webhook had brought")
        case Heard(job=Count(), value=Balance() as drawn_up):
            balance.report(tx, drawn_up)
        case Heard(job=Picture(incident=incident), value=value, failure=failure):
            _keep_picture(tx, incident, value if isinstance(value, bytes) else b"", failure)
        case Heard(job=Instruct(incident=incident), failure=failure):
            tx.note("instruction not played", incident, failure)
        case Heard(job=job):
            log.warning("%s: %s", type(job).__name__, heard.failure)


def _keep_picture(tx: Transaction, incident: IncidentId, jpeg: bytes, failure: str) -> None:
    digest = hashlib.sha256(jpeg).hexdigest() if jpeg else ""
    values = {"incident": incident, "at": tx.at, "jpeg": jpeg or None, "sha256": digest, "reason": failure}
    tx.connection.execute(_KEEP_PICTURE, values)
    tx.connection.execute(_WAITS_NO_MORE, {"incident": incident, "at": tx.at})
    tx.note("picture kept" if jpeg else "no picture", incident, digest or failure)


def _sent(tx: Transaction, claim: Claim, receipt: Receipt) -> None:
    """What came of handing over; the answer to an older claim, or to another's, is only a report."""
    message = outbox.one(tx, claim.notification.id)
    assert message is not None
    if (message.row.fence, message.row.owner) == (claim.fence, claim.owner):
        _move(tx, message, delivery.after_send(message.row, receipt, tx.at))
    elif receipt.state in (Delivery.SENT, Delivery.DELIVERED):
        _move(tx, message, delivery.after_status(message.row, receipt, tx.at))


def _give_back(tx: Transaction, claim: Claim) -> None:
    """Never handed over: if the claim was committed after all, the message is ready again."""
    message = outbox.one(tx, claim.notification.id)
    if message is not None and (message.row.fence, message.row.owner) == (claim.fence, claim.owner):
        _move(tx, message, delivery.after_send(message.row, Receipt(Delivery.READY, retry_after_s=0), tx.at))


def _keep_claimed(_tx: Transaction, claim: Claim, reason: str) -> None:
    log.error("message %s is asked for after its lease: %s", claim.notification.id, reason)


def _advance(tx: Transaction, message: Message) -> None:
    """A message whose time has come is sent, or its provider asked, or given up."""
    if message.row.state is Delivery.READY:
        tell = outbox.claim(tx, message)
        if tell:
            undelivered(tx, message, tell)
        return
    change = delivery.overdue(message.row, tx.at)
    if change.look:
        since = change.row.first_sent_at or message.notification.created_at
        others = frozenset(one.row.provider_id for one in outbox.of(tx, message.notification.incident))
        row = change.row
        besides = others - {row.provider_id}
        tx.looks.append(Look(message.notification, row.provider_id, since, besides, row.fence, row.lookups))
    _move(tx, message, change)


def _take_over(tx: Transaction, message: Message) -> None:
    """Who was sending it is no more: the outcome is unknown."""
    _move(tx, message, delivery.overdue(replace(message.row, lease_until=None), tx.at))


def _move(tx: Transaction, message: Message, change: Change) -> None:
    tell = outbox.write(tx, message, change)
    if tell:
        undelivered(tx, message, tell)


def _look_after_workers(tx: Transaction, watchdog: Watchdog) -> None:
    watchdog.look(tx)


def _look_later(tx: Transaction, _watchdog: Watchdog, reason: str) -> None:
    log.error("the workers could not be looked at: %s", reason)


def _drop(tx: Transaction, heard: Heard, reason: str) -> None:
    """The outcome of a job that cannot be written: a message stays `sending`, and is asked for after its lease."""
    log.error("the outcome of %s is set aside: %s", type(heard.job).__name__, reason)
    tx.note("outcome set aside", type(heard.job).__name__, reason)


def _set_aside(tx: Transaction, row: Any, reason: str) -> None:
    log.error("inbox row %d is set aside: %s", row.number, reason)
    inbox.settle(tx, row, f"set aside: {reason}")


def _put_off_incident(tx: Transaction, incident: IncidentId, reason: str) -> None:
    log.error("incident %s cannot go on, tried again in a minute: %s", incident, reason)
    put_off(tx, incident, PUT_OFF)
    tx.note("put off", incident, reason)


def _put_off_message(tx: Transaction, message: Message, reason: str) -> None:
    log.error("message %s cannot go on, tried again in a minute: %s", message.notification.id, reason)
    outbox.write(tx, message, Change(replace(message.row, due_at=Instant(tx.at + PUT_OFF))))
    tx.note("put off", message.notification.id, reason)


def _pass(when: str, tx: Transaction, heard: list[Heard]) -> None:
    if tx.worked:
        crash.point(f"contact.{when}-commit")
    if any(isinstance(one.job, Claim) for one in heard):
        crash.point(f"contact.{when}-result")


_NO_PICTURE = text(
    "UPDATE pictures SET reason = 'we were not running' WHERE jpeg IS NULL AND reason = '' AND asked_at <= :before"
)
_WAITS_NO_MORE = text("UPDATE outbox SET due_at = :at WHERE incident = :incident AND state = 'ready' AND attempts = 0")
_OUTDATED_LINKS = text("DELETE FROM links WHERE expires_at < :at")
_OUTDATED_PICTURES = text("DELETE FROM pictures WHERE asked_at < :since")
_KEEP_PICTURE = text(
    "UPDATE pictures SET taken_at = :at, jpeg = :jpeg, sha256 = :sha256, reason = :reason WHERE incident = :incident"
)
_AHEAD = Prepared(
    text(
        "SELECT (SELECT min(number) FROM inbox WHERE applied_at IS NULL),"
        " (SELECT min(wake_at) FROM incidents WHERE wake_at IS NOT NULL),"
        " (SELECT min(due_at) FROM outbox WHERE state IN ('ready','sending','unknown','sent')),"
        " (SELECT min(number) FROM audit WHERE seal IS NULL),"
        " (SELECT 1 FROM incidents WHERE resolved_at IS NULL LIMIT 1)"
    )
)
_DUE = (
    select(incidents.c.id)
    .where(incidents.c.wake_at <= bindparam("at"))
    .order_by(incidents.c.wake_at)
    .limit(bindparam("limit"))
)
#: By whether all but life safety is to be quiet.
_TO_WAKE = {
    False: Prepared(_DUE),
    True: Prepared(_DUE.where(incidents.c.priority == Priority.LIFE_SAFETY.value)),
}
