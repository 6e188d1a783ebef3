"""What the simulated cameras look at: doors, rooms and cabinets, as their sensors say over MQTT."""

import json
import threading
from collections.abc import Iterable

from msgspec import Struct


class Watched(Struct, frozen=True):
    """A sensor within sight."""

    topic: str
    kind: str  #: door, climate, aed


class View(Struct, frozen=True):
    """One camera."""

    name: str  #: as in demo:NAME
    title: str  #: what stands in the picture
    zone: str  #: IANA name, of its clock
    sensors: list[Watched]


class Sight(Struct, frozen=True):
    """What there is to see; None = no such thing is there."""

    door: bool | None = None  #: whether it is open
    temperature: float | None = None  #: °C
    aed: bool | None = None  #: whether it hangs in its cabinet
    cabinet: bool = False  #: whether that one's door is open


class World:
    """The state of all that can be seen; any thread may tell it what a sensor has said."""

    def __init__(self, views: Iterable[View]) -> None:
        self.views = {view.name: view for view in views}
        self._said: dict[str, dict[str, object]] = {}
        self._lock = threading.Lock()

    @property
    def topics(self) -> list[str]:
        return sorted({sensor.topic for view in self.views.values() for sensor in view.sensors})

    def hears(self, topic: str, payload: bytes) -> None:
        """What is no JSON object changes nothing."""
        try:
            said = json.loads(payload)
        except ValueError:
            return
        if isinstance(said, dict):
            with self._lock:
                self._said[topic] = self._said.get(topic, {}) | said

    def sight(self, view: View) -> Sight:
        """Until a sensor has spoken, its door is shut, its room at 21 °C, its AED in place."""
        found = Sight()
        with self._lock:
            said = dict(self._said)
        for sensor in view.sensors:
            fields = said.get(sensor.topic, {})
            match sensor.kind:
                case "door":
                    found = Sight(fields.get("contact") is False, found.temperature, found.aed, found.cabinet)
                case "climate":
                    value = fields.get("temperature")
                    shown = float(value) if isinstance(value, int | float) else 21.0
                    found = Sight(found.door, shown, found.aed, found.cabinet)
                case "aed":
                    is_taken = fields.get("taken") is True or fields.get("present") is False
                    found = Sight(found.door, found.temperature, not is_taken, fields.get("door") == "open")
        return found
