"""Decoders: one file each.  Ours are found by file name, other people's by an entry point in `vorab.sensor`."""

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from msgspec import Struct

from vorab.errors import ConfigurationError
from vorab.model import Instant, Quantity
from vorab.payload import Payload
from vorab.ports import Decoder

GROUP = "vorab.sensor"


class Type(Struct, frozen=True):
    """What a decoder offers.  Only `decode` must be there."""

    decode: Decoder
    time_of: Callable[[Payload], Instant | None] | None = None  #: the device's own time
    sequence_of: Callable[[Payload], int | None] | None = None  #: the device's own counter
    ranges: dict[Quantity, tuple[float, float]] = {}  #: physical; outside is quality BAD


def names() -> list[str]:
    """Every decoder that may be named in a site file."""
    ours = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted({*ours, *(point.name for point in entry_points(group=GROUP))})


def find(name: str, options: dict[str, object] | None = None) -> Type:
    """The decoder of this name, set up with the options of the site file.  Raises ConfigurationError."""
    module = _load(name)
    if not options:
        return _type(module)
    if not hasattr(module, "configured"):
        raise ConfigurationError(f"decoder {name} has no options; remove {', '.join(sorted(options))}")
    return _type(module.configured(options))


def _load(name: str) -> Any:
    if any(module.name == name for module in pkgutil.iter_modules(__path__)):
        return importlib.import_module(f"{__name__}.{name}")
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    raise ConfigurationError(f"no decoder {name!r}; there are {', '.join(names())}")


def _type(offered: Any) -> Type:
    return Type(
        offered.decode,
        getattr(offered, "time_of", None),
        getattr(offered, "sequence_of", None),
        getattr(offered, "RANGES", {}),
    )
