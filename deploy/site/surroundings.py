"""What the rules of a site may name, and where each sensor stands."""

from vorab.model import SensorId
from vorab.site import Place, Sensor


class Unread(set[str]):
    """The names of a file that could not be read: nothing is said against any name."""

    def __contains__(self, name: object) -> bool:
        return True


class Surroundings:
    """What rules may name."""

    def __init__(
        self,
        sensors: list[Sensor],
        places: list[Place],
        *,
        sensor_names: set[str],
        type_names: set[str],
        place_names: set[str],
        responses: set[str],
        people: set[str],
        languages: list[str],
    ) -> None:
        self.sensors = {sensor.id: sensor for sensor in sensors}
        self.places = {place.id: place for place in places}
        self.sensor_names, self.type_names, self.place_names = sensor_names, type_names, place_names
        self.responses, self.people = responses, people
        self.languages = languages

    @property
    def whole(self) -> bool:
        """Every sensor that the files speak of could be read: only then may a rule be told that it watches nothing."""
        return not isinstance(self.sensor_names, Unread) and self.sensor_names == set(self.sensors)

    def around(self, sensor: Sensor) -> list[Place]:
        """The places the sensor stands in, the outermost first."""
        place = self.places.get(sensor.place) if sensor.place else None
        return [self.places[each] for each in place.path if each in self.places] if place else []

    def readers(self, sensor: Sensor) -> list[SensorId]:
        place = self.places.get(sensor.place) if sensor.place else None
        return [each for each in place.readers if each in self.sensors and each != sensor.id] if place else []
