"""What every part of the phone world shares: one account, one clock, the ledger, what goes wrong, and our webhooks."""

import base64
import hashlib
import hmac
import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from vorab.model import SECOND, Instant, Span
from vorab.ports import Clock, HttpResponse

Form = Sequence[tuple[str, str]]
#: Calls one of our webhooks: URL, form, signature; its answer, or None when nobody answered.
Post = Callable[[str, Form, str], HttpResponse | None]
#: What is done with the answer of a webhook.
Then = Callable[[HttpResponse | None], None]
AT_ONCE = Span(0)


class Fault(StrEnum):
    """What may go wrong with one request."""

    TOO_MANY = "too-many"  #: 429 with Retry-After
    BAD_REQUEST = "bad-request"  #: 400 with a code of Twilio's
    ERROR_BEFORE = "error-before"  #: 500, and it was not accepted
    ERROR_AFTER = "error-after"  #: 500, and it was
    TIMEOUT_BEFORE = "timeout-before"  #: never answered, not accepted
    TIMEOUT_AFTER = "timeout-after"  #: never answered, accepted
    RESET_BEFORE = "reset-before"  #: the connection is cut, not accepted
    RESET_AFTER = "reset-after"  #: the connection is cut, accepted
    REFUSED = "refused"  #: no connection at all
    SLOW = "slow"  #: answered after `seconds`
    HTML = "html"  #: accepted, answered with a page
    WRONG_JSON = "wrong-json"  #: accepted, answered with something else
    HUGE = "huge"  #: accepted, answered with 1 MB


_ACCEPTED = (
    *(Fault.ERROR_AFTER, Fault.TIMEOUT_AFTER, Fault.RESET_AFTER),
    *(Fault.SLOW, Fault.HTML, Fault.WRONG_JSON, Fault.HUGE),
)


class Reports(StrEnum):
    """What becomes of the status callbacks."""

    NORMAL = "normal"
    LOST = "lost"
    TWICE = "twice"
    REORDERED = "reordered"  #: the last first, the others after it, backwards


@dataclass(frozen=True)
class Received:
    """One entry of the ledger: what a handset truly showed or said, or what was written on it."""

    number: int  #: in the ledger, from 1
    handset: str  #: number; of a mail: address
    text: str  #: of a call: what was said until now; of a mail: the subject, an empty line, the text
    at: Instant
    sid: str  #: of a mail: its Message-ID
    written: bool = False  #: by the person, to us
    kind: str = "sms"  #: sms, call, mail


@dataclass
class Planned:
    """A fault that waits for its request."""

    fault: Fault
    left: int
    on: str  #: create, list, fetch, update
    to: str  #: this number only; "" = any
    code: int
    seconds: float

    @property
    def is_accepted(self) -> bool:
        return self.fault in _ACCEPTED

    def answer(self, accepted: HttpResponse = HttpResponse(500, b"")) -> HttpResponse:  # noqa: B008 - frozen
        """Raises Broken where there is no answer, or none in time; `accepted`: what it would have been."""
        match self.fault:
            case Fault.TOO_MANY:
                return reply(429, error_body(429, 20429, "Too Many Requests"), {"retry-after": f"{self.seconds:.0f}"})
            case Fault.BAD_REQUEST:
                return refuse(400, self.code, "Bad request")
            case Fault.ERROR_BEFORE | Fault.ERROR_AFTER:
                return refuse(500, 20500, "Internal error")
            case Fault.HTML:
                page = b"<!doctype html><title>502</title><h1>Bad gateway</h1>"
                return HttpResponse(200, page, {"content-type": "text/html"})
            case Fault.WRONG_JSON:
                return reply(201, {"sid": ["not", "a", "sid"], "status": {"queued": True}, "date_created": 7})
            case Fault.HUGE:
                body = b'{"sid":"' + b"S" * 1_000_000 + b'"}'
                return HttpResponse(201, body, {"content-type": "application/json"})
            case fault:
                raise Broken(fault, accepted, self.seconds)


class Broken(Exception):
    """This request ends other than by a prompt answer."""

    def __init__(self, fault: Fault, answer: HttpResponse, seconds: float) -> None:
        self.fault = fault
        self.answer = answer  #: what would have been answered, and is when it is only slow
        self.seconds = seconds


