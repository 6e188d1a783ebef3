"""E-mail by SMTP.  Address: user@host.example, without a name.

Accepted by the mail server is delivered, as far as SMTP can say; what bounces later goes to the sender's own mailbox,
and a request that nobody answers escalates anyway.
"""

import asyncio
import contextlib
import hashlib
import html
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime
from typing import Literal, Self

import aiosmtplib
from aiosmtplib import SMTPException, SMTPResponseException
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from notifiers.http import CONNECT_S, TOTAL_S, certificate_refused, refuse_private
from vorab.errors import ConfigurationError, OutcomeUnknown, TemporaryFailure, VorabError
from vorab.model import SECOND, Delivery, IncidentId, Notification, Priority, Receipt
from vorab.ports import HttpClient

NAME = "email"
QUIT_S = 1.0  #: for the farewell, on which nothing depends

_ATOM, _LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_BARE = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z]{{2,63}}"
_ADDRESS = re.compile(_BARE)
_SENDER = rf"^(?:{_BARE}|[\w .&-]{{1,64}} <{_BARE}>)$"
#: Kept for examples and tests (RFC 2606, RFC 6761): nobody reads there.
_FICTION = re.compile(r"(?:^|[.@])(?:example|test|invalid|localhost|example\.(?:com|net|org))$", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s<>\"']+")
_URGENT = (Priority.HIGH, Priority.LIFE_SAFETY)


class Rejected(VorabError):
    """The mail server will not take it, now or later."""


