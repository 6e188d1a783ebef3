"""Calls through Twilio, answered by keys.  Address: an E.164 number, for example +12025550123.

While the person listens, Twilio asks us what to say; so it is said as things stand at that moment. Keys: 1 = I go,
2 = I cannot, 3 = again, 9 = help. A machine, a busy line or no answer is nobody: the next is called at once.

A sentence is played from `recordings/LANGUAGE/NAME.wav` (or `.mp3`) of the site folder where there is such a file, else
spoken. NAME stands in brackets before a sentence of the template; a slash in it is a hyphen in the file's name. The
fixed sentences of a call are `call-keys`, `call-yours` and the others of `notifiers/spoken.py`.
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import Field

from notifiers import conversation
from notifiers.conversation import KEY, SAY, Line, Said, Turn
from notifiers.twilio_account import OLDEST, PAGE, SLACK, Account, Hook, Rejected, Twilio, instant, matching
from vorab.errors import Malformed, OutcomeUnknown, TemporaryFailure
from vorab.model import SECOND, Delivery, Instant, Notification, Receipt
from vorab.ports import Called, HttpClient, InboxItem, Told
from vorab.words import LANGUAGES

NAME = "voice"
STATUS, MACHINE = f"{SAY}/status", f"{SAY}/machine"
LONGEST_S = 300  #: a call ends then, whatever is pressed
TALK_S = 60.0  #: from picking up to the key, as a rule; without a report after that Twilio is asked
SHORTEST_RING_S = 5  #: what Twilio takes

_SID = re.compile(r"CA[0-9a-f]{32}")
_UNDER_WAY = ("queued", "initiated", "ringing", "in-progress", "answered")
#: Why a call has reached nobody, by Twilio's word for how it ended.
NOBODY = {
    "busy": "busy",
    "no-answer": "nobody picked up",
    "failed": "the call did not come through",
    "canceled": "hung up before anybody picked up",
    "completed": "answered, but nobody pressed a key",
}
A_MACHINE = "a machine answered"
_IS_OVER = (20404, 21220)  #: Twilio's codes: no such call, or not in progress


class Settings(Account):
    """Of `channels: voice:` in site.yaml."""

    public_url: str = Field(
        "",
        pattern=r"^(https?://[^?#]+[^/?#])?$",
        description="Where Twilio asks us what to say, without a slash at the end; empty = nobody is called.",
    )
    ring: int = Field(25, ge=SHORTEST_RING_S, le=120, description="Seconds that a telephone rings.")
    recordings: str = Field(
        "", description="Where recorded sentences are: recordings/ of the site folder, which Vorab fills in."
    )


def recordings(folder: Path) -> dict[tuple[str, str], Path]:
    """What is there now: (language, file name) → file; WAV and MP3 of this folder, nothing that leads outside."""
    return {
        (language, file.name): file
        for language in LANGUAGES
        for file in sorted((folder / language).glob("*.*"))
        if file.suffix in (".wav", ".mp3") and file.is_file() and file.resolve().is_relative_to(folder.resolve())
    }


class Voice:
    """Implements vorab.ports Channel, Finds, Hooks and HangsUp.  One for all threads."""

    limit = 1000
    requests_only = True
    shows_pictures = False
    paths = (SAY, KEY, STATUS, MACHINE)

    def __init__(self, settings: Settings, http: HttpClient) -> None:
        self.settings = settings
        self._twilio = Twilio(settings, http)
        known = recordings(Path(settings.recordings)) if settings.recordings else {}
        self._recorded = {
            (language, file.stem): f"{settings.public_url}/recordings/{language}/{quote(name)}"
            for (language, name), file in known.items()
        }

    def send(self, notification: Notification) -> Receipt:
        """The telephone rings, not much longer than `expires_at - created_at`."""
        if not self.settings.public_url:
            return Receipt(Delivery.FAILED, reason="without a public_url nobody can answer a call")
        seconds = (notification.expires_at - notification.created_at) // SECOND
        address = partial(self._twilio.address, notification.id)
        return self._twilio.handed_over(
            lambda: self._receipt(
                self._twilio.client.calls.create(
                    to=notification.address,
                    from_=self.settings.sender,
                    url=address(SAY),
                    timeout=max(SHORTEST_RING_S, min(self.settings.ring, seconds)),
                    time_limit=LONGEST_S,
                    status_callback=address(STATUS),
                    status_callback_event=["initiated", "ringing", "answered", "completed"],
                    machine_detection="Enable",
                    async_amd="true",
                    async_amd_status_callback=address(MACHINE),
                )
            )
        )

    def accepts(self, address: str) -> str | None:
        kinds = ("MOBILE", "FIXED_LINE", "FIXED_LINE_OR_MOBILE", "VOIP", "PERSONAL_NUMBER", "UAN")
        return self.settings.accepts(address, kinds, "not the number of a person's telephone")

    def find(self, notification: Notification, since: Instant, besides: Collection[str] = ()) -> Receipt | None:
        """By number and time; not by the time of dialling, which a call that waits at Twilio has not got."""
        which = {"to": notification.address, "from_": self.settings.sender, "page_size": PAGE, "limit": OLDEST}

        def look() -> Receipt | None:
            found = None
            for call in self._twilio.client.calls.stream(**which):
                if call.date_created and instant(call.date_created) < since - SLACK:
                    break
                if call.sid not in besides:
                    found = self._receipt(call)
            return found

        return self._twilio.asked(look)

    def status(self, provider_id: str) -> Receipt:
        return self._twilio.asked(lambda: self._receipt(self._twilio.client.calls(provider_id).fetch()))

    def hang_up(self, provider_id: str) -> None:
        def over() -> None:
            try:
                self._twilio.client.calls(provider_id).update(status="completed")
            except Rejected as rejected:
                if rejected.code not in _IS_OVER:
                    raise

        self._twilio.asked(over)

    def _receipt(self, call: Any) -> Receipt:
        """Of a call as the API shows it.  That it was answered says nothing: only a key does."""
        if not _SID.fullmatch(call.sid):
            raise OutcomeUnknown("an answer that is no call")
        if reason := A_MACHINE if _is_machine(call.answered_by or "") else NOBODY.get(call.status, ""):
            return Receipt(Delivery.FAILED, call.sid, reason)
        return Receipt(Delivery.SENT, call.sid, report_within_s=self.settings.ring + TALK_S)

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def webhook(
        self,
        path: str,
        url: str,
        form: Sequence[tuple[str, str]],
        signature: str,
        look: Callable[[str], Told | None],
    ) -> Called:
        hook = self._twilio.hook(path, url, form, signature)
        notification = self._twilio.notification(hook)
        sid = matching(_SID, hook, "CallSid")
        if path in (STATUS, MACHINE):
            return Called(_reported(sid, notification, hook, is_machine_report=path == MACHINE))
        line, turn = Line(partial(self._twilio.address, notification), self._recorded), _turn(hook)
        try:
            told = look(notification)
        except TemporaryFailure:
            return Called([], conversation.once_more(line, path, turn))
        if told is None:
            return Called([], conversation.unknown(line))
        if hook.fields.get("To") != told.notification.address:
            raise Malformed("To is not the number of this message")
        said = (conversation.pressed if path == KEY else conversation.picked_up)(line, told, turn)
        otherwise = conversation.once_more(line, path, turn, [conversation.spoken(told)])
        return Called(_items(sid, notification, said), said.document, otherwise)


Channel = Voice


def _turn(hook: Hook) -> Turn:
    """Our own words, back from Twilio.  A key of now counts before one that waited for the store."""

    def number(name: str) -> int:
        value = hook.query.get(name, "")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 4 else 0

    digit = hook.fields.get("Digits", hook.query.get("d", ""))
    return Turn(digit[:1] if len(digit) == 1 else "", number("w"), number("n"), number("t"))


def _items(sid: str, notification: str, said: Said) -> list[InboxItem]:
    """The first key that decides is the only one of its call."""
    if said.meaning:
        about = {"channel": NAME, "provider_id": sid, "notification": notification}
        return [InboxItem(f"{sid}/key", "key", about | {"meaning": said.meaning.value})]
    return [_status(sid, notification, Delivery.DELIVERED)] if said.heard else []


def _reported(sid: str, notification: str, hook: Hook, *, is_machine_report: bool) -> list[InboxItem]:
    """Who answered is told by either report; a machine is hung up on.  Raises Malformed."""
    if _is_machine(hook.fields.get("AnsweredBy", "")):
        return [_status(sid, notification, Delivery.FAILED, A_MACHINE, hang_up="yes")]
    if is_machine_report:
        return []
    status = hook.fields.get("CallStatus", "")
    if status in _UNDER_WAY:
        return [_status(sid, notification, Delivery.SENT)]
    if status not in NOBODY:
        raise Malformed(f"CallStatus {status[:20]!r}")
    return [_status(sid, notification, Delivery.FAILED, NOBODY[status])]


def _status(sid: str, notification: str, state: Delivery, reason: str = "", **more: str) -> InboxItem:
    body = {"channel": NAME, "provider_id": sid, "notification": notification, "state": state.value, "reason": reason}
    return InboxItem(f"{sid}/{state}", "status", body | more)


def _is_machine(answered_by: str) -> bool:
    """What Twilio heard: human, unknown, machine_start, machine_end_beep …, fax."""
    return answered_by.startswith(("machine", "fax"))
