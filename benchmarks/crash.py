"""Capture and contact are killed with SIGKILL, at random moments and at every named commit point, while messages flow.

500 readings a second (200 with voice) through Mosquitto, 5 % of them breaching, each breach another sensor whose name
is in the text; 200 recipients, each asked by all of `--channels` at once; a provider that takes 150 ms to answer.
Afterwards: every reading that the broker acknowledged to its publisher is in the log, every breaching one was shown by
a handset (sms), was heard on a telephone that was picked up (voice), and came to an open desk (desktop); waiting
counts as lost.
Goal: lost 0; a duplicate in at most one of 60 kills, one, and listed by the product; work in flight in at least 80 % of
the kills.  `--host kafka`: benchmarks/crash_kafka.py.
"""

import argparse
import collections
import contextlib
import itertools
import json
import os
import random
import select
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import crash_kafka
from benchmarks import site as bench_site
from benchmarks.desk import Desk, await_console
from benchmarks.flow import KINDS, Flow, Shown, Wall, await_shown, named, numbers, sums
from benchmarks.latency import await_drained
from benchmarks.measure import table
from benchmarks.site import DESK
from benchmarks.site import number as number_of
from console.signin import first_secret
from deploy import broker, runtime
from deploy.log.sqlite import open_reader
from deploy.run import DEMO_ACCOUNT, Child, children, free_port
from deploy.site.load import load
from vorab.model import Record
from vorab.testing.phones import Fault, Line, PhoneWorld, serve
from vorab.testing.phones.outside import post

RECIPIENTS = 200
RATE, VOICE_RATE = (
    500,
    200,
)  #: at more the telephones, one process, are on the line for so long that calls find them busy
PROVIDER_TAKES_S = 0.15
BREACHES_A_KILL = 150  #: room for the subjects of one kill's time
#: Where each process is killed, in turn; capture and contact take turns too.
RANDOM = "random"  #: by us, at a random moment
WHERE = {
    "capture": [*(["capture.before-commit", "capture.after-commit"] * 2), RANDOM],
    "contact": [
        *("contact.before-commit", RANDOM, "contact.after-commit", RANDOM, "contact.before-send", RANDOM),
        *("contact.after-send", RANDOM, "contact.before-result", RANDOM, "contact.after-result", RANDOM),
    ],
}


