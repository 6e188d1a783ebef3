"""Kafka asked about the topics of a site, and told to make them or to forget what is old."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from kafka import KafkaAdminClient, TopicPartition  # type: ignore[import-untyped]
from kafka.admin import ConfigResource, OffsetSpec  # type: ignore[import-untyped]

from deploy.log import client
from deploy.log.progress import Part
from deploy.log.shape import SETTINGS, Topic
from deploy.log.topics import UNKNOWN_TOPIC
from vorab.errors import ConfigurationError, TemporaryFailure
from vorab.site import Site

ANSWER_WITHIN_MS = 10_000  #: making topics takes a while


@contextlib.contextmanager
def asking(site: Site) -> Iterator["Admin"]:
    """Raises ConfigurationError with addresses and causes when no broker answers, also later."""
    assert site.log is not None
    try:
        with client.admin(site.log.servers, ANSWER_WITHIN_MS) as made:
            yield Admin(made)
    except TemporaryFailure as error:
        raise ConfigurationError(str(error)) from None


class Admin:
    def __init__(self, client: KafkaAdminClient) -> None:
        self._client = client

    def brokers(self) -> int:
        return len(self._client.describe_cluster()["brokers"])

    def topic(self, name: str) -> Topic | None:
        """As it is; None = there is none."""
        [found] = self._client.describe_topics([name])
        if found["error_code"] == UNKNOWN_TOPIC:
            return None
        resource = ConfigResource("topic", name, dict.fromkeys(SETTINGS))
        settings = self._client.describe_configs([resource], config_filter="all")["topic"][name]
        partitions: list[dict[str, Any]] = found["partitions"]
        copies = min(len(each["replica_nodes"]) for each in partitions)
        return Topic(name, len(partitions), copies, {key: value["value"] for key, value in settings.items()})

    def make(self, topic: Topic) -> None:
        """Returns when each partition has a leader."""
        how = {
            "num_partitions": topic.partitions,
            "replication_factor": topic.copies,
            "configs": topic.settings,
        }
        self._client.create_topics({topic.name: how}, wait_for_metadata=True)

    def ids(self, names: Iterable[str]) -> dict[str, str]:
        """What tells a topic from one that was deleted and made again under its name."""
        return {each["name"]: str(each["topic_id"]) for each in self._client.describe_topics(list(names))}

    def firsts(self, parts: Iterable[Part]) -> dict[Part, int]:
        """Offset of the first record of each that is still there."""
        return self._offsets(dict.fromkeys(parts, OffsetSpec.EARLIEST))

    def ends(self, parts: Iterable[Part]) -> dict[Part, int]:
        """Offset of the record that will be written next."""
        return self._offsets(dict.fromkeys(parts, OffsetSpec.LATEST))

    def since(self, parts: Iterable[Part], ms: int) -> dict[Part, int]:
        """Offset of the first record written then or later; -1 = all are older."""
        return self._offsets(dict.fromkeys(parts, ms))

    def delete_before(self, offsets: dict[Part, int]) -> None:
        """Records before these offsets are gone."""
        self._client.delete_records({TopicPartition(*part): offset for part, offset in offsets.items()})

    def _offsets(self, specs: dict[Part, Any]) -> dict[Part, int]:
        if not specs:
            return {}
        found = self._client.list_partition_offsets({TopicPartition(*part): spec for part, spec in specs.items()})
        return {(place.topic, place.partition): int(each.offset) for place, each in found.items()}
