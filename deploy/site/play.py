"""The examples that stand beside a rule, played through the engine that runs in production (`vorab try`)."""

from msgspec import Struct
from msgspec.structs import replace

from deploy.site.examples import MIDNIGHT, READER, SUBJECT, Said, said, wanted
from deploy.site.files import Example as Entry
from rules.engine import Engine
from rules.ruleset import Rule, RuleSet, Watched
from rules.silent import Silent
from rules.without import Without
from vorab.model import SECOND, Breach, Edge, Instant, Quantity, Reading, Record, RuleId, Sample, Span

_EVERY = Span(10 * SECOND)  #: the reader of an example is alive and somebody listens: they say so this often


class Played(Struct, frozen=True):
    """One example: what was wanted and what the rule found."""

    file: str
    rule: RuleId
    given: list[str]
    wanted: list[str]
    found: list[str]
    ok: bool


def play(file: str, rule: Rule, example: Entry) -> Played:
    """What the rule finds in one example, by the engine itself.  Raises ValueError for what cannot be understood."""
    things = [said(text, rule) for text in example.given]
    goals = [wanted(text, rule) for text in example.then]
    found = _run(rule, things, max([*(thing.at for thing in things), *(at for _, _, at in goals)]))
    same = len(found) == len(goals) and all(
        breach.edge is edge and breach.at == at and priority in (None, breach.priority)
        for breach, (edge, priority, at) in zip(found, goals, strict=False)
    )
    return Played(file, rule.id, example.given, example.then, [_written(breach) for breach in found], same)


def _run(rule: Rule, things: list[Said], last: Instant) -> list[Breach]:
    """What the engine finds, until all that the rule waits for after the last thing is over."""
    subject = Watched(ingest="main", every=None, gateway=None, life_safety=False, readers=[READER])
    reader = Watched(ingest="main", every=_EVERY, gateway=None, life_safety=False, readers=[])
    engine = Engine(RuleSet([replace(rule, watch=[SUBJECT])], {SUBJECT: subject, READER: reader}))
    ends = [thing.at for thing in things if thing.sample is None]
    end = ends[-1] if ends else Instant(last + _rest(rule) + SECOND)
    found: list[Breach] = []
    alive = _alive(rule, things, end) if isinstance(rule.when, Without | Silent) else []
    for ordinal, thing in enumerate(sorted([*things, *alive], key=lambda thing: thing.at)):
        samples = [] if thing.sample is None else [thing.sample]
        reading = Reading(thing.sensor, samples, thing.at, thing.at, ordinal, dated=True)
        found += engine.apply(Record("main", MIDNIGHT, [reading] if samples else [], until=thing.at))
    return found + engine.apply(Record("main", MIDNIGHT, [], until=end))


def _alive(rule: Rule, things: list[Said], end: Instant) -> list[Said]:
    """The reader of the example says regularly that it is there; where silence matters, only the clock goes on."""
    online = Sample(Quantity.ONLINE, True) if isinstance(rule.when, Without) else None
    first = things[0].at - _EVERY
    return [Said(Instant(at), READER, online) for at in range(first, end, _EVERY)]


def _rest(rule: Rule) -> Span:
    """After this without news, nothing that the rule waits for is left, but for one more silence."""
    return Span(rule.lateness) if isinstance(rule.when, Silent) else Span(2 * rule.memory)


def _written(breach: Breach) -> str:
    since = Span(breach.at - MIDNIGHT)
    seconds, rest = divmod(since, SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    if seconds % 60 or rest:
        text += f":{seconds % 60:02}"
    if rest:
        text += f".{rest:06}".rstrip("0")
    word = breach.priority if breach.edge is Edge.LEVEL else breach.edge
    return f"{word} @ {text}"
