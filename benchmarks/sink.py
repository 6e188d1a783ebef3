"""A provider that answers at once and notes when: python -m benchmarks.sink PORT FILE.

Speaks just enough HTTP/1.1 for a keep-alive POST; answers as the Messages and the Calls API do; GET /count says how
many there were.
The instant of each message is
CLOCK_MONOTONIC in nanoseconds, when its answer was handed to the socket.  On SIGTERM the notes go to FILE, as JSON
lines.
"""

import asyncio
import json
import re
import signal
import sys
import time
from urllib.parse import parse_qs

_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class Connection(asyncio.Protocol):
    """One client; requests come one after the other."""

    def __init__(self, notes: list[tuple[int, bytes]]) -> None:
        self._notes = notes
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out: asyncio.WriteTransport = transport  # type: ignore[assignment] # of a stream socket it is one

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, rest = self._got.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head)
        if length and len(rest) < int(length[1]):
            return
        self._got = b""
        if head.startswith(b"POST"):
            kind = b"CA" if b"/Calls" in head.partition(b"\r\n")[0] else b"SM"
            body = b'{"sid": "%b%032x", "status": "queued"}' % (kind, len(self._notes))
            self._out.write(_ANSWER % (b"201 Created", len(body), body))
            self._notes.append((time.monotonic_ns(), rest))
        elif head.startswith(b"GET /count"):
            body = b"%d" % len(self._notes)
            self._out.write(_ANSWER % (b"200 OK", len(body), body))
        else:
            body = b'{"calls": []}' if b"/Calls" in head.partition(b"\r\n")[0] else b'{"messages": []}'
            self._out.write(_ANSWER % (b"200 OK", len(body), body))


async def serve(port: int, path: str) -> None:
    notes: list[tuple[int, bytes]] = []
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: Connection(notes), "127.0.0.1", port)
    print("ready", flush=True)
    await stop.wait()
    server.close()
    with open(path, "w") as file:
        for at, body in notes:
            form = parse_qs(body.decode())
            text, url, to = (form.get(name, [""])[0] for name in ("Body", "Url", "To"))
            kind = "call" if url else "sms"
            file.write(json.dumps({"at_ns": at, "kind": kind, "to": to, "text": text, "url": url}) + "\n")


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
