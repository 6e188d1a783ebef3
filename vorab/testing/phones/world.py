"""What Twilio does with messages, as far as we use it (its OpenAPI file, v2010): create, fetch, list, report, hear."""

import base64
import hashlib
import hmac
import json
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from vorab.errors import OutcomeUnknown, TemporaryFailure
from vorab.model import SECOND, Instant, Span
from vorab.ports import Clock, HttpResponse

Form = Sequence[tuple[str, str]]
#: Calls one of our webhooks: URL, form, signature; the HTTP status, or None when nobody answered.
Post = Callable[[str, Form, str], int | None]

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?^{}\\[~]|€"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


class Fault(StrEnum):
    """What may go wrong with one request."""

    TOO_MANY = "too-many"  #: 429 with Retry-After
    BAD_REQUEST = "bad-request"  #: 400 with a code of Twilio's
    ERROR_BEFORE = "error-before"  #: 500, and the message was not accepted
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
    REORDERED = "reordered"  #: "delivered" first, "sent" and "queued" after it


@dataclass(frozen=True)
class Received:
    """One entry of the ledger: what a handset truly showed, or what was written on it."""

    number: int  #: in the ledger, from 1
    handset: str
    text: str
    at: Instant
    sid: str
    written: bool = False  #: by the person, to us


@dataclass
class Message:
    sid: str
    to: str
    sender: str
    body: str
    created_at: Instant
    updated_at: Instant
    inbound: bool = False
    status: str = "queued"
    sent_at: Instant | None = None
    error: int | None = None
    callback: str = ""
    plan: deque[tuple[Instant, str, int | None]] = field(default_factory=deque)  #: what will be reported, and when


@dataclass
class _Planned:
    fault: Fault
    left: int
    on: str  #: create, list, fetch
    to: str  #: this number only; "" = any
    code: int
    seconds: float


class Broken(Exception):
    """This request ends other than by a prompt answer."""

    def __init__(self, fault: Fault, answer: HttpResponse, seconds: float) -> None:
        self.fault = fault
        self.answer = answer  #: what would have been answered, and is when it is only slow
        self.seconds = seconds


