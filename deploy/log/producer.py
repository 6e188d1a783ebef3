"""Records on their way to Kafka: they are in the log when enough brokers have them on disk."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, TypeVar

from kafka import KafkaProducer  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from deploy.log.client import ANSWER_WITHIN_MS, failing
from deploy.log.kafka import LARGEST, topic_of
from rules.partition import Shard
from vorab.errors import VorabError
from vorab.site import Site

BATCH_BYTES = 1 << 20
#: By lane.  What is sent together goes in one request, not the first record in one of its own; life safety never waits.
LINGER_MS = {False: 1, True: 0}
REQUEST_WITHIN_MS = 10_000
NEVER_MS = (1 << 31) - 1  #: some 25 days
RECONNECT_AFTER_MS = 1_000  #: at the most; its own 30 s would be 30 s of silence after a broker is back

T = TypeVar("T")


class LogFailed(VorabError):
    """Kafka refused a record for good.  What was not acknowledged to MQTT comes again, to another process."""


class Producer(Generic[T]):
    """Records on their way; each has a token that comes back when enough brokers have it on disk.

    Each lane has a client of its own: a broker answers the requests of one connection one after the other.  They have
    no bound of their own: whoever sends must stop in time.
    """

    def __init__(self, site: Site, wake: Callable[[], None]) -> None:
        """`wake` is called in another thread when tokens are back.  Raises TemporaryFailure."""
        assert site.log
        self._topics = {lane: topic_of(site, life_safety=lane) for lane in (False, True)}
        self._arrived: deque[T] = deque()
        self._failed: Exception | None = None
        self._wake, self._woken = wake, False
        self._kafka: dict[bool, KafkaProducer] = {}
        with failing(site.log.servers):
            for lane, topic in self._topics.items():
                self._kafka[lane] = KafkaProducer(
                    bootstrap_servers=site.log.servers,
                    bootstrap_timeout_ms=ANSWER_WITHIN_MS,
                    acks="all",
                    enable_idempotence=True,
                    allow_auto_create_topics=False,
                    batch_size=BATCH_BYTES,
                    linger_ms=LINGER_MS[lane],
                    compression_type="zstd",  # 0.05 µs a reading; the disk holds 4.7 bytes of each, not 32
                    max_request_size=LARGEST,
                    delivery_timeout_ms=NEVER_MS,  # while the brokers are away MQTT is not read; nothing is given up
                    request_timeout_ms=REQUEST_WITHIN_MS,
                    reconnect_backoff_max_ms=RECONNECT_AFTER_MS,
                    metrics_enabled=False,
                )
                self._kafka[lane].partitions_for(topic)  # so that `send` need not ask for them

    def send(self, shard: Shard, value: bytes, token: T) -> None:
        """Those of one partition arrive in this order.  Raises LogFailed."""
        topic = self._topics[shard.life_safety]
        try:
            sent = self._kafka[shard.life_safety].send(topic, value, partition=shard.number)
        except KafkaError as error:
            raise LogFailed(f"{topic}, partition {shard.number}: {error}") from None
        sent.add_callback(partial(self._stored, token))
        sent.add_errback(self._refused)

    def acknowledged(self) -> Iterator[T]:
        """The tokens that are back.  Raises LogFailed when one will never be."""
        self._woken = False  # before looking: who comes after that rings again
        while self._arrived:
            yield self._arrived.popleft()
        if self._failed:
            raise LogFailed(f"Kafka refused a record: {self._failed}")

    def close(self, within_s: float) -> None:
        """What is not acknowledged by then is given up here; MQTT will bring it again."""
        deadline = time.monotonic() + within_s
        for kafka in self._kafka.values():
            try:
                kafka.close(timeout=max(0.1, deadline - time.monotonic()))
            except KafkaError:  # not in time: and then it leaves its thread at work, which would send all the same
                kafka._sender.force_close()

    def _stored(self, token: T, _where: object) -> None:
        self._arrived.append(token)
        self._ring()

    def _refused(self, error: Exception) -> None:
        self._failed = error
        self._ring()

    def _ring(self) -> None:
        if not self._woken:
            self._woken = True
            self._wake()
