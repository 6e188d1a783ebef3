"""What the API says: incidents, their threads and the people, as JSON-ready values in words."""

from datetime import UTC, datetime

from msgspec import Struct, json
from msgspec.msgpack import Decoder

from console import words
from console.ports import Line, Message, Outside
from vorab.model import Incident, Instant, said
from vorab.wire import unpack, unpacker
from workflows.incident import Event

_EVENT: Decoder[Event] = unpacker(Event)  # type: ignore[arg-type]  # a union is a type to msgspec, not to mypy
encode = json.encode
ENGLISH = "en"


class Who(Struct, frozen=True):
    id: str
    name: str


class Summary(Struct, frozen=True):
    """One line of the list."""

    id: str
    state: str  #: triggered, taken, resolved
    priority: str
    priority_name: str
    rank: int  #: of the priority; higher is more urgent
    what: str  #: the rule in the operator's words
    finding: str  #: the value that decided, where `what` has not said it
    place: list[str]  #: names, outermost first; empty = the sensor has no place
    subject: str  #: the sensor
    since: str  #: onset of the breach, ISO 8601
    broken: bool
    owner: Who | None
    status: str  #: where it stands, in one line
    resolved_at: str | None
    note: str  #: what is not certain about it


class ThreadLine(Struct, frozen=True):
    at: str
    kind: str
    text: str
    details: list[str]


class ThreadMessage(Struct, frozen=True):
    at: str
    person: str
    channel: str
    told: str
    state: str
    receipt: str
    address: str  #: masked
    text: str


class Thread(Struct, frozen=True):
    """Everything about one incident."""

    incident: Summary
    code: str
    rule: str
    cause: str
    consequence: str
    action: str
    lines: list[ThreadLine]
    messages: list[ThreadMessage]


def moment(at: Instant) -> str:
    """2026-11-24T03:14:09.120Z"""
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Views:
    """Knows the names of people and places."""

    def __init__(self, outside: Outside) -> None:
        self._directory = outside.directory

    def name(self, person: str) -> str:
        if person == words.DESK:
            return "Desk"
        known = self._directory.person(person)
        return known.name if known else person

    def summary(self, incident: Incident) -> Summary:
        breach = incident.breach
        return Summary(
            id=incident.id,
            state=incident.state,
            priority=breach.priority,
            priority_name=words.PRIORITIES[breach.priority],
            rank=breach.priority.rank,
            what=words.headline(breach),
            finding=words.beside(breach),
            place=self._place(breach.subject),
            subject=breach.subject,
            since=moment(breach.onset),
            broken=incident.broken,
            owner=None if incident.owner is None else Who(incident.owner, self.name(incident.owner)),
            status=words.status(incident, self.name),
            resolved_at=None if incident.resolved_at is None else moment(incident.resolved_at),
            note=breach.note,
        )

    def thread(self, incident: Incident, lines: list[Line], messages: list[Message]) -> Thread:
        breach = incident.breach
        return Thread(
            incident=self.summary(incident),
            code=incident.code,
            rule=breach.rule,
            cause=said(breach.cause, ENGLISH),
            consequence=said(breach.consequence, ENGLISH),
            action=said(breach.action, ENGLISH),
            lines=[self._line(one) for one in lines],
            messages=[self._message(one) for one in messages],
        )

    def frame(self, incident: Incident) -> bytes:
        return encode(self.summary(incident))

    def people(self) -> list[Who]:
        """Whom the desk may answer for, by name; itself first."""
        known = [Who(person.id, person.name) for person in self._directory.people() if person.roles]
        return [Who(words.DESK, self.name(words.DESK)), *sorted(known, key=lambda one: one.name)]

    def _place(self, sensor: str) -> list[str]:
        place = self._directory.place_of(sensor)
        around = [self._directory.place(one) for one in place.path] if place else []
        return [one.name for one in around if one]

    def _line(self, one: Line) -> ThreadLine:
        event: Event = unpack(one.body, _EVENT)
        return ThreadLine(moment(one.at), one.kind, words.line(event, self.name), words.details(event, self.name))

    def _message(self, one: Message) -> ThreadMessage:
        return ThreadMessage(
            at=moment(one.sent_at or one.created_at),
            person=self.name(one.person),
            channel=words.channel(one.channel),
            told=words.told(one.purpose),
            state=one.state,
            receipt=words.receipt(one.state, one.reason, one.repeated),
            address=words.masked(one.address) if one.address else "",
            text=one.text,
        )
