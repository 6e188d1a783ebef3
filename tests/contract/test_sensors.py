"""What every decoder must keep to, and the real devices' messages.  A decoder is finished when this passes."""

import contextlib
import json
import re
from pathlib import Path

import pytest

from benchmarks import payloads
from ingest import sensors
from ingest.sensors.json import FLAGS, TEXTS, configured
from vorab.errors import ConfigurationError, Malformed
from vorab.model import Quantity, Sample
from vorab.payload import Payload

REAL = Path("../shared/payloads")

#: A good message of each decoder, and what it says.
GOOD: dict[str, tuple[str, list[Sample]]] = {
    "zigbee2mqtt": ('{"contact":false,"battery":97}', [Sample(Quantity.OPEN, True), Sample(Quantity.BATTERY, 97.0)]),
    "json": ('{"taken":true,"temperature":-3.5}', [Sample(Quantity.TEMPERATURE, -3.5), Sample(Quantity.TAKEN, True)]),
    "aed": (
        '{"present":false,"door":"open","battery":97,"battery_low":false,"tamper":false,"time":"2026-10-03T14:02:09Z"}',
        [
            Sample(Quantity.PRESENT, False),
            Sample(Quantity.TAKEN, True),
            Sample(Quantity.OPEN, True),
            Sample(Quantity.BATTERY, 97.0),
            Sample(Quantity.BATTERY_LOW, False),
            Sample(Quantity.TAMPER, False),
        ],
    ),
    "badge": ('{"badge":"0471A2","granted":true}', [Sample(Quantity.BADGE, "0471A2")]),
}

HOSTILE = [
    b"", b"\x00", b"\xff\xfe", b"null", b"true", b"21.5", b'"cat"', b"[]", b"[1,2]", b"{", b'{"a":', b"NaN", b"{}" * 3,
    b'{"temperature":NaN}', b'{"temperature":"cat"}', b'{"temperature":{"value":21}}',
    b'{"open":"cat","contact":"cat"}',
    b'{"state":[],"badge":5,"granted":"yes","online":"no"}', b'{"action":17,"state":false,"last_seen":{},"time":[]}',
    b'{"present":"cat","taken":"cat","door":"cat","battery":"cat"}',
    b'{"battery":' + b"9" * 400 + b"}", b'{"open":' + b"9" * 5000 + b"}", b'{"battery":1e400}',
    "{\"température\":21,\"🔥\":true}".encode(), b'{"' + b"x" * 10_000 + b'":1}',
]  # fmt: skip

every_decoder = pytest.mark.parametrize("name", sensors.names())


def decoded(name: str, payload: str | bytes, suffix: str = "") -> list[Sample]:
    return sensors.find(name).decode(Payload(payload if isinstance(payload, bytes) else payload.encode(), suffix))


def test_every_decoder_has_its_good_message_here() -> None:
    assert set(GOOD) == set(sensors.names())


@every_decoder
def test_a_good_message_is_understood(name: str) -> None:
    payload, samples = GOOD[name]
    assert decoded(name, payload) == samples
    assert decoded(name, payload) == samples, "and the same the second time"


@every_decoder
@pytest.mark.parametrize("payload", HOSTILE)
def test_whatever_comes_it_is_understood_or_malformed(name: str, payload: bytes) -> None:
    kind = sensors.find(name)
    for suffix in ("", "availability", "set", "a/b"):
        message = Payload(payload, suffix)
        with contextlib.suppress(Malformed):
            samples = kind.decode(message)
            assert all(isinstance(each, Sample) and isinstance(each.quantity, Quantity) for each in samples)
            for own in (kind.time_of, kind.sequence_of):
                assert not samples or own is None or isinstance(own(message), int | None)


@every_decoder
def test_its_ranges_are_ranges(name: str) -> None:
    for quantity, (low, high) in sensors.find(name).ranges.items():
        assert quantity not in FLAGS | TEXTS
        assert low < high


def test_an_unknown_decoder_names_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="no decoder 'zigbee'; there are aed, badge, json, zigbee2mqtt"):
        sensors.find("zigbee")
    with pytest.raises(ConfigurationError, match="badge has no options; remove at"):
        sensors.find("badge", {"at": 1})


