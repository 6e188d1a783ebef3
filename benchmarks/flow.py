"""Readings that flow evenly while something is killed, and what has become of them afterwards."""

import collections
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from benchmarks.load import Publisher
from vorab.model import Instant, Quantity, Record
from vorab.testing.phones import Received

BREACH_EVERY = 20  #: 5 %
NUMBERED = 100_000  #: a sensor's illuminance, in lx, has no more values
GIVE_UP_S = 60.0  #: what has not moved for so long is lost
KINDS = {"sms": "sms", "voice": "call"}  #: channel → what it is in the phone world's ledger


@dataclass
class Flow(threading.Thread):
    """Publishes evenly until told to stop.  Message n carries n; every twentieth breaches."""

    port: int
    rate: int
    subjects: list[str]  #: sensors; one that begins with vital- speaks in the lane of life safety
    stop: threading.Event = field(default_factory=threading.Event)
    sent: int = 0
    acknowledged: int = 0  #: the first so many messages are the broker's; it acknowledges in order
    fault: str = ""

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def message(self, number: int) -> tuple[bytes, bytes]:
        breach, rest = divmod(number, BREACH_EVERY)
        warm = rest == BREACH_EVERY - 1
        name = self.subjects[breach] if warm else f"load-{number % 1000}"
        return topic_of(name), state(28.5 if warm else 21.5, number)

    def run(self) -> None:
        try:
            self._publish()
        except OSError as error:
            self.fault = f"{error}: no figure"

    def _publish(self) -> None:
        publisher = Publisher(self.port, "flow")
        start = time.monotonic()
        while not self.stop.is_set() and self.sent // BREACH_EVERY < len(self.subjects) - 1:
            wanted = int((time.monotonic() - start) * self.rate)
            if wanted > self.sent:
                publisher.send([self.message(n) for n in range(self.sent, wanted)])
                self.sent = wanted
            time.sleep(0.01)
            self.acknowledged = publisher.collect()
        deadline = time.monotonic() + 30
        while self.acknowledged < self.sent and time.monotonic() < deadline:
            self.acknowledged = publisher.collect(0.1)
        expected = [n % 65535 + 1 for n in range(self.acknowledged)]
        if publisher.acknowledged != expected:
            self.fault = "the broker did not acknowledge in order: no figure"
        publisher.close()

    def expected(self) -> list[str]:
        """The sensors whose breach the broker has taken, in order."""
        return self.subjects[: self.acknowledged // BREACH_EVERY]


def topic_of(sensor: str) -> bytes:
    lane = "vital" if sensor.startswith("vital-") else "zigbee2mqtt"
    return f"{lane}/{sensor}".encode()


def state(degrees: float, number: int) -> bytes:
    """What a sensor says; illuminance and battery are the number of the message, up to ten millions."""
    block, rest = divmod(number, NUMBERED)
    return b'{"temperature":%.1f,"illuminance_lux":%d,"battery":%d}' % (degrees, rest, block)


class Wall:
    """Wall time in microseconds."""

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1000)


def numbers(record: Record) -> set[int]:
    """Of the messages whose readings stand in it."""
    found = set()
    for reading in record.readings:
        values = {sample.quantity: sample.value for sample in reading.samples}
        rest, block = values.get(Quantity.ILLUMINANCE), values.get(Quantity.BATTERY)
        if rest is not None and block is not None:
            found.add(int(block) * NUMBERED + int(rest))
    return found


#: By channel, the sensors that were shown or heard, each with where: the number of the handset, or the desk.
Shown = dict[str, list[tuple[str, str]]]


def await_shown(look: Callable[[], Shown], expected: Iterable[str]) -> Shown:
    """What `look` finds, once all are there or nothing has moved for a while."""
    wanted = set(expected)
    best, moved_at = -1, time.monotonic()
    while True:
        shown = look()
        missing = sum(len(wanted - {name for name, _ in found}) for found in shown.values())
        if missing == 0 or time.monotonic() - moved_at > GIVE_UP_S:
            return shown
        if missing != best:
            best, moved_at = missing, time.monotonic()
        time.sleep(0.5)


def named(ledger: Iterable[Received], channel: str) -> list[tuple[str, str]]:
    """The sensors that handsets showed or said, each with the handset.

    A call is heard once for each time that it is picked up; what is said twice in it is one.
    """
    kind = KINDS[channel]
    told = [entry for entry in ledger if entry.kind == kind and entry.text and not entry.written]
    return [(entry.text.split()[0], entry.handset) for entry in told]


def sums(expected: list[str], shown: Shown, lost_readings: int, listed: set[str]) -> dict[str, float]:
    """What was lost, in all and by channel; what was shown or heard twice at the same place."""
    names = {channel: {name for name, _ in found} for channel, found in shown.items()}
    lost = {channel: sum(name not in found for name in expected) for channel, found in names.items()}
    counts = [(name, count) for found in shown.values() for (name, _), count in collections.Counter(found).items()]
    twice = [(name, count - 1) for name, count in counts if count > 1]
    return {
        "lost": sum(lost.values()) + lost_readings,
        **({f"lost_{channel}": count for channel, count in lost.items()} if len(lost) > 1 else {}),
        "duplicates": sum(count for _, count in twice),
        "duplicates_listed": sum(count for name, count in twice if name in listed),
    }
