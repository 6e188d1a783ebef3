"""Messages to readings: what is understood goes on, the rest is kept with its bytes and its reason, all is counted."""

import re
import sys
import zlib
from collections import deque
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ingest import sensors as decoders
from ingest.mqtt import DUP, RETAIN, Publish
from vorab.errors import Malformed
from vorab.model import Instant, Quality, Quantity, Quarantined, Reading, Record, Sample, SensorId
from vorab.payload import MAX_BYTES, Payload
from vorab.site import Sensor, SensorType

WINDOW = 64  #: readings of one sensor among which one with an own time or number is known again
RECENT = 4096  #: messages of one session among which the broker's repetitions are known again
MAX_DEPTH = 32  #: of nested JSON; real devices have 6
MAX_TOPICS = 100_000  #: remembered; beyond, they are found out anew

Ranges = dict[Quantity, tuple[float, float]]

#: What makes two readings of one sensor the same: the device's number and the crc32 of the payload, its time within.
Mark = tuple[int | None, int]
Window = dict[Mark, Instant]  #: the last of one sensor, in the order in which they came, and when each was measured


class Refused(Struct, frozen=True):
    """A quarantined message, as far as it is needed to know it again."""

    packet_id: int
    fingerprint: int  #: crc32 of the payload


class Decoding(Struct, frozen=True):
    """How the messages of one type are read."""

    type: decoders.Type
    ranges: Ranges


class Source(Struct):
    """One topic: whose it is and how it is read."""

    sensor: SensorId | None = None  #: None = nobody's, for this …
    reason: str = ""  #: … reason; "" = it is our own and says nothing
    life_safety: bool = False
    decoding: Decoding | None = None
    suffix: str = ""
    window: Window = {}
    payload: bytes | None = None  #: the last one that came without time and number of its own, …
    samples: list[Sample] = []  #: … what it said …
    fingerprint: int = 0  #: … and its crc32: most values do not change


class Sorted(Struct):
    """Every message of a batch is in exactly one of these (law 2)."""

    readings: list[Reading] = []
    quarantined: list[Quarantined] = []
    duplicates: int = 0
    ignored: int = 0


