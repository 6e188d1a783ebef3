from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airport import Airport


@pytest.fixture
def airport(tmp_path: Path) -> Iterator[Airport]:
    airport = Airport(tmp_path)
    yield airport
    airport.close()
