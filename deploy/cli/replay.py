"""`vorab replay`: what the rules find in the log, from its beginning; nothing is written."""

import json
import logging
from pathlib import Path

from deploy import replay
from deploy.cli import words
from deploy.cli.folders import answering, distributed, existing
from deploy.cli.instants import day, instant, iso
from deploy.site.load import load
from vorab.errors import ConfigurationError, TemporaryFailure
from vorab.model import Breach, Instant
from vorab.site import Site

START = "start"


def report(folder: Path, data: Path | None, since: str, dry_run: bool, as_json: bool) -> int:
    """Prints every breach from that instant on, and a hash of them.  Raises ConfigurationError."""
    if not dry_run:
        raise ConfigurationError("replay writes nothing, and wants to hear that you know: add --dry-run")
    logging.basicConfig(format="%(message)s")
    many = distributed(folder)
    zone = (many or load(folder)).zone
    start = Instant(0) if since == START else instant(since, zone)
    found = _of_many(many) if many else list(replay.of_one(existing(folder, data, "capture.db")))
    shown = replay.in_order(breach for breach in found if breach.at >= start)
    for breach in shown:
        print(_object(breach) if as_json else f"{day(breach.at, zone)}  {breach.subject:<22} ! {words.breach(breach)}")
    digest = replay.digest(shown)
    print(
        json.dumps({"breaches": len(shown), "hash": digest})
        if as_json
        else f"{len(shown)} breaches; their hash is {digest}; nothing was written"
    )
    return 0


def _of_many(site: Site) -> list[Breach]:
    try:
        with answering(site):
            return list(replay.of_many(site))
    except TemporaryFailure as error:  # whoever types waits for nobody
        raise ConfigurationError(str(error)) from None


def _object(breach: Breach) -> str:
    fields = {"at": iso(breach.at), "id": breach.id, "number": breach.number, "edge": breach.edge, "rule": breach.rule}
    fields |= {"sensor": breach.subject, "priority": breach.priority, "value": breach.value, "limit": breach.limit}
    fields |= {"note": breach.note}
    return json.dumps(fields)
