"""The rules of a site as the engine runs them, with what it must know of each sensor; packed, and named by a hash."""

import hashlib

import msgspec
from msgspec import Struct, field

from rules.limits import Limits
from rules.silent import Silent
from rules.state import State
from rules.without import Without
from vorab.errors import Corrupt
from vorab.model import Priority, ResponseId, RuleId, Said, SensorId, Span

Condition = State | Limits | Without | Silent


class Watched(Struct, frozen=True, array_like=True):
    """What the engine must know of a sensor."""

    ingest: str = "main"  #: whose `until` is its clock
    every: Span | None = None  #: it is heard at least this often; None = it speaks only on change
    gateway: SensorId | None = None  #: the sensor that tells whether its gateway is online
    life_safety: bool = False  #: its lane
    readers: list[SensorId] = field(default_factory=list)  #: the badge readers beside it
    zone: str = ""  #: its place's; decides the partition (rules.partition)


class Rule(Struct, frozen=True, array_like=True, kw_only=True):
    """One condition, judged for each of its sensors, and the alarm's manners (ISA-18.2)."""

    id: RuleId
    watch: list[SensorId]  #: each one by itself; `sensor#channel` is one probe or relay of a sensor
    when: Condition
    for_: Span = Span(0)  #: on-delay: raised after it was broken for so long
    clear_for: Span = Span(0)  #: off-delay: cleared after it was not broken for so long
    lateness: Span = Span(0)  #: readings are decided this long after their own time, in the order of their own time
    priority: Priority  #: with levels, the highest of them
    respond: ResponseId
    cause: Said = ""
    consequence: Said = ""
    action: Said = ""
    owner: str = ""
    latched: bool = False

    @property
    def levels(self) -> list[tuple[Priority, Span]]:
        """Each level with its on-delay, from the least to the most urgent."""
        if isinstance(self.when, Limits):
            return [(level, self.when.for_levels.get(level, self.for_)) for level in self.when.levels]
        return [(self.priority, self.for_)]

    @property
    def memory(self) -> Span:
        """The longest span the rule names, plus its lateness: what was longer ago does not matter to it."""
        spans = [self.clear_for, *(span for _, span in self.levels)]
        if isinstance(self.when, Without):
            spans.append(self.when.within)
        if isinstance(self.when, Silent):
            spans.append(self.when.span)
        return Span(max(spans) + self.lateness)


class RuleSet(Struct, frozen=True, array_like=True):
    rules: list[Rule] = field(default_factory=list)
    sensors: dict[SensorId, Watched] = field(default_factory=dict)

    def watched(self, subject: SensorId) -> Watched:
        """Of a sensor, or of the sensor that a channel belongs to."""
        found = self.sensors.get(subject)
        return found if found is not None else self.sensors.get(sensor_of(subject)[0], Watched())

    def home(self, subject: SensorId) -> tuple[bool, str]:
        """Lane and zone; a sensor without a zone is one of its own.  All that share them are decided together."""
        sensor, _ = sensor_of(subject)
        watched = self.watched(sensor)
        return watched.life_safety, watched.zone or sensor


def sensor_of(subject: SensorId) -> tuple[SensorId, str]:
    """The sensor and its channel ("" = the sensor itself)."""
    sensor, _, channel = subject.partition("#")
    return SensorId(sensor), channel


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(RuleSet)
_HEAD = b"\x01"  #: the version of the packed form


def pack(ruleset: RuleSet) -> bytes:
    """The same bytes for equal rule sets, whatever the order in which their tables were filled."""
    return _HEAD + _encoder.encode(_decoder.decode(_encoder.encode(ruleset)))  # the way there and back: 26 → 26.0


def unpack(data: bytes) -> RuleSet:
    """Raises Corrupt."""
    if data[:1] != _HEAD:
        raise Corrupt(
            f"rule set of version {data[:1].hex() or 'missing'}; this program reads 01: install the newer one"
        )
    try:
        return _decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"not a rule set: {error}") from None


def hash_of(ruleset: RuleSet) -> str:
    return hashlib.sha256(pack(ruleset)).hexdigest()


def problems(ruleset: RuleSet, *, part: bool = False) -> list[str]:
    """What makes these rules unfit to run, each with its way out; empty if nothing does.

    In a part of a set (rules.partition) a rule may watch nothing.
    """
    found: list[str] = []
    seen: set[RuleId] = set()
    for rule in ruleset.rules:
        if rule.id in seen:
            found.append(f"{rule.id}: two rules have this id; give one another name")
        seen.add(rule.id)
        if not rule.watch and not part:
            found.append(f"{rule.id}: watches nothing; name a sensor")
        found += [f"{rule.id}: {problem}" for problem in _problems(rule, ruleset)]
    return found


def _problems(rule: Rule, ruleset: RuleSet) -> list[str]:
    found = []
    for subject in rule.watch:
        if subject not in ruleset.sensors and sensor_of(subject)[0] not in ruleset.sensors:
            found.append(f"no sensor {subject}; add it to the sensors")
    if min(rule.clear_for, rule.lateness, *(span for _, span in rule.levels), 0) < 0:
        found.append("a span is negative; it says how long")
    if isinstance(rule.when, Limits):
        found += _limit_problems(rule.when)
    vital = any(ruleset.watched(subject).life_safety for subject in rule.watch)
    if rule.lateness and (vital or any(level is Priority.LIFE_SAFETY for level, _ in rule.levels)):
        found.append("life safety never waits for late readings; remove the lateness")
    if isinstance(rule.when, Without):
        found += _lane_problems(rule, ruleset)
    if isinstance(rule.when, Silent) and rule.when.span <= 0:
        found.append("silent for no time is always; say how long")
    return found


def _limit_problems(when: Limits) -> list[str]:
    numbers = [*when.above.values(), *when.below.values()]
    found = [] if numbers else ["no limit; write above, below or outside"]
    if any(when.understood(number) is None for number in numbers):
        found.append("a limit is no number that can be measured")
    if not 0 <= when.deadband < float("inf"):
        found.append(f"deadband is {when.deadband}; it says how far the value must come back, and is not negative")
    return found


def _lane_problems(rule: Rule, ruleset: RuleSet) -> list[str]:
    return [
        f"{subject} and its reader {reader} are in different lanes and cannot be joined"
        for subject in rule.watch
        for reader in ruleset.watched(subject).readers
        if ruleset.watched(reader).life_safety != ruleset.watched(subject).life_safety
    ]
