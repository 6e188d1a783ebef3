"""What Twilio does with messages, as far as we use it (its OpenAPI file, v2010): create, fetch, list, report, hear."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from vorab.model import SECOND, Instant
from vorab.ports import HttpResponse
from vorab.testing.phones.exchange import Exchange, Form, page_of, read_date, refuse, reply, shown_date

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?^{}\\[~]|€"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


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


@dataclass(eq=False, repr=False)
class Messages(Exchange):
    """The messages of one account."""

    paced: bool = False  #: one segment a second for each sender, as for a long number
    #: number → how its messages end: ("undelivered", 30003)
    outcomes: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    _messages: dict[str, Message] = field(default_factory=dict)
    _of_number: dict[str, list[Message]] = field(default_factory=lambda: defaultdict(list))
    _pending: list[Message] = field(default_factory=list)
    _stopped: set[tuple[str, str]] = field(default_factory=set)
    _free_at: dict[str, Instant] = field(default_factory=dict)

    def write(self, handset: str, text: str, to: str = "") -> str:
        """The person writes to us: kept in the list, and told to the webhook.  The SID."""
        with self.changed:
            sent = [message.sender for message in self._of_number[handset] if not message.inbound]
            now = self.clock.now()
            sid, to = self._sid("SM"), to or (sent[-1] if sent else "")
            message = Message(sid, to, handset, text, now, now, True, "received", now)
            self._keep(message)
            self._note("sms", handset, text, sid, written=True)
            self._obey(message)
            if self.webhook:
                self._ask(self.webhook, self._inbound_form(message))
        return sid

    def _settle_messages(self, now: Instant) -> None:
        for message in [message for message in self._pending if message.plan[0][0] <= now]:
            self._advance(message, now)
        self._pending = [message for message in self._pending if message.plan]

    # --- the API ------------------------------------------------------------------------------------------------------

    def _create_message(self, fields: dict[str, str]) -> HttpResponse:
        to, sender, body = (fields.get(name, "") for name in ("To", "From", "Body"))
        with self.changed:
            self.asked.append(to)
            planned = self._planned("create", to)
            if planned and not planned.is_accepted:
                return planned.answer()
            for name, value, code in (("To", to, 21604), ("From", sender, 21603), ("Body", body, 21602)):
                if not value:
                    return refuse(400, code, f"A '{name}' phone number or text is required.")
            if not to.startswith("+") or not to[1:].isdigit():
                return refuse(400, 21211, f"The 'To' number {to} is not a valid phone number.")
            if (to, sender) in self._stopped:
                return refuse(400, 21610, "Attempt to send to unsubscribed recipient")
            message = self._accept(to, sender, body, fields)
            answer = reply(201, self._message(message))
        return planned.answer(answer) if planned else answer

    def _accept(self, to: str, sender: str, body: str, fields: dict[str, str]) -> Message:
        now = self.clock.now()
        message = Message(self._sid("SM"), to, sender, body, now, now, callback=fields.get("StatusCallback", ""))
        valid_until = now + int(fields.get("ValidityPeriod") or 36_000) * SECOND
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
        self._report_message(message)
        return message

    def _fetch_message(self, sid: str) -> HttpResponse:
        with self.changed:
            planned = self._planned("fetch")
            if planned:
                return planned.answer()
            message = self._messages.get(sid)
            return reply(200, self._message(message)) if message else refuse(404, 20404, "The resource was not found")

    def _list_messages(self, path: str, query: dict[str, str]) -> HttpResponse:
        with self.changed:
            planned = self._planned("list", query.get("To", ""))
            if planned:
                return planned.answer()
            if self.list_fails:
                return refuse(500, 20500, "Internal error")
            return page_of("messages", [self._message(message) for message in self._found(query)], path, query)

    def _found(self, query: dict[str, str]) -> list[Message]:
        """The newest first."""
        since = read_date(query["DateSent>"]) if "DateSent>" in query else None
        number = query.get("To") or query.get("From")
        messages = self._of_number[number] if number else list(self._messages.values())
        return [
            message
            for message in reversed(messages)
            if self._is_listed(message.created_at)
            and query.get("To", message.to) == message.to
            and query.get("From", message.sender) == message.sender
            and (since is None or (message.sent_at is not None and message.sent_at >= since))
        ]

    # --- inside -------------------------------------------------------------------------------------------------------

    def _keep(self, message: Message) -> None:
        self._messages[message.sid] = message
        self._of_number[message.to].append(message)
        self._of_number[message.sender].append(message)

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
                self._note("sms", message.to, message.body, message.sid)
            self._report_message(message)

    def _report_message(self, message: Message) -> None:
        self._report(message.callback, self._status_form(message), is_last=not message.plan)

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

    def _message(self, message: Message) -> dict[str, Any]:
        uri = f"/2010-04-01/Accounts/{self.account}/Messages/{message.sid}"
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": message.body,
            "date_created": shown_date(message.created_at),
            "date_sent": shown_date(message.sent_at),
            "date_updated": shown_date(message.updated_at),
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


def _segments(text: str) -> int:
    single, joined = (160, 153) if _GSM.issuperset(text) else (70, 67)
    return 1 if len(text) <= single else -(-len(text) // joined)
