"""What Kafka says of a topic: whether it is the one that we know, and has as many partitions as the site."""

from collections.abc import Sequence
from typing import NamedTuple

from kafka.admin import ConfigResource  # type: ignore[import-untyped]

from deploy.log import client
from vorab.errors import ConfigurationError, TemporaryFailure

UNKNOWN_TOPIC = 3  #: Kafka's error code
SHORTEST_SESSION = "group.min.session.timeout.ms"  #: of Kafka's brokers; by default 6 s


class Topic(NamedTuple):
    id: str  #: of a topic that was deleted and made again under the same name, another one
    partitions: int


def described(servers: Sequence[str], name: str) -> Topic | None:
    """None = there is no such topic.  Raises TemporaryFailure when Kafka does not answer."""
    with client.admin(servers) as admin:
        [found] = admin.describe_topics([name])
    if found["error_code"] == UNKNOWN_TOPIC:
        return None
    if found["error_code"]:
        raise TemporaryFailure(f"Kafka at {', '.join(servers)}: topic {name}: error {found['error_code']}")
    return Topic(str(found["topic_id"]), len(found["partitions"]))


def fitting(servers: Sequence[str], name: str, partitions: int) -> Topic:
    """The topic as the site wants it.  Raises ConfigurationError if it is not, TemporaryFailure as above."""
    found = described(servers, name)
    if found is None:
        raise ConfigurationError(f"Kafka has no topic {name}; make it with: python -m vorab kafka init")
    if found.partitions != partitions:
        raise ConfigurationError(
            f"topic {name} has {found.partitions} partitions and the site file says {partitions}: "
            "which partition a sensor speaks in would change; put the old number back"
        )
    return found


def allow_session(servers: Sequence[str], seconds: float) -> None:
    """Kafka lets a worker's session be so short.  Raises ConfigurationError, TemporaryFailure as above."""
    with client.admin(servers) as admin:
        number = str(admin.describe_cluster()["brokers"][0]["broker_id"])
        asked = [ConfigResource("broker", number, {SHORTEST_SESSION: None})]
        found = admin.describe_configs(asked, config_filter="all")["broker"][number]
    shortest_ms = int(found[SHORTEST_SESSION]["value"])
    if shortest_ms > seconds * 1000:
        raise ConfigurationError(
            f"Kafka's {SHORTEST_SESSION} is {shortest_ms}: set it to {seconds * 1000:.0f} or less on every broker, or "
            "nobody takes over from a dead worker in time"
        )
