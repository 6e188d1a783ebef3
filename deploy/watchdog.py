"""Workers watched from outside: contact looks at their checkpoints, whatever they themselves believe.

A worker that hangs, or none at all, shows nowhere else: its sensors are heard, and no rule looks at what they say.
"""

from collections.abc import Callable
from itertools import groupby

from sqlalchemy import Connection

from deploy import own_faults
from deploy.log.progress import Part, late, progress
from deploy.own_faults import Fault
from deploy.store.transaction import Transaction
from vorab.model import SECOND, Instant, RuleId, SensorId, Span
from vorab.site import Site

LOOK_EVERY = Span(5 * SECOND)
FIRST_LOOK = Span(30 * SECOND)  #: after a start of the whole site the workers, too, have just begun

FAULT = Fault(
    RuleId("vorab-workers"),
    SensorId("vorab-workers"),
    what="workers stand still",
    over="decided again",
    cause={
        "en": "What these sensors say is kept, but no rule looks at it: a worker is missing, or hangs",
        "de": "Was diese Sensoren sagen, wird behalten, aber von keiner Regel geprüft: ein Worker fehlt oder hängt",
        "fr": "Les messages de ces capteurs sont gardés, mais aucune règle ne les lit : un worker manque ou est bloqué",
    },
    action={
        "en": "Start workers; what they lack is shown by: vorab lag",
        "de": "Worker starten; was fehlt, zeigt: vorab lag",
        "fr": "Démarrer des workers ; ce qui manque s'affiche avec : vorab lag",
    },
)


class Watchdog:
    """Looks when it is time, in a transaction of contact's.

    What is late at two looks in a row is a fault: after PostgreSQL was away everybody's last checkpoint is old.  It is
    over when nothing is late, whichever contact process looks.
    """

    def __init__(self, late: Callable[[Connection], list[Part]], now: Instant) -> None:
        self.due = Instant(now + FIRST_LOOK)
        self._late = late
        self._before: set[Part] = set()

    def look(self, tx: Transaction) -> None:
        self.due = Instant(tx.at + LOOK_EVERY)
        found = self._late(tx.connection)
        still = [part for part in found if part in self._before]
        if still or not found:
            own_faults.report(tx, FAULT, _written(still))
        self._before = set(found)


def of(site: Site, now: Instant) -> Watchdog | None:
    """None = there are no workers to watch."""
    return Watchdog(lambda connection: late(site, progress(connection, site)), now) if site.log else None


def _written(found: list[Part]) -> list[str]:
    """`vorab-airport-readings: 0, 3`."""
    return [
        f"{topic}: {', '.join(str(number) for _, number in group)}"
        for topic, group in groupby(found, key=lambda part: part[0])
    ]
