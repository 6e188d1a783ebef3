"""The workers of a site on many machines in a test: real Keepers over a real PostgreSQL, fed from capture's log."""

import asyncio
from collections.abc import Iterable, Sequence

import psycopg

from deploy.keeper import Keeper
from deploy.log.kafka import topic_of
from deploy.log.postgres import PostgresTables
from deploy.log.sqlite import Reader
from rules.partition import Routes, Shard, every_shard, split
from rules.ruleset import unpack
from vorab import wire
from vorab.model import RulesChanged
from vorab.site import Site

COUNT = 3  #: partitions of each lane


class Topic:
    """Implements deploy.keeper.Log: what stands in the partitions of one lane."""

    def __init__(self) -> None:
        self.records: list[list[bytes]] = [[] for _ in range(COUNT)]

    async def span(self, number: int) -> tuple[int, int]:
        return 0, len(self.records[number])

    async def ends(self, numbers: Iterable[int]) -> dict[int, int]:
        return {number: len(self.records[number]) for number in numbers}

    async def read(self, number: int, start: int) -> Sequence[tuple[int, bytes | None]]:
        return list(enumerate(self.records[number]))[start:]


class Workers:
    """One of each lane.  `work` is called after capture has written; `start` anew is a restart of them all."""

    def __init__(self, site: Site, url: str) -> None:
        self._site, self._url = site, url
        self._topics = {False: Topic(), True: Topic()}
        self._next = 1  #: position of the next record of capture's log
        self._routes: Routes | None = None
        self._runner = asyncio.Runner()
        self._tables: list[PostgresTables] = []
        self.start()

    def start(self) -> None:
        self._end()
        self._keepers: dict[bool, Keeper] = {}
        for lane, topic in self._topics.items():
            name = topic_of(self._site, life_safety=lane)
            tables = PostgresTables(self._url, name, lambda: None)
            self._tables.append(tables)
            keeper = Keeper(name, "the topic", COUNT, tables, topic, life_safety=lane, seek=_stay)
            keeper.owns(range(COUNT))
            self._keepers[lane] = keeper

    def work(self, log: Reader) -> None:
        for position, record in log.records(self._next):
            for command in record.commands:
                if isinstance(command, RulesChanged):
                    self._routes = self._learn(log, command.rules_hash)
            assert self._routes is not None, "the log begins with its rules"
            shares = split(record, self._routes)
            self._runner.run(self._deliver({shard: wire.pack(share) for shard, share in shares.items()}))
            self._next = position + 1

    def close(self) -> None:
        self._end()
        self._runner.close()

    async def _deliver(self, shares: dict[Shard, bytes]) -> None:
        for shard in every_shard(COUNT):
            if shard in shares:
                records = self._topics[shard.life_safety].records[shard.number]
                records.append(shares[shard])
                await self._keepers[shard.life_safety].event(shard.number, len(records) - 1, records[-1])
        for keeper in self._keepers.values():
            await keeper.stored()

    def _learn(self, log: Reader, rules_hash: str) -> Routes:
        body = log.rules(rules_hash)
        assert body is not None
        with psycopg.connect(self._url) as connection:
            connection.execute("INSERT INTO rule_sets VALUES (%s, %s) ON CONFLICT DO NOTHING", (rules_hash, body))
        return Routes(unpack(body), COUNT)

    def _end(self) -> None:
        for tables in self._tables:
            self._runner.run(tables.close())
        self._tables = []


async def _stay(_number: int, _offset: int) -> None:
    """Nobody delivers but us."""
