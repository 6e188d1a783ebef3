"""The workflow engine: `step(incident, event, at) -> (incident, orders)`.  A table of transitions, and nothing else.

Orders are *notify* and *cancel*; the third, *wake at*, stands in the incident itself (`wake_at`).  The host looks up
what must be known of the world and puts it into the event, so that the journal alone tells the whole story.
"""

from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from vorab.model import (
    HOUR,
    MINUTE,
    SECOND,
    Answer,
    Breach,
    Candidate,
    Edge,
    Incident,
    Instant,
    Meaning,
    NotificationId,
    PersonId,
    Priority,
    Purpose,
    Rung,
    State,
    incident_id,
)

AT_LEAST = SECOND  #: of a wait; a rung's may be zero, then the next is asked at the same time
NO_RUNG = MINUTE  #: the wait of a ladder without rungs: its response is not in the site


# --- events -----------------------------------------------------------------------------------------------------------


class Opened(Struct, frozen=True, tag="opened"):
    """A breach that no incident knows; it may be over, when its earlier edges were set aside."""

    breach: Breach
    code: str  #: unique among the open incidents
    ladder: list[Rung]  #: of the response, as it is now


class BreachEdge(Struct, frozen=True, tag="edge"):
    """The breach moved to another level, cleared, or was raised again."""

    breach: Breach


class RungDue(Struct, frozen=True, tag="rung"):
    """It is time to ask somebody: the people weighed for each of `due_rungs(incident)`, best first, with reasons."""

    candidates: list[Candidate]  #: for the first of them
    at_once: list[list[Candidate]] = []  #: for each of the others
    ladder: list[Rung] = []  #: of the response as it is now, for an incident that has none

    @property
    def weighed(self) -> list[Candidate]:
        return [*self.candidates, *chain.from_iterable(self.at_once)]


class ReminderDue(Struct, frozen=True, tag="reminder"):
    """The owner has had his time: `wake_at` of a taken incident is reached."""


class DeliveryFailed(Struct, frozen=True, tag="undelivered"):
    """A request will not reach this person by this channel."""

    notification: NotificationId
    number: int  #: of the event that ordered it
    person: PersonId
    channel: str
    reason: str


Event = Opened | BreachEdge | RungDue | ReminderDue | DeliveryFailed | Answer


# --- orders -----------------------------------------------------------------------------------------------------------


class Notify(Struct, frozen=True):
    """Tell one person.  At most one for each person and event (law 6)."""

    person: PersonId
    purpose: Purpose
    channel: str = ""  #: "" = the one by which he last heard of this incident; nobody who never heard of it is told


class Cancel(Struct, frozen=True):
    """Withdraw every request of this incident that was not handed over yet (law 8)."""


Order = Notify | Cancel


# --- transitions ------------------------------------------------------------------------------------------------------


def step(incident: Incident | None, event: Event, at: Instant) -> tuple[Incident, list[Order]]:
    """The incident after this event, and what is to be done.  One that does not fit changes but the count."""
    if incident is None:
        assert isinstance(event, Opened)
        return _open(event, at), []
    incident = replace(incident, events=incident.events + 1)
    if incident.state is State.RESOLVED:
        return incident, []
    match event:
        case BreachEdge(breach=breach):
            return _edge(replace(incident, breach=breach, broken=breach.edge is not Edge.CLEARED), at)
        case RungDue() if incident.state is State.TRIGGERED and _is_due(incident, at):
            return _ask(incident, event, at)
        case ReminderDue() if incident.state is State.TAKEN and _is_due(incident, at):
            return _remind(incident, at)
        case DeliveryFailed(person=person, number=number) if _awaits(incident, person, number):
            return _next_way(incident, person, at)
        case Answer(by=person, channel=channel) if person in incident.asked or channel == DESKTOP:
            return _answer(incident, event, at)
    return incident, []


DESKTOP = "desktop"  #: whoever is signed in at the console may answer, asked or not


def due_rungs(incident: Incident) -> list[Rung]:
    """The rungs whose candidates the next `RungDue` must carry; none = the ladder has none.

    A rung without a wait is one with the next: they are asked at the same time, and again at the same time.  While
    somebody of the present ones could still say yes it is the next ones (or the last again); else the present ones.
    """
    if not incident.ladder:
        return []
    first = _due(incident)
    return incident.ladder[first : _end(incident.ladder, first)]


def _end(ladder: list[Rung], first: int) -> int:
    """Behind the last rung that is asked at the same time as this one."""
    return next((number for number, rung in enumerate(ladder[first:], first + 1) if rung.wait), len(ladder))


def _awaits(incident: Incident, person: PersonId, number: int) -> bool:
    """His answer to what event `number` asked him, on this rung and not on an earlier one."""
    return incident.state is State.TRIGGERED and person in incident.pending and number >= incident.began


