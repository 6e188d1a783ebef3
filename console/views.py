"""What the API says: incidents, their threads and the people, as JSON-ready values in words."""

from datetime import UTC, datetime

from msgspec import Struct, json
from msgspec.msgpack import Decoder

from console.plans import Drawing
from console.ports import Line, Message, Outside, Picture
from console.words import DESK, Words, masked
from notifiers.spoken import plain
from vorab.model import Answer, Incident, Instant, Meaning, State
from vorab.site import Place
from vorab.wire import unpack, unpacker
from workflows.incident import DESKTOP, Event, missing

_EVENT: Decoder[Event] = unpacker(Event)  # type: ignore[arg-type]  # a union is a type to msgspec, not to mypy
encode = json.encode


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
    going: list[Who]  #: the first one first
    missing: list[str]  #: the roles of which somebody must go and nobody does
    desks: list[str]  #: whose desks are asked now
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


class Going(Struct, frozen=True):
    """Somebody who goes."""

    name: str
    roles: list[str]
    at: str  #: when he said so
    arrived_at: str | None


class Plan(Struct, frozen=True):
    """The drawing of the floor, and where the place is on it."""

    floor: str  #: of /api/plans
    width: float  #: in the units of the drawing
    height: float
    x: float | None  #: from the left; None = the place is not marked on it
    y: float | None  #: from the top


class Found(Struct, frozen=True):
    """The picture of when it was found."""

    taken_at: str | None  #: None = there is none, or not yet
    sha256: str
    reason: str  #: why there is none; "" = it is awaited


class Thread(Struct, frozen=True):
    """Everything about one incident."""

    incident: Summary
    going: list[Going]
    place: str  #: its id; "" = the sensor has none
    plan: Plan | None
    camera: bool
    talk: bool  #: there is a loudspeaker with a microphone
    picture: Found | None  #: None = the place has no camera
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
    """For the readers of one language."""

    def __init__(self, outside: Outside, plans: dict[str, Drawing], language: str) -> None:
        self._outside = outside
        self._directory = outside.directory
        self._plans = plans
        self.words = Words(language, outside.site, outside.directory)

    def summary(self, incident: Incident) -> Summary:
        breach = incident.breach
        return Summary(
            id=incident.id,
            state=incident.state,
            priority=breach.priority,
            priority_name=self.words.priorities[breach.priority],
            rank=breach.priority.rank,
            what=self.words.headline(breach),
            finding=self.words.beside(breach),
            place=self._place(breach.subject),
            subject=breach.subject,
            since=moment(breach.onset),
            broken=incident.broken,
            owner=None if incident.owner is None else Who(incident.owner, self.words.person(incident.owner)),
            going=[Who(person, self.words.person(person)) for person in incident.going],
            missing=missing(incident),
            desks=self._desks(incident),
            status=self.words.status(incident),
            resolved_at=None if incident.resolved_at is None else moment(incident.resolved_at),
            note=self.words.note(breach),
        )

    def thread(self, incident: Incident, lines: list[Line], messages: list[Message], picture: Picture | None) -> Thread:
        breach, outside = incident.breach, self._outside
        place = self._directory.place_of(breach.subject)
        return Thread(
            incident=self.summary(incident),
            going=self._going(incident, lines),
            place=place.id if place else "",
            plan=self._plan(place) if place else None,
            camera=bool(place and outside.cameras and outside.cameras.has(place.id)),
            talk=bool(place and outside.talks and outside.talks.has(place.id)),
            picture=self._found(picture) if picture else None,
            code=incident.code,
            rule=breach.rule,
            cause=self.words.of(breach.cause),
            consequence=self.words.of(breach.consequence),
            action=self.words.of(breach.action),
            lines=[self._line(one) for one in lines],
            messages=[self._message(one) for one in messages],
        )

    def frame(self, incident: Incident) -> bytes:
        return encode(self.summary(incident))

    def people(self) -> list[Who]:
        """Whom the desk may answer for, by name; itself first."""
        known = [Who(person.id, person.name) for person in self._directory.people() if person.roles]
        return [Who(DESK, self.words.person(DESK)), *sorted(known, key=lambda one: one.name)]

    def _desks(self, incident: Incident) -> list[str]:
        """Of all who are asked, where desks are asked too; also if nobody looked then: who sits down later sees it."""
        ways = [channel for _, channel in incident.tried]
        ways += [channel for rung in incident.ladder[: incident.rung + 1] for channel in rung.channels]
        if incident.state is not State.TRIGGERED or DESKTOP not in ways:
            return []
        asked = [self._directory.person(person) for person, _ in incident.tried]
        return sorted({one.addresses[DESKTOP] for one in asked if one and DESKTOP in one.addresses})

    def _going(self, incident: Incident, lines: list[Line]) -> list[Going]:
        """When each of them first said that he goes, and that he is there."""
        said_at: dict[tuple[str, Meaning], Instant] = {}
        for line in lines:
            if line.kind == "answer" and isinstance(event := unpack(line.body, _EVENT), Answer):
                said_at.setdefault((event.by, event.meaning), line.at)
        found = []
        for person, roles in incident.going.items():
            there_at = said_at.get((person, Meaning.ARRIVED))
            at = said_at.get((person, Meaning.TAKEN), there_at) or incident.opened_at
            arrived_at = moment(there_at) if there_at and person in incident.arrived else None
            found.append(Going(self.words.person(person), roles, moment(at), arrived_at))
        return found

    def _plan(self, place: Place) -> Plan | None:
        """Of the floor around it that has a drawing; marked is the innermost place that says where it is."""
        around = [one for one in map(self._directory.place, place.path) if one]
        while around and around[0].id not in self._plans:
            around.pop(0)
        if not around:
            return None
        floor = around[0].id
        drawing = self._plans[floor]
        x, y = next((one.at for one in reversed(around) if one.at), (None, None))
        return Plan(floor, drawing.width, drawing.height, x, y)

    def _place(self, sensor: str) -> list[str]:
        place = self._directory.place_of(sensor)
        around = [self._directory.place(one) for one in place.path] if place else []
        return [one.name for one in around if one]

    def _line(self, one: Line) -> ThreadLine:
        event: Event = unpack(one.body, _EVENT)
        return ThreadLine(moment(one.at), one.kind, self.words.line(event), self.words.details(event))

    def _message(self, one: Message) -> ThreadMessage:
        return ThreadMessage(
            at=moment(one.sent_at or one.created_at),
            person=self.words.person(one.person),
            channel=self.words.channel(one.channel),
            told=self.words.told(one.purpose),
            state=one.state,
            receipt=self.words.receipt(one.channel, one.state, one.reason, one.repeated),
            address=one.address if one.channel == DESKTOP else masked(one.address) if one.address else "",
            text=plain(one.text) if one.channel == "voice" else one.text,
        )

    def _found(self, picture: Picture) -> Found:
        taken_at = None if picture.taken_at is None else moment(picture.taken_at)
        return Found(taken_at, picture.sha256, self.words.phrase(picture.reason))
