"""Law 10, nothing is swallowed: what cannot be understood is kept with bytes and reason, and can be processed again."""

import pytest
from msgspec.structs import replace

from tests.airport import Airport
from vorab.model import PersonId, Quantity, Sample, SensorId

HOSTILE = {
    "no UTF-8": b"\xff\xfe\x00",
    "200 deep": b"[" * 200 + b"]" * 200,
    "NaN": b'{"contact": NaN}',
    "1 MB string": b'{"contact": "' + b"x" * 1_000_000 + b'"}',
    "wrong type": b'{"contact": {"a": 1}}',
    "number as a word": b'{"temperature": "twenty"}',
    "cut off": b'{"contact": tr',
    "empty": b"",
    "a list": b"[1, 2, 3]",
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_law_10_what_cannot_be_understood_is_kept_and_the_next_message_is_processed(
    airport: Airport, payload: bytes
) -> None:
    airport.hears("zigbee2mqtt/gate-b12-door", payload)
    [(_, kept)] = airport.log.reader().quarantine()
    assert kept.topic == b"zigbee2mqtt/gate-b12-door"
    assert payload.startswith(kept.payload[:1000])
    assert kept.reason
    airport.door("gate-b12").opens()
    airport.passes(seconds=31)
    assert airport.incidents()


@pytest.mark.parametrize("topic", ["", "zigbee2mqtt//x", "zigbee2mqtt/+", "zigbee2mqtt/#", "\x00", "nobody/knows"])
def test_law_10_a_topic_nobody_can_mean_is_kept_too(airport: Airport, topic: str) -> None:
    airport.hears(topic, b'{"contact": true}')
    assert len(airport.log.reader().quarantine()) == 1


def test_law_10_it_is_processed_again_once_the_cause_is_mended(airport: Airport) -> None:
    airport.hears("zigbee2mqtt/gate-b12-door", b'{"contact": tr')
    airport.hears("zigbee2mqtt/cafe-c3-climate", b'{"temperature": 28.5}')  # nobody knows this sensor yet
    at = airport.clock.now()
    assert len(airport.log.reader().quarantine()) == 2
    airport.passes(minutes=5)
    airport.goes_down()
    cafe = next(sensor for sensor in airport.site.sensors if sensor.id == "cafe-c2-climate")
    claimed = replace(cafe, id=SensorId("cafe-c3-climate"), topic="zigbee2mqtt/cafe-c3-climate")
    airport.site = replace(airport.site, sensors=[*airport.site.sensors, claimed])
    airport.comes_back()
    airport.capture.quarantine_again("try-1", PersonId("operator"), None)
    warm = Sample(Quantity.TEMPERATURE, 28.5)
    found = [reading for _, record in airport.log.reader().records(1) for reading in record.readings]
    assert [(one.samples, one.at) for one in found if one.sensor == claimed.id] == [([warm], at)]
    [(_, kept)] = airport.log.reader().quarantine()
    assert kept.payload == b'{"contact": tr', "still not understood, so still here"
