"""`vorab check`: everything that is wrong with a site folder."""

from pathlib import Path

import msgspec

from deploy.site.load import check, load
from rules.ruleset import unpack
from vorab.site import Site


def report(folder: Path, as_json: bool) -> int:
    """Prints it; 1 if there is a fault, else 0."""
    found = check(folder)
    faults = sum(not fault.warning for fault in found)
    if as_json:
        print(msgspec.json.encode({"faults": faults, "warnings": len(found) - faults, "found": found}).decode())
        return int(faults > 0)
    for fault in found:
        print(fault)
    counts = f"{_count(faults, 'fault')}, {_count(len(found) - faults, 'warning')}"
    print(f"{counts}; nothing was changed" if faults else f"{_contents(load(folder))}; {counts}")
    return int(faults > 0)


def _contents(site: Site) -> str:
    rules, people = len(unpack(site.rules).rules), len(site.people)
    return f"{site.name}: {_count(len(site.sensors), 'sensor')}, {_count(rules, 'rule')}, {people} people"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
