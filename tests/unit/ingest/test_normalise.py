"""Messages to readings, one of four outcomes each, and never an exception."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from ingest import sensors as decoders
from ingest.mqtt import DUP, RETAIN, Publish
from ingest.normalise import MAX_DEPTH, RECENT, WINDOW, Normaliser, Sorted, filters
from vorab import wire
from vorab.errors import ConfigurationError, Malformed
from vorab.model import Instant, Quality, Quantity, Record, Sample, SensorId
from vorab.payload import MAX_BYTES, Payload
from vorab.site import Sensor, SensorType

NOW = Instant(1_764_000_000_000_000)
CLIMATE = SensorType("climate", "zigbee2mqtt", "zigbee2mqtt/{sensor}", ranges={Quantity.TEMPERATURE: (-30.0, 60.0)})
DOOR = SensorType("door", "zigbee2mqtt", "zigbee2mqtt/{sensor}")
AED = SensorType("aed", "json", "aed/{sensor}", life_safety=True)
BRIDGE = SensorType("gateway", "zigbee2mqtt", "zigbee2mqtt/bridge/state")
COUNTED = SensorType(
    "counted", "json", "plant/{sensor}/up", options={"temperature": {"at": "t"}, "sequence": {"at": "n"}}
)
SENSORS = [
    Sensor(SensorId("room"), CLIMATE, "zigbee2mqtt/room"),
    Sensor(SensorId("gate"), DOOR, "zigbee2mqtt/gate"),
    Sensor(SensorId("bridge"), BRIDGE, "zigbee2mqtt/bridge/state"),
    Sensor(SensorId("aed-1"), AED, "aed/aed-1"),
    Sensor(SensorId("press"), COUNTED, "plant/press/up"),
    Sensor(SensorId("elsewhere"), CLIMATE, "zigbee2mqtt/elsewhere", ingest="other"),
]
SEEN = '"last_seen":"2025-11-24T15:59:58Z"'  #: two seconds before NOW


@pytest.fixture
def normaliser() -> Normaliser:
    return Normaliser(SENSORS, "main")


def message(topic: str, payload: object, flags: int = 2, packet_id: int = 1) -> Publish:
    raw = (
        payload
        if isinstance(payload, bytes)
        else payload.encode()
        if isinstance(payload, str)
        else json.dumps(payload).encode()
    )
    return topic.encode(), raw, flags, packet_id


def counts(found: Sorted) -> tuple[int, int, int, int]:
    return len(found.readings), len(found.quarantined), found.duplicates, found.ignored


def test_a_message_is_one_reading_with_its_samples(normaliser: Normaliser) -> None:
    [reading] = normaliser.sort([message("zigbee2mqtt/room", '{"temperature":21.5,"battery":97}')], NOW).readings
    assert (reading.sensor, reading.at, reading.received_at, reading.ordinal) == ("room", NOW, NOW, 1)
    assert [(s.quantity, s.value, s.quality) for s in reading.samples] == [
        ("temperature", 21.5, Quality.GOOD),
        ("battery", 97.0, Quality.GOOD),
    ]
    assert (reading.dated, reading.retained) == (False, False)


def test_the_same_value_again_is_a_reading_again(normaliser: Normaliser) -> None:
    same = [message("zigbee2mqtt/room", '{"temperature":21.5}', 2, number) for number in (1, 2, 3)]
    found = normaliser.sort(same, NOW)
    assert [r.ordinal for r in found.readings] == [1, 2, 3]
    assert [r.packet_id for r in found.readings] == [1, 2, 3]
    assert len({(r.fingerprint, tuple(r.samples)) for r in found.readings}) == 1


def test_the_time_of_the_device_counts_but_never_beyond_ours(normaliser: Normaliser) -> None:
    early = message("zigbee2mqtt/gate", '{"contact":true,"last_seen":"2025-11-24T16:59:58+01:00"}')
    future = message("zigbee2mqtt/gate", '{"contact":true,"last_seen":"2031-11-24T16:59:58+01:00"}')
    without_zone = message("zigbee2mqtt/gate", '{"contact":true,"last_seen":"2025-11-24T16:59:58"}')
    a, b, c = normaliser.sort([early, future, without_zone], NOW).readings
    assert (a.at, a.dated) == (NOW - 2_000_000, True)
    assert (b.at, b.dated) == (NOW, True)
    assert (c.at, c.dated) == (NOW, False)


@pytest.mark.parametrize(
    ("payload", "value", "quality"),
    [
        ('{"temperature":-30}', -30.0, Quality.GOOD),
        ('{"temperature":60.1}', None, Quality.BAD),
        ('{"temperature":-100}', None, Quality.BAD),
        ('{"temperature":1e308}', None, Quality.BAD),
    ],
)
def test_outside_its_physical_range_a_value_is_bad(
    normaliser: Normaliser, payload: str, value: float | None, quality: Quality
) -> None:
    [reading] = normaliser.sort([message("zigbee2mqtt/room", payload)], NOW).readings
    assert (reading.samples[0].value, reading.samples[0].quality) == (value, quality)


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("zigbee2mqtt/room", b"\xff\xfe", "not JSON"),
        ("zigbee2mqtt/room", b'{"temperature":"\xff"}', "not JSON"),
        ("zigbee2mqtt/room/availability", b"\xff\xfe", "not UTF-8"),
        ("zigbee2mqtt/room", "[" * 200 + "]" * 200, "nested deeper"),
        ("zigbee2mqtt/room", '{"a":' * 200 + "1" + "}" * 200, "nested deeper"),
        ("zigbee2mqtt/room", '{"temperature":NaN}', "not JSON"),
        ("zigbee2mqtt/room", '{"temperature":Infinity}', "not JSON"),
        ("zigbee2mqtt/room", '{"temperature":"cat"}', "temperature is 'cat'"),
        ("zigbee2mqtt/room", '{"temperature":"21.5"}', "expected a number"),
        ("zigbee2mqtt/room", '{"temperature":true}', "expected a number"),
        ("zigbee2mqtt/room", '{"temperature":[21.5]}', "expected a number"),
        ("zigbee2mqtt/gate", '{"contact":"closed"}', "expected true or false"),
        ("zigbee2mqtt/gate", '{"contact":1}', "expected true or false"),
        ("zigbee2mqtt/gate/availability", "perhaps", "expected online or offline"),
        ("zigbee2mqtt/gate/availability", "{}", "none of state in the message"),
        ("zigbee2mqtt/room", '{"temperature":1' + "0" * 400 + "}", ""),
        ("plant/press/up", {"t": 20, "n": 1 << 63}, "expected an integer of 64 bits"),
        ("plant/press/up", {"t": 20, "n": -(10**30)}, "expected an integer of 64 bits"),
        ("zigbee2mqtt/room", "21.5", "expected a JSON object"),
        ("zigbee2mqtt/room", "", "not JSON"),
        ("zigbee2mqtt/room", b"x" * 1_000_000, "larger than 256 KiB"),
        ("zigbee2mqtt//room", '{"temperature":21.5}', "empty level"),
        ("/zigbee2mqtt/room", '{"temperature":21.5}', "no sensor type of this site"),
        ("zigbee2mqtt/room/", '{"temperature":21.5}', "empty level"),
        ("zigbee2mqtt/room//x", '{"temperature":21.5}', "empty level"),
        ("", '{"temperature":21.5}', "empty level"),
        ("zigbee2mqtt/+", '{"temperature":21.5}', "wildcard"),
        ("zigbee2mqtt/#", '{"temperature":21.5}', "wildcard"),
        ("zigbee2mqtt/new", '{"temperature":21.5}', "write in sensors.yaml: new: { type: climate or door }"),
        ("elsewhere/room", '{"temperature":21.5}', "no sensor type of this site"),
    ],
)
def test_what_is_not_understood_is_kept_with_its_reason(
    normaliser: Normaliser, topic: str, payload: object, reason: str
) -> None:
    bad, good = message(topic, payload, 2, 9), message("zigbee2mqtt/room", '{"temperature":21.5}')
    found = normaliser.sort([bad, good], NOW)
    [kept] = found.quarantined
    assert (kept.topic, kept.payload, kept.ordinal, kept.packet_id) == (bad[0], bad[1], 1, 9)
    assert reason in kept.reason
    assert counts(found) == (1, 1, 0, 0), "the next good message is processed"


class Foreign:
    """Somebody's decoder: a sample, a time and a number, or what it raises instead."""

    def __init__(self, value: Any = 20.0, at: Any = None, number: Any = None) -> None:
        self.answers = value, at, number

    def _answer(self, index: int) -> Any:
        answer = self.answers[index]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def decode(self, _payload: Payload) -> list[Sample]:
        return [Sample(Quantity.TEMPERATURE, self._answer(0))]

    def time_of(self, _payload: Payload) -> Any:
        return self._answer(1)

    def sequence_of(self, _payload: Payload) -> Any:
        return self._answer(2)


