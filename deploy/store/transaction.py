"""One transaction of contact: the connection, the world it looks at, and what is to be done once it is committed."""

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import Connection, text

from deploy.store import audit
from deploy.store.store import opted_out
from notifiers.text import Texts
from vorab.model import Instant, Notification
from vorab.ports import Channel, Directory
from vorab.site import Limits


class World(Struct, frozen=True):
    """What lies outside the store."""

    directory: Directory
    zone: str  #: the site's, for duty hours
    channels: Mapping[str, Channel]
    limits: Mapping[str, Limits]  #: by channel
    texts: Texts


class Claim(Struct, frozen=True):
    """A message that this process alone may hand over, until its lease ends."""

    notification: Notification
    fence: int  #: an outcome with another number is not of this claim


class Transaction:
    """`claims` are to be sent after the commit; `lines` are written by `close`, before it."""

    def __init__(self, connection: Connection, world: World, at: Instant, senders: int) -> None:
        self.connection = connection
        self.world = world
        self.at = at
        self.senders = senders  #: threads that could send at once
        self.claims: list[Claim] = []
        self.lines: list[audit.Line] = []
        self.ordered = 0  #: messages put into the outbox
        self._opted_out: set[tuple[str, str]] | None = None

    def note(self, what: str, about: str, detail: str = "", who: str = "vorab") -> None:
        """One audit line, written with the change it tells of."""
        self.lines.append(audit.Line(self.at, who, what, about, detail))

    @property
    def opted_out(self) -> set[tuple[str, str]]:
        """(address, channel) of everybody who sent STOP; whoever changes that forgets it."""
        if self._opted_out is None:
            self._opted_out = opted_out(self.connection)
        return self._opted_out

    def forget_opt_outs(self) -> None:
        self._opted_out = None

    def close(self) -> None:
        """All is written: what was noted, and how many messages were ordered (law 2)."""
        audit.write(self.connection, self.lines)
        if self.ordered:
            self.connection.execute(_ORDERED, {"more": self.ordered})


_ORDERED = text(
    "INSERT INTO cursors (name, value) VALUES ('messages', :more)"
    " ON CONFLICT (name) DO UPDATE SET value = cursors.value + excluded.value"
)
