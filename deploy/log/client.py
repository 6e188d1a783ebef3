"""Kafka's own client, as all of ours make it: what goes wrong is raised in one way, and told by whoever asked."""

import contextlib
import logging
from collections.abc import Iterator, Sequence

from kafka import KafkaAdminClient, KafkaConsumer  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from deploy.log.kafka import LARGEST, reach
from vorab.errors import TemporaryFailure
from vorab.site import Site

ANSWER_WITHIN_MS = 5_000


@contextlib.contextmanager
def failing(servers: Sequence[str]) -> Iterator[None]:
    """What Kafka raises is a TemporaryFailure with its addresses; its client says nothing besides."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        yield
    except KafkaError as error:
        raise TemporaryFailure(f"Kafka at {', '.join(servers)}: {error}") from None


@contextlib.contextmanager
def consumer(site: Site) -> Iterator[KafkaConsumer]:
    """One that reads beside all groups, from wherever it is told to.  Raises TemporaryFailure, also later."""
    assert site.log
    with failing(site.log.servers):
        made = KafkaConsumer(
            bootstrap_servers=site.log.servers,
            bootstrap_timeout_ms=ANSWER_WITHIN_MS,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # house-keeping may just be deleting
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=LARGEST,
            metrics_enabled=False,
        )
        with contextlib.closing(made):
            yield made


@contextlib.contextmanager
def admin(servers: Sequence[str], within_ms: int = ANSWER_WITHIN_MS) -> Iterator[KafkaAdminClient]:
    """Raises TemporaryFailure with addresses and causes when no broker answers, also later."""
    reach(servers)
    try:
        with failing(servers):
            made = KafkaAdminClient(
                bootstrap_servers=list(servers), request_timeout_ms=within_ms, bootstrap_timeout_ms=within_ms
            )
            with contextlib.closing(made):
                yield made
    except OSError as error:  # of a socket that its client did not catch
        raise TemporaryFailure(f"Kafka at {', '.join(servers)}: {error}") from None
