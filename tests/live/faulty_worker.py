"""A worker with a fault: `python -m tests.live.faulty_worker FAULT worker SITE …`."""

import sys
import time
from collections.abc import Callable

from deploy.keeper import Keeper
from rules.engine import Engine
from vorab.__main__ import main as vorab
from vorab.model import Breach, Record

event, apply = Keeper.event, Engine.apply


async def withholding(self: Keeper, number: int, offset: int, value: bytes | None) -> None:
    """Every tenth run of ten records is not delivered."""
    if offset // 10 % 10 != 9:
        await event(self, number, offset, value)


async def deaf(self: Keeper, number: int, offset: int, value: bytes | None) -> None:
    """Nothing is delivered after the first twenty records."""
    if offset < 20:
        await event(self, number, offset, value)


def hanging() -> Callable[[Engine, Record], list[Breach]]:
    """A rule never comes to an end, at the hundredth record."""
    seen = 0

    def apply_or_hang(self: Engine, record: Record) -> list[Breach]:
        nonlocal seen
        seen += 1
        while seen >= 100:
            time.sleep(1)
        return apply(self, record)

    return apply_or_hang


def main() -> None:
    fault = sys.argv.pop(1)
    if fault == "withholding":
        Keeper.event = withholding  # type: ignore[method-assign]
    elif fault == "deaf":
        Keeper.event = deaf  # type: ignore[method-assign]
    else:
        Engine.apply = hanging()  # type: ignore[method-assign,assignment]

    sys.exit(vorab())


if __name__ == "__main__":
    main()
