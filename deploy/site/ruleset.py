"""rules/*.yaml as the rule set that the engine runs: sensors looked up, conditions compiled, manners checked."""

from fnmatch import fnmatchcase

from deploy.site.conditions import condition
from deploy.site.document import Document, Path_
from deploy.site.examples import check_examples
from deploy.site.faults import nearest, unknown
from deploy.site.files import Id
from deploy.site.files import Rule as Entry
from deploy.site.measures import kind_of, span, write_span
from deploy.site.surroundings import Surroundings
from deploy.site.validate import validated
from rules.limits import Limits
from rules.ruleset import Condition, Rule, RuleSet, Watched
from rules.silent import Silent
from rules.without import Without
from vorab.model import Priority, ResponseId, RuleId, Said, Span
from vorab.site import Sensor


def ruleset(documents: list[Document], surroundings: Surroundings) -> RuleSet:
    """The rules of all files that have no fault, with what the engine must know of every sensor of the site."""
    seen: dict[str, str] = {}
    rules: list[Rule] = []
    for document in documents:
        entries: dict[str, Entry] = validated(document, dict[Id, Entry], 1) or {}
        for name in document.data if isinstance(document.data, dict) else ():
            if seen.setdefault(name, document.file) != document.file:
                document.fault((name,), f"rule {name!r} stands in {seen[name]} too: give it another name", key=True)
        found = [_rule(document, name, entry, surroundings) for name, entry in entries.items()]
        rules += [rule for rule in found if rule is not None]
    return RuleSet(
        rules,
        {
            sensor.id: Watched(
                ingest=sensor.ingest,
                every=sensor.type.every,
                gateway=sensor.gateway,
                life_safety=sensor.type.life_safety,
                readers=surroundings.readers(sensor),
                zone=next((place.id for place in reversed(surroundings.around(sensor)) if place.kind == "zone"), ""),
            )
            for sensor in surroundings.sensors.values()
        },
    )


def _rule(document: Document, name: str, entry: Entry, surroundings: Surroundings) -> Rule | None:
    before = len(document.faults)
    if entry.respond not in surroundings.responses:
        document.fault((name, "respond"), unknown("response", entry.respond, surroundings.responses))
    if entry.owner and entry.owner not in surroundings.people:
        document.fault((name, "owner"), unknown("person", entry.owner, surroundings.people))
    watched = _watched(document, (name, "watch"), entry, surroundings)
    when = condition(document, name, entry)
    on_delay = _on_delay(document, name, entry, when)
    priority = _priority(document, name, entry, when)
    if when is None or priority is None:
        return None
    _check_manners(document, name, entry, when, priority, watched)
    if isinstance(when, Without):
        _check_readers(document, name, watched, surroundings)
    if isinstance(when, Silent):
        _check_silence(document, name, when, watched)
    rule = Rule(
        id=RuleId(name),
        watch=[sensor.id for sensor in watched],
        when=when,
        for_=on_delay,
        clear_for=Span(entry.clear_for),
        lateness=Span(entry.lateness),
        priority=priority,
        respond=ResponseId(entry.respond),
        cause=_said(document, (name, "cause"), entry.cause, surroundings.languages),
        consequence=_said(document, (name, "consequence"), entry.consequence, surroundings.languages),
        action=_said(document, (name, "action"), entry.action, surroundings.languages),
        owner=entry.owner,
        latched=entry.latch,
    )
    check_examples(document, name, entry, rule)
    return None if any(not fault.warning for fault in document.faults[before:]) else rule


def _said(document: Document, path: Path_, sentence: Said, languages: list[str]) -> Said:
    """The sentence; a translated one in every language of the site, where it is missing in the site's first one."""
    if isinstance(sentence, str):
        return sentence
    for language in sentence:
        if languages and language not in languages:
            document.fault((*path, language), unknown("language", language, languages), key=True)
    first = next((sentence[each] for each in languages if each in sentence), "")
    return {language: sentence.get(language, first) for language in languages}


# --- which sensors ----------------------------------------------------------------------------------------------------


def _watched(document: Document, path: Path_, entry: Entry, surroundings: Surroundings) -> list[Sensor]:
    """The sensors that the rule watches, in the order of the site.  Watching nothing is a fault."""
    watch, before = entry.watch, len(document.faults)
    if not watch.model_fields_set:
        document.fault(path, "watches nothing: name a type, place, zone, tag, or sensors ('*' for all)")
        return []
    for index, word in enumerate(watch.type):
        if not _matching(word, surroundings.type_names):
            document.fault((*path, "type", index), unknown("type", word, surroundings.type_names))
    for index, word in enumerate(watch.sensors):
        if not _matching(word, surroundings.sensor_names):
            document.fault((*path, "sensors", index), _no_sensor(word, surroundings.sensor_names))
    for field, place in (("place", watch.place), ("zone", watch.zone)):
        if place is not None and not _matching(place, surroundings.place_names):
            document.fault((*path, field), unknown("place", place, surroundings.place_names))
    found = [sensor for sensor in surroundings.sensors.values() if _is_watched(sensor, entry, surroundings)]
    if not found and surroundings.whole and len(document.faults) == before:
        document.fault(path, "watches nothing: no sensor is all of this; try fewer conditions")
    return found


