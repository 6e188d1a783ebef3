"""Text messages through Twilio.  Address: an E.164 number of a mobile, for example +12025550123.

The `twilio` SDK makes the requests; they go out through our own HttpClient, because the SDK's has no time-out.
"""

import base64
import functools
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from vorab.errors import ConfigurationError, Malformed, OutcomeUnknown, Refused, TemporaryFailure, VorabError
from vorab.model import SECOND, Delivery, Instant, Notification, Receipt, Span
from vorab.ports import Called, HttpClient, HttpResponse, Inbound, InboxItem, Told

T = TypeVar("T")

NAME = "sms"
TWILIO = "https://api.twilio.com"
PAGE = 40  #: messages in one answer, so that it stays under 64 kB
OLDEST = 200  #: messages looked at when looking for one
#: Clocks differ: what is listed so much before "since" may still be ours.
SLACK = Span(30 * SECOND)
LONGEST_VALIDITY_S = 36_000  #: what Twilio takes, 10 h
MAX_FIELDS, MAX_FIELD = 200, 4096  #: of a webhook

_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_STATES = {
    **dict.fromkeys(["accepted", "scheduled", "queued", "sending", "sent"], Delivery.SENT),
    **dict.fromkeys(["delivered", "read"], Delivery.DELIVERED),
    **dict.fromkeys(["undelivered", "failed", "canceled"], Delivery.FAILED),
}
#: Twilio's error codes in the words of the person who reads the incident (www.twilio.com/docs/api/errors).
ERRORS = {
    20003: "the account SID or the auth token is wrong",
    20404: "no such account or message",
    21211: "not a valid number",
    21408: "the account may not send to this country",
    21602: "no text",
    21606: "the sender is not a number of this account",
    21608: "a trial account sends to verified numbers only",
    21610: "opted out: this person wrote STOP",
    21611: "the sender's queue is full",
    21612: "not reachable from this sender",
    21614: "not a mobile number",
    21617: "the text is too long",
    30001: "the sender's queue is full",
    30002: "the account is suspended",
    30003: "the phone is switched off or out of reach",
    30004: "blocked by the receiver",
    30005: "no such number",
    30006: "a landline, or out of reach for text messages",
    30007: "filtered by the carrier",
    30008: "the carrier gives no reason",
    30034: "the sender is not registered with the carriers",
    30036: "not delivered before it expired",
}
#: A 4xx of these does not say that the message was refused for good.
_UNCLEAR = (408, 425)


class Rejected(VorabError):
    """Twilio refused the request for good."""


