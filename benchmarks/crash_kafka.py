"""`crash --host kafka`: any part of a site on many machines is killed, at random moments and at every commit point.

1,000 readings a second, 5 % of them breaching, every tenth of those in the lane of life safety; each breach is another
sensor, whose name is in the text.  Killed are ingest, workers, contacts, PostgreSQL and the only broker; each comes
back at once, as its supervisor would start it.  Afterwards every reading that Mosquitto acknowledged to its publisher
is in Kafka, and every breaching one was shown by a handset.  When a site has used up its sensors, a fresh one follows.
Goal: lost 0; duplicates only where the product lists them, in the provider's window; work in flight in at least 80 % of
the kills.
"""

import contextlib
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.flow import BREACH_EVERY, Flow, await_shown, named, sums
from benchmarks.machines import CONTACTS, RECIPIENTS, WORKERS, Ledger, Machines, running, slow

RATE = 1000
PARTITIONS = 4
PROVIDER_TAKES_S = 0.1  #: a message: one contact alone, the other being dead, keeps up with what is found
VITAL_EVERY = 10  #: of the breaches
SECONDS = 600  #: of one site
#: Breaches that no handset has shown yet: with more of them the next kill waits, for so long at the most.
BACKLOG, BACKLOG_WITHIN_S = 1000, 60.0
DOWN_S = 2.0  #: at the most, before PostgreSQL or the broker is started again
RANDOM = "random"  #: by us, at a random moment
#: Of ten kills, one each in this order.
TURNS = ("ingest", "worker", "contact", "postgres", "worker", "ingest", "contact", "worker", "broker", "contact")
#: Where each part is killed, in turn.
WHERE = {
    "ingest": ["ingest.before-append", RANDOM, "ingest.after-append", RANDOM],
    "worker": [
        *("worker.before-breaches", RANDOM, "worker.after-breaches", RANDOM),
        *("worker.before-checkpoint", RANDOM, "worker.after-checkpoint", RANDOM),
    ],
    "contact": [
        *("contact.before-commit", RANDOM, "contact.after-commit", RANDOM, "contact.before-send", RANDOM),
        *("contact.after-send", RANDOM, "contact.before-result", RANDOM, "contact.after-result", RANDOM),
    ],
    "postgres": [RANDOM],
    "broker": [RANDOM],
}
#: The processes of a part, killed in turn; PostgreSQL and the broker are one each.
PROCESSES = {"ingest": ("ingest",), "worker": (*WORKERS, "life-safety"), "contact": CONTACTS}


class Kill(NamedTuple):
    part: str
    at_ms: int
    sent: int  #: messages of the flow, to Mosquitto
    in_flight: bool | None  #: work of the killed one; None = the log will tell


class Outcome(NamedTuple):
    """Of one site."""

    kills: list[str]  #: the part of each
    idle: list[str]  #: the parts that were killed with nothing in flight
    figures: dict[str, float]
    ended: Counter[str]


def crash(data: Path, kills: int, rate: int, chance: random.Random) -> dict[str, Any]:
    """The figures, `kills` by part.  Raises SystemExit when there are none."""
    plan = itertools.islice(schedule(), kills)
    outcomes: list[Outcome] = []
    while sum(len(one.kills) for one in outcomes) < kills:
        folder = data / f"site-{len(outcomes) + 1}"
        folder.mkdir()
        outcomes.append(_one_site(folder, plan, rate, chance))
        one = outcomes[-1]
        print(f"site {len(outcomes)}: {len(one.kills)} kills, {one.figures}, idle {one.idle}", file=sys.stderr)
        if not one.kills:
            raise SystemExit("a site has used up its sensors before anything could be killed: no figure")
    figures: dict[str, Any] = {"kills": dict(Counter(part for one in outcomes for part in one.kills))}
    for one in outcomes:
        for name, value in one.figures.items():
            figures[name] = figures.get(name, 0) + value
    figures["in_flight_share"] = round(1 - sum(len(one.idle) for one in outcomes) / kills, 3)
    figures["ended_by_themselves"] = dict(sum((one.ended for one in outcomes), Counter()))
    return figures


def schedule() -> Iterator[tuple[str, str, str]]:
    """Without end: the part, its process, and where it is killed."""
    wheres = {part: itertools.cycle(places) for part, places in WHERE.items()}
    processes = {part: itertools.cycle(PROCESSES.get(part, (part,))) for part in WHERE}
    for part in itertools.cycle(TURNS):
        yield part, next(processes[part]), next(wheres[part])


