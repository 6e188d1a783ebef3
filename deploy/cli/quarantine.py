"""`vorab quarantine`: what could not be understood, and its second chance."""

import getpass
import json
import os
import uuid
from pathlib import Path

from deploy.cli.folders import existing
from deploy.cli.instants import iso, now
from deploy.cli.words import plain
from deploy.log.sqlite import open_reader
from deploy.store.store import open_store
from deploy.store.tables import commands
from vorab.errors import ConfigurationError

SHOWN = 80  #: bytes of a payload in the list; --json has all


def listed(site: Path, data: Path | None, as_json: bool) -> int:
    """Prints what waits in quarantine.  Raises ConfigurationError."""
    log = open_reader(existing(site, data, "capture.db"))
    found = log.quarantine()
    log.close()
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
    """Asks capture, which looks every 200 ms, to decode them once more.

    Raises ConfigurationError for a number that does not wait in quarantine.
    """
    log = open_reader(existing(site, data, "capture.db"))
    waiting = {number for number, _ in log.quarantine()}
    log.close()
    if strange := sorted(set(numbers) - waiting):
        raise ConfigurationError(f"no {', '.join(map(str, strange))} in quarantine; see: vorab quarantine list")
    wanted = sorted(numbers or waiting)
    if not wanted:
        print("nothing: every message was understood")
        return 0
    engine = open_store(existing(site, data, "contact.db"))
    with engine.begin() as connection:
        connection.execute(
            commands.insert().values(
                id=str(uuid.uuid4()),
                at=now(),
                by=_asker(),
                kind="quarantine-again",
                body=json.dumps({"numbers": wanted}),
            )
        )
    engine.dispose()
    print(f"{len(wanted)} to be decoded again; what is still not understood stays in the list")
    return 0


def _asker() -> str:
    """The name of the account; its number where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
