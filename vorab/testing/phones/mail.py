"""Mail: kept for every person it is addressed to, and read as a person would read it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import getaddresses

from vorab.testing.phones.exchange import Exchange

PICTURES = ("image/jpeg", "image/png")


@dataclass(eq=False, repr=False)
class Mails(Exchange):
    """Every mailbox."""

    mails: dict[int, EmailMessage] = field(default_factory=dict)  #: by its number in the ledger

    def mail(self, message: EmailMessage, to: Sequence[str] = ()) -> None:
        """It lies in the mailbox of everybody it is addressed to; `to`: by the envelope, else by the letter."""
        text = f"{message.get('Subject', '')}\n\n{_text(message)}".strip()
        with self.changed:
            for address in to or _addressed(message):
                entry = self._note("mail", address, text, str(message.get("Message-ID", "")))
                self.mails[entry.number] = message

    def picture(self, number: int) -> tuple[str, bytes] | None:
        """The first picture in the mail with this number in the ledger: its type and its bytes."""
        message = self.mails.get(number)
        for part in message.walk() if message else ():
            if part.get_content_type() in PICTURES:
                data = part.get_payload(decode=True)
                return (part.get_content_type(), data) if isinstance(data, bytes) else None
        return None


def _addressed(message: EmailMessage) -> list[str]:
    told = [str(value) for name in ("To", "Cc") for value in message.get_all(name, [])]
    return [address for _, address in getaddresses(told) if address]


def _text(message: EmailMessage) -> str:
    """The plain part, also where it does not say truly how it is written."""
    part = message.get_body(("plain",))
    data = part.get_payload(decode=True) if part else b""
    if part is None or not isinstance(data, bytes):
        return ""
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace").strip()
    except LookupError:
        return data.decode("utf-8", "replace").strip()
