"""What becomes of a call: it is dialled, rings, is picked up, says what our TwiML says, takes keys, and is over."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from vorab.errors import Malformed
from vorab.model import SECOND, Instant, Span
from vorab.ports import HttpResponse
from vorab.testing.phones import twiml
from vorab.testing.phones.exchange import AT_ONCE, Exchange, shown_date
from vorab.testing.phones.twiml import Gather, Hangup, Pause, Play, Redirect, Say, Verb

MAX_DOCUMENTS = 100  #: in one call: a circle of redirects ends
PLAYED = 60  #: a recording takes as long as this many characters that are said
KEYS = "0123456789*#"


class Line(StrEnum):
    """What becomes of a call to a number."""

    RINGS = "rings"  #: somebody must act; after the Timeout of the call it is no-answer
    BUSY = "busy"
    NO_ANSWER = "no-answer"  #: rings, and nobody is there
    FAILED = "failed"  #: no such number
    VOICEMAIL = "voicemail"  #: a machine answers, keeps what is said and presses nothing
    LISTENS = "listens"  #: picks up at once, hears what is said until a key is wanted, hangs up
    PRESSES_1 = "presses-1"  #: the same, and presses 1 whenever a key is wanted


_ANSWER_AT_ONCE = (Line.VOICEMAIL, Line.LISTENS, Line.PRESSES_1)


@dataclass(frozen=True)
class Said:
    """One sentence, as it was heard."""

    text: str  #: of a recording: its file name in brackets
    language: str  #: BCP 47; "" = a recording
    sound: str = ""  #: where the recording was fetched


@dataclass(frozen=True)
class _Wait:
    """For a key, within a Gather."""

    begun: bool = False


@dataclass(eq=False)
class Call:
    """One call, from the request to its end."""

    sid: str
    to: str
    sender: str
    created_at: Instant
    due_at: Instant  #: nothing happens before, unless somebody acts
    timeout: Span  #: of ringing
    limit: Span  #: of talking; then it ends, whatever is said
    url: str  #: where we say what it says
    document: str  #: TwiML that came with the request instead
    callback: str
    events: tuple[str, ...]  #: of which `callback` is told: initiated, ringing, answered, completed
    machine: str  #: where AnsweredBy is told; "" = nowhere
    status: str = "queued"
    answered_by: str | None = None
    started_at: Instant | None = None
    answered_at: Instant | None = None
    ended_at: Instant | None = None
    verbs: deque[Verb | _Wait] = field(default_factory=deque)
    gather: Gather | None = None
    digits: str = ""
    asks: bool = False  #: the next document is awaited
    documents: int = 0
    said: list[Said] = field(default_factory=list)
    entry: int = 0  #: in the ledger, from 1; 0 = nobody picked up
    reported: int = 0
    rang: bool = False
    is_expected: bool = False  #: a test has asked for it
    version: int = 0  #: grows with every change of any call

    @property
    def is_open(self) -> bool:
        return self.status in ("queued", "ringing", "in-progress")

    @property
    def takes_keys(self) -> bool:
        return self.status == "in-progress" and self.gather is not None and not self.asks

    @property
    def seconds(self) -> int:
        """Spoken with, not rung."""
        if self.ended_at is None or self.answered_at is None:
            return 0
        return (self.ended_at - self.answered_at) // SECOND

    @property
    def text(self) -> str:
        return " ".join(said.text for said in self.said)


@dataclass(eq=False, repr=False)
class Conversations(Exchange):
    """Every call, and who picks it up.  Whoever is on the telephone is busy for the next."""

    lines: dict[str, Line] = field(default_factory=dict)  #: number → what becomes of its calls; else RINGS
    speech: Span = AT_ONCE  #: for each character that is said
    alerts: list[str] = field(default_factory=list)  #: what Twilio's debugger would show: its code, and why
    _calls: dict[str, Call] = field(default_factory=dict)
    _open: list[Call] = field(default_factory=list)
    _versions: int = 0

    def calls(self, handset: str) -> list[Call]:
        """Every call to this number, oldest first."""
        with self.changed:
            return [call for call in self._calls.values() if call.to == handset]

    def ringing(self, handset: str) -> Call | None:
        return next((call for call in self._open if call.to == handset and call.status == "ringing"), None)

    def talking(self, handset: str) -> Call | None:
        return next((call for call in self._open if call.to == handset and call.status == "in-progress"), None)

    def pick_up(self, handset: str) -> bool:
        """The ringing call is answered; False = none rings."""
        with self.changed:
            call = self.ringing(handset)
            if call:
                self._pick_up(call)
            return call is not None

    def press(self, handset: str, key: str) -> bool:
        """A key of the telephone; False = nobody is on the line.  Outside a Gather it does nothing, as at Twilio."""
        if len(key) != 1 or key not in KEYS:
            raise ValueError(f"{key[:20]!r} is no key of a telephone")
        with self.changed:
            call = self.talking(handset)
            if call:
                self._key(call, key)
            return call is not None

    def hang_up(self, handset: str) -> bool:
        """The person ends the call, or declines one that rings: busy.  False = there is none."""
        with self.changed:
            call = self.talking(handset) or self.ringing(handset)
            if call:
                self._end(call, "completed" if call.status == "in-progress" else "busy")
            return call is not None

    def sound(self, sid: str, said: int) -> str:
        """Where the recording is that was played as this sentence of the call; "" = none was."""
        with self.changed:
            call = self._calls.get(sid)
            return call.said[said].sound if call and 0 <= said < len(call.said) else ""

    def changed_calls(self, since: int) -> list[Call]:
        """Those whose `version` is later, oldest change first."""
        with self.changed:
            return sorted((c for c in self._calls.values() if c.version > since), key=lambda call: call.version)

    def _settle_calls(self, now: Instant) -> None:
        for call in list(self._open):
            self._go_on(call, now)
            if call.status == "in-progress" and call.answered_at is not None and now >= call.answered_at + call.limit:
                self._end(call, "completed")
        self._open = [call for call in self._open if call.is_open]

    # --- from dialled to over -----------------------------------------------------------------------------------------

    def _go_on(self, call: Call, now: Instant) -> None:
        """Everything of this call that is due by `now` happens, each thing at its own time."""
        while call.is_open and not call.asks and call.due_at <= now:
            match call.status:
                case "queued":
                    self._dial(call)
                case "ringing":
                    self._end(call, "no-answer")
                case _:
                    self._next(call)
            self._touch(call)

    def _dial(self, call: Call) -> None:
        line = self.lines.get(call.to, Line.RINGS)
        call.started_at = call.due_at
        self._report_call(call, "initiated", "initiated")
        if line is Line.FAILED:
            return self._end(call, "failed")
        if line is Line.BUSY or self.ringing(call.to) or self.talking(call.to):
            return self._end(call, "busy")
        call.status = "ringing"
        call.rang = True
        call.due_at = Instant(call.due_at + call.timeout)
        self._report_call(call, "ringing", "ringing")
        if line in _ANSWER_AT_ONCE:
            self._pick_up(call)
        return None

    def _pick_up(self, call: Call) -> None:
        is_machine = self.lines.get(call.to) is Line.VOICEMAIL
        call.status = "in-progress"
        call.answered_at = self.clock.now()
        call.entry = self._note("call", call.to, "", call.sid).number
        self._report_call(call, "answered", "in-progress")
        if call.document:
            self._do(call, "", call.document.encode())
        else:
            self._fetch(call, call.url)
        if call.machine:
            call.answered_by = "machine_start" if is_machine else "human"
            found = [("AnsweredBy", call.answered_by), ("MachineDetectionDuration", "2400")]
            self._ask(call.machine, [("CallSid", call.sid), ("AccountSid", self.account), *found])
        self._touch(call)

    def _end(self, call: Call, status: str) -> None:
        call.status = status
        call.ended_at = self.clock.now()
        self._report_call(call, "completed", status)
        self._touch(call)

    # --- what our TwiML says ------------------------------------------------------------------------------------------

    def _fetch(self, call: Call, url: str, *more: tuple[str, str]) -> None:
        """Asks us what to say next."""
        call.documents += 1
        if call.documents > MAX_DOCUMENTS:
            return self._break_off(call, f"more than {MAX_DOCUMENTS} documents in one call")
        call.asks = True
        self._ask(url, [*self._call_form(call, call.status), *more], lambda answer: self._hear(call, url, answer))
        return None

    def _hear(self, call: Call, url: str, answer: HttpResponse | None) -> None:
        call.asks = False
        if not call.is_open:
            return
        if answer is None or answer.status >= 300:
            self._break_off(call, f"11200 HTTP retrieval failure: {answer.status if answer else 'no answer'}")
        else:
            self._do(call, url, answer.body)

    def _do(self, call: Call, url: str, document: bytes) -> None:
        try:
            verbs, warnings = twiml.read(document, url)
        except Malformed as error:
            return self._break_off(call, str(error))
        self.alerts += warnings
        call.verbs = deque(verbs)
        call.gather = None
        call.due_at = self.clock.now()
        return self._go_on(call, call.due_at)

    def _break_off(self, call: Call, why: str) -> None:
        self.alerts.append(why)
        self._say(call, Said("We are sorry, an application error has occurred. Goodbye.", "en-US"))
        self._end(call, "completed")

    def _next(self, call: Call) -> None:
        match call.verbs.popleft() if call.verbs else Hangup():
            case Say(text, language):
                self._say(call, Said(text, language))
            case Play(url):
                self._say(call, Said(f"[{url.partition('?')[0].rpartition('/')[2]}]", "", url))
            case Pause(span):
                call.due_at = Instant(call.due_at + span)
            case Redirect(url):
                self._fetch(call, url)
            case Hangup():
                self._end(call, "completed")
            case Gather() as gather:
                call.gather, call.digits = gather, ""
                call.verbs.extendleft(reversed([*gather.says, _Wait()]))
            case _Wait(begun=False):
                self._await_key(call)
            case _Wait():
                self._gathered(call)

    def _say(self, call: Call, said: Said) -> None:
        call.said.append(said)
        call.due_at = Instant(call.due_at + self.speech * (PLAYED if said.sound else len(said.text)))
        self.ledger[call.entry - 1] = replace(self.ledger[call.entry - 1], text=call.text)

    def _await_key(self, call: Call) -> None:
        if call.gather is None:
            return
        call.verbs.appendleft(_Wait(begun=True))
        call.due_at = Instant(call.due_at + call.gather.timeout)
        line = self.lines.get(call.to)
        if line is Line.LISTENS:
            self._end(call, "completed")
        elif line is Line.PRESSES_1:
            self._key(call, "1")

    def _key(self, call: Call, key: str) -> None:
        gather = call.gather
        if gather is None or not call.takes_keys:
            return
        if key != gather.finish:
            call.digits += key
        _skip_to_wait(call)
        if key == gather.finish or len(call.digits) == gather.digits:
            self._gathered(call)
        else:
            call.verbs.appendleft(_Wait(begun=True))
            call.due_at = Instant(self.clock.now() + gather.timeout)
        self._touch(call)

    def _gathered(self, call: Call) -> None:
        """The keys go to us, or it goes on after the Gather when there are none."""
        gather, call.gather = call.gather, None
        call.due_at = min(call.due_at, self.clock.now())
        if gather and (call.digits or gather.always):
            self._fetch(call, gather.action, ("Digits", call.digits), ("FinishedOnKey", ""), ("msg", "Gather End"))

    # --- what is told -------------------------------------------------------------------------------------------------

    def _touch(self, call: Call) -> None:
        self._versions += 1
        call.version = self._versions
        self.changed.notify_all()

    def _report_call(self, call: Call, event: str, status: str) -> None:
        if event not in call.events:
            return
        form = [*self._call_form(call, status), ("Timestamp", shown_date(self.clock.now()) or "")]
        form += [("CallbackSource", "call-progress-events"), ("SequenceNumber", str(call.reported))]
        if call.ended_at is not None:
            form.append(("CallDuration", str(call.seconds)))
        call.reported += 1
        self._report(call.callback, form, is_last=event == "completed")

    def _call_form(self, call: Call, status: str) -> list[tuple[str, str]]:
        return [
            ("CallSid", call.sid),
            ("AccountSid", self.account),
            ("CallStatus", status),
            ("To", call.to),
            ("Called", call.to),
            ("From", call.sender),
            ("Caller", call.sender),
            ("Direction", "outbound-api"),
            ("ApiVersion", "2010-04-01"),
        ]


def _skip_to_wait(call: Call) -> None:
    """The rest of what a Gather says is not said any more; its wait is taken."""
    while not isinstance(call.verbs.popleft(), _Wait):
        pass


def in_words(calls: list[Call]) -> Iterator[str]:
    """Each call in one line."""
    for call in calls:
        yield f"call, {call.status}: {call.text or 'nobody picked up'}"
