"""`when: { temperature: { above: { medium: 26 °C, high: 30 °C } } }`: broken beyond a limit, one alarm with levels."""

from msgspec import Struct, field

from vorab.model import Priority, Quantity, Span

LARGEST = 1e12  #: no quantity of ours is ever larger, in its unit; what claims to be is not a measured value


class Limits(Struct, frozen=True, array_like=True, tag="limits"):
    """Broken at a level while the value lies above its upper or below its lower limit.

    Once a level is raised it is held until the value is back inside by `deadband` (ISA-18.2):
    above 26 °C with a deadband of 0.5 °C is broken from 26.1 and held at 25.6, and heals at 25.5.
    """

    quantity: Quantity
    above: dict[Priority, float] = field(default_factory=dict)
    below: dict[Priority, float] = field(default_factory=dict)
    deadband: float = 0.0  #: in the unit of the quantity
    for_levels: dict[Priority, Span] = field(default_factory=dict)  #: on-delays that differ from the rule's `for`

    def understood(self, value: object) -> float | None:
        """The value as a number, if it is one that can have been measured; else None: it neither raises nor clears."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if -LARGEST < value < LARGEST else None

    def broken(self, value: object, level: Priority, held: bool) -> bool:
        return self.limit(value, level, held) is not None

    def limit(self, value: object, level: Priority, held: bool) -> float | None:
        """The limit of this level that the value has passed."""
        if not isinstance(value, float):
            return None
        margin = self.deadband if held else 0.0
        high, low = self.above.get(level), self.below.get(level)
        if high is not None and value > high - margin:
            return high
        if low is not None and value < low + margin:
            return low
        return None

    @property
    def levels(self) -> list[Priority]:
        """From the least to the most urgent."""
        return sorted({*self.above, *self.below}, key=lambda level: level.rank)

    @property
    def calm(self) -> tuple[float, float]:
        """Between these, both included, no level is broken, and every number can have been measured."""
        return max(self.below.values(), default=-LARGEST / 2), min(self.above.values(), default=LARGEST / 2)
