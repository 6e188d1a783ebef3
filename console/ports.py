"""What the desk needs from outside.  The implementations stand in `deploy/`."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from vorab.model import Incident, Instant
from vorab.ports import Directory, Hooks, InboxItem, Told
from vorab.site import Site


class Line(Struct, frozen=True):
    """One line of the journal: an event that an incident has taken."""

    number: int  #: over all incidents, rising
    incident: str
    at: Instant
    kind: str
    body: bytes  #: the packed workflows.incident.Event


class Message(Struct, frozen=True):
    """One row of the outbox, as the desk shows it."""

    id: str
    person: str
    channel: str
    purpose: str
    state: str  #: vorab.model.Delivery
    address: str  #: whole; masked before it leaves
    text: str  #: "" until it is sent for the first time
    created_at: Instant
    sent_at: Instant | None
    reason: str
    repeated: bool  #: sent again because the outcome stayed unknown


class Position(Struct, frozen=True):
    """How far contact has come."""

    journal: int  #: number of the newest line
    audit: int  #: number of the newest line; it moves with every change, receipts too


class Page(Struct, frozen=True):
    """What the link in a message leads to."""

    incident: str
    person: str
    expires_at: Instant


class Picture(Struct, frozen=True):
    """What the camera showed when the breach was found."""

    taken_at: Instant | None  #: None = there is none, or not yet
    sha256: str
    reason: str  #: why there is none; "" = it is awaited


class Looking(Struct, frozen=True):
    """A page whose shift is started."""

    name: str  #: of the desk
    person: str  #: who is signed in
    started_at: Instant
    seen_at: Instant


class Reader(Protocol):
    """Incidents, read only.  Every call may block for some milliseconds and raises TemporaryFailure."""

    def position(self) -> Position: ...

    def open(self) -> tuple[list[Incident], int]:
        """The most urgent first, at most some hundred; and how many more there are."""
        ...

    def resolved(self, since: Instant) -> list[Incident]: ...

    def incident(self, incident: str) -> Incident | None: ...

    def journal(self, incident: str) -> list[Line]: ...

    def messages(self, incident: str) -> list[Message]: ...

    def changed(self, after: int, limit: int) -> list[tuple[int, Incident]] | None:
        """Incidents with a journal line after this number, each once, with its newest number, in that order.

        None = more than `limit` lines.
        """
        ...

    def told(self, notification: str) -> Told | None:
        """The message with this id, and how its incident stands."""
        ...

    def link(self, token: str) -> Page | None: ...

    def picture(self, incident: str) -> Picture | None:
        """None = the place has no camera."""
        ...

    def jpeg(self, incident: str) -> bytes | None: ...

    def desks(self, since: Instant) -> list[Looking]:
        """Seen since then."""
        ...

    def rated(self, incident: str, person: str) -> bool:
        """Whether this customer was asked whether it was good."""
        ...


class Shifts(Protocol):
    """Which pages are being looked at.  Raises TemporaryFailure."""

    def seen(self, page: str, desk: str, person: str, at: Instant) -> None:
        """This page shows this desk now; its shift began when it was seen first."""
        ...

    def end(self, page: str) -> None: ...


class Cameras(Protocol):
    """Live pictures of the places; their addresses stay here."""

    def has(self, place: str) -> bool:
        """Whether the place, or one around it, has a camera."""
        ...

    def frames(self, place: str) -> AsyncIterator[bytes]:
        """JPEG after JPEG, a few a second; one reader of the camera for all who look.

        Raises TemporaryFailure, in words for the operator, when it has nothing to show (any more).
        """
        ...


class Talk(Struct, frozen=True):
    """An open line to a loudspeaker."""

    id: str
    sdp: str  #: our answer (WebRTC)


class Talks(Protocol):
    """Two-way audio between a browser and the loudspeaker of a place.  Raises TemporaryFailure."""

    def has(self, place: str) -> bool:
        """Whether the place has a loudspeaker and this machine can speak to it."""
        ...

    async def begin(self, incident: str, place: str, by: str, sdp: str) -> Talk:
        """Answers the browser's offer; the pushes are heard on its data channel and noted in the inbox.

        Raises Malformed for what is no offer.
        """
        ...

    async def end(self, talk: str) -> None: ...


class Inbox(Protocol):
    def put(self, rows: Sequence[InboxItem], at: Instant) -> None:
        """They are on disk and contact is woken; rows known by their id already are left as they are.

        Raises TemporaryFailure.
        """
        ...


class Action(Struct, frozen=True):
    """A button of a simulated device."""

    id: str
    label: str


class Device(Struct, frozen=True):
    """A simulated device as it is now."""

    id: str
    kind: str  #: the operator's word for the sensor type
    place: str
    state: str  #: in words
    alarming: bool
    actions: list[Action]


class Published(Struct, frozen=True):
    """A message that a simulated device has published."""

    at: Instant
    topic: str
    payload: str
    retained: bool


class Story(Struct, frozen=True):
    """Something that happens to several simulated devices at the touch of one button."""

    id: str
    label: str
    line: str  #: what comes of it


class Devices(Protocol):
    """The simulated devices of a demo site; what they say of themselves is English."""

    def devices(self) -> list[Device]: ...

    def stories(self) -> list[Story]: ...

    def published(self) -> list[Published]:
        """The newest first."""
        ...

    def press(self, device: str, action: str) -> bool:
        """False = there is no such device or button.  Raises TemporaryFailure when the broker does not take it."""
        ...

    def play(self, story: str) -> bool:
        """False = there is no such story.  Raises TemporaryFailure when the broker does not take it."""
        ...


class Outside(Struct, frozen=True):
    """All that the desk gets from its host."""

    site: Site
    directory: Directory
    public_url: str  #: under which providers reach us, without a slash at the end
    reader: Reader
    inbox: Inbox
    now: Callable[[], Instant]
    secret: bytes  #: the scrypt hash of the operator's secret (console.signin)
    key: bytes  #: signs the session cookies
    ended: Path  #: the file that keeps which sessions were signed out
    shifts: Shifts
    hooks: dict[str, Hooks] = {}  #: by path, e.g. /twilio/sms
    cameras: Cameras | None = None
    talks: Talks | None = None
    devices: Devices | None = None  #: only in a demo
    phones_url: str = ""  #: the page with the handsets; only in a demo
