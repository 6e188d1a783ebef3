"""How long nothing is found after a part of a site on many machines was killed: python -m benchmarks takeover [--json].

At 500 records a second in both lanes together, counted in Kafka.  From the kill on, sensors of every partition breach
four times a second; a run's figure is that of its slowest partition.

- worker: SIGKILL → the first breach of a reading published after it is in the store; goal: median 6 s, at most 10 s
- contact: SIGKILL while the provider has its messages → what became of each is known; goal: at most 20 s, and of those
  that the other contact had in hand none was touched
- broker: the only one is started again after a SIGKILL → the first breach of a reading published after that; goal: at
  most 30 s, without a hand
- leader: one of three brokers, as worker; goal: median 8 s, at most 15 s
"""

import argparse
import contextlib
import json
import random
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.flow import state, topic_of
from benchmarks.load import Publisher
from benchmarks.machines import CONTACTS, READY, RECIPIENTS, WORKERS, Machines, running, slow
from benchmarks.measure import table
from rules.partition import home
from rules.ruleset import unpack

RUNS = 10
PARTITIONS = 8  #: of a lane
RATE = 1000  #: calm readings a second: enough for …
RECORDS = 500  #: … so many records a second
TURNS_A_RUN = 250  #: breaches of one partition, over all measurements
EVERY_S = 0.25  #: between two of them
GIVE_UP_S = 60.0
REST_S = 6.0  #: after everybody is back, before the next kill
PROVIDER_TAKES_S = 3.0  #: so that messages are in hand when their process is killed
GOALS = {
    "worker_median_s": 6.0,
    "worker_max_s": 10.0,
    "contact_orphans_max_s": 20.0,
    "broker_max_s": 30.0,
    "leader_median_s": 8.0,
    "leader_max_s": 15.0,
}


class Load(threading.Thread):
    """Calm readings at an even rate, as long as it runs; whoever wants to says that other sensors breach."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._publisher = Publisher(port, "load")
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def run(self) -> None:
        start, sent = time.monotonic(), 0
        while not self._closing.wait(0.005):
            wanted = int((time.monotonic() - start) * RATE)
            self.send([(topic_of(f"load-{n % 1000}"), state(21.5, n)) for n in range(sent, wanted)])
            sent = wanted

    def send(self, messages: list[tuple[bytes, bytes]]) -> None:
        with self._lock:
            self._publisher.send(messages)
            self._publisher.collect()

    def close(self) -> None:
        self._closing.set()
        self.join()
        self._publisher.close()


class Alarms:
    """Sensors of every partition that have not breached yet."""

    def __init__(self, machines: Machines, load: Load) -> None:
        self._machines, self._load = machines, load
        ruleset = unpack(machines.site.rules)
        self._waiting: dict[int, list[str]] = {number: [] for number in range(machines.partitions)}
        for sensor in machines.site.sensors:
            if sensor.id.startswith("warm-") and sensor.id not in READY:
                self._waiting[home(ruleset, sensor.id, machines.partitions).number].append(sensor.id)
        for names in self._waiting.values():
            random.Random(1).shuffle(names)

    def raise_all(self) -> dict[str, tuple[int, float]]:
        """One breach in each partition: sensor → its partition, and when it was published."""
        now = time.time()
        raised = {names.pop(): (number, now) for number, names in self._waiting.items()}
        self._load.send([(topic_of(name), state(28.5, 0)) for name in raised])
        return raised

    def until_found(self, at: float) -> float:
        """Seconds from this instant until a breach of a reading published after it is stored, in the slowest
        partition.  Raises SystemExit.
        """
        raised: dict[str, tuple[int, float]] = {}
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            raised |= self.raise_all()
            self._machines.wait(EVERY_S)
            first: dict[int, float] = {}
            for breach, stored in self._machines.ask(STORED, int(at * 1e6)):
                if known := raised.get(breach.split("/")[1]):
                    first[known[0]] = min(float(stored), first.get(known[0], float("inf")))
            if len(first) == len(self._waiting):
                return max(first.values()) - at
        raise SystemExit(f"after {GIVE_UP_S:g} s not every partition had found a breach: no figure")


#: Breaches of what was measured from this instant on, and when they were stored.
STORED = "SELECT id, extract(epoch FROM stored) FROM breaches WHERE at >= %s AND edge = 0"
#: A column of our own beside the product's.
WATCH = "ALTER TABLE breaches ADD COLUMN stored timestamptz DEFAULT clock_timestamp()"
OUTCOMES = "SELECT id, state, attempts, repeated FROM outbox WHERE id = ANY(%s)"
UNSETTLED = ("ready", "sending", "unknown")


def main(argv: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks takeover", description=__doc__)
    options.add_argument("--runs", type=int, default=RUNS, help="of each measurement")
    options.add_argument("--only", choices=list(MEASURES), help="one of them; the goal is then not reached")
    options.add_argument("--keep", action="store_true", help="leave the data folder for a look")
    options.add_argument("--json", action="store_true", help="one object in one line")
    chosen = options.parse_args(argv)
    data = Path("data/benchmark-takeover").resolve()
    shutil.rmtree(data, ignore_errors=True)
    took: dict[str, list[float]] = {}
    for brokers in (1, 3):
        wanted = [name for name in MEASURES if (name == "leader") == (brokers == 3) and chosen.only in (None, name)]
        if wanted:
            took |= _measure(data / f"brokers-{brokers}", brokers, chosen.runs, wanted)
    if not chosen.keep:
        shutil.rmtree(data)
    result = {"runs": chosen.runs} | figures(took)
    if chosen.json:
        print(json.dumps(result))
    else:
        rows = [(name, f"{result[name]:.1f} s", f"goal ≤ {goal:g} s") for name, goal in GOALS.items() if name in result]
        table(f"killed → found again, {chosen.runs} runs", rows)
    reached = all(result.get(name, float("inf")) <= goal for name, goal in GOALS.items())
    return 0 if reached and chosen.runs >= RUNS else 1


def figures(took: dict[str, list[float]]) -> dict[str, float]:
    """The median and the longest of each."""
    found = {f"{name}_median_s": statistics.median(times) for name, times in took.items()}
    found |= {f"{name}_max_s": max(times) for name, times in took.items()}
    return {name: round(found[name], 2) for name in GOALS if name in found}


def _measure(data: Path, brokers: int, runs: int, wanted: list[str]) -> dict[str, list[float]]:
    """Seconds of each run, by what was killed."""
    data.mkdir(parents=True)
    each = -(-runs * TURNS_A_RUN * PARTITIONS // RECIPIENTS) + 10
    alerting = {f"warm-{person}-{{0..{each}}}": f"z{person}" for person in range(1, RECIPIENTS + 1)}
    took: dict[str, list[float]] = {}
    with (
        running(data, alerting=alerting, vital={}, partitions=PARTITIONS, brokers=brokers) as machines,
        contextlib.closing(Load(machines.mosquitto.port)) as load,
    ):
        load.start()
        machines.ask(WATCH)
        slow(machines.world, PROVIDER_TAKES_S)
        machines.wait(5)
        _check_rate(machines)
        alarms = Alarms(machines, load)
        for name in wanted:
            for number in range(runs):
                took.setdefault(name, []).append(MEASURES[name](machines, alarms, number))
                print(f"{name}, run {number + 1} of {runs}: {took[name][-1]:.2f} s", file=sys.stderr)
                machines.await_owners()
                machines.wait(REST_S)
    return took


def _check_rate(machines: Machines, seconds: float = 5.0) -> None:
    """Raises SystemExit where fewer records are written than the figure is claimed for."""
    before = machines.written()
    machines.wait(seconds)
    rate = (machines.written() - before) / seconds
    print(f"{rate:.0f} records a second", file=sys.stderr)
    if rate < RECORDS:
        raise SystemExit(f"only {rate:.0f} records a second: no figure")


def _worker(machines: Machines, alarms: Alarms, number: int) -> float:
    part = machines.parts[WORKERS[number % len(WORKERS)]]
    part.kill()
    took = alarms.until_found(time.time())
    part.start()
    return took


def _contact(machines: Machines, alarms: Alarms, number: int) -> float:
    """Until the outcome of each orphan is known.  Raises SystemExit when the other contact's messages were touched."""
    part = machines.parts[CONTACTS[number % len(CONTACTS)]]
    in_hand = _in_hand(machines, alarms)
    part.kill()
    at = time.time()
    machines.wait(0.3)
    alive = machines.owners()
    orphans = [message for message, (owner, _) in in_hand.items() if owner not in alive]
    others = [message for message in in_hand if message not in orphans]
    if not orphans or not others:
        raise SystemExit(f"{part.name} had {len(orphans)} of {len(in_hand)} messages in hand: no figure")
    took = _until_settled(machines, orphans) - at
    _until_settled(machines, others)
    for message, _, attempts, repeated in machines.ask(OUTCOMES, others):
        if repeated or attempts != in_hand[message][1]:
            raise SystemExit(f"{message} of the other contact was touched: {attempts} attempts; no figure")
    part.start()
    return took


