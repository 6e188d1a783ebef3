"""A broker that does nothing but send: packets made beforehand, QoS 1, as fast as they are acknowledged.

It finds what a subscriber can do by itself.  It answers CONNECT, SUBSCRIBE and PINGREQ, and sends back what it is sent.
"""

import random
import select
import socket
import struct
import time

from benchmarks.load import publish

WINDOW = 1000  #: messages sent ahead of their acknowledgement
LAST_ID = 60_000  #: of the blast; what is sent back has ids above
SENSORS = 1000
CHANGED, BREACHING = 0.2, 0.001  #: shares of the messages
STATE = b'{"battery":97,"humidity":44.5,"linkquality":120,"pressure":1005.2,"temperature":%d.%d,"voltage":2995}'
FOUR = b'{"battery":97,"humidity":44.5,"linkquality":120,"temperature":%d.%d}'  #: four readings


class Load:
    """`count` packets in one piece: climate sensors whose values mostly stay, and now and then pass a limit once."""

    def __init__(
        self, count: int, seed: int, sensors: int = SENSORS, state: bytes = STATE, breaching: float = BREACHING
    ) -> None:
        chance = random.Random(seed)
        tenths = [chance.randrange(180, 240) for _ in range(sensors)]
        warm = [False] * sensors
        self.ends = []  #: where each packet ends
        self.breaches = 0
        data = bytearray()
        for i in range(count):
            sensor = i % sensors
            breaks = not warm[sensor] and i < count - sensors and chance.random() < breaching
            self.breaches += breaks
            if chance.random() < CHANGED:
                tenths[sensor] = chance.randrange(180, 240)
            warm[sensor] = breaks
            payload = state % divmod(300 if breaks else tenths[sensor], 10)
            data += publish(b"zigbee2mqtt/s-%d" % sensor, payload, i % LAST_ID + 1)
            self.ends.append(len(data))
        self.data = bytes(data)


class Blaster:
    """Listens on a free port; `blast` measures who has subscribed to zigbee2mqtt/…"""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._rests: dict[socket.socket, bytes] = {}
        self._target: socket.socket | None = None
        self._echoed = LAST_ID
        self._acknowledged = 0

    def await_subscriber(self, settle_s: float = 1.0, within_s: float = 30.0) -> None:
        """Returns some time after the subscription, so that what belongs to the start is over."""
        deadline = time.monotonic() + within_s
        while self._target is None:
            if time.monotonic() > deadline:
                raise SystemExit("nobody subscribed to the blaster")
            self._turn(0.1)
        deadline = time.monotonic() + settle_s
        while (left := deadline - time.monotonic()) > 0:
            self._turn(left)

    def blast(self, load: Load, process: int, within_s: float = 300.0) -> float:
        """CPU of that process between the first message and the last acknowledgement, µs a message."""
        assert self._target is not None
        count, sent, at = len(load.ends), 0, 0
        self._acknowledged = 0
        view = memoryview(load.data)
        deadline = time.monotonic() + within_s
        began = cpu_seconds(process)
        while self._acknowledged < count:
            ahead = min(count, self._acknowledged + self._window)
            while sent < ahead:
                end = load.ends[ahead - 1]
                at += self._target.send(view[at:end])
                if at < end:
                    break
                sent = ahead
            self._turn(1.0)
            if time.monotonic() > deadline:
                raise SystemExit(f"only {self._acknowledged} of {count} messages were acknowledged: no figure")
        return (cpu_seconds(process) - began) / count * 1e6

    def close(self) -> None:
        for connection in (*self._rests, self._listener):
            connection.close()

    def _turn(self, wait_s: float) -> None:
        for ready in select.select([self._listener, *self._rests], [], [], wait_s)[0]:
            if ready is self._listener:
                connection = self._listener.accept()[0]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._rests[connection] = b""
                continue
            data = ready.recv(65536)
            if data:
                self._rests[ready] = self._answer(ready, self._rests[ready] + data)
            else:
                del self._rests[ready]
                ready.close()

    def _answer(self, connection: socket.socket, data: bytes) -> bytes:
        """Deals with the whole packets; the rest."""
        at, end = 0, len(data)
        while end - at >= 2:
            if data[at] == 0x40 and end - at >= 4:
                self._acknowledged += connection is self._target and data[at + 2] << 8 | data[at + 3] <= LAST_ID
                at += 4
                continue
            length, start, shift = 0, at + 1, 0
            while start < end:
                length |= (data[start] & 127) << shift
                start, shift = start + 1, shift + 7
                if data[start - 1] < 128:
                    break
            if start + length > end:
                break
            self._control(connection, data[at], data[start : start + length])
            at = start + length
        return data[at:]

    def _control(self, connection: socket.socket, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == 1:
            connection.sendall(b"\x20\x02\x00\x00")
        elif kind == 8:
            filters = body.count(b"\x01", 2)
            connection.sendall(struct.pack("!BB", 0x90, 2 + filters) + body[:2] + b"\x01" * filters)
            if b"zigbee2mqtt/" in body:
                self._target = connection
        elif kind == 3:
            size = int.from_bytes(body[:2], "big")
            topic, number, payload = body[2 : 2 + size], body[2 + size : 4 + size], body[4 + size :]
            self._echoed = max(self._echoed + 1, LAST_ID + 1) if self._echoed < 65535 else LAST_ID + 1
            connection.sendall(b"\x40\x02" + number + publish(topic, payload, self._echoed))
        elif kind == 12:
            connection.sendall(b"\xd0\x00")


def cpu_seconds(process: int) -> float:
    """User and system time of all its threads so far, from the clock that the kernel keeps for a process."""
    return time.clock_gettime(~process << 3 | 2)  # as clock_getcpuclockid(3) makes it
