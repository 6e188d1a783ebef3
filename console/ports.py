"""What the desk needs from outside.  The implementations stand in `deploy/`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from vorab.model import Incident, Instant
from vorab.ports import Directory, Hooks, InboxItem
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


class Reader(Protocol):
    """Incidents, read only.  Every call may block for some milliseconds and raises TemporaryFailure."""

    def position(self) -> Position: ...

    def open(self) -> list[Incident]: ...

    def resolved(self, since: Instant) -> list[Incident]: ...

    def incident(self, incident: str) -> Incident | None: ...

    def journal(self, incident: str) -> list[Line]: ...

    def messages(self, incident: str) -> list[Message]: ...

    def changed(self, after: int, limit: int) -> list[tuple[int, Incident]] | None:
        """Incidents with a journal line after this number, each once, with its newest number, in that order.

        None = more than `limit` lines.
        """
        ...


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


class Devices(Protocol):
    """The simulated devices of a demo site."""

    def devices(self) -> list[Device]: ...

    def published(self) -> list[Published]:
        """The newest first."""
        ...

    def press(self, device: str, action: str) -> bool:
        """False = there is no such device or button.  Raises TemporaryFailure when the broker does not take it."""
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
    hooks: dict[str, Hooks] = {}  #: by path, e.g. /twilio/sms
    devices: Devices | None = None  #: only in a demo
    phones_url: str = ""  #: the page with the handsets; only in a demo
