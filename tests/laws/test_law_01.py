"""Law 1, durable before acknowledged: PUBACK goes to the broker only after the reading is on disk, in order."""

import contextlib
import sqlite3

import pytest

from deploy.log.sqlite import open_reader
from tests.airport import Airport


def test_law_1_what_may_be_acknowledged_is_in_the_log_for_another_process_to_see(airport: Airport) -> None:
    assert len(airport.hears("zigbee2mqtt/gate-b12-door", b'{"contact":true}')) == 1
    with contextlib.closing(open_reader(airport.folder / "capture.db")) as log:
        stored = [reading.sensor for _, record in log.records(1) for reading in record.readings]
    assert stored == ["gate-b12-door"]


def test_law_1_what_cannot_be_stored_is_not_acknowledged(airport: Airport) -> None:
    airport.log.close()
    with pytest.raises(sqlite3.Error):
        airport.hears("zigbee2mqtt/gate-b12-door", b'{"contact":true}')


def test_law_1_a_batch_is_acknowledged_in_the_order_it_came(airport: Airport) -> None:
    topics = [b"zigbee2mqtt/gate-b12-door", b"nobody/knows", b"zigbee2mqtt/bridge/logging", b"zigbee2mqtt/gate-c1-door"]
    batch = [(topic, b'{"contact":true}', 2, number) for number, topic in enumerate(topics, 7)]
    assert airport.capture.take(batch, airport.clock.now()) == [7, 8, 9, 10]
