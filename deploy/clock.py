"""The clock of an ingest, which alone makes time (DESIGN §4)."""

import logging
import time

from vorab.model import SECOND, Instant, Span

JUMP = Span(5 * SECOND)

log = logging.getLogger("vorab.clock")


class IngestClock:
    """The later of the log's end and wall time at the start, plus what has passed: never backwards (DESIGN §4)."""

    def __init__(self, not_before: Instant) -> None:
        self._began = _passed()
        self._start = max(not_before, wall())
        self._ahead = self._start - wall()
        if self._ahead > JUMP:
            log.error("the log ends %.1f s after this machine's time: its clock was set back", self._ahead / SECOND)

    def now(self) -> Instant:
        return Instant(self._start + _passed() - self._began)

    def check(self) -> None:
        """One line when the machine's time has jumped against ours since it was last looked at."""
        ahead = self.now() - wall()
        if abs(ahead - self._ahead) > JUMP:
            log.error("this machine's time jumped by %+.1f s; readings keep theirs", (self._ahead - ahead) / SECOND)
            self._ahead = ahead


#: On Linux the monotonic clock stands still while the machine sleeps, and every reading after it would be too early.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _passed() -> Span:
    """Since some fixed instant, also while the machine was asleep."""
    return Span(time.clock_gettime_ns(_STEADY) // 1000)


def wall() -> Instant:
    return Instant(time.time_ns() // 1000)
