"""How far one machine, ten machines and a thousand sites go: python -m benchmarks scale [--json] [--picture FILE].

Arithmetic over the unit costs below, which other commands have measured, and a simulation of the worst hour: breaches
wait for contact's one decision at a time, messages for the limits of their person, for a sender, and for the rate of
the provider.  Seeded: the same figures every time.  Nothing is measured here.
Goal: in every storm life safety waits no longer than 1 s in our own parts.  docs/scale.md says what follows.
"""

import argparse
import heapq
import json
import math
import random
import sys
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import percentile, table
from deploy.contact import RESERVED, SENDERS
from deploy.ingest import GATHER, GATHER_S
from deploy.keeper import CHECKPOINT_EVERY_S
from deploy.store.breaches import IN_A_TURN
from notifiers.limits import allowed_at
from vorab.model import HOUR, MINUTE, SECOND, Instant, Span

SEED = 5
CORES = 2  #: of a machine
GOAL_S = 1.0
DAY_S = 86_400
MB, GB = 1e6, 1e9


class Cost(NamedTuple):
    """One figure, and where it comes from: a command, a document of the research, or a guess that we name so."""

    value: float
    unit: str
    source: str


#: On two shared cores of 2.4 GHz.  The one place: whoever measures again writes it here.
COSTS = {
    "mqtt_us": Cost(11.7, "µs CPU a message, Mosquitto, QoS 1, one thread", "research: performance"),
    "capture_us": Cost(6.0, "µs CPU a message, socket to PUBACK, three rules", "benchmarks pipeline"),
    "ingest_us": Cost(19.1, "µs CPU a message of four readings", "benchmarks kafka"),
    "worker_us": Cost(7.6, "µs CPU a message of four readings", "benchmarks kafka"),
    "checkpoint_us": Cost(3.4, "µs CPU a sensor in a worker's checkpoint, three rules", "benchmarks costs"),
    "save_us": Cost(6.4, "µs a sensor until PostgreSQL has it", "benchmarks costs"),
    "save_bytes": Cost(29, "bytes a sensor in PostgreSQL's write-ahead log", "benchmarks costs"),
    "checkpoint_s": Cost(CHECKPOINT_EVERY_S, "s from one checkpoint to the next", "deploy/keeper.py"),
    "sqlite_bytes": Cost(195, "bytes a message in capture.db, few in a record", "benchmarks costs"),
    "record_bytes": Cost(182, "bytes of a record in Kafka, besides …", "benchmarks costs"),
    "kafka_bytes": Cost(22, "… bytes of each message in it (zstd)", "benchmarks costs"),
    "until_bytes": Cost(
        112, "bytes of the `until` that each partition of each lane gets every second", "benchmarks costs"
    ),
    "sqlite_incident_bytes": Cost(10_200, "bytes of an incident in contact.db", "benchmarks costs"),
    "incident_bytes": Cost(27_400, "bytes of an incident in PostgreSQL, with its indexes", "benchmarks costs"),
    "incident_rows": Cost(31, "rows of an incident in PostgreSQL", "benchmarks costs"),
    "incident_messages": Cost(2.3, "messages of an incident that the first one asked takes", "benchmarks costs"),
    "decide_ms": Cost(8, "ms a new incident, its message and the answer to it: one at a time", "benchmarks costs"),
    "begin_ms": Cost(2, "ms a transaction, besides", "benchmarks costs"),
    "call_ms": Cost(100, "ms until a provider has answered", "guess"),
    "number_per_s": Cost(1, "text messages a second of one ordinary number", "provider's documentation"),
    "raised_per_s": Cost(10, "text messages a second of a number whose rate was raised", "guess"),
    "fast_per_s": Cost(100, "text messages a second of the fastest kind of sender", "provider's documentation"),
    "disk_gb": Cost(1_000, "GB for data on one machine", "guess"),
    "retain_days": Cost(30, "days that the log is kept", "the site file's own default"),
    "gather_ms": Cost(GATHER_S * 1e3, "ms for which an ingest gathers messages, …", "deploy/ingest.py"),
    "gather": Cost(GATHER, "… or until it has so many", "deploy/ingest.py"),
    "desk_per_h": Cost(6, "alarms an hour that one operator can handle", "ISA-18.2, EEMUA 191"),
}


