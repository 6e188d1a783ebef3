"""PostgreSQL as every process of ours reaches it, and what may be said of it: never its password."""

from typing import Any

from vorab.errors import ConfigurationError

CONNECT_WITHIN_S = 5
#: Whoever is gone without a word is noticed by the other side within about ten seconds.
SERVER_NOTICES = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}
WE_NOTICE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}


def driver() -> Any:
    """psycopg.  Raises ConfigurationError where it is not installed."""
    try:
        import psycopg
    except ImportError:
        raise ConfigurationError("a store on PostgreSQL needs its driver: pip install 'vorab[postgres]'") from None
    return psycopg


def connect(url: str, options: dict[str, str], *, autocommit: bool = False) -> Any:
    """A connection with these settings of the server's.  Raises psycopg.OperationalError."""
    return driver().connect(url, autocommit=autocommit, **parameters(url, options))


def parameters(url: str, options: dict[str, str]) -> dict[str, Any]:
    """What a connection needs beside its URL, whose own options stay."""
    given = driver().conninfo.conninfo_to_dict(url).get("options") or ""
    every = SERVER_NOTICES | options
    ours = " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in every.items())
    return {
        "connect_timeout": CONNECT_WITHIN_S,
        "application_name": "vorab",
        "options": f"{given} {ours}".strip(),
        **WE_NOTICE,
    }


def address(url: str) -> str:
    """Hosts, ports and database: what may be shown.  Raises ConfigurationError."""
    psycopg = driver()
    try:
        found = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # it would show the password
        raise ConfigurationError(
            "store: that is no address of a database; expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    hosts, ports = str(found.get("host") or "").split(","), str(found.get("port") or "").split(",")
    places = zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=False)
    return ",".join(f"{host or 'localhost'}:{port or 5432}" for host, port in places) + f"/{found.get('dbname') or ''}"


def cause(error: object) -> str:
    """The driver's words, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
