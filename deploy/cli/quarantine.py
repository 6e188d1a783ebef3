"""`vorab quarantine`: what could not be understood, and its second chance."""

import getpass
import json
import os
import uuid
from pathlib import Path

from sqlalchemy import select

from deploy.cli.folders import answering, distributed, existing, opened
from deploy.cli.instants import iso, now
from deploy.cli.words import plain
from deploy.log.sqlite import open_reader
from deploy.log.tables import quarantine
from deploy.store.store import open_store
from deploy.store.tables import commands
from vorab.errors import ConfigurationError
from vorab.model import Quarantined

MOST = 10_000  #: messages in the list
SHOWN = 80  #: bytes of a payload in the list; --json has all


def listed(site: Path, data: Path | None, as_json: bool) -> int:
    """Prints what waits in quarantine.  Raises ConfigurationError."""
    found = _waiting(site, data)
    for number, each in found:
        topic, payload = each.topic.decode(errors="backslashreplace"), each.payload.decode(errors="backslashreplace")
        if as_json:
            fields = {"number": number, "received_at": iso(each.received_at), "topic": topic, "reason": each.reason}
            print(json.dumps({**fields, "payload": payload}))
        else:
            shown = plain(payload[:SHOWN]) + (" …" if len(payload) > SHOWN else "")
            print(f"{number:>5}  {iso(each.received_at)[:19]}  {plain(topic)}  {plain(each.reason)}\n       {shown}")
    if not found and not as_json:
        print("nothing: every message was understood")
    return 0


def again(site: Path, data: Path | None, numbers: list[int]) -> int:
    """Asks capture, which looks every 200 ms, or the ingests, which look each second, to decode them once more.

    Raises ConfigurationError for a number that does not wait in quarantine.
    """
    waiting = {number for number, _ in _waiting(site, data)}
    if strange := sorted(set(numbers) - waiting):
        raise ConfigurationError(f"no {', '.join(map(str, strange))} in quarantine; see: vorab quarantine list")
    wanted = sorted(numbers or waiting)
    if not wanted:
        print("nothing: every message was understood")
        return 0
    command = {
        "id": str(uuid.uuid4()),
        "at": now(),
        "by": _asker(),
        "kind": "quarantine-again",
        "body": json.dumps({"numbers": wanted}),
    }
    many = distributed(site)
    with answering(many):
        engine = open_store(many.store if many else existing(site, data, "contact.db"))
        with engine.begin() as connection:
            connection.execute(commands.insert().values(command))
    engine.dispose()
    print(f"{len(wanted)} to be decoded again; what is still not understood stays in the list")
    return 0


def _waiting(site: Path, data: Path | None) -> list[tuple[int, Quarantined]]:
    """With their numbers, the oldest first.  Raises ConfigurationError."""
    if not distributed(site):
        log = open_reader(existing(site, data, "capture.db"))
        found = log.quarantine()
        log.close()
        return found
    with opened(site, data) as engine, engine.connect() as connection:
        return [(row[0], Quarantined(*row[1:])) for row in connection.execute(_QUARANTINED)]


_QUARANTINED = (
    select(
        quarantine.c.number,
        *(quarantine.c[name] for name in Quarantined.__struct_fields__),
    )
    .where(quarantine.c.again_at.is_(None))
    .order_by(quarantine.c.number)
    .limit(MOST)
)


def _asker() -> str:
    """The name of the account; its number where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
