"""The simulated devices say what the decoders of real ones understand."""

from importlib import import_module

import pytest

from console.sentences import PHRASES
from deploy.simulator import BADGE, HOT, KINDS, PASSES, Simulator
from vorab.errors import TemporaryFailure
from vorab.model import SECOND, Instant, PlaceId, Quantity, SensorId
from vorab.payload import Payload
from vorab.site import Place, Sensor, SensorType, Site
from vorab.words import LANGUAGES, phrase

TYPES = {
    "gateway": SensorType("gateway", "zigbee2mqtt", "zigbee2mqtt/bridge/state"),
    "door": SensorType("door", "zigbee2mqtt", "zigbee2mqtt/{sensor}"),
    "climate": SensorType("climate", "zigbee2mqtt", "zigbee2mqtt/{sensor}"),
    "badge": SensorType("badge", "badge", "access/{sensor}"),
    "aed": SensorType("aed", "aed", "aed/{sensor}"),
    "unknown": SensorType("unknown", "json", "x/{sensor}"),
}


class Broker:
    def __init__(self) -> None:
        self.took: list[tuple[str, str, bool]] = []
        self.is_away = False
        self.at = Instant(1)

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
    place = Place(gate, "gate B12", "point", readers=[SensorId("badge")])
    site = Site("x", "UTC", ["en"], "", [], [], sensors, [place], [], [], [], b"", "")
    return Simulator(site, broker.publish, lambda: broker.at)


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
        ("aed", "take", Quantity.OPEN, True),
        ("aed", "return", Quantity.TAKEN, False),
        ("aed", "return", Quantity.OPEN, False),
        ("aed", "speak", Quantity.TAMPER, False),
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


# --- stories ----------------------------------------------------------------------------------------------------------


def test_a_door_stands_open_after_a_badge_was_granted(simulator: Simulator, broker: Broker) -> None:
    assert simulator.play("open")
    (badge, door) = broker.took
    assert understood("badge", badge)[Quantity.BADGE] == BADGE
    assert understood("door", door)[Quantity.OPEN] is True
    broker.at = Instant(1 + 60 * SECOND)
    broker.took.clear()
    simulator.beat()
    assert "zigbee2mqtt/door" not in [topic for topic, _, _ in broker.took]


def test_who_has_no_badge_slips_through_and_the_door_shuts_behind_him(simulator: Simulator, broker: Broker) -> None:
    simulator.play("unbadged")
    assert [understood("door", message)[Quantity.OPEN] for message in broker.took] == [True]
    assert [topic for topic, _, _ in broker.took] == ["zigbee2mqtt/door"]
    broker.took.clear()
    broker.at = Instant(1 + PASSES)
    simulator.beat()
    doors = [message for message in broker.took if message[0] == "zigbee2mqtt/door"]
    assert [understood("door", message)[Quantity.OPEN] for message in doors] == [False]


def test_a_door_that_stood_open_opens_again_without_a_badge(simulator: Simulator, broker: Broker) -> None:
    simulator.press("door", "open")
    broker.took.clear()
    simulator.play("unbadged")
    assert [understood("door", message)[Quantity.OPEN] for message in broker.took] == [False, True]


def test_a_room_is_hot_whatever_the_weather(simulator: Simulator, broker: Broker) -> None:
    simulator.play("warm")
    (message,) = broker.took
    assert understood("climate", message)[Quantity.TEMPERATURE] == pytest.approx(HOT, abs=0.8)


def test_the_aed_is_taken_also_from_a_cabinet_that_was_silent(simulator: Simulator, broker: Broker) -> None:
    simulator.play("dies")
    simulator.beat()
    assert [topic for topic, _, _ in broker.took if topic.startswith("aed/")] == []
    simulator.play("taken")
    (message,) = [message for message in broker.took if message[0] == "aed/aed"]
    assert understood("aed", message)[Quantity.TAKEN] is True


def test_everything_is_right_again(simulator: Simulator, broker: Broker) -> None:
    for story in ("open", "warm", "taken", "dies"):
        simulator.play(story)
    simulator.press("gateway", "die")
    broker.took.clear()
    simulator.play("right")
    assert not [device.id for device in simulator.devices() if device.alarming]
    assert {topic for topic, _, _ in broker.took} == {
        "zigbee2mqtt/bridge/state",
        "zigbee2mqtt/door",
        "zigbee2mqtt/climate",
        "aed/aed",
    }
    assert broker.took[0][0] == "zigbee2mqtt/bridge/state"  # else those behind it were not heard
    broker.took.clear()
    simulator.play("right")
    assert broker.took == []  # nothing was wrong


def test_a_site_without_such_devices_has_fewer_stories(broker: Broker) -> None:
    empty = Simulator(
        Site("x", "UTC", ["en"], "", [], [], [], [], [], [], [], b"", ""), broker.publish, lambda: broker.at
    )
    assert [story.id for story in empty.stories()] == ["right"]
    assert not empty.play("taken")


def test_stories_that_the_broker_did_not_take_can_be_played_again(simulator: Simulator, broker: Broker) -> None:
    broker.is_away = True
    with pytest.raises(TemporaryFailure):
        simulator.play("taken")
    broker.is_away = False
    assert simulator.play("taken")
    assert len(broker.took) == 1


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_everything_shown_is_said_in_every_language(simulator: Simulator, language: str) -> None:
    shown = [text for story in simulator.stories() for text in (story.label, story.line)]
    for device in simulator.devices():
        for action in device.actions:
            simulator.press(device.id, action.id)
            now = next(each for each in simulator.devices() if each.id == device.id)
            shown += [action.label, *([] if now.kind == "climate" else [now.state])]
    assert [text for text in shown if phrase(text, language, PHRASES) == text] == []