def cost(name: str) -> float:
    return COSTS[name].value


# --- what there is ----------------------------------------------------------------------------------------------------


class Load(NamedTuple):
    """What sites ask for."""

    sites: float
    sensors: int = 1000  #: of a site
    every_s: float = 60.0  #: from one message of a sensor to the next
    incidents: float = 144.0  #: a day of a site: six an hour, as many as its one desk can handle

    @property
    def messages_s(self) -> float:
        return self.sites * self.sensors / self.every_s

    @property
    def checkpointed_s(self) -> float:
        """Sensors in the checkpoints of a second; on many machines."""
        return self.sites * self.sensors / cost("checkpoint_s")

    @property
    def incidents_day(self) -> float:
        return self.sites * self.incidents

    @property
    def texts_s(self) -> float:
        return self.incidents_day * cost("incident_messages") / DAY_S


class Shape(NamedTuple):
    """What they are given."""

    name: str
    mqtt: int = 1  #: MQTT brokers, each with an ingest
    workers: int = 0  #: of the ordinary lane; 0 = one machine, with SQLite
    partitions: int = 0  #: of each lane
    brokers: int = 0  #: of Kafka; each record is kept on all of three
    texts_s: float = 1.0  #: text messages that the provider sends a second

    @property
    def copies(self) -> int:
        return min(self.brokers, 3)


ONE = Shape("one machine", texts_s=cost("number_per_s"))
#: Three with Kafka, two with PostgreSQL and its standby, two with MQTT and ingest, three with all the rest.
TEN = Shape("ten machines", mqtt=2, workers=6, partitions=16, brokers=3, texts_s=cost("raised_per_s"))


def log_bytes_day(load: Load, shape: Shape) -> float:
    """On all disks together."""
    if not shape.workers:
        return load.messages_s * cost("sqlite_bytes") * DAY_S
    lanes = 2 * shape.partitions * shape.mqtt
    gathered = min(cost("gather"), 1 + load.messages_s / shape.mqtt * cost("gather_ms") / 1e3)
    missed = math.pow(1 - 1 / shape.partitions, gathered)
    records = shape.partitions * (1 - missed)  # as many partitions as are met by chance
    message = cost("kafka_bytes") + cost("record_bytes") * records / gathered
    return (load.messages_s * message + lanes * cost("until_bytes")) * DAY_S * shape.copies


def store_bytes_day(load: Load, shape: Shape) -> float:
    return load.incidents_day * cost("incident_bytes" if shape.workers else "sqlite_incident_bytes")


def used(load: Load, shape: Shape) -> dict[str, float]:
    """The share of each part that this load takes; 1 = full."""
    disk = cost("disk_gb") * GB
    parts = {
        "MQTT broker": load.messages_s * cost("mqtt_us") / 1e6 / shape.mqtt,
        "log on disk": log_bytes_day(load, shape) * cost("retain_days") / disk / max(1, shape.copies),
        "incidents of a year on disk": store_bytes_day(load, shape) * 365 / disk,
        "decisions of contact": load.incidents_day / DAY_S * cost("decide_ms") / 1e3,
        "text messages": load.texts_s / shape.texts_s,
    }
    if shape.workers:
        parts["ingest"] = load.messages_s * cost("ingest_us") / 1e6 / shape.mqtt
        work = load.messages_s * cost("worker_us") + load.checkpointed_s * cost("checkpoint_us")
        parts["workers"] = work / 1e6 / min(shape.workers, shape.partitions)
        parts["checkpoints in PostgreSQL"] = load.checkpointed_s * cost("save_us") / 1e6 / CORES
    else:
        parts["capture"] = load.messages_s * cost("capture_us") / 1e6
    return parts


def full_at(shape: Shape) -> dict[str, float]:
    """How many sites fill each part, the first one first."""
    found = {}
    for part in used(Load(1), shape):
        low, high = 0.0, 1e9
        for _ in range(100):  # what a message weighs depends on how many come
            middle = (low + high) / 2
            low, high = (middle, high) if used(Load(middle), shape)[part] <= 1 else (low, middle)
        found[part] = low
    return dict(sorted(found.items(), key=lambda one: one[1]))


