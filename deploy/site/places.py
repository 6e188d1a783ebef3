"""places.yaml as places that know the way up to their site, and the walking times between them."""

from deploy.site.document import Document
from deploy.site.faults import unknown
from deploy.site.files import Place as Entry
from deploy.site.files import PlacesFile
from vorab.model import SECOND, PlaceId, SensorId
from vorab.site import Place, Way


def places(document: Document, file: PlacesFile, names: set[str], sensors: set[str]) -> list[Place]:
    """The places in the order of the file.  Faults: an unknown place or reader, a place within itself."""
    for name, entry in file.places.items():
        for index, reader in enumerate(entry.readers):
            if reader not in sensors:
                document.fault(("places", name, "readers", index), unknown("sensor", reader, sensors))
    paths = {name: _path(document, file.places, name, names) for name in file.places}
    return [
        Place(
            PlaceId(name),
            entry.name or name,
            entry.kind,
            PlaceId(entry.within) if entry.within else None,
            [PlaceId(each) for each in paths[name]],
            _access(file.places, paths[name]),
            entry.spoken,
            [SensorId(each) for each in entry.readers],
            (entry.coordinates[0], entry.coordinates[1]) if entry.coordinates else None,
        )
        for name, entry in file.places.items()
    ]


def ways(document: Document, file: PlacesFile, names: set[str]) -> list[Way]:
    """The ways between places that exist; whole seconds, at least one."""
    for index, way in enumerate(file.ways):
        for field, place in (("from", way.start), ("to", way.end)):
            if place not in names:
                document.fault(("ways", index, field), unknown("place", place, names))
        if way.start == way.end:
            document.fault(("ways", index), f"a way from {way.start} to itself: remove it")
    return [Way(PlaceId(way.start), PlaceId(way.end), max(1, round(way.on_foot / SECOND))) for way in file.ways]


def _path(document: Document, entries: dict[str, Entry], name: str, names: set[str]) -> list[str]:
    """From the site down to the place itself."""
    path = [name]
    while (around := entries[path[0]].within if path[0] in entries else None) is not None:
        if around in path:
            document.fault(("places", name, "in"), f"{name} lies within itself: {' in '.join([*path[::-1], around])}")
            break
        if around not in names:
            if path[0] == name:
                document.fault(("places", name, "in"), unknown("place", around, names - {name}))
            break
        path.insert(0, around)
    return path


def _access(entries: dict[str, Entry], path: list[str]) -> str:
    """The permission of the place itself, else of the nearest place around it that asks for one."""
    return next((entries[each].access for each in reversed(path) if each in entries and entries[each].access), "")
