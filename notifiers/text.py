"""The words of a message: a template, the facts, and what fits (STORY, "three in the morning").

Templates are Jinja2 without loops, calls, attributes and assignments: what an operator writes always ends, and grows
no faster than the file it stands in.  The names they may use are NAMES.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct
from msgspec.structs import replace

from notifiers.segments import gsm, segments, shorten
from notifiers.words import WORDS, Words
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
from vorab.words import UNITS, note, reason

DESK = "desk"
FALLBACK = "en"  #: the language of a reader whose own one we do not speak

#: What a template may use; see `_views`.
NAMES = (
    *("priority", "life_safety", "thing", "what", "cause", "note", "where", "point", "walk", "action", "code"),
    *("owner", "time", "broken", "reasons", "link", "sensor"),
    *("helps", "needed", "joined", "trouble", "expected", "minutes", "rule", "place", "level"),
)
#: The channels that operators may write templates for, with the characters that one message may have.
LIMITS = {"sms": 160, "voice": 1000, "desktop": 1000, "email": 4000}
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
#: Which reader or gateway it is helps nobody at the door.
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
    joined: bool = False  #: the reader himself is among those who go


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

        What does not fit goes in this order: the action's last clauses, the middle and then the outer names of the
        place, the action, the last reasons, cause, link, why it is not certain, way, place, who needs help; never
        priority, thing, code, and that it is not certain.
        """
        language = language if language in WORDS else FALLBACK
        views = partial(_views, facts, language, self._zone, aloud=channel == "voice")
        name = f"{channel}/{language}/{purpose}.txt"
        fault = self._broken.get(name, "")
        if name in self._own:
            try:
                text = _fit(self._own[name], views(), channel, limit)
                if text:
                    return Text(text)
                fault = f"{name}: says nothing" if text is not None else f"{name}: longer than {limit} characters"
            except Exception as error:  # an operator's template may fail in any way
                fault = f"{name}: {error}"
        built_in = self._built_in.get(name) or self._built_in[f"sms/{language}/{purpose}.txt"]
        text = _fit(built_in, views(), channel, limit)
        return Text(shorten(_said(built_in, list(views())[-1], channel), limit) if text is None else text, fault)


@cache
def _built_in() -> dict[str, Template]:
    return {name: _compile(name, source) for name, source in shipped().items()}


@cache
def shipped() -> dict[str, str]:
    """The built-in templates: "sms/en/request.txt" → source."""
    folder = files("notifiers") / "templates"
    return {
        f"{channel}/{language}/{purpose}.txt": file.read_text("utf-8")
        for channel in LIMITS
        for language in WORDS
        for purpose in Purpose
        if (file := folder / channel / language / f"{purpose}.txt").is_file()
    }


def check(templates: Mapping[str, str]) -> list[str]:
    """What is wrong with these templates, each line with its file: names, syntax, and how they render samples."""
    return [fault for name, source in templates.items() for fault in _faults(name, source)]


def _faults(name: str, source: str) -> Iterator[str]:
    channel, language, purpose = (*name.removesuffix(".txt").split("/"), "", "", "")[:3]
    if name != f"{channel}/{language}/{purpose}.txt" or not _is_known(channel, language, purpose):
        near = ", ".join(LIMITS), ", ".join(WORDS), ", ".join(sorted(Purpose))
        yield f"{name}:1: no message has this name; write CHANNEL/LANGUAGE/PURPOSE.txt with {'; '.join(near)}"
        return
    texts = Texts({name: source}, "UTC")
    for sample in SAMPLES:
        rendered = texts.render(Purpose(purpose), channel, language, sample, LIMITS[channel])
        if rendered.fault:
            yield rendered.fault
            return
        if purpose == Purpose.REQUEST and channel in _ANSWERED and sample.code not in rendered.text:
            yield f"{name}:1: a request without {{{{ code }}}} cannot be answered"
            return


#: Channels whose requests are answered with the code; elsewhere there are keys to press.
_ANSWERED = ("sms", "email")


def _is_known(channel: str, language: str, purpose: str) -> bool:
    return channel in LIMITS and language in WORDS and purpose in list(Purpose)


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


def _fit(template: Template, views: Iterable[dict[str, object]], channel: str, limit: int) -> str | None:
    """The fullest text that fits; None = not even the shortest does."""
    for view in views:
        text = _said(template, view, channel)
        if (segments(text).characters if channel == "sms" else len(text)) <= limit:
            return text
    return None


def _said(template: Template, view: dict[str, object], channel: str) -> str:
    """Printable, and laid out as the channel has it."""
    lines = ["".join(filter(str.isprintable, " ".join(line.split()))) for line in template.render(view).splitlines()]
    match channel:
        case "sms":  # one line, in the 7-bit alphabet if look-alikes make it so
            return gsm(" ".join(filter(None, lines)))
        case "voice":  # a sentence a line
            return "\n".join(filter(None, lines))
        case "email":  # the subject, then paragraphs
            return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
        case _:
            return " ".join(filter(None, lines))


def view(facts: Facts, language: str, zone: ZoneInfo) -> dict[str, object]:
    """The names that a template may use, with all there is to say, in this language."""
    return next(_views(facts, language, zone, aloud=False))


