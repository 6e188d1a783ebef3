"""The JSON Schemas of the site files, made from their models: an editor completes and checks with them."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from deploy.site import files

FOLDER = Path(__file__).with_name("schemas")

#: File of a site → what stands in it.
KINDS: dict[str, Any] = {
    "site": files.SiteFile,
    "places": files.PlacesFile,
    "sensors": files.SensorsFile,
    "rules": dict[files.Id, files.Rule],
    "responses": dict[files.Id, files.Response],
    "people": dict[files.Id, files.Person],
}


def schemas() -> dict[str, str]:
    """File name → the text of its schema."""
    return {f"{name}.json": _schema(name, kind) for name, kind in KINDS.items()}


def _schema(name: str, kind: Any) -> str:
    schema = TypeAdapter(kind).json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{name} of a Vorab site"}
    return (
        json.dumps({**head, **{k: v for k, v in schema.items() if k != "title"}}, ensure_ascii=False, indent=1) + "\n"
    )
