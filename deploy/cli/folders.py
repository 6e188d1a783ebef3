"""Which folders a command means, and how a command of the supervisor's ends."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deploy import extras
from deploy.site.document import read
from deploy.site.load import load
from vorab.errors import ConfigurationError, Corrupt
from vorab.site import Site

if TYPE_CHECKING:
    from sqlalchemy import Engine

NO_SUCH_TABLE = "42P01"  #: PostgreSQL's error code

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


def distributed(folder: Path) -> Site | None:
    """The site whose log is in Kafka; None = it is on one machine.  Raises ConfigurationError."""
    fields = read(folder, "site.yaml").data
    if not isinstance(fields, dict) or "log" not in fields:
        return None
    extras.needed()
    return load(folder)


@contextlib.contextmanager
def opened(folder: Path, data: Path | None) -> Iterator["Engine"]:
    """The store, to be read.  Raises ConfigurationError where the site never ran."""
    from deploy.store.store import open_reader  # not every command asks a database

    site = distributed(folder)
    engine = open_reader(site.store if site else existing(folder, data, "contact.db"))
    try:
        with answering(site):
            yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def answering(site: Site | None) -> Iterator[None]:
    """Whoever types waits for no database: one that is away, or empty, is a ConfigurationError."""
    from sqlalchemy.exc import DBAPIError

    from deploy import postgres

    try:
        yield
    except DBAPIError as error:
        if site is None or not site.store:
            raise
        where = f"PostgreSQL at {postgres.address(site.store)}"
        if getattr(error.orig, "sqlstate", None) == NO_SUCH_TABLE:
            raise ConfigurationError(f"{where} has no tables of ours; make them with: vorab kafka init") from None
        raise ConfigurationError(f"{where}: {postgres.cause(error.orig)}") from None


def installed() -> None:
    """What only the processes of many machines need is there; else this one ends with 78."""
    try:
        extras.needed()
    except ConfigurationError as error:
        print(f"vorab: {error}", file=sys.stderr)
        sys.exit(NEEDS_A_PERSON)


def supervised(main: Callable[..., int], site: Path, data: Path | None, **options: object) -> int:
    """The exit code of one of the processes of `run`: 78 where starting it again would not help."""
    try:
        return main(site, data_of(site, data), **options)
    except (ConfigurationError, Corrupt) as error:
        print(f"vorab {main.__module__.rpartition('.')[2]}: {error}", file=sys.stderr)
        return NEEDS_A_PERSON
