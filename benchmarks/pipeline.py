"""CPU a message from socket to PUBACK: python -m benchmarks pipeline [--json] [--data FOLDER].

Our capture process (fsync before PUBACK, three rules a sensor) and the program that a user would write (stock paho,
json.loads, a SQLite commit a message, three ifs) are fed by turns by the same blaster.  A round counts only if all that
was sent is in the log and every breach was found.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import site as bench_site
from benchmarks.blaster import SENSORS, Blaster, Load
from benchmarks.measure import fsyncs, on_memory_disk, percentile, table
from deploy import runtime
from deploy.log.sqlite import open_reader
from deploy.run import DEMO_ACCOUNT
from vorab.model import Edge

ROUNDS = 7
OURS, NAIVE = 200_000, 20_000  #: messages of one round
GOAL_US, GOAL_RATIO = 6.5, 8.0

RULES = """\
too-warm:
  watch: { type: probe }
  when: { temperature: { above: 26 °C } }
  priority: high
  respond: guard
  action: Look
too-dry-or-damp:
  watch: { type: probe }
  when: { humidity: { outside: 20..80 % } }
  priority: low
  respond: guard
  action: Look
battery-low:
  watch: { type: probe }
  when: { battery: { below: 15 % } }
  priority: low
  respond: guard
  action: Change it
"""


def run(data: Path) -> dict[str, float]:
    """The figures.  Raises SystemExit when a round does not count."""
    if on_memory_disk(data):
        raise SystemExit(f"{data} lies on a memory disk, where an fsync costs nothing; choose another with --data")
    ours, naive = [], []
    for number in range(ROUNDS):
        ours.append(_ours(data / f"ours-{number}", Load(OURS, number)))
        naive.append(_naive(data / f"naive-{number}", Load(NAIVE, number)))
    return {
        "us_per_message": round(min(ours), 2),
        "naive_us_per_message": round(min(naive), 1),
        "ratio": round(min(naive) / min(ours), 1),
        "fsync_ms": round(percentile(fsyncs(data), 0.5), 3),
    }


def _ours(data: Path, load: Load) -> float:
    data.mkdir()
    bench_site.write(
        data / "site", watched=f"s-{{0..{SENSORS - 1}}}", alerting={}, recipients=1, base_url="http://127.0.0.1:9"
    )
    (data / "site/rules/rooms.yaml").write_text(RULES)
    shutil.rmtree(data / "site/templates")  # nobody is called here
    blaster = Blaster()
    runtime.write(data, runtime.Runtime("127.0.0.1", blaster.port))
    argv = [sys.executable, "-m", "vorab", "capture", str(data / "site"), "--data", str(data)]
    with _process(argv) as process:
        blaster.await_subscriber()
        took = blaster.blast(load, process)
    blaster.close()
    with contextlib.closing(open_reader(data / "capture.db")) as log:
        stored = sum(len(record.readings) for _, record in log.records(1))
        raised = sum(breach.edge is Edge.RAISED for _, breach in log.breaches_after(0, 1_000_000))
    _counts("capture", load, stored, raised)
    shutil.rmtree(data)
    return took


def _naive(data: Path, load: Load) -> float:
    data.mkdir()
    blaster = Blaster()
    argv = [sys.executable, "-m", "benchmarks.pipeline", str(blaster.port), str(data / "naive.db")]
    with _process(argv) as process:
        blaster.await_subscriber()
        took = blaster.blast(load, process)
    blaster.close()
    with contextlib.closing(sqlite3.connect(data / "naive.db")) as db:
        stored = db.execute("SELECT count(*) FROM readings").fetchone()[0]
        raised = db.execute("SELECT count(*) FROM alarms").fetchone()[0]
    _counts("the naive program", load, stored, raised)
    shutil.rmtree(data)
    return took


def _counts(who: str, load: Load, stored: int, raised: int) -> None:
    if (stored, raised) != (len(load.ends), load.breaches):
        raise SystemExit(
            f"no figure: {who} stored {stored} of {len(load.ends)} messages, found {raised} of {load.breaches} breaches"
        )


@contextlib.contextmanager
def _process(argv: list[str]) -> Iterator[int]:
    """The process id of a child; stopped at the end."""
    environment = os.environ | {"VORAB_SMS_ACCOUNT": DEMO_ACCOUNT, "VORAB_SMS_TOKEN": "0" * 32}
    process = subprocess.Popen(argv, env=environment)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def naive_program(port: int, path: str) -> None:
    """What a user would write first; it acknowledges what paho has handed over, and commits without fsync."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE readings (topic TEXT, payload TEXT)")
    db.execute("CREATE TABLE alarms (topic TEXT, what TEXT)")
    db.commit()

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        values = json.loads(message.payload)
        db.execute("INSERT INTO readings VALUES (?, ?)", (message.topic, message.payload))
        if values["temperature"] > 26:
            db.execute("INSERT INTO alarms VALUES (?, 'too warm')", (message.topic,))
        if not 20 <= values["humidity"] <= 80:
            db.execute("INSERT INTO alarms VALUES (?, 'too dry or damp')", (message.topic,))
        if values["battery"] < 15:
            db.execute("INSERT INTO alarms VALUES (?, 'battery low')", (message.topic,))
        db.commit()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="naive")
    client.on_message = on_message
    client.on_connect = lambda client, *_rest: client.subscribe("zigbee2mqtt/#", 1)
    client.connect("127.0.0.1", port)
    client.loop_forever()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks pipeline", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="where the logs are written; not a memory disk")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    asked.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pipeline-", dir=asked.data) as folder:
        found = run(Path(folder).resolve())
    if asked.json:
        print(json.dumps(found))
    else:
        table(
            f"CPU a message, socket to PUBACK, min of {ROUNDS}, {SENSORS} sensors, three rules each",
            [
                ("capture, fsync before PUBACK", f"{found['us_per_message']} µs", f"goal ≤ {GOAL_US} µs"),
                ("naive program, no fsync", f"{found['naive_us_per_message']} µs", ""),
                ("ratio", f"{found['ratio']} ×", f"goal ≥ {GOAL_RATIO:g} ×"),
                ("fsync here, p50", f"{found['fsync_ms']} ms", ""),
            ],
        )
    return 0 if found["us_per_message"] <= GOAL_US and found["ratio"] >= GOAL_RATIO else 1


if __name__ == "__main__":
    naive_program(int(sys.argv[1]), sys.argv[2])
