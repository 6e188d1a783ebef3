"""What the desk says, in the reader's language, of a breach, an event, a message.  Its sentences: `sentences.py`."""

from collections.abc import Iterable, Mapping
from typing import TypeVar
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from console import sentences
from vorab.model import HOUR, MINUTE, SECOND, Answer, Breach, Candidate, Edge, Incident, Said, Span, State, said
from vorab.ports import Directory
from vorab.site import Site
from vorab.words import CHANNELS, LANGUAGES, THINGS, UNITS, Three, note, phrase, reason
from workflows.incident import (
    BreachEdge,
    DeliveryFailed,
    Event,
    FollowUpDue,
    Opened,
    Rated,
    ReminderDue,
    RungDue,
    Talked,
    missing,
)

DESK = "desk"  #: the operator himself, where a person is asked for

K = TypeVar("K")

_SHORT = {"aed": "AED", "co2": "CO₂", "co": "CO", "pm2": "PM2", "pm10": "PM10"}


class Words:
    """One language.  Names of people and places, roles, and what a sensor or a provider said, are told as they are."""

    def __init__(self, language: str, site: Site, directory: Directory) -> None:
        self.language = language
        self.pages = _in(language, sentences.PAGES)
        self.priorities = _in(language, sentences.PRIORITIES)
        self._said = _in(language, sentences.SAID)
        self._purposes = {purpose.value: text for purpose, text in _in(language, sentences.PURPOSES).items()}
        self._receipts = _in(language, sentences.RECEIPTS)
        self._channels = _in(language, CHANNELS)
        self._ours = _in(language, sentences.OURS)
        self._zone = ZoneInfo(site.zone)
        self._names_rules = language == site.languages[0]  #: the operator names his rules in the language of the house
        self._directory = directory

    # --- names --------------------------------------------------------------------------------------------------------

    def person(self, person: str) -> str:
        if person == DESK:
            return self._said["desk"]
        known = self._directory.person(person)
        return known.name if known else person

    def place(self, place: str) -> str:
        known = self._directory.place(place)
        return known.name if known else place

    def channel(self, name: str) -> str:
        return self._channels.get(name, name)

    def phrase(self, text: str) -> str:
        """What another part of Vorab says in English; what we do not know, as it is."""
        code, gap, rest = text.partition(" ")
        if code.isdigit():  # of a provider
            return f"{code}{gap}{phrase(rest, self.language, sentences.PHRASES)}"
        return phrase(text, self.language, sentences.PHRASES)

    def line_ends(self) -> dict[str, str]:
        """Why an open line to a loudspeaker may end, in English as it comes on its data channel: in this language."""
        known = [three[0] for three in sentences.PHRASES]
        ends = [text.format("the loudspeaker") for text in known if text.startswith("{} ") and text.count("{}") == 1]
        ends += [
            f"the loudspeaker: {text}" for text in known if text.startswith(("an answer", "answers", "what answers"))
        ]
        return {text: self.phrase(text) for text in ends}

    # --- a breach -----------------------------------------------------------------------------------------------------

    def headline(self, breach: Breach) -> str:
        """The rule in the operator's own words, door-held-open → Door held open; in other languages what was found."""
        if breach.rule in self._ours:
            return self._ours[breach.rule]
        words = [_SHORT.get(word, word) for word in breach.rule.replace("-", " ").replace("_", " ").split()]
        text = " ".join(words) if self._names_rules else self._found(_as_raised(breach))
        return text[:1].upper() + text[1:]

    def beside(self, breach: Breach) -> str:
        """The finding, where the headline has not said it already."""
        found, headline = self.finding(breach), self.headline(breach).casefold()
        return "" if found.casefold() in headline or found.rpartition(" ")[2] in headline.split() else found

    def finding(self, breach: Breach) -> str:
        """The value that decided: `door open`, `28.1 °C, limit 26 °C`; "" when there is none."""
        if breach.quantity is None or breach.value is None:
            return ""
        if isinstance(breach.value, bool | str):
            return self._found(breach)
        unit = UNITS.get(breach.quantity, "")
        value = f"{self._number(breach.value)}{unit}"
        if breach.limit is None:
            return value
        return f"{value}, {self._say('limit', limit=f'{self._number(breach.limit)}{unit}')}"

    def of(self, sentence: Said) -> str:
        """A sentence of the operator's."""
        return said(sentence, self.language)

    def note(self, breach: Breach) -> str:
        return note(breach.note, self.language, self._zone)

    def _found(self, breach: Breach) -> str:
        """The thing, and what is said of it; of a number the thing alone."""
        if breach.quantity is None or breach.value is None:
            return self._said["silent"]
        thing, true, false = THINGS[self.language][breach.quantity]
        state = (true if breach.value else false) if isinstance(breach.value, bool | str) else ""
        what = f"{thing} {state}".strip()
        if breach.absent is None or breach.edge is Edge.CLEARED:
            return what
        return self._say("without", what=what, absent=THINGS[self.language][breach.absent][0])

    # --- an incident --------------------------------------------------------------------------------------------------

    def status(self, incident: Incident) -> str:
        """Where it stands, in one line."""
        if incident.state is State.RESOLVED:
            return self._say("resolved_by", who=self.person(incident.owner)) if incident.owner else self._said["healed"]
        if incident.going:
            more = self._more(incident)
            goes = self._say("go" if len(incident.going) > 1 else "goes", who=self._people(incident.going))
            return f"{goes}, {more}" if more else goes
        if incident.pending:
            return self._say("asked", who=self._people(incident.pending))
        if incident.rung < 0:
            return self._said["looking"]
        return self._said["nobody" if incident.ladder else "no_ladder"]

    def _more(self, incident: Incident) -> str:
        """What is to be said although somebody goes."""
        if roles := missing(incident):
            return self._say("missing", roles=self._listed(roles))
        if incident.state is State.TRIGGERED:
            return self._said["help_wanted"]
        if not incident.broken:
            return self._said["over"]
        return self._said["still_broken"] if incident.done else ""

    # --- an event -----------------------------------------------------------------------------------------------------

    def line(self, event: Event) -> str:
        """One event of the thread as a sentence."""
        match event:
            case Opened(breach=breach) | BreachEdge(breach=breach):
                return self._edge(breach)
            case RungDue(weighed=found):
                return self._weighed(found)
            case ReminderDue():
                return self._said["reminder"]
            case FollowUpDue():
                return self._said["follow_up"]
            case DeliveryFailed(person=person, channel=channel, reason=why):
                return self._say(
                    "undelivered",
                    channel=self.channel(channel),
                    who=self.person(person),
                    reason=self.phrase(why) or self._said["no_reason"],
                )
            case Talked(by=person, place=place, seconds=seconds):
                return self._say(
                    "talked", who=self.person(person), place=self.place(place), span=self.span(seconds * SECOND)
                )
            case Rated(by=person, score=score):
                return self._say("rated", who=self.person(person), score=score)
            case Answer(by=person, meaning=meaning, channel=channel):
                what = self._say(meaning.value, who=self.person(person))
                return what if person == DESK else self._say("by", what=what, channel=self.channel(channel))

    def details(self, event: Event) -> list[str]:
        """What stands behind the sentence, a line each: for a rung, why each of them or why not."""
        match event:
            case RungDue(weighed=found):
                return [self._reasons(one) for one in found]
            case Opened(breach=breach) | BreachEdge(breach=breach) if breach.note:
                return [self.note(breach)]
        return []

    def _edge(self, breach: Breach) -> str:
        found = self.finding(breach)
        match breach.edge:
            case Edge.RAISED:
                held = breach.at - breach.onset
                what = self._because(self.headline(breach), self.beside(breach))
                return self._say("lasting", what=what, span=self.span(held)) if held >= SECOND else what
            case Edge.LEVEL:
                return self._because(self._say("level", priority=self.priorities[breach.priority].lower()), found)
            case Edge.CLEARED:
                return self._because(self._said["cleared"], found)

    def _weighed(self, found: list[Candidate]) -> str:
        able = [one for one in found if one.suitable and one.channels]
        if not able:
            return self._say("none_of", count=len(found)) if found else self._said["no_role"]
        return self._say("nearest", who=self._listed([self._way(one) for one in able[:3]]))

    def _way(self, one: Candidate) -> str:
        who = self.person(one.person)
        if one.seconds is None:
            return who
        whole = max(1, -(-one.seconds // 60)) * MINUTE  # begun ones count, as in every message
        return self._say("on_foot", who=who, span=self.span(whole))

    def _reasons(self, one: Candidate) -> str:
        reasons = ", ".join(reason(text, self.language) for text in one.reasons) or self._said["no_reason"]
        return self._say("why_him", mark="✓" if one.suitable else "✗", who=self.person(one.person), reasons=reasons)

    # --- a message ----------------------------------------------------------------------------------------------------

    def told(self, purpose: str) -> str:
        return self._purposes.get(purpose, purpose)

    def receipt(self, channel: str, state: str, why: str, repeated: bool) -> str:
        known = self._receipts.get(f"{channel} {state}") or self._receipts.get(state, state)
        what = self._because(known, self.phrase(why))
        return self._say("sent_twice", what=what) if repeated else what

    # --- spans and numbers --------------------------------------------------------------------------------------------

    def span(self, length: Span | int) -> str:
        """45 s, 4 min, 2 h 5 min."""
        if length < MINUTE:
            return f"{max(0, length) // SECOND} s"
        hours, minutes = length // HOUR, length % HOUR // MINUTE
        return f"{hours} h {minutes} min" if hours else f"{minutes} min"

    def _number(self, value: float) -> str:
        text = f"{value:.1f}".removesuffix(".0")
        return text if self.language == "en" else text.replace(".", ",")

    def _say(self, sentence: str, **more: object) -> str:
        return self._said[sentence].format(**more)

    def _because(self, what: str, why: str) -> str:
        return self._say("because", what=what, reason=why) if why else what

    def _people(self, people: Iterable[str]) -> str:
        return self._listed([self.person(person) for person in people])

    def _listed(self, words: list[str]) -> str:
        *first, last = words
        return self._say("and", who=", ".join(first), last=last) if first else last


def _as_raised(breach: Breach) -> Breach:
    """As it was before it cleared: the door open, and not shut."""
    if breach.edge is not Edge.CLEARED:
        return breach
    value = not breach.value if isinstance(breach.value, bool) else breach.value
    return replace(breach, edge=Edge.RAISED, value=value)


def masked(address: str) -> str:
    """Enough to recognise it, too little to call it: +33•••••678."""
    return f"{address[:3]}•••••{address[-3:]}" if len(address) > 8 else "•••••"


def _in(language: str, table: Mapping[K, Three]) -> dict[K, str]:
    number = LANGUAGES.index(language)
    return {name: three[number] for name, three in table.items()}
