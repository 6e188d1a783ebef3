"""The site folder as a `Site`, or everything that is wrong with it.  Reading changes and starts nothing."""

import contextlib
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec.structs import replace
from pydantic import BaseModel, SecretStr

from deploy.site import people as people_of
from deploy.site import places as places_of
from deploy.site import sensors as sensors_of
from deploy.site.document import Document, Path_, read
from deploy.site.faults import Fault, Faults
from deploy.site.files import Channel, Id, PlacesFile, SensorsFile, SiteFile
from deploy.site.files import Person as PersonEntry
from deploy.site.files import Response as ResponseEntry
from deploy.site.measures import span
from deploy.site.ruleset import ruleset
from deploy.site.secret import REFERENCE, secret
from deploy.site.surroundings import Surroundings, Unread
from deploy.site.validate import part, validated
from notifiers import channels
from notifiers.text import check as check_texts
from rules.ruleset import hash_of, pack
from vorab.errors import ConfigurationError
from vorab.model import Span
from vorab.site import Broker, ChannelSettings, KafkaLog, Limits, Site

_TEMPLATE_BYTES = 20_000


def load(folder: Path) -> Site:
    """The site.  Raises Faults, a ConfigurationError, with everything that is wrong."""
    site, faults = _assemble(folder)
    errors = [fault for fault in faults if not fault.warning]
    if site is None or errors:
        raise Faults(errors)
    return site


def check(folder: Path) -> list[Fault]:
    """Everything that is wrong or doubtful, in the order of the files."""
    return _assemble(folder)[1]


def _assemble(folder: Path) -> tuple[Site | None, list[Fault]]:
    if not folder.is_dir():
        return None, [Fault("site.yaml", 1, 1, f"{folder} is not a folder; a site is a folder with site.yaml in it")]
    files = _Files(folder)
    site = _site(folder, files)
    return site, [fault for document in files.all for fault in sorted(document.faults)]


class _Files:
    """The documents of the folder, and the names that each brings into the world."""

    def __init__(self, folder: Path) -> None:
        self.site = read(folder, "site.yaml")
        self.places = read(folder, "places.yaml")
        self.sensors = read(folder, "sensors.yaml")
        self.responses = read(folder, "responses.yaml")
        self.people = read(folder, "people.yaml")
        self.rules = [read(folder, f"rules/{file.name}") for file in sorted(folder.glob("rules/*.yaml"))]
        if not self.rules:
            self.rules = [Document("rules")]
            self.rules[0].fault((), "no rules: write one into rules/, in a file that ends in .yaml")
        texts = sorted(folder.glob("templates/*/*/*.txt"))
        self.templates = [Document(file.relative_to(folder).as_posix()) for file in texts]

    @property
    def all(self) -> list[Document]:
        named = [self.site, self.places, self.sensors, self.responses, self.people]
        return [*named[:3], *self.rules, *named[3:], *self.templates]


