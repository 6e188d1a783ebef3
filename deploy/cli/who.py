"""`vorab who`: who would be called for a sensor, in which order, and why.  Nobody is called."""

import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from deploy.cli.folders import answering, data_of
from deploy.cli.instants import day, instant, iso
from deploy.runtime import store_of
from deploy.site.faults import unknown
from deploy.site.load import load
from deploy.site.measures import write_span
from deploy.store.store import looking, open_incidents, open_reader, opted_out
from rules.ruleset import Rule, unpack
from vorab.errors import ConfigurationError
from vorab.model import Candidate, Instant, PersonId, Rung, Span
from vorab.site import Person, Response, Sensor, Site
from workflows.directory.stub import SiteDirectory
from workflows.nearest import candidates

#: Incidents in hand, who sent STOP, and the desks at which somebody looks.
Load = tuple[dict[PersonId, int], set[tuple[str, str]], set[str]]


def report(name: str, folder: Path, data: Path | None, at: str, as_json: bool) -> int:
    """Prints a ladder for each response that the sensor's rules lead to.  Raises ConfigurationError."""
    site = load(folder)
    directory = SiteDirectory(site)
    sensor = directory.sensor(name)
    if sensor is None:
        raise ConfigurationError(unknown("sensor", name, [each.id for each in site.sensors]))
    when = instant(at, site.zone)
    with answering(site):
        load_ = _load(store_of(site, data_of(folder, data)), when)
    ladders = _ladders(site, directory, sensor, when, load_)
    if as_json:
        for response, rules, rungs in ladders:
            print(msgspec.json.encode(_object(sensor, when, response, rules, rungs)).decode())
    else:
        _print(site, directory, sensor, when, ladders)
    return 0


def _load(store: Path | str, at: Instant) -> Load:
    """As the running site knows it; of one that never ran, nothing."""
    if isinstance(store, Path) and not store.is_file():
        return {}, set(), set()
    engine = open_reader(store)
    try:
        with engine.connect() as connection:
            return open_incidents(connection), opted_out(connection), looking(connection, at)
    finally:
        engine.dispose()


Ladder = tuple[Response, list[Rule], list[tuple[Rung, list[Candidate]]]]


def _ladders(site: Site, directory: SiteDirectory, sensor: Sensor, at: Instant, load_: Load) -> list[Ladder]:
    watching = [rule for rule in unpack(site.rules).rules if sensor.id in rule.watch]
    place = directory.place_of(sensor.id)
    return [
        (
            response,
            rules,
            [(rung, candidates(directory, place, rung, response, at, site.zone, *load_)) for rung in response.ladder],
        )
        for response in site.responses
        if (rules := [rule for rule in watching if rule.respond == response.id])
    ]


def _object(sensor: Sensor, at: Instant, response: Response, rules: list[Rule], rungs: object) -> dict[str, object]:
    return {
        "sensor": sensor.id,
        "at": iso(at),
        "response": response.id,
        "rules": [rule.id for rule in rules],
        "ladder": [{"rung": rung, "candidates": found} for rung, found in rungs],  # type: ignore[attr-defined]
    }


def _print(site: Site, directory: SiteDirectory, sensor: Sensor, at: Instant, ladders: list[Ladder]) -> None:
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
    place = directory.place_of(sensor.id)
    where = " › ".join(filter(None, (_name(directory, each) for each in place.path))) if place else "no place"
    console.print(f"[bold]{sensor.id}[/]  {where}  {day(at, site.zone)} {site.zone}")
    if not ladders:
        console.print("No rule watches it: nobody would be called.")
    for response, rules, rungs in ladders:
        console.print(f"\n[bold]{response.id}[/]  for {', '.join(f'{rule.id} ({rule.priority})' for rule in rules)}")
        console.print(_table(directory, rungs))


def _name(directory: SiteDirectory, place: str) -> str:
    found = directory.place(place)
    return found.name if found else ""


def _table(directory: SiteDirectory, rungs: list[tuple[Rung, list[Candidate]]]) -> Table:
    """One row for each who would be asked; and once, at the end, who is excluded and why."""
    table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
    passed = 0
    left_out: dict[str, Candidate] = {}
    for number, (rung, found) in enumerate(rungs, 1):
        asked = [each for each in found if each.suitable][: rung.count]
        left_out |= {each.person: each for each in found if not each.suitable}
        label = f"{number}. after {write_span(Span(passed))}" if passed else f"{number}. at once"
        for each in asked:
            table.add_row(label, _person(directory, each), ", ".join(each.reasons))
            label = ""
        if not asked:
            table.add_row(label, "[red]nobody[/]", f"no suitable person with role {rung.role}")
        passed += rung.wait
    for each in left_out.values():
        table.add_row("[dim]not", f"[dim]{_person(directory, each)}", f"[dim]{', '.join(each.reasons)}")
    return table


def _person(directory: SiteDirectory, candidate: Candidate) -> str:
    person: Person | None = directory.person(candidate.person)
    return person.name if person else candidate.person
