"""The simulated devices of a demo site: over MQTT they publish what the real ones publish, and nothing else knows them.

Doors and climate sensors speak as Zigbee2MQTT does (docs: mqtt_topics_and_messages, availability), badge readers and
defibrillator cabinets as their decoders in `ingest/sensors/` expect.  A type that is not simulated stays silent.
"""

import contextlib
import json
import os
import random
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

from msgspec import Struct
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from console.ports import Action, Device, Published, Story
from vorab.errors import TemporaryFailure
from vorab.model import SECOND, Instant, Span
from vorab.site import Sensor, Site

BEAT_S = 10.0  #: climate values and signs of life
REMEMBERED = 40  #: messages shown as just gone out
TAKEN_WITHIN_S = 3.0
COMFORTABLE, WARM, HOT = 21.5, 25.5, 31.5  #: °C; shown as alarming above the second; a story warms a room to the third
PASSES = Span(8 * SECOND)  #: how long a door is open when somebody slips through
BADGE, UNKNOWN_BADGE = "0471", "9999"

#: Whom the stories of the example site happen to; in another demo, to the first device of that type.
PLAYED_BY = {"door": ("gate-b12-door", "gate-c1-door"), "climate": ("cafe-c2-climate",), "aed": ("aed-b-cabinet",)}

#: As they happen in the example site; the console has these sentences in every language.
STORIES = [
    Story(
        "open",
        "A door stands open",
        "A badge opens gate B12, and nobody shuts it. After 30 s the nearest guard is asked; a minute later his"
        " telephone rings.",
    ),
    Story(
        "unbadged",
        "A door opens without a badge",
        "Somebody slips through gate C1. Security is asked at once, and it counts until somebody has looked.",
    ),
    Story(
        "warm",
        "A room warms",
        "Café C2 has 31 °C. After a minute maintenance is asked; when somebody goes, the café's manager is told.",
    ),
    Story(
        "taken",
        "The AED is taken",
        "Rescue and security hear of it in the same second, on every channel; the cabinet says what to do.",
    ),
    Story(
        "dies",
        "A sensor dies",
        "The AED's cabinet falls silent. After a minute first aid is asked to look: silence is no all-clear.",
    ),
    Story(
        "right",
        "Set everything right again",
        "Doors are shut, rooms are cool, the AED is back, every sensor speaks. What a person must close stays open.",
    ),
]


@dataclass
class Thing:
    """One device and what it would measure now."""

    sensor: Sensor
    place: str
    is_on: bool = False  #: open, taken; of a gateway: dead
    is_dead: bool = False  #: it says nothing any more
    temperature: float = COMFORTABLE  #: °C
    drift: float = field(default_factory=lambda: random.uniform(-0.6, 0.6))  # noqa: S311 - weather, not a secret
    shuts_at: Instant | None = None  #: by itself


class Message(Struct, frozen=True):
    topic: str
    payload: dict[str, object]
    retained: bool = False


class Kind(ABC):
    """What devices of one type say, and which buttons they have."""

    actions: ClassVar[dict[str, str]]  #: name → label

    @abstractmethod
    def press(self, thing: Thing, action: str) -> list[Message]:
        """Something happens to the device; what it publishes of it."""

    def begins(self, thing: Thing) -> list[Message]:
        """What it publishes when it, or its bridge, has connected."""
        return self.beats(thing)

    def beats(self, thing: Thing) -> list[Message]:
        """What it publishes from time to time by itself."""
        return []

    @abstractmethod
    def shown(self, thing: Thing) -> tuple[str, bool]:
        """Its state in words, and whether that is alarming."""

    def is_well(self, thing: Thing) -> bool:
        return not thing.is_on and not thing.is_dead

    def heals(self, thing: Thing) -> list[Message]:
        """Everything about it is right again; what it publishes of it."""
        thing.is_on = thing.is_dead = False
        return self.begins(thing)


class Door(Kind):
    """A contact behind Zigbee2MQTT: speaks on change."""

    actions: ClassVar = {"open": "Opens", "shut": "Shuts"}

    def press(self, thing: Thing, action: str) -> list[Message]:
        thing.is_on, thing.shuts_at = action == "open", None
        return [self._state(thing)]

    def begins(self, thing: Thing) -> list[Message]:
        return [_available(thing), self._state(thing)]

    def shown(self, thing: Thing) -> tuple[str, bool]:
        return ("open", True) if thing.is_on else ("shut", False)

    def heals(self, thing: Thing) -> list[Message]:
        return self.press(thing, "shut")

    def _state(self, thing: Thing) -> Message:
        fields = {"battery": 97, "battery_low": False, "contact": not thing.is_on, **_seen(), "tamper": False}
        return Message(thing.sensor.topic, fields | {"voltage": 3005})


