"""How a process of ours is asked to end, and what it says when it ends by itself."""

import signal
from types import FrameType

ANOTHER_ONE = 70  #: exit code (EX_SOFTWARE): this process cannot go on, start another one


class Stop:
    """Asked for by SIGTERM: what is at hand is finished, nothing new is begun."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
