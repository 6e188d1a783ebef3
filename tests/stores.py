"""The stores that a test runs on: SQLite always; PostgreSQL too where VORAB_TEST_STORE names a database to be emptied.

With pytest-xdist each process has a database of its own on the same server.
"""

import os
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.log import tables as of_workers
from deploy.store import tables
from deploy.store.store import open_store

URL = os.environ.get("VORAB_TEST_STORE", "")
STORES = ["sqlite", "postgresql"] if URL else ["sqlite"]


def empty_store(kind: str, folder: Path) -> Path | str:
    """Where a store with nothing in it is."""
    if kind == "sqlite":
        return folder / "contact.db"
    url = _database()
    with psycopg.connect(url) as connection:
        for table in [*tables.metadata.tables, *of_workers.metadata.tables]:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    return url


@cache
def _database() -> str:
    """Migrated."""
    url, worker = URL, os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        name = f"{psycopg.conninfo.conninfo_to_dict(URL)['dbname']}_{worker}"
        with psycopg.connect(URL, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = psycopg.conninfo.make_conninfo(URL, dbname=name)
    open_store(url).dispose()
    return url