def _one_site(data: Path, plan: Iterator[tuple[str, str, str]], rate: int, chance: random.Random) -> Outcome:
    """Killed as planned, until there is nothing more to kill or to say."""
    turns = -(-SECONDS * rate // BREACH_EVERY // RECIPIENTS)
    everybody = range(1, RECIPIENTS + 1)
    warm = {f"warm-{person}-{{0..{turns - 1}}}": f"z{person}" for person in everybody}
    vital = {f"vital-{person}-{{0..{turns // VITAL_EVERY}}}": f"z{person}" for person in everybody}
    names = [_subject(person, turn) for turn in range(turns) for person in everybody]
    with (
        running(data, alerting=warm, vital=vital, partitions=PARTITIONS) as machines,
        contextlib.closing(Ledger(machines.site)) as ledger,
    ):
        slow(machines.world, PROVIDER_TAKES_S)
        ledger.start()
        flow = Flow(machines.mosquitto.port, rate, names)
        flow.start()
        done = _kills(machines, plan, chance, flow, ledger)
        flow.stop.set()
        flow.join()
        if flow.fault:
            raise SystemExit(flow.fault)
        expected = flow.expected()
        shown = await_shown(lambda: {"sms": named(list(machines.world.ledger), "sms")}, expected)
        lost_readings = ledger.await_all(flow.acknowledged)
        listed = {row[0] for row in machines.ask(LISTED)}
    figures: dict[str, float] = {"readings": flow.acknowledged, "breaches": len(expected)}
    figures |= sums(expected, shown, len(lost_readings), listed)
    idle = [kill.part for kill in done if not _was_in_flight(kill, ledger)]
    return Outcome([kill.part for kill in done], idle, figures, machines.ended)


def is_good(figures: dict[str, Any], kills: int) -> bool:
    told = figures["duplicates"] == figures["duplicates_listed"]
    done = sum(figures["kills"].values())
    return bool(figures["lost"] == 0 and told and figures["in_flight_share"] >= 0.8 and done == kills)


def _subject(person: int, turn: int) -> str:
    """The sensor that breaches then; of each person's, every tenth is of life safety."""
    of_life_safety = (person + turn) % VITAL_EVERY == 0
    return f"vital-{person}-{turn // VITAL_EVERY}" if of_life_safety else f"warm-{person}-{turn}"


#: The sensors of which the product says that a message may have gone out twice.
LISTED = "SELECT subject FROM outbox JOIN incidents ON incidents.id = outbox.incident WHERE repeated"
POSITIONS = "SELECT topic, part, next FROM checkpoints"


def _kills(
    machines: Machines, plan: Iterator[tuple[str, str, str]], chance: random.Random, flow: Flow, ledger: Ledger
) -> list[Kill]:
    """While messages flow."""
    done: list[Kill] = []
    while True:
        machines.wait(1.5 + chance.random() * 2.5)
        _await_backlog(machines, flow)
        if not flow.is_alive() or (following := next(plan, None)) is None:
            return done
        part, name, where = following
        if part in PROCESSES:
            done.append(_kill_process(machines, part, name, where, chance, flow, ledger))
        else:
            done.append(_kill_server(machines, part, chance, flow))
        print(f"{len(done)}: {name} killed at {where}; not shown {_unshown(machines, flow)}", file=sys.stderr)


def _kill_process(
    machines: Machines, kind: str, name: str, where: str, chance: random.Random, flow: Flow, ledger: Ledger
) -> Kill:
    part = machines.parts[name]
    if where == RANDOM:
        part.kill()
    else:
        part.die(where, chance.randrange(3, 15))
    at_ms, sent = time.time_ns() // 1_000_000, flow.sent
    in_flight = None
    if kind == "contact":
        in_hand = machines.in_hand()
        machines.wait(0.2)  # PostgreSQL has noticed who is gone
        in_flight = not {owner for owner, _ in in_hand.values()} <= machines.owners()
    elif kind == "worker":
        in_flight = any(ledger.next[topic, number] > position for topic, number, position in machines.ask(POSITIONS))
    part.start()
    return Kill(kind, at_ms, sent, in_flight)


def _kill_server(machines: Machines, part: str, chance: random.Random, flow: Flow) -> Kill:
    """It is away for a moment, and comes back with what it had acknowledged."""
    in_flight = bool(machines.in_hand()) if part == "postgres" else None
    if part == "postgres":
        machines.postgres.kill()
    else:
        machines.kafka.kill()
    at_ms, sent = time.time_ns() // 1_000_000, flow.sent
    machines.wait(chance.random() * DOWN_S)
    if part == "postgres":
        machines.postgres.restart()
    else:
        machines.kafka.restart()
    return Kill(part, at_ms, sent, in_flight)


def _was_in_flight(kill: Kill, ledger: Ledger) -> bool:
    """A message was being handed over; or records were to be applied again; or readings were not in Kafka yet."""
    return ledger.came_late(kill.sent, kill.at_ms) if kill.in_flight is None else kill.in_flight


def _await_backlog(machines: Machines, flow: Flow) -> None:
    deadline = time.monotonic() + BACKLOG_WITHIN_S
    while _unshown(machines, flow) > BACKLOG and time.monotonic() < deadline:
        machines.wait(0.5)


def _unshown(machines: Machines, flow: Flow) -> int:
    """Breaches that no handset has shown, as near as can be told without names."""
    return flow.acknowledged // BREACH_EVERY - len(machines.world.ledger)