class Climate(Kind):
    """Temperature and humidity behind Zigbee2MQTT."""

    actions: ClassVar = {"warm": "Warms 3 °C", "cool": "Cools 3 °C"}

    def press(self, thing: Thing, action: str) -> list[Message]:
        thing.temperature += 3 if action == "warm" else -3
        return self.beats(thing)

    def begins(self, thing: Thing) -> list[Message]:
        return [_available(thing), *self.beats(thing)]

    def beats(self, thing: Thing) -> list[Message]:
        thing.drift = min(0.8, max(-0.8, thing.drift + random.uniform(-0.15, 0.15)))  # noqa: S311 - weather
        fields: dict[str, object] = {"battery": 88, "humidity": round(44 - 5 * thing.drift, 2), **_seen()}
        return [Message(thing.sensor.topic, fields | {"temperature": round(thing.temperature + thing.drift, 2)})]

    def shown(self, thing: Thing) -> tuple[str, bool]:
        return f"{thing.temperature + thing.drift:.1f} °C", thing.temperature > WARM

    def is_well(self, thing: Thing) -> bool:
        return thing.temperature == COMFORTABLE

    def heals(self, thing: Thing) -> list[Message]:
        thing.temperature = COMFORTABLE
        return self.beats(thing)


class Gateway(Kind):
    """Zigbee2MQTT itself.  When it dies the broker publishes its will, and its devices are heard no more."""

    actions: ClassVar = {"die": "Dies", "return": "Comes back"}

    def press(self, thing: Thing, action: str) -> list[Message]:
        thing.is_on = action == "die"
        return self.begins(thing)

    def begins(self, thing: Thing) -> list[Message]:
        return [Message(thing.sensor.topic, {"state": "offline" if thing.is_on else "online"}, retained=True)]

    def shown(self, thing: Thing) -> tuple[str, bool]:
        return ("dead: its sensors are not heard", True) if thing.is_on else ("online", False)


class BadgeReader(Kind):
    actions: ClassVar = {"granted": "Badge granted", "refused": "Badge refused"}

    def press(self, thing: Thing, action: str) -> list[Message]:
        is_granted = action == "granted"
        fields = {"badge": BADGE if is_granted else UNKNOWN_BADGE, "granted": is_granted, "time": _now_text()}
        return [Message(thing.sensor.topic, fields)]

    def beats(self, thing: Thing) -> list[Message]:
        return [Message(thing.sensor.topic, {"online": True, "time": _now_text()})]

    def shown(self, thing: Thing) -> tuple[str, bool]:
        return "ready", False


class Cabinet(Kind):
    """Of a defibrillator."""

    actions: ClassVar = {
        "take": "AED is taken",
        "return": "AED is put back",
        "die": "Falls silent",
        "speak": "Speaks again",
    }

    def press(self, thing: Thing, action: str) -> list[Message]:
        if action in ("take", "return"):
            thing.is_on = action == "take"
        thing.is_dead = action == "die"
        return self.beats(thing)

    def beats(self, thing: Thing) -> list[Message]:
        fields: dict[str, object] = {
            "present": not thing.is_on,
            "door": "open" if thing.is_on else "shut",
            "battery": 97,
        }
        return [
            Message(thing.sensor.topic, fields | {"battery_low": False, "tamper": False, "time": _now_text()}, True)
        ]

    def shown(self, thing: Thing) -> tuple[str, bool]:
        if thing.is_dead:
            return "silent: nothing is heard of it", True
        return ("taken", True) if thing.is_on else ("in its station", False)


#: By the operator's word for the type, as in the example site.
KINDS: dict[str, Kind] = {
    "gateway": Gateway(),
    "door": Door(),
    "badge": BadgeReader(),
    "climate": Climate(),
    "aed": Cabinet(),
}

_OF_CABINETS = {"taken": "take", "dies": "die"}


