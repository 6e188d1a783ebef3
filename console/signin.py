"""Who sits at the desk: the operator's secret, the sessions, and the limit on tries."""

import contextlib
import hashlib
import hmac
import os
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from itsdangerous import BadData, URLSafeSerializer
from msgspec import Struct

from vorab.errors import ConfigurationError
from vorab.model import HOUR, MINUTE, SECOND, Instant

OPERATOR = "operator"
#: A session ends when its page has been gone for this long, and after a shift in any case.
IDLE, SHIFT = 30 * MINUTE, 12 * HOUR
#: How many wrong secrets an address may have given within this time; after that, all such addresses together have one
#: check a second, and the others CHECKS.
TRIES, WINDOW, CHECKS = 10, 15 * MINUTE, 5
MAX_ADDRESSES = 10_000
MAX_SECRET = 1024  #: characters; a longer one is refused unread

V = TypeVar("V")

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  #: nothing that looks like something else
_SALT_BYTES = 16


# --- the secret -------------------------------------------------------------------------------------------------------


def first_secret(data: Path) -> str | None:
    """The operator's secret, when this data folder has none yet; None ever after.  Only its scrypt hash is kept.

    79 bits: 16 letters and digits out of 31.
    """
    secret = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    try:
        _write_once(data / "secret", hashed(secret, secrets.token_bytes(_SALT_BYTES)))
    except FileExistsError:
        return None
    return secret


def stored_secret(data: Path) -> bytes:
    """The scrypt hash with its salt.  Raises ConfigurationError."""
    try:
        return (data / "secret").read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(f"{data / 'secret'}: missing; python -m vorab run SITE makes one") from None


def fits(secret: str, stored: bytes) -> bool:
    """True for the secret that this hash was made of; takes the same time for every other (about 70 ms)."""
    return hmac.compare_digest(hashed(secret[:MAX_SECRET], stored[:_SALT_BYTES]), stored) and len(secret) <= MAX_SECRET


def session_key(data: Path) -> bytes:
    """The key that signs session cookies; made when there is none.  Deleting the file signs everybody out."""
    path = data / "session.key"
    with contextlib.suppress(FileExistsError):
        _write_once(path, secrets.token_bytes(32))
    return path.read_bytes()


def hashed(secret: str, salt: bytes) -> bytes:
    """What is kept of a secret: the salt of 16 bytes, and the hash."""
    # 16 MB and about 70 ms: enough for a secret of 79 random bits, which nobody finds by trying
    return salt + hashlib.scrypt(secret.encode("utf-8", "replace"), salt=salt, n=2**14, r=8, p=1, dklen=32)


def _write_once(path: Path, content: bytes) -> None:
    """Raises FileExistsError.  Nobody ever sees half of it."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()


# --- sessions ---------------------------------------------------------------------------------------------------------


class Session(Struct, frozen=True):
    id: str
    begun_at: Instant
    seen_at: Instant  #: when its cookie was written


class Sessions:
    """Signed cookies; which sessions have ended is kept in a file, when each was seen only in this process."""

    def __init__(self, key: bytes, now: Callable[[], Instant], ended: Path) -> None:
        self._cookies = URLSafeSerializer(key, salt="session", signer_kwargs={"digest_method": hashlib.sha256})
        self._now = now
        self._seen: OrderedDict[str, Instant] = OrderedDict()
        self._file = ended
        self._ended: OrderedDict[str, Instant] = OrderedDict(_still_signed(ended, now()))
        if not self._ended:
            ended.unlink(missing_ok=True)

    def begin(self) -> str:
        """The cookie of a new session."""
        now = self._now()
        return self.cookie(Session(secrets.token_urlsafe(16), now, now))

    def cookie(self, session: Session) -> str:
        """A cookie that says this session was seen now."""
        return str(self._cookies.dumps([session.id, session.begun_at, self._now()]))

    def read(self, cookie: str) -> Session | None:
        """The session of this cookie, seen now; None = forged, ended, or too old."""
        try:
            session_id, begun_at, seen_at = self._cookies.loads(cookie)
        except (BadData, ValueError, TypeError):
            return None
        session = Session(session_id, begun_at, seen_at)
        if not self.is_alive(session):
            return None
        _remember(self._seen, session.id, self._now())
        return session

    def is_alive(self, session: Session) -> bool:
        seen_at = max(session.seen_at, self._seen.get(session.id, 0))
        now = self._now()
        return session.id not in self._ended and now < seen_at + IDLE and now < session.begun_at + SHIFT

    def end(self, session: Session) -> None:
        """Also for a copy of its cookie, and for the processes that come after this one."""
        _remember(self._ended, session.id, session.begun_at)
        with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write(f"{session.id} {session.begun_at}\n")


def _still_signed(ended: Path, now: Instant) -> Iterator[tuple[str, Instant]]:
    """The sessions in this file whose cookies would still be good, each with its begin."""
    for line in ended.read_text("utf-8", "replace").splitlines() if ended.exists() else []:
        session_id, _, begun_at = line.partition(" ")
        if begun_at.isascii() and begun_at.isdigit() and now < int(begun_at) + SHIFT:
            yield session_id, Instant(int(begun_at))


class Tries:
    """When the next secret may be checked, which takes 70 ms.

    Nobody is locked out: behind a proxy all have one address, and the right secret must open whatever others try.
    """

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self._wrong: OrderedDict[str, deque[Instant]] = OrderedDict()
        self._checks: deque[Instant] = deque(maxlen=CHECKS)
        self._slow: deque[Instant] = deque(maxlen=1)

    def wait_s(self, address: str) -> int:
        """0, and a secret from this address may be checked; else the seconds until one may be."""
        now = self._now()
        checks = self._slow if self.often(address) else self._checks
        if len(checks) == checks.maxlen and now < checks[0] + SECOND:
            return 1
        checks.append(now)
        return 0

    def often(self, address: str) -> bool:
        """Whether this address has lately tried what was wrong as often as anybody may."""
        wrong = self._wrong.get(address)
        return wrong is not None and len(wrong) == TRIES and self._now() < wrong[0] + WINDOW

    def wrong(self, address: str) -> None:
        """The secret that came from this address was wrong."""
        wrong = self._wrong.get(address) or deque(maxlen=TRIES)
        wrong.append(self._now())
        _remember(self._wrong, address, wrong)

    def right(self, address: str) -> None:
        self._wrong.pop(address, None)


def _remember(table: OrderedDict[str, V], key: str, value: V) -> None:
    """The newest entries stay; a flood of keys does not fill the memory."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > MAX_ADDRESSES:
        table.popitem(last=False)