def _site(folder: Path, files: _Files) -> Site | None:
    file: SiteFile | None = validated(files.site, SiteFile, 2)
    demo = file is None or file.demo
    languages = file.languages if file else []
    channel_names, ingests = _names(files.site, "channels"), _ingests(files.site)
    place_names, sensor_names = _names(files.places, "places"), _sensor_names(files.sensors)
    people_names, response_names = _names(files.people), _names(files.responses)

    place_file: PlacesFile | None = validated(files.places, PlacesFile, 2)
    places = (
        places_of.places(
            files.places,
            place_file,
            place_names,
            sensors=sensor_names,
            languages=languages,
            folder=folder,
            demo=demo,
        )
        if place_file
        else []
    )
    ways = places_of.ways(files.places, place_file, place_names) if place_file else []

    sensor_file: SensorsFile | None = validated(files.sensors, SensorsFile, 2)
    kinds = sensors_of.types(files.sensors, sensor_file) if sensor_file else {}
    sensors = sensors_of.sensors(files.sensors, sensor_file, kinds, place_names, ingests) if sensor_file else []

    entries: dict[str, PersonEntry] = validated(files.people, dict[Id, PersonEntry], 1) or {}
    settings = [_channel(folder, files.site, name, each, demo) for name, each in file.channels.items()] if file else []
    people = people_of.people(
        files.people,
        entries,
        places=place_names,
        channels=channel_names,
        accepts=_accepts(settings, demo),
        languages=languages,
        demo=demo,
    )
    answers: dict[str, ResponseEntry] = validated(files.responses, dict[Id, ResponseEntry], 1) or {}
    responses = people_of.responses(
        files.responses,
        answers,
        channels=channel_names,
        roles=_roles(files.people),
        customers=bool(files.people.faults) or any(person.customer_of for person in people),
    )
    if not files.people.faults and file is not None:
        for response in responses:
            people_of.uncovered(files.responses, response, people)

    surroundings = Surroundings(
        sensors,
        places,
        sensor_names=sensor_names,
        type_names=_names(files.sensors, "types"),
        place_names=place_names,
        responses=response_names,
        people=people_names,
        languages=languages,
    )
    rules = ruleset(files.rules, surroundings)
    if file is None:
        return None
    return Site(
        name=file.name,
        zone=_zone(files.site, file),
        languages=languages,
        public_url=file.public_url.rstrip("/"),
        brokers=_brokers(folder, files.site, file),
        channels=settings,
        sensors=sensors,
        places=places,
        ways=ways,
        people=people,
        responses=responses,
        rules=pack(rules),
        rules_hash=hash_of(rules),
        templates=_texts(folder, files.templates),
        retain=Span(file.retain),
        log=KafkaLog(file.log.kafka, file.log.partitions) if file.log else None,
        store=_store(folder, files.site, file),
        workers=file.workers,
        demo=demo,
        folder=str(folder.resolve()),
    )


# --- names ------------------------------------------------------------------------------------------------------------


def _names(document: Document, field: str | None = None) -> set[str]:
    """The names that a file gives, also where the rest of an entry is wrong."""
    data: Any = document.data
    if field is not None and isinstance(data, dict):
        data = data.get(field, {})
    return set(data) if isinstance(data, dict) else Unread()


def _sensor_names(document: Document) -> set[str]:
    return Unread() if isinstance(_names(document, "sensors"), Unread) else sensors_of.names(document)


def _ingests(document: Document) -> set[str]:
    return _names(document, "brokers") or {"main"}


def _roles(document: Document) -> set[str]:
    if not isinstance(document.data, dict):
        return Unread()
    lists = [entry.get("roles") for entry in document.data.values() if isinstance(entry, dict)]
    return {role for roles in lists if isinstance(roles, list) for role in roles if isinstance(role, str)}


# --- the parts --------------------------------------------------------------------------------------------------------