@pytest.mark.parametrize(
    ("decoder", "reason"),
    [
        (Foreign(value=KeyError("x")), "the decoder failed: KeyError('x')"),
        (Foreign(at=KeyError("x")), "the decoder failed: KeyError('x')"),
        (Foreign(number=ZeroDivisionError("y")), "the decoder failed: ZeroDivisionError('y')"),
        (Foreign(number=Malformed("no number")), "no number"),
        (Foreign(at="noon"), "'noon' as its own time or number"),
        (Foreign(at=1.5), "'1.5' as its own time or number"),
        (Foreign(at=-(1 << 70)), "expected an integer of 64 bits"),
        (Foreign(number=True), "expected an integer of 64 bits"),
        (Foreign(value=10**400), "too large to convert to float"),
        (Foreign(value=[1]), "temperature is a list"),
        (Foreign(value=b"20"), "temperature is a bytes"),
    ],
)
def test_what_a_foreign_decoder_does_wrong_stays_with_its_message(
    decoder: Foreign, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = SimpleNamespace(name="foreign", load=lambda: decoder)
    monkeypatch.setattr(decoders, "entry_points", lambda **_wanted: [point])
    foreign = SensorType("foreign", "foreign", "foreign/{sensor}")
    normaliser = Normaliser([*SENSORS, Sensor(SensorId("f"), foreign, "foreign/f")], "main")
    found = normaliser.sort([message("foreign/f", "{}"), message("zigbee2mqtt/room", '{"temperature":21.5}')], NOW)
    [kept] = found.quarantined
    assert reason in kept.reason
    assert counts(found) == (1, 1, 0, 0)
    assert wire.unpack(wire.pack(Record("main", NOW, found.readings)), wire.RECORD)


def test_a_topic_that_is_no_utf8_is_kept(normaliser: Normaliser) -> None:
    [kept] = normaliser.sort([(b"zigbee2mqtt/\xff", b"{}", 0, 0)], NOW).quarantined
    assert "not UTF-8" in kept.reason


def test_brackets_within_texts_are_no_depth(normaliser: Normaliser) -> None:
    payload = json.dumps({"temperature": 20, "note": '[{"' * 200 + "\\"})
    assert counts(normaliser.sort([message("zigbee2mqtt/room", payload)], NOW)) == (1, 0, 0, 0)
    deep = '{"temperature":20,"a":' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}"
    assert counts(normaliser.sort([message("zigbee2mqtt/room", deep)], NOW)) == (1, 0, 0, 0)


