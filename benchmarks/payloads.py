"""Real devices' messages through the normaliser: python -m benchmarks payloads FOLDER [--family NAME] [--json].

FOLDER holds one JSONL file a wire format, as its README says: topic, payload, and the readings to expect.  An expected
reading is right, missing or wrong; a reading, or a time, that contradicts the record is wrong, one beyond it is not.
"""

import argparse
import base64
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.measure import table
from ingest.normalise import Normaliser
from ingest.sensors import names
from vorab.model import Instant, Quantity, Reading, SensorId
from vorab.site import Sensor, SensorType

NOW = Instant(4_000_000_000_000_000)  #: later than any time in the records
SHARE_RIGHT = 0.95

#: The records' quantities that are not called as ours.
OURS = {
    "contact_open": Quantity.OPEN,
    "water_leak": Quantity.WET,
    "occupancy": Quantity.OCCUPIED,
    "object_present": Quantity.PRESENT,
    "switch_on": Quantity.ON,
    "input_on": Quantity.INPUT,
}


class Score(Struct):
    expected: int = 0
    right: int = 0
    missing: int = 0
    wrong: int = 0

    def add(self, other: "Score") -> None:
        self.expected += other.expected
        self.right += other.right
        self.missing += other.missing
        self.wrong += other.wrong

    @property
    def good(self) -> bool:
        return self.wrong == 0 and self.right >= SHARE_RIGHT * self.expected


def run(folder: Path, family: str | None = None) -> tuple[dict[str, Score], list[str]]:
    """The score of each family that one of our decoders is named for, and the faults in words."""
    files = sorted(folder.glob("*.jsonl")) if family is None else [folder / f"{family}.jsonl"]
    scores: dict[str, Score] = {}
    faults: list[str] = []
    for file in (each for each in files if each.stem in names()):
        score = scores[file.stem] = Score()
        for record in map(json.loads, file.read_text().splitlines()):
            found = judge(record)
            score.add(found)
            if found.wrong or found.missing:
                faults.append(
                    f"{record['id']}: {found.wrong} wrong, {found.missing} missing: {record['payload'][:200]}"
                )
    return scores, faults


def judge(record: dict[str, Any]) -> Score:
    """One record against what the normaliser makes of it."""
    readings = _normalised(record)
    expect = record["expect"]
    found = {(s.quantity, s.channel): s.value for reading in readings for s in reading.samples}
    score = Score()
    for wanted in expect["readings"]:
        key = (OURS.get(wanted["q"]) or Quantity(wanted["q"]), wanted.get("ch") or "")
        score.expected += 1
        if key not in found:
            score.missing += 1
        elif _same(found[key], wanted["v"]):
            score.right += 1
        else:
            score.wrong += 1
    says_nothing = not expect["readings"] and expect["message"] in ("ignore", "meta", "event", "malformed", "discovery")
    score.wrong += bool(readings and says_nothing) + sum(_contradicts(each, expect["time"]) for each in readings)
    return score


def _normalised(record: dict[str, Any]) -> list[Reading]:
    raw = record["payload"].encode() if record["encoding"] == "utf8" else base64.b64decode(record["payload"])
    base, _, rest = record["topic"].partition("/")
    name = rest.split("/")[0]
    kind = SensorType("any", record["family"], f"{base}/{{sensor}}")
    normaliser = Normaliser([Sensor(SensorId(name), kind, f"{base}/{name}")], "main")
    return normaliser.sort([(record["topic"].encode(), raw, 0, 0)], NOW).readings


def _same(value: object, wanted: object) -> bool:
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not isinstance(value, int | float):
        return value == wanted
    return abs(value - wanted) <= 0.01


def _contradicts(reading: Reading, time: str | None) -> bool:
    if time is None:
        return False
    wanted = datetime.fromisoformat(time)
    return wanted.tzinfo is not None and abs(reading.at - wanted.timestamp() * 1e6) > 1000


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks payloads", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--family")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    scores, faults = run(asked.folder, asked.family)
    total = Score()
    for score in scores.values():
        total.add(score)
    if asked.json:
        families = {name: _fields(score) for name, score in scores.items()}
        print(json.dumps({**_fields(total), "families": families}))
    else:
        print(*faults, sep="\n", file=sys.stderr)
        rows = [
            (name, f"{s.right} of {s.expected} right", f"{s.missing} missing, {s.wrong} wrong (goal: 95 %, none wrong)")
            for name, s in scores.items()
        ]
        table("real payloads", rows)
    return 0 if total.expected and all(score.good for score in scores.values()) else 1


def _fields(score: Score) -> dict[str, int]:
    return {"expected": score.expected, "right": score.right, "missing": score.missing, "wrong": score.wrong}