def _is_due(incident: Incident, at: Instant) -> bool:
    return incident.wake_at is not None and incident.wake_at <= at


def _due(incident: Incident) -> int:
    present = max(incident.rung, 0)
    following = _end(incident.ladder, present)
    return following if incident.pending and following < len(incident.ladder) else present


def _open(event: Opened, at: Instant) -> Incident:
    incident = Incident(
        id=incident_id(event.breach.id),
        code=event.code,
        breach=event.breach,
        opened_at=at,
        ladder=event.ladder,
        broken=event.breach.edge is not Edge.CLEARED,
        events=1,
        wake_at=at,
    )
    return incident if incident.broken or _insists(incident) else _resolved(incident, at)


def _ask(incident: Incident, due: RungDue, at: Instant) -> tuple[Incident, list[Order]]:
    """Of each rung the `count` nearest who have not said no; those whom it reaches in a new way go first."""
    if not incident.ladder:
        return replace(incident, ladder=due.ladder, wake_at=at if due.ladder else Instant(at + NO_RUNG)), []
    number = _due(incident)
    again = number == incident.rung and bool(incident.pending)
    chosen: list[Candidate] = []
    for rung, weighed in zip(due_rungs(incident), [due.candidates, *due.at_once], strict=False):
        out = {*incident.declined, *(one.person for one in chosen)}
        out |= set() if incident.pending else set(incident.unreachable)
        able = [one for one in weighed if one.suitable and one.channels and one.person not in out]
        able.sort(key=lambda one: _way(incident, one) in incident.tried)
        chosen += able[: rung.count]
    if not chosen:
        return _nobody(incident, number, at)
    ways = [_way(incident, one) for one in chosen]
    incident = replace(
        incident,
        rung=number,
        began=incident.events,
        round=incident.round + again,
        asked=[*incident.asked, *(one.person for one in chosen if one.person not in incident.asked)],
        pending={
            one.person: [other for other in one.channels if other != channel]
            for one, (_, channel) in zip(chosen, ways, strict=True)
        },
        tried=[*incident.tried, *(way for way in ways if way not in incident.tried)],
        unreachable=[] if incident.pending else incident.unreachable,
        wake_at=_after(incident, number, at),
    )
    return incident, [Notify(person, Purpose.REQUEST, channel) for person, channel in ways]


def _way(incident: Incident, one: Candidate) -> tuple[PersonId, str]:
    """The first channel by which he has not been asked; all were used: the first."""
    ways = [(one.person, channel) for channel in one.channels]
    return next((way for way in ways if way not in incident.tried), ways[0])


def _nobody(incident: Incident, number: int, at: Instant) -> tuple[Incident, list[Order]]:
    """Nobody suitable on this rung: the next one at once.  After the last, a wait, and the ladder begins again.

    Then also those are asked who had said no.
    """
    following = _end(incident.ladder, number)
    if following < len(incident.ladder):
        return replace(incident, rung=following, pending={}, unreachable=[], wake_at=at), []
    return replace(
        incident,
        rung=0,
        round=incident.round + 1,
        declined=[],
        pending={},
        unreachable=[],
        wake_at=_after(incident, number, at),
    ), []


def _after(incident: Incident, number: int, at: Instant) -> Instant:
    return Instant(at + max(incident.ladder[_end(incident.ladder, number) - 1].wait, AT_LEAST))


def _first_wait(incident: Incident, at: Instant) -> Instant:
    return Instant(at + next((rung.wait for rung in incident.ladder if rung.wait), NO_RUNG))


def _reminder(incident: Incident, at: Instant) -> Instant:
    """After the ladder's wait, then after twice, four times … as long, an hour at the most."""
    wait = max(_first_wait(incident, at) - at, NO_RUNG) << min(incident.round, 6)
    return Instant(at + min(wait, HOUR))


def _next_way(incident: Incident, person: PersonId, at: Instant) -> tuple[Incident, list[Order]]:
    """His next channel at once; he has none left: somebody else at once, unless another can still say yes."""
    left = incident.pending[person]
    if not left:
        return _gone(replace(incident, unreachable=[*incident.unreachable, person]), person, at), []
    channel, rest = left[0], left[1:]
    tried = [*incident.tried, (person, channel)]
    incident = replace(incident, pending=incident.pending | {person: rest}, tried=tried)
    return incident, [Notify(person, Purpose.REQUEST, channel)]


def _gone(incident: Incident, person: PersonId, at: Instant) -> Incident:
    pending = {other: rest for other, rest in incident.pending.items() if other != person}
    return replace(incident, pending=pending, wake_at=incident.wake_at if pending else at)


