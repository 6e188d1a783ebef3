"""A small sound site that each test spoils in its own way."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from deploy.site.load import check

FILES = {
    "site.yaml": """\
        name: depot
        time_zone: Europe/Paris
        languages: [en]
        demo: true
        channels:
          sms: { account_sid: env:VORAB_SMS_ACCOUNT, auth_token: env:VORAB_SMS_TOKEN, sender: "+33639980099" }
        """,
    "places.yaml": """\
        places:
          depot: { kind: site }
          north: { in: depot, kind: zone, access: staff }
          gate-1: { in: north, readers: [gate-1-badge] }
          cold-1: { in: depot }
        ways:
          - { from: gate-1, to: cold-1, on_foot: 90s }
        """,
    "sensors.yaml": """\
        types:
          door: { decoder: zigbee2mqtt, topic: "zigbee2mqtt/{sensor}", every: 1h }
          climate: { decoder: zigbee2mqtt, topic: "zigbee2mqtt/{sensor}", every: 5min }
          badge: { decoder: badge, topic: "access/{sensor}", every: 1min }
          aed: { decoder: json, topic: "aed/{sensor}", life_safety: true }
        sensors:
          gate-1-door: { type: door, place: gate-1 }
          gate-1-badge: { type: badge, place: gate-1 }
          cold-1-climate: { type: climate, place: cold-1, tags: [food] }
          aed-1: { type: aed, place: gate-1 }
        """,
    "rules/doors.yaml": """\
        door-held-open:
          watch: { type: door }
          when: open
          for: 30s
          priority: high
          respond: guard
        """,
    "responses.yaml": """\
        guard:
          ladder:
            - { role: guard, channels: [sms], wait: 60s }
        """,
    "people.yaml": """\
        ana: { name: Ana, roles: [guard], language: en, addresses: { sms: "+33639980001" }, duty: 24/7 }
        """,
}

Spoil = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        write(tmp_path, name, text)
    return tmp_path


def write(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())


@pytest.fixture
def spoil(folder: Path) -> Spoil:
    """Writes a file of the site anew, or replaces a part of it, and gives all faults as text."""

    def spoiled(name: str, text: str | bytes, to: str | None = None) -> list[str]:
        if to is None:
            write(folder, name, text)
        else:
            path = folder / name
            assert isinstance(text, str)
            assert text in path.read_text()
            path.write_text(path.read_text().replace(text, to, 1))
        return [str(fault) for fault in check(folder)]

    return spoiled
