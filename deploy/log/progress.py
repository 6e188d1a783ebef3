"""How far each partition of a site is decided: what its checkpoints say, by the clock of the database."""

from msgspec import Struct
from sqlalchemy import Connection, extract, func, select

from deploy.log.kafka import topic_of
from deploy.log.tables import checkpoints
from rules.partition import every_shard
from vorab.site import Site

LATE_S = 10.0  #: a worker saves every few seconds, also when nothing comes: one that did not for so long stands still

Part = tuple[str, int]  #: a topic, and the number of one of its partitions


class Progress(Struct, frozen=True):
    next: int  #: offset of the first record that is not decided
    epoch: int  #: of its owner: how often it changed hands
    age_s: float  #: since the last checkpoint
    topic_id: str  #: of a topic made again under the same name, another one


def parts(site: Site) -> list[Part]:
    """Every partition that there must be; those of life safety last."""
    assert site.log is not None
    return [(topic_of(site, life_safety=lane), number) for lane, number in every_shard(site.log.partitions)]


def progress(connection: Connection, site: Site) -> dict[Part, Progress]:
    """Of those partitions that a worker has ever had."""
    age = extract("epoch", func.clock_timestamp() - checkpoints.c.saved)
    known = checkpoints.c
    columns = (known.topic, known.part, known.next, known.epoch, age, known.topic_id)
    wanted = {topic for topic, _ in parts(site)}
    rows = connection.execute(select(*columns).where(checkpoints.c.topic.in_(wanted)))
    return {(row[0], row[1]): Progress(row[2], row[3], float(row[4]), row[5]) for row in rows}


def late(site: Site, found: dict[Part, Progress]) -> list[Part]:
    """The partitions that nobody decides now."""
    return [part for part in parts(site) if part not in found or found[part].age_s > LATE_S]
