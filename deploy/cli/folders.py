"""Which folders a command means, and how a command of the supervisor's ends."""

import sys
from collections.abc import Callable
from pathlib import Path

from deploy.site.document import read
from vorab.errors import ConfigurationError, Corrupt

NEEDS_A_PERSON = 78  #: exit code (EX_CONFIG): to be started again would not help


def data_of(site: Path, data: Path | None) -> Path:
    """The data folder: the one named, else data/NAME.  Raises ConfigurationError."""
    if data is not None:
        return data
    if not site.is_dir():
        raise ConfigurationError(f"{site} is not a folder; name the site folder, e.g. deploy/sites/airport")
    fields = read(site, "site.yaml").data
    name = fields.get("name") if isinstance(fields, dict) else None
    if not isinstance(name, str) or not name or "/" in name:
        raise ConfigurationError(f"{site}/site.yaml names no site; see: python -m vorab check {site}")
    return Path("data") / name


def existing(site: Path, data: Path | None, file: str) -> Path:
    """A database in the data folder.  Raises ConfigurationError where the site never ran."""
    path = data_of(site, data) / file
    if not path.is_file():
        raise ConfigurationError(f"{path} is not there; start the site first: python -m vorab run {site}")
    return path


def supervised(main: Callable[..., int], site: Path, data: Path | None, **options: object) -> int:
    """The exit code of one of the processes of `run`: 78 where starting it again would not help."""
    try:
        return main(site, data_of(site, data), **options)
    except (ConfigurationError, Corrupt) as error:
        print(f"vorab {main.__module__.rpartition('.')[2]}: {error}", file=sys.stderr)
        return NEEDS_A_PERSON
