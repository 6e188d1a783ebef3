"""What a backlog of messages costs."""

from pathlib import Path
from typing import Any

from deploy.store.outbox import _DUE
from deploy.store.store import open_store


class Explained:
    """A connection that tells how it would find the rows, instead of giving them."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.dialect = connection.dialect
        self.connection = self

    def cursor(self) -> "Explained":
        return self

    def execute(self, sql: str, values: list[Any]) -> None:
        self.plan = self._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", tuple(values)).fetchall()


def test_the_next_messages_come_straight_from_the_index(tmp_path: Path) -> None:
    store = open_store(tmp_path / "contact.db")
    with store.connect() as connection:
        explained = Explained(connection)
        _DUE.run(explained, {"at": 1, "limit": 8})  # type: ignore[arg-type] # as far as it needs one
    store.dispose()
    steps = [row[3] for row in explained.plan if " outbox" in row[3] or "B-TREE" in row[3]]
    assert len(steps) == 16
    assert {step.split(" (")[0] for step in steps} == {"SEARCH outbox USING INDEX outbox_open"}
