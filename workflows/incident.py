"""The workflow engine: `step(incident, event, at) -> (incident, orders)`.  A table of transitions, and nothing else.

Orders are *notify* and *cancel*; the third, *wake at*, stands in the incident itself (`wake_at`).  The host looks up
what must be known of the world and puts it into the event, so that the journal alone tells the whole story.
"""

from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from vorab.model import (
    FOR_CUSTOMERS,
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
    PlaceId,
    Priority,
    Purpose,
    Rung,
    Span,
    State,
    Ways,
    incident_id,
)

AT_LEAST = SECOND  #: of a wait; a rung's may be zero, then the next is asked at the same time
NO_RUNG = MINUTE  #: the wait of a ladder without rungs: its response is not in the site
SETS_OUT = MINUTE  #: from "I go" to being on the way, for the time that a customer is told
GRACE = Span(2 * MINUTE)  #: after that time, before a customer hears that it takes longer
ASKED_AFTER = HOUR  #: a customer is asked whether it was good, so long after it was solved


# --- events -----------------------------------------------------------------------------------------------------------


class Opened(Struct, frozen=True, tag="opened"):
    """A breach that no incident knows; it may be over, when its earlier edges were set aside."""

    breach: Breach
    code: str  #: unique among the open incidents
    ladder: list[Rung]  #: of the response, as it is now
    needs: list[str] = []  #: as in Incident
    customers: dict[PersonId, list[str]] = {}  #: to be told → their channels, the one they prefer first


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
    """`wake_at` of a taken incident is reached: the owner has had his time, or the customer waits longer than told."""


class FollowUpDue(Struct, frozen=True, tag="follow-up"):
    """`wake_at` of a resolved incident is reached: the customers are asked whether it was good."""


class DeliveryFailed(Struct, frozen=True, tag="undelivered"):
    """A request, or what a customer was to hear, will not reach this person by this channel."""

    notification: NotificationId
    number: int  #: of the event that ordered it
    person: PersonId
    channel: str
    reason: str
    purpose: Purpose = Purpose.REQUEST


class Talked(Struct, frozen=True, tag="talked"):
    """Somebody at the desk spoke over the loudspeaker of the place; changes nothing."""

    by: PersonId
    place: PlaceId
    seconds: int


class Rated(Struct, frozen=True, tag="rated"):
    """What a customer answered."""

    by: PersonId
    score: int  #: 1 = no … 5 = very


Event = Opened | BreachEdge | RungDue | ReminderDue | FollowUpDue | DeliveryFailed | Talked | Rated | Answer


# --- orders -----------------------------------------------------------------------------------------------------------


class Notify(Struct, frozen=True):
    """Tell one person.  At most one for each person, channel and event (law 6)."""

    person: PersonId
    purpose: Purpose
    channel: str = ""  #: "" = the one by which he last heard of this incident; nobody who never heard of it is told


class Cancel(Struct, frozen=True):
    """Withdraw the requests of this incident that were not handed over yet, and stop what rings (law 8)."""

    besides: list[PersonId] = []  #: whose answer is still wanted


Order = Notify | Cancel


# --- transitions ------------------------------------------------------------------------------------------------------


def step(incident: Incident | None, event: Event, at: Instant) -> tuple[Incident, list[Order]]:
    """The incident after this event, and what is to be done.  One that does not fit changes but the count."""
    if incident is None:
        assert isinstance(event, Opened)
        return _open(event, at)
    incident = replace(incident, events=incident.events + 1)
    match event:
        case DeliveryFailed(purpose=purpose) if purpose in FOR_CUSTOMERS:
            return _other_channel(incident, event)
        case Rated(by=person, score=score) if person in incident.customers:
            return replace(incident, ratings=incident.ratings | {person: score}), []
        case FollowUpDue() if incident.state is State.RESOLVED and _is_due(incident, at):
            return replace(incident, wake_at=None), _tell_customers(incident, Purpose.RATE)
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
            return _next_way(incident, event, at)
        case Answer(by=person, channel=channel) if person in incident.asked or channel == DESKTOP:
            return _answer(incident, event, at)
    return incident, []