def _views(facts: Facts, language: str, zone: ZoneInfo, *, aloud: bool) -> Iterator[dict[str, object]]:
    """The names that a template may use, first with all there is to say, then with less and less."""
    breach, words = facts.breach, WORDS[language]
    names = [_one_line(name) for name in facts.place_names]
    names = names[1:] if len(names) > 2 else names  # all know which site they are at
    action = _one_line(said(breach.action, language)).strip(" .")
    clauses = [clause for clause in re.split(r"[,;.]\s+", action) if clause]
    thing, what = _what(breach, facts.held, words, aloud)
    doubt = note(_NAMED.sub(r"\1", breach.note), language, zone)
    reasons = [reason(one, language) for one in facts.reasons]
    # What happens in an instant needs a word, and so does what is over: "door shut" alone frightens nobody.
    is_said = breach.edge is Edge.CLEARED or not (facts.held >= SECOND or breach.absent)
    view: dict[str, object] = {
        "priority": words.priorities[facts.priority],
        "life_safety": facts.priority is Priority.LIFE_SAFETY,
        "thing": thing,  # "door"
        "what": what,  # "door open 30 s"
        "cause": _one_line(said(breach.cause, language)).strip(" .") if is_said else "",
        "note": doubt,  # "unverified: badge reader silent since 09:58"
        "where": ", ".join(names),
        "point": names[-1] if names else "",
        "walk": ""
        if facts.seconds is None
        else f"{_count(_minutes(facts.seconds), 'min', words, aloud)} {words.on_foot}",
        "action": ", ".join(clauses),
        "code": facts.code,
        "owner": {"": words.somebody, DESK: words.desk}.get(facts.owner, facts.owner),
        "time": clock(facts.at, zone),
        "broken": breach.edge is not Edge.CLEARED,
        "reasons": ", ".join(reasons),
        "link": facts.link,
        "sensor": breach.subject,
        "helps": {DESK: words.desk}.get(facts.helps, facts.helps),
        "needed": facts.needed,
        "joined": facts.joined,
        "trouble": _trouble(breach, words) or what,  # "warmer than it should be (28.1 °C)"
        "expected": "" if facts.expected is None else clock(facts.expected, zone),
        "minutes": "" if facts.expected is None else str(max(1, -(-(facts.expected - facts.at) // MINUTE))),
        "rule": breach.rule,  # the names of recordings
        "place": facts.place.id if facts.place else "",
        "level": facts.priority.value,
    }
    yield view
    for count in reversed(range(1, len(clauses))):
        view = {**view, "action": ", ".join(clauses[:count])}
        yield view
    for fewer in ([names[0], names[-1]], names[-1:]) if names else ():
        view = {**view, "where": ", ".join(fewer)}
        yield view
    view = {**view, "action": ""}
    yield view
    for count in reversed(range(1, len(reasons))):
        view = {**view, "reasons": ", ".join(reasons[:count])}
        yield view
    shorter = {"note": ", ".join(part.partition(": ")[0].strip() for part in doubt.split("; "))}  # "unverified"
    last = ("walk", "where", "point", "reasons", "helps")
    for less in ({"cause": ""}, {"link": ""}, shorter, *({key: ""} for key in last)):
        view = {**view, **less}
        yield view


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _trouble(breach: Breach, words: Words) -> str:
    """How it is for who is there, with the number; "" = we have no words of our own for it."""
    value = breach.value
    if breach.quantity not in words.beyond or breach.limit is None or not isinstance(value, int | float):
        return ""
    is_above = value > breach.limit
    return f"{words.beyond[breach.quantity][not is_above]} ({_rounded(value, words)}{UNITS[breach.quantity]})"


def _what(breach: Breach, held: Span, words: Words, aloud: bool) -> tuple[str, str]:
    """The thing, and the thing with its state and how long: "door", "door open 30 s"; what is over has no length."""
    is_over = breach.edge is Edge.CLEARED  # the value is the new one: shut, and it was open for that long
    lasted = "" if is_over else _span(held, words, aloud)
    if breach.quantity is None or breach.value is None:
        thing, is_so = words.ours.get(breach.rule, words.silent)
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


def _span(span: Span, words: Words, aloud: bool) -> str:
    """30 s, 5 min, 3 h, 2 d; "" below a second."""
    if span < 100 * SECOND:
        return _count(span // SECOND, "s", words, aloud) if span >= SECOND else ""
    if span < 100 * MINUTE:
        return _count(span // MINUTE, "min", words, aloud)
    return _count(span // HOUR, "h", words, aloud) if span < 2 * DAY else _count(span // DAY, "d", words, aloud)


def _count(number: int, unit: str, words: Words, aloud: bool) -> str:
    """4 min; said aloud: 4 minutes."""
    if aloud:
        return f"{number} {words.spans[unit][number != 1]}"
    return f"{number} {words.day if unit == 'd' else unit}"


def _minutes(seconds: int) -> int:
    return max(1, -(-seconds // 60))


def clock(at: Instant, zone: ZoneInfo) -> str:
    """03:14, at the site."""
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(zone).strftime("%H:%M")


def _sample(link: str = "", **changes: Any) -> Facts:
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
        reasons=["on duty until 06:00", "security", "may enter airside T1", "4 min on foot"],
        link=link,
    )


#: What `check` renders every template against.
SAMPLES = [
    _sample(),
    _sample(priority=Priority.LIFE_SAFETY, quantity=Quantity.TAKEN, note="uncertain"),
    _sample(quantity=Quantity.TEMPERATURE, value=28.14, limit=26.0, action="", cause=""),
    _sample(quantity=None, value=None, edge=Edge.CLEARED),
    replace(
        _sample("https://airport.example/b/4821x7KqAbC", quantity=Quantity.HUMIDITY, value=12.0, limit=30.0),
        helps="Ben",
        needed=True,
        expected=Instant(1_800_000_750_000_000),
    ),
    replace(_sample(), place_names=[], seconds=None, reasons=[], owner="", joined=True),
]