def asked(load: Load, shape: Shape) -> dict[str, float]:
    """What this load comes to."""
    return {
        "messages a second": load.messages_s,
        "of checkpoints, MB a second": load.checkpointed_s * cost("save_bytes") / MB if shape.workers else 0.0,
        "log, GB a day": log_bytes_day(load, shape) / GB,
        "incidents a day": load.incidents_day,
        "rows of the store a day": load.incidents_day * cost("incident_rows"),
        "store, GB a year": store_bytes_day(load, shape) * 365 / GB,
        "text messages a second": load.texts_s,
        "operators at desks": load.incidents_day / 24 / cost("desk_per_h"),
    }


# --- the worst hour ---------------------------------------------------------------------------------------------------


class Storm(NamedTuple):
    """At some of a thousand sites the power fails: what hangs on the mains falls silent, and somebody needs help."""

    name: str
    sites: int  #: without power
    others: int = 1000  #: with six incidents in this hour
    breaches: int = 300  #: of a site without power, …
    within_s: float = 60.0  #: … as their sensors fall silent
    vital: int = 5  #: of a site without power: life safety, in the first ten minutes
    people: int = 10  #: of each site
    asked: int = 4  #: people for life safety, at the same time


class Means(NamedTuple):
    """What meets it."""

    name: str
    contacts: int  #: processes; they decide in turn, and send side by side
    rate: float  #: text messages that the provider sends in a second, in the order in which it got them
    paced: bool = False  #: we hand over no more than that, life safety first; this is not built


STORMS = [Storm("no storm", 0), Storm("one site without power", 1, 999), Storm("fifty sites without power", 50, 950)]
MEANS = [
    Means("an ordinary number", 1, cost("number_per_s")),
    Means("a number that was raised", 2, cost("raised_per_s")),
    Means("the same, and we keep its pace", 2, cost("raised_per_s"), paced=True),
    Means("the fastest sender", 2, cost("fast_per_s")),
]
LIMITS = ((Span(10 * MINUTE), 8), (HOUR, 20))  #: messages to one person, as in the example site


class Item(NamedTuple):
    """A breach, later one of its messages; instants in seconds."""

    at: float
    vital: bool
    person: int


class Waits(NamedTuple):
    """How long the messages of one kind waited, in seconds each."""

    own: list[float]  #: for a decision and for a sender: our own parts
    held: list[float]  #: because their person had got enough
    provider: list[float]


def found(storm: Storm, seed: int = SEED) -> list[Item]:
    """The breaches of an hour, in order."""
    chance = random.Random(seed)
    items = []
    for site in range(storm.sites + storm.others):
        dark = site < storm.sites
        for number in range(storm.breaches if dark else 6):
            at = chance.uniform(0, storm.within_s if dark else 3600)
            items.append(Item(at, False, site * storm.people + number % storm.people))
        items += [Item(chance.uniform(0, 600), True, site * storm.people) for _ in range(storm.vital if dark else 0)]
    return sorted(items)


def decided(breaches: Sequence[Item]) -> list[tuple[Item, float]]:
    """Each with the instant when its transaction was committed; they follow each other, as `deploy.contact` has it."""
    to_come, vital, others = deque(breaches), deque[Item](), deque[Item]()
    done: list[tuple[Item, float]] = []
    now = 0.0

    def hear() -> None:
        while to_come and to_come[0].at <= now:
            (vital if to_come[0].vital else others).append(to_come.popleft())

    while len(done) < len(breaches):
        hear()
        if not (vital or others):
            now = to_come[0].at
            continue
        batch = [vital.popleft() for _ in range(min(IN_A_TURN, len(vital)))]
        now += (cost("begin_ms") + len(batch) * cost("decide_ms")) / 1e3
        for number in range(min(IN_A_TURN, len(others))):
            hear()
            if vital and number:
                break
            batch.append(others.popleft())
            now += cost("decide_ms") / 1e3
        done += [(one, now) for one in batch]
    return done