DESKTOP = "desktop"  #: whoever is signed in at the console may answer, asked or not
SCREENS = frozenset({DESKTOP, "page"})  #: where who answers sees at once what came of it


def due_rungs(incident: Incident) -> list[Rung]:
    """The rungs whose candidates the next `RungDue` must carry; none = the ladder has none.

    A rung without a wait is one with the next: they are asked at the same time, and again at the same time.  While
    somebody of the present ones could still say yes it is the next ones (or the last again); else the present ones.
    """
    if not incident.ladder:
        return []
    first = _due(incident)
    group = incident.ladder[first : _end(incident.ladder, first)]
    return [rung for rung in group if _is_wanted(incident, rung.role)]


def missing(incident: Incident) -> list[str]:
    """The roles of which somebody must go and nobody does."""
    return [role for role in incident.needs if not any(role in roles for roles in incident.going.values())]


def _is_wanted(incident: Incident, role: str | None) -> bool:
    """Whether somebody with this role should still go: not when it is enough of the needed ones, and others lack."""
    roles = missing(incident)
    return not roles or role in roles or role not in incident.needs


def _is_complete(incident: Incident) -> bool:
    return len(incident.going) >= incident.wanted and not missing(incident)


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


def _open(event: Opened, at: Instant) -> tuple[Incident, list[Order]]:
    incident = Incident(
        id=incident_id(event.breach.id),
        code=event.code,
        breach=event.breach,
        opened_at=at,
        ladder=event.ladder,
        needs=event.needs,
        customers=event.customers,
        broken=event.breach.edge is not Edge.CLEARED,
        events=1,
        wake_at=at,
    )
    return (incident, []) if incident.broken or _insists(incident) else _resolved(incident, at)


def _ask(incident: Incident, due: RungDue, at: Instant) -> tuple[Incident, list[Order]]:
    """Of each rung the `count` nearest who have not said no; those whom it reaches in a new way go first."""
    if not incident.ladder:
        return replace(incident, ladder=due.ladder, wake_at=at if due.ladder else Instant(at + NO_RUNG)), []
    number = _due(incident)
    again = number == incident.rung and bool(incident.pending)
    chosen: dict[PersonId, tuple[Rung, Candidate]] = {}
    for rung, weighed in zip(due_rungs(incident), [due.candidates, *due.at_once], strict=False):
        out = {*incident.declined, *incident.going, *chosen}
        out |= set() if incident.pending else set(incident.unreachable)
        able = [one for one in weighed if one.suitable and one.channels and one.person not in out]
        able.sort(key=lambda one: _way(incident, one) in incident.tried)
        chosen |= {one.person: (rung, one) for one in able[: rung.count]}
    if not chosen:
        return _nobody(incident, number, at)
    asked = {person: _ways(incident, rung, one) for person, (rung, one) in chosen.items()}
    ways = [(person, channel) for person, found in asked.items() for channel in found.out]
    incident = replace(
        incident,
        rung=number,
        began=incident.events,
        round=incident.round + again,
        asked=[*incident.asked, *(person for person in chosen if person not in incident.asked)],
        asked_as=incident.asked_as | {person: rung.role for person, (rung, _) in chosen.items()},
        pending=asked,
        tried=[*incident.tried, *(way for way in ways if way not in incident.tried)],
        unreachable=[] if incident.pending else incident.unreachable,
        wake_at=_after(incident, number, at),
    )
    return incident, [Notify(person, Purpose.REQUEST, channel) for person, channel in ways]


def _ways(incident: Incident, rung: Rung, one: Candidate) -> Ways:
    if rung.at_once:
        return Ways(one.channels, [])
    _, channel = _way(incident, one)
    return Ways([channel], [other for other in one.channels if other != channel])


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