@dataclass(eq=False, repr=False)
class Exchange:
    """One account.  For all threads: what changes, changes under `changed`."""

    clock: Clock
    account: str = "AC" + "0" * 31 + "1"
    token: str = "the token of the phone world"  # noqa: S105 - opens nothing but this
    webhook: str = ""  #: where what people write is sent; "" = nowhere, it is only kept
    post: Post | None = None  #: None: our webhooks are down
    delay: Span = AT_ONCE  #: from accepted to shown on the handset, or ringing
    reports: Reports = Reports.NORMAL
    list_lag: Span = AT_ONCE  #: what is younger is not listed yet
    list_fails: bool = False  #: listing is answered with 500
    ledger: list[Received] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  #: the number of every message and call, also when we refused it
    changed: threading.Condition = field(default_factory=threading.Condition)
    _sids: int = 0
    _faults: list[Planned] = field(default_factory=list)
    _webhooks: deque[tuple[str, Form, Then | None]] = field(default_factory=deque)
    _held: list[tuple[str, Form, Then | None]] = field(default_factory=list)

    def fail(
        self, fault: Fault, *, times: int = 1, on: str = "create", to: str = "", code: int = 21211, seconds: float = 1
    ) -> None:
        """The next `times` requests of this kind go wrong so.  `code`: of BAD_REQUEST; `seconds`: of TOO_MANY, SLOW."""
        with self.changed:
            self._faults.append(Planned(fault, times, on, to, code, seconds))

    def received(self, handset: str, kind: str = "sms") -> list[Received]:
        """What this handset has shown, oldest first."""
        with self.changed:
            found = [entry for entry in self.ledger if entry.handset == handset and not entry.written]
        return [entry for entry in found if entry.kind == kind]

    def call(self) -> None:
        """Hands what is to be told to our webhooks; each is tried once, as Twilio does.  By any number of threads."""
        while self._webhooks:
            try:
                url, form, then = self._webhooks.popleft()
            except IndexError:  # another thread has it
                return
            answer = self.post(url, form, self.signature(url, form)) if self.post else None
            if then:
                with self.changed:
                    then(answer)

    def signature(self, url: str, form: Form) -> str:
        """X-Twilio-Signature."""
        told = url + "".join(name + value for name, value in sorted(form))
        return base64.b64encode(hmac.digest(self.token.encode(), told.encode(), hashlib.sha1)).decode()

    # --- for the parts ------------------------------------------------------------------------------------------------

    def _planned(self, on: str, to: str = "") -> Planned | None:
        for planned in self._faults:
            if planned.on == on and planned.to in ("", to):
                planned.left -= 1
                if planned.left == 0:
                    self._faults.remove(planned)
                return planned
        return None

    def _sid(self, prefix: str) -> str:
        self._sids += 1
        return f"{prefix}{self._sids:032x}"

    def _note(self, kind: str, handset: str, text: str, sid: str, *, written: bool = False) -> Received:
        entry = Received(len(self.ledger) + 1, handset, text, self.clock.now(), sid, written, kind)
        self.ledger.append(entry)
        self.changed.notify_all()
        return entry

    def _ask(self, url: str, form: Form, then: Then | None = None) -> None:
        self._webhooks.append((url, form, then))

    def _report(self, url: str, form: Form, *, is_last: bool) -> None:
        """A status callback, as `reports` says."""
        if not url or self.reports is Reports.LOST:
            return
        told = (url, form, None)
        if self.reports is Reports.REORDERED and not is_last:
            self._held.append(told)
            return
        self._webhooks.append(told)
        if self.reports is Reports.TWICE:
            self._webhooks.append(told)
        if self.reports is Reports.REORDERED:
            self._webhooks.extend(reversed(self._held))
            self._held.clear()

    def _is_listed(self, created_at: Instant) -> bool:
        return created_at <= self.clock.now() - self.list_lag


def error_body(status: int, code: int, message: str) -> dict[str, object]:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": message, "more_info": more, "status": status}


def refuse(status: int, code: int, message: str) -> HttpResponse:
    return reply(status, error_body(status, code, message))


def reply(status: int, value: object, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status, json.dumps(value).encode(), {"content-type": "application/json", **(headers or {})})


def shown_date(at: Instant | None) -> str | None:
    """As Twilio writes it (RFC 2822), to the second."""
    return None if at is None else format_datetime(datetime.fromtimestamp(at // SECOND, UTC))


def read_date(text: str) -> Instant:
    """ISO 8601, UTC.  Raises ValueError."""
    return Instant(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND)


def page_of(name: str, records: list[dict[str, Any]], path: str, query: dict[str, str]) -> HttpResponse:
    """One page of a list, as `PageSize` and `Page` ask for, with the address of the next."""
    size, number = int(query.get("PageSize", 50)), int(query.get("Page", 0))
    shown = records[number * size : (number + 1) * size]
    more = {**query, "Page": str(number + 1), "PageToken": f"PA{shown[-1]['sid']}"} if shown else {}
    following = f"{path}?{urlencode(more)}" if len(records) > (number + 1) * size else None
    told = {name: shown, "page": number, "page_size": size, "next_page_uri": following, "uri": path}
    return reply(200, told)
