"""What a stage needs from outside and receives: clock, HTTP, channel, directory.  Implementations stand in `deploy/`,
in `notifiers/` (channels) and in `workflows/directory/`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from vorab.model import Instant, Notification, Receipt, Sample
from vorab.payload import Payload
from vorab.site import Person, Place, Response, Sensor


class Clock(Protocol):
    """Wall time for what concerns people.  The path of the readings has the time of the log."""

    def now(self) -> Instant: ...


class HttpResponse(Struct, frozen=True):
    status: int
    body: bytes
    headers: dict[str, str] = {}  #: names in lower case


class HttpClient(Protocol):
    """Connect within 5 s, answer within 10 s in all, keep the connection (DESIGN §7)."""

    def request(
        self,
        method: str,
        url: str,
        *,
        form: Sequence[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> HttpResponse:
        """Raises TemporaryFailure when surely nothing reached the other side, OutcomeUnknown when it may have."""
        ...


class Decoder(Protocol):
    """A sensor type: one file in `ingest/sensors/`, or an entry point in the group `vorab.sensor`."""

    def __call__(self, payload: Payload) -> list[Sample]: ...


class Channel(Protocol):
    """Hands over and reports what the provider said.  It does not choose people, retry, or word the message.

    A channel may also have, as separate protocols: Finds, Hears, Hooks, HangsUp.
    """

    limit: int  #: characters that one message may have at the most
    requests_only: bool  #: it disturbs, or is seen by itself: what asks for nothing goes by another channel
    shows_pictures: bool  #: it can show `Notification.picture`

    def send(self, notification: Notification) -> Receipt:
        """Never raises for what a provider may answer: every outcome is a Receipt, also UNKNOWN."""
        ...

    def accepts(self, address: str) -> str | None:
        """Why this address cannot be used, in words for the operator; None = it can."""
        ...


class Finds(Protocol):
    """A channel whose provider can be asked what became of a message."""

    def find(self, notification: Notification, since: Instant, besides: Collection[str] = ()) -> Receipt | None:
        """SENT/DELIVERED/FAILED with the provider's id; None = the provider lists no such message.

        `besides`: the provider's ids of other messages, perhaps with the same text, which it cannot be.
        Raises TemporaryFailure when the provider cannot be asked.
        """
        ...

    def status(self, provider_id: str) -> Receipt:
        """What the provider says of this message now.  Raises TemporaryFailure."""
        ...


class Inbound(Struct, frozen=True):
    """A message from a person, as the provider handed it to us."""

    id: str  #: the provider's id of it
    channel: str
    sender: str  #: address
    text: str
    at: Instant


class InboxItem(Struct, frozen=True):
    """What a provider's webhook brought, as a row of the inbox: its id makes it act once."""

    id: str  #: the provider's id of a reply; id and state of a report
    kind: str  #: reply, status, key, click, page, rating, talk
    #: reply: channel, sender, to, text.  status: channel, provider_id, notification, state, reason, hang_up.
    #: key: channel, provider_id, notification, meaning.  click: person, incident, meaning, by.  page: person, incident,
    #: meaning.  rating: person, incident, score.  talk: incident, place, by, seconds.
    body: dict[str, str]


class Told(Struct, frozen=True):
    """A message and how its incident stands now, for a channel whose provider asks what to say."""

    notification: Notification
    language: str  #: of its person
    goes: str  #: the name of who goes; "" = nobody has taken it
    by_him: bool  #: its person is among those who go
    is_over: bool  #: the incident is resolved
    is_awaited: bool  #: a yes of its person still matters
    why: list[str]  #: why he, as the people were weighed; English
    way: list[str]  #: the names of the place as they are said aloud, outermost first
    seconds: int | None  #: on foot
    action: str  #: what to do, in his language


class Called(Struct, frozen=True):
    """What a webhook brought, and what the provider is answered."""

    items: list[InboxItem]
    answer: bytes = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
    otherwise: bytes = b""  #: the answer when the items cannot be stored now; b"" = there is none, and it gets a 503


class Hooks(Protocol):
    """A channel whose provider calls us: the console hands over what came to `public_url + path`."""

    @property
    def paths(self) -> Sequence[str]:
        """E.g. /twilio/sms."""
        ...

    def webhook(
        self,
        path: str,
        url: str,
        form: Sequence[tuple[str, str]],
        signature: str,
        look: Callable[[str], Told | None],
    ) -> Called:
        """Of `url` only the query counts; the host is the configured one.  Raises Refused (403), Malformed (400).

        `look`: the message with this id; may take milliseconds and raise TemporaryFailure.
        """
        ...


class HangsUp(Protocol):
    """A channel whose message can still be stopped after it was handed over: a telephone that rings."""

    def hang_up(self, provider_id: str) -> None:
        """It rings no more, if it did.  Raises TemporaryFailure."""
        ...


class Hears(Protocol):
    """A channel whose provider keeps the replies: polled, because a webhook that finds us down is lost."""

    def replies(self, since: Instant) -> list[Inbound]:
        """What people wrote to us since then, in any order, repeats allowed.  Raises TemporaryFailure."""
        ...


class Scene(Protocol):
    """What can be seen and said at a place.  Every call may block for seconds, and raises TemporaryFailure."""

    def sees(self, place: Place) -> bool:
        """Whether it has a camera, or lies within a place that has one; answered at once."""
        ...

    def picture(self, place: Place) -> bytes:
        """JPEG."""
        ...

    def instruct(self, place: Place) -> bool:
        """The recorded instruction plays there until somebody joins or 10 min have passed; False = there is none."""
        ...


class Directory(Protocol):
    """The CRM: people, places, the ways between them.  The stub reads the site folder."""

    def people(self) -> Sequence[Person]: ...

    def person(self, person: str) -> Person | None: ...

    def place(self, place: str) -> Place | None: ...

    def place_of(self, sensor: str) -> Place | None: ...

    def sensor(self, sensor: str) -> Sensor | None: ...

    def seconds(self, start: str, end: str) -> int | None:
        """On foot between two places; None = no way is known."""
        ...

    def response(self, response: str) -> Response | None: ...

    def customers(self, place: str) -> Sequence[Person]:
        """Who is in charge of this place, or of one around it."""
        ...