def _next_way(incident: Incident, failed: DeliveryFailed, at: Instant) -> tuple[Incident, list[Order]]:
    """His next channel at once, unless another request to him is out; he has none left: somebody else at once, unless
    another can still say yes.
    """
    person, ways = failed.person, incident.pending[failed.person]
    out = [channel for channel in ways.out if channel != failed.channel]
    if out or not ways.untried:
        incident = replace(incident, pending=incident.pending | {person: Ways(out, ways.untried)})
        if out:
            return incident, []
        return _gone(replace(incident, unreachable=[*incident.unreachable, person]), person, at), []
    channel, rest = ways.untried[0], ways.untried[1:]
    tried = [*incident.tried, (person, channel)]
    incident = replace(incident, pending=incident.pending | {person: Ways([channel], rest)}, tried=tried)
    return incident, [Notify(person, Purpose.REQUEST, channel)]


def _gone(incident: Incident, person: PersonId, at: Instant) -> Incident:
    pending = {other: ways for other, ways in incident.pending.items() if other != person}
    return replace(incident, pending=pending, wake_at=incident.wake_at if pending else at)


def _edge(incident: Incident, at: Instant) -> tuple[Incident, list[Order]]:
    match incident.state, incident.broken:
        case State.TAKEN, True:
            return _in_hand(replace(incident, remind_at=incident.remind_at if incident.done else None)), []
        case State.TAKEN, False if not incident.done:
            return _cleared(incident, at), []
        case State.TAKEN, False:
            return _resolved(incident, at)
        case State.TRIGGERED, False if incident.going and not _insists(incident):
            told = [Notify(person, Purpose.HEALED) for person in incident.pending]
            return _cleared(replace(incident, state=State.TAKEN, pending={}), at), [Cancel(), *told]
        case State.TRIGGERED, False if incident.done or not _insists(incident):
            told = [Notify(person, Purpose.HEALED) for person in _waiting(incident)]
            incident, more = _resolved(incident, at)
            return incident, [Cancel(), *told, *more]
    return incident, []


def _in_hand(incident: Incident) -> Incident:
    """A taken incident wakes when its owner is to be reminded, or its customers wait longer than they were told."""
    late_at = None if incident.expected_at is None else Instant(incident.expected_at + GRACE)
    return replace(incident, wake_at=min((at for at in (incident.remind_at, late_at) if at is not None), default=None))


def _cleared(incident: Incident, at: Instant) -> Incident:
    """It is over; whoever goes is reminded until he says so."""
    incident = replace(incident, round=0)
    return _in_hand(replace(incident, remind_at=_reminder(incident, at)))


def _insists(incident: Incident) -> bool:
    """It does not end by healing: a person must have been there."""
    return incident.breach.latched or incident.breach.priority is Priority.LIFE_SAFETY


def _remind(incident: Incident, at: Instant) -> tuple[Incident, list[Order]]:
    """Cleared but never done: he is reminded until he says so.  Done but still broken: the ladder begins again; of life
    safety he is reminded instead, for the help has been there, and the thing has to come back.
    """
    owner, orders = incident.owner, list[Order]()
    assert owner is not None
    if incident.expected_at is not None and incident.expected_at + GRACE <= at:
        incident, orders = _delayed(replace(incident, expected_at=None))
    if incident.remind_at is None or incident.remind_at > at:
        return _in_hand(incident), orders
    if not incident.broken or (incident.done and incident.breach.priority is Priority.LIFE_SAFETY):
        reminder = Notify(owner, Purpose.REMIND)
        incident = replace(incident, round=incident.round + 1)
        return _in_hand(replace(incident, remind_at=_reminder(incident, at))), [*orders, reminder]
    if not incident.done:
        return _in_hand(replace(incident, remind_at=None)), orders
    return replace(_asking(incident, at), owner=None, going={}, arrived=[], wanted=1, declined=[]), orders


def _asking(incident: Incident, at: Instant) -> Incident:
    """The ladder begins again, at once."""
    return replace(
        incident,
        state=State.TRIGGERED,
        rung=-1,
        round=0,
        pending={},
        tried=[],
        unreachable=[],
        remind_at=None,
        wake_at=at,
    )


# --- answers ----------------------------------------------------------------------------------------------------------


