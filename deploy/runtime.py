"""What the supervisor found out when it started (ports, addresses), for the processes it starts: `runtime.json`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from notifiers.channels import load
from vorab.errors import ConfigurationError
from vorab.model import PlaceId
from vorab.site import Camera, ChannelSettings, Intercom, Place, Site

T = TypeVar("T")


class Runtime(Struct, frozen=True):
    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = 1883
    console_port: int = 8080
    phones_port: int | None = None  #: of the demo's phone world; None = a real provider
    mail_port: int | None = None  #: of the demo's mail server, in the phone world too
    cameras_port: int | None = None  #: of the demo's simulated cameras
    intercom_port: int | None = None  #: of the demo's simulated loudspeaker (RTSP)
    media_port: int | None = None  #: of the process that speaks to loudspeakers; None = this machine cannot
    media_secret: str = ""  #: what it is asked with; made anew at each start


def write(data: Path, runtime: Runtime) -> None:
    temporary = data / "runtime.json.new"
    temporary.write_bytes(msgspec.json.encode(runtime))
    os.replace(temporary, data / "runtime.json")


def read(data: Path) -> Runtime:
    """Raises ConfigurationError."""
    try:
        return msgspec.json.decode((data / "runtime.json").read_bytes(), type=Runtime)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{data}: nothing runs here; start it with: python -m vorab run SITE; or, where contact and console are"
            f" started by something else: python -m deploy.prepare {data}"
        ) from None


def store_of(site: Site, data: Path) -> Path | str:
    """Where its store is: a file of this machine, or the URL of PostgreSQL, with its password."""
    return site.store or data / "contact.db"


def public_url(site: Site, runtime: Runtime) -> str:
    """Where providers reach our webhooks; in a demo the provider is on this machine, and the port was found free."""
    return f"http://127.0.0.1:{runtime.console_port}" if site.demo else site.public_url.rstrip("/")


def channel_settings(site: Site, runtime: Runtime) -> list[ChannelSettings]:
    """As in the site file, with the addresses of this console and of the demo's own telephones filled in."""
    found: dict[str, object] = {"public_url": public_url(site, runtime)}
    if site.folder:
        found["recordings"] = str(Path(site.folder) / "recordings")
    if runtime.phones_port:
        found |= {"base_url": f"http://127.0.0.1:{runtime.phones_port}", "allow_private": True}
    if runtime.mail_port:
        found |= {"host": "127.0.0.1", "port": runtime.mail_port, "tls": "none"}
    return [replace(channel, settings=channel.settings | _of(channel.name, found)) for channel in site.channels]


def _of(channel: str, found: dict[str, object]) -> dict[str, object]:
    """What the settings of this channel have a place for."""
    fields = load(channel).Settings.model_fields
    return {name: value for name, value in found.items() if name in fields}


# --- what can be seen and heard at a place ----------------------------------------------------------------------------


def cameras(site: Site, runtime: Runtime) -> dict[PlaceId, Camera]:
    """By place, its own or that of the nearest place around it; `demo:NAME` is the simulated one, where that runs."""
    port = runtime.cameras_port
    found = {
        place: replace(
            one,
            stream=_found(one.stream, port, "http", ".mjpeg"),
            snapshot=_found(one.snapshot, port, "http", ".jpg"),
        )
        for place, one in inherited(site, lambda place: place.camera).items()
    }
    return {place: one for place, one in found.items() if one.stream or one.snapshot}


def intercoms(site: Site, runtime: Runtime) -> dict[PlaceId, Intercom]:
    """By place, as with cameras."""
    found = {
        place: replace(one, url=_found(one.url, runtime.intercom_port, "rtsp"))
        for place, one in inherited(site, lambda place: place.intercom).items()
    }
    return {place: one for place, one in found.items() if one.url}


def inherited(site: Site, of: Callable[[Place], T | None]) -> dict[PlaceId, T]:
    """By place: what it has itself, else what the nearest place around it has."""
    own = {place.id: one for place in site.places if (one := of(place)) is not None}
    found = {place.id: next((own[at] for at in reversed(place.path) if at in own), None) for place in site.places}
    return {place: one for place, one in found.items() if one is not None}


def _found(url: str, port: int | None, scheme: str, ending: str = "") -> str:
    kind, _, name = url.partition(":")
    if kind != "demo":
        return url
    return f"{scheme}://127.0.0.1:{port}/{name}{ending}" if port else ""
