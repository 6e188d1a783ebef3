"""`vorab kafka init` and `vorab lag`: the topics and tables of a site on many machines, and how far its workers are."""

from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from deploy.cli.folders import answering, distributed, opened
from deploy.log.progress import LATE_S, Part, Progress, parts, progress
from deploy.log.shape import Topic, wanted
from deploy.site.load import load
from deploy.store.store import open_store
from vorab.errors import ConfigurationError, TemporaryFailure
from vorab.site import Site


def _asked(folder: Path) -> Site:
    """Raises ConfigurationError for a site on one machine."""
    site = distributed(folder)
    if site is None:
        name = load(folder).name
        raise ConfigurationError(f"{name} is on one machine: its site.yaml has no log:, so there is no Kafka to ask")
    return site


def init(folder: Path) -> int:
    """Topics and tables are there; prints what was made and what differs.  1 if anything differs."""
    site = _asked(folder)
    differing = _topics(site)
    with answering(site):
        open_store(site.store).dispose()
    print("store: the tables are there")
    return int(differing + _brokers(site) > 0)


def _topics(site: Site) -> int:
    """How much differs from what it must be."""
    from deploy.log import admin  # only now it is known that it is installed

    differing = 0
    with admin.asking(site) as kafka:
        for topic in wanted(site, kafka.brokers()):
            found = kafka.topic(topic.name)
            if found is None:
                kafka.make(topic)
            differs = found.differs_from(topic) if found else []
            differing += len(differs)
            print(f"topic {topic.name}: {_verdict(topic, found is not None, differs)}")
    if differing:
        print(
            "Nothing that was there has been changed: partitions by the number in site.yaml alone, since another one"
            " moves sensors away from what is known of them; copies and settings by Kafka's own tools."
        )
    return differing


def _brokers(site: Site) -> int:
    from deploy.lane import SESSION_S
    from deploy.log import topics

    assert site.log is not None
    try:
        topics.allow_session(site.log.servers, SESSION_S)
    except TemporaryFailure as failure:
        raise ConfigurationError(str(failure)) from None
    except ConfigurationError as error:
        print(f"brokers: {error}")
        return 1
    return 0


def _verdict(topic: Topic, there: bool, differs: list[str]) -> str:
    if not there:
        return f"made; partitions {topic.partitions}, copies {topic.copies}"
    return "is there already, and " + (f"differs: {'; '.join(differs)}" if differs else "as it must be")


class Row(Struct, frozen=True):
    """One partition; null = no worker ever had it."""

    topic: str
    part: int
    position: int | None  #: of the first record that is not decided
    end: int  #: of the log
    lag: int  #: records
    age_s: float | None  #: of the checkpoint
    epoch: int | None  #: how often it changed hands
    late: bool  #: nobody decides it now


def lag(folder: Path, as_json: bool) -> int:
    """Prints how far each partition is decided; 1 if nobody decides one of them now.  Raises ConfigurationError."""
    site = _asked(folder)
    from deploy.log import admin

    with opened(folder, None) as engine, engine.connect() as connection:
        known = progress(connection, site)
    with admin.asking(site) as kafka:
        ends, firsts = kafka.ends(parts(site)), kafka.firsts(parts(site))
    rows = [_row(part, known.get(part), firsts[part], ends[part]) for part in parts(site)]
    if as_json:
        for row in rows:
            print(msgspec.json.encode(row).decode())
    else:
        _print(rows)
    return int(any(row.late for row in rows))


def _row(part: Part, known: Progress | None, first: int, end: int) -> Row:
    if known is None:
        return Row(*part, None, end, end - first, None, None, late=True)
    # a record that came after the checkpoint was looked at does not make the lag negative
    behind = max(0, end - known.next)
    return Row(*part, known.next, end, behind, round(known.age_s, 1), known.epoch, late=known.age_s > LATE_S)


def _print(rows: list[Row]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("topic", "partition", "position", "end", "lag", "checkpoint", "epoch"):
        table.add_column(name, justify="left" if name == "topic" else "right")
    for row in rows:
        age = "never" if row.age_s is None else f"{row.age_s:.1f} s ago"
        cells = (row.part, "-" if row.position is None else row.position, row.end, row.lag, age, row.epoch or "-")
        table.add_row(row.topic, *map(str, cells), style="red" if row.late else "")
    Console(highlight=False, soft_wrap=True).print(table)
    if late := sum(row.late for row in rows):
        print(f"{late} of {len(rows)} partitions are decided by nobody: start workers, and look at what they said")
