"""The addresses of the pages behind the links in messages: short, not to be guessed, and the same when made again."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from deploy.store.transaction import Link
from vorab.model import IncidentId, PersonId

LENGTH = 11  #: of the token: 65 bits, for whoever tries a million a second a million years
_DIGITS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  #: none that are taken for another


def key(data: Path) -> bytes:
    """The key of this data folder, made at its first use."""
    path = data / "links.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()


def maker(signing_key: bytes, public_url: str) -> Callable[[IncidentId, PersonId], Link]:
    """Makes `public_url/b/TOKEN`; only who has the key can know the token of an incident and a person."""

    def link(incident: IncidentId, person: PersonId) -> Link:
        signed = hmac.digest(signing_key, f"{incident} {person}".encode(), hashlib.sha256)
        number, token = int.from_bytes(signed), ""
        for _ in range(LENGTH):
            number, digit = divmod(number, len(_DIGITS))
            token += _DIGITS[digit]
        return Link(token, f"{public_url}/b/{token}")

    return link
