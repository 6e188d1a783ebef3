"""The benchmarks' publisher: MQTT 3.1.1 over a plain socket, QoS 1, at a stated rate."""

import select
import socket
import struct
import time
from collections.abc import Callable


def packet(kind: int, *parts: bytes) -> bytes:
    """One control packet: first byte, length as MQTT counts it (3.1.1 §2.2.3), parts."""
    body = b"".join(parts)
    length, head = len(body), bytearray([kind])
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (128 if length else 0))
        if not length:
            return bytes(head) + body


def text(value: bytes) -> bytes:
    return struct.pack("!H", len(value)) + value


def publish(topic: bytes, payload: bytes, packet_id: int, *, retain: bool = False) -> bytes:
    """A PUBLISH with QoS 1."""
    return packet(0x32 | retain, text(topic), struct.pack("!H", packet_id), payload)


def around(topic: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """A PUBLISH with QoS 1, made beforehand: what stands before its packet id, and what after."""
    whole = publish(topic, payload, 0)
    return whole[: len(whole) - len(payload) - 2], payload


class Publisher:
    """One connection that publishes at QoS 1 and counts the acknowledgements."""

    def __init__(self, port: int, client_id: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(packet(0x10, text(b"MQTT"), b"\x04\x02", struct.pack("!H", 0), text(client_id.encode())))
        answer = self.socket.recv(4)
        if answer[:1] != b"\x20" or answer[3:] != b"\x00":
            raise ConnectionError(f"the broker refused {client_id}: {answer.hex()}")
        self.sent = 0
        self._rest = b""
        self.acknowledged: list[int] = []  #: packet ids in the order of their PUBACK

    def send(self, messages: list[tuple[bytes, bytes]]) -> None:
        """Hands these (topic, payload) to the broker, under the next packet ids."""
        self._write([around(topic, payload) for topic, payload in messages])

    def _write(self, packets: list[tuple[bytes, bytes]]) -> None:
        parts = []
        for number, (before, after) in enumerate(packets, self.sent):
            parts += [before, (number % 65535 + 1).to_bytes(2, "big"), after]
        self.sent += len(packets)
        self.socket.sendall(b"".join(parts))

    def collect(self, wait_s: float = 0.0) -> int:
        """Takes what was acknowledged; how many in all so far."""
        while select.select([self.socket], [], [], wait_s)[0]:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the broker closed the publisher's connection")
            data = self._rest + data
            whole = len(data) // 4 * 4  # a PUBACK has four bytes
            self.acknowledged += [int.from_bytes(data[i + 2 : i + 4], "big") for i in range(0, whole, 4)]
            self._rest = data[whole:]
            wait_s = 0.0
        return len(self.acknowledged)

    def run(self, rate: float, seconds: float, message: Callable[[int], tuple[bytes, bytes]]) -> None:
        """Publishes the packets message(0), message(1), … evenly at this rate, and waits for the last PUBACK."""
        start, done, total = time.monotonic(), 0, int(rate * seconds)
        while done < total:
            wanted = min(total, int((time.monotonic() - start) * rate) + 1)
            if wanted > done:
                self._write([message(i) for i in range(done, wanted)])
                done = wanted
            self.collect()
            time.sleep(max(0.0, start + done / rate - time.monotonic(), 0.001))
        deadline = time.monotonic() + 30
        while self.collect(0.1) < self.sent and time.monotonic() < deadline:
            continue

    def close(self) -> None:
        self.socket.sendall(b"\xe0\x00")
        self.socket.close()
