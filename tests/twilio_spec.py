"""Twilio's own description of its API as the judge of our requests, stricter than a server made from it.

The description lets unknown fields pass, does not say that a message needs a sender and a content, or a call something
to say; so these rules stand here.  It is read from ../shared/specs, beside the project.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from vorab.ports import HttpClient, HttpResponse

FILE = Path(__file__).parents[2] / "shared" / "specs" / "twilio_api_v2010.json"
ACCOUNTS = "/2010-04-01/Accounts/{AccountSid}"
#: What we ask for.
PATHS = tuple(
    f"{ACCOUNTS}/{rest}" for rest in ("Messages.json", "Messages/{Sid}.json", "Calls.json", "Calls/{Sid}.json")
)
FORM = "application/x-www-form-urlencoded"
Description = dict[str, Any]
Form = Sequence[tuple[str, str]]

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def description() -> Description:
    """Our part of it; skips where it is not at hand."""
    if not FILE.exists():
        pytest.skip("../shared/specs/twilio_api_v2010.json is not on this machine")
    whole: Description = json.loads(FILE.read_text("utf-8"))
    return whole | {"paths": {path: whole["paths"][path] for path in PATHS}}


def for_prism(described: Description) -> Description:
    """With what Prism must be told: a field that may be repeated is repeated, and not joined by commas."""
    told: Description = json.loads(json.dumps(described))
    for item in told["paths"].values():
        for body in (item[verb].get("requestBody", {}) for verb in ("get", "post") if verb in item):
            for content in body.get("content", {}).values():
                fields = content["schema"].get("properties", {})
                repeated = [name for name, schema in fields.items() if schema.get("type") == "array"]
                content["encoding"] = {name: {"style": "form", "explode": True} for name in repeated}
    return told


class Judged:
    """A client that passes on only what the description allows; anything else fails the test."""

    def __init__(self, inner: HttpClient, described: Description) -> None:
        self._inner = inner
        self._described = described
        self.asked: list[str] = []  #: "POST …/Calls.json"

    def request(
        self,
        method: str,
        url: str,
        *,
        form: Form | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> HttpResponse:
        assert not (found := faults(self._described, method, url, form)), found
        assert auth, "without authentication"
        self.asked.append(f"{method} {urlsplit(url).path.rpartition('/Accounts/')[2].partition('/')[2]}")
        return self._inner.request(method, url, form=form, headers=headers, auth=auth)


def faults(described: Description, method: str, url: str, form: Form | None = None) -> list[str]:
    """Why Twilio would not take this request; none = it would."""
    parts = urlsplit(url)
    for template, item in described["paths"].items():
        found = re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template)), parts.path)
        if found:
            operation = item.get(method.lower())
            if operation is None:
                return [f"{method} is not to be had of {template}"]
            query = parse_qsl(parts.query, keep_blank_values=True)
            return list(_operation(described, operation, template, found.groupdict(), query, form))
    return [f"there is no {parts.path}"]


def _operation(
    described: Description,
    operation: Description,
    template: str,
    named: Mapping[str, str],
    query: Form,
    form: Form | None,
) -> Iterator[str]:
    parameters = operation.get("parameters", [])
    for where, given in (("path", list(named.items())), ("query", query)):
        schemas = {one["name"]: one["schema"] for one in parameters if one["in"] == where}
        needed = [one["name"] for one in parameters if one["in"] == where and one.get("required")]
        yield from _fields(described, schemas, needed, given)
    body = operation.get("requestBody", {}).get("content", {}).get(FORM)
    if body is None:
        yield from ["a form where none is read"] * bool(form)
        return
    schema = body["schema"]
    yield from _fields(described, schema["properties"], schema.get("required", []), form or [])
    names = {name for name, _ in form or []}
    yield from (fault for fault, is_so in UNWRITTEN.get(template, []) if not is_so(names))


def _has(*names: str) -> Callable[[set[str]], bool]:
    return lambda given: bool(given & set(names))


#: What the description leaves to the prose of Twilio's pages.
UNWRITTEN: dict[str, list[tuple[str, Callable[[set[str]], bool]]]] = {
    PATHS[0]: [
        ("a message without From or MessagingServiceSid", _has("From", "MessagingServiceSid")),
        ("a message without Body, MediaUrl or ContentSid", _has("Body", "MediaUrl", "ContentSid")),
    ],
    PATHS[2]: [
        (
            "a call with none or several of Url, Twiml and ApplicationSid",
            lambda given: len(given & {"Url", "Twiml", "ApplicationSid"}) == 1,
        ),
        (
            "AsyncAmd without MachineDetection",
            lambda given: "MachineDetection" in given or not given & {"AsyncAmd", "AsyncAmdStatusCallback"},
        ),
        (
            "StatusCallbackEvent without StatusCallback",
            lambda given: "StatusCallback" in given or "StatusCallbackEvent" not in given,
        ),
    ],
    PATHS[3]: [("an update of nothing", bool)],
}
#: Values that it names in its prose only.
_WORDS = {
    "StatusCallbackEvent": ("initiated", "ringing", "answered", "completed"),
    "MachineDetection": ("Enable", "DetectMessageEnd"),
    "AsyncAmd": ("true", "false"),
}
_RANGES = {"Timeout": (5, 600), "ValidityPeriod": (1, 36_000), "TimeLimit": (1, 86_400)}


def _fields(described: Description, schemas: Description, needed: Sequence[str], given: Form) -> Iterator[str]:
    names = [name for name, _ in given]
    yield from (f"{name} is missing" for name in needed if name not in names)
    for name in sorted(set(names)):
        values = [value for other, value in given if other == name]
        if name not in schemas:
            yield f"there is no field {name}"
            continue
        schema = _resolved(described, schemas[name])
        if schema.get("type") == "array":
            schema = _resolved(described, schema["items"])
        elif len(values) > 1:
            yield f"{name} more than once"
        for value in values:
            if not _is_well_formed(name, value, schema):
                yield f"{name} is {value!r}"


def _resolved(described: Description, schema: Description) -> Description:
    while "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _is_well_formed(name: str, value: str, schema: Description) -> bool:
    if ("enum" in schema and value not in schema["enum"]) or value not in _WORDS.get(name, (value,)):
        return False
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    match schema.get("type"), schema.get("format"):
        case "integer", _:
            return bool(re.fullmatch(r"-?[0-9]+", value)) and _is_within(name, int(value), schema)
        case "number", _:
            return bool(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value))
        case "boolean", _:
            return value in ("true", "false")
        case "string", "uri":
            return urlsplit(value).scheme in ("http", "https") and bool(urlsplit(value).hostname)
        case "string", "phone-number" | "endpoint":
            return bool(_E164.fullmatch(value))
        case "string", "date-time":
            return _is_instant(value)
        case _:
            return value.isprintable() or "\n" in value


def _is_within(name: str, value: int, schema: Description) -> bool:
    least, most = _RANGES.get(name, (schema.get("minimum", value), schema.get("maximum", value)))
    return bool(least <= value <= most)


def _is_instant(value: str) -> bool:
    try:
        datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    except ValueError:
        return False
    return True