def _zone(document: Document, file: SiteFile) -> str:
    try:
        ZoneInfo(file.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        document.fault(("time_zone",), f"unknown time zone {file.time_zone!r}; write it like Europe/Paris")
    return file.time_zone


def _brokers(folder: Path, document: Document, file: SiteFile) -> list[Broker]:
    """The brokers, each with its ingest's name; in a demo without one, the demo's own."""
    if not file.brokers:
        if not file.demo:
            document.fault((), "'brokers' is missing: only a demo starts a broker of its own")
        return [Broker()]
    return [
        Broker(
            ingest,
            each.host,
            each.port,
            each.user,
            secret(folder, document, ("brokers", ingest, "password"), each.password, file.demo),
            each.tls,
        )
        for ingest, each in file.brokers.items()
    ]


def _store(folder: Path, document: Document, file: SiteFile) -> str:
    """The address of PostgreSQL.  It and Kafka come together: workers on many machines share no file."""
    if bool(file.store) != (file.log is not None):
        missing, there = ("store", "log") if file.log else ("log", "store")
        document.fault((there,), f"'{missing}' is missing: Kafka and PostgreSQL are used together, or neither")
    found = secret(folder, document, ("store",), file.store, False) if file.store else ""
    if found and not _is_database(found):
        document.fault(("store",), "what it names is no address like postgresql://USER:PASSWORD@HOST/DATABASE")
    return found


def _is_database(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "postgresql" and bool(parts.hostname) and len(parts.path) > 1 and parts.port != 0
    except ValueError:  # the port is no number
        return False


def _channel(folder: Path, document: Document, name: str, channel: Channel, demo: bool) -> ChannelSettings:
    path: Path_ = ("channels", name)
    model = _settings_model(document, path, name)
    kept_apart = {
        field
        for field, info in model.model_fields.items()
        if SecretStr in (info.annotation, *get_args(info.annotation))
    }
    settings: dict[str, object] = {}
    for field, value in (channel.model_extra or {}).items():
        settings[field] = value
        if isinstance(value, str) and (field in kept_apart or REFERENCE.match(value)):
            settings[field] = secret(folder, document, (*path, field), value, demo)
    part(document, path, model, settings, unless=_supplied(settings, demo))
    limits = Limits(
        _windows(document, (*path, "limits"), channel.limits),
        _windows(document, (*path, "life_safety_limits"), channel.life_safety_limits),
    )
    return ChannelSettings(name, settings, limits)


def _settings_model(document: Document, path: Path_, name: str) -> type[BaseModel]:
    """The channel's own settings; of an unknown channel, none."""
    try:
        model: type[BaseModel] = channels.load(name).Settings
    except ConfigurationError as error:
        document.fault(path, str(error), key=True)
        return BaseModel
    return model


def _accepts(settings: list[ChannelSettings], demo: bool) -> dict[str, people_of.Accepts]:
    """How each channel judges an address.  Telephone numbers are judged by their country, also without an account."""
    found: dict[str, people_of.Accepts] = {}
    for each in settings:
        if each.name in people_of.PHONES:
            continue
        with contextlib.suppress(ConfigurationError):  # what is wrong with its settings is a fault already
            is_private = {"allow_private": True} if demo and _allows(each.name) else {}
            [channel] = channels.build([replace(each, settings=each.settings | is_private)]).values()
            found[each.name] = channel.accepts
    return found


def _allows(name: str) -> bool:
    """Whether the channel can be told that it is a demo.  Raises ConfigurationError."""
    return "allow_private" in channels.load(name).Settings.model_fields


def _supplied(settings: dict[str, object], demo: bool) -> frozenset[str]:
    """What is not judged: secrets that could not be had, and what a demo's supervisor fills in when it starts."""
    return frozenset(field for field, value in settings.items() if value == "" or (demo and value == "phones"))


def _windows(document: Document, path: Path_, limits: dict[str, int]) -> list[tuple[Span, int]]:
    found = []
    for text, count in limits.items():
        try:
            found.append((span(text), count))
        except ValueError as error:
            document.fault((*path, text), str(error), key=True)
        if count < 1:
            document.fault((*path, text), f"{count} messages: at least 1, or nobody is ever told")
    return found


# --- the operator's own texts -----------------------------------------------------------------------------------------


def _texts(folder: Path, documents: list[Document]) -> dict[str, str]:
    """`sms/en/request.txt` and the like, each tried on samples."""
    found = {}
    for document in documents:
        name = document.file.removeprefix("templates/")
        try:
            data = (folder / document.file).read_bytes()[: _TEMPLATE_BYTES + 1]
            found[name] = data.decode()
        except (OSError, UnicodeDecodeError):
            document.fault((), "cannot be read as UTF-8 text")
            continue
        if len(data) > _TEMPLATE_BYTES:
            document.fault((), f"longer than {_TEMPLATE_BYTES:,} bytes; a message is a line or two")
            continue
        for line in check_texts({name: found[name]}):
            number, _, message = line.removeprefix(f"{name}:").partition(":")
            if not number.strip().isdigit():
                number, message = "1", line.removeprefix(f"{name}:")
            document.faults.append(Fault(document.file, int(number), 1, message.strip()))
    return found
