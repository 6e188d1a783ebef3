"""What a worker keeps in PostgreSQL: checkpoints, breaches, messages that nobody understood (deploy.log.tables).

Every statement may be done twice, so whenever the connection is lost it is made again and the statement repeated.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, LiteralString

import psycopg

from deploy.keeper import Claim
from deploy.postgres import address, cause, parameters
from vorab import wire
from vorab.model import Breach, Priority, Quarantined, Record, Replayed

ON_DISK = {"synchronous_commit": "on"}  #: what is stored is, whatever the server's own settings say
ANSWER_WITHIN_S = 8.0  #: less than deploy.lane.HUNG_AFTER_S: who waits for it is not hung
AGAIN_AFTER_S = (0.2, 0.2, 0.5, 1.0, 2.0)

CLAIM = """
    INSERT INTO checkpoints (topic, part, topic_id, epoch, next, saved) VALUES (%s, %s, %s, 1, 0, now())
    ON CONFLICT (topic, part) DO UPDATE SET epoch = checkpoints.epoch + 1
    RETURNING epoch, next, rules_hash, state, topic_id, tallies"""
SAVE = """
    UPDATE checkpoints SET next = %s, rules_hash = %s, state = %s, tallies = %s, saved = now()
    WHERE topic = %s AND part = %s AND epoch = %s RETURNING 1"""
RULES = "SELECT body FROM rule_sets WHERE hash = %s"
BREACHES = """
    WITH added AS (
        INSERT INTO breaches (id, edge, state, at, body, urgent)
        SELECT id, edge, 'new', at, body, urgent
        FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bytea[], %s::bool[]) AS found (id, edge, at, body, urgent)
        ON CONFLICT DO NOTHING RETURNING 1)
    SELECT pg_notify('vorab_contact', '') FROM added LIMIT 1"""
QUARANTINE = """
    INSERT INTO quarantine (ingest, run, ordinal, topic, payload, reason, received_at, retained, packet_id)
    SELECT %s, %s, * FROM
        unnest(%s::bigint[], %s::bytea[], %s::bytea[], %s::text[], %s::bigint[], %s::bool[], %s::int[])
    ON CONFLICT DO NOTHING"""
SETTLE = """
    UPDATE quarantine SET again_at = (extract(epoch FROM now()) * 1000000)::bigint
    FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS found (ingest, run, ordinal)
    WHERE again_at IS NULL AND quarantine.ingest = found.ingest AND quarantine.run = found.run
        AND quarantine.ordinal = found.ordinal"""
POISON = """
    INSERT INTO poison (topic, part, position, raw, reason) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING"""

log = logging.getLogger("vorab.worker")


class PostgresTables:
    """Of one topic.  One statement at a time."""

    def __init__(self, url: str, topic: str, waits: Callable[[], None]) -> None:
        """`waits` is called each time PostgreSQL is asked, or waited for.  Raises ConfigurationError."""
        self._address = address(url)
        self._url, self._topic, self._waits = url, topic, waits
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()

    async def claim(self, number: int, topic_id: str) -> Claim:
        row = await self._run(CLAIM, self._topic, number, topic_id)
        assert row, "RETURNING always does"
        return Claim(*row)

    async def save(
        self, number: int, epoch: int, following: int, rules_hash: str, state: bytes, tallies: bytes
    ) -> bool:
        return await self._run(SAVE, following, rules_hash, state, tallies, self._topic, number, epoch) is not None

    async def rules(self, rules_hash: str) -> bytes | None:
        row = await self._run(RULES, rules_hash)
        return None if row is None else bytes(row[0])

    async def add_breaches(self, breaches: Sequence[Breach]) -> None:
        """All at once; contact is woken if one of them is news."""
        await self._run(
            BREACHES,
            [breach.id for breach in breaches],
            [breach.number for breach in breaches],
            [breach.at for breach in breaches],
            [wire.pack(breach) for breach in breaches],
            [breach.priority is Priority.LIFE_SAFETY for breach in breaches],
        )

    async def add_quarantined(self, record: Record, messages: Sequence[Quarantined]) -> None:
        await self._run(
            QUARANTINE,
            record.ingest,
            record.run,
            [message.ordinal for message in messages],
            [message.topic for message in messages],
            [message.payload for message in messages],
            [message.reason.replace("\0", "\\0") for message in messages],  # PostgreSQL's text cannot hold it
            [message.received_at for message in messages],
            [message.retained for message in messages],
            [message.packet_id for message in messages],
        )

    async def settle(self, again: Replayed) -> None:
        if again.settled:
            await self._run(SETTLE, *(list(column) for column in zip(*again.settled, strict=True)))

    async def add_poison(self, number: int, offset: int, raw: bytes, reason: str) -> None:
        await self._run(POISON, self._topic, number, offset, raw, reason.replace("\0", "\\0"))

    async def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                await self._connection.close()

    async def _run(self, query: LiteralString, *values: object) -> tuple[Any, ...] | None:
        """The first row.  Tried until PostgreSQL answers."""
        async with self._lock:
            tries = 0
            while True:
                self._waits()
                try:
                    async with asyncio.timeout(ANSWER_WITHIN_S):
                        row = await self._try(query, values)
                except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
                    await self._lost(error, tries)
                    tries += 1
                    continue
                if tries:
                    log.error("PostgreSQL at %s answers again", self._address)
                return row

    async def _try(self, query: LiteralString, values: Sequence[object]) -> tuple[Any, ...] | None:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, **parameters(self._url, ON_DISK)
            )
        cursor = await self._connection.execute(query, values, prepare=True)
        return await cursor.fetchone() if cursor.description else None

    async def _lost(self, error: Exception, tries: int) -> None:
        """Told once; a moment later a new connection may be made."""
        if not tries:
            log.error("PostgreSQL at %s: %s; trying again", self._address, cause(error))
        self._waits()
        lost, self._connection = self._connection, None
        if lost is not None:
            with contextlib.suppress(psycopg.Error, TimeoutError):
                async with asyncio.timeout(1):
                    await lost.close()
        await asyncio.sleep(AGAIN_AFTER_S[min(tries, len(AGAIN_AFTER_S) - 1)])
