"""The channels of a site, by name: a file of this package, or an entry point in the group `vorab.channel`.

Such a file has a class `Channel` (vorab.ports) and its `Settings` (pydantic).  A new channel is one file.
"""

from collections.abc import Iterable
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

from pydantic import ValidationError

from notifiers.http import Client
from vorab.errors import ConfigurationError
from vorab.ports import Channel, HttpClient
from vorab.site import ChannelSettings

GROUP = "vorab.channel"


def load(name: str) -> Any:
    """The module of this channel, with `Channel` and `Settings`.  Raises ConfigurationError."""
    if name.isidentifier() and find_spec(f"notifiers.{name}"):
        module = import_module(f"notifiers.{name}")
        if hasattr(module, "Channel") and hasattr(module, "Settings"):
            return module
    for entry in metadata.entry_points(group=GROUP, name=name):
        return entry.load()
    raise ConfigurationError(f"no channel is called {name!r}; it is a file in notifiers/, or an entry point in {GROUP}")


def build(channels: Iterable[ChannelSettings], http: HttpClient | None = None) -> dict[str, Channel]:
    """Every channel, ready to send; `http` for tests without a network.  Raises ConfigurationError."""
    return {channel.name: _build(channel, http) for channel in channels}


def _build(channel: ChannelSettings, http: HttpClient | None) -> Channel:
    module = load(channel.name)
    try:
        settings = module.Settings(**channel.settings)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_faults(channel.name, error))) from None
    client = http or Client(allow_private=getattr(settings, "allow_private", False))
    built: Channel = module.Channel(settings, client)
    return built


def _faults(name: str, error: ValidationError) -> Iterable[str]:
    """One line a field, without the value: it may be a secret."""
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        yield f"channels.{name}.{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