class Normaliser:
    """The sensors of one ingest, and what is needed to know a message again."""

    def __init__(self, sensors: Iterable[Sensor], ingest: str) -> None:
        """Raises ConfigurationError for a decoder that does not exist, or does not know its options."""
        self.ordinal = 0  #: of the last message in this run
        self._sensors = {sensor.topic: sensor for sensor in sensors if sensor.ingest == ingest}
        types = {sensor.type.name: sensor.type for sensor in self._sensors.values()}
        self._decodings = {name: _decoding(kind) for name, kind in types.items()}
        self._patterns = _patterns(self._sensors.values())
        self._windows: dict[SensorId, Window] = {}
        self._sources: dict[bytes, Source] = {}
        self._recent: dict[bool, deque[Reading | Refused]] = {lane: deque(maxlen=RECENT) for lane in (False, True)}

    def sort(
        self, publishes: Sequence[Publish], now: Instant, *, life_safety: bool = False, drained: bool = True
    ) -> Sorted:
        """What these messages of one session say.  Not drained: the broker had kept them, nobody knows since when."""
        result = Sorted()
        add = result.readings.append
        sources = self._sources
        unusual = DUP | RETAIN
        ordinal = self.ordinal
        for publish in publishes:
            topic, payload, flags, packet_id = publish
            ordinal += 1
            source = sources.get(topic) or self._source(topic)
            if source.life_safety is not life_safety:
                result.ignored += 1  # it belongs to the other session
            elif payload == source.payload and source.sensor and drained and not flags & unusual:
                same = source.fingerprint
                add(Reading(source.sensor, source.samples, now, now, ordinal, False, False, None, packet_id, same))
            else:
                self._decode(source, publish, now, ordinal, drained, result)
        self.ordinal = ordinal
        self._recent[life_safety].extend(result.readings)
        self._recent[life_safety].extend(map(_refused, result.quarantined))
        return result

    def again(self, kept: Quarantined) -> Reading | None:
        """A quarantined message after its cause was mended; None = it holds nothing, or nothing new.

        Raises Malformed: still not.
        """
        flags = RETAIN if kept.retained else 0
        publish = (kept.topic, kept.payload, flags, kept.packet_id)
        source = self._source(kept.topic)
        reading = self._reading(source, publish, kept.received_at, kept.ordinal, drained=True)
        return None if reading is None or self._known(source, reading, flags | DUP) else reading

    def remember(self, stored: Record | Quarantined) -> None:
        """From the log's tail, in the order in which it came: its messages will be known again."""
        if isinstance(stored, Quarantined):
            self._recent[self._source(stored.topic).life_safety].append(_refused(stored))
            return
        for reading in stored.readings:
            if reading.dated or reading.sequence is not None:
                _mark(self._window(reading.sensor), reading)
        self._recent[stored.life_safety].extend(stored.readings)
        self._recent[stored.life_safety].extend(map(_refused, stored.quarantined))

    def forget(self, *, life_safety: bool) -> None:
        """The broker began a new session: it knows no packet id of the old one, and neither must we."""
        self._recent[life_safety].clear()

    def _decode(
        self, source: Source, publish: Publish, now: Instant, ordinal: int, drained: bool, result: Sorted
    ) -> None:
        topic, payload, flags, packet_id = publish
        if flags & DUP and self._repeated(source, packet_id, zlib.crc32(payload)):
            result.duplicates += 1
            return
        try:
            reading = self._reading(source, publish, now, ordinal, drained=drained)
        except Malformed as error:
            retained = bool(flags & RETAIN)
            result.quarantined.append(Quarantined(ordinal, topic, payload, str(error), now, retained, packet_id))
            return
        if reading is None:
            result.ignored += 1
        elif self._known(source, reading, flags):
            result.duplicates += 1
        else:
            result.readings.append(reading)

    def _reading(
        self, source: Source, publish: Publish, now: Instant, ordinal: int, *, drained: bool
    ) -> Reading | None:
        """What a message says; None = it is understood, but holds nothing.  Raises Malformed."""
        _, raw, flags, packet_id = publish
        if source.decoding is None:
            if source.reason:
                raise Malformed(source.reason)
            return None
        kind = source.decoding.type
        payload = _bounded(raw, source.suffix)
        samples = _decoded(kind, payload, source.decoding.ranges)
        if not samples:
            return None
        if source.sensor is None:
            raise Malformed(source.reason)
        own, sequence = _own(kind, payload)
        fingerprint = zlib.crc32(raw)
        retained = bool(flags & RETAIN)
        if own is None and (retained or not drained):
            samples = [_uncertain(sample) for sample in samples]
        elif own is None and sequence is None:
            source.payload, source.samples, source.fingerprint = raw, samples, fingerprint
        at = now if own is None else min(own, now)
        dated = own is not None
        return Reading(source.sensor, samples, at, now, ordinal, dated, retained, sequence, packet_id, fingerprint)

    def _repeated(self, source: Source, packet_id: int, fingerprint: int) -> bool:
        """Whether this message of the broker's was stored already, as a reading or in quarantine."""
        same = (packet_id, fingerprint)
        return any((other.packet_id, other.fingerprint) == same for other in self._recent[source.life_safety])

    def _known(self, source: Source, reading: Reading, flags: int) -> bool:
        """Whether this reading was stored already, by its own time or number (DESIGN §4, Duplicates)."""
        if not reading.dated and reading.sequence is None:
            return False
        if _seen(source.window, reading, flags):
            return True
        _mark(source.window, reading)
        return False

    def _source(self, topic: bytes) -> Source:
        source = self._sources.get(topic)
        if source is None:
            if len(self._sources) >= MAX_TOPICS:
                self._sources.clear()
            source = self._sources[topic] = self._resolve(topic)
        return source

    def _resolve(self, topic: bytes) -> Source:
        try:
            name = topic.decode()
        except UnicodeDecodeError as error:
            return Source(reason=f"the topic is not UTF-8: {error.reason} at byte {error.start}")
        if name.startswith("vorab/"):
            return Source()
        levels = name.split("/")
        if not {"+", "#", "\0"}.isdisjoint(name):
            return Source(reason="the topic has a wildcard")
        for count in range(len(levels), 0, -1):
            sensor = self._sensors.get("/".join(levels[:count]))
            if sensor and all(levels[count:]):
                return self._of(sensor, "/".join(levels[count:]))
        if not all(levels[1:]) or not name:  # a slash in front is in use
            return Source(reason="the topic has an empty level")
        return self._unclaimed(name)

    def _of(self, sensor: Sensor, suffix: str) -> Source:
        decoding, window = self._decodings[sensor.type.name], self._window(sensor.id)
        return Source(sensor.id, "", sensor.type.life_safety, decoding, suffix, window)

    def _unclaimed(self, topic: str) -> Source:
        """Of a device that the site does not name; only what says nothing may be passed over."""
        for pattern, types in self._patterns:
            found = pattern.fullmatch(topic)
            if found:
                claim = f"{found['sensor']}: {{ type: {' or '.join(sorted(types))} }}"
                reason = f"no sensor of this site; to claim it, write in sensors.yaml: {claim}"
                return Source(None, reason, False, self._decodings[min(types)], found["suffix"] or "")
        return Source(reason="no sensor type of this site has such a topic")

    def _window(self, sensor: SensorId) -> Window:
        return self._windows.setdefault(sensor, {})


def filters(sensors: Iterable[Sensor], ingest: str, *, life_safety: bool) -> set[str]:
    """What a session subscribes to, none of it twice: a broker may deliver a message once for every filter it fits.

    Life safety: its sensors' own topics.  The other: all that fits a type's pattern, so that new devices are found.
    """
    mine = [sensor for sensor in sensors if sensor.ingest == ingest]
    if life_safety:
        found = {f"{sensor.topic}/#" for sensor in mine if sensor.type.life_safety}
    else:
        found = {re.sub(r"\{\w*\}", "+", sensor.type.topic) + "/#" for sensor in mine}
        found |= {f"{sensor.topic}/#" for sensor in mine if not sensor.type.life_safety}
    wide = {each for each in found if "+" in each}
    return {each for each in found if not any(_covers(other, each) for other in wide if other != each)}