class PhoneWorld:
    """One account with its messages, and every handset of the world.  For all threads."""

    def __init__(
        self,
        clock: Clock,
        account: str = "AC" + "0" * 31 + "1",
        token: str = "the token of the phone world",  # noqa: S107 - opens nothing but this
        *,
        webhook: str = "",
        post: Post | None = None,
    ) -> None:
        self.account = account
        self.token = token
        self.webhook = webhook  #: where what people write is sent; "" = nowhere, it is only kept
        self.post = post  #: None: reports and replies go nowhere; what was written is kept in the list
        self.delay = Span(0)  #: from accepted to shown on the handset
        self.paced = False  #: one segment a second for each sender, as for a long number
        self.reports = Reports.NORMAL
        self.list_lag = Span(0)  #: younger messages are not listed yet
        self.list_fails = False  #: listing is answered with 500
        self.outcomes: dict[str, tuple[str, int | None]] = {}  #: number → how its messages end: ("undelivered", 30003)
        self.ledger: list[Received] = []
        self.asked: list[str] = []  #: the number of every message that we were asked to send, also when we refused
        self.changed = threading.Condition()
        self._clock = clock
        self._count = 0
        self._messages: dict[str, Message] = {}
        self._of_number: dict[str, list[Message]] = defaultdict(list)
        self._pending: list[Message] = []
        self._stopped: set[tuple[str, str]] = set()
        self._free_at: dict[str, Instant] = {}
        self._faults: list[_Planned] = []
        self._calls: deque[tuple[str, Form]] = deque()
        self._read: Counter[str] = Counter()
        self._held: list[tuple[str, Form]] = []

    # --- for tests ----------------------------------------------------------------------------------------------------

    def fail(
        self, fault: Fault, *, times: int = 1, on: str = "create", to: str = "", code: int = 21211, seconds: float = 1
    ) -> None:
        """The next `times` requests of this kind go wrong so.  `code`: of BAD_REQUEST; `seconds`: of TOO_MANY, SLOW."""
        with self.changed:
            self._faults.append(_Planned(fault, times, on, to, code, seconds))

    def received(self, handset: str) -> list[Received]:
        """What this handset has shown, oldest first."""
        with self.changed:
            return [entry for entry in self.ledger if entry.handset == handset and not entry.written]

    def unread(self, handset: str) -> list[Received]:
        """What this handset has shown since the last `read`."""
        return self.received(handset)[self._read[handset] :]

    def read(self, handset: str) -> None:
        """The oldest unread message of this handset counts as expected."""
        self._read[handset] += 1

    def unexpected(self) -> list[str]:
        """Every message that no test asked for, on any handset; a test ends with none."""
        self.tick()
        handsets = sorted({entry.handset for entry in self.ledger if not entry.written})
        return [f"{handset}: {entry.text}" for handset in handsets for entry in self.unread(handset)]

    def write(self, handset: str, text: str, to: str = "") -> str:
        """The person writes to us: kept in the list, and told to the webhook.  The SID."""
        with self.changed:
            sent = [message.sender for message in self._of_number[handset] if not message.inbound]
            now = self._clock.now()
            message = Message(
                self._sid(), to or (sent[-1] if sent else ""), handset, text, now, now, True, "received", now
            )
            self._keep(message)
            self._note(message, written=True)
            self._obey(message)
            if self.webhook:
                self._calls.append((self.webhook, self._inbound_form(message)))
        return message.sid

    def tick(self) -> None:
        """What is due by the clock happens: handsets show messages, then our webhooks are called."""
        self.settle()
        self.call()

    def settle(self) -> None:
        """Handsets show what is due by the clock; the reports are made, not sent yet."""
        with self.changed:
            now = self._clock.now()
            for message in [message for message in self._pending if message.plan[0][0] <= now]:
                self._advance(message, now)
            self._pending = [message for message in self._pending if message.plan]

    def call(self) -> None:
        """Hands what is to be told to our webhooks; each is tried once, as Twilio does."""
        while self._calls:
            url, form = self._calls.popleft()
            if self.post:
                self.post(url, form, self.signature(url, form))

    # --- the API ------------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        url: str,
        *,
        form: Form | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> HttpResponse:
        """Implements vorab.ports.HttpClient: what a client of the served API would see."""
        self.settle()
        try:
            return self.answer(method, url, form or [], auth)
        except Broken as broken:
            if broken.fault is Fault.SLOW:
                return broken.answer
            if broken.fault is Fault.REFUSED:
                raise TemporaryFailure("connection refused") from None
            raise OutcomeUnknown(f"no answer ({broken.fault})") from None
        finally:
            self.settle()

    def answer(self, method: str, url: str, form: Form, auth: tuple[str, str] | None) -> HttpResponse:
        """The answer of the API.  Raises Broken where there is none."""
        parts = urlsplit(url)
        if auth is None or not hmac.compare_digest(f"{auth[0]}:{auth[1]}".encode(), self._login):
            return _error(401, 20003, "Authenticate")
        prefix = f"/2010-04-01/Accounts/{self.account}/Messages"
        if (method, parts.path) == ("POST", f"{prefix}.json"):
            return self._create(dict(form))
        if (method, parts.path) == ("GET", f"{prefix}.json"):
            return self._list(parts.path, dict(parse_qsl(parts.query)))
        if method == "GET" and parts.path.startswith(f"{prefix}/"):
            return self._fetch(parts.path.removeprefix(f"{prefix}/").removesuffix(".json"))
        return _error(404, 20404, f"The requested resource {parts.path} was not found")

    @property
    def _login(self) -> bytes:
        return f"{self.account}:{self.token}".encode()

    def _create(self, form: dict[str, str]) -> HttpResponse:
        to, sender, body = (form.get(name, "") for name in ("To", "From", "Body"))
        with self.changed:
            self.asked.append(to)
            planned = self._planned("create", to)
            if planned and planned.fault not in _ACCEPTED:
                return _go_wrong(planned)
            for name, value, code in (("To", to, 21604), ("From", sender, 21603), ("Body", body, 21602)):
                if not value:
                    return _error(400, code, f"A '{name}' phone number or text is required.")
            if not to.startswith("+") or not to[1:].isdigit():
                return _error(400, 21211, f"The 'To' number {to} is not a valid phone number.")
            if (to, sender) in self._stopped:
                return _error(400, 21610, "Attempt to send to unsubscribed recipient")
            message = self._accept(to, sender, body, form)
            answer = _json(201, self._shown(message))
        return _go_wrong(planned, answer) if planned else answer

    def _accept(self, to: str, sender: str, body: str, form: dict[str, str]) -> Message:
        now = self._clock.now()
        message = Message(self._sid(), to, sender, body, now, now, callback=form.get("StatusCallback", ""))
        valid_until = now + int(form.get("ValidityPeriod") or 36_000) * SECOND
        goes_at = max(now, self._free_at.get(sender, now)) if self.paced else now
        self._free_at[sender] = Instant(goes_at + _segments(body) * SECOND)
        status, code = self.outcomes.get(to, ("delivered", None))
        if goes_at > valid_until:
            message.plan.append((Instant(valid_until), "failed", 30036))
        else:
            message.plan.append((goes_at, "sent", None))
            message.plan.append((Instant(goes_at + self.delay), status, code))
        self._keep(message)
        self._pending.append(message)
        self._report(message)
        return message

    def _fetch(self, sid: str) -> HttpResponse:
        with self.changed:
            planned = self._planned("fetch", "")
            if planned:
                return _go_wrong(planned)
            message = self._messages.get(sid)
            return _json(200, self._shown(message)) if message else _error(404, 20404, "The resource was not found")

    def _list(self, path: str, query: dict[str, str]) -> HttpResponse:
        with self.changed:
            planned = self._planned("list", query.get("To", ""))
            if planned:
                return _go_wrong(planned)
            if self.list_fails:
                return _error(500, 20500, "Internal error")
            size, page = int(query.get("PageSize", 50)), int(query.get("Page", 0))
            found = self._found(query)
            records = [self._shown(message) for message in found[page * size : (page + 1) * size]]
        more = {**query, "Page": str(page + 1), "PageToken": f"PA{records[-1]['sid']}"} if records else {}
        following = f"{path}?{urlencode(more)}" if len(found) > (page + 1) * size else None
        told = {"messages": records, "page": page, "page_size": size, "next_page_uri": following, "uri": path}
        return _json(200, told)

    def _found(self, query: dict[str, str]) -> list[Message]:
        """The newest first."""
        listed_until = self._clock.now() - self.list_lag
        since = _instant(query["DateSent>"]) if "DateSent>" in query else None
        number = query.get("To") or query.get("From")
        messages = self._of_number[number] if number else list(self._messages.values())
        return [
            message
            for message in reversed(messages)
            if message.created_at <= listed_until
            and query.get("To", message.to) == message.to
            and query.get("From", message.sender) == message.sender
            and (since is None or (message.sent_at is not None and message.sent_at >= since))
        ]

    # --- inside -------------------------------------------------------------------------------------------------------

    def _planned(self, on: str, to: str) -> _Planned | None:
        for planned in self._faults:
            if planned.on == on and planned.to in ("", to):
                planned.left -= 1
                if planned.left == 0:
                    self._faults.remove(planned)
                return planned
        return None

    def _sid(self) -> str:
        self._count += 1
        return f"SM{self._count:032x}"

    def _keep(self, message: Message) -> None:
        self._messages[message.sid] = message
        self._of_number[message.to].append(message)
        self._of_number[message.sender].append(message)

    def _note(self, message: Message, *, written: bool) -> None:
        handset = message.sender if written else message.to
        at = self._clock.now()
        self.ledger.append(Received(len(self.ledger) + 1, handset, message.body, at, message.sid, written))
        self.changed.notify_all()

    def _obey(self, message: Message) -> None:
        """STOP and START are Twilio's own business too."""
        word, pair = message.body.strip().upper(), (message.sender, message.to)
        if word in ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "ARRET", "STOPP"):
            self._stopped.add(pair)
        elif word in ("START", "UNSTOP"):
            self._stopped.discard(pair)

    def _advance(self, message: Message, now: Instant) -> None:
        while message.plan and message.plan[0][0] <= now:
            at, message.status, message.error = message.plan.popleft()
            message.updated_at = at
            message.sent_at = message.sent_at or (at if message.status == "sent" else None)
            if message.status == "delivered":
                self._note(message, written=False)
            self._report(message)

    def _report(self, message: Message) -> None:
        if not message.callback or self.reports is Reports.LOST:
            return
        call = (message.callback, self._status_form(message))
        if self.reports is Reports.REORDERED and message.plan:
            self._held.append(call)
            return
        self._calls.append(call)
        if self.reports is Reports.TWICE:
            self._calls.append(call)
        if self.reports is Reports.REORDERED:
            self._calls.extend(reversed(self._held))
            self._held.clear()

    def signature(self, url: str, form: Form) -> str:
        """X-Twilio-Signature."""
        told = url + "".join(name + value for name, value in sorted(form))
        return base64.b64encode(hmac.digest(self.token.encode(), told.encode(), hashlib.sha1)).decode()

    def _status_form(self, message: Message) -> Form:
        form = [
            ("SmsSid", message.sid),
            ("SmsStatus", message.status),
            ("MessageStatus", message.status),
            ("To", message.to),
            ("MessageSid", message.sid),
            ("AccountSid", self.account),
            ("From", message.sender),
            ("ApiVersion", "2010-04-01"),
        ]
        return [*form, ("ErrorCode", str(message.error))] if message.error else form

    def _inbound_form(self, message: Message) -> Form:
        return [
            ("ToCountry", "US"),
            ("SmsMessageSid", message.sid),
            ("NumMedia", "0"),
            ("SmsSid", message.sid),
            ("SmsStatus", "received"),
            ("Body", message.body),
            ("To", message.to),
            ("NumSegments", str(_segments(message.body))),
            ("MessageSid", message.sid),
            ("AccountSid", self.account),
            ("From", message.sender),
            ("ApiVersion", "2010-04-01"),
        ]

    def _shown(self, message: Message) -> dict[str, Any]:
        uri = f"/2010-04-01/Accounts/{self.account}/Messages/{message.sid}"
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": message.body,
            "date_created": _date(message.created_at),
            "date_sent": None if message.sent_at is None else _date(message.sent_at),
            "date_updated": _date(message.updated_at),
            "direction": "inbound" if message.inbound else "outbound-api",
            "error_code": message.error,
            "error_message": None,
            "from": message.sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": str(_segments(message.body)),
            "price": None,
            "price_unit": "USD",
            "sid": message.sid,
            "status": message.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": message.to,
            "uri": f"{uri}.json",
        }


