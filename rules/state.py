"""`when: open`: broken while a quantity has one value."""

from msgspec import Struct

from vorab.model import Priority, Quantity


class State(Struct, frozen=True, array_like=True, tag="state"):
    """Broken while the quantity equals `value`."""

    quantity: Quantity
    value: bool | str = True

    def understood(self, value: object) -> bool | str | None:
        """The value, if it is of the kind that this quantity has; else None: it neither raises nor clears."""
        return value if isinstance(value, bool | str) and type(value) is type(self.value) else None

    def broken(self, value: object, level: Priority, held: bool) -> bool:
        return value == self.value