def _answer(incident: Incident, answer: Answer, at: Instant) -> tuple[Incident, list[Order]]:
    goes = answer.by in incident.going
    match incident.state, answer.meaning:
        case _, Meaning.WHY:
            return incident, _back(answer, Purpose.WHY)
        case _, Meaning.HELP if goes:
            asking = incident if incident.state is State.TRIGGERED else _asking(incident, at)
            return replace(asking, wanted=len(incident.going) + 1, done=False), []
        case State.TRIGGERED, Meaning.HELP | Meaning.DECLINED:
            return _declined(incident, answer, at)
        case State.TAKEN, Meaning.DECLINED if goes:
            return _declined(incident, answer, at)
        case State.TAKEN, Meaning.HELP | Meaning.DECLINED:
            return replace(incident, declined=_with(incident.declined, answer.by)), []
        case _, Meaning.DONE if incident.state is State.TAKEN or goes:
            return _done(incident, answer, at)
        case State.TRIGGERED, Meaning.DONE:
            incident, orders = _taken(incident, answer, at)
            incident, more = _done(incident, answer, at)
            told = {one.person for one in more if isinstance(one, Notify)}
            return incident, [*(one for one in orders if getattr(one, "person", None) not in told), *more]
        case _, Meaning.TAKEN | Meaning.ARRIVED if goes:
            return _goes_on(incident, answer), []
        case State.TAKEN, Meaning.TAKEN if not incident.needs:
            return incident, _back(answer, Purpose.TAKEN)
        case _, Meaning.TAKEN | Meaning.ARRIVED:
            incident, orders = _taken(incident, answer, at)
            incident, more = _promise(incident, answer, at)
            return incident, [*orders, *_back(answer, Purpose.THANKS), *more]
    return incident, []


def _back(answer: Answer, purpose: Purpose) -> list[Order]:
    """What he hears of his answer, the way it came."""
    return [] if answer.channel in SCREENS else [Notify(answer.by, purpose, answer.channel)]


def _taken(incident: Incident, answer: Answer, at: Instant) -> tuple[Incident, list[Order]]:
    """He goes; everybody else who was asked is told so, and nobody is asked any more whom it does not want."""
    others = [Notify(person, Purpose.TAKEN) for person in _waiting(incident) if person != answer.by]
    is_there = answer.meaning is Meaning.ARRIVED
    incident = replace(
        incident,
        owner=incident.owner or answer.by,
        going=incident.going | {answer.by: answer.roles},
        arrived=_with(incident.arrived, answer.by) if is_there else incident.arrived,
        expected_at=None if is_there else incident.expected_at,
        asked=_with(incident.asked, answer.by),
        declined=[person for person in incident.declined if person != answer.by],
        done=False,
        round=0,
    )
    if incident.state is State.TAKEN or _is_complete(incident):
        incident = replace(incident, state=State.TAKEN, pending={}, remind_at=None)
        return _in_hand(incident) if incident.broken else _cleared(incident, at), [Cancel(), *others]
    pending = {
        person: ways
        for person, ways in incident.pending.items()
        if person != answer.by and _is_wanted(incident, incident.asked_as.get(person))
    }
    incident = replace(incident, pending=pending, wake_at=incident.wake_at if pending else at)
    return incident, [Cancel(besides=list(pending)), *others]


def _goes_on(incident: Incident, answer: Answer) -> Incident:
    """He says once more that he goes, or that he is there: then the customers wait no longer."""
    incident = replace(incident, done=False, remind_at=None if incident.broken else incident.remind_at)
    if answer.meaning is Meaning.ARRIVED:
        incident = replace(incident, arrived=_with(incident.arrived, answer.by), expected_at=None)
    return _in_hand(incident) if incident.state is State.TAKEN else incident


def _declined(incident: Incident, answer: Answer, at: Instant) -> tuple[Incident, list[Order]]:
    """Not he: the next at once, unless others can still say yes, or enough go without him."""
    went = answer.by in incident.going
    going = {person: roles for person, roles in incident.going.items() if person != answer.by}
    owner = incident.owner if incident.owner in going else next(iter(going), None)
    incident = replace(incident, declined=_with(incident.declined, answer.by), going=going, owner=owner)
    if incident.state is State.TRIGGERED:
        return _gone(incident, answer.by, at) if went or answer.by in incident.pending else incident, []
    is_over = not incident.broken and not _insists(incident)
    if _is_complete(incident) or (is_over and going):
        return incident, []
    if is_over:
        return _resolved(replace(incident, owner=answer.by), at)
    return replace(incident, state=State.TRIGGERED, pending={}, done=False, remind_at=None, wake_at=at), []