def let_through(messages: Iterable[Item]) -> list[float]:
    """When each may go, so that nobody gets more than his limits; life safety at once."""
    sent: dict[int, list[Instant]] = defaultdict(list)
    found = []
    for one in messages:
        if one.vital:
            found.append(one.at)
            continue
        ready = allowed_at(sent[one.person], LIMITS, Instant(round(one.at * SECOND)))
        sent[one.person].append(ready)
        found.append(max(one.at, ready / SECOND))
    return found


def handed_over(messages: Sequence[Item], contacts: int) -> list[float]:
    """When the provider's answer to each is there.  Of the senders some are kept for life safety."""
    takes = cost("call_ms") / 1e3
    done = [0.0] * len(messages)
    order = deque(sorted(range(len(messages)), key=lambda i: messages[i].at))
    waiting: dict[bool, deque[int]] = {True: deque(), False: deque()}
    back: list[float] = []  #: when each busy sender is
    now = 0.0
    while order or any(waiting.values()):
        while order and messages[order[0]].at <= now:
            i = order.popleft()
            waiting[messages[i].vital].append(i)
        while back and back[0] <= now:
            heapq.heappop(back)
        for vital, kept in ((True, 0), (False, RESERVED)):
            while waiting[vital] and len(back) < (SENDERS - kept) * contacts:
                done[waiting[vital].popleft()] = now + takes
                heapq.heappush(back, now + takes)
        coming = [messages[order[0]].at] if order else []
        now = min([*coming, *back[:1]], default=now)
    return done


def gone(handed: Sequence[Item], means: Means) -> list[float]:
    """When the provider sends each: in the order in which they came, so many a second; paced: life safety first."""
    found = [0.0] * len(handed)
    coming = deque(sorted(range(len(handed)), key=lambda i: handed[i].at))
    waiting: list[tuple[bool, float, int]] = []
    now = 0.0
    while coming or waiting:
        if not waiting:
            now = max(now, handed[coming[0]].at)
        while coming and handed[coming[0]].at <= now:
            i = coming.popleft()
            heapq.heappush(waiting, (means.paced and not handed[i].vital, handed[i].at, i))
        found[heapq.heappop(waiting)[2]] = now
        now += 1 / means.rate
    return found


def simulate(storm: Storm, means: Means) -> dict[bool, Waits]:
    """The waiting of every message; True: of life safety."""
    messages, decision = [], []
    for one, at in decided(found(storm)):
        for n in range(storm.asked if one.vital else 1):
            messages.append(Item(at, one.vital, one.person + n))
            decision.append(at - one.at)
    ready = let_through(messages)
    handed = handed_over([one._replace(at=at) for one, at in zip(messages, ready, strict=True)], means.contacts)
    sent = gone([one._replace(at=at) for one, at in zip(messages, handed, strict=True)], means)
    waits = {True: Waits([], [], []), False: Waits([], [], [])}
    for i, one in enumerate(messages):
        kind = waits[one.vital]
        kind.own.append(decision[i] + handed[i] - ready[i])
        kind.held.append(ready[i] - one.at)
        kind.provider.append(sent[i] - handed[i])
    return waits


# --- what is said -----------------------------------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    options.add_argument("--json", action="store_true", help="one object in one line")
    options.add_argument("--picture", type=Path, help="an SVG to write: how many sites fill each part")
    chosen = options.parse_args(argv)
    loads = {"one site": (Load(1), ONE), "a hundred sites": (Load(100), TEN), "a thousand sites": (Load(1000), TEN)}
    reckoned = {name: asked(load, shape) for name, (load, shape) in loads.items()}
    full = {shape.name: full_at(shape) for shape in (ONE, TEN)}
    storms = [_told(storm, means) for storm in STORMS for means in MEANS]
    slowest = max(storm["life_safety_own_s"][2] for storm in storms if storm["life_safety_own_s"])
    if chosen.picture:
        chosen.picture.write_text(picture(full))
    if chosen.json:
        print(json.dumps({"loads": reckoned, "full_at_sites": full, "storms": storms, "life_safety_max_s": slowest}))
        return 0 if slowest <= GOAL_S else 1
    table("Unit costs", [(name, f"{one.value:g}", f"{one.unit} ({one.source})") for name, one in COSTS.items()])
    for name, values in reckoned.items():
        table(name.capitalize(), [(what, _number(value), "") for what, value in values.items()])
    for name, parts in full.items():
        table(f"Sites that fill {name}", [(part, _number(value), "") for part, value in parts.items()])
    for storm in storms:
        print(f"\n{storm['storm']}; {storm['means']}: {storm['breaches']} breaches, {storm['messages']} messages")
        for what in KINDS:
            print(f"  {what:<24}", *(f"{value:>10.1f}" for value in storm[what]))
    print("\np50, p99 and longest waiting, in seconds", file=sys.stderr)
    return 0 if slowest <= GOAL_S else 1


