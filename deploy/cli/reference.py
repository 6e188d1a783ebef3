"""The pages of docs/reference: made from the models, the settings, the docstrings and the help that the program has."""

import inspect
import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter
from typer.main import get_command

import notifiers
from deploy.cli.app import app
from deploy.site import schemas
from deploy.site.measures import write_span
from ingest import sensors
from vorab.model import Span

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
_MADE = "\nThis page is made by `python -m vorab schemas`; edit what it is made from, not the page.\n"


def pages() -> dict[str, str]:
    """File name → Markdown."""
    return {
        "site-folder.md": _site_folder(),
        "channels.md": _channels(),
        "sensor-types.md": _sensor_types(),
        "commands.md": _commands(),
    }


def write() -> list[Path]:
    """Writes the schemas and the pages; gives all the paths."""
    wanted = {schemas.FOLDER / name: text for name, text in schemas.schemas().items()}
    wanted |= {FOLDER / name: text for name, text in pages().items()}
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(wanted)


# --- channels, sensor types, commands ---------------------------------------------------------------------------------


def _channels() -> str:
    lines = ["# Channels", "", "Each is one file in `notifiers/`. Its settings stand in `site.yaml` under `channels`."]
    for name in _modules(notifiers.__path__):
        module = import_module(f"notifiers.{name}")
        if hasattr(module, "Channel") and hasattr(module, "Settings"):
            lines += ["", f"## {name}", "", *_prose(module), "", *_settings(module.Settings)]
    return "\n".join([*lines, _MADE])


def _settings(model: type[BaseModel]) -> list[str]:
    schema = model.model_json_schema()
    return _table(schema, schema.get("$defs", {}))


def _sensor_types() -> str:
    head = "The `decoder` of a type in `sensors.yaml`. Each is one file in `ingest/sensors/`."
    lines = ["# Sensor types", "", head]
    for name in _modules(sensors.__path__):
        lines += ["", f"## {name}", "", *_prose(import_module(f"ingest.sensors.{name}"))]
    return "\n".join([*lines, _MADE])


def _modules(path: Any) -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(path) if not module.ispkg)


def _prose(module: Any) -> list[str]:
    """Its docstring; what is indented in it is shown as code."""
    return inspect.cleandoc(module.__doc__ or "").splitlines()


def _commands() -> str:
    lines = [
        "# Commands",
        "",
        "`python -m vorab COMMAND`. Exit code 0: well; 1: something was found; 2: mend what it says.",
    ]
    for words, command in _visible(get_command(app)):
        lines += ["", f"## {' '.join(words)}", "", command.help or "", ""]
        lines += ["| | what |", "| --- | --- |", *map(_parameter, command.params)]
        lines += [
            "",
            *(
                [command.epilog.replace("Example: ", "Example: `") + "`"]
                if "Example: " in (command.epilog or "")
                else [command.epilog or ""]
            ),
        ]
    return "\n".join([*lines, _MADE])


def _visible(group: Any, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that is not hidden, with the words that one types."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _visible(command, *above, name)
        elif not command.hidden:
            yield (*above, name), command


def _parameter(parameter: Any) -> str:
    names = (
        ", ".join(f"`{name}`" for name in parameter.opts)
        if parameter.opts[0].startswith("-")
        else f"`{parameter.name.upper()}`"
    )
    return f"| {names} | {parameter.help or ''} |"


# --- the site folder --------------------------------------------------------------------------------------------------


_SENTENCES = {
    "site": "`site.yaml`: the site itself",
    "places": "`places.yaml`: where things are, and how far it is",
    "sensors": "`sensors.yaml`: what speaks",
    "rules": "`rules/*.yaml`: what must not be",
    "responses": "`responses.yaml`: who is asked, in which order",
    "people": "`people.yaml`: who can be called",
}


def _site_folder() -> str:
    """Every file, every field, its default and its sentence."""
    return "\n".join([*_HEAD.splitlines(), *(line for name in schemas.KINDS for line in _chapter(name)), _MADE])


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

Beside the YAML files may stand, and are named by them or found by their name:

- `plans/NAME.svg`: the drawing of a floor, 1 MB at the most: walls and names, no script, and nothing loaded from
  elsewhere. Its `viewBox="0 0 WIDTH HEIGHT"` gives the units of `at`.
- `recordings/NAME.wav`: what a loudspeaker says by itself, see `intercom`.
- `recordings/LANGUAGE/NAME.wav` (or `.mp3`): played on the telephone instead of the spoken sentence. `NAME` is a rule,
  a place or a priority.
- `templates/CHANNEL/LANGUAGE/PURPOSE.txt`: your own words for a message.

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

"""


def _chapter(name: str) -> list[str]:
    schema = TypeAdapter(schemas.KINDS[name]).json_schema()
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
