"""What a badge reader or a gateway said and when, for the rules of the sensors beside it that ask about an instant."""

from bisect import bisect_left, bisect_right, insort

from msgspec import Struct, field

from vorab.model import Instant, Quality, Quantity, Reading, Sample, Span


class Witness(Struct, array_like=True):
    """Times by the sensor's own clock, in order, so that the answer is the same for any order of arrival."""

    heard: list[Instant] = field(default_factory=list)  #: good live readings
    happened: dict[Quantity, list[Instant]] = field(default_factory=dict)  #: live ones of the quantities asked for
    online: list[tuple[Instant, bool]] = field(default_factory=list)  #: what it said of its own link, retained or not

    def hear(self, reading: Reading, at: Instant, kept: Span) -> None:
        """Remembers the reading; what is older than `kept` is forgotten now and then."""
        if not reading.retained and sounds(reading) is not None:
            _remember(self.heard, at, kept)
        for sample in reading.samples:
            if sample.quality == Quality.BAD:
                continue
            if sample.quantity is Quantity.ONLINE and isinstance(sample.value, bool):
                self._link(at, sample.value, kept)
            elif sample.quantity in self.happened and not reading.retained and sample.value not in (None, False):
                _remember(self.happened[sample.quantity], at, kept)

    def heard_by(self, at: Instant) -> Instant | None:
        """When it was heard last, at that instant."""
        index = bisect_right(self.heard, at)
        return self.heard[index - 1] if index else None

    def happened_between(self, quantity: Quantity, start: Instant, end: Instant) -> bool:
        times = self.happened.get(quantity, [])
        index = bisect_left(times, start)
        return index < len(times) and times[index] <= end

    def offline_since(self, at: Instant) -> Instant | None:
        """Since when its link was down at that instant; None = it was up, or nothing is known."""
        since = None
        for index in range(self._before(at) - 1, -1, -1):
            if self.online[index][1]:
                break
            since = self.online[index][0]
        return since

    def _link(self, at: Instant, up: bool, kept: Span) -> None:
        self.online.insert(self._before(at), (at, up))
        if self.online[0][0] < at - 2 * kept:
            del self.online[: self._before(Instant(at - kept)) - 1]

    def _before(self, at: Instant) -> int:
        return bisect_right(self.online, at, key=lambda said: said[0])


def sounds(reading: Reading) -> Quality | None:
    """The best that was heard; None = nothing good: a sensor that is said to be unreachable has not spoken."""
    return min(
        (
            sample.quality
            for sample in reading.samples
            if good(sample) and (sample.quantity is not Quantity.ONLINE or sample.value is True)
        ),
        default=None,
    )


def good(sample: Sample) -> bool:
    return sample.quality != Quality.BAD and sample.value is not None


def _remember(times: list[Instant], at: Instant, kept: Span) -> None:
    """The newest of those before `at - kept` stays, so that one can say since when nothing came."""
    if not times or at > times[-1]:
        times.append(at)
        if times[0] < at - 2 * kept:
            del times[: bisect_left(times, Instant(at - kept)) - 1]
    elif times[bisect_left(times, at)] != at:
        insort(times, at)
