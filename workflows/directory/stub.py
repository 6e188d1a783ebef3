"""The CRM of a site that has none: people, places and ways as they stand in the site folder."""

import heapq
from collections import defaultdict
from collections.abc import Sequence

from vorab.model import PlaceId
from vorab.site import Person, Place, Response, Sensor, Site


class SiteDirectory:
    """`vorab.ports.Directory` over the values of a site.  Walking times are found once for each starting place."""

    def __init__(self, site: Site) -> None:
        self._people = {str(person.id): person for person in site.people}
        self._places = {str(place.id): place for place in site.places}
        self._sensors = {str(sensor.id): sensor for sensor in site.sensors}
        self._responses = {str(response.id): response for response in site.responses}
        self._ways: dict[PlaceId, list[tuple[int, PlaceId]]] = defaultdict(list)
        for way in site.ways:
            self._ways[way.start].append((way.seconds, way.end))
            self._ways[way.end].append((way.seconds, way.start))
        self._walks: dict[PlaceId, dict[PlaceId, int]] = {}
        self._known: dict[tuple[str, str], int | None] = {}

    def people(self) -> Sequence[Person]:
        return list(self._people.values())

    def person(self, person: str) -> Person | None:
        return self._people.get(person)

    def place(self, place: str) -> Place | None:
        return self._places.get(place)

    def place_of(self, sensor: str) -> Place | None:
        found = self._sensors.get(sensor)
        return self._places.get(found.place) if found and found.place else None

    def sensor(self, sensor: str) -> Sensor | None:
        return self._sensors.get(sensor)

    def response(self, response: str) -> Response | None:
        return self._responses.get(response)

    def customers(self, place: str) -> Sequence[Person]:
        found = self._places.get(place)
        around = found.path or [found.id] if found else []
        return [person for person in self._people.values() if any(one in around for one in person.customer_of)]

    def seconds(self, start: str, end: str) -> int | None:
        if (start, end) not in self._known:
            self._known[start, end] = self._found(start, end)
        return self._known[start, end]

    def _found(self, start: str, end: str) -> int | None:
        if start == end:
            return 0
        first, last = self._on_the_ways(start), self._on_the_ways(end)
        if first is None or last is None:
            return None
        if first not in self._walks:
            self._walks[first] = self._walk(first)
        return self._walks[first].get(last)

    def _on_the_ways(self, place: str) -> PlaceId | None:
        """The place itself, or the nearest one around it, that a way leads to."""
        found = self._places.get(place)
        path = (found.path or [found.id]) if found else []
        return next((around for around in reversed(path) if around in self._ways), None)

    def _walk(self, start: PlaceId) -> dict[PlaceId, int]:
        """Seconds on foot from there to wherever the ways lead (Dijkstra)."""
        reached: dict[PlaceId, int] = {}
        ahead = [(0, start)]
        while ahead:
            seconds, place = heapq.heappop(ahead)
            if place in reached:
                continue
            reached[place] = seconds
            for further, neighbour in self._ways.get(place, ()):
                heapq.heappush(ahead, (seconds + further, neighbour))
        return reached
