"""Text messages through Twilio.  Address: an E.164 number of a mobile, for example +12025550123."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from notifiers.twilio_account import (
    E164,
    OLDEST,
    PAGE,
    SLACK,
    Account,
    Hook,
    Twilio,
    clean,
    instant,
    matching,
    said,
)
from vorab.errors import Malformed, OutcomeUnknown
from vorab.model import SECOND, Delivery, Instant, Notification, Receipt
from vorab.ports import Called, HttpClient, Inbound, InboxItem, Told

NAME = "sms"
LONGEST_VALIDITY_S = 36_000  #: what Twilio takes, 10 h

_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_STATES = {
    **dict.fromkeys(["accepted", "scheduled", "queued", "sending", "sent"], Delivery.SENT),
    **dict.fromkeys(["delivered", "read"], Delivery.DELIVERED),
    **dict.fromkeys(["undelivered", "failed", "canceled"], Delivery.FAILED),
}


class Settings(Account):
    """Of `channels: sms:` in site.yaml."""


class Sms:
    """Implements vorab.ports Channel, Finds, Hears and Hooks.  One for all threads."""

    limit = 160  #: one segment of GSM-7; a text in another alphabet may take three
    requests_only = False
    shows_pictures = False
    paths = ("/twilio/sms", "/twilio/status")

    def __init__(self, settings: Settings, http: HttpClient) -> None:
        self.settings = settings
        self._twilio = Twilio(settings, http)

    def send(self, notification: Notification) -> Receipt:
        """Hands it over; Twilio drops it if it could not deliver it in `expires_at - created_at`."""
        seconds = (notification.expires_at - notification.created_at) // SECOND
        report = {}
        if self.settings.public_url:
            report = {"status_callback": self._twilio.address(notification.id, "/twilio/status")}
        return self._twilio.handed_over(
            lambda: _receipt(
                self._twilio.client.messages.create(
                    to=notification.address,
                    from_=self.settings.sender,
                    body=notification.text,
                    validity_period=min(max(seconds, 1), LONGEST_VALIDITY_S),
                    **report,
                )
            )
        )

    def accepts(self, address: str) -> str | None:
        return self.settings.accepts(address, ("MOBILE", "FIXED_LINE_OR_MOBILE"), "not the number of a mobile")

    def find(self, notification: Notification, since: Instant, besides: Collection[str] = ()) -> Receipt | None:
        """By number, time and text; not by the date of sending, which a message that waits at Twilio has not got."""

        def look() -> Receipt | None:
            found = None
            for message in self._newest(OLDEST, to=notification.address, from_=self.settings.sender):
                if message.date_created and instant(message.date_created) < since - SLACK:
                    break
                if notification.text in (message.body or "") and message.sid not in besides:
                    found = _receipt(message)
            return found

        return self._twilio.asked(look)

    def status(self, provider_id: str) -> Receipt:
        return self._twilio.asked(lambda: _receipt(self._twilio.client.messages(provider_id).fetch()))

    def replies(self, since: Instant) -> list[Inbound]:
        sent_after = datetime.fromtimestamp((since - SLACK) // SECOND, UTC)

        def listen() -> list[Inbound]:
            messages = self._newest(None, to=self.settings.sender, date_sent_after=sent_after)
            return [_inbound(message) for message in messages if message.direction == "inbound"]

        return self._twilio.asked(listen)

    def _newest(self, limit: int | None, **which: Any) -> Iterator[Any]:
        """The newest first, as Twilio lists them, page after page; `limit`: so many at the most."""
        return self._twilio.client.messages.stream(page_size=PAGE, limit=limit, **which)  # type: ignore[no-any-return]

    def webhook(
        self,
        path: str,
        url: str,
        form: Sequence[tuple[str, str]],
        signature: str,
        look: Callable[[str], Told | None],
    ) -> Called:
        hook = self._twilio.hook(path, url, form, signature)
        sid = matching(_SID, hook, "MessageSid")
        return Called([self._report(sid, hook) if path.endswith("/status") else self._heard(sid, hook)])

    def _report(self, sid: str, hook: Hook) -> InboxItem:
        status = hook.fields.get("MessageStatus", "")
        state = _STATES.get(status)
        if state is None:
            raise Malformed(f"MessageStatus {status[:20]!r}")
        notification = self._twilio.notification(hook)
        reason = said(hook.fields.get("ErrorCode", "")) if state is Delivery.FAILED else ""
        body = {"channel": NAME, "provider_id": sid, "notification": notification, "state": state.value}
        return InboxItem(f"{sid}/{state}", "status", body | {"reason": reason})

    def _heard(self, sid: str, hook: Hook) -> InboxItem:
        if "AccountSid" not in hook.fields or "Body" not in hook.fields:
            raise Malformed("AccountSid or Body is missing")
        if hook.fields.get("To") != self.settings.sender:
            raise Malformed("To is not our number")
        sender = matching(E164, hook, "From")
        body = {"channel": NAME, "sender": sender, "to": self.settings.sender, "text": clean(hook.fields["Body"])}
        return InboxItem(sid, "reply", body)


Channel = Sms


def _receipt(message: Any) -> Receipt:
    """Of a message as the API shows it: what has a SID was accepted, whatever its status is called."""
    if not _SID.fullmatch(message.sid):
        raise OutcomeUnknown("an answer that is no message")
    state = _STATES.get(message.status, Delivery.SENT)
    return Receipt(state, message.sid, said(str(message.error_code or "")) if state is Delivery.FAILED else "")


def _inbound(message: Any) -> Inbound:
    if not _SID.fullmatch(message.sid):
        raise ValueError(message.sid)
    at = instant(message.date_sent or message.date_created)
    return Inbound(id=message.sid, channel=NAME, sender=message.from_, text=clean(message.body or ""), at=at)
