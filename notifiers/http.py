"""HTTP to a provider: connect within 5 s, answered within 10 s, kept alive, no redirects, at most 64 kB (DESIGN §7)."""

import ipaddress
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util import Timeout, make_headers

from vorab.errors import ConfigurationError, OutcomeUnknown, TemporaryFailure
from vorab.ports import HttpResponse

CONNECT_S, TOTAL_S = 5.0, 10.0
MAX_BYTES = 64 * 1024  #: of an answer
CONNECTIONS = 16  #: kept open to one host: as many as there are threads that send (deploy.contact.SENDERS)


class Client:
    """Implements vorab.ports.HttpClient; one for all threads.

    Only https to public addresses, unless `allow_private`: then also http, loop-back and private networks (a demo, a
    gateway of one's own).  The address is checked on the connection itself, so that no name can change in between.
    """

    def __init__(self, *, allow_private: bool = False, total_s: float = TOTAL_S) -> None:
        self._allow_private = allow_private
        self._total_s = total_s
        self._timeout = Timeout(connect=min(CONNECT_S, total_s), read=total_s, total=total_s)
        self._pool = urllib3.PoolManager(maxsize=CONNECTIONS, retries=False)
        if not allow_private:
            self._pool.pool_classes_by_scheme = {"https": _PublicPool}

    def request(
        self,
        method: str,
        url: str,
        *,
        form: Sequence[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> HttpResponse:
        """Raises TemporaryFailure when surely nothing reached the other side, OutcomeUnknown when it may have,
        ConfigurationError when this address may not be called.
        """
        self._refuse_plain(url)
        sent = {"User-Agent": "vorab", **(headers or {})}
        if auth:
            sent |= make_headers(basic_auth=f"{auth[0]}:{auth[1]}")
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        deadline = time.monotonic() + self._total_s
        try:
            answer = self._pool.connection_from_url(url).urlopen(
                method,
                _target(url),
                body=None if form is None else urlencode(form),
                headers=sent,
                timeout=self._timeout,
                redirect=False,
                preload_content=False,
                decode_content=False,  # we ask for none, and a few bytes must not become a gigabyte
            )
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise TemporaryFailure(f"no connection to {urlsplit(url).hostname}: {_reason(error)}") from None
        except HTTPError as error:
            if certificate_refused(error):
                raise TemporaryFailure(f"{urlsplit(url).hostname}: certificate refused: {_reason(error)}") from None
            raise OutcomeUnknown(f"no answer from {urlsplit(url).hostname}: {_reason(error)}") from None
        return _read(answer, deadline)

    def _refuse_plain(self, url: str) -> None:
        if urlsplit(url).scheme != "https" and not self._allow_private:
            raise ConfigurationError(
                f"{url.split('?')[0]} is not https; set allow_private: true if it is your own network"
            )


def _target(url: str) -> str:
    """What stands in the request's first line."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _read(answer: Any, deadline: float) -> HttpResponse:
    """The whole answer, or OutcomeUnknown when it is too long or does not end in time."""
    body = bytearray()
    try:
        while piece := answer.read1(MAX_BYTES):
            body += piece
            if len(body) > MAX_BYTES:
                raise OutcomeUnknown(f"an answer of more than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise OutcomeUnknown("the answer did not end in time")
    except (HTTPError, OSError) as error:
        answer.close()
        raise OutcomeUnknown(f"the answer broke off: {_reason(error)}") from None
    except OutcomeUnknown:
        answer.close()
        raise
    answer.release_conn()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return HttpResponse(answer.status, bytes(body), headers)


def certificate_refused(error: BaseException | None) -> bool:
    """The other side could not prove who it is: our request was not sent."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reason(error: BaseException) -> str:
    """Short, and without the address of an object in memory."""
    return str(error).rpartition(": ")[2] or type(error).__name__


def refuse_private(host: str, line: Any) -> None:
    """Closes a connection that leads into a private network, or to ourselves, and raises ConfigurationError."""
    address = ipaddress.ip_address(line.getpeername()[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_global:
        line.close()
        raise ConfigurationError(f"{host} is at {address}, not a public address; set allow_private: true")


class _PublicConnection(HTTPSConnection):
    def _new_conn(self) -> Any:
        line = super()._new_conn()
        refuse_private(self.host, line)
        return line


class _PublicPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PublicConnection
