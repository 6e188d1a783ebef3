"""The heads of answers, and how we say who we are."""

import asyncio
import hashlib
import re

import pytest

from deploy.media.message import Head, authorise, read_head
from vorab.errors import Malformed


def head(*pieces: bytes) -> Head:
    async def read() -> Head:
        reader = asyncio.StreamReader(limit=1000)
        for piece in pieces:
            reader.feed_data(piece)
        reader.feed_eof()
        return await read_head(reader)

    return asyncio.run(read())


def test_names_are_in_lower_case_and_bare_line_feeds_will_do() -> None:
    found = head(b"RTSP/1.0 401 Unauthorized\nWWW-Authenticate: Basic realm=a\nWWW-Authenticate: Digest realm=b\n\n")
    assert found.status == 401
    assert found.every("www-authenticate") == ["Basic realm=a", "Digest realm=b"]
    assert found.one("session") == ""


@pytest.mark.parametrize(
    "hostile",
    [
        b"<html>\r\n\r\n",
        b"HTTP/1.1 99 No\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a" * 3000,
        b"\x00\xff\x00\xff\r\n",
    ],
)
def test_what_is_no_answer_is_refused(hostile: bytes) -> None:
    with pytest.raises(Malformed):
        head(hostile)


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        head(b"")


def test_the_digest_of_rfc_2617() -> None:
    """Section 3.5, without its qop, which makes RFC 2069 of it: MD5(HA1:nonce:HA2)."""
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    offer = f'Digest realm="testrealm@host.com", nonce="{nonce}", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    said = authorise([offer], "GET", "/dir/index.html", "Mufasa", "Circle Of Life")
    assert said is not None
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in said
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in said


def test_the_digest_of_rfc_7616_with_sha_256() -> None:
    offer = 'Digest realm="r", nonce="n", qop="auth, auth-int", algorithm=SHA-256'
    said = authorise([offer], "DESCRIBE", "rtsp://a/b", "ana", "secret")
    assert said is not None
    fields = dict(re.findall(r'(\w+)="?([^",]*)"?', said.removeprefix("Digest ")))

    def of(*parts: str) -> str:
        return hashlib.sha256(":".join(parts).encode()).hexdigest()

    ours, asked = of("ana", "r", "secret"), of("DESCRIBE", "rtsp://a/b")
    assert fields["response"] == of(ours, "n", fields["nc"], fields["cnonce"], "auth", asked)


def test_digest_is_preferred_and_basic_will_do() -> None:
    both = ['Basic realm="a"', 'Digest realm="a", nonce="n"']
    assert str(authorise(both, "GET", "/", "a", "b")).startswith("Digest ")
    assert authorise(both[:1], "GET", "/", "ana", "pass:word") == "Basic YW5hOnBhc3M6d29yZA=="


def test_an_unknown_way_of_asking_is_not_answered() -> None:
    assert authorise(["Bearer realm=a"], "GET", "/", "a", "b") is None
    assert authorise(['Digest realm="a", nonce="n", algorithm=ROT-13'], "GET", "/", "a", "b") is None
    assert authorise([], "GET", "/", "a", "b") is None


def test_a_name_cannot_add_fields() -> None:
    said = authorise(['Digest realm="a", nonce="n"'], "GET", "/", 'x", uri="/other', "b")
    assert r'username="x\", uri=\"/other"' in str(said)
