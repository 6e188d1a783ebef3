"""A loop in which nobody waits: when nothing else can happen, its clock goes on to the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Clock(selectors.SelectSelector):
    at = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.at += timeout or 0.0
        return super().select(0 if timeout is not None else None)


class _NoWait(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.at


def run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=_NoWait) as runner:
        return runner.run(work)