@pytest.mark.parametrize("text", ['\\"', '"\\', "\\\n", '"'])
def test_a_text_without_an_end_is_passed_over_in_one_go(normaliser: Normaliser, text: str) -> None:
    """In time that grows with the length alone: a quadratic one would take minutes here."""
    payload = "[" * (MAX_DEPTH + 1) + '"' + text * (MAX_BYTES // 3)
    [kept] = normaliser.sort([message("zigbee2mqtt/room", payload)], NOW).quarantined
    assert "nested deeper" in kept.reason


@pytest.mark.parametrize(
    "topic_and_payload",
    [
        ("zigbee2mqtt/bridge/logging", '{"level":"info","message":"x"}'),
        ("zigbee2mqtt/bridge/devices", "[]"),
        ("zigbee2mqtt/room/set", '{"state":"ON"}'),
        ("zigbee2mqtt/room/get", '{"temperature":""}'),
        ("zigbee2mqtt/room/set/state", "ON"),
        ("zigbee2mqtt/room", '{"temperature":null}'),
        ("zigbee2mqtt/room", '{"update":{"state":"idle"}}'),
        ("vorab/vorab-main/drained", "1-2-3"),
    ],
)
def test_what_is_understood_and_holds_nothing_is_ignored(
    normaliser: Normaliser, topic_and_payload: tuple[str, str]
) -> None:
    assert counts(normaliser.sort([message(*topic_and_payload)], NOW)) == (0, 0, 0, 1)


def test_each_session_ignores_what_belongs_to_the_other(normaliser: Normaliser) -> None:
    both = [message("aed/aed-1", '{"taken":true}'), message("zigbee2mqtt/room", '{"temperature":21}')]
    assert [r.sensor for r in normaliser.sort(both, NOW, life_safety=True).readings] == ["aed-1"]
    found = normaliser.sort(both * 2, NOW)
    assert [r.sensor for r in found.readings] == ["room", "room"]
    assert found.ignored == 2


@pytest.mark.parametrize("topic", ["/plant/hall", "plant/hall/", "/plant/hall/"])
def test_a_topic_with_a_slash_in_front_or_at_the_end_is_heard(topic: str) -> None:
    """Legal, and in use (MQTT 3.1.1 §4.7.1.1)."""
    slashed = SensorType("slashed", "json", "/plant/{sensor}")
    hall = Sensor(SensorId("hall"), slashed, topic)
    normaliser = Normaliser([hall], "main")
    [reading] = normaliser.sort([message(topic, '{"temperature":21.5}')], NOW).readings
    assert reading.sensor == "hall"
    assert any(topic_matches_sub(each, topic) for each in filters([hall], "main", life_safety=False))
    [kept] = normaliser.sort([message("/plant/new", '{"temperature":21.5}')], NOW).quarantined
    assert "new: { type: slashed }" in kept.reason


def test_the_most_particular_topic_decides_whose_a_message_is(normaliser: Normaliser) -> None:
    messages = [
        message("zigbee2mqtt/bridge/state", "offline"),
        message("zigbee2mqtt/gate/availability", '{"state":"online"}'),
    ]
    found = normaliser.sort(messages, NOW)
    assert [(r.sensor, r.samples[0].quantity, r.samples[0].value) for r in found.readings] == [
        ("bridge", "online", False),
        ("gate", "online", True),
    ]


# --- retained, and kept by the broker ---------------------------------------------------------------------------------


def test_a_state_without_a_time_is_uncertain_when_nobody_knows_since_when(normaliser: Normaliser) -> None:
    door = '{"contact":false}'
    retained = normaliser.sort([message("zigbee2mqtt/gate", door, RETAIN)], NOW).readings[0]
    kept = normaliser.sort([message("zigbee2mqtt/gate", door)], NOW, drained=False).readings[0]
    fresh = normaliser.sort([message("zigbee2mqtt/gate", door)], NOW).readings[0]
    again = normaliser.sort([message("zigbee2mqtt/gate", door)], NOW, drained=False).readings[0]
    assert (retained.retained, retained.samples[0].quality) == (True, Quality.UNCERTAIN)
    assert (kept.retained, kept.samples[0].quality) == (False, Quality.UNCERTAIN)
    assert (fresh.retained, fresh.samples[0].quality) == (False, Quality.GOOD)
    assert again.samples[0].quality is Quality.UNCERTAIN


def test_a_state_with_its_own_time_is_certain(normaliser: Normaliser) -> None:
    payload = '{"contact":false,' + SEEN + "}"
    reading = normaliser.sort([message("zigbee2mqtt/gate", payload, RETAIN)], NOW, drained=False).readings[0]
    assert (reading.at, reading.samples[0].quality) == (NOW - 2_000_000, Quality.GOOD)


# --- duplicates -------------------------------------------------------------------------------------------------------


def test_the_same_time_and_bytes_are_the_same_reading(normaliser: Normaliser) -> None:
    first = message("zigbee2mqtt/gate", '{"contact":false,' + SEEN + "}", 2, 1)
    other = message("zigbee2mqtt/gate", '{"contact":true,' + SEEN + "}", 2, 2)
    assert counts(normaliser.sort([first, first, other, other], NOW)) == (2, 0, 2, 0)


def gate(contact: str, second: int, flags: int = 2, packet_id: int = 1) -> Publish:
    payload = f'{{"contact":{contact},"last_seen":"2025-11-24T15:59:{second}Z"}}'
    return message("zigbee2mqtt/gate", payload, flags, packet_id)


def test_open_shut_and_open_within_a_second_of_the_devices_clock_are_three_readings(normaliser: Normaliser) -> None:
    bounce = [gate("false", 50), gate("true", 50), gate("false", 50)]
    assert counts(normaliser.sort(bounce, NOW)) == (3, 0, 0, 0)
    assert counts(normaliser.sort([gate("false", 50)], NOW)) == (0, 0, 1, 0)
    restarted = Normaliser(SENSORS, "main")
    restarted.remember(Record("main", NOW, Normaliser(SENSORS, "main").sort(bounce, NOW).readings))
    assert counts(restarted.sort([gate("false", 50)], NOW)) == (0, 0, 1, 0), "it was the last one"


@pytest.mark.parametrize("flags", [2 | DUP, 2 | RETAIN])
def test_what_says_that_it_is_a_repetition_or_a_kept_state_is_no_change(normaliser: Normaliser, flags: int) -> None:
    normaliser.sort([gate("false", 50), gate("true", 50)], NOW)
    assert counts(normaliser.sort([gate("false", 50, flags)], NOW)) == (0, 0, 1, 0)


def test_what_is_older_than_the_newest_and_known_is_a_repetition(normaliser: Normaliser) -> None:
    buffered = [gate("false", 50), gate("true", 51)]
    assert counts(normaliser.sort(buffered * 2, NOW)) == (2, 0, 2, 0)


def test_a_number_of_its_own_tells_equal_values_apart(normaliser: Normaliser) -> None:
    sent = [message("plant/press/up", {"t": 20, "n": number}) for number in (1, 2, 2, 1, 3)]
    assert counts(normaliser.sort(sent, NOW)) == (3, 0, 2, 0)


def test_only_the_last_64_of_a_sensor_are_known(normaliser: Normaliser) -> None:
    sent = [message("plant/press/up", {"t": 20, "n": number}) for number in range(WINDOW + 1)]
    normaliser.sort(sent, NOW)
    assert counts(normaliser.sort([sent[0]], NOW)) == (1, 0, 0, 0)
    assert counts(normaliser.sort([sent[-1]], NOW)) == (0, 0, 1, 0)


def test_without_a_time_the_brokers_repetition_is_known_by_packet_id_and_bytes(normaliser: Normaliser) -> None:
    open_ = '{"contact":false}'
    normaliser.sort([message("zigbee2mqtt/gate", open_, 2, 7)], NOW)
    again, not_marked = message("zigbee2mqtt/gate", open_, 2 | DUP, 7), message("zigbee2mqtt/gate", open_, 2, 7)
    other_id, other = (
        message("zigbee2mqtt/gate", open_, 2 | DUP, 8),
        message("zigbee2mqtt/gate", '{"contact":true}', 2 | DUP, 7),
    )
    assert counts(normaliser.sort([again], NOW)) == (0, 0, 1, 0)
    assert counts(normaliser.sort([not_marked], NOW)) == (1, 0, 0, 0), "the same value again is no repetition"
    assert counts(normaliser.sort([other_id], NOW)) == (1, 0, 0, 0)
    assert counts(normaliser.sort([other], NOW)) == (1, 0, 0, 0)


def test_repetitions_are_forgotten_when_the_broker_knows_no_session(normaliser: Normaliser) -> None:
    normaliser.sort([message("zigbee2mqtt/gate", '{"contact":false}', 2, 7)], NOW)
    normaliser.forget(life_safety=True)
    again = message("zigbee2mqtt/gate", '{"contact":false}', 2 | DUP, 7)
    assert counts(normaliser.sort([again], NOW)) == (0, 0, 1, 0)
    normaliser.forget(life_safety=False)
    assert counts(normaliser.sort([again], NOW)) == (1, 0, 0, 0)


def test_only_the_last_messages_of_a_session_are_known(normaliser: Normaliser) -> None:
    normaliser.sort([message("zigbee2mqtt/gate", '{"contact":false}', 2, 7)], NOW)
    again = message("zigbee2mqtt/gate", '{"contact":false}', 2 | DUP, 7)
    normaliser.sort([message("zigbee2mqtt/room", '{"temperature":1}', 2, 9)] * RECENT, NOW)
    assert counts(normaliser.sort([again], NOW)) == (1, 0, 0, 0)


def test_after_a_restart_the_logs_tail_is_remembered(normaliser: Normaliser) -> None:
    sent = [
        message("zigbee2mqtt/gate", '{"contact":false}', 2, 7),
        message("zigbee2mqtt/gate", '{"contact":true,' + SEEN + "}", 2, 8),
        message("plant/press/up", {"t": 20, "n": 5}, 2, 9),
    ]
    stored = normaliser.sort(sent, NOW).readings
    restarted = Normaliser(SENSORS, "main")
    restarted.remember(Record("main", NOW, stored))
    again = [(topic, payload, flags | DUP, packet_id) for topic, payload, flags, packet_id in sent]
    assert counts(restarted.sort(again, NOW)) == (0, 0, 3, 0)


# --- quarantine again, filters, configuration -------------------------------------------------------------------------


def test_a_device_is_understood_once_it_is_claimed(normaliser: Normaliser) -> None:
    [kept] = normaliser.sort([message("zigbee2mqtt/new", '{"temperature":21.5}')], NOW).quarantined
    mended = Normaliser([*SENSORS, Sensor(SensorId("new"), CLIMATE, "zigbee2mqtt/new")], "main")
    reading = mended.again(kept)
    assert reading is not None
    assert (reading.sensor, reading.at, reading.samples[0].value) == ("new", NOW, 21.5)


def test_a_session_subscribes_to_nothing_twice() -> None:
    assert filters(SENSORS, "main", life_safety=False) == {"zigbee2mqtt/+/#", "plant/+/up/#", "aed/+/#"}
    assert filters(SENSORS, "main", life_safety=True) == {"aed/aed-1/#"}
    assert filters(SENSORS, "nowhere", life_safety=False) == set()


def test_a_wrong_decoder_or_option_is_found_at_the_start() -> None:
    for kind in (
        SensorType("a", "nope", "a/{sensor}"),
        SensorType("b", "json", "a/{sensor}", options={"x": {"at": "y"}}),
    ):
        with pytest.raises(ConfigurationError):
            Normaliser([Sensor(SensorId("s"), kind, "a/s")], "main")


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(
    st.sampled_from(
        ["temperature", "contact", "state", "state_l1", "battery", "voltage", "last_seen", "action", "open", "t", "n"]
    ),
    values,
)
topics = st.sampled_from(
    ["zigbee2mqtt/room", "zigbee2mqtt/gate", "zigbee2mqtt/gate/availability", "plant/press/up", "aed/aed-1"]
)
payloads = st.binary(max_size=60) | fields.map(lambda each: json.dumps(each).encode())


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first texts are, on a busy machine
@given(
    st.lists(
        st.tuples(topics.map(str.encode) | st.binary(max_size=20), payloads, st.integers(0, 15), st.integers(0, 9))
    )
)
def test_every_message_has_exactly_one_outcome(messages: list[Publish]) -> None:
    found = Normaliser(SENSORS, "main").sort(messages, NOW)
    assert sum(counts(found)) == len(messages)
    assert wire.unpack(wire.pack(Record("main", NOW, found.readings)), wire.RECORD).readings == found.readings
    for reading in found.readings:
        assert reading.at <= reading.received_at == NOW
        assert all((s.value is None) == (s.quality is Quality.BAD) for s in reading.samples)
