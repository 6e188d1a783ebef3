"""The pages behind the links in messages: the technician's and the customer's.  No script, no session.

The address is the right: who has it reads about one incident and answers for one person.  Only a POST acts, because
whoever previews links fetches pages.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from fastapi import FastAPI, HTTPException, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from console.api import Desk
from console.link_sentences import FOR_ALL, FOR_CUSTOMERS, FOR_TECHNICIANS, GONE
from console.plans import Drawing
from console.signin import Tries
from notifiers.text import Facts, clock, view
from vorab.errors import Malformed
from vorab.model import SECOND, Incident, Instant, Meaning, Span, State, said
from vorab.ports import InboxItem
from vorab.site import Person, Place
from vorab.words import LANGUAGES, Three
from workflows.incident import missing

SLOW_S = 1.0  #: how long who has tried many wrong addresses waits for the answer to the next one
LARGEST_PLAN = 32 * 1024  #: bytes; with a larger one the page would be too heavy for a bad network
CONFIRMED_WITHIN = Span(15 * SECOND)  #: an answer that contact has not applied by then is said to be unconfirmed
MAX_FIELDS = 8
HEADERS = {"x-robots-tag": "noindex, nofollow"}

MEANINGS = frozenset({Meaning.TAKEN, Meaning.DECLINED, Meaning.ARRIVED, Meaning.DONE, Meaning.HELP})
SCORES = ("1", "2", "3", "4", "5")

_TOKEN = re.compile(r"[0-9A-Za-z]{1,64}")
_NUMBER = re.compile(r"[0-9]{1,18}")


class Opened(Struct, frozen=True):
    """What a right address leads to."""

    token: str
    incident: Incident
    person: Person
    place: Place | None

    @property
    def is_customer(self) -> bool:
        return self.person.id in self.incident.customers and self.person.id not in self.incident.asked

    @property
    def language(self) -> str:
        return self.person.language if self.person.language in LANGUAGES else LANGUAGES[0]


class Pending(Struct, frozen=True):
    """An answer that was sent and perhaps is not applied yet; in the address to which its sender is led back."""

    said: str
    after: int  #: the incident's events when it was sent
    at: Instant


def routes(app: FastAPI, desk: Desk) -> None:
    links, tries = Links(desk), Tries(desk.outside.now)

    async def opened(token: str, request: Request) -> Opened | Response:
        """A right address opens at once, whatever else comes from there: behind a proxy all have one."""
        found = await run_in_threadpool(links.open, token)
        if found is not None:
            return found
        address = request.client.host if request.client else ""
        is_slow = tries.often(address)
        tries.wrong(address)
        if is_slow:
            await asyncio.sleep(SLOW_S)
        return links.gone(429 if is_slow else 404)

    @app.get("/b/{token}", dependencies=[desk.right("link")])
    async def page(token: str, request: Request) -> Response:
        found = await opened(token, request)
        if isinstance(found, Response):
            return found
        return await run_in_threadpool(links.page, found, _pending(request.query_params))

    @app.post("/b/{token}", dependencies=[desk.right("link")])
    async def answer(token: str, request: Request) -> Response:
        """303 back to the page, when the answer is stored; 400 for what no button of the page says."""
        found = await opened(token, request)
        if isinstance(found, Response):
            return found
        try:
            form = dict(parse_qsl((await request.body()).decode(), max_num_fields=MAX_FIELDS))
            item = await run_in_threadpool(links.item, found, form.get("say", ""), form.get("seen", ""))
        except (Malformed, ValueError):  # ValueError: not UTF-8, or too many fields
            raise HTTPException(400, "not an answer of this page") from None
        now = desk.outside.now()
        await run_in_threadpool(desk.outside.inbox.put, [item], now)
        query = urlencode({"said": form["say"], "after": found.incident.events, "at": now})
        return RedirectResponse(f"/b/{token}?{query}", 303, HEADERS)

    @app.get("/b/{token}/picture", dependencies=[desk.right("link")])
    async def picture(token: str, request: Request) -> Response:
        """JPEG: what the camera showed when it was found."""
        found = await opened(token, request)
        if isinstance(found, Response):
            return found
        jpeg = None if found.is_customer else await run_in_threadpool(desk.outside.reader.jpeg, found.incident.id)
        return links.gone() if jpeg is None else Response(jpeg, media_type="image/jpeg", headers=HEADERS)

    @app.get("/b/{token}/plan", dependencies=[desk.right("link")])
    async def plan(token: str, request: Request) -> Response:
        """SVG: the plan of the floor, with the place on it."""
        found = await opened(token, request)
        if isinstance(found, Response):
            return found
        drawn = None if found.is_customer else links.plan(found)
        return links.gone() if drawn is None else Response(drawn, media_type="image/svg+xml", headers=HEADERS)


def _pending(query: Mapping[str, str]) -> Pending | None:
    """None also for what we never wrote there."""
    after, at = query.get("after", ""), query.get("at", "")
    if not (_NUMBER.fullmatch(after) and _NUMBER.fullmatch(at)):
        return None
    return Pending(query.get("said", ""), int(after), Instant(int(at)))


class Links:
    """What the routes answer."""

    def __init__(self, desk: Desk) -> None:
        self._outside = desk.outside
        self._plans = {floor: one for floor, one in desk.plans.items() if len(one.svg) <= LARGEST_PLAN}
        self._zone = ZoneInfo(desk.outside.site.zone)
        self._pages = Environment(
            loader=PackageLoader("console", "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def open(self, token: str) -> Opened | None:
        """None = there is no such address, or not any more."""
        reader, directory = self._outside.reader, self._outside.directory
        link = reader.link(token) if _TOKEN.fullmatch(token) else None
        if link is None or link.expires_at <= self._outside.now():
            return None
        incident, person = reader.incident(link.incident), directory.person(link.person)
        if incident is None or person is None:
            return None
        return Opened(token, incident, person, directory.place_of(incident.breach.subject))

    def gone(self, status: int = 404) -> Response:
        """It tells nothing, and does not know the language of who reads it."""
        return self._html("gone", {"lines": list(zip(LANGUAGES, GONE, strict=True))}, status)

    def page(self, opened: Opened, pending: Pending | None) -> Response:
        waits = pending is not None and not self._is_applied(opened, pending)
        late = waits and pending is not None and self._outside.now() >= pending.at + CONFIRMED_WITHIN
        shared = {
            "language": opened.language,
            "token": opened.token,
            "seen": opened.incident.events,
            "sending": waits and not late,
            "unconfirmed": late,
            "headline": _headline,
            **self._view(opened),
        }
        if opened.is_customer:
            return self._html("customer", shared | self._for_customer(opened))
        return self._html("technician", shared | self._for_technician(opened))

    def item(self, opened: Opened, say: str, seen: str) -> InboxItem:
        """What a button of the page says; the same button of the same page is the same item.  Raises Malformed."""
        incident, person = opened.incident, opened.person
        if not _NUMBER.fullmatch(seen) or int(seen) > incident.events:
            raise Malformed("that page was never shown")
        who = {"person": person.id, "incident": incident.id}
        of_page = f"page/{hashlib.sha256(opened.token.encode()).hexdigest()[:16]}/{int(seen)}"
        if opened.is_customer and say in SCORES and self._is_asked(opened):
            return InboxItem(f"{of_page}/rating", "rating", who | {"score": say})
        if not opened.is_customer and say in MEANINGS:
            return InboxItem(f"{of_page}/{say}", "page", who | {"meaning": say})
        raise Malformed("no button says that")

    def plan(self, opened: Opened) -> bytes | None:
        """None = there is none of this floor, or the place is not on it."""
        drawing, place = self._drawing(opened.place), opened.place
        return None if drawing is None or place is None or place.at is None else _marked(drawing, place.at)

    def _drawing(self, place: Place | None) -> Drawing | None:
        if place is None or place.at is None:
            return None
        return next((self._plans[floor] for floor in reversed(place.path) if floor in self._plans), None)

    def _is_applied(self, opened: Opened, pending: Pending) -> bool:
        """Whether contact has had the answer: what it says is so, or the incident has moved on."""
        incident, person = opened.incident, opened.person.id
        if incident.events > pending.after:
            return True
        match pending.said:
            case Meaning.TAKEN:
                return person in incident.going
            case Meaning.ARRIVED:
                return person in incident.arrived
            case Meaning.DECLINED:
                return person in incident.declined
            case Meaning.DONE:
                return incident.done or incident.state is State.RESOLVED
            case Meaning.HELP:
                return incident.wanted > len(incident.going)
            case _:
                return person in incident.ratings

    def _is_asked(self, opened: Opened) -> bool:
        """Whether the customer was asked whether it was good, and has not said so yet."""
        incident, person = opened.incident, opened.person.id
        return person not in incident.ratings and self._outside.reader.rated(incident.id, person)

    def _view(self, opened: Opened) -> dict[str, object]:
        """What can be said of the incident, in the reader's words."""
        breach, now = opened.incident.breach, self._outside.now()
        place, directory = opened.place, self._outside.directory
        around = [directory.place(one) for one in place.path or [place.id]] if place else []
        base = opened.person.base
        facts = Facts(
            priority=breach.priority,
            breach=breach,
            held=Span(max(now, breach.at) - breach.onset if breach.at > breach.onset else 0),
            place=place,
            place_names=[one.name for one in around if one],
            seconds=directory.seconds(base, place.id) if base and place else None,
            code=opened.incident.code,
            owner="",
            at=now,
            reasons=[],
            link="",
            expected=opened.incident.expected_at,
        )
        names = [one.name for one in around[1:] if one] if len(around) > 2 else facts.place_names
        told = view(facts, opened.language, self._zone)
        return told | {"names": names}

    def _for_technician(self, opened: Opened) -> dict[str, object]:
        incident, breach, language = opened.incident, opened.incident.breach, opened.language
        t = _Sentences(FOR_ALL | FOR_TECHNICIANS, language)
        picture = self._outside.reader.picture(incident.id)
        taken_at = picture.taken_at if picture else None
        return {
            "t": t,
            "status": self._status(opened, t),
            "buttons": [] if incident.state is State.RESOLVED else _buttons(opened, t),
            "since": t("since", time=clock(breach.onset, self._zone)),
            "cause": said(breach.cause, language),
            "consequence": said(breach.consequence, language),
            "action": said(breach.action, language),
            "going": self._going(incident, t),
            "picture": "" if taken_at is None else t("picture", time=clock(taken_at, self._zone)),
            "plan": self._drawing(opened.place) is not None,
        }

    def _status(self, opened: Opened, t: "_Sentences") -> list[str]:
        """Where it stands for the reader, the most important first."""
        incident, person = opened.incident, opened.person.id
        if incident.state is State.RESOLVED:
            return [t("over", time=clock(incident.resolved_at or self._outside.now(), self._zone))]
        names = ", ".join(self._name(one) for one in incident.going if one != person)
        lines = []
        if person in incident.going:
            lines = [t("there" if person in incident.arrived else "yours")]
            if incident.wanted > len(incident.going):
                lines.append(t("help_called"))
            if not incident.broken:
                lines.append(t("over_by_itself"))
            elif incident.done:
                lines.append(t("still_so"))
        elif person in incident.declined:
            lines = [t("declined")]
        elif names:
            lines = [t("needed" if incident.state is State.TRIGGERED else "others_go", names=names)]
        return lines or [t("asked")]

    def _going(self, incident: Incident, t: "_Sentences") -> list[str]:
        who = [
            t("is_there" if person in incident.arrived else "goes", name=self._name(person))
            for person in incident.going
        ]
        roles = missing(incident) if incident.state is not State.RESOLVED else []
        return [*(who or [t("nobody")]), *([t("missing", roles=", ".join(roles))] if roles else [])]

    def _name(self, person: str) -> str:
        known = self._outside.directory.person(person)
        return known.name if known else person

    def _for_customer(self, opened: Opened) -> dict[str, object]:
        incident = opened.incident
        t = _Sentences(FOR_ALL | FOR_CUSTOMERS, opened.language)
        score = incident.ratings.get(opened.person.id)
        return {
            "t": t,
            "status": self._progress(incident, t),
            "is_over": incident.state is State.RESOLVED,
            "is_asked": self._is_asked(opened),
            "scores": SCORES,
            "thanks": "" if score is None else t("thanks", score=score),
        }

    def _progress(self, incident: Incident, t: "_Sentences") -> list[str]:
        """Where it stands for a customer: one line, and what goes with it."""
        if incident.state is State.RESOLVED:
            return [t("solved"), t("solved_at", time=clock(incident.resolved_at or self._outside.now(), self._zone))]
        if incident.arrived:
            return [t("there"), t("nothing_to_do")]
        if not incident.going:
            return [t("on_it"), t("nothing_to_do")]
        when = incident.expected_at
        at = [] if when is None else [t("at", time=clock(when, self._zone))]
        return [t("coming"), *at, t("nothing_to_do")]

    def _html(self, name: str, values: dict[str, object], status: int = 200) -> Response:
        page = self._pages.get_template(f"{name}.html").render(values)
        return Response(page, status, HEADERS, "text/html")