class Settings(BaseModel):
    """Of `channels: sms:` in site.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$", description="The account at Twilio.")
    auth_token: SecretStr = Field(min_length=1, description="Its auth token, as env:NAME or file:PATH.")
    previous_auth_token: SecretStr | None = Field(
        None, description="The token before, accepted in webhooks while it is being replaced."
    )
    sender: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$", description="Our number, which people answer to, in E.164.")
    base_url: str = Field(TWILIO, pattern=r"^https?://[^/?#]+$", description="Where the API is.")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^?#]+[^/?#])?$",
        description="Where Twilio reaches our webhooks, without a slash at the end; empty = not at all, we ask.",
    )
    allow_private: bool = Field(
        False,
        description="Whether base_url may be http, or in a private network, as in a demo; "
        "numbers kept for fiction are then accepted too.",
    )
    countries: list[str] = Field([], description="Country codes that may be written to, e.g. FR; empty = all.")


class Sms:
    """Implements vorab.ports Channel, Finds, Hears and Hooks.  One for all threads."""

    limit = 160  #: one segment of GSM-7; a text in another alphabet may take three
    requests_only = False
    shows_pictures = False
    paths = ("/twilio/sms", "/twilio/status")

    def __init__(self, settings: Settings, http: HttpClient) -> None:
        self.settings = settings
        self._http = http
        tokens = [settings.auth_token, settings.previous_auth_token]
        self._tokens = [token.get_secret_value().encode() for token in tokens if token]

    @functools.cached_property
    def _client(self) -> Any:
        return _twilio(self.settings, self._http)

    def send(self, notification: Notification) -> Receipt:
        """Hands it over; Twilio drops it if it could not deliver it in `expires_at - created_at`.

        READY: surely not processed.  UNKNOWN: it may have been.
        """
        seconds = (notification.expires_at - notification.created_at) // SECOND
        report = {"status_callback": self._callback(notification.id)} if self.settings.public_url else {}
        try:
            return self._made(
                lambda: _receipt(
                    self._client.messages.create(
                        to=notification.address,
                        from_=self.settings.sender,
                        body=notification.text,
                        validity_period=min(max(seconds, 1), LONGEST_VALIDITY_S),
                        **report,
                    )
                )
            )
        except TemporaryFailure as failure:
            return Receipt(Delivery.READY, reason=str(failure), retry_after_s=failure.retry_after_s)
        except OutcomeUnknown as unknown:
            return Receipt(Delivery.UNKNOWN, reason=str(unknown))
        except (Rejected, ConfigurationError) as error:
            return Receipt(Delivery.FAILED, reason=str(error))

    def accepts(self, address: str) -> str | None:
        if not _E164.fullmatch(address):
            return "not an E.164 number: a plus sign, the country and the number, without spaces"
        import phonenumbers  # slow to import, and only needed when addresses are checked

        try:
            number = phonenumbers.parse(address)
        except phonenumbers.NumberParseException:
            return "in no country"
        if self.settings.allow_private and phonenumbers.is_possible_number(number):
            return None
        if not phonenumbers.is_valid_number(number):
            return "no such number can exist"
        kind = phonenumbers.number_type(number)
        if kind not in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE):
            return "not the number of a mobile"
        country = phonenumbers.region_code_for_number(number)
        if self.settings.countries and country not in self.settings.countries:
            return f"in {country}, which is not among the countries of this channel"
        return None

    def find(self, notification: Notification, since: Instant, besides: Collection[str] = ()) -> Receipt | None:
        """By number, time and text; not by the date of sending, which a message that waits at Twilio has not got."""

        def look() -> Receipt | None:
            found = None
            for message in self._newest(OLDEST, to=notification.address, from_=self.settings.sender):
                if message.date_created and _instant(message.date_created) < since - SLACK:
                    break
                if notification.text in (message.body or "") and message.sid not in besides:
                    found = _receipt(message)
            return found

        return self._asked(look)

    def status(self, provider_id: str) -> Receipt:
        return self._asked(lambda: _receipt(self._client.messages(provider_id).fetch()))

    def replies(self, since: Instant) -> list[Inbound]:
        sent_after = datetime.fromtimestamp((since - SLACK) // SECOND, UTC)

        def listen() -> list[Inbound]:
            messages = self._newest(None, to=self.settings.sender, date_sent_after=sent_after)
            return [_inbound(message) for message in messages if message.direction == "inbound"]

        return self._asked(listen)

    def _newest(self, limit: int | None, **which: Any) -> Iterator[Any]:
        """The newest first, as Twilio lists them, page after page; `limit`: so many at the most."""
        return self._client.messages.stream(page_size=PAGE, limit=limit, **which)  # type: ignore[no-any-return]

    def _made(self, call: Callable[[], T]) -> T:
        """What the SDK makes of the answer.  Whatever it raises is about an answer that it cannot read."""
        try:
            return call()
        except VorabError:
            raise
        except Exception as error:
            raise OutcomeUnknown(f"an answer that cannot be read ({type(error).__name__})") from error

    def _asked(self, question: Callable[[], T]) -> T:
        """Raises TemporaryFailure, and nothing else: a question may be asked again, whatever came of it."""
        try:
            return self._made(question)
        except VorabError as error:
            raise TemporaryFailure(str(error), getattr(error, "retry_after_s", None)) from None

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def webhook(
        self,
        path: str,
        url: str,
        form: Sequence[tuple[str, str]],
        signature: str,
        look: Callable[[str], Told | None],
    ) -> Called:
        """Of `url` only the query counts; the host is that of the settings, never what the request claims."""
        query = urlsplit(url).query
        signed = f"{self.settings.public_url}{path}" + (f"?{query}" if query else "")
        if not self._signed(signed, form, signature):
            raise Refused("wrong signature")
        fields = _fields(form)
        if fields.get("AccountSid", self.settings.account_sid) != self.settings.account_sid:
            raise Malformed("another account")
        sid = _matching(_SID, fields, "MessageSid")
        if path.endswith("/status"):
            return Called([self._report(sid, fields, dict(parse_qsl(query)))])
        return Called([self._heard(sid, fields)])

    def _report(self, sid: str, fields: dict[str, str], query: dict[str, str]) -> InboxItem:
        state = _STATES.get(fields.get("MessageStatus", ""))
        if state is None:
            raise Malformed(f"MessageStatus {fields.get('MessageStatus', '')[:20]!r}")
        notification = query.get("m", "")
        if not any(_same(_key(token, notification), query.get("k", "")) for token in self._tokens):
            raise Refused("wrong key")
        reason = _said(fields.get("ErrorCode", "")) if state is Delivery.FAILED else ""
        body = {"channel": NAME, "provider_id": sid, "notification": notification, "state": state.value}
        return InboxItem(f"{sid}/{state}", "status", body | {"reason": reason})

    def _heard(self, sid: str, fields: dict[str, str]) -> InboxItem:
        if "AccountSid" not in fields or "Body" not in fields:
            raise Malformed("AccountSid or Body is missing")
        if fields.get("To") != self.settings.sender:
            raise Malformed("To is not our number")
        sender = _matching(_E164, fields, "From")
        body = {"channel": NAME, "sender": sender, "to": self.settings.sender, "text": _clean(fields["Body"])}
        return InboxItem(sid, "reply", body)

    def _signed(self, url: str, form: Sequence[tuple[str, str]], signature: str) -> bool:
        signatures = [_sign(token, variant, form) for token in self._tokens for variant in _with_and_without_port(url)]
        return any(_same(ours, signature) for ours in signatures)

    def _callback(self, notification: str) -> str:
        query = urlencode({"m": notification, "k": _key(self._tokens[0], notification)}, quote_via=quote)
        return f"{self.settings.public_url}/twilio/status?{query}"


Channel = Sms


# --- what came --------------------------------------------------------------------------------------------------------


def _receipt(message: Any) -> Receipt:
    """Of a message as the API shows it: what has a SID was accepted, whatever its status is called."""
    if not _SID.fullmatch(message.sid):
        raise OutcomeUnknown("an answer that is no message")
    state = _STATES.get(message.status, Delivery.SENT)
    return Receipt(state, message.sid, _said(str(message.error_code or "")) if state is Delivery.FAILED else "")


def _inbound(message: Any) -> Inbound:
    if not _SID.fullmatch(message.sid):
        raise ValueError(message.sid)
    at = _instant(message.date_sent or message.date_created)
    return Inbound(id=message.sid, channel=NAME, sender=message.from_, text=_clean(message.body or ""), at=at)


def _said(code: str) -> str:
    """The reason behind an error code, with the code."""
    known = ERRORS.get(int(code)) if code.isascii() and code.isdigit() and len(code) <= 6 else None
    return f"{code} {known}" if known else f"error {code[:6]}" if code else "undelivered"


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= 6 else None


def _instant(at: datetime) -> Instant:
    return Instant(int(at.timestamp()) * SECOND)


def masked(text: str) -> str:
    """Phone numbers shown by their ends only: +336•••01."""
    return re.sub(r"\+?\d{7,}", lambda found: f"{found[0][:4]}•••{found[0][-2:]}", text[:300])


# --- webhooks ---------------------------------------------------------------------------------------------------------


def _fields(form: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Raises Malformed: too many, too long, or one twice."""
    if len(form) > MAX_FIELDS or any(len(name) + len(value) > MAX_FIELD for name, value in form):
        raise Malformed("too many fields, or too long")
    fields = dict(form)
    if len(fields) < len(form):
        raise Malformed("a field twice")
    return fields