def _done(incident: Incident, answer: Answer, at: Instant) -> tuple[Incident, list[Order]]:
    """Over, if it is; else it stays his, he is told that it is still broken, and we come back to it after a wait.

    Whoever is still asked is told when it was another who said so; when it is over, whoever goes too.
    """
    others: list[Order] = [Notify(one, Purpose.DONE) for one in incident.going if one != answer.by]
    asked: list[Order] = [Cancel()] if incident.state is State.TRIGGERED else []
    asked += [Notify(one, Purpose.DONE) for one in incident.pending if one != answer.by and one not in incident.going]
    if not incident.broken:
        incident, more = _resolved(incident, at)
        return incident, [*asked, *others, *more]
    incident = replace(incident, state=State.TAKEN, pending={}, done=True, expected_at=None)
    incident = _in_hand(replace(incident, remind_at=_first_wait(incident, at)))
    return incident, [*asked, *_back(answer, Purpose.REMIND)]


def _resolved(incident: Incident, at: Instant) -> tuple[Incident, list[Order]]:
    was_told = Purpose.COMING in incident.told
    incident = replace(
        incident,
        state=State.RESOLVED,
        pending={},
        expected_at=None,
        remind_at=None,
        wake_at=Instant(at + ASKED_AFTER) if was_told else None,
        resolved_at=at,
    )
    return incident, _tell_customers(incident, Purpose.SOLVED) if was_told else []


# --- customers --------------------------------------------------------------------------------------------------------


def _promise(incident: Incident, answer: Answer, at: Instant) -> tuple[Incident, list[Order]]:
    """The customers hear that somebody comes, and when; who had heard it of another, that it takes longer, if so."""
    if not incident.customers or answer.by != incident.owner:
        return incident, []
    is_there, promised = answer.meaning is Meaning.ARRIVED, incident.expected_at
    span = None if answer.seconds is None or is_there else Span(answer.seconds * SECOND + SETS_OUT)
    expected = None if span is None else Instant(at + span)
    if Purpose.COMING in incident.told:
        if is_there or (promised is not None and expected is not None and expected <= promised):
            return incident, []
        incident, orders = _delayed(replace(incident, expected_at=expected))
    else:
        orders = _tell_customers(incident, Purpose.COMING)
        incident = replace(incident, told=[*incident.told, Purpose.COMING], expected_at=expected)
    return _in_hand(incident) if incident.state is State.TAKEN else incident, orders


def _delayed(incident: Incident) -> tuple[Incident, list[Order]]:
    """One honest update, and no second one."""
    if Purpose.DELAYED in incident.told:
        return incident, []
    return replace(incident, told=[*incident.told, Purpose.DELAYED]), _tell_customers(incident, Purpose.DELAYED)


def _tell_customers(incident: Incident, purpose: Purpose) -> list[Order]:
    """Who was asked to go himself hears of it as the others do."""
    told = {person: left for person, left in incident.customers.items() if left and person not in incident.asked}
    return [Notify(person, purpose, left[0]) for person, left in told.items()]


def _other_channel(incident: Incident, failed: DeliveryFailed) -> tuple[Incident, list[Order]]:
    """His next channel, unless it has been solved since: then nobody is on the way any more."""
    left = [channel for channel in incident.customers.get(failed.person, []) if channel != failed.channel]
    incident = replace(incident, customers=incident.customers | {failed.person: left})
    is_old = incident.state is State.RESOLVED and failed.purpose in (Purpose.COMING, Purpose.DELAYED)
    return incident, [Notify(failed.person, failed.purpose, left[0])] if left and not is_old else []


def _waiting(incident: Incident) -> list[PersonId]:
    """Who was asked and did not say no."""
    return [person for person in incident.asked if person not in incident.declined]


def _with(people: list[PersonId], person: PersonId) -> list[PersonId]:
    return people if person in people else [*people, person]
