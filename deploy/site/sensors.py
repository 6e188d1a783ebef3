"""sensors.yaml as sensors: those that are listed compactly are written out, and every one has its topic."""

import re
from collections.abc import Iterator

from deploy.site.document import Document, Path_
from deploy.site.faults import unknown
from deploy.site.files import ID, SensorsFile
from deploy.site.files import Sensor as Entry
from deploy.site.files import SensorType as TypeEntry
from deploy.site.measures import between
from ingest import sensors as decoders
from vorab.errors import ConfigurationError
from vorab.model import PlaceId, Quantity, SensorId, Span
from vorab.site import Sensor, SensorType

_GROUP = re.compile(r"\{([^{}]*)\}")
_SPAN = re.compile(r"(\d{1,6})\.\.(\d{1,6})")
MAX_ALIKE = 20_000  #: sensors that one line may stand for


def types(document: Document, file: SensorsFile) -> dict[str, SensorType]:
    known = decoders.names()
    return {name: _type(document, name, entry, known) for name, entry in file.types.items()}


def _type(document: Document, name: str, entry: TypeEntry, known: list[str]) -> SensorType:
    path: Path_ = ("types", name)
    if entry.decoder not in known:
        document.fault((*path, "decoder"), unknown("decoder", entry.decoder, known))
    else:
        try:
            decoders.find(entry.decoder, entry.options)
        except ConfigurationError as error:
            document.fault((*path, "options"), str(error))
    ranges: dict[Quantity, tuple[float, float]] = {}
    for quantity, text in entry.ranges.items():
        try:
            ranges[quantity] = between(text, quantity)
        except ValueError as error:
            document.fault((*path, "ranges", quantity.value), str(error))
    every = None if entry.every is None else Span(entry.every)
    return SensorType(name, entry.decoder, entry.topic, every, entry.life_safety, ranges, entry.options)


def written_out(name: str) -> list[tuple[str, str]]:
    """`gate-{b1,b2}-door` → [("gate-b1-door", "b1"), ("gate-b2-door", "b2")]: each name, and what {} stands for.

    Raises ValueError.
    """
    groups = _GROUP.findall(name)
    if not groups:
        return [(name, "")]
    if len(groups) > 1:
        raise ValueError(f"{name!r}: only one {{…}} in a name")
    parts = list(_parts(groups[0]))
    if "" in parts:
        raise ValueError(f"{name!r}: nothing between two commas; write {{b1,b2}} or {{1..20}}")
    return [(_GROUP.sub(part, name), part) for part in parts]


def _parts(group: str) -> Iterator[str]:
    for part in (each.strip() for each in group.split(",")):
        found = _SPAN.fullmatch(part)
        if found is None:
            yield part
            continue
        first, last = int(found[1]), int(found[2])
        if not first <= last < first + MAX_ALIKE:
            raise ValueError(f"{{{part}}}: from small to large, {MAX_ALIKE:,} at the most")
        width = len(found[1]) if found[1].startswith("0") else 0
        yield from (str(number).zfill(width) for number in range(first, last + 1))


def names(document: Document) -> set[str]:
    """Every sensor that the file speaks of, also where the rest of its line is wrong."""
    found = set()
    for name in _raw_entries(document):
        try:
            found |= {each for each, _ in written_out(name)}
        except ValueError:
            continue
    return found


def _raw_entries(document: Document) -> dict[str, object]:
    entries = document.data.get("sensors") if isinstance(document.data, dict) else None
    return entries if isinstance(entries, dict) else {}


def sensors(
    document: Document, file: SensorsFile, kinds: dict[str, SensorType], places: set[str], ingests: set[str]
) -> list[Sensor]:
    """The sensors in the order of the file.  Faults: unknown words, a name or a topic that two of them have."""
    every, type_names = names(document), _type_names(document)
    found: dict[str, Sensor] = {}
    topics: dict[tuple[str, str], str] = {}
    for key, entry in file.sensors.items():
        path: Path_ = ("sensors", key)
        kind = kinds.get(entry.type)
        if entry.type not in type_names:
            document.fault((*path, "type"), unknown("type", entry.type, type_names))
        if entry.ingest not in ingests:
            document.fault((*path, "ingest"), unknown("ingest", entry.ingest, ingests))
        try:
            like = written_out(key)
        except ValueError as error:
            document.fault(path, str(error), key=True)
            continue
        faults = len(document.faults)
        for name, part in like:
            if len(document.faults) > faults:
                break  # what is wrong with one of a compact line is wrong with all of them
            sensor = _sensor(document, path, entry, kind, name, part, places, every)
            if name in found:
                document.fault(path, f"{name!r} stands here twice: remove one", key=True)
            elif sensor:
                _claim_topic(document, path, sensor, topics)
                found[name] = sensor
    return list(found.values())


def _type_names(document: Document) -> set[str]:
    kinds = document.data.get("types")
    return set(kinds) if isinstance(kinds, dict) else set()


def _sensor(
    document: Document,
    path: Path_,
    entry: Entry,
    kind: SensorType | None,
    name: str,
    part: str,
    places: set[str],
    every: set[str],
) -> Sensor | None:
    if not re.fullmatch(ID, name):
        document.fault(path, f"{name!r} is not a name: letters, digits, - _ . and no blanks", key=True)
        return None
    place, gateway = (text.replace("{}", part) if text else None for text in (entry.place, entry.gateway))
    if place is not None and place not in places:
        document.fault((*path, "place"), unknown("place", place, places))
    if gateway is not None and gateway not in every:
        document.fault((*path, "gateway"), unknown("sensor", gateway, every))
    if gateway == name:
        document.fault((*path, "gateway"), f"{name} cannot be its own gateway: remove it")
    if kind is None:
        return None
    filled = {"{sensor}": name, "{place}": place or "", "{gateway}": gateway or "", "{}": part}
    topic = re.sub(r"\{\w*\}", lambda found: filled.get(found[0], found[0]), entry.topic or kind.topic)
    where: Path_ = (*path, "topic") if entry.topic else ("types", entry.type, "topic")
    if wrong := _wrong_topic(topic):
        document.fault(where, wrong)
    return Sensor(
        SensorId(name),
        kind,
        topic,
        PlaceId(place) if place else None,
        SensorId(gateway) if gateway else None,
        entry.ingest,
        entry.asset.replace("{}", part),
        entry.tags,
    )


def _wrong_topic(topic: str) -> str | None:
    if found := _GROUP.search(topic):
        return f"{found[0]} in a topic; there is {{sensor}}, {{place}} and {{gateway}}"
    if any(each in topic for each in "+#\0"):
        return "no + or # in a topic: a sensor speaks on one topic, and below it"
    if topic.split("/")[0] == "vorab":
        return f"{topic!r}: what stands under vorab/ is our own and is not heard as a sensor; choose another topic"
    if not topic.strip("/") or "//" in topic:
        return f"{topic!r}: a level of the topic is empty"
    return None


def _claim_topic(document: Document, path: Path_, sensor: Sensor, topics: dict[tuple[str, str], str]) -> None:
    other = topics.setdefault((sensor.ingest, sensor.topic), sensor.id)
    if other != sensor.id:
        message = f"{sensor.id} and {other} have the same topic {sensor.topic!r}: give one of them another"
        document.fault(path, message, key=True)
