"""What an ingest of a site on Kafka has to do with PostgreSQL: its rule set is stored, and people's commands are heard.

All of it on a thread of its own: PostgreSQL away is told once, and stops nothing else.
"""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, LiteralString

import psycopg
from msgspec import Struct

from deploy.commands import Again, understood
from deploy.log.kafka import topic_of
from deploy.log.postgres import ON_DISK
from deploy.postgres import address, cause, connect
from rules.partition import Shard, every_shard
from vorab.model import Instant, PersonId, Quarantined
from vorab.site import Site

LOOK_EVERY_S = 1.0
ROWS = 200  #: quarantined messages of one record

STORE_RULES = "INSERT INTO rule_sets (hash, body) VALUES (%s, %s) ON CONFLICT DO NOTHING"
CHECKPOINTS = "SELECT topic, part, next, rules_hash FROM checkpoints WHERE topic = ANY(%s)"
HEARD = "SELECT value FROM cursors WHERE name = %s"
HEAR = "INSERT INTO cursors (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
NEW = 'SELECT number, id, "by", kind, body FROM commands WHERE number > %s ORDER BY number'
WAITING = """
    SELECT number, run, ordinal, topic, payload, reason, received_at, retained, packet_id FROM quarantine
    WHERE ingest = %s AND again_at IS NULL AND number > %s AND (%s::bigint[] IS NULL OR number = ANY(%s))
    ORDER BY number LIMIT %s"""

log = logging.getLogger("vorab.ingest")


class Order(Struct, frozen=True):
    """Messages of this ingest that somebody wants to be tried again."""

    command: str
    by: PersonId
    messages: list[tuple[Instant, Quarantined]]  #: with the run in which each came
    done: Callable[[], None]  #: to be called when what could be understood is in the log


class Orders:
    """Of one ingest."""

    def __init__(self, site: Site, ingest: str, wake: Callable[[], None]) -> None:
        """`wake` is called in another thread when there is something new below.  Raises ConfigurationError."""
        self._site, self._ingest, self._wake = site, ingest, wake
        self._address = address(site.store)
        self._cursor = f"commands/{ingest}"  #: where the last command stands that is in the log
        self._told = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orders", daemon=True)
        #: Once the rule set is stored: of each partition that workers know, their position, and the rules there.
        self.decided: dict[Shard, tuple[int, str]] | None = None
        self.waiting: deque[Order] = deque()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with contextlib.closing(connect(self._site.store, ON_DISK, autocommit=True)) as database:
                    self._serve(database)
            except psycopg.Error as error:
                self._tell(error)
            self._stopping.wait(LOOK_EVERY_S)

    def _serve(self, database: Any) -> None:
        """Until it is lost, or nothing is wanted any more."""
        while not self._stopping.wait(LOOK_EVERY_S if self.decided is not None else 0):
            if self.decided is None:
                self.decided = self._stored_rules(database)
                self._wake()
            self._hear(database)
            if self._told:
                self._told = ""
                log.error("PostgreSQL at %s answers again", self._address)

    def _tell(self, error: psycopg.Error) -> None:
        why = cause(error)
        if isinstance(error, psycopg.errors.UndefinedTable):
            why = "it has no tables of ours yet; they are made with: python -m vorab kafka init"
        if why != self._told:
            self._told = why
            log.error("PostgreSQL at %s: no commands are heard, and rules do not change: %s", self._address, why)

    def _stored_rules(self, database: Any) -> dict[Shard, tuple[int, str]]:
        """The rule set is stored; what the workers know."""
        assert self._site.log
        database.execute(STORE_RULES, (self._site.rules_hash, self._site.rules))
        places = {
            (topic_of(self._site, life_safety=shard.life_safety), shard.number): shard
            for shard in every_shard(self._site.log.partitions)
        }
        rows = database.execute(CHECKPOINTS, ([topic for topic, _ in places],)).fetchall()
        return {
            places[topic, part]: (position, rules) for topic, part, position, rules in rows if (topic, part) in places
        }

    def _hear(self, database: Any) -> None:
        """Every new command, once: it is over when what it brought is in the log."""
        heard = database.execute(HEARD, (self._cursor,)).fetchone()
        for number, name, by, kind, body in database.execute(NEW, (heard[0] if heard else 0,)).fetchall():
            again = understood(name, kind, body)
            if again and not self._obey(database, name, PersonId(by), again):
                return
            database.execute(HEAR, (self._cursor, number))

    def _obey(self, database: Any, name: str, by: PersonId, again: Again) -> bool:
        """Some messages at a time; False: we are stopping."""
        last = 0
        while rows := self._rows(database, again, last):
            arrived = threading.Event()
            messages = [(run, Quarantined(*rest)) for _, run, *rest in rows]
            self.waiting.append(Order(name, by, messages, arrived.set))
            self._wake()
            while not arrived.wait(LOOK_EVERY_S):
                if self._stopping.is_set():
                    return False
            last = rows[-1][0]
        return True

    def _rows(self, database: Any, again: Again, after: int) -> list[tuple[Any, ...]]:
        query: LiteralString = WAITING
        found: list[tuple[Any, ...]] = database.execute(
            query, (self._ingest, after, again.numbers, again.numbers, ROWS)
        ).fetchall()
        return found
