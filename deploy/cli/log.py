"""`vorab log`: readings and breaches as they stand in the log."""

import contextlib
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
from msgspec import Struct

from deploy.cli import words
from deploy.cli.instants import clock, day, iso
from deploy.cli.records import Told, telling
from deploy.site.document import read
from vorab.model import Breach, Instant, Reading, SensorId

POLL_S = 0.2
TAIL = 50  #: readings that are looked at for each line that is wanted


class Line(Struct, frozen=True):
    at: Instant
    sensor: SensorId
    what: Reading | Breach


def report(site: Path, data: Path | None, pattern: str, last: int, follow: bool, as_json: bool) -> int:
    """Prints the last lines, and goes on if asked, until Ctrl-C.  Raises ConfigurationError."""
    zone = (read(site, "site.yaml").data or {}).get("time_zone", "UTC") if site.is_dir() else "UTC"
    with telling(site, data) as log:
        for line in _last(log, pattern, last):
            print(_object(line) if as_json else _written(line, zone, day))
        with contextlib.suppress(KeyboardInterrupt):
            while follow:
                sys.stdout.flush()
                for line in sorted(_lines(*log.news()), key=lambda line: line.at):
                    if fnmatchcase(line.sensor, pattern):
                        print(_object(line) if as_json else _written(line, zone, clock))
                time.sleep(POLL_S)
    return 0


def _last(log: Told, pattern: str, count: int) -> list[Line]:
    """The last lines of this sensor, oldest first."""
    said = deque[Line](maxlen=count)
    said.extend(
        line for line in _lines(log.last(count * TAIL) if count else (), ()) if fnmatchcase(line.sensor, pattern)
    )
    found = deque[Line](maxlen=count)
    found.extend(line for line in _lines((), log.breaches()) if fnmatchcase(line.sensor, pattern))
    both = sorted([*said, *found], key=lambda line: line.at)
    return both[len(both) - min(count, len(both)) :]


def _lines(readings: Iterable[Reading], breaches: Iterable[Breach]) -> Iterator[Line]:
    for reading in readings:
        yield Line(reading.at, reading.sensor, reading)
    for breach in breaches:
        yield Line(breach.at, breach.subject, breach)


def _written(line: Line, zone: str, when: object) -> str:
    at = when(line.at, zone)  # type: ignore[operator]
    if isinstance(line.what, Breach):
        return f"{at}  {line.sensor:<22} ! {words.breach(line.what)}"
    marks = words.marks(line.what)
    return f"{at}  {line.sensor:<22}   {words.samples(line.what)}{f'   ({marks})' if marks else ''}"


def _object(line: Line) -> str:
    if isinstance(line.what, Breach):
        fields = {"kind": "breach", "at": iso(line.at), **_plain(line.what)}
    else:
        values = {one.quantity + (f".{one.channel}" if one.channel else ""): one.value for one in line.what.samples}
        received = iso(line.what.received_at)
        fields = {"kind": "reading", "at": iso(line.at), "sensor": line.sensor, "received_at": received, **values}
    return msgspec.json.encode(fields).decode()


def _plain(breach: Breach) -> dict[str, object]:
    return {
        "sensor": breach.subject,
        "rule": breach.rule,
        "edge": breach.edge,
        "priority": breach.priority,
        "onset": iso(breach.onset),
        "value": breach.value,
        "note": breach.note,
        "id": breach.id,
    }