class Simulator:
    """Implements console.ports.Devices.  `publish(topic, payload, retained)` may raise TemporaryFailure."""

    def __init__(self, site: Site, publish: Callable[[str, str, bool], None], now: Callable[[], Instant]) -> None:
        names = {place.id: place.name for place in site.places}
        self._things = {
            str(sensor.id): Thing(sensor, names[sensor.place] if sensor.place else "")
            for sensor in site.sensors
            if sensor.type.name in KINDS
        }
        self._readers = {place.id: [str(reader) for reader in place.readers] for place in site.places}
        self._publish = publish
        self._now = now
        self._published: deque[Published] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()
        self._played: dict[str, Callable[[], None]] = {"right": self._heals}
        door, other, room, cabinet = (self._cast(kind, name) for kind, names in PLAYED_BY.items() for name in names)
        if door and other:
            self._played |= {"open": partial(self._stands_open, door), "unbadged": partial(self._is_passed, other)}
        if room:
            self._played["warm"] = partial(self._warms, room)
        if cabinet:
            self._played |= {story: partial(self._happens, cabinet, act) for story, act in _OF_CABINETS.items()}

    def _cast(self, kind: str, name: str) -> Thing | None:
        others = (thing for thing in self._things.values() if thing.sensor.type.name == kind)
        return self._things.get(name) or next(others, None)

    # --- what can be seen ---------------------------------------------------------------------------------------------

    def devices(self) -> list[Device]:
        return [_device(thing) for thing in self._things.values()]

    def stories(self) -> list[Story]:
        return [story for story in STORIES if story.id in self._played]

    def published(self) -> list[Published]:
        return list(reversed(self._published))

    # --- what happens -------------------------------------------------------------------------------------------------

    def press(self, device: str, action: str) -> bool:
        thing = self._things.get(device)
        if thing is None or action not in _kind(thing).actions:
            return False
        with self._lock:
            self._happens(thing, action)
        return True

    def play(self, story: str) -> bool:
        if story not in self._played:
            return False
        with self._lock:
            self._played[story]()
        return True

    def _happens(self, thing: Thing, action: str) -> None:
        self._shows(thing, _kind(thing).press(thing, action))

    def _shows(self, thing: Thing, messages: list[Message]) -> None:
        for message in self._send(thing, messages):
            self._published.append(Published(self._now(), message.topic, _text(message), message.retained))

    def _stands_open(self, door: Thing) -> None:
        for reader in self._readers.get(door.sensor.place, []) if door.sensor.place else []:
            if reader in self._things:
                self._happens(self._things[reader], "granted")
        self._happens(door, "open")

    def _is_passed(self, door: Thing) -> None:
        """It opens, also if it stood open, and shuts again."""
        if door.is_on:
            self._happens(door, "shut")
        self._happens(door, "open")
        door.shuts_at = Instant(self._now() + PASSES)

    def _warms(self, room: Thing) -> None:
        room.temperature = HOT
        self._shows(room, _kind(room).beats(room))

    def _heals(self) -> None:
        """Gateways first, so that those behind them are heard."""
        for thing in sorted(self._things.values(), key=lambda thing: thing.sensor.gateway is not None):
            if not _kind(thing).is_well(thing):
                self._shows(thing, _kind(thing).heals(thing))

    # --- their own life -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Bridge and devices have connected: their availability and their states."""
        with self._lock:
            for thing in self._things.values():
                self._send(thing, _kind(thing).begins(thing))

    def beat(self) -> None:
        """Climate values and signs of life; a door falls shut behind who slipped through."""
        with self._lock:
            for thing in self._things.values():
                if thing.shuts_at is not None and thing.shuts_at <= self._now():
                    self._happens(thing, "shut")
                self._send(thing, _kind(thing).beats(thing))

    def _send(self, thing: Thing, messages: list[Message]) -> list[Message]:
        """What went out: nothing when it, or its gateway, is dead, as with real devices."""
        gateway = self._things.get(str(thing.sensor.gateway))
        if thing.is_dead or (gateway is not None and gateway.is_on):
            return []
        for message in messages:
            self._publish(message.topic, _text(message), message.retained)
        return messages


def _device(thing: Thing) -> Device:
    kind = _kind(thing)
    state, is_alarming = kind.shown(thing)
    actions = [Action(name, label) for name, label in kind.actions.items()]
    return Device(thing.sensor.id, thing.sensor.type.name, thing.place, state, is_alarming, actions)


def _kind(thing: Thing) -> Kind:
    return KINDS[thing.sensor.type.name]


def _text(message: Message) -> str:
    return json.dumps(message.payload, separators=(",", ":"))


def _seen() -> dict[str, object]:
    return {"last_seen": _now_text(), "linkquality": random.randrange(90, 160)}  # noqa: S311 - radio, not a secret


def _available(thing: Thing) -> Message:
    return Message(f"{thing.sensor.topic}/availability", {"state": "online"}, retained=True)


def _now_text() -> str:
    """Zigbee2MQTT's `last_seen: ISO_8601`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- over MQTT --------------------------------------------------------------------------------------------------------


class Publisher:
    """QoS 1 to one broker, from a thread of paho's; connects again by itself."""

    def __init__(self, host: str, port: int) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"simulator-{os.getpid()}")
        self._client.connect_async(host, port)
        self._client.loop_start()

    def publish(self, topic: str, payload: str, retained: bool) -> None:
        """It is with the broker.  Raises TemporaryFailure when that does not take it within 3 s."""
        sent = self._client.publish(topic, payload, qos=1, retain=retained)
        try:
            sent.wait_for_publish(TAKEN_WITHIN_S)
        except (RuntimeError, ValueError) as error:
            raise TemporaryFailure(f"the broker does not take messages: {error}") from None
        if not sent.is_published():
            raise TemporaryFailure("the broker does not take messages")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def live(simulator: Simulator, stopped: threading.Event) -> None:
    """The devices' own life, until `stopped`: they connect, and speak every 10 s."""
    act = simulator.begin
    while True:
        with contextlib.suppress(TemporaryFailure):  # no broker yet, or not now: real devices try again, too
            act()
            act = simulator.beat
        if stopped.wait(BEAT_S):
            return