def _matching(pattern: re.Pattern[str], fields: dict[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not pattern.fullmatch(value):
        raise Malformed(f"{name} is missing or has the wrong form")
    return value


def _clean(text: str) -> str:
    """Composed, without control and invisible characters, at most 1,600 characters."""
    shown = (c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn") else " " for c in text[:1600])
    return unicodedata.normalize("NFC", "".join(shown)).strip()


def _key(token: bytes, notification: str) -> str:
    """Proves that a status callback is for a message of ours; the token itself cannot be told from it."""
    secret = hmac.digest(token, b"vorab status callback", hashlib.sha256)
    return hmac.digest(secret, notification.encode(errors="replace"), hashlib.sha256).hex()[:32]


def _same(ours: str, theirs: str) -> bool:
    """In a time that tells nothing of ours."""
    return hmac.compare_digest(ours.encode(), theirs.encode(errors="replace"))


def _sign(token: bytes, url: str, form: Sequence[tuple[str, str]]) -> str:
    """X-Twilio-Signature: the URL, then every name and value in order, of equal ones only one."""
    told = url + "".join(name + value for name, value in sorted(set(form)))
    # SHA-1 is what Twilio signs with; as an HMAC it is not broken.
    return base64.b64encode(hmac.digest(token, told.encode(errors="replace"), hashlib.sha1)).decode()


def _with_and_without_port(url: str) -> list[str]:
    """Twilio signs with or without the port, whichever way its own HTTP library saw it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return [parts._replace(netloc=host).geturl(), parts._replace(netloc=f"{host}:{port}").geturl()]


# --- the SDK ----------------------------------------------------------------------------------------------------------


def _twilio(settings: Settings, http: HttpClient) -> Any:
    """The SDK's client on our HTTP.  Imported here because it takes a third of a second."""
    from twilio.http import HttpClient as TwilioHttp  # type: ignore[import-untyped]
    from twilio.http.response import Response  # type: ignore[import-untyped]
    from twilio.rest import Client  # type: ignore[import-untyped]

    class Http(TwilioHttp):  # type: ignore[misc] # the SDK is not typed
        def __init__(self) -> None:
            """Without the SDK's own: it keeps the last request, which is no use, and not safe between threads."""

        def request(
            self, method: str, url: str, params: Any = None, data: Any = None, auth: Any = None, **_: Any
        ) -> Response:
            parts = urlsplit(url)
            query = urlencode(params or {}) or parts.query
            target = f"{settings.base_url}{parts.path}" + (f"?{query}" if query else "")
            form = [(name, str(value)) for name, value in data.items()] if data else None
            answer = http.request(method, target, form=form, auth=auth)
            _refuse(answer)
            return Response(answer.status, answer.body.decode(errors="replace"), answer.headers)

    return Client(settings.account_sid, settings.auth_token.get_secret_value(), http_client=Http())


def _refuse(answer: HttpResponse) -> None:
    """Nothing, if the answer is a 2xx with a JSON object.

    Raises TemporaryFailure (not processed), Rejected (for good) or OutcomeUnknown.
    """
    try:
        told = msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        told = {}
    if 200 <= answer.status < 300:
        if not told:
            raise OutcomeUnknown(f"HTTP {answer.status} with something that is no JSON object")
        return
    code, message = told.get("code"), told.get("message")
    if answer.status == 429:
        raise TemporaryFailure("too many requests", _seconds(answer.headers.get("retry-after", "")))
    reason = _said(str(code)) if code in ERRORS else masked(f"HTTP {answer.status} {message or ''}".strip())
    if 400 <= answer.status < 500 and answer.status not in _UNCLEAR:
        raise Rejected(reason)
    raise OutcomeUnknown(reason)
