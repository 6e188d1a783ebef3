"""`crash --host kafka`: any part of a site on many machines is killed, at random moments and at every commit point.

1,000 readings a second, 5 % of them breaching, every tenth of those in the lane of life safety; each breach is another
sensor, whose name is in the text.  Killed are ingest, workers, contacts, PostgreSQL and the only broker; each comes
back at once, as its supervisor would start it.  Afterwards every reading that Mosquitto acknowledged to its publisher
is in Kafka, and every breaching one was shown by a handset.
Goal: lost 0; duplicates only where the product lists them, in the provider's window; work in flight in at least 80 % of
the kills.
"""

import itertools
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.flow import BREACH_EVERY, Flow, await_shown, named, sums
from benchmarks.machines import CONTACTS, RECIPIENTS, WORKERS, Ledger, Machines, running, slow

RATE = 1000
PARTITIONS = 8
PROVIDER_TAKES_S = 0.1  #: at more, one contact alone would fall behind: it has six senders for what is not urgent
VITAL_EVERY = 10  #: of the breaches
SECONDS, SECONDS_A_KILL = 60, 10  #: room for so many subjects
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
#: The processes of a part, killed in turn.
PROCESSES = {"ingest": ("ingest",), "worker": (*WORKERS, "life-safety"), "contact": CONTACTS}


class Kill(NamedTuple):
    part: str
    at_ms: int
    acknowledged: int  #: messages of the flow, by Mosquitto
    in_flight: bool | None  #: work of the killed one; None = the log will tell


def crash(data: Path, kills: int, rate: int, chance: random.Random) -> dict[str, Any]:
    """The figures, `kills` by part.  Raises SystemExit when there are none."""
    rounds = -(-(SECONDS + kills * SECONDS_A_KILL) * rate // BREACH_EVERY // RECIPIENTS)
    everybody = range(1, RECIPIENTS + 1)
    warm = {f"warm-{person}-{{0..{rounds - 1}}}": f"z{person}" for person in everybody}
    vital = {f"vital-{person}-{{0..{rounds // VITAL_EVERY}}}": f"z{person}" for person in everybody}
    names = [_subject(person, turn) for turn in range(rounds) for person in everybody]
    with running(data, alerting=warm, vital=vital, partitions=PARTITIONS) as machines:
        slow(machines.world, PROVIDER_TAKES_S)
        ledger = Ledger(machines.site)
        ledger.start()
        flow = Flow(machines.mosquitto.port, rate, names)
        flow.start()
        done = _kills(machines, kills, chance, flow, ledger)
        flow.stop.set()
        flow.join()
        if flow.fault:
            raise SystemExit(flow.fault)
        expected = flow.expected()
        shown = await_shown(lambda: {"sms": named(list(machines.world.ledger), "sms")}, expected)
        lost_readings = ledger.await_all(flow.acknowledged)
        listed = {row[0] for row in machines.ask(LISTED)}
        ledger.close()
    in_flight = [_was_in_flight(kill, ledger) for kill in done]
    figures: dict[str, Any] = {"kills": dict(Counter(kill.part for kill in done))}
    figures |= {"readings": flow.acknowledged, "breaches": len(expected)}
    figures |= sums(expected, shown, len(lost_readings), listed)
    figures["in_flight_share"] = round(sum(in_flight) / max(len(done), 1), 3)
    figures["ended_by_themselves"] = dict(machines.ended)
    return figures


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


def _kills(machines: Machines, count: int, chance: random.Random, flow: Flow, ledger: Ledger) -> list[Kill]:
    wheres = {part: itertools.cycle(places) for part, places in WHERE.items()}
    processes = {part: itertools.cycle(names) for part, names in PROCESSES.items()}
    done: list[Kill] = []
    for number, part in enumerate(itertools.islice(itertools.cycle(TURNS), count), 1):
        machines.wait(1.5 + chance.random() * 2.5)
        _await_backlog(machines, flow)
        if not flow.is_alive():
            raise SystemExit(f"the flow ended before kill {number}: no figure {flow.fault}")
        where = next(wheres[part])
        name = next(processes[part]) if part in processes else part
        if part in processes:
            done.append(_kill_process(machines, name, where, chance, flow, ledger))
        else:
            done.append(_kill_server(machines, part, chance, flow))
        print(f"kill {number} of {count}: {name} at {where}; not shown {_unshown(machines, flow)}", file=sys.stderr)
    return done


def _kill_process(machines: Machines, name: str, where: str, chance: random.Random, flow: Flow, ledger: Ledger) -> Kill:
    part = machines.parts[name]
    if where == RANDOM:
        part.kill()
    else:
        part.die(where, chance.randrange(3, 15))
    at_ms, acknowledged = time.time_ns() // 1_000_000, flow.acknowledged
    kind = part.name.partition("-")[0] if name != "life-safety" else "worker"
    in_flight = None
    if kind == "contact":
        in_hand = machines.in_hand()
        machines.wait(0.2)  # PostgreSQL has noticed who is gone
        in_flight = not {owner for owner, _ in in_hand.values()} <= machines.owners()
    elif kind == "worker":
        in_flight = any(ledger.next[topic, number] > position for topic, number, position in machines.ask(POSITIONS))
    part.start()
    return Kill(kind, at_ms, acknowledged, in_flight)


def _kill_server(machines: Machines, part: str, chance: random.Random, flow: Flow) -> Kill:
    """It is away for a moment, and comes back with what it had acknowledged."""
    in_flight = bool(machines.in_hand()) if part == "postgres" else None
    if part == "postgres":
        machines.postgres.kill()
    else:
        machines.kafka.kill()
    at_ms, acknowledged = time.time_ns() // 1_000_000, flow.acknowledged
    machines.wait(chance.random() * DOWN_S)
    if part == "postgres":
        machines.postgres.restart()
    else:
        machines.kafka.restart()
    return Kill(part, at_ms, acknowledged, in_flight)


def _was_in_flight(kill: Kill, ledger: Ledger) -> bool:
    """A message was being handed over; or records were to be applied again; or readings were not in Kafka yet."""
    return ledger.came_late(kill.acknowledged, kill.at_ms) if kill.in_flight is None else kill.in_flight


def _await_backlog(machines: Machines, flow: Flow) -> None:
    deadline = time.monotonic() + BACKLOG_WITHIN_S
    while _unshown(machines, flow) > BACKLOG and time.monotonic() < deadline:
        machines.wait(0.5)


def _unshown(machines: Machines, flow: Flow) -> int:
    """Breaches that no handset has shown, as near as can be told without names."""
    return flow.acknowledged // BREACH_EVERY - len(machines.world.ledger)
