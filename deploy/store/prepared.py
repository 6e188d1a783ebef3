"""Statements on the way from a breach to its message: SQLAlchemy Core writes the SQL once, the driver runs it.

One statement costs 60 to 130 µs through `Connection.execute` and 5 to 15 µs this way; an incident that opens needs
fourteen, and somebody waits for them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ClauseElement


class Prepared:
    """A statement with named parameters, compiled once for each database it meets."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] | None = None) -> None:
        """`columns`: those that an INSERT or UPDATE sets, where the statement itself does not say."""
        self._statement = statement
        self._columns = None if columns is None else list(columns)
        self._compiled: dict[str, tuple[str, list[str] | None, dict[str, Any]]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any] = {}) -> Any:
        """The driver's cursor: its rows are tuples in the order of the statement's columns."""
        sql, order, fixed = self._on(connection)
        given = {**fixed, **values} if fixed else values
        return self._do(connection, "execute", sql, given if order is None else [given[name] for name in order])

    def scalar(self, connection: Connection, values: Mapping[str, Any] = {}) -> Any:
        """The first column of the first row; None = there is no row."""
        row = self.run(connection, values).fetchone()
        return None if row is None else row[0]

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """The same statement for each of these."""
        if len(rows) == 1:  # psycopg's executemany needs several round trips more than its execute
            self.run(connection, rows[0])
            return
        sql, order, fixed = self._on(connection)
        given = [{**fixed, **row} for row in rows]
        rows_in_order = given if order is None else [[row[name] for name in order] for row in given]
        self._do(connection, "executemany", sql, rows_in_order)

    def _do(self, connection: Connection, how: str, sql: str, values: object) -> Any:
        """Raises what SQLAlchemy would raise, without the values."""
        cursor: Any = connection.connection.cursor()
        try:
            getattr(cursor, how)(sql, values)
        except connection.dialect.loaded_dbapi.Error as error:
            base: Any = connection.dialect.loaded_dbapi.Error
            is_lost = connection.dialect.is_disconnect(error, cursor.connection, cursor)
            if is_lost:
                connection.invalidate()
            raise DBAPIError.instance(
                sql, None, error, base, hide_parameters=True, connection_invalidated=is_lost
            ) from None
        return cursor

    def _on(self, connection: Connection) -> tuple[str, list[str] | None, dict[str, Any]]:
        name = connection.dialect.name
        found = self._compiled.get(name)
        if found is None:
            compiled: Any = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
            fixed = {key: bound.value for key, bound in compiled.binds.items() if not bound.required}
            order = list(compiled.positiontup) if compiled.positional else None
            found = self._compiled[name] = (str(compiled), order, fixed)
        return found