# --- zigbee2mqtt ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ('{"contact":true}', {"open": False}),  # true says that the magnet is there: closed
        ('{"contact":false}', {"open": True}),
        ('{"temperature":22.5,"humidity":45}', {"temperature": 22.5, "humidity": 45.0}),
        ('{"local_temperature":22.5,"humidity":45}', {"temperature": 22.5, "humidity": 45.0}),
        ('{"state":"ON","power":2.3,"voltage":null,"temperature":25}', {"on": True, "power": 2.3}),  # of the chip
        ('{"device_temperature":41}', {}),
        ('{"voltage":3055,"battery":100}', {"battery_voltage": 3.055, "battery": 100.0}),
        ('{"voltage":2.9,"battery":100}', {"battery_voltage": 2.9, "battery": 100.0}),
        ('{"voltage":3055}', {}),  # whose?
        ('{"voltage":230.4,"power":5,"current":0.02}', {"voltage": 230.4, "power": 5.0, "current": 0.02}),
        ('{"illuminance":23839,"illuminance_lux":242}', {"illuminance": 242.0}),
        ('{"illuminance":2545}', {"illuminance": 2545.0}),
        ('{"occupancy":true,"presence":false}', {"occupied": True}),
        ('{"presence":true}', {"occupied": True}),
        ('{"water_leak":true,"battery_low":false,"tamper":true}', {"wet": True, "battery_low": False, "tamper": True}),
        ('{"smoke":true,"carbon_monoxide":false}', {"smoke": True, "co_alarm": False}),
        ('{"vibration":true}', {"vibration": True}),
        ('{"co2":1406,"pm25":12,"pressure":1013}', {"co2": 1406.0, "pm2_5": 12.0, "pressure": 1013.0}),
        ('{"action":"double"}', {"button": "double"}),
        ('{"action":""}', {}),
        ('{"action":null}', {}),
        ('{"state":"OPEN"}', {}),  # a blind
        ('{"update":{"state":"idle"}}', {}),
        ('{"state":"offline"}', {"online": False}),  # zigbee2mqtt/bridge/state as a sensor
    ],
)  # fmt: skip
def test_zigbee2mqtt_says(payload: str, said: dict[str, object]) -> None:
    assert {s.quantity: s.value for s in decoded("zigbee2mqtt", payload)} == said


def test_zigbee2mqtt_has_a_channel_for_each_relay_and_probe() -> None:
    found = decoded(
        "zigbee2mqtt", '{"state":"ON","state_l1":"ON","state_l2":"OFF","temperature_2":7,"power_outage_count":3}'
    )
    assert {(s.quantity, s.channel): s.value for s in found} == {
        ("on", ""): True,
        ("on", "l1"): True,
        ("on", "l2"): False,
        ("temperature", "2"): 7.0,
    }


@pytest.mark.parametrize(
    ("suffix", "payload", "said"),
    [
        ("availability", "online", {"online": True}),
        ("availability", "Offline", {"online": False}),
        ("availability", '{"state":"online"}', {"online": True}),
        ("state", "online", {"online": True}),
        ("state", "OFF", {"on": False}),
        ("SENSOR", '{"contact":false}', {"open": True}),
        ("temperature", "22.5", {"temperature": 22.5}),
        ("contact", "true", {"open": False}),
        ("temperature", "null", {}),
        ("linkquality_text", "good", {}),
        ("set", '{"state":"ON"}', {}),
        ("l1/set", "ON", {}),
        ("devices", "[]", {}),
    ],
)
def test_zigbee2mqtt_below_the_name(suffix: str, payload: str, said: dict[str, object]) -> None:
    assert {s.quantity: s.value for s in decoded("zigbee2mqtt", payload, suffix)} == said


@pytest.mark.parametrize(
    ("last_seen", "at"),
    [
        ('"2024-11-23T15:14:13+01:00"', 1_732_371_253_000_000),
        ('"2024-11-23T14:14:13.250Z"', 1_732_371_253_250_000),
        ("1732371253250", 1_732_371_253_250_000),
        ('"2024-11-23T15:14:13"', None),
        ('"yesterday"', None),
        ("null", None),
        ("true", None),
        ("-5", None),
        ("1e300", None),
    ],
)
def test_zigbee2mqtt_last_seen(last_seen: str, at: int | None) -> None:
    time_of = sensors.find("zigbee2mqtt").time_of
    assert time_of is not None
    assert time_of(Payload(b'{"contact":true,"last_seen":%b}' % last_seen.encode())) == at


@pytest.mark.skipif(not REAL.exists(), reason="the folder of real devices' messages is not here")
def test_real_zigbee2mqtt_devices_are_understood() -> None:
    scores, faults = payloads.run(REAL, "zigbee2mqtt")
    assert scores["zigbee2mqtt"].expected > 200
    assert (scores["zigbee2mqtt"].wrong, scores["zigbee2mqtt"].good) == (0, True), faults


def test_the_benchmark_says_what_is_wrong_and_what_is_missing() -> None:
    record = {
        "family": "zigbee2mqtt", "topic": "zigbee2mqtt/door", "payload": '{"contact":false}', "encoding": "utf8",
        "expect": {"message": "state", "time": None, "readings": [
            {"q": "contact_open", "v": False}, {"q": "battery", "v": 5}]},
    }  # fmt: skip
    score = payloads.judge(record)
    assert (score.expected, score.right, score.missing, score.wrong) == (2, 0, 1, 1)