KINDS = [f"{lane}_{part}_s" for lane in ("life_safety", "others") for part in Waits._fields]


def _told(storm: Storm, means: Means) -> dict[str, Any]:
    """The figures of one storm; each waiting as p50, p99, longest, and nothing where there is no message."""
    waits = simulate(storm, means)
    told: dict[str, Any] = {"storm": storm.name, "means": means.name, "breaches": len(found(storm))}
    told["messages"] = sum(len(kind.own) for kind in waits.values())
    for vital, lane in ((True, "life_safety"), (False, "others")):
        for part, values in waits[vital]._asdict().items():
            three = (percentile(values, 0.5), percentile(values, 0.99), max(values)) if values else ()
            told[f"{lane}_{part}_s"] = [round(value, 2) for value in three]
    return told


def _number(value: float) -> str:
    """Two figures that count: more would be a lie."""
    return f"{value:,.2g}" if value < 10 else f"{round(value, 1 - math.floor(math.log10(value))):,.0f}"


# --- the picture ------------------------------------------------------------------------------------------------------

DECADES = 5  #: from one site to a hundred thousand
LEFT, WIDE, ROW = 210, 700, 26
STYLE = """\
    text { font-size: 13px; fill: #17202a; } .note { fill: #51606f; } .head { font-weight: 600; }
    .paper { fill: #ffffff; } .note { stroke: #ffffff; stroke-width: 4; paint-order: stroke; }
    .bar { fill: #51606f; } .first { fill: #b3491f; } .grid { stroke: #c5ced6; stroke-width: 1; }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #141b23; } .note { stroke: #141b23; }
      text { fill: #eef3f7; } .note { fill: #a9b8c6; } .bar { fill: #8fa1b3; } .first { fill: #f0976b; }
      .grid { stroke: #36424f; }
    }"""


def picture(full: Mapping[str, Mapping[str, float]]) -> str:
    """Bars on a scale of tens, light and dark: how many sites fill each part; the first one stands out."""
    lines, y = [], 40
    for name, parts in full.items():
        lines.append(f'<text class="head" x="10" y="{y}">{name}</text>')
        for part, sites in parts.items():
            y += ROW
            kind = "first" if part == next(iter(parts)) else "bar"
            width = max(2.0, math.log10(max(sites, 1)) / DECADES * WIDE)
            lines.append(f'<text x="{LEFT - 10}" y="{y}" text-anchor="end">{part}</text>')
            lines.append(f'<rect class="{kind}" x="{LEFT}" y="{y - 13}" width="{width:.0f}" height="17" rx="3"/>')
            lines.append(f'<text class="note" x="{LEFT + width + 8:.0f}" y="{y}">{_number(sites)}</text>')
        y += 44
    bottom = y - 24
    for power in range(DECADES + 1):
        x = LEFT + WIDE * power // DECADES
        lines.insert(0, f'<line class="grid" x1="{x}" y1="20" x2="{x}" y2="{bottom - 18}"/>')
        lines.append(f'<text class="note" x="{x}" y="{bottom}" text-anchor="middle">{10**power:,}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 80} {bottom + 30}" role="img"'
        ' aria-labelledby="t" font-family="system-ui, sans-serif">\n'
        '  <title id="t">How many sites fill each part of one machine and of ten</title>\n'
        f"  <style>\n{STYLE}\n  </style>\n"
        f'  <rect class="paper" width="{LEFT + WIDE + 80}" height="{bottom + 30}" rx="8"/>\n  '
        + "\n  ".join(lines)
        + f'\n  <text class="note" x="{LEFT}" y="{bottom + 20}">sites of 1,000 sensors, one message a minute each,'
        " six incidents an hour</text>\n</svg>\n"
    )
