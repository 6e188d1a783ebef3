"""An account at Twilio, as text messages and calls share it: requests, what their answers mean, signed webhooks.

The `twilio` SDK makes the requests; they go out through our own HttpClient, because the SDK's has no time-out.
"""

import base64
import functools
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from vorab.errors import ConfigurationError, Malformed, OutcomeUnknown, Refused, TemporaryFailure, VorabError
from vorab.model import SECOND, Delivery, Instant, Receipt, Span
from vorab.ports import HttpClient, HttpResponse

T = TypeVar("T")

TWILIO = "https://api.twilio.com"
PAGE = 40  #: messages or calls in one answer, so that it stays under 64 kB
OLDEST = 200  #: looked at when looking for one
#: Clocks differ: what is listed so much before "since" may still be ours.
SLACK = Span(30 * SECOND)
MAX_FIELDS, MAX_FIELD = 200, 4096  #: of a webhook
MAX_TEXT = 1600  #: characters that are read of a text

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
#: Twilio's error codes in the words of the person who reads the incident (www.twilio.com/docs/api/errors).
ERRORS = {
    10004: "too many calls at once for this account",
    13224: "not a valid number",
    13227: "the account may not call this country",
    20003: "the account SID or the auth token is wrong",
    20404: "no such account or message",
    21205: "the address of our webhooks is not valid",
    21210: "the sender is not a number of this account",
    21211: "not a valid number",
    21212: "the sender is not a valid number",
    21215: "the account may not call this country",
    21216: "the account may not call this number",
    21217: "not a valid number",
    21219: "a trial account calls verified numbers only",
    21220: "the call is over",
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
#: A 4xx of these does not say that the request was refused for good.
_UNCLEAR = (408, 425)


class Rejected(VorabError):
    """Twilio refused the request for good."""

    def __init__(self, reason: str, code: object = None) -> None:
        super().__init__(reason)
        self.code = code  #: Twilio's own, an integer if its answer was in order


class Account(BaseModel):
    """What the settings of its channels have in common."""

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
    countries: list[str] = Field([], description="Country codes that may be reached, e.g. FR; empty = all.")

    def accepts(self, address: str, kinds: Sequence[str], otherwise: str) -> str | None:
        """Why this number cannot be used; None = it can.  `kinds`: of phonenumbers.PhoneNumberType."""
        if not E164.fullmatch(address):
            return "not an E.164 number: a plus sign, the country and the number, without spaces"
        import phonenumbers  # slow to import, and only needed when addresses are checked

        try:
            number = phonenumbers.parse(address)
        except phonenumbers.NumberParseException:
            return "in no country"
        if self.allow_private and phonenumbers.is_possible_number(number):
            return None
        if not phonenumbers.is_valid_number(number):
            return "no such number can exist"
        if phonenumbers.number_type(number) not in [getattr(phonenumbers.PhoneNumberType, kind) for kind in kinds]:
            return otherwise
        country = phonenumbers.region_code_for_number(number)
        if self.countries and country not in self.countries:
            return f"in {country}, which is not among the countries of this channel"
        return None


class Hook(Struct, frozen=True):
    """A webhook that Twilio has signed."""

    fields: dict[str, str]
    query: dict[str, str]  #: of its address, which is signed too


class Twilio:
    """The account at work.  One for all threads."""

    def __init__(self, settings: Account, http: HttpClient) -> None:
        self._settings = settings
        self._http = http
        tokens = [settings.auth_token, settings.previous_auth_token]
        self._tokens = [token.get_secret_value().encode() for token in tokens if token]

    @functools.cached_property
    def client(self) -> Any:
        """The SDK's."""
        return _sdk(self._settings, self._http)

    # --- asking -------------------------------------------------------------------------------------------------------

    def handed_over(self, call: Callable[[], Receipt]) -> Receipt:
        """What became of it, whatever went wrong.  READY: surely not processed.  UNKNOWN: it may have been."""
        try:
            return _made(call)
        except TemporaryFailure as failure:
            return Receipt(Delivery.READY, reason=str(failure), retry_after_s=failure.retry_after_s)
        except OutcomeUnknown as unknown:
            return Receipt(Delivery.UNKNOWN, reason=str(unknown))
        except (Rejected, ConfigurationError) as error:
            return Receipt(Delivery.FAILED, reason=str(error))

    def asked(self, question: Callable[[], T]) -> T:
        """Raises TemporaryFailure, and nothing else: a question may be asked again, whatever came of it."""
        try:
            return _made(question)
        except VorabError as error:
            raise TemporaryFailure(str(error), getattr(error, "retry_after_s", None)) from None

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def address(self, notification: str, path: str, **more: str) -> str:
        """Where Twilio reaches us about a message of ours, and proves that it is one."""
        query = {"m": notification, "k": _key(self._tokens[0], notification), **more}
        return f"{self._settings.public_url}{path}?{urlencode(query, quote_via=quote)}"

    def hook(self, path: str, url: str, form: Sequence[tuple[str, str]], signature: str) -> Hook:
        """Of `url` only the query counts; the host is that of the settings, never what the request claims.

        Raises Refused (not signed by Twilio) and Malformed.
        """
        query = urlsplit(url).query
        signed = f"{self._settings.public_url}{path}" + (f"?{query}" if query else "")
        if not self._is_signed(signed, form, signature):
            raise Refused("wrong signature")
        fields = _fields(form)
        if fields.get("AccountSid", self._settings.account_sid) != self._settings.account_sid:
            raise Malformed("another account")
        return Hook(fields, dict(parse_qsl(query)))

    def notification(self, hook: Hook) -> str:
        """The id of the message of ours that it is about.  Raises Refused."""
        notification, key = hook.query.get("m", ""), hook.query.get("k", "")
        if not any(_same(_key(token, notification), key) for token in self._tokens):
            raise Refused("wrong key")
        return notification

    def _is_signed(self, url: str, form: Sequence[tuple[str, str]], signature: str) -> bool:
        signatures = [_sign(token, variant, form) for token in self._tokens for variant in _with_and_without_port(url)]
        return any(_same(ours, signature) for ours in signatures)


# --- what came --------------------------------------------------------------------------------------------------------


def said(code: str) -> str:
    """The reason behind an error code, with the code."""
    known = ERRORS.get(int(code)) if code.isascii() and code.isdigit() and len(code) <= 6 else None
    return f"{code} {known}" if known else f"error {code[:6]}" if code else "undelivered"


def instant(at: datetime) -> Instant:
    return Instant(int(at.timestamp()) * SECOND)


def masked(text: str) -> str:
    """Phone numbers shown by their ends only: +336•••01."""
    return re.sub(r"\+?\d{7,}", lambda found: f"{found[0][:4]}•••{found[0][-2:]}", text[:300])


def matching(pattern: re.Pattern[str], hook: Hook, name: str) -> str:
    """The field of this name.  Raises Malformed."""
    value = hook.fields.get(name, "")
    if not pattern.fullmatch(value):
        raise Malformed(f"{name} is missing or has the wrong form")
    return value


def clean(text: str) -> str:
    """Composed, without control and invisible characters, at most MAX_TEXT of them."""
    shown = (c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn") else " " for c in text[:MAX_TEXT])
    return unicodedata.normalize("NFC", "".join(shown)).strip()


def _fields(form: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Raises Malformed: too many, too long, or one twice."""
    if len(form) > MAX_FIELDS or any(len(name) + len(value) > MAX_FIELD for name, value in form):
        raise Malformed("too many fields, or too long")
    fields = dict(form)
    if len(fields) < len(form):
        raise Malformed("a field twice")
    return fields


# --- signatures -------------------------------------------------------------------------------------------------------


def _key(token: bytes, notification: str) -> str:
    """Proves that a webhook is for a message of ours; the token itself cannot be told from it."""
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


def _sdk(settings: Account, http: HttpClient) -> Any:
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
            answer = http.request(method, target, form=_form(data) if data else None, auth=auth)
            _refuse(answer)
            return Response(answer.status, answer.body.decode(errors="replace"), answer.headers)

    return Client(settings.account_sid, settings.auth_token.get_secret_value(), http_client=Http())


def _form(data: dict[str, Any]) -> list[tuple[str, str]]:
    """A list becomes a field that is repeated."""
    return [(name, str(one)) for name, value in data.items() for one in (value if isinstance(value, list) else [value])]


def _made(call: Callable[[], T]) -> T:
    """What the SDK makes of the answer.  Whatever it raises is about an answer that it cannot read."""
    try:
        return call()
    except VorabError:
        raise
    except Exception as error:
        raise OutcomeUnknown(f"an answer that cannot be read ({type(error).__name__})") from error


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
    is_known = isinstance(code, int) and code in ERRORS
    reason = said(str(code)) if is_known else masked(f"HTTP {answer.status} {message or ''}".strip())
    if 400 <= answer.status < 500 and answer.status not in _UNCLEAR:
        raise Rejected(reason, code)
    raise OutcomeUnknown(reason)


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= 6 else None