class _Sentences:
    """The sentences in one language."""

    def __init__(self, table: Mapping[str, Three], language: str) -> None:
        self._table = table
        self._number = LANGUAGES.index(language)

    def __call__(self, name: str, /, **values: object) -> str:
        return self._table[name][self._number].format(**values)


class Button(Struct, frozen=True):
    say: str
    label: str
    is_first: bool  #: what he most likely wants


def _headline(text: str) -> str:
    """With a capital, and no number apart from its unit."""
    return f"{text[:1].upper()}{text[1:]}".replace(" °C", "\N{NO-BREAK SPACE}°C")


def _buttons(opened: Opened, t: _Sentences) -> list[Button]:
    incident, person = opened.incident, opened.person.id
    if person not in incident.going:
        if incident.state is State.TAKEN and not incident.needs:
            return []  # enough go
        cannot = [] if person in incident.declined or incident.state is State.TAKEN else [(Meaning.DECLINED, "cannot")]
        offered = [(Meaning.TAKEN, "taken"), (Meaning.ARRIVED, "arrived"), (Meaning.DONE, "done"), *cannot]
    elif person in incident.arrived:
        offered = [(Meaning.DONE, "done"), (Meaning.HELP, "help")]
    else:
        offered = [
            *[(Meaning.ARRIVED, "arrived"), (Meaning.DONE, "done"), (Meaning.HELP, "help")],
            (Meaning.DECLINED, "cannot_after_all"),
        ]
    return [Button(meaning.value, t(name), not number) for number, (meaning, name) in enumerate(offered)]


def _marked(drawing: Drawing, at: tuple[float, float]) -> bytes:
    """The plan with a mark on the place."""
    unit = max(drawing.width, drawing.height) / 100
    x, y = at
    mark = (
        f'<g fill="none" stroke="#c2083f" stroke-width="{unit:.3f}">'
        f'<circle cx="{x:.3f}" cy="{y:.3f}" r="{3.4 * unit:.3f}"/>'
        f'<circle cx="{x:.3f}" cy="{y:.3f}" r="{1.3 * unit:.3f}" fill="#c2083f"/></g>'
    )
    head, end, tail = drawing.svg.rpartition(b"</svg>")
    return head + mark.encode() + end + tail