def _edge(incident: Incident, at: Instant) -> tuple[Incident, list[Order]]:
    match incident.state, incident.broken:
        case State.TAKEN, True:
            return replace(incident, wake_at=incident.wake_at if incident.done else None), []
        case State.TAKEN, False if not incident.done:
            return replace(incident, round=0, wake_at=_reminder(replace(incident, round=0), at)), []
        case State.TAKEN, False:
            return _resolved(incident, at), []
        case State.TRIGGERED, False if incident.done or not _insists(incident):
            told = [Notify(person, Purpose.HEALED) for person in _waiting(incident)]
            return _resolved(incident, at), [Cancel(), *told]
    return incident, []


def _insists(incident: Incident) -> bool:
    """It does not end by healing: a person must have been there."""
    return incident.breach.latched or incident.breach.priority is Priority.LIFE_SAFETY


def _remind(incident: Incident, at: Instant) -> tuple[Incident, list[Order]]:
    """Cleared but never done: he is reminded until he says so.  Done but still broken: the ladder begins again."""
    assert incident.owner is not None
    if not incident.broken:
        reminder = Notify(incident.owner, Purpose.REMIND)
        incident = replace(incident, round=incident.round + 1)
        return replace(incident, wake_at=_reminder(incident, at)), [reminder]
    if not incident.done:
        return replace(incident, wake_at=None), []
    return replace(
        incident,
        state=State.TRIGGERED,
        owner=None,
        rung=-1,
        round=0,
        declined=[],
        pending={},
        tried=[],
        unreachable=[],
        wake_at=at,
    ), []


def _answer(incident: Incident, answer: Answer, at: Instant) -> tuple[Incident, list[Order]]:
    match incident.state, answer.meaning:
        case _, Meaning.WHY:
            return incident, [Notify(answer.by, Purpose.WHY, answer.channel)]
        case State.TRIGGERED, Meaning.TAKEN:
            incident, orders = _taken(incident, answer, at)
            thanks = [Notify(answer.by, Purpose.THANKS, answer.channel)] if answer.channel != DESKTOP else []
            return incident, [*orders, *thanks]
        case State.TRIGGERED, Meaning.DONE:
            incident, orders = _taken(incident, answer, at)
            incident, more = _done(incident, answer, at)
            return incident, [*orders, *more]
        case State.TRIGGERED, Meaning.DECLINED:
            incident = replace(incident, declined=_with(incident.declined, answer.by))
            return _gone(incident, answer.by, at) if answer.by in incident.pending else incident, []
        case State.TAKEN, Meaning.TAKEN if answer.by == incident.owner:
            wake_at = None if incident.broken else incident.wake_at
            return replace(incident, done=False, wake_at=wake_at), []
        case State.TAKEN, Meaning.TAKEN:
            return incident, [Notify(answer.by, Purpose.TAKEN, answer.channel)] if answer.channel != DESKTOP else []
        case State.TAKEN, Meaning.DONE:
            return _done(incident, answer, at)
        case State.TAKEN, Meaning.DECLINED if answer.by == incident.owner:
            if not incident.broken and not _insists(incident):
                return _resolved(incident, at), []
            return replace(
                incident,
                state=State.TRIGGERED,
                owner=None,
                declined=_with(incident.declined, answer.by),
                pending={},
                done=False,
                wake_at=at,
            ), []
        case State.TAKEN, Meaning.DECLINED:
            return replace(incident, declined=_with(incident.declined, answer.by)), []
    return incident, []


def _taken(incident: Incident, answer: Answer, at: Instant) -> tuple[Incident, list[Order]]:
    """He goes; whoever was asked besides is told so, nobody is asked any more."""
    others = [Notify(person, Purpose.TAKEN) for person in _waiting(incident) if person != answer.by]
    incident = replace(
        incident,
        state=State.TAKEN,
        owner=answer.by,
        asked=_with(incident.asked, answer.by),
        declined=[person for person in incident.declined if person != answer.by],
        pending={},
        done=False,
        round=0,
    )
    return replace(incident, wake_at=None if incident.broken else _reminder(incident, at)), [Cancel(), *others]


def _done(incident: Incident, answer: Answer, at: Instant) -> tuple[Incident, list[Order]]:
    """Over, if it is; else it stays his, he is told that it is still broken, and the ladder begins again after a wait.

    Whoever goes is told when it was another who said so.
    """
    if incident.broken:
        incident = replace(incident, done=True, wake_at=_first_wait(incident, at))
        return incident, [Notify(answer.by, Purpose.REMIND, answer.channel)] if answer.channel != DESKTOP else []
    owner = incident.owner
    return _resolved(incident, at), [Notify(owner, Purpose.DONE)] if owner and owner != answer.by else []


def _resolved(incident: Incident, at: Instant) -> Incident:
    return replace(incident, state=State.RESOLVED, pending={}, wake_at=None, resolved_at=at)


def _waiting(incident: Incident) -> list[PersonId]:
    """Who was asked and did not say no."""
    return [person for person in incident.asked if person not in incident.declined]


def _with(people: list[PersonId], person: PersonId) -> list[PersonId]:
    return people if person in people else [*people, person]
