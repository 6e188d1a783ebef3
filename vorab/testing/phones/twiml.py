"""TwiML as far as we speak it: Say, Play, Pause, Gather, Redirect, Hangup (twilio.com/docs/voice/twiml)."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from vorab.errors import Malformed
from vorab.model import SECOND, Span

MAX_BYTES = 64 * 1024  #: of one document (Twilio's error 11750)


@dataclass(frozen=True)
class Say:
    text: str
    language: str


@dataclass(frozen=True)
class Play:
    url: str


@dataclass(frozen=True)
class Pause:
    span: Span


@dataclass(frozen=True)
class Redirect:
    url: str


@dataclass(frozen=True)
class Hangup:
    """The call is over."""


@dataclass(frozen=True)
class Gather:
    """Keys are taken while it says what it says, and until `timeout` after that or after the last key."""

    action: str
    digits: int | None  #: so many end it; None = only `finish` and time do
    timeout: Span
    finish: str
    says: tuple["Say | Play | Pause", ...]
    always: bool  #: `action` is asked also when no key came


Verb = Say | Play | Pause | Redirect | Hangup | Gather


def read(body: bytes, url: str) -> tuple[list[Verb], list[str]]:
    """What is to be done, in order, addresses complete; and what was passed over, as Twilio's debugger would tell it.

    Raises Malformed with Twilio's error for what ends the call: no XML, another root, too large.
    """
    if len(body) > MAX_BYTES:
        raise Malformed("11750 TwiML response body too large")
    parser = XMLParser(target=_Plain())  # noqa: S314 - at most 64 KiB, and a document type ends it
    try:
        parser.feed(body)
        root = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        raise Malformed(f"12100 Document parse failure: {error}") from None
    if root.tag != "Response":
        raise Malformed(f"12102 Root element must be Response, not {root.tag[:40]}")
    warnings: list[str] = []
    return list(_verbs(root, url, warnings)), warnings


class _Plain(TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("a document type")


def _verbs(parent: Element, url: str, warnings: list[str]) -> Iterator[Verb]:
    for element in parent:
        inner = parent.tag == "Gather"
        match element.tag:
            case "Say" if text := " ".join("".join(element.itertext()).split()):
                yield Say(text, element.get("language", "en-US"))
            case "Say":
                warnings.append("13520 Say: there is no text")
            case "Play":
                yield Play(urljoin(url, (element.text or "").strip()))
            case "Pause":
                yield Pause(_seconds(element, "length", 1))
            case "Redirect" if not inner:
                yield Redirect(urljoin(url, (element.text or "").strip()))
            case "Hangup" if not inner:
                yield Hangup()
            case "Gather" if not inner:
                yield _gather(element, url, warnings)
            case other:
                warnings.append(f"12200 Schema validation warning: {other[:40]} within {parent.tag} is passed over")


def _gather(element: Element, url: str, warnings: list[str]) -> Gather:
    says = tuple(verb for verb in _verbs(element, url, warnings) if isinstance(verb, Say | Play | Pause))
    count = element.get("numDigits", "")
    return Gather(
        action=urljoin(url, element.get("action", "")),
        digits=int(count) if count.isascii() and count.isdigit() else None,
        timeout=_seconds(element, "timeout", 5),
        finish=element.get("finishOnKey", "#"),
        says=says,
        always=element.get("actionOnEmptyResult", "false").lower() == "true",
    )


def _seconds(element: Element, name: str, default: int) -> Span:
    """At most an hour; what is no number is the default."""
    told = element.get(name, "")
    return Span((min(int(told[:9]), 3600) if told.isascii() and told.isdigit() else default) * SECOND)