# --- json and badge ---------------------------------------------------------------------------------------------------


def test_plain_json_without_options() -> None:
    assert decoded("json", '{"open":true}') == [Sample(Quantity.OPEN, True)]
    assert decoded("json", '{"state":"closed"}') == [Sample(Quantity.OPEN, False)]
    assert decoded("json", '{"note":"x"}') == []
    for wrong in ('{"open":"cat"}', '{"open":1}', '{"temperature":"21.4"}', '{"temperature":true}', '{"state":"ajar"}'):
        with pytest.raises(Malformed):
            decoded("json", wrong)


def test_plain_json_with_values_where_the_site_file_says() -> None:
    options: dict[str, object] = {
        "temperature": {"at": "d.T", "unit": "°F", "decimal": ","},
        "open": {"at": "d.c", "true": 0, "false": 1},
        "time": {"at": "ts", "unit": "s"},
        "sequence": {"at": "d.n"},
    }
    kind = configured(options)
    payload = Payload(json.dumps({"d": {"T": "212,0", "c": 0, "n": 7}, "ts": 1_764_223_200}).encode())
    found = {s.quantity: s.value for s in kind.decode(payload)}
    assert found == {"temperature": pytest.approx(100.0), "open": True}
    assert kind.time_of(payload) == 1_764_223_200_000_000
    assert kind.sequence_of(payload) == 7
    assert kind.decode(Payload(b'{"d":"gone"}')) == []
    with pytest.raises(Malformed, match="expected 0 or 1"):
        kind.decode(Payload(b'{"d":{"c":true}}'))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"warmth": {"at": "t"}}, "no quantity 'warmth'"),
        ({"temperature": {"at": "t", "unit": "bananas"}}, "unit 'bananas'"),
        ({"time": {"at": "t", "unit": "h"}}, "unit 'h'"),
        ({"temperature": {"att": "t"}}, "json: "),
        ({"temperature": 5}, "json: "),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        sensors.find("json", options)


def test_only_a_granted_badge_is_a_badge() -> None:
    assert decoded("badge", '{"badge":"0471","granted":false}') == [Sample(Quantity.BADGE_REFUSED, "0471")]
    assert decoded("badge", '{"online":true}') == [Sample(Quantity.ONLINE, True)]
    for wrong in (
        '{"badge":"0471"}',
        '{"granted":true}',
        '{"badge":471,"granted":true}',
        '{"badge":"","granted":true}',
    ):
        with pytest.raises(Malformed):
            decoded("badge", wrong)


# --- aed --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ('{"present":true}', {"present": True, "taken": False}),
        ('{"taken":true}', {"present": False, "taken": True}),
        ('{"taken":false,"present":true}', {"present": True, "taken": False}),
        ('{"door":"shut"}', {"open": False}),
        ('{"door":"closed"}', {"open": False}),
        ('{"door":"open","present":null}', {"open": True}),
        ('{"battery":12}', {"battery": 12.0}),
        ('{"battery_low":true,"tamper":true}', {"battery_low": True, "tamper": True}),
        ('{"present":true,"firmware":"1.2"}', {"present": True, "taken": False}),
    ],
)
def test_a_cabinet_says(payload: str, said: dict[str, object]) -> None:
    assert {s.quantity: s.value for s in decoded("aed", payload)} == said


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ('{"present":"cat"}', "present is 'cat'; expected true or false"),
        ('{"taken":1}', "taken is 1; expected true or false"),
        ('{"present":true,"taken":true}', "present and taken are both True"),
        ('{"present":false,"taken":false}', "present and taken are both False"),
        ('{"door":"ajar"}', "door is 'ajar'; expected 'open' or 'shut'"),
        ('{"door":[]}', "door is"),
        ('{"battery":"97"}', "battery is '97'; expected a number of percent"),
        ('{"battery":true}', "battery is True"),
        ('{"battery":1e30}', "battery is 1e"),
        ('{"tamper":"no"}', "tamper is 'no'"),
        ("{}", "none of present, taken, door"),
        ('{"time":"2026-10-03T14:02:09Z"}', "none of present, taken, door"),
    ],
)
def test_of_a_cabinet_nothing_is_guessed(payload: str, reason: str) -> None:
    with pytest.raises(Malformed, match=re.escape(reason)):
        decoded("aed", payload)


def test_a_cabinet_may_know_the_time() -> None:
    time_of = sensors.find("aed").time_of
    assert time_of is not None
    assert time_of(Payload(b'{"present":true,"time":"2024-11-23T14:14:13.250Z"}')) == 1_732_371_253_250_000
    assert time_of(Payload(b'{"present":true,"time":"2024-11-23T14:14:13"}')) is None
    assert time_of(Payload(b'{"present":true}')) is None
