"""House-keeping of a site on many machines: what is older than `retain` goes, and never what somebody may need yet.

A thread of contact does it, so that nothing more has to be started; several at once do the same, and no harm.
"""

import logging
import time

from msgspec import Struct

from deploy.log.progress import Part, Progress, parts, progress
from deploy.postgres import cause, connect
from deploy.store.store import open_reader
from vorab.errors import VorabError
from vorab.model import Instant
from vorab.site import Site

EVERY_S = 600.0
ROWS = 1_000  #: deleted at once: a short transaction
RUNS = 100  #: of those in a row; what is left then waits for the next time

log = logging.getLogger("vorab.housekeeping")

#: Of breaches, those that nobody will look at again; of the rest, what was received or written before then.
OLD = (
    "DELETE FROM breaches WHERE (id, edge) IN (SELECT id, edge FROM breaches"
    " WHERE state IN ('applied', 'suppressed', 'overtaken') AND at < %(before)s LIMIT %(rows)s)",
    "DELETE FROM quarantine WHERE number IN"
    " (SELECT number FROM quarantine WHERE received_at < %(before)s LIMIT %(rows)s)",
    "DELETE FROM poison WHERE (topic, part, position) IN (SELECT topic, part, position FROM poison"
    " WHERE at < to_timestamp(%(before)s / 1000000.0) LIMIT %(rows)s)",
)


class Held(Struct, frozen=True):
    """What Kafka has of one partition."""

    first: int  #: offset of the first record
    young: int  #: of the first one that is not old; -1 = all are
    end: int  #: of the next one


def deletable(known: dict[Part, Progress], ids: dict[str, str], spans: dict[Part, Held]) -> dict[Part, int]:
    """Up to which offset each partition may go: what is old and below its checkpoint.

    A partition without a checkpoint, or with one of a topic that was deleted and made again, keeps everything.
    """
    found = {}
    for part, span in spans.items():
        checkpoint = known.get(part)
        if checkpoint is None or ids.get(part[0]) != checkpoint.topic_id:
            continue
        offset = min(checkpoint.next, span.end if span.young < 0 else span.young)
        if offset > span.first:
            found[part] = offset
    return found


def keep(site: Site, now: Instant) -> None:
    """What is old by now is gone from Kafka and PostgreSQL.

    Raises ConfigurationError when Kafka does not answer, and what the driver raises when PostgreSQL does not.
    """
    from deploy.log import admin  # only where it is needed is it installed

    before = Instant(now - site.retain)
    reader = open_reader(site.store)
    try:
        with reader.connect() as connection:
            known = progress(connection, site)
    finally:
        reader.dispose()
    with admin.asking(site) as kafka:
        places = parts(site)
        firsts, ends, young = kafka.firsts(places), kafka.ends(places), kafka.since(places, before // 1000)
        spans = {place: Held(firsts[place], young[place], ends[place]) for place in places}
        if offsets := deletable(known, kafka.ids({topic for topic, _ in places}), spans):
            kafka.delete_before(offsets)
    with connect(site.store, {}, autocommit=True) as database:
        for statement in OLD:
            for _ in range(RUNS):
                if database.execute(statement, {"before": before, "rows": ROWS}).rowcount < ROWS:
                    break


def go_on(site: Site) -> None:
    """For ever, every few minutes, on a thread of its own.  What fails is told once, and tried again the next time."""
    from psycopg import Error
    from sqlalchemy.exc import DBAPIError

    told = ""
    while True:
        time.sleep(EVERY_S)
        try:
            keep(site, Instant(time.time_ns() // 1000))
            told = ""
        except (VorabError, DBAPIError, Error) as error:
            why = cause(error)
            if why != told:
                log.warning("nothing old is deleted for now: %s", why)
            told = why
