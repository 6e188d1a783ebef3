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


def parts(site: Site) -> list[Part]:
    """Every partition that there must be; those of life safety last."""
    assert site.log is not None
    return [(topic_of(site, life_safety=lane), number) for lane, number in every_shard(site.log.partitions)]


def progress(connection: Connection, site: Site) -> dict[Part, Progress]:
    """Of those partitions that a worker has ever had."""
    age = extract("epoch", func.clock_timestamp() - checkpoints.c.saved)
    columns = (checkpoints.c.topic, checkpoints.c.part, checkpoints.c.next, checkpoints.c.epoch, age)
    wanted = {topic for topic, _ in parts(site)}
    rows = connection.execute(select(*columns).where(checkpoints.c.topic.in_(wanted)))
    return {(topic, part): Progress(next_, epoch, float(age)) for topic, part, next_, epoch, age in rows}


def late(site: Site, found: dict[Part, Progress]) -> list[Part]:
    """The partitions that nobody decides now."""
    return [part for part in parts(site) if part not in found or found[part].age_s > LATE_S]
