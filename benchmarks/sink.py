"""A provider that answers at once and notes when: python -m benchmarks.sink PORT FILE.

Speaks just enough HTTP/1.1 for a keep-alive POST; answers as a Messages API does.  The instant of each message is
CLOCK_MONOTONIC in nanoseconds, when its answer was handed to the socket.  On SIGTERM the notes go
to FILE, as JSON lines.
"""

import asyncio
import json
import signal
import sys
import time
from urllib.parse import parse_qs


async def serve(port: int, path: str) -> None:
    notes: list[tuple[int, bytes]] = []

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length")), 0
                )
                body = await reader.readexactly(length)
                created = {"sid": f"SM{len(notes):032x}", "status": "queued"}
                answer = json.dumps(created if head.startswith(b"POST") else {"messages": []}).encode()
                status = b"201 Created" if head.startswith(b"POST") else b"200 OK"
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (status, len(answer), answer)
                )
                if head.startswith(b"POST"):
                    notes.append((time.monotonic_ns(), body))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_server(connection, "127.0.0.1", port)
    print("ready", flush=True)
    await stop.wait()
    server.close()
    with open(path, "w") as file:
        for at, body in notes:
            form = parse_qs(body.decode())
            file.write(json.dumps({"at_ns": at, "text": form.get("Body", [""])[0]}) + "\n")


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
