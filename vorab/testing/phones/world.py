"""The phone world: messages, calls and mail of one account, and every handset they reach."""

import hmac
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from vorab.errors import OutcomeUnknown, TemporaryFailure
from vorab.ports import HttpResponse
from vorab.testing.phones.calls import Calls
from vorab.testing.phones.conversation import Line, in_words
from vorab.testing.phones.exchange import Broken, Fault, Form, Post, Received, Reports, refuse
from vorab.testing.phones.mail import Mails
from vorab.testing.phones.messages import Messages

__all__ = ["Broken", "Fault", "Form", "Line", "PhoneWorld", "Post", "Received", "Reports"]


@dataclass(eq=False, repr=False)
class PhoneWorld(Messages, Calls, Mails):
    """One account with its messages and calls, every mailbox, and every handset of the world.  For all threads."""

    _read: Counter[tuple[str, str]] = field(default_factory=Counter)

    # --- for tests ----------------------------------------------------------------------------------------------------

    def unread(self, handset: str, kind: str = "sms") -> list[Received]:
        """What this handset has shown since the last `read`."""
        return self.received(handset, kind)[self._read[handset, kind] :]

    def read(self, handset: str, kind: str = "sms") -> None:
        """The oldest unread message or mail of this handset counts as expected."""
        self._read[handset, kind] += 1

    def unexpected(self) -> list[str]:
        """Every message and mail, and every call that rang, that no test asked for; a test ends with none."""
        self.tick()
        with self.changed:
            handsets = sorted({entry.handset for entry in self.ledger} | {call.to for call in self._calls.values()})
        return [f"{handset}: {line}" for handset in handsets for line in self.unasked(handset)]

    def unasked(self, handset: str) -> list[str]:
        """The same of one handset or mailbox."""
        rang = [call for call in self.calls(handset) if call.rang and not call.is_expected]
        shown = [entry.text for kind in ("sms", "mail") for entry in self.unread(handset, kind)]
        return [*shown, *in_words(rang)]

    def tick(self) -> None:
        """What is due by the clock happens: handsets show and ring, then our webhooks are called."""
        self.settle()
        self.call()

    def settle(self) -> None:
        """Handsets show what is due by the clock, calls go on; what our webhooks are told is made, not sent yet."""
        with self.changed:
            now = self.clock.now()
            self._settle_messages(now)
            self._settle_calls(now)

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
            return refuse(401, 20003, "Authenticate")
        path = parts.path.removeprefix(f"/2010-04-01/Accounts/{self.account}/").removesuffix(".json")
        query = dict(parse_qsl(parts.query))
        match method, path.split("/"):
            case "POST", ["Messages"]:
                return self._create_message(dict(form))
            case "GET", ["Messages"]:
                return self._list_messages(parts.path, query)
            case "GET", ["Messages", sid]:
                return self._fetch_message(sid)
            case "POST", ["Calls"]:
                return self._create_call(form)
            case "GET", ["Calls"]:
                return self._list_calls(parts.path, query)
            case "GET", ["Calls", sid]:
                return self._fetch_call(sid)
            case "POST", ["Calls", sid]:
                return self._update_call(sid, dict(form))
        return refuse(404, 20404, f"The requested resource {parts.path} was not found")

    @property
    def _login(self) -> bytes:
        return f"{self.account}:{self.token}".encode()
