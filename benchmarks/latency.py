"""Publish → provider's answer, through a real Mosquitto and the real processes, in turns with the obvious program.

20 alerts a second among `--rate` messages a second; each alert is another sensor.  The baseline is stock paho whose
callback posts over a kept connection: no log, no incident, nothing survives a crash.  Goal: p50 ≤ 2 ms + 3 × p50 of an
fsync in the data folder; p99 ≤ the baseline's + 3 × p99 of an fsync + 5 ms.
"""

import argparse
import contextlib
import gc
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks import site as bench_site
from benchmarks.load import Publisher, around
from benchmarks.measure import fsyncs, on_memory_disk, percentile, table
from deploy import broker, runtime
from deploy.run import DEMO_ACCOUNT, children, free_port
from deploy.site.load import load

ALERTS_PER_S = 20
SENSORS = 1000
RECIPIENTS = 8


def main(argv: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks latency", description=__doc__)
    options.add_argument("--rate", type=int, default=10_000, help="messages a second")
    options.add_argument("--seconds", type=float, default=20.0, help="of one run")
    options.add_argument("--runs", type=int, default=5, help="of each of the two, in turns")
    options.add_argument("--json", action="store_true", help="one object in one line")
    chosen = options.parse_args(argv)
    folder = Path("data/benchmark-latency").resolve()
    ours: list[float] = []
    theirs: list[float] = []
    syncs: list[float] = []
    shutil.rmtree(folder, ignore_errors=True)
    for run in range(chosen.runs):
        ours += _run(folder / f"ours-{run}", chosen.rate, chosen.seconds, baseline=False)
        theirs += _run(folder / f"theirs-{run}", chosen.rate, chosen.seconds, baseline=True)
        syncs += fsyncs(folder)
        print(f"run {run + 1} of {chosen.runs}", file=sys.stderr)
    shutil.rmtree(folder)
    result = {
        "rate": chosen.rate,
        "p50_ms": percentile(ours, 0.5),
        "p99_ms": percentile(ours, 0.99),
        "max_ms": max(ours),
        "baseline_p50_ms": percentile(theirs, 0.5),
        "baseline_p99_ms": percentile(theirs, 0.99),
        "fsync_p50_ms": percentile(syncs, 0.5),
        "fsync_p99_ms": percentile(syncs, 0.99),
    }
    result = {name: round(value, 3) for name, value in result.items()}
    p50_goal = 2 + 3 * result["fsync_p50_ms"]
    p99_goal = result["baseline_p99_ms"] + 3 * result["fsync_p99_ms"] + 5
    if chosen.json:
        print(json.dumps(result))
    else:
        rows = [
            ("p50", f"{result['p50_ms']:.2f} ms", f"goal ≤ {p50_goal:.2f}   baseline {result['baseline_p50_ms']:.2f}"),
            ("p99", f"{result['p99_ms']:.2f} ms", f"goal ≤ {p99_goal:.2f}   baseline {result['baseline_p99_ms']:.2f}"),
            ("max", f"{result['max_ms']:.2f} ms", f"baseline {max(theirs):.2f}"),
            ("fsync p50, p99", f"{result['fsync_p50_ms']:.2f} ms", f"{result['fsync_p99_ms']:.2f}"),
            ("alerts", str(len(ours)), f"at {chosen.rate} messages/s"),
        ]
        table("publish → provider's answer", rows)
    return 0 if result["p50_ms"] <= p50_goal and result["p99_ms"] <= p99_goal else 1


def _run(data: Path, rate: int, seconds: float, *, baseline: bool) -> list[float]:
    """Milliseconds of each alert of one run.  Raises SystemExit when an alert is missing: then there is no figure."""
    data.mkdir(parents=True)
    if on_memory_disk(data):
        raise SystemExit(f"{data} lies on a memory disk, where an fsync costs nothing; run it elsewhere")
    alerts = int(seconds * ALERTS_PER_S)
    sink_port, notes = free_port(24000), data / "notes.jsonl"
    os.environ |= {"VORAB_SMS_ACCOUNT": DEMO_ACCOUNT, "VORAB_SMS_TOKEN": "0" * 32}
    per_recipient = -(-alerts // RECIPIENTS)
    alerting = {f"alert-{z}-{{0..{per_recipient - 1}}}": f"z{z}" for z in range(1, RECIPIENTS + 1)}
    bench_site.write(
        data / "site",
        watched=f"load-{{0..{SENSORS - 1}}}",
        alerting=alerting,
        recipients=RECIPIENTS,
        base_url=f"http://127.0.0.1:{sink_port}",
    )
    site = load(data / "site")
    with contextlib.ExitStack() as stack:
        mosquitto = broker.start(site, data)
        stack.callback(mosquitto.stop)
        stack.enter_context(process([sys.executable, "-m", "benchmarks.sink", str(sink_port), str(notes)], ready=True))
        runtime.write(data, runtime.Runtime(mosquitto.host, mosquitto.port, free_port(28080)))
        if baseline:
            argv = [sys.executable, "-m", "benchmarks.baseline", str(mosquitto.port), str(sink_port)]
            stack.enter_context(process(argv, ready=True))
        else:
            for child in children(data / "site", data, {}):
                if child.name != "console":
                    stack.enter_context(process(child.argv))
            await_drained(data / "capture.db")
            await_polled(data / "contact.db")
        published = _publish(mosquitto.port, rate, seconds, alerts)
        _await_answers(sink_port, len(published))
    answered = {
        match[0]: row["at_ns"] for row in map(json.loads, notes.open()) if (match := re.match(r"\S+", row["text"]))
    }
    missing = sorted(set(published) - set(answered))
    if missing:
        raise SystemExit(
            f"{len(missing)} of {len(published)} alerts never reached the provider, e.g. {missing[0]}: no figure"
        )
    return [(answered[name] - at) / 1e6 for name, at in published.items()]


def _publish(port: int, rate: int, seconds: float, alerts: int) -> dict[str, int]:
    """Publishes the load with the alerts evenly in it; the instant of each alert's publish, CLOCK_MONOTONIC in ns."""
    publisher = Publisher(port, "load")
    every = int(rate * seconds) // alerts
    calm = [
        around(
            f"zigbee2mqtt/load-{i}".encode(),
            b'{"battery":97,"humidity":44.5,"linkquality":120,"temperature":21.37,"voltage":2995}',
        )
        for i in range(SENSORS)
    ]
    warm = [b"zigbee2mqtt/alert-%d-%d" % (i % RECIPIENTS + 1, i // RECIPIENTS) for i in range(alerts)]
    published: dict[str, int] = {}

    def message(i: int) -> tuple[bytes, bytes]:
        number, rest = divmod(i, every)
        if rest == every // 2 and number < alerts:
            topic = warm[number]
            published[topic.decode().split("/")[1]] = time.monotonic_ns()
            return around(topic, b'{"battery":97,"humidity":44.5,"linkquality":120,"temperature":28.12,"voltage":2995}')
        return calm[i % SENSORS]

    gc.disable()
    publisher.run(rate, seconds, message)
    gc.enable()
    publisher.close()
    return published


def _await_answers(port: int, wanted: int, within_s: float = 30.0) -> None:
    """Returns when the provider has answered so many, or nothing is to be hoped for."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/count", timeout=5) as answer:
            if int(answer.read()) >= wanted:
                return
        time.sleep(0.1)


@contextlib.contextmanager
def process(argv: list[str], *, ready: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(argv, stdout=subprocess.PIPE if ready else None)
    try:
        if ready:
            assert child.stdout is not None
            if child.stdout.readline().strip() != b"ready":
                raise SystemExit(f"{argv[2]} did not start")
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def await_drained(database: Path, within_s: float = 30.0) -> None:
    """Returns when capture has connected, subscribed and drained: its log then holds a record with an `until`."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as log,
        ):
            if log.execute("SELECT count(*) FROM batches").fetchone()[0] > 1:
                return
        time.sleep(0.1)
    raise SystemExit(f"capture wrote nothing within {within_s:g} s")


def await_polled(database: Path, within_s: float = 30.0) -> None:
    """Returns when contact has begun its work: it has asked the provider for replies."""
    deadline = time.monotonic() + within_s
    uri = f"file:{database}?mode=ro"
    while time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(uri, uri=True)) as store:
            if store.execute("SELECT count(*) FROM cursors WHERE name LIKE 'replies/%'").fetchone()[0]:
                return
        time.sleep(0.1)
    raise SystemExit(f"contact asked for no replies within {within_s:g} s")