def _covers(wide: str, narrow: str) -> bool:
    """Whether every topic of the second filter fits the first, too; both end with /#."""
    levels, other = wide.split("/")[:-1], narrow.split("/")[:-1]
    return len(levels) <= len(other) and all(a in ("+", b) for a, b in zip(levels, other, strict=False))


def _decoding(kind: SensorType) -> Decoding:
    found = decoders.find(kind.decoder, kind.options)
    return Decoding(found, found.ranges | kind.ranges)


def _patterns(sensors: Iterable[Sensor]) -> list[tuple[re.Pattern[str], set[str]]]:
    """The topics of the types that name their sensor, with the types that speak there."""
    names: dict[str, set[str]] = {}
    for sensor in sensors:
        if "{sensor}" in sensor.type.topic:
            names.setdefault(sensor.type.topic, set()).add(sensor.type.name)
    return [(_pattern(topic), types) for topic, types in names.items()]


def _pattern(topic: str) -> re.Pattern[str]:
    text = re.escape(topic).replace(r"\{sensor\}", "(?P<sensor>[^/]+)", 1)
    return re.compile(re.sub(r"\\\{\w*\\\}", "[^/]+", text) + "(?:/(?P<suffix>.*))?")


def _bounded(raw: bytes, suffix: str) -> Payload:
    """Raises Malformed for what is too large or nested too deeply to be looked at."""
    if len(raw) > MAX_BYTES:
        raise Malformed(f"larger than {MAX_BYTES // 1024} KiB; that much of it is kept")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise Malformed(f"nested deeper than {MAX_DEPTH} levels")
    return Payload(raw, suffix)


#: A bracket, or a text to pass over; one without an end goes to the end, so that each byte is looked at once.
_BRACKETS = re.compile(rb'[\[{\]}]|"(?:[^"\\]+|\\.)*"?', re.DOTALL)


def _depth(raw: bytes) -> int:
    """Of the brackets outside of texts."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(raw):
        if bracket in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in (b"]", b"}"):
            depth -= 1
    return deepest


def _decoded(kind: decoders.Type, payload: Payload, ranges: Ranges) -> list[Sample]:
    """Raises Malformed.  A fault in somebody's decoder must not stop the rest."""
    try:
        return _within(kind.decode(payload), ranges)
    except Malformed:
        raise
    except Exception as error:
        raise Malformed(f"the decoder failed: {error!r}") from error


def _within(samples: list[Sample], ranges: Ranges) -> list[Sample]:
    """Numbers are floats that lie in their range, or bad.  Raises Malformed for a value that is none of ours."""
    for index, sample in enumerate(samples):
        value = sample.value
        if type(value) is int:
            value = float(value)
            samples[index] = Sample(sample.quantity, value, sample.channel)
        if type(value) is float:
            low, high = ranges.get(sample.quantity, _FINITE)
            if not low <= value <= high:  # not a number lies in no range
                samples[index] = Sample(sample.quantity, None, sample.channel, Quality.BAD)
        elif value is not None and type(value) is not bool and type(value) is not str:
            raise Malformed(f"{sample.quantity} is a {type(value).__name__}; expected a number, a text, true or false")
    return samples


_FINITE = (-sys.float_info.max, sys.float_info.max)
_INT64 = 1 << 63


def _own(kind: decoders.Type, payload: Payload) -> tuple[Instant | None, int | None]:
    """The device's own time and number.  Raises Malformed, also for what the log cannot hold."""
    try:
        at = kind.time_of(payload) if kind.time_of else None
        sequence = kind.sequence_of(payload) if kind.sequence_of else None
        for number in (at, sequence):
            if number is not None and not (type(number) is int and -_INT64 <= number < _INT64):
                raise Malformed(f"{str(number)[:40]!r} as its own time or number; expected an integer of 64 bits")
    except Malformed:
        raise
    except Exception as error:
        raise Malformed(f"the decoder failed: {error!r}") from error
    return at, sequence


def _uncertain(sample: Sample) -> Sample:
    if sample.quality is Quality.BAD:
        return sample
    return Sample(sample.quantity, sample.value, sample.channel, Quality.UNCERTAIN)


def _refused(kept: Quarantined) -> Refused:
    return Refused(kept.packet_id, zlib.crc32(kept.payload))


def _seen(window: Window, reading: Reading, flags: int) -> bool:
    """Whether its mark is among the last of its sensor, and no change of the sensor explains that.

    A clock that counts seconds gives the same time to *open, shut, open* within one: the last of them is no repetition.
    """
    mark = (reading.sequence, reading.fingerprint)
    if mark not in window:
        return False
    if reading.sequence is not None or flags & (DUP | RETAIN):
        return True
    return mark == next(reversed(window)) or reading.at < max(window.values())


def _mark(window: Window, reading: Reading) -> None:
    """It is the last of its sensor."""
    mark = (reading.sequence, reading.fingerprint)
    window.pop(mark, None)
    window[mark] = reading.at
    if len(window) > WINDOW:
        del window[next(iter(window))]