def _is_watched(sensor: Sensor, entry: Entry, surroundings: Surroundings) -> bool:
    watch, around = entry.watch, surroundings.around(sensor)
    return (
        (not watch.type or any(fnmatchcase(sensor.type.name, word) for word in watch.type))
        and (not watch.sensors or any(fnmatchcase(sensor.id, word) for word in watch.sensors))
        and (watch.tag is None or watch.tag in sensor.tags)
        and (watch.place is None or any(fnmatchcase(place.id, watch.place) for place in around))
        and (watch.zone is None or any(place.kind == "zone" and fnmatchcase(place.id, watch.zone) for place in around))
    )


def _matching(word: str, known: set[str]) -> bool:
    return word in known or any(fnmatchcase(each, word) for each in known)


def _no_sensor(word: str, known: set[str]) -> str:
    like = nearest(word.replace("*", ""), known)
    return f"no sensor matches {word!r}" + (f"; the nearest is {like!r}" if like else "")


# --- manners ----------------------------------------------------------------------------------------------------------


def _on_delay(document: Document, name: str, entry: Entry, when: Condition | None) -> Span:
    """How long it must be broken; with a span for each level, 0 (the levels have theirs)."""
    if entry.for_ is None:
        return Span(0)
    if isinstance(entry.for_, dict):
        if when is not None and not isinstance(when, Limits):
            document.fault((name, "for"), f"one span such as 30s; only limits have levels, found {kind_of(entry.for_)}")
        return Span(0)
    try:
        return span(entry.for_)
    except ValueError as error:
        document.fault((name, "for"), str(error))
        return Span(0)


def _priority(document: Document, name: str, entry: Entry, when: Condition | None) -> Priority | None:
    """The rule's own, else the highest of its levels."""
    levels = {*when.above, *when.below} if isinstance(when, Limits) else set()
    if entry.priority is None:
        if name not in document.touched and not levels:
            document.fault((name,), "'priority' is missing: low, medium, high or life-safety", key=True)
            return None
        return max(levels, key=lambda priority: priority.rank, default=None)
    if levels - {entry.priority}:
        document.fault((name, "priority"), "the limits have their levels already: remove the priority, or the levels")
    return entry.priority


def _check_manners(
    document: Document, name: str, entry: Entry, when: Condition, priority: Priority, watched: list[Sensor]
) -> None:
    if entry.deadband is not None and not isinstance(when, Limits):
        document.fault((name, "deadband"), "only limits have a deadband: remove it", key=True)
    vital = [sensor.type.name for sensor in watched if sensor.type.life_safety]
    if entry.lateness and (priority is Priority.LIFE_SAFETY or vital):
        document.fault((name, "lateness"), "life safety never waits for late readings: remove it")
    if priority is Priority.LIFE_SAFETY and len(vital) < len(watched):
        kinds = sorted({sensor.type.name for sensor in watched if not sensor.type.life_safety})
        message = f"type {kinds[0]} has no life_safety: true: its messages share the ordinary lane"
        document.fault((name, "priority"), message, warning=True)


def _check_readers(document: Document, name: str, watched: list[Sensor], surroundings: Surroundings) -> None:
    """Every watched sensor has a reader beside it, in its own lane, of which one can tell that it is alive."""
    path: Path_ = (name, "when")
    for sensor in watched:
        readers = [surroundings.sensors[each] for each in surroundings.readers(sensor)]
        if not readers:
            where = f"its place {sensor.place}" if sensor.place else "it has no place that"
            document.fault(path, f"{sensor.id}: {where} names no badge reader; add `readers: […]` to the place")
            return
        for reader in readers:
            if reader.type.life_safety != sensor.type.life_safety:
                document.fault(path, f"{sensor.id} and {reader.id} are in different lanes and cannot be joined")
                return
            if reader.type.every is None:
                message = f"nobody can tell whether {reader.id} is alive: give type {reader.type.name} an `every`"
                document.fault(path, message, warning=True)
                return


def _check_silence(document: Document, name: str, when: Silent, watched: list[Sensor]) -> None:
    path: Path_ = (name, "when", "silent")
    for sensor in watched:
        every = sensor.type.every
        if every is None:
            message = (
                f"{sensor.id} speaks only on change and is silent rightly: give type {sensor.type.name} an `every`"
            )
        elif every >= when.span:
            message = (
                f"{sensor.id} speaks every {write_span(every)} only: {write_span(when.span)} raise between two messages"
            )
        else:
            continue
        document.fault(path, message, warning=True)
        return
