"""The heads of HTTP and RTSP answers, and how one says who one is: basic and digest (RFC 7617, RFC 7616, RFC 2069)."""

import asyncio
import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from vorab.errors import Malformed

LINE = 32 * 1024  #: bytes of one line of a head; give it to asyncio.open_connection as limit
LINES = 100

_STATUS = re.compile(rb"(?:HTTP|RTSP)/\d\.\d (\d{3})(?: |\r|\n)")
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


class Head(Struct, frozen=True):
    status: int
    headers: list[tuple[str, str]]  #: names in lower case

    def one(self, name: str) -> str:
        """ "" = there is none."""
        return next(iter(self.every(name)), "")

    def every(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known == name]


async def read_head(reader: asyncio.StreamReader, first: bytes = b"") -> Head:
    """`first`: what was read of it already.  Raises Malformed, IncompleteReadError when it breaks off."""
    try:
        matched = _STATUS.match(line := first + await reader.readline())
        if not line:
            raise asyncio.IncompleteReadError(b"", None)
        if matched is None:
            raise Malformed("what answers does not speak the language that its address says")
        headers: list[tuple[str, str]] = []
        while field := (await reader.readline()).decode("latin-1").strip():
            name, _, value = field.partition(":")
            headers.append((name.strip().lower(), value.strip()))
            if len(headers) > LINES:
                raise Malformed("an answer with too many headers")
    except ValueError:
        raise Malformed("an answer with an endless line") from None
    return Head(int(matched[1]), headers)


def target(url: str) -> str:
    """What stands in the first line of a request over HTTP."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def authorise(challenges: Sequence[str], method: str, uri: str, user: str, password: str) -> str | None:
    """The header's value; digest where it is offered.  None = no way of these is known here."""
    offers = {scheme.lower(): rest for scheme, _, rest in (one.partition(" ") for one in reversed(challenges))}
    if (digest := offers.get("digest")) is not None:
        return _digest({name.lower(): a or b for name, a, b in _PARAMETER.findall(digest)}, method, uri, user, password)
    if "basic" in offers:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return None


def _digest(offer: dict[str, str], method: str, uri: str, user: str, password: str) -> str | None:
    algorithm = offer.get("algorithm", "MD5")
    hashed = _HASHES.get(algorithm.upper())
    if hashed is None:
        return None

    def of(*parts: str) -> str:
        return hashed(":".join(parts).encode()).hexdigest()

    realm, nonce = offer.get("realm", ""), offer.get("nonce", "")
    fields = {"username": _quoted(user), "realm": realm, "nonce": nonce, "uri": uri}
    ours, asked = of(user, realm, password), of(method, uri)
    tail = f", algorithm={algorithm}" if "algorithm" in offer else ""
    if "auth" in re.split(r"[\s,]+", offer.get("qop", "")):
        chance, count = secrets.token_hex(8), "00000001"
        fields |= {"cnonce": chance, "response": of(ours, nonce, count, chance, "auth", asked)}
        tail += f", qop=auth, nc={count}"
    else:
        fields |= {"response": of(ours, nonce, asked)}
    if "opaque" in offer:
        fields |= {"opaque": offer["opaque"]}
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items()) + tail


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