class Settings(BaseModel):
    """Of `channels: email:` in site.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", description="The mail server that takes our messages.")
    port: int = Field(587, ge=1, le=65535, description="587 with starttls, 465 with tls.")
    tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the line is kept secret; none only together with allow_private."
    )
    user: str = Field("", description="Our name there; empty = it asks for none.")
    password: SecretStr = Field(SecretStr(""), description="As env:NAME or file:PATH.")
    sender: str = Field(
        pattern=_SENDER, description="From whom the messages come: alarm@airport.example, or Airport <alarm@…>."
    )
    allow_private: bool = Field(
        False,
        description="Whether the server may be in a private network, as in a demo; "
        "addresses kept for fiction are then accepted too.",
    )

    @model_validator(mode="after")
    def _kept_secret(self) -> Self:
        if self.tls == "none" and not self.allow_private:
            raise ValueError("tls: none only in a network of one's own; set allow_private: true")
        return self


def smtp(settings: Settings, message: EmailMessage) -> None:
    """The mail server has taken the message; connected within 5 s, done within 10 s.

    Raises TemporaryFailure when surely nothing was taken, OutcomeUnknown when it may have been, Rejected,
    ConfigurationError when this server may not be spoken to.
    """
    deadline = time.monotonic() + TOTAL_S
    try:
        line = socket.create_connection((settings.host, settings.port), CONNECT_S)
    except OSError as error:
        raise TemporaryFailure(f"no connection to {settings.host}: {type(error).__name__}") from None
    if not settings.allow_private:
        refuse_private(settings.host, line)
    asyncio.run(_hand_over(settings, message, line, deadline - time.monotonic()))


async def _hand_over(settings: Settings, message: EmailMessage, line: socket.socket, within_s: float) -> None:
    sender, receiver = (message[name].addresses[0] for name in ("From", "To"))
    line.setblocking(False)
    client = aiosmtplib.SMTP(
        hostname=settings.host,
        sock=line,
        local_hostname=sender.domain,
        use_tls=settings.tls == "tls",
        start_tls=settings.tls == "starttls",
        tls_context=ssl.create_default_context(),
        timeout=None,  # there is one for all of it
    )
    deadline = asyncio.get_running_loop().time() + within_s
    try:
        with _in_words("does not take us"):
            async with asyncio.timeout_at(deadline):
                await client.connect()
                if settings.user:
                    await client.login(settings.user, settings.password.get_secret_value())
                await client.mail(sender.addr_spec)
        with _in_words("does not take messages to this address"):
            async with asyncio.timeout_at(deadline):
                await client.rcpt(receiver.addr_spec)
        with _in_words("does not take this message", lost=OutcomeUnknown):
            async with asyncio.timeout_at(deadline):
                await client.data(message.as_bytes())
        with contextlib.suppress(SMTPException, OSError):
            async with asyncio.timeout(QUIT_S):
                await client.quit()
    finally:
        if isinstance(client.transport, asyncio.WriteTransport):
            client.transport.abort()
        client.close()
        line.close()


@contextlib.contextmanager
def _in_words(refusal: str, lost: type[VorabError] = TemporaryFailure) -> Iterator[None]:
    """The failures of a step as ours: what a 4xx says may pass, and what a lost line means at this step.

    In our own words: a server's may hold the whole address.
    """
    try:
        yield
    except SMTPResponseException as error:
        kind = {4: TemporaryFailure, 5: Rejected}.get(error.code // 100, lost)  # else it does not speak SMTP
        raise kind(f"the mail server {refusal} ({error.code})") from None
    except (TimeoutError, OSError) as error:
        what = "does not answer in time" if isinstance(error, TimeoutError) else "cut the line"
        if certificate_refused(error):
            what = "cannot prove who it is: certificate refused"
        raise lost(f"the mail server {what}") from None
    except SMTPException as error:
        raise Rejected(f"the mail server {refusal}: {type(error).__name__}") from None


class Email:
    """Implements vorab.ports Channel.  One for all threads."""

    limit = 4000
    requests_only = False
    shows_pictures = True

    def __init__(
        self, settings: Settings, http: HttpClient, hand_over: Callable[[Settings, EmailMessage], None] = smtp
    ) -> None:
        self.settings = settings
        self._hand_over = hand_over

    def send(self, notification: Notification) -> Receipt:
        if reason := self.accepts(notification.address):
            return Receipt(Delivery.FAILED, reason=reason)
        try:
            self._hand_over(self.settings, written(self.settings, notification))
        except TemporaryFailure as failure:
            return Receipt(Delivery.READY, reason=str(failure), retry_after_s=failure.retry_after_s)
        except OutcomeUnknown as unknown:
            return Receipt(Delivery.UNKNOWN, reason=str(unknown))
        except (Rejected, ConfigurationError) as refusal:
            return Receipt(Delivery.FAILED, reason=str(refusal))
        return Receipt(Delivery.DELIVERED, message_id(notification, self.settings))

    def accepts(self, address: str) -> str | None:
        if len(address) > 254 or not _ADDRESS.fullmatch(address) or len(address.partition("@")[0]) > 64:
            return "not an e-mail address such as ana@airport.com"
        if _FICTION.search(address) and not self.settings.allow_private:
            return "an address kept for fiction; nobody reads there"
        return None


Channel = Email


def written(settings: Settings, notification: Notification) -> EmailMessage:
    """The message as it goes out: plain text, the same as HTML, and the picture in it.

    The messages of one incident are one thread, and one that goes out twice is the same message.
    """
    text = notification.text.encode("utf-8", "replace").decode()
    subject, _, body = text.partition("\n")
    message = EmailMessage(WIRE.clone(cte_type="7bit"))  # more than 7 bits is an extension (RFC 6152)
    name, _, address = settings.sender.rpartition(" <")
    message["From"] = Address(name, addr_spec=address.rstrip(">"))
    message["To"] = Address(addr_spec=notification.address)
    message["Subject"] = "".join(filter(str.isprintable, subject))
    message["Date"] = format_datetime(datetime.fromtimestamp(notification.created_at / SECOND, UTC))
    message["Message-ID"] = message_id(notification, settings)
    message["In-Reply-To"] = message["References"] = thread_id(notification.incident, settings)
    message["Auto-Submitted"] = "auto-generated"  # no holiday answers, please (RFC 3834)
    if notification.priority in _URGENT:
        message["Importance"] = "high"
    message.set_content(body.strip() + "\n")
    message.add_alternative(_html(body, with_picture=bool(notification.picture)), subtype="html")
    page = message.get_body(("html",))
    if notification.picture and isinstance(page, EmailMessage):
        page.add_related(
            notification.picture, "image", "jpeg", cid="<picture>", disposition="inline", filename="picture.jpg"
        )
    return message


def message_id(notification: Notification, settings: Settings) -> str:
    return _id(notification.id, settings)


def thread_id(incident: IncidentId, settings: Settings) -> str:
    """What all messages of an incident answer to."""
    return _id(incident, settings)


def _id(about: str, settings: Settings) -> str:
    """Hashed: a person's id may hold what has no place in a header."""
    return f"<{hashlib.sha256(about.encode()).hexdigest()[:32]}@{settings.sender.rpartition('@')[2].rstrip('>')}>"


def _html(body: str, *, with_picture: bool) -> str:
    paragraphs = "".join(f"<p>{_linked(part)}</p>" for part in body.strip().split("\n\n"))
    picture = '<p><img src="cid:picture" alt="" style="max-width:100%"></p>' if with_picture else ""
    return f'<html><body style="font:16px/1.5 sans-serif">{paragraphs}{picture}</body></html>\n'


def _linked(paragraph: str) -> str:
    """Escaped, with its addresses as links."""
    parts, at = [], 0
    for link in _LINK.finditer(paragraph):
        url = html.escape(link[0])
        parts += [html.escape(paragraph[at : link.start()]), f'<a href="{url}">{url}</a>']
        at = link.end()
    return "".join([*parts, html.escape(paragraph[at:])]).replace("\n", "<br>")
