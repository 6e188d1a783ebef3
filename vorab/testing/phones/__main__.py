"""python -m vorab.testing.phones --port 8090 --webhook URL --account AC… --token-file FILE --people FILE"""

import argparse
import json
import signal
import sys
from pathlib import Path

from vorab.model import MILLISECOND, Span
from vorab.testing.phones.outside import post
from vorab.testing.phones.server import WallClock, serve
from vorab.testing.phones.world import PhoneWorld

SPEECH = Span(60 * MILLISECOND)  #: a character; 150 words a minute


def main() -> None:
    """Serves until it is told to stop (SIGTERM, SIGINT)."""
    parser = argparse.ArgumentParser(prog="vorab.testing.phones", description="Telephones that reach nobody.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--smtp-port", type=int, help="takes mail there")
    parser.add_argument("--webhook", default="", help="where what people write is sent")
    parser.add_argument("--account", required=True, help="account SID, AC and 32 hexadecimal digits")
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--people", type=Path, help='JSON: [{"name", "number", "mail", "role", "language"}, …]')
    parser.add_argument("--paced", action="store_true", help="one segment a second for each sender")
    asked = parser.parse_args()
    people = json.loads(asked.people.read_text("utf-8")) if asked.people else []
    token = asked.token_file.read_text("utf-8").strip()
    world = PhoneWorld(WallClock(), asked.account, token, webhook=asked.webhook, post=post)
    world.paced = asked.paced
    world.speech = SPEECH
    server = serve(world, asked.host, asked.port, people, asked.smtp_port)
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop()


if __name__ == "__main__":
    # Blocked before any thread starts, so that every thread inherits it and `sigwait` gets the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
