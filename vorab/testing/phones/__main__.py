"""python -m vorab.testing.phones --port 8090 --webhook URL --account AC… --token-file FILE --people FILE"""

import argparse
import json
import signal
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from vorab.ports import HttpResponse
from vorab.testing.phones.server import WallClock, serve
from vorab.testing.phones.twiml import MAX_BYTES
from vorab.testing.phones.world import Form, PhoneWorld

WEBHOOK_S = 15.0  #: Twilio's patience with a webhook


def post(url: str, form: Form, signature: str) -> HttpResponse | None:
    """One try, as Twilio does; None = nobody answered."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=WEBHOOK_S)
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "X-Twilio-Signature": signature}
    try:
        connection.request("POST", f"{parts.path}?{parts.query}".rstrip("?"), urlencode(form), headers)
        answer = connection.getresponse()
        return HttpResponse(answer.status, answer.read(MAX_BYTES + 1))
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def main() -> None:
    """Serves until it is told to stop (SIGTERM, SIGINT)."""
    parser = argparse.ArgumentParser(prog="vorab.testing.phones", description="Telephones that reach nobody.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--webhook", default="", help="where what people write is sent")
    parser.add_argument("--account", required=True, help="account SID, AC and 32 hexadecimal digits")
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--people", type=Path, help='JSON: [{"name", "number", "role", "language"}, …]')
    parser.add_argument("--paced", action="store_true", help="one segment a second for each sender")
    asked = parser.parse_args()
    people = json.loads(asked.people.read_text("utf-8")) if asked.people else []
    token = asked.token_file.read_text("utf-8").strip()
    world = PhoneWorld(WallClock(), asked.account, token, webhook=asked.webhook, post=post)
    world.paced = asked.paced
    server = serve(world, asked.host, asked.port, people)
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop()


if __name__ == "__main__":
    # Blocked before any thread starts, so that every thread inherits it and `sigwait` gets the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