def _until_settled(machines: Machines, messages: list[str]) -> float:
    """The instant when it is known of each what became of it.  Raises SystemExit."""
    deadline = time.monotonic() + GIVE_UP_S
    while any(outcome in UNSETTLED for _, outcome, _, _ in machines.ask(OUTCOMES, messages)):
        if time.monotonic() > deadline:
            raise SystemExit(f"messages are not settled after {GIVE_UP_S:g} s: no figure")
        machines.wait(0.1)
    return time.time()


def _in_hand(machines: Machines, alarms: Alarms) -> dict[str, tuple[int, int]]:
    """Messages that both contacts are handing over: owner and attempts of each.  Raises SystemExit."""
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        alarms.raise_all()
        for _ in range(10):
            machines.wait(PROVIDER_TAKES_S / 10)
            found = machines.in_hand()
            if len({owner for owner, _ in found.values()}) == len(CONTACTS):
                return found
        machines.wait(2 * PROVIDER_TAKES_S)  # what waits for a sender is sent
    raise SystemExit("the contacts did not both have messages in hand: no figure")


def _broker(machines: Machines, alarms: Alarms, _number: int) -> float:
    machines.kafka.kill()
    machines.kafka.restart()
    return alarms.until_found(time.time())


def _leader(machines: Machines, alarms: Alarms, _number: int) -> float:
    """The broker that leads most."""
    [(killed, _)] = machines.leaders().most_common(1)
    machines.kafka.kill(killed)
    took = alarms.until_found(time.time())
    machines.kafka.restart(killed)
    machines.await_in_sync()
    return took


#: In this order: after the contacts the messages of the others may wait for their slow provider.
MEASURES: dict[str, Callable[[Machines, Alarms, int], float]] = {
    "contact_orphans": _contact,
    "worker": _worker,
    "broker": _broker,
    "leader": _leader,
}
