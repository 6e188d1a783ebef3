"""What the supervisor found out when it started (ports, addresses), for the processes it starts: `runtime.json`."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from vorab.errors import ConfigurationError


class Runtime(Struct, frozen=True):
    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = 1883
    console_port: int = 8080
    phones_port: int | None = None  #: of the demo's phone world; None = a real provider


def write(data: Path, runtime: Runtime) -> None:
    temporary = data / "runtime.json.new"
    temporary.write_bytes(msgspec.json.encode(runtime))
    os.replace(temporary, data / "runtime.json")


def read(data: Path) -> Runtime:
    """Raises ConfigurationError."""
    try:
        return msgspec.json.decode((data / "runtime.json").read_bytes(), type=Runtime)
    except FileNotFoundError:
        raise ConfigurationError(f"{data}: nothing runs here; start it with: python -m vorab run SITE") from None
