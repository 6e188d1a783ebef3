"""What the two topics of a site must be like, whatever Kafka's own settings are."""

from msgspec import Struct

from deploy.log.kafka import LARGEST, topic_of
from vorab.site import Site

COPIES, IN_SYNC = 3, 2  #: where there are as many brokers: one may die, and nothing that was acknowledged with it

#: House-keeping alone deletes, never what a checkpoint may need (DESIGN §4); so time and size delete nothing.
KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": str(LARGEST)}
SETTINGS = ("min.insync.replicas", *KEPT)


class Topic(Struct, frozen=True):
    name: str
    partitions: int
    copies: int  #: of each partition, on as many brokers
    settings: dict[str, str]

    def differs_from(self, wanted: "Topic") -> list[str]:
        """In words, the partitions first: `partitions 4, wanted 8`."""
        pairs: list[tuple[str, object, object]] = [
            ("partitions", self.partitions, wanted.partitions),
            ("copies", self.copies, wanted.copies),
            *((name, self.settings.get(name), value) for name, value in wanted.settings.items()),
        ]
        return [f"{name} {has}, wanted {wants}" for name, has, wants in pairs if has != wants]


def wanted(site: Site, brokers: int) -> list[Topic]:
    """The topics of the site on so many brokers."""
    assert site.log is not None
    copies, in_sync = (COPIES, IN_SYNC) if brokers >= COPIES else (1, 1)
    settings = {"min.insync.replicas": str(in_sync)} | KEPT
    names = [topic_of(site, life_safety=lane) for lane in (False, True)]
    return [Topic(name, site.log.partitions, copies, settings) for name in names]
