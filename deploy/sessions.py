"""The two MQTT sessions of one ingest with its broker: that of life safety, which is looked at first, and the other."""

import select
from collections.abc import Container
from pathlib import Path

from msgspec.structs import replace

from deploy import runtime
from deploy.wake import Bell
from ingest.mqtt import Session
from ingest.normalise import filters
from vorab.errors import ConfigurationError
from vorab.model import SECOND
from vorab.site import Broker, Site

UNTIL_EVERY = SECOND

Sessions = dict[bool, Session]  #: by lane


def open_sessions(site: Site, data: Path, ingest: str) -> Sessions:
    """Of the ingest with this name; they connect when they are tended.  Raises ConfigurationError."""
    broker = _broker(site, data, ingest)
    return {lane: _session(site, data, broker, life_safety=lane) for lane in (True, False)}


def ready(sessions: Sessions, wait_s: float, bell: Bell, resting: Container[bool] = ()) -> tuple[list[bool], bool]:
    """The lanes on which something came, and whether somebody rang; waits that long at the most.

    What comes on a resting lane is left where it is.
    """
    heard = {lane: session for lane, session in sessions.items() if lane not in resting}
    reading = [session.fileno() for session in heard.values() if session.fileno() >= 0]
    writing = [session.fileno() for session in sessions.values() if session.wants_to_write()]
    more = any(session.more for session in heard.values())
    readable, _, _ = select.select([*reading, bell.fileno()], writing, [], 0 if more else wait_s)
    lanes = [lane for lane, session in heard.items() if session.more or session.fileno() in readable]
    return lanes, bell.fileno() in readable


def _broker(site: Site, data: Path, ingest: str) -> Broker:
    broker = next((each for each in site.brokers if each.ingest == ingest), None)
    if broker is None:
        names = ", ".join(each.ingest for each in site.brokers)
        raise ConfigurationError(f"{site.name} has no broker called {ingest}; its site file has: {names}")
    if broker.host:
        return broker
    found = runtime.read(data)
    return replace(broker, host=found.mqtt_host, port=found.mqtt_port)


def _session(site: Site, data: Path, broker: Broker, *, life_safety: bool) -> Session:
    name = f"vorab-{site.name}-{broker.ingest}{'-life' if life_safety else ''}"
    wanted = filters(site.sensors, broker.ingest, life_safety=life_safety)
    return Session(broker, name, wanted, data / f"{broker.ingest}{'-life' if life_safety else ''}.filters")
