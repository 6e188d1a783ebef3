"""A document against its model: every fault of the file, and whatever of it is sound."""

import contextlib
import copy
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from deploy.site.document import Document, Path_
from deploy.site.faults import nearest, unknown
from deploy.site.files import ID, PLACE_ID
from deploy.site.measures import kind_of

T = TypeVar("T")

_PATTERNS = {
    ID: "a name: letters, digits, - _ . and no blanks",
    PLACE_ID: "a name: letters, digits, - _ . / and no blanks",
    "^[a-z]{2}$": "a two-letter language code such as en, de or fr",
    "^(https?://[^ ]+)?$": "an address such as https://vorab.example",
}
_EXPECTED = {
    "bool": "true or false",
    "dict": "a mapping (name: value)",
    "model": "a mapping (name: value)",
    "list": "a list",
    "int": "a whole number",
}


def validated(document: Document, kind: Any, depth: int) -> Any:
    """The document's data as `kind`, a model or a type.  Faults are noted; the entries (`depth` levels down) that have
    one are left out, so that the others can be checked further.  None where nothing is left."""
    adapter = TypeAdapter(kind)
    if document.data is None:
        return None
    try:
        return adapter.validate_python(document.data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    for each in errors:
        _note(document, kind, each)
    return _rest(document, adapter, errors, depth)


def part(
    document: Document, path: Path_, kind: type[T], value: object, unless: frozenset[str] = frozenset()
) -> T | None:
    """One value somewhere in the document as `kind`; its faults are noted at their places, but none of `unless`."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            if each["loc"][:1] and each["loc"][0] in unless:
                continue
            _note(document, kind, {**each, "loc": (*path, *each["loc"])}, skip=len(path))
        return None


def _rest(document: Document, adapter: TypeAdapter[Any], errors: list[ErrorDetails], depth: int) -> Any:
    """First without the unknown fields, for an entry is mostly sound without them; then without the faulty entries."""
    data = copy.deepcopy(document.data)
    _remove(data, [each["loc"] for each in errors if each["type"] == "extra_forbidden"])
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        _remove(data, [each["loc"][:depth] for each in error.errors(include_url=False)])
    try:
        return adapter.validate_python(data)
    except ValidationError:
        return None


def _remove(data: Any, paths: list[tuple[int | str, ...]]) -> None:
    """Takes out what stands at these paths; what is not there is left out already."""
    for path in reversed(dict.fromkeys(paths)):
        with contextlib.suppress(LookupError, TypeError):
            inner = data
            for step in path[:-1]:
                inner = inner[step]
            del inner[path[-1]]


def _note(document: Document, kind: Any, error: ErrorDetails, skip: int = 0) -> None:
    path: Path_ = error["loc"]
    if path and path[-1] == "[key]":
        document.fault(path[:-1], _message(error), key=True)
    elif error["type"] == "extra_forbidden":
        model = _model_at(kind, path[skip:-1])
        document.fault(path, _unknown_field(str(path[-1]), model), key=True)
    elif error["type"] == "missing":
        model = _model_at(kind, path[skip:-1])
        known = {f.alias or name: f.description or "" for name, f in model.model_fields.items()} if model else {}
        sentence = known.get(str(path[-1]), "")
        document.fault(path[:-1], f"{path[-1]!r} is missing{': ' if sentence else ''}{sentence}", key=True)
    else:
        document.fault(path, _message(error) or _unfit(error, _model_at(kind, path[skip:-1])))


def _unknown_field(word: str, model: type[BaseModel] | None) -> str:
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    title = f" in {model.model_config.get('title')}" if model else ""
    like = nearest(word, known)
    if like:
        return f"unknown field {word!r}{title}; did you mean {like!r}?"
    return f"unknown field {word!r}{title}; there is {', '.join(known)}"


def _unfit(error: ErrorDetails, model: type[BaseModel] | None) -> str:
    """For a value that is wrong in a way only the field's own sentence explains."""
    field = str(error["loc"][-1]) if error["loc"] else ""
    info = model.model_fields.get(field) if model else None
    return f"{kind_of(error['input'])} does not fit: {info.description if info and info.description else field}"


def _model_at(kind: Any, path: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model that describes what stands at this path."""
    for step in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
            kind = fields.get(str(step))
        else:
            kind = next(reversed(get_args(kind)), None)
    options = [kind, *get_args(kind)]
    return next((each for each in options if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _message(error: ErrorDetails) -> str:
    """What is wrong, in words for an operator; "" where only the description of the field can tell."""
    found, context, type_ = error["input"], error.get("ctx", {}), error["type"]
    if type_ == "value_error":
        return str(context["error"])
    if type_ == "string_type":
        if isinstance(found, int | float) and not isinstance(found, bool):
            return f"expected a text, found the number {found}; put it in quotes"
        return f"expected a text, found {kind_of(found)}"
    if type_ == "string_pattern_mismatch":
        known = _PATTERNS.get(context["pattern"])
        return f"{found!r} is not {known}" if known else ""
    if type_ in ("enum", "literal_error"):
        words = [word.strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return unknown("value", found, words) if isinstance(found, str) else f"expected one of {', '.join(words)}"
    if type_ in ("too_short", "too_long") and 2 in (context.get("min_length"), context.get("max_length")):
        return f"expected 2 numbers, found {context['actual_length']}"
    if type_ in ("too_short", "string_too_short", "missing_keyword_only_argument"):
        return "nothing here; at least one is needed"
    kind = type_.removesuffix("_type").removesuffix("_parsing")
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, found {kind_of(found)}"
    return f"{kind_of(found)}: {error['msg'][:1].lower()}{error['msg'][1:]}"