_NOTHING = HttpResponse(500, b"")


def _go_wrong(planned: _Planned, answer: HttpResponse = _NOTHING) -> HttpResponse:
    match planned.fault:
        case Fault.TOO_MANY:
            return _json(429, _told(429, 20429, "Too Many Requests"), {"retry-after": f"{planned.seconds:.0f}"})
        case Fault.BAD_REQUEST:
            return _error(400, planned.code, "Bad request")
        case Fault.ERROR_BEFORE | Fault.ERROR_AFTER:
            return _error(500, 20500, "Internal error")
        case Fault.HTML:
            page = b"<!doctype html><title>502</title><h1>Bad gateway</h1>"
            return HttpResponse(200, page, {"content-type": "text/html"})
        case Fault.WRONG_JSON:
            return _json(201, {"sid": ["not", "a", "sid"], "status": {"queued": True}, "date_created": 7})
        case Fault.HUGE:
            return HttpResponse(201, b'{"sid":"' + b"S" * 1_000_000 + b'"}', {"content-type": "application/json"})
        case fault:
            raise Broken(fault, answer, planned.seconds)


def _told(status: int, code: int, message: str) -> dict[str, object]:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": message, "more_info": more, "status": status}


def _error(status: int, code: int, message: str) -> HttpResponse:
    return _json(status, _told(status, code, message))


def _json(status: int, value: object, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status, json.dumps(value).encode(), {"content-type": "application/json", **(headers or {})})


def _date(at: Instant) -> str:
    return format_datetime(datetime.fromtimestamp(at // SECOND, UTC))


def _instant(text: str) -> Instant:
    return Instant(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND)


def _segments(text: str) -> int:
    single, joined = (160, 153) if _GSM.issuperset(text) else (70, 67)
    return 1 if len(text) <= single else -(-len(text) // joined)
