"""What is said on the telephone, and what a key means: TwiML, made by the SDK, which escapes.

picked up          how urgent, what, where; no key counts yet
then               what to do; 1 I go, 2 I cannot, 3 again, 9 help
1                  it is yours, the way, what to do
2                  noted, others are asked
9                  why you, what to do, the keys
another key        the keys again; the third time it is over
no key             all of it once more, as it then stands; the second time it is over
taken meanwhile    who goes, and that there is nothing to do
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from notifiers.spoken import VOICES, named, sentence
from notifiers.twilio_account import clean
from vorab.model import Meaning
from vorab.ports import Told
from vorab.words import LANGUAGES, reason

SAY, KEY = "/twilio/voice", "/twilio/voice/key"
KEY_WITHIN_S = 7  #: after the last word
NAMED = 3  #: lines that are said before a key counts: how urgent, what, where
TIMES = 2  #: that it is said to somebody who presses nothing
WRONG_KEYS = 3  #: and it is over
#: While the store is away: how often we ask again, and after how long.
TRIES, TRY_AFTER_S = 5, 2

_DECIDES = {"1": Meaning.TAKEN, "2": Meaning.DECLINED}


class Address(Protocol):
    """Where Twilio asks us next about the message of this call."""

    def __call__(self, path: str, /, **query: str) -> str: ...


class Line(Struct, frozen=True):
    """What a call needs in order to be spoken on."""

    address: Address
    recorded: Mapping[tuple[str, str], str]  #: (language, name) → address of the recording


class Turn(Struct, frozen=True):
    """What has been said and done in this call so far; it travels in the addresses that Twilio asks."""

    digit: str = ""  #: the key that was pressed just now
    wrong: int = 0  #: keys that meant nothing
    times: int = 0  #: that all was said, and no key came
    tries: int = 0  #: that the store was away


class Said(Struct, frozen=True):
    document: bytes  #: TwiML
    meaning: Meaning | None = None  #: what he has decided
    heard: bool = False  #: he heard all that he must know: nothing is awaited of him


def picked_up(line: Line, told: Told, turn: Turn) -> Said:
    return _alarm(line, told, turn) if told.is_awaited else _not_needed(line, told)


def pressed(line: Line, told: Told, turn: Turn) -> Said:
    match turn.digit:
        case "1" | "2":
            return _decided(line, told, _DECIDES[turn.digit])
        case _ if not told.is_awaited:
            return _not_needed(line, told)
        case "3":
            return _alarm(line, told, turn)
        case "9":
            return _help(line, told, turn)
        case _:
            return _wrong(line, told, turn)


def unknown(line: Line) -> bytes:
    """A message long forgotten, and with it the language of its person."""
    speech = _Speech(line)
    for language in LANGUAGES:
        speech.sentence("unknown", language)
    return speech.document()


def once_more(line: Line, path: str, turn: Turn, languages: Sequence[str] = LANGUAGES) -> bytes:
    """The store is away: he waits a moment, and his key is kept; after TRIES he is told that it is not."""
    speech = _Speech(line)
    for language in languages:
        speech.sentence("moment" if turn.tries < TRIES else "away", language)
    if turn.tries < TRIES:
        speech.pause(TRY_AFTER_S)
        speech.goes_on(path, d=turn.digit, w=turn.wrong, n=turn.times, t=turn.tries + 1)
    return speech.document()


def spoken(told: Told) -> str:
    """The language of who listens."""
    return told.language if told.language in VOICES else LANGUAGES[0]


def _alarm(line: Line, told: Told, turn: Turn) -> Said:
    lines = told.notification.text.splitlines()
    speech = _Speech(line)
    for one in lines[:NAMED]:
        speech.line(one, spoken(told))
    with_keys = speech.gather(turn.wrong)
    for one in lines[NAMED:]:
        with_keys.line(one, spoken(told))
    return _asks(speech, with_keys, told, turn)


def _help(line: Line, told: Told, turn: Turn) -> Said:
    speech = _Speech(line)
    with_keys = speech.gather(turn.wrong)
    if told.why:
        reasons = ", ".join(reason(one, spoken(told)) for one in told.why)
        with_keys.sentence("why", spoken(told), reasons=reasons)
    _action(with_keys, told)
    return _asks(speech, with_keys, told, turn)


def _wrong(line: Line, told: Told, turn: Turn) -> Said:
    wrong, speech = turn.wrong + 1, _Speech(line)
    if wrong >= WRONG_KEYS:
        return Said(speech.sentences(told, "wrong", "bye"))
    with_keys = speech.gather(wrong)
    with_keys.sentence("wrong", spoken(told))
    return _asks(speech, with_keys, told, Turn(wrong=wrong, times=turn.times))


def _asks(speech: "_Speech", with_keys: "_Speech", told: Told, turn: Turn) -> Said:
    """The keys, and what happens when none is pressed."""
    with_keys.sentence("keys", spoken(told))
    if turn.times + 1 < TIMES:
        speech.goes_on(SAY, w=turn.wrong, n=turn.times + 1)
        return Said(speech.document())
    return Said(speech.sentences(told, "silent", "bye"))


def _decided(line: Line, told: Told, meaning: Meaning) -> Said:
    """Noted in any case: whether it still counts is for the incident to say."""
    if not (told.is_awaited or told.by_him):
        return Said(_stands(line, told), meaning)
    if meaning is Meaning.TAKEN:
        return Said(_yours(line, told, "yours"), meaning)
    return Said(_Speech(line).sentences(told, "declined", "bye"), meaning)


def _not_needed(line: Line, told: Told) -> Said:
    return Said(_stands(line, told), heard=True)


def _stands(line: Line, told: Told) -> bytes:
    if told.is_over:
        return _Speech(line).sentences(told, "over", "nothing", "bye")
    if told.by_him:
        return _yours(line, told, "already")
    speech = _Speech(line)
    if told.goes:
        speech.sentence("goes", spoken(told), name=told.goes)
    return speech.sentences(told, "nothing", "bye")


def _yours(line: Line, told: Told, first: str) -> bytes:
    speech, language = _Speech(line), spoken(told)
    speech.sentence(first, language)
    if told.way:
        speech.sentence("way", language, names=", ".join(told.way))
    if told.seconds is not None:
        minutes = max(1, -(-told.seconds // 60))
        speech.sentence("minute" if minutes == 1 else "minutes", language, minutes=str(minutes))
    _action(speech, told)
    return speech.document()


def _action(speech: "_Speech", told: Told) -> None:
    if told.action:
        speech.sentence("action", spoken(told), action=told.action.strip(" ."))


class _Speech:
    """One sentence after the other; at the end Twilio hangs up."""

    def __init__(self, line: Line, verbs: Any = None) -> None:
        from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped] # slow to import

        self._line = line
        self._verbs = VoiceResponse() if verbs is None else verbs

    def sentence(self, name: str, language: str, /, **gaps: str) -> None:
        """One of `notifiers.spoken`; what has a gap is in no recording."""
        self._say("" if gaps else f"call-{name}", sentence(name, language, **gaps), language)

    def sentences(self, told: Told, *names: str) -> bytes:
        """The last ones."""
        for name in names:
            self.sentence(name, spoken(told))
        return self.document()

    def line(self, line: str, language: str) -> None:
        """One of a text: `[name] sentence`."""
        recording, text = named(line)
        self._say(recording, text, language)

    def _say(self, recording: str, text: str, language: str) -> None:
        if sound := self._line.recorded.get((language, recording)):
            self._verbs.play(sound)
        elif shown := clean(text):
            self._verbs.say(shown, language=VOICES[language])

    def gather(self, wrong: int) -> "_Speech":
        """What is said while a key may be pressed."""
        action = self._line.address(KEY, w=str(wrong))
        # no key ends it: # and * are keys like the others, and mean nothing
        verbs = self._verbs.gather(action=action, num_digits=1, timeout=KEY_WITHIN_S, finish_on_key="")
        return _Speech(self._line, verbs)

    def pause(self, seconds: int) -> None:
        self._verbs.pause(length=seconds)

    def goes_on(self, path: str, **turn: str | int) -> None:
        """Twilio asks again what to say."""
        self._verbs.redirect(self._line.address(path, **{name: str(value) for name, value in turn.items() if value}))

    def document(self) -> bytes:
        return str(self._verbs).encode()
