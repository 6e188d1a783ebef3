"""`vorab try`: the operator's own examples, played by the engine."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from deploy.site.document import read
from deploy.site.files import Id, Rule
from deploy.site.load import load
from deploy.site.play import Played, play
from deploy.site.validate import validated
from rules.ruleset import unpack
from vorab.model import RuleId


def played(folder: Path) -> Iterator[Played]:
    """Every example of the site, in the order of the files.  Raises Faults."""
    rules = {rule.id: rule for rule in unpack(load(folder).rules).rules}
    for file in sorted(folder.glob("rules/*.yaml")):
        document = read(folder, f"rules/{file.name}")
        entries: dict[str, Rule] = validated(document, dict[Id, Rule], 1)
        for name, entry in entries.items():
            for example in entry.examples:
                yield play(document.file, rules[RuleId(name)], example)


def report(folder: Path, as_json: bool) -> int:
    """Prints what differs; 1 if anything does, else 0."""
    found = list(played(folder))
    if as_json:
        for example in found:
            print(msgspec.json.encode(example).decode())
        return int(not all(example.ok for example in found))
    if not found:
        print("no rule has examples; write some beside it:  examples: [{given: [open @ 10:00], then: […]}]")
    files = max((len(example.file) for example in found), default=0)
    rules = max((len(example.rule) for example in found), default=0)
    for (file, rule), group in groupby(found, key=lambda example: (example.file, example.rule)):
        examples = list(group)
        wrong = [example for example in examples if not example.ok]
        verdict = f"{len(wrong)} differ{'s' if len(wrong) == 1 else ''}" if wrong else "ok"
        number = f"{len(examples)} example{'' if len(examples) == 1 else 's'}"
        print(f"{file:<{files}}  {rule:<{rules}}  {number:<11}  {verdict}")
        for example in wrong:
            print(f"    given  {', '.join(example.given)}")
            print(f"    wanted {', '.join(example.wanted) or 'nothing'}")
            print(f"    found  {', '.join(example.found) or 'nothing'}")
    return int(not all(example.ok for example in found))
