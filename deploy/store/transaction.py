"""One transaction of contact: the connection, the world it looks at, and what is to be done once it is committed."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Self, TypeVar

from msgspec import Struct
from sqlalchemy import Connection, bindparam, select, text

from deploy.store import audit
from deploy.store.postgres import is_away, ring
from deploy.store.prepared import Prepared
from deploy.store.store import looking, opted_out
from deploy.store.tables import journal
from notifiers.text import Texts
from vorab.model import Incident, IncidentId, Instant, Notification, PersonId, PlaceId
from vorab.ports import Channel, Directory, Scene
from vorab.site import Limits

T = TypeVar("T")

AT_ONCE = 20  #: breaches, inbox rows or due incidents taken in one transaction; life safety waits for no more


class Link(NamedTuple):
    """The page of one person for one incident."""

    token: str
    url: str


class World(Struct, frozen=True):
    """What lies outside the store."""

    directory: Directory
    zone: str  #: the site's, for duty hours
    channels: Mapping[str, Channel]
    limits: Mapping[str, Limits]  #: by channel
    texts: Texts
    link: Callable[[IncidentId, PersonId], Link] | None = None  #: None = there are no pages behind links
    scene: Scene | None = None  #: None = nothing can be seen or said anywhere


class Claim(Struct, frozen=True):
    """A message that this process alone may hand over, until its lease ends."""

    notification: Notification
    fence: int  #: an outcome with another number is not of this claim
    until: Instant  #: of its lease
    owner: int | None = None  #: of several processes, the one that made it


class Look(Struct, frozen=True):
    """A message whose provider is to be asked what became of it."""

    notification: Notification
    provider_id: str  #: "" = not known: it is looked for in the provider's list
    since: Instant  #: when it was first handed over
    besides: frozenset[str] = frozenset()  #: the provider's ids of the incident's other messages
    fence: int = 0  #: with `lookups`: how the message stood; that it was not found says nothing of another state
    lookups: int = 0


class HangUp(Struct, frozen=True):
    """A telephone that need not ring any more."""

    channel: str
    provider_id: str


class Picture(Struct, frozen=True):
    """A picture of the place is to be taken."""

    incident: IncidentId
    place: PlaceId


class Instruct(Struct, frozen=True):
    """The loudspeaker of the place may have something to say."""

    incident: IncidentId
    place: PlaceId


Errand = HangUp | Picture | Instruct


class Transaction:
    """`claims` are to be sent and `looks` to be asked after the commit; `lines` are written by `close`, before it."""

    def __init__(
        self,
        connection: Connection,
        world: World,
        at: Instant,
        senders: int,
        *,
        reserved: int = 0,
        careful: bool = False,
        owner: int | None = None,
    ) -> None:
        self.connection = connection
        self.worked = False  #: something was applied
        self._careful = careful
        self.world = world
        self.at = at
        self.senders = senders  #: threads that could send at once
        self.reserved = reserved  #: so many of them send life safety and nothing else
        self.owner = owner  #: of several processes, this one
        self.claims: list[Claim] = []
        self.looks: list[Look] = []
        self.errands: list[Errand] = []  #: what nobody waits for, after the commit too
        self.lines: list[audit.Line] = []
        self.ordered = 0  #: messages that incidents asked for, whatever became of them
        self._events: dict[str, dict[str, object]] = {}  #: for the journal, by their ids
        self._opted_out: set[tuple[str, str]] | None = None
        self._looking: set[str] | None = None

    def each(
        self, items: Iterable[T], handle: Callable[[Self, T], object], set_aside: Callable[[Self, T, str], None]
    ) -> None:
        """Every item handled; in a careful transaction one that cannot be is undone and set aside with the reason."""
        for item in items:
            self.worked = True
            if self._careful:
                self._handle_or(set_aside, handle, item)
            else:
                handle(self, item)

    def _handle_or(
        self, set_aside: Callable[[Self, T, str], None], handle: Callable[[Self, T], object], item: T
    ) -> None:
        kept = [*self.claims], [*self.looks], [*self.errands], [*self.lines], self._events.copy(), self.ordered
        savepoint = self.connection.begin_nested()
        try:
            handle(self, item)
        except Exception as error:
            if is_away(error):
                raise  # the store itself, not this item
            savepoint.rollback()
            self.claims, self.looks, self.errands, self.lines, self._events, self.ordered = kept
            self.forget_opt_outs()
            set_aside(self, item, f"{type(error).__name__}: {error}")
        else:
            savepoint.commit()

    def free(self, *, urgent: bool) -> int:
        """Threads that could still begin something; urgent: a message of life safety."""
        return self.senders - len(self.claims) - len(self.looks) - (0 if urgent else self.reserved)

    def note(self, what: str, about: str, detail: str = "", who: str = "vorab") -> None:
        """One audit line, written with the change it tells of."""
        self.lines.append(audit.Line(self.at, who, what, about, detail))

    @property
    def opted_out(self) -> set[tuple[str, str]]:
        """(address, channel) of everybody who sent STOP; whoever changes that forgets it."""
        if self._opted_out is None:
            self._opted_out = opted_out(self.connection)
        return self._opted_out

    @property
    def looking(self) -> set[str]:
        """The desks at which somebody looks."""
        if self._looking is None:
            self._looking = looking(self.connection, self.at)
        return self._looking

    def forget_opt_outs(self) -> None:
        self._opted_out = None

    def journal(self, incident: Incident, event_id: str, kind: str, body: bytes) -> None:
        """The event that made this incident what it is."""
        number = incident.events
        self._events[event_id] = {
            "incident": incident.id,
            "event": number,
            "id": event_id,
            "at": self.at,
            "kind": kind,
            "body": body,
        }

    def knows(self, event_id: str) -> bool:
        """Whether some incident has taken this event before: each acts once (law 6)."""
        return event_id in self._events or bool(_KNOWN.scalar(self.connection, {"event": event_id}))

    def close(self) -> None:
        """All is written: the journal, what was noted, and how many messages were ordered (law 2)."""
        if self._events:
            _JOURNAL.many(self.connection, list(self._events.values()))
        audit.write(self.connection, self.lines)
        if self.ordered:
            _ORDERED.run(self.connection, {"more": self.ordered})
        if self.worked:
            ring(self.connection, "console")


_KNOWN = Prepared(select(journal.c.number).where(journal.c.id == bindparam("event")))
_JOURNAL = Prepared(journal.insert(), ["incident", "event", "id", "at", "kind", "body"])
_ORDERED = Prepared(
    text(
        "INSERT INTO cursors (name, value) VALUES ('messages', :more)"
        " ON CONFLICT (name) DO UPDATE SET value = cursors.value + excluded.value"
    )
)
