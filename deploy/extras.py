"""What only a site on many machines needs, and how one gets it."""

from importlib.util import find_spec

from vorab.errors import ConfigurationError

MODULES = ("kafka", "aiokafka", "cramjam", "crc32c", "faust", "psycopg", "zstandard")
INSTALL = "pip install 'vorab[kafka,postgres]'"


def needed() -> None:
    """Raises ConfigurationError with what is not installed."""
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise ConfigurationError(without(*missing))


def without(*modules: str) -> str:
    are = "are" if len(modules) > 1 else "is"
    return f"a site with log: and store: needs {', '.join(modules)}, which {are} not installed: {INSTALL}"
