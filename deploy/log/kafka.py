"""The readings log on Apache Kafka: two topics, one for each lane, with the same number of partitions.

A record's value is `vorab.wire.pack(Record)`; it has no key, its partition is chosen (rules.partition).
"""

from vorab.site import Site

LARGEST = 4 << 20  #: bytes of a record


def topic_of(site: Site, *, life_safety: bool) -> str:
    return f"vorab-{site.name}-{'life-safety' if life_safety else 'readings'}"
