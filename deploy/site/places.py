"""places.yaml as places that know the way up to their site, and the walking times between them."""

from pathlib import Path

from deploy.site.document import Document
from deploy.site.faults import unknown
from deploy.site.files import Place as Entry
from deploy.site.files import PlacesFile
from deploy.site.scenery import Around, Size, size
from vorab.model import SECOND, PlaceId, SensorId
from vorab.site import Place, Way


def places(
    document: Document,
    file: PlacesFile,
    names: set[str],
    *,
    sensors: set[str],
    languages: list[str],
    folder: Path,
    demo: bool,
) -> list[Place]:
    """The places in the order of the file.  Faults: an unknown place or reader, a place within itself, a plan, camera
    or loudspeaker that cannot be used.
    """
    for name, entry in file.places.items():
        for index, reader in enumerate(entry.readers):
            if reader not in sensors:
                document.fault(("places", name, "readers", index), unknown("sensor", reader, sensors))
        for language in entry.spoken:
            if languages and language not in languages:
                document.fault(("places", name, "spoken", language), unknown("language", language, languages), key=True)
    paths = {name: _path(document, file.places, name, names) for name in file.places}
    _check_plans(document, file.places, paths, folder)
    around = Around(folder, document, demo)
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
            entry.plan,
            (entry.at[0], entry.at[1]) if entry.at else None,
            around.camera(("places", name, "camera"), entry.camera) if entry.camera else None,
            around.intercom(("places", name, "intercom"), entry.intercom) if entry.intercom else None,
        )
        for name, entry in file.places.items()
    ]


def _check_plans(document: Document, entries: dict[str, Entry], paths: dict[str, list[str]], folder: Path) -> None:
    """Every plan can be drawn, and every `at` lies on one."""
    sizes: dict[str, Size | None] = {}
    for name, entry in entries.items():
        if entry.plan:
            try:
                sizes[name] = size(folder, entry.plan)
            except ValueError as error:
                sizes[name] = None
                document.fault(("places", name, "plan"), str(error))
    for name, entry in entries.items():
        floor = next((each for each in reversed(paths[name]) if each in sizes), None)
        if entry.at is None:
            continue
        if floor is None:
            document.fault(("places", name, "at"), f"there is no plan around {name}: give its floor a `plan`")
            continue
        (x, y), on = entry.at, sizes[floor]
        if on and not (0 <= x <= on[0] and 0 <= y <= on[1]):
            message = f"[{x:g}, {y:g}] is not on the plan of {floor}, which is {on[0]:g} wide and {on[1]:g} high"
            document.fault(("places", name, "at"), message)


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
