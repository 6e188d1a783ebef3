"""`when: { silent: 15min }`: nothing good was heard of a sensor for so long."""

from msgspec import Struct

from vorab.model import Priority, Quantity, Span


class Silent(Struct, frozen=True, array_like=True, tag="silent"):
    """Broken from `span` after the last good live reading of the sensor, until the next one."""

    span: Span

    @property
    def quantity(self) -> Quantity | None:
        """None: any quantity counts."""
        return None

    def understood(self, value: object) -> bool | None:
        """Whether it is silent."""
        return value if isinstance(value, bool) else None

    def broken(self, value: object, level: Priority, held: bool) -> bool:
        return value is True