def main(argv: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks crash", description=__doc__)
    options.add_argument("--host", choices=["embedded", "kafka"], default="embedded", help="one machine, or many")
    options.add_argument("--kills", type=int, help="else 60, on Kafka 200")
    options.add_argument("--rate", type=int, help="readings a second; else 500, with voice 200, on Kafka 1,000")
    options.add_argument("--seed", type=int, default=1, help="of the moments and the order of the kills")
    options.add_argument("--channels", default="sms", help="of sms, voice and desktop, with commas between them")
    options.add_argument("--keep", action="store_true", help="leave the data folder for a look")
    options.add_argument("--json", action="store_true", help="one object in one line")
    chosen = options.parse_args(argv)
    data = Path("data/benchmark-crash").resolve()
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    chance = random.Random(chosen.seed)
    if chosen.host == "kafka":
        kills = chosen.kills or 200
        result = crash_kafka.crash(data, kills, chosen.rate or crash_kafka.RATE, chance)
        good = crash_kafka.is_good(result, kills)
        rows = [(name, str(value), "") for name, value in result.items()]
    else:
        kills = chosen.kills or 60
        result, plan = _run(data, kills, chosen.rate, chance, chosen.channels.split(","))
        good = _is_good(result, kills)
        rows = [(name, str(value), "") for name, value in result.items()]
        rows += [(f"killed {name}", str(count), "") for name, count in sorted(collections.Counter(plan).items())]
    if chosen.json:
        print(json.dumps(result))
    else:
        table("nothing lost", rows)
    if not chosen.keep:
        shutil.rmtree(data)
    return 0 if good else 1


def _is_good(result: dict[str, Any], kills: int) -> bool:
    allowed = max(1, kills // 60)
    told = result["duplicates"] <= allowed and result["duplicates"] == result["duplicates_listed"]
    return bool(result["lost"] == 0 and told and result["in_flight_share"] >= 0.8 and result["kills"] == kills)


def schedule(kills: int) -> list[tuple[str, str]]:
    """(process, where) for each kill."""
    rounds = {process: itertools.cycle(places) for process, places in WHERE.items()}
    return [(process, next(rounds[process])) for process in itertools.islice(itertools.cycle(WHERE), kills)]


def _run(
    data: Path, kills: int, rate: int | None, chance: random.Random, channels: list[str]
) -> tuple[dict[str, Any], list[str]]:
    rate = rate or (VOICE_RATE if "voice" in channels else RATE)
    per_recipient = -(-kills * BREACHES_A_KILL // RECIPIENTS)
    alerting = {f"warm-{z}-{{0..{per_recipient - 1}}}": f"z{z}" for z in range(1, RECIPIENTS + 1)}
    subjects = [f"warm-{z}-{i}" for i in range(per_recipient) for z in range(1, RECIPIENTS + 1)]
    provider_port = free_port(24000)
    os.environ |= {"VORAB_SMS_ACCOUNT": DEMO_ACCOUNT, "VORAB_SMS_TOKEN": "0" * 32}
    base_url = f"http://127.0.0.1:{provider_port}"
    bench_site.write(
        data / "site",
        watched="load-{0..999}",
        alerting=alerting,
        recipients=RECIPIENTS,
        base_url=base_url,
        channels=channels,
    )
    site = load(data / "site")
    world = PhoneWorld(Wall(), DEMO_ACCOUNT, "0" * 32, post=post)
    world.lines = {number_of(person): Line.LISTENS for person in range(RECIPIENTS + 1)}
    world.fail(Fault.SLOW, times=10**9, seconds=PROVIDER_TAKES_S)
    with contextlib.ExitStack() as stack:
        server = serve(world, "127.0.0.1", provider_port)
        stack.callback(server.shutdown)
        mosquitto = broker.start(site, data)
        stack.callback(mosquitto.stop)
        console_port, secret = free_port(28080), first_secret(data)
        assert secret
        runtime.write(data, runtime.Runtime(mosquitto.host, mosquitto.port, console_port))
        needed = ("contact", "capture", "console") if channels != ["sms"] else ("contact", "capture")
        running = {child.name: child for child in children(data / "site", data, {}) if child.name in needed}
        for child in running.values():
            child.start()
            stack.callback(child.stop, 10.0)
        await_drained(data / "capture.db", within_s=60)
        desk = Desk(console_port, secret, watched="warm-")
        if "desktop" in channels:
            await_console(console_port)
            desk.sign_in()
            desk.start()
            desk.open.wait(30)
        flow = Flow(mosquitto.port, rate, subjects)
        flow.start()
        plan = schedule(kills)
        in_flight = list(_kills(plan, running, data, chance, flow))
        flow.stop.set()
        flow.join()
        if flow.fault:
            raise SystemExit(flow.fault)
        expected = flow.expected()

        def look() -> Shown:  # at the desk each is looked for once
            shown = {channel: named(list(world.ledger), channel) for channel in channels if channel in KINDS}
            return shown | ({"desktop": [(name, DESK) for name in desk.frames]} if "desktop" in channels else {})

        shown = await_shown(look, expected)
        lost_readings = _missing_in_log(data / "capture.db", flow.acknowledged)
    done = len(in_flight)
    result: dict[str, Any] = {"kills": done, "readings": flow.acknowledged, "breaches": len(expected)}
    result |= sums(expected, shown, lost_readings, _listed_duplicates(data / "contact.db"))
    result["in_flight_share"] = round(sum(in_flight) / max(done, 1), 3)
    return result, [f"{process} at {where}" for process, where in plan[:done]]


def _kills(
    plan: list[tuple[str, str]], running: dict[str, Child], data: Path, chance: random.Random, flow: Flow
) -> Iterator[bool]:
    """Kills as planned, while messages flow; of each whether work was in flight."""
    for number, (process, where) in enumerate(plan, 1):
        if flow.stop.is_set() or not flow.is_alive():
            return
        yield _was_in_flight(process, data, _kill(running[process], where, chance, flow))
        running[process].environment.pop("VORAB_CRASH", None)
        running[process].start()
        print(f"kill {number} of {len(plan)}: {process} at {where}", file=sys.stderr)


def _kill(child: Child, where: str, chance: random.Random, flow: Flow) -> int:
    """The process ends by SIGKILL: from us after a random time, or by its own hand when it passes the point.

    How many messages the broker had acknowledged to their publisher at that moment.
    """
    if where != RANDOM:
        child.stop(20)
        passes = chance.randrange(5, 40) if child.name == "capture" else chance.randrange(3, 15)
        child.environment["VORAB_CRASH"] = f"{where}:{passes}"
        child.start()
    assert child.process is not None
    died = os.pidfd_open(child.process.pid)
    try:
        if where == RANDOM:
            time.sleep(1.5 + chance.random() * 2)
            child.process.kill()
        select.select([died], [], [], 60)
        acknowledged = flow.acknowledged
    finally:
        os.close(died)
    code = child.process.wait(10)
    if code != -signal.SIGKILL:
        raise SystemExit(f"{child.name} ended with {code} before it could be killed at {where}: no figure")
    return acknowledged


def _was_in_flight(process: str, data: Path, acknowledged: int) -> bool:
    """contact: a row was `sending`.  capture: the broker held one of these messages that is not in the log."""
    if process == "contact":
        with contextlib.closing(sqlite3.connect(f"file:{data / 'contact.db'}?mode=ro", uri=True)) as store:
            return bool(store.execute("SELECT count(*) FROM outbox WHERE state = 'sending'").fetchone()[0])
    with contextlib.closing(open_reader(data / "capture.db")) as log:
        stored = _numbers(log.records(max(1, log.last_position() - 200)))
    return any(n not in stored for n in range(max(0, acknowledged - 100), acknowledged))


def _numbers(records: Iterable[tuple[int, Record]]) -> set[int]:
    return {number for _position, record in records for number in numbers(record)}


def _missing_in_log(path: Path, acknowledged: int) -> int:
    with contextlib.closing(open_reader(path)) as log:
        return len(set(range(acknowledged)) - _numbers(log.records(1)))


def _listed_duplicates(path: Path) -> set[str]:
    """The sensors of which the product says that a message may have gone out twice."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        rows = store.execute(
            "SELECT subject FROM outbox JOIN incidents ON incidents.id = outbox.incident WHERE repeated"
        ).fetchall()
    return {row[0] for row in rows}
