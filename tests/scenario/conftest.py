"""Every scenario ends with what holds after every test: no unexpected message, sums that close, an audit that fits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import balance
from deploy.store import audit
from tests.airport import Airport


@pytest.fixture
def airport(tmp_path: Path) -> Iterator[Airport]:
    airport = Airport(tmp_path)
    try:
        yield airport
        assert airport.unexpected() == []
        with airport.store.begin() as connection:
            audit.seal(connection)
            assert audit.verify(connection) is None
        assert balance.balance(tmp_path / "capture.db", tmp_path / "contact.db").faults == []
    finally:
        airport.close()
