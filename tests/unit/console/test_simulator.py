"""The simulated devices say what the decoders of real ones understand."""

from importlib import import_module

import pytest

from deploy.simulator import KINDS, Simulator
from vorab.errors import TemporaryFailure
from vorab.model import Instant, PlaceId, Quantity, SensorId
from vorab.payload import Payload
from vorab.site import Place, Sensor, SensorType, Site

TYPES = {
    "gateway": SensorType("gateway", "zigbee2mqtt", "zigbee2mqtt/bridge/state"),
    "door": SensorType("door", "zigbee2mqtt", "zigbee2mqtt/{sensor}"),
    "climate": SensorType("climate", "zigbee2mqtt", "zigbee2mqtt/{sensor}"),
    "badge": SensorType("badge", "badge", "access/{sensor}"),
    "aed": SensorType("aed", "json", "aed/{sensor}"),
    "unknown": SensorType("unknown", "json", "x/{sensor}"),
}


class Broker:
    def __init__(self) -> None:
        self.took: list[tuple[str, str, bool]] = []
        self.is_away = False

    def publish(self, topic: str, payload: str, retained: bool) -> None:
        if self.is_away:
            raise TemporaryFailure("the broker does not take messages")
        self.took.append((topic, payload, retained))


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def simulator(broker: Broker) -> Simulator:
    gate = PlaceId("gate")
    behind = {"door", "climate"}
    sensors = [
        Sensor(
            SensorId(name),
            kind,
            kind.topic.replace("{sensor}", name),
            gate,
            gateway=SensorId("gateway") if name in behind else None,
        )
        for name, kind in TYPES.items()
    ]
    site = Site("x", "UTC", ["en"], "", [], [], sensors, [Place(gate, "gate B12", "point")], [], [], [], b"", "")
    return Simulator(site, broker.publish, lambda: Instant(1))


def understood(name: str, message: tuple[str, str, bool]) -> dict[Quantity, object]:
    """What the decoder of this type makes of the message."""
    topic, payload, _ = message
    suffix = topic.removeprefix(TYPES[name].topic.replace("{sensor}", name)).strip("/")
    samples = import_module(f"ingest.sensors.{TYPES[name].decoder}").decode(Payload(payload.encode(), suffix))
    return {sample.quantity: sample.value for sample in samples}


@pytest.mark.parametrize(
    ("name", "action", "quantity", "value"),
    [
        ("door", "open", Quantity.OPEN, True),
        ("door", "shut", Quantity.OPEN, False),
        ("badge", "granted", Quantity.BADGE, "0471"),
        ("badge", "refused", Quantity.BADGE_REFUSED, "9999"),
        ("aed", "take", Quantity.TAKEN, True),
        ("aed", "return", Quantity.TAKEN, False),
        ("gateway", "die", Quantity.ONLINE, False),
        ("gateway", "return", Quantity.ONLINE, True),
    ],
)
def test_the_decoder_understands_what_a_button_publishes(
    simulator: Simulator, broker: Broker, name: str, action: str, quantity: Quantity, value: object
) -> None:
    assert simulator.press(name, action)
    (message,) = broker.took
    assert understood(name, message)[quantity] == value
    assert simulator.published()[0].payload == message[1]


def test_warming_and_cooling_move_the_temperature(simulator: Simulator, broker: Broker) -> None:
    for action in ("warm", "warm", "cool"):
        simulator.press("climate", action)
    temperatures = [understood("climate", message)[Quantity.TEMPERATURE] for message in broker.took]
    expected = (24.5, 27.5, 24.5)
    assert [abs(float(str(one)) - other) <= 0.8 for one, other in zip(temperatures, expected, strict=True)] == [
        True
    ] * 3


def test_nothing_is_silent_after_the_start(simulator: Simulator, broker: Broker) -> None:
    simulator.begin()
    assert {topic.split("/")[1] for topic, _, _ in broker.took} == {"bridge", "door", "climate", "badge", "aed"}
    broker.took.clear()
    simulator.beat()
    beats = {topic.split("/")[1]: (topic, payload, kept) for topic, payload, kept in broker.took}
    assert [name for name in ("climate", "badge", "aed") if not understood(name, beats[name])] == []


def test_only_states_are_retained_as_real_devices_do(simulator: Simulator, broker: Broker) -> None:
    simulator.begin()
    retained = {topic for topic, _, kept in broker.took if kept}
    assert retained == {
        "zigbee2mqtt/bridge/state",
        "zigbee2mqtt/door/availability",
        "zigbee2mqtt/climate/availability",
        "aed/aed",
    }


def test_behind_a_dead_gateway_nobody_is_heard(simulator: Simulator, broker: Broker) -> None:
    simulator.press("gateway", "die")
    broker.took.clear()
    assert simulator.press("door", "open")
    simulator.beat()
    assert {topic.split("/")[0] for topic, _, _ in broker.took} == {"access", "aed"}


def test_a_type_that_is_not_simulated_stays_silent(simulator: Simulator) -> None:
    assert {device.id for device in simulator.devices()} == set(KINDS)
    assert not simulator.press("unknown", "open")
    assert not simulator.press("door", "explode")
    assert not simulator.press("../door", "open")


def test_what_the_broker_did_not_take_is_not_shown_as_gone_out(simulator: Simulator, broker: Broker) -> None:
    broker.is_away = True
    with pytest.raises(TemporaryFailure):
        simulator.press("door", "open")
    assert simulator.published() == []
