"""For one captured log every host finds the same breaches: python -m benchmarks same [--json] [--data FOLDER].

A day of an airport, made by chance from a seed (tests/day.py): 200 sensors, every operator and manner, other rules from
14:00 on.  It is loaded into the host of one machine, and on a real Kafka and PostgreSQL into Faust with 1, 2 and 4
workers and into the plain loop, life safety in a worker of its own; in each of them processes are killed twice.  Beside
them `replay --dry-run`, and the slow model that looks at the whole past again whenever anything could happen.
Then all of it once more with what is not life safety in another order of arrival, within the declared lateness: all
hosts must agree again, and rules that have a lateness must have found what they found before.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from kafka import KafkaProducer  # type: ignore[import-untyped]

from benchmarks import site as bench_site
from benchmarks.cluster import init, servers
from benchmarks.measure import table
from deploy.broker import die_with_parent
from deploy.capture import restored
from deploy.log.kafka import topic_of
from deploy.log.sqlite import Checkpoint, SqliteLog, open_reader
from deploy.replay import digest, in_order
from deploy.site.load import load
from deploy.stop import ANOTHER_ONE
from rules.partition import Routes, every_shard, split
from rules.ruleset import RuleSet, pack
from tests import day, rules_model
from tests.rules_model import Edge
from vorab import wire
from vorab.errors import ConfigurationError
from vorab.model import SECOND, Breach, Priority, Record, RulesChanged
from vorab.site import KafkaLog, Site

PARTITIONS = 4
LEAST_BREACHES = 5_000
KILLS = (0.35, 0.7)  #: where in the log
CHECKPOINT_EVERY = 2_000  #: records, of the host of one machine
FEED_S = 12.0  #: to load a log into Kafka, so that the kills happen in the middle of it
DECIDED_WITHIN_S = 900.0  #: also on a machine that has other work
HOSTS: dict[str, list[list[str]]] = {
    "faust, 1 worker": [[]],
    "faust, 2 workers": [[]] * 2,
    "faust, 4 workers": [[]] * 4,
    "plain loop": [["--plain"]],
}  #: options of each worker

Edges = dict[tuple[str, str], list[Edge]]


class Result(NamedTuple):
    edges: Edges  #: what the slow model can say of a breach as well
    digest: str  #: of every byte of the breaches; "" = of the slow model, which has none


def run(folder: Path, seed: int) -> dict[str, dict[str, Result]]:
    """What each host found, for each log."""
    logs = {"as it came": day.day(seed), "shuffled": day.shuffled(seed)}
    found: dict[str, dict[str, Result]] = {name: {} for name in logs}

    def note(name: str, host: str, result: Result) -> None:
        print(f"{name}, {host}: {sum(map(len, result.edges.values()))} breaches", file=sys.stderr)
        found[name][host] = result

    with servers(folder) as started:
        for number, (name, records) in enumerate(logs.items()):
            note(name, "slow model", Result(_modelled(records), ""))
            data = folder / f"one-machine-{number}"
            note(name, "one machine", _result(on_one_machine(data, records)))
            for host, workers in HOSTS.items():
                data = folder / f"{'-'.join(host.replace(',', '').split())}-{number}"
                site = site_of(data, KafkaLog(started.kafka, PARTITIONS))
                note(name, host, _result(on_kafka(data, site, records, workers)))
            note(name, "replay --dry-run", replayed(data))
    return found


def _result(breaches: list[Breach]) -> Result:
    return Result(rules_model.of(in_order(breaches)), digest(breaches))


def _modelled(records: Sequence[Record]) -> Edges:
    return rules_model.edges(day.first(), rules_model.read(list(records)), day.second())


def replayed(data: Path) -> Result:
    """By the command, from the topics of this site."""
    argv = [sys.executable, "-m", "vorab", "replay", "--site", str(data / "site"), "--from", "start", "--dry-run"]
    done = subprocess.run([*argv, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"vorab replay: {done.stderr}")
    *lines, summary = map(json.loads, done.stdout.splitlines())
    edges: Edges = {}
    for line in lines:
        at = round(datetime.fromisoformat(line["at"]).timestamp() * SECOND)
        note = "; ".join(part.split()[0].rstrip(":") for part in line["note"].split("; ") if part)
        edge = (line["id"], line["number"], line["edge"], at, line["priority"], line["value"], line["limit"], note)
        edges.setdefault((line["rule"], line["sensor"]), []).append(edge)
    return Result(edges, summary["hash"])


# --- one machine ------------------------------------------------------------------------------------------------------


def on_one_machine(data: Path, records: Sequence[Record]) -> list[Breach]:
    """The log is fed to a process that is killed twice and begins again where its log ends."""
    data.mkdir()
    with (data / "records").open("wb") as file:
        for record in records:
            value = wire.pack(record)
            file.write(len(value).to_bytes(4) + value)
    for kill in [*KILLS, None]:
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.same", str(data)], preexec_fn=die_with_parent
        ) as process:
            if kill is None:
                if process.wait():
                    raise SystemExit("no figure: the host of one machine has failed")
            else:
                _await_appended(data, int(len(records) * kill), process)
                process.kill()
    with contextlib.closing(open_reader(data / "capture.db")) as log:
        return [breach for _, breach in log.breaches_after(0, 1_000_000)]


def _await_appended(data: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    """Returns when the log holds so many records."""
    while process.poll() is None:
        with contextlib.suppress(ConfigurationError), contextlib.closing(open_reader(data / "capture.db")) as log:
            if log.last_position() >= count:
                return
        time.sleep(0.02)
    raise SystemExit(f"no figure: the host of one machine ended with {process.returncode} before it was killed")


def feed(data: Path) -> None:
    """Appends what its log lacks, as capture does: a record and its breaches in one transaction."""
    store = SqliteLog(data / "capture.db")
    sets = day.rule_sets()
    for rules_hash, ruleset in sets.items():
        store.save_rules(rules_hash, pack(ruleset))
    engine = restored(store)
    for record in itertools.islice(_stored(data / "records"), store.next - 1, None):
        for command in record.commands:
            if isinstance(command, RulesChanged):
                engine = engine.change(sets[command.rules_hash])
        store.append(record, engine.apply(record))
        if store.next % CHECKPOINT_EVERY == 0:
            store.save_checkpoint(Checkpoint(store.next, engine.ruleset_hash, engine.checkpoint()))
    store.close()


def _stored(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        while length := file.read(4):
            yield wire.unpack(file.read(int.from_bytes(length)), wire.RECORD)


# --- many machines ----------------------------------------------------------------------------------------------------


def site_of(data: Path, log: KafkaLog) -> Site:
    """Its rules are in the log; the folder says where that is."""
    url = "http://127.0.0.1:9"
    bench_site.write(data / "site", watched="s-1", alerting={}, recipients=1, base_url=url, name=data.name, log=log)
    init(data / "site")
    return load(data / "site")


def on_kafka(data: Path, site: Site, records: Sequence[Record], workers: Sequence[Sequence[str]]) -> list[Breach]:
    """While the log is written a worker of the ordinary lane is killed, then another one and that of life safety."""
    argv = [sys.executable, "-m", "vorab", "worker", str(data / "site"), "--data", str(data)]
    plain = [option for option in workers[0] if option == "--plain"]
    parts = [_Worker([*argv, *options]) for options in [*workers, ["--life-safety", *plain]]]
    with psycopg.connect(site.store, autocommit=True) as store, contextlib.ExitStack() as stack:
        store.execute("TRUNCATE breaches, checkpoints, rule_sets")
        for rules_hash, ruleset in day.rule_sets().items():
            store.execute("INSERT INTO rule_sets (hash, body) VALUES (%s, %s)", [rules_hash, pack(ruleset)])
        for part in parts:
            part.start()
            stack.callback(part.stop)
        _tend(parts, lambda: len(_positions(store)) == 2 * PARTITIONS)
        feeder = _Feeder(site, records)
        feeder.start()
        for kill, victims in zip(KILLS, ([parts[0]], [parts[len(workers) - 1], parts[-1]]), strict=True):
            _tend(parts, lambda share=kill: feeder.sent >= share * len(records))  # type: ignore[misc]
            for victim in victims:
                victim.kill()
        _tend(parts, lambda: not feeder.is_alive())
        if feeder.ends is None:
            raise SystemExit("no figure: the log could not be written into Kafka")
        _tend(parts, lambda: _positions(store) == feeder.ends)
        rows = store.execute("SELECT body FROM breaches").fetchall()
    return [wire.unpack(bytes(body), wire.BREACH) for (body,) in rows]


def _positions(store: "psycopg.Connection[tuple[object, ...]]") -> dict[tuple[str, int], int]:
    rows = store.execute("SELECT topic, part, next FROM checkpoints").fetchall()
    return {(str(topic), int(str(part))): int(str(following)) for topic, part, following in rows}


class _Worker:
    """A worker's process, started again as the supervisor would."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self._argv, preexec_fn=die_with_parent)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()
        self.start()

    def tend(self) -> None:
        assert self.process
        code = self.process.poll()
        if code == ANOTHER_ONE:
            self.start()
        elif code is not None:
            raise SystemExit(f"no figure: a worker ended with {code}")

    def stop(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Feeder(threading.Thread):
    """Writes the log into both topics, split as ingest splits it by the rules of the moment."""

    def __init__(self, site: Site, records: Sequence[Record]) -> None:
        super().__init__(name="feeder", daemon=True)
        self._records, self._sets = records, day.rule_sets()
        self._topics = {lane: topic_of(site, life_safety=lane) for lane in (False, True)}
        assert site.log
        self._producer = KafkaProducer(bootstrap_servers=site.log.servers, linger_ms=5, metrics_enabled=False)
        self.sent = 0
        self.ends: dict[tuple[str, int], int] | None = None  #: once all is written

    def run(self) -> None:
        routes, began = Routes(RuleSet(), PARTITIONS), time.monotonic()
        written = dict.fromkeys(every_shard(PARTITIONS), 0)
        for record in self._records:
            for command in record.commands:
                if isinstance(command, RulesChanged):
                    routes = Routes(self._sets[command.rules_hash], PARTITIONS)
            for shard, share in split(record, routes).items():
                self._producer.send(self._topics[shard.life_safety], wire.pack(share), partition=shard.number)
                written[shard] += 1
            self.sent += 1
            ahead = began + FEED_S * self.sent / len(self._records) - time.monotonic()
            if ahead > 0.05:
                time.sleep(ahead)
        self._producer.flush(DECIDED_WITHIN_S)
        self._producer.close()
        self.ends = {(self._topics[shard.life_safety], shard.number): count for shard, count in written.items()}


def _tend(workers: Sequence[_Worker], until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DECIDED_WITHIN_S
    while not until():
        for worker in workers:
            worker.tend()
        if time.monotonic() > deadline:
            raise SystemExit(f"no figure: the log is not decided within {DECIDED_WITHIN_S:g} s")
        time.sleep(0.1)


def judged(found: dict[str, dict[str, Result]]) -> dict[str, object]:
    """The figures: the hash of what each found, and whether they are the same wherever they must be."""
    hashes = {host: _hash(result.edges) for host, result in found["as it came"].items()}
    mixed = {host: _hash(result.edges) for host, result in found["shuffled"].items()}
    digests = [{result.digest for result in each.values() if result.digest} for each in found.values()]
    patient = {_hash(_patient(result.edges)) for each in found.values() for result in each.values()}
    one = len(set(hashes.values())) == len(set(mixed.values())) == len(patient) == 1
    return {
        "hashes": hashes,
        "shuffled_hashes": mixed,
        "breaches": min(sum(map(len, result.edges.values())) for result in found["as it came"].values()),
        "patient_breaches": sum(map(len, _patient(found["as it came"]["slow model"].edges).values())),
        "same": one and all(len(each) == 1 for each in digests),
    }


def _hash(edges: Edges) -> str:
    return hashlib.sha256(repr(sorted(edges.items())).encode()).hexdigest()


def _patient(edges: Edges) -> Edges:
    """Of rules that any order of arrival within their lateness leaves alone; life safety is not shuffled."""
    rules = [rule for each in (day.first(), day.second()) for rule in each.rules]
    named = {rule.id for rule in rules if rule.lateness or rule.priority is Priority.LIFE_SAFETY}
    return {watch: each for watch, each in edges.items() if watch[0] in named}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks same", description=__doc__)
    where = "where the logs are written; not a memory disk"
    parser.add_argument("--data", type=Path, default=Path("data"), help=where)
    parser.add_argument("--seed", type=int, default=day.SEED, help="of the day")
    parser.add_argument("--json", action="store_true", help="one object in one line")
    asked = parser.parse_args(argv)
    asked.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="same-", dir=asked.data) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's user must pass
        figures = judged(run(Path(folder).resolve(), asked.seed))
    if asked.json:
        print(json.dumps(figures))
    else:
        _print(figures)
    return 0 if figures["same"] and figures["breaches"] >= LEAST_BREACHES else 1  # type: ignore[operator] # a number


def _print(figures: dict[str, Any]) -> None:
    for title, name in (("one log", "hashes"), ("in another order of arrival", "shuffled_hashes")):
        table(f"{title}, what each host finds in it", [(host, each[:16], "") for host, each in figures[name].items()])
    rows = [
        ("breaches", f"{figures['breaches']:,}", f"goal ≥ {LEAST_BREACHES:,}"),
        ("of them by rules with lateness", f"{figures['patient_breaches']:,}", ""),
        ("the same", "yes" if figures["same"] else "NO", ""),
    ]
    table("one core", rows)


if __name__ == "__main__":
    feed(Path(sys.argv[1]))
