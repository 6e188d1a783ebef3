"""The words of a message: a template, the facts, and what fits (STORY, "three in the morning").

Templates are Jinja2 without loops, calls, attributes and assignments: what an operator writes always ends, and grows
no faster than the file it stands in.  The names they may use are NAMES.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from notifiers.segments import gsm, segments, shorten
from notifiers.words import UNITS, WORDS, Words
from vorab.model import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Breach,
    BreachId,
    Edge,
    Instant,
    Priority,
    Purpose,
    Quantity,
    ResponseId,
    RuleId,
    SensorId,
    Span,
    said,
)
from vorab.site import Place

DESK = "desk"
FALLBACK = "en"  #: the language of a reader whose own one we do not speak

#: What a template may use; see `_views`.
NAMES = (
    *("priority", "life_safety", "thing", "what", "cause", "note", "where", "point", "walk", "action", "code"),
    *("owner", "time", "broken", "reasons", "link", "sensor"),
    *("helps", "needed", "expected", "minutes", "rule", "place", "level"),
)
_FILTERS = ("upper", "lower", "trim", "default")
_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Filter,
)
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)")

_NAMED = re.compile(r"\b(badge reader|gateway|sensor|ingest) \S+(?= (?:silent|never|offline|not|is)\b)")


class Facts(Struct, frozen=True):
    """What a message can speak of."""

    priority: Priority
    breach: Breach
    held: Span  #: how long the condition has held; 0 = it happened in an instant
    place: Place | None
    place_names: list[str]  #: outermost first, in the reader's language
    seconds: int | None  #: on foot; None = no way is known
    code: str  #: the digits that a reply must carry
    owner: str  #: the name of who goes, or of who has done it; "" = nobody yet, DESK = the operator himself
    at: Instant  #: of the event that is told
    reasons: list[str]  #: why this person is called
    link: str  #: "" = none
    helps: str = ""  #: the name of who goes already and needs one more; "" = nobody does
    needed: bool = False  #: although somebody goes, the reader's yes is still wanted
    expected: Instant | None = None  #: when a customer may expect somebody; None = not known


class Text(Struct, frozen=True):
    text: str
    fault: str = ""  #: what is wrong with the operator's template; the built-in one was used instead


class Texts:
    """Every template, compiled once.  `templates`: the operator's own, "sms/en/request.txt" → source."""

    def __init__(self, templates: Mapping[str, str], zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._built_in = _built_in()
        self._own: dict[str, Template] = {}
        self._broken: dict[str, str] = {}
        for name, source in templates.items():
            try:
                self._own[name] = _compile(name, source)
            except TemplateError as error:
                self._broken[name] = f"{name}:{getattr(error, 'lineno', None) or 1}: {error.message}"

    def render(self, purpose: Purpose, channel: str, language: str, facts: Facts, limit: int) -> Text:
        """The message in this language, else in English, within `limit` characters.

        What does not fit goes in this order: the action's last clauses, the outer names of the place, the last reasons,
        link, why it is not certain, cause, way, place; never priority, thing, code, and that it is not certain.
        """
        language = language if language in WORDS else FALLBACK
        views = partial(_views, facts, language, self._zone)
        name = f"{channel}/{language}/{purpose}.txt"
        fault = self._broken.get(name, "")
        if name in self._own:
            try:
                text = _fit(self._own[name], views(), limit)
                if text is not None:
                    return Text(text)
                fault = f"{name}: longer than {limit} characters even without place and action"
            except Exception as error:  # an operator's template may fail in any way
                fault = f"{name}: {error}"
        built_in = self._built_in.get(name) or self._built_in[f"sms/{language}/{purpose}.txt"]
        text = _fit(built_in, views(), limit)
        return Text(shorten(_said(built_in, list(views())[-1]), limit) if text is None else text, fault)


@cache
def _built_in() -> dict[str, Template]:
    return {name: _compile(name, source) for name, source in shipped().items()}


@cache
def shipped() -> dict[str, str]:
    """The built-in templates: "sms/en/request.txt" → source."""
    folder = files("notifiers") / "templates" / "sms"
    return {
        f"sms/{language}/{purpose}.txt": (folder / language / f"{purpose}.txt").read_text("utf-8")
        for language in WORDS
        for purpose in Purpose
    }


def check(templates: Mapping[str, str]) -> list[str]:
    """What is wrong with these templates, each line with its file: names, syntax, and how they render samples."""
    return [fault for name, source in templates.items() for fault in _faults(name, source)]


def _faults(name: str, source: str) -> Iterator[str]:
    known = shipped()
    if name not in known:
        near = ", ".join(sorted({key.rsplit("/", 1)[1] for key in known}))
        yield f"{name}:1: no message has this name; write sms/LANGUAGE/PURPOSE.txt with {near} in {', '.join(WORDS)}"
        return
    _, language, file = name.split("/")
    purpose = Purpose(file.removesuffix(".txt"))
    texts = Texts({name: source}, "UTC")
    for sample in SAMPLES:
        rendered = texts.render(purpose, "sms", language, sample, 160)
        if rendered.fault:
            yield rendered.fault
            return
        if purpose is Purpose.REQUEST and sample.code not in rendered.text:
            yield f"{name}:1: a request without {{{{ code }}}} cannot be answered"
            return


class _Environment(ImmutableSandboxedEnvironment):
    """Names and filters, nothing else."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        return False


# Plain text: there is no HTML in a text message, and escaping would show as &amp;.
_environment = _Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)
_environment.globals.clear()
_environment.filters = {name: _environment.filters[name] for name in _FILTERS}
_environment.filters["sentence"] = lambda text: text[:1].upper() + text[1:]
_environment.tests = {"defined": _environment.tests["defined"]}


def _compile(name: str, source: str) -> Template:
    """Raises jinja2.TemplateError, with the line."""
    for node in _environment.parse(source, name).find_all(nodes.Node):
        if not isinstance(node, _NODES):
            raise TemplateSyntaxError(f"{type(node).__name__} is not allowed here", node.lineno, name)
        if isinstance(node, nodes.Name) and node.name not in NAMES:
            raise TemplateSyntaxError(f"unknown name '{node.name}'; there are {', '.join(NAMES)}", node.lineno, name)
    return _environment.from_string(source)


def _fit(template: Template, views: Iterator[dict[str, object]], limit: int) -> str | None:
    """The fullest text that fits; None = not even the shortest does."""
    for view in views:
        text = _said(template, view)
        if segments(text).characters <= limit:
            return text
    return None


def _said(template: Template, view: dict[str, object]) -> str:
    """One line, printable, in the 7-bit alphabet if look-alikes make it so."""
    line = " ".join(template.render(view).split())
    return gsm("".join(character for character in line if character.isprintable()))


def _views(facts: Facts, language: str, zone: ZoneInfo) -> Iterator[dict[str, object]]:
    """The names that a template may use, first with all there is to say, then with less and less."""
    breach, words = facts.breach, WORDS[language]
    names = (
        facts.place_names[1:] if len(facts.place_names) > 2 else facts.place_names
    )  # all know which site they are at
    clauses = [clause for clause in re.split(r"[,;.]\s+", said(breach.action, language).strip(" .")) if clause]
    thing, what = _what(breach, facts.held, words)
    note = _note(breach.note, words, zone)
    view: dict[str, object] = {
        "priority": words.priorities[facts.priority],
        "life_safety": facts.priority is Priority.LIFE_SAFETY,
        "thing": thing,  # "door"
        "what": what,  # "door open 30 s"
        # What happens in an instant needs a word; the operator's is in his language, so ours goes first.
        "cause": "" if facts.held >= SECOND or breach.absent else said(breach.cause, language).strip(" ."),
        "note": note,  # "unverified: badge reader silent since 09:58"
        "where": ", ".join(names),
        "point": names[-1] if names else "",
        "walk": "" if facts.seconds is None else f"{max(1, -(-facts.seconds // 60))} min {words.on_foot}",
        "action": ", ".join(clauses),
        "code": facts.code,
        "owner": {"": words.somebody, DESK: words.desk}.get(facts.owner, facts.owner),
        "time": _clock(facts.at, zone),
        "broken": breach.edge is not Edge.CLEARED,
        "reasons": ", ".join(facts.reasons),
        "link": facts.link,
        "sensor": breach.subject,
        "helps": facts.helps,
        "needed": facts.needed,
        "expected": "" if facts.expected is None else _clock(facts.expected, zone),
        "minutes": "" if facts.expected is None else str(max(1, -(-(facts.expected - facts.at) // MINUTE))),
        "rule": breach.rule,  # the names of recordings
        "place": facts.place.id if facts.place else "",
        "level": facts.priority.value,
    }
    yield view
    for count in reversed(range(len(clauses))):
        view = {**view, "action": ", ".join(clauses[:count])}
        yield view
    for count in range(1, len(names)):
        view = {**view, "where": ", ".join(names[count:])}
        yield view
    for count in reversed(range(1, len(facts.reasons))):
        view = {**view, "reasons": ", ".join(facts.reasons[:count])}
        yield view
    shorter = {"note": ", ".join(part.partition(": ")[0].strip() for part in note.split("; "))}  # "unverified"
    for less in ({"link": ""}, shorter, *({key: ""} for key in ("cause", "walk", "where", "point", "reasons"))):
        view = {**view, **less}
        yield view


def _what(breach: Breach, held: Span, words: Words) -> tuple[str, str]:
    """The thing, and the thing with its state and how long: "door", "door open 30 s"; what is over has no length."""
    is_over = breach.edge is Edge.CLEARED  # the value is the new one: shut, and it was open for that long
    lasted = "" if is_over else _span(held, words)
    if breach.quantity is None or breach.value is None:
        thing, is_so = words.silent
    else:
        thing, true, false = words.things[breach.quantity]
        is_so = true if breach.value else false
        if isinstance(breach.value, int | float) and not isinstance(breach.value, bool):
            is_so = _number(breach.value, breach.quantity, breach.limit, words)
            lasted = lasted and f"{words.lasting} {lasted}"
        if breach.absent and not is_over:
            is_so += f" {words.without} {words.things[breach.absent][0]}"
    return thing, " ".join(part for part in (thing, is_so, lasted) if part)


def _number(value: float, quantity: Quantity, limit: float | None, words: Words) -> str:
    """28.1 °C (limit 26)."""
    passed = "" if limit is None else f" ({words.limit} {_rounded(limit, words)})"
    return f"{_rounded(value, words)}{UNITS.get(quantity, '')}{passed}"


def _rounded(value: float, words: Words) -> str:
    return (f"{value:.1f}".removesuffix(".0") if abs(value) >= 1 else f"{value:.2g}").replace(".", words.decimal)


def _span(span: Span, words: Words) -> str:
    """30 s, 5 min, 3 h, 2 d; "" below a second."""
    if span < 100 * SECOND:
        return f"{span // SECOND} s" if span >= SECOND else ""
    if span < 100 * MINUTE:
        return f"{span // MINUTE} min"
    return f"{span // HOUR} h" if span < 2 * DAY else f"{span // DAY} {words.day}"


def _note(note: str, words: Words, zone: ZoneInfo) -> str:
    """In the reader's language and time; which reader or gateway it is helps nobody at the door."""
    note = _NAMED.sub(r"\1", note)
    for ours, theirs in words.notes.items():
        note = re.sub(rf"\b{ours}\b", theirs, note)
    return _ISO.sub(lambda found: _local(datetime.fromisoformat(found[0]), zone), note)


def _clock(at: Instant, zone: ZoneInfo) -> str:
    return _local(datetime.fromtimestamp(at // SECOND, UTC), zone)


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%H:%M")


def _sample(**changes: Any) -> Facts:
    breach: dict[str, Any] = {
        "id": BreachId("sample"),
        "number": 0,
        "edge": Edge.RAISED,
        "rule": RuleId("door-held-open"),
        "subject": SensorId("gate-b12-door"),
        "onset": Instant(1_800_000_000_000_000),
        "at": Instant(1_800_000_030_000_000),
        "priority": Priority.HIGH,
        "respond": ResponseId("security"),
        "rules_hash": "",
        "quantity": Quantity.OPEN,
        "value": True,
        "cause": "Door wedged, or the closer has failed",
        "action": "Close it, look for people who passed, check the closer",
    } | changes
    return Facts(
        priority=breach["priority"],
        breach=Breach(**breach),
        held=Span(30 * SECOND),
        place=None,
        place_names=["Example Airport", "T1", "level 2", "gate B12"],
        seconds=240,
        code="4821",
        owner="Ben",
        at=Instant(1_800_000_030_000_000),
        reasons=["on duty until 06:00", "security", "may enter airside T1", "4 min away"],
        link="",
    )


#: What `check` renders every template against.
SAMPLES = [
    _sample(),
    _sample(priority=Priority.LIFE_SAFETY, quantity=Quantity.TAKEN, note="uncertain"),
    _sample(quantity=Quantity.TEMPERATURE, value=28.14, limit=26.0, action="", cause=""),
    _sample(quantity=None, value=None, edge=Edge.CLEARED),
]
