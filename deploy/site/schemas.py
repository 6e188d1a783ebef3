"""The JSON Schemas of the site files, and the page that describes their fields: both made from `files`."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from deploy.site import files
from deploy.site.measures import write_span
from vorab.model import Span

FOLDER = Path(__file__).with_name("schemas")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "site-folder.md"

#: File of a site → what stands in it.
KINDS: dict[str, Any] = {
    "site": files.SiteFile,
    "places": files.PlacesFile,
    "sensors": files.SensorsFile,
    "rules": dict[files.Id, files.Rule],
    "responses": dict[files.Id, files.Response],
    "people": dict[files.Id, files.Person],
}
_SENTENCES = {
    "site": "`site.yaml`: the site itself",
    "places": "`places.yaml`: where things are, and how far it is",
    "sensors": "`sensors.yaml`: what speaks",
    "rules": "`rules/*.yaml`: what must not be",
    "responses": "`responses.yaml`: who is asked, in which order",
    "people": "`people.yaml`: who can be called",
}


def schemas() -> dict[str, str]:
    """File name → the text of its schema."""
    return {f"{name}.json": _schema(name, kind) for name, kind in KINDS.items()}


def page() -> str:
    """Markdown: every file, every field, its type, its default and its sentence."""
    return "\n".join([*_HEAD.splitlines(), *(line for name in KINDS for line in _chapter(name)), ""])


def write() -> list[Path]:
    """Writes what is out of date; gives all the paths."""
    wanted = {FOLDER / name: text for name, text in schemas().items()} | {PAGE: page()}
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(wanted)


def _schema(name: str, kind: Any) -> str:
    schema = TypeAdapter(kind).json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{name} of a Vorab site"}
    return (
        json.dumps({**head, **{k: v for k, v in schema.items() if k != "title"}}, ensure_ascii=False, indent=1) + "\n"
    )


_HEAD = """# The site folder

A site is a folder of YAML under version control. `python -m vorab check FOLDER` reads it and tells everything that is
wrong, with file, line and column; a folder with one fault changes nothing. An editor that knows YAML schemas completes
the fields: the first line of each file names its schema.

- **Spans** are a number and a unit: `500ms`, `30s`, `10min`, `2h`, `1min 30s`, `30d`. A bare number is a fault.
- **Amounts** are a number and a unit: `26 °C`, `79 °F`, `60 %`, `1000 ppm`. They are converted to the unit of the
  quantity.
- **Secrets** never stand in a file: write `env:NAME` or `file:PATH` (from the site folder).
- **Names** have letters, digits, `-`, `_` and `.`; those of places may have `/` too, as in `airside/t1`.
- `*` in a `watch` stands for any letters. At the beginning of a text it needs quotes: `'*'`.
- No anchors, aliases, merge keys or tags. What is long because it is alike is written once: `gate-{b1,b2}-door` or
  `gate-{1..20}-door`, and `{}` for the part that differs.

## Conditions

| `when` | broken while |
| --- | --- |
| `open`, `shut`, `taken`, `wet`, `smoke`, `occupied`, `gone`, `tamper`, `offline`, `battery_low` … | this is so |
| `{ temperature: { above: 26 °C } }` | the value lies above; `below` likewise |
| `{ temperature: { above: { medium: 26 °C, high: 30 °C } } }` | the same, one alarm with levels |
| `{ humidity: { outside: 30..60 % } }` | the value lies outside |
| `{ open: { without: badge, within: 10s } }` | it opened, and no badge was granted beside it within 10 s before |
| `{ silent: 15min }` | nothing was heard from the sensor for so long |
| `{ button: double }` | this button press came |

Examples beside a rule are played by `python -m vorab try`: `given: [open @ 10:00, 26.4 °C @ 10:05, badge @ 10:06,
heard @ 10:07, until @ 10:20]`, `then: [raised @ 10:15, high @ 10:17, cleared @ 10:22]` or `then: nothing`.

This page is made from the models by `python -m vorab schemas`; edit them, not the page.
"""


def _chapter(name: str) -> list[str]:
    schema = TypeAdapter(KINDS[name]).json_schema()
    definitions = schema.get("$defs", {})
    lines = ["", f"## {_SENTENCES[name]}", ""]
    if "properties" in schema:
        lines += _table(schema, definitions)
    for part in definitions.values():
        if part.get("type") == "object" and "properties" in part:
            lines += ["", f"### {part['title']}", "", part.get("description", ""), "", *_table(part, definitions)]
    return lines


def _table(schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    required = schema.get("required", [])
    lines = ["| field | what | |", "| --- | --- | --- |"]
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field)
        lines.append(f"| `{name}` | {field.get('description', '')} {_kind(field, definitions)} | {default} |")
    return lines


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and "pattern" in field:
        return f"`{write_span(Span(value))}`" if value else ""
    return f"`{json.dumps(value)}`"


def _kind(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The words that a field may have, where they are few."""
    target = definitions.get(str(field.get("$ref", "")).rpartition("/")[2], field)
    options = target.get("enum") or [
        word
        for each in field.get("anyOf", [])
        for word in definitions.get(str(each.get("$ref", "")).rpartition("/")[2], {}).get("enum", [])
    ]
    return f"({', '.join(f'`{word}`' for word in options)})" if 0 < len(options) <= 6 else ""
