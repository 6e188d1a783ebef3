"""What the served world asks of others, one try each: our webhooks, and the recordings our TwiML names."""

from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import urlencode, urlsplit

from vorab.ports import HttpResponse
from vorab.testing.phones.exchange import Form
from vorab.testing.phones.twiml import MAX_BYTES

WAITS_S = 15.0  #: Twilio's patience with a webhook
MAX_SOUND = 8 * 1024 * 1024
SOUNDS = ("audio/wav", "audio/x-wav", "audio/mpeg")


def post(url: str, form: Form, signature: str) -> HttpResponse | None:
    """One of our webhooks, by plain HTTP; None = nobody answered."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "X-Twilio-Signature": signature}
    return _ask("POST", url, urlencode(form), headers, MAX_BYTES + 1)


def sound(url: str) -> HttpResponse | None:
    """A recording; None = there is none that can be played."""
    answer = _ask("GET", url, None, {}, MAX_SOUND)
    kind = answer.headers.get("content-type", "").partition(";")[0] if answer else ""
    return answer if answer and answer.status == 200 and kind in SOUNDS else None


def _ask(method: str, url: str, body: str | None, headers: dict[str, str], limit: int) -> HttpResponse | None:
    try:
        parts = urlsplit(url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=WAITS_S)
    except (ValueError, HTTPException):
        return None
    try:
        connection.request(method, f"{parts.path}?{parts.query}".rstrip("?"), body, headers)
        return _read(connection.getresponse(), limit)
    except (OSError, ValueError, HTTPException):
        return None
    finally:
        connection.close()


def _read(answer: HTTPResponse, limit: int) -> HttpResponse:
    told = {"content-type": answer.getheader("content-type", "")}
    return HttpResponse(answer.status, answer.read(limit), told)
