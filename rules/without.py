"""`when: { open: { without: badge, within: 10s } }`: something happened, and what must come before it did not."""

from msgspec import Struct

from vorab.model import Priority, Quantity, Span


class Without(Struct, frozen=True, array_like=True, tag="without"):
    """Broken from the instant the quantity turned to `value` with no `absent` at a reader beside it, until it leaves.

    Turning is an event: a state that the broker kept does not count as one, nor as a badge.
    """

    quantity: Quantity
    value: bool | str
    absent: Quantity  #: what the readers beside the sensor say, such as a granted badge
    within: Span  #: before the turn, both ends included

    def understood(self, value: object) -> bool | str | None:
        """The value, if it is of the kind that this quantity has; else None: it neither raises nor clears."""
        return value if isinstance(value, bool | str) and type(value) is type(self.value) else None

    def broken(self, value: object, level: Priority, held: bool) -> bool:
        return value == self.value
