"""Every scenario ends with what holds after every test: no unexpected message, sums that close, an audit that fits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import balance
from deploy.store import audit
from tests.airport import Airport
from tests.stores import STORES, empty_store


@pytest.fixture(params=STORES)
def airport(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Airport]:
    """On one machine; where VORAB_TEST_STORE names a PostgreSQL, as on many machines too."""
    is_one = request.param == "sqlite"
    airport = Airport(tmp_path, store=empty_store(request.param, tmp_path))
    try:
        yield airport
        assert airport.unexpected() == []
        with airport.store.begin() as connection:
            audit.seal(connection)
            assert audit.verify(connection) is None
        files = tmp_path / "capture.db", tmp_path / "contact.db"
        assert (balance.balance(*files) if is_one else balance.of_store(airport.store, airport.site)).faults == []
    finally:
        airport.close()
