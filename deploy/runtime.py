"""What the supervisor found out when it started (ports, addresses), for the processes it starts: `runtime.json`."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from notifiers.channels import load
from vorab.errors import ConfigurationError
from vorab.site import ChannelSettings, Site


class Runtime(Struct, frozen=True):
    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = 1883
    console_port: int = 8080
    phones_port: int | None = None  #: of the demo's phone world; None = a real provider
    mail_port: int | None = None  #: of the demo's mail server, in the phone world too
    cameras_port: int | None = None  #: of the demo's simulated cameras
    intercom_port: int | None = None  #: of the demo's simulated loudspeaker (RTSP)
    media_port: int | None = None  #: of the process that speaks to loudspeakers; None = this machine cannot


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


def public_url(site: Site, runtime: Runtime) -> str:
    """Where providers reach our webhooks; in a demo the provider is on this machine, and the port was found free."""
    return f"http://127.0.0.1:{runtime.console_port}" if site.demo else site.public_url.rstrip("/")


def channel_settings(site: Site, runtime: Runtime) -> list[ChannelSettings]:
    """As in the site file, with the addresses of this console and of the demo's own telephones filled in."""
    found: dict[str, object] = {"public_url": public_url(site, runtime)}
    if runtime.phones_port:
        found |= {"base_url": f"http://127.0.0.1:{runtime.phones_port}", "allow_private": True}
    if runtime.mail_port:
        found |= {"host": "127.0.0.1", "port": runtime.mail_port, "tls": "none"}
    return [replace(channel, settings=channel.settings | _of(channel.name, found)) for channel in site.channels]


def _of(channel: str, found: dict[str, object]) -> dict[str, object]:
    """What the settings of this channel have a place for."""
    fields = load(channel).Settings.model_fields
    return {name: value for name, value in found.items() if name in fields}


def address(url: str, runtime: Runtime) -> str:
    """Of a camera or an intercom: `demo:NAME` is the simulated one of this name."""
    kind, _, name = url.partition(":")
    return f"http://127.0.0.1:{runtime.cameras_port}/{name}.mjpeg" if kind == "demo" else url
