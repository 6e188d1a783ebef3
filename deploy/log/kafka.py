"""The readings log on Apache Kafka: two topics, one for each lane, with the same number of partitions.

A record's value is `vorab.wire.pack(Record)`; it has no key, its partition is chosen (rules.partition).
"""

import socket
from collections.abc import Iterable

from vorab.errors import TemporaryFailure
from vorab.site import Site

LARGEST = 4 << 20  #: bytes of a record
CONNECT_WITHIN_S = 3.0


def topic_of(site: Site, *, life_safety: bool) -> str:
    return f"vorab-{site.name}-{'life-safety' if life_safety else 'readings'}"


def reach(servers: Iterable[str]) -> None:
    """At least one of them takes a connection.  Raises TemporaryFailure that names each with its cause."""
    causes = []
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_WITHIN_S).close()
        except OSError as error:
            causes.append(f"{server}: {error.strerror or error}")
        else:
            return
    raise TemporaryFailure(f"Kafka does not answer at {'; '.join(causes)}")
