"""One YAML 1.2 file as plain data that knows where each of its values stands.

Only what people need is read: mappings, lists, texts, numbers, true and false.  Anchors, aliases, merge keys, tags
and directives are faults: they are how a small file becomes a large one (or an object), and nobody who edits a rule
at night should meet them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from deploy.site.faults import Fault

#: Of one file.  100 kB take about a second to read; many like sensors are listed compactly (`gate-{1..200}-door`).
MAX_BYTES = 1_000_000
MAX_DEPTH = 24  #: of lists and mappings in each other

_DEEP = f"too deep: more than {MAX_DEPTH} lists and mappings in each other"

Path_ = tuple[str | int, ...]  #: keys and list positions from the top of the file
Position = tuple[int, int]  #: line and column, from 1

# YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema): NO, 22:00 and 0x10:00 are texts.
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False, "True": True, "False": False}
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OPENING = re.compile(r"[\[\]{}\n]|(?<![^\s])[-?](?=\s)")
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)


class Document:
    """What stands in one file.  `data` is None where it could not be read; the faults say why."""

    def __init__(self, file: str, data: Any = None) -> None:
        self.file = file
        self.data = data
        self.faults: list[Fault] = []
        self.touched: set[str | int] = set()  #: entries at the top of the file that have a fault
        self._values: dict[Path_, Position] = {(): (1, 1)}
        self._keys: dict[Path_, Position] = {}

    def fault(self, path: Path_, message: str, *, key: bool = False, warning: bool = False) -> None:
        """Notes a fault at the value of this path, or at its key; at the nearest thing around it that exists."""
        line, column = self._at(path, key)
        self.touched |= set(path[:1])
        self.faults.append(Fault(self.file, line, column, message, warning))

    def _at(self, path: Path_, key: bool) -> Position:
        if key and path in self._keys:
            return self._keys[path]
        while path not in self._values:
            path = path[:-1]
        return self._values[path]


def read(folder: Path, file: str) -> Document:
    """The file as a document.  Never raises: what is wrong with it are its faults."""
    document = Document(file)
    try:
        text = _text(folder / file)
        _refuse_odd(document, text)
        if not document.faults:
            _build(document, text)
    except _UnreadableError as error:
        document.faults.append(Fault(file, error.line, error.column, str(error)))
    return document


class _UnreadableError(Exception):
    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line, self.column = line, column


def _text(path: Path) -> str:
    """Raises _UnreadableError."""
    try:
        if not path.is_file():
            kind = "is not a file" if path.exists() else "this file is missing"
            raise _UnreadableError(kind)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _UnreadableError(f"{size:,} bytes; a file may have {MAX_BYTES:,}: list like sensors compactly")
        data = path.read_bytes()
    except OSError as error:
        raise _UnreadableError(f"cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n")
        raise _UnreadableError("not UTF-8: save the file as UTF-8", before.count(b"\n") + 1, column) from None


def _refuse_odd(document: Document, text: str) -> None:
    if found := _CONTROL.search(text):
        document.faults.append(_fault_at(document.file, text, found.start(), f"a character {found[0]!r}: remove it"))
    if found := _DIRECTIVE.search(text):
        document.faults.append(_fault_at(document.file, text, found.start(), "no % directives here: remove the line"))
    if deep := _too_deep(text):
        document.faults.append(_fault_at(document.file, text, deep, _DEEP))
    tab = re.compile(r"^ *\t", re.MULTILINE).search(text)
    if tab:
        message = "a tab: YAML is indented with spaces"
        document.faults.append(_fault_at(document.file, text, tab.end() - 1, message))


def _too_deep(text: str) -> int | None:
    """Where more brackets or dashes stand open than anybody writes: the parser's time grows with their square."""
    depth = 0
    for found in _OPENING.finditer(text):
        depth = 0 if found[0] == "\n" else depth + (found[0] in "[{-?") - (found[0] in "]}")
        if depth > 4 * MAX_DEPTH:
            return found.start()
    return None


def _fault_at(file: str, text: str, offset: int, message: str) -> Fault:
    return Fault(file, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset), message)


def _build(document: Document, text: str) -> None:
    """Raises _UnreadableError."""
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _UnreadableError(_plainly(error), line, column) from None
    except YAMLError as error:
        raise _UnreadableError(f"not YAML: {error}") from None
    except RecursionError:
        raise _UnreadableError(_DEEP) from None
    if node is None:
        raise _UnreadableError("this file is empty")
    document.data = _value(document, node, ())


def _plainly(error: MarkedYAMLError) -> str:
    problem = (error.problem or error.context or "cannot be understood").replace("\n", " ")
    if "mapping values are not allowed" in problem:
        return "a colon where none may stand: put the text in quotes, or check the indentation"
    if "undefined alias" in problem or "expected alphabetic or numeric" in problem:
        return "a text that begins with * or & must stand in quotes"
    if "expected a single document" in (error.context or "") or "expected a single document" in problem:
        return "only one document in a file: remove the line ---"
    return f"not YAML: {problem}"


def _value(document: Document, node: Node, path: Path_) -> Any:
    document._values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if node.anchor:
        document.fault(path, "no anchors and aliases (& and *) here: write it out, or put the text in quotes")
        return None
    if len(path) > MAX_DEPTH:
        document.fault(path, _DEEP)
        return None
    if not _is_plain(node):
        document.fault(path, "no tags (!) here: remove it, or put the text in quotes")
        return None
    match node:
        case MappingNode():
            return dict(_entries(document, node, path))
        case SequenceNode():
            return [_value(document, item, (*path, index)) for index, item in enumerate(node.value)]
        case ScalarNode():
            return _scalar(node)
    raise AssertionError(node)


def _is_plain(node: Node) -> bool:
    """Not tagged as something that YAML's core schema does not have."""
    kind = (node.tag or "").removeprefix("tag:yaml.org,2002:")
    match node:
        case MappingNode():
            return kind == "map"
        case SequenceNode():
            return kind == "seq"
    return kind in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")


def _entries(document: Document, node: MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        here = (*path, str(key.value)) if isinstance(key, ScalarNode) else path
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if not isinstance(key, ScalarNode) or key.anchor or (key.value == "<<" and not key.style):
            message = "a key must be a plain text; no lists, anchors or merge keys"
            document.faults.append(Fault(document.file, line, column, message))
            continue
        if key.value in seen:
            message = f"{key.value!r} stands here twice, first in line {seen[key.value]}: remove one"
            document.faults.append(Fault(document.file, line, column, message))
            continue
        seen[key.value] = line
        document._keys[here] = (line, column)
        yield key.value, _value(document, value, here)


def _scalar(node: ScalarNode) -> Any:
    text: str = node.value
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
