"""MQTT in: a persistent session whose PUBLISH packets are taken many at a time, and acknowledged when we say so.

Stock paho costs 30 µs a message, because it reads byte by byte and makes seventy Python calls a packet; taking all that
one read of the socket brought costs 1 µs.  What is not a PUBLISH still goes to paho.  MQTT 3.1.1, QoS 1 only:
paho acknowledges QoS 2 on arrival, and a crash then loses the message.
"""

import contextlib
import logging
import os
import random
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket

from vorab.errors import Malformed
from vorab.model import Instant
from vorab.payload import MAX_BYTES
from vorab.site import Broker

#: One PUBLISH: topic, payload, the four flags of its first byte, packet id (0 with QoS 0).
Publish = tuple[bytes, bytes, int, int]
DUP, QOS, RETAIN = 8, 6, 1  #: masks of the flags (MQTT 3.1.1 §3.3.1)

READ_BYTES = 96 * 1024  #: of one read; some 700 messages, that is ≤ 5 ms of work
MAX_PACKET = 2 + 65535 + 2 + MAX_BYTES + 1  #: the longest topic, packet id, a payload that is just too large
MAX_LINGER_S = 0.001
LINGER_S_A_MESSAGE = 3e-8  #: × messages a second = how long to gather: 0.3 ms at 10,000 a second, 1 ms from 33,000
RATE_OVER_S = 0.02
KEEP_ALIVE_S = 15
TEND_EVERY_S = 0.2
CONNECT_WITHIN_S = 5.0
MARKER_WITHIN_S = 10.0
BACK_OFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

log = logging.getLogger("vorab.ingest")


def split(data: bytes) -> tuple[list[Publish], list[tuple[int, bytes]], int]:
    """The PUBLISH packets in these bytes, the other packets as (first byte, body), and how many bytes were used.

    An incomplete packet at the end is left for the next read.  Raises Malformed for what no broker may send.
    """
    publishes: list[Publish] = []
    others: list[tuple[int, bytes]] = []
    add = publishes.append
    at, end = 0, len(data)
    while at < end:
        if end - at > 4:
            first, low, high, size = _HEAD(data, at)
            if first & 0xF6 == 0x32 and (low < 128 or high < 128):  # nearly all: QoS 1, a length of one or two bytes
                if low < 128:
                    topic, stop, size = at + 4, at + 2 + low, high << 8 | size >> 8
                else:
                    topic, stop = at + 5, at + 3 + (low & 127 | high << 7)
                if stop > end:
                    break
                body = topic + size
                if body + 2 > stop:
                    raise Malformed(_TOO_LONG)
                packet_id = data[body] << 8 | data[body + 1]
                if not packet_id:
                    raise Malformed(_NO_ID)
                add((data[topic:body], data[body + 2 : stop], first & 15, packet_id))
                at = stop
                continue
        length, start = remaining_length(data, at + 1)
        stop = start + length
        if not start or stop > end:
            break
        if data[at] & 0xF0 == 0x30:
            add(_publish(data[at], data[start:stop]))
        else:
            others.append((data[at], data[start:stop]))
        at = stop
    return publishes, others, at


def _publish(first: int, body: bytes) -> Publish:
    """A PUBLISH of any length with QoS 0 or 1.  Raises Malformed."""
    begin = 2 + int.from_bytes(body[:2], "big")
    qos = first & QOS
    if qos > 2:
        raise Malformed(f"a PUBLISH with QoS {qos >> 1}, but we subscribe with 1")
    if begin + qos > len(body):
        raise Malformed(_TOO_LONG)
    packet_id = int.from_bytes(body[begin : begin + qos], "big")
    if qos and not packet_id:
        raise Malformed(_NO_ID)
    return body[2:begin], body[begin + qos :], first & 15, packet_id


_HEAD = struct.Struct(
    "!BBBH"
).unpack_from  #: first byte, two of length, length of the topic; or, with one of length, that and the topic's first
_TOO_LONG = "a PUBLISH whose topic is longer than the packet"
_NO_ID = "a PUBLISH with packet id 0"


def remaining_length(data: bytes, at: int) -> tuple[int, int]:
    """The length of a packet and where its body begins; (0, 0) while bytes are missing (MQTT 3.1.1 §2.2.3).

    Raises Malformed when it does not end within four bytes.
    """
    length = 0
    for index, byte in enumerate(data[at : at + 4]):
        length |= (byte & 127) << (7 * index)
        if byte < 128:
            return length, at + index + 1
    if len(data) - at >= 4:
        raise Malformed("a packet whose length has more than four bytes")
    return 0, 0


class Client(paho.Client):
    """paho, with a reader of its own for PUBLISH packets: `take` instead of `loop_read`."""

    def __init__(self, client_id: str) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._rest = b""
        self._large: _Large | None = None
        self.bytes = 0  #: read so far
        self.refused = ""  #: why the connection was closed by us, for the log

    def forget_partial(self) -> None:
        """Bytes of an earlier connection are nothing on the next one."""
        self._rest = b""
        self._large = None
        self.refused = ""

    def take(self) -> tuple[list[Publish], bool]:
        """The PUBLISH packets that one read of the socket brought, and whether it was full: more is waiting then.

        A broker that breaks the protocol is disconnected, and what came in that read is dropped: it will come again.
        """
        try:
            data = self._read()
            if data is None:
                return [], False
            full = len(data) >= READ_BYTES
            return self._packets(data), full
        except (Malformed, MalformedPacket, struct.error, IndexError) as error:
            self.refused = f"the broker sent {error or 'a packet that ends too early'}"
            self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
        return [], False

    def _read(self) -> bytes | None:
        try:
            data = self._sock_recv(READ_BYTES)
            pending = getattr(self._sock, "pending", None)  # TLS: decrypted bytes of which select() knows nothing
            while data and pending and len(data) < READ_BYTES and pending():
                data += self._sock_recv(READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
            return None
        self._last_bytes_received = paho.time_func()
        self.bytes += len(data)
        return data

    def _packets(self, data: bytes) -> list[Publish]:
        finished: list[Publish] = []
        if self._large:
            data = self._large.feed(data)
            if self._large.missing:
                return []
            finished, self._large = [self._large.publish()], None
        if self._rest:
            data = self._rest + data
        publishes, others, used = split(data)
        for first, body in others:
            self._to_paho(first, body)
        self._rest = data[used:]
        if len(self._rest) > 4:
            self._begin_large()
        return finished + publishes if finished else publishes

    def _begin_large(self) -> None:
        """A packet larger than we keep is passed over as it comes: memory is bounded, nothing is repeated for ever."""
        length, start = remaining_length(self._rest, 1)
        if not start or length <= MAX_PACKET:
            return
        if self._rest[0] & 0xF0 != 0x30:
            raise Malformed(f"a packet of kind {self._rest[0] >> 4} with {length} bytes")
        self._large = _Large(self._rest[0], length)
        self._rest = self._large.feed(self._rest[start:])

    def _to_paho(self, first: int, body: bytes) -> None:
        self._in_packet = {
            "command": first,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(body),
            "packet": bytearray(body),
            "to_process": 0,
            "pos": 0,
        }
        code = self._packet_handle()
        if code:
            self._loop_rc_handle(code)

    def rest(self) -> None:
        """Nothing is read for now, so that no answer to a PINGREQ is no sign of a dead broker; they go on."""
        self._ping_t = 0.0

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """PUBACKs in this order, in one write."""
        pubacks = struct.pack(f"!{len(packet_ids)}I", *[0x40020000 | number for number in packet_ids])
        self._packet_queue(paho.PUBACK, pubacks, 0, 0)


class _Large:
    """A PUBLISH that is too large: its head is kept, the rest passed over."""

    def __init__(self, first: int, length: int) -> None:
        self.first = first
        self.missing = length
        self._head = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Takes what belongs to it; what does not."""
        mine = data[: self.missing]
        self.missing -= len(mine)
        self._head += mine[: MAX_PACKET - len(self._head)]
        return data[len(mine) :]

    def publish(self) -> Publish:
        """With one byte more than a payload may have, so that it is seen to be too large."""
        topic, payload, flags, packet_id = _publish(self.first, bytes(self._head))
        return topic, payload[: MAX_BYTES + 1], flags, packet_id


class Session:
    """One persistent session of ours at a broker: connected again whenever it was lost, subscribed to these filters.

    `poll` it often; it never blocks for longer than a connection takes to be made.
    """

    def __init__(self, broker: Broker, client_id: str, filters: set[str], remembered: Path) -> None:
        self._client = Client(client_id)
        self._marker_topic = f"vorab/{client_id}/drained"
        self._filters = {*filters, self._marker_topic}
        self._remembered = remembered  #: the filters of the session at the broker: asked for, and confirmed
        self._pending: set[int] = set()  #: SUBSCRIBE and UNSUBSCRIBE packets that are not answered yet
        self._subscribed = False
        self._markers: dict[bytes, Instant] = {}  #: under way on this connection: payload → when it was sent
        self._marked = 0.0
        self._marks = 0
        self._attempts = 0
        self._connect_at = 0.0
        self._tend_at = 0.0
        self._rate = 0.0  #: messages a second, of late
        self._counted = 0  #: messages since …
        self._counted_since = 0.0  #: … then
        self.name = client_id
        self.connections = 0  #: begun so far: a packet id means something on one of them
        self.received = 0  #: PUBLISH packets: the packet reader's witness for the balance (law 2)
        self.drained = False  #: all that the broker had kept for us has been received
        self.settled_at: Instant | None = None  #: what the broker had for us until then has been received
        self.more = False  #: the last read was full: there is more, also where select() does not say so
        self.fresh = False  #: the broker began a new session: it knows no packet id of the old one
        self._prepare(broker)

    def _prepare(self, broker: Broker) -> None:
        client = self._client
        client.connect_timeout = CONNECT_WITHIN_S
        if broker.user:
            client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set()
        client.on_connect = self._connected
        client.on_subscribe = self._answered
        client.on_unsubscribe = self._unsubscribed
        client.on_disconnect = self._disconnected
        client.on_socket_open = _no_delay
        client.connect_async(broker.host, broker.port, KEEP_ALIVE_S)

    def fileno(self) -> int:
        """Of the connection; -1 while there is none."""
        connection = self._client.socket()
        return connection.fileno() if connection else -1

    @property
    def is_connected(self) -> bool:
        """The broker has said so."""
        return self._client.is_connected()

    @property
    def bytes(self) -> int:
        """Read so far."""
        return self._client.bytes

    def rest(self) -> None:
        """Call it before each `tend` while nothing is taken on purpose: the connection is kept alive all the same."""
        self._client.rest()

    def wants_to_write(self) -> bool:
        """What a broken connection has left behind is not waited for."""
        return self._client.socket() is not None and self._client.want_write()

    def tend(self, now: float) -> None:
        """Connects when it is time to, writes what waits, keeps the connection alive.  `now`: monotonic seconds."""
        client = self._client
        if client.socket() is None:
            if now >= self._connect_at:
                self._connect(now)
            return
        if client.want_write():
            client.loop_write()
        if now < self._tend_at:
            return
        self._tend_at = now + TEND_EVERY_S
        client.loop_misc()

    def _connect(self, now: float) -> None:
        back_off = BACK_OFF_S[min(self._attempts, len(BACK_OFF_S) - 1)]
        self._connect_at = now + back_off * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnections
        self._attempts += 1
        self.connections += 1
        client = self._client
        client.forget_partial()
        client.drop_out_messages()
        self._subscribed = self.drained = False
        self._markers.clear()
        try:
            client.reconnect()
        except OSError as error:
            if self._attempts == 2:
                log.error("%s: no connection to %s:%d: %s; trying on", self.name, client.host, client.port, error)

    def take(self) -> list[Publish]:
        """The messages of one read of the socket; [] when there is nothing.  Gathers a little while much is coming."""
        linger = min(self._rate * LINGER_S_A_MESSAGE, MAX_LINGER_S)
        if linger > 1e-4:
            time.sleep(linger)
        publishes, self.more = self._client.take()
        count = len(publishes)
        self.received += count
        self._count(count)
        if self._markers and count:
            self._look_for_marker(publishes)
        return publishes

    def _count(self, messages: int) -> None:
        """How many come a second; none to wait for when a read was full."""
        self._counted += messages
        took = time.monotonic() - self._counted_since
        if took > RATE_OVER_S:
            self._rate = 0.0 if self.more else self._counted / took
            self._counted, self._counted_since = 0, self._counted_since + took

    def _look_for_marker(self, publishes: list[Publish]) -> None:
        topic = self._marker_topic.encode()
        for publish in publishes:
            if publish[0] == topic and publish[1] in self._markers:
                self.drained = True
                self.settled_at = self._markers[publish[1]]
                self._markers.clear()
                self._attempts = 0

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """PUBACKs in this order, in one write."""
        if packet_ids:
            self._client.acknowledge(packet_ids)

    def mark(self, now: Instant) -> None:
        """Asks the broker for a sign, unless one is under way: when it is back, `settled_at` is `now`.

        One that does not come back in time may be lost, or late: another one is sent, and either will do.  Or the
        broker has lost our subscriptions (killed before it saved them): they are asked for once more.
        """
        if not self._subscribed or (self._markers and time.monotonic() - self._marked <= MARKER_WITHIN_S):
            return
        if self._markers:
            log.error(
                "%s: a message published to %s did not come back within %d s: no timer runs; is writing there allowed?",
                self.name, self._marker_topic, MARKER_WITHIN_S,
            )  # fmt: skip
            self._client.subscribe([(name, 1) for name in sorted(self._filters)])
        self._marks += 1
        payload = f"{os.getpid()}-{now}-{self._marks}".encode()
        self._markers[payload] = now
        self._marked = time.monotonic()
        self._client.publish(self._marker_topic, payload, 1)

    def close(self) -> None:
        """Says good-bye.  The session, and what comes meanwhile, stays at the broker."""
        self._client.disconnect()
        with contextlib.suppress(OSError):
            self._client.loop_write()

    def _connected(self, _client: paho.Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("%s: the broker refused the connection: %s", self.name, reason)
            return
        self.fresh = not flags.session_present
        asked, confirmed = (set(), set()) if self.fresh else self._recall()
        wanted, gone = sorted(self._filters - confirmed), sorted(asked - self._filters)
        self._remember(asked | self._filters, confirmed & self._filters)
        self._pending = set()
        if wanted:
            self._pending.add(self._client.subscribe([(name, 1) for name in wanted])[1] or 0)
        if gone:
            self._pending.add(self._client.unsubscribe(gone)[1] or 0)
        self._settle(None)

    def _answered(self, _client: paho.Client, _data: Any, number: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("%s: the broker refused a subscription: may it read %s?", self.name, ", ".join(self._filters))
            return  # not settled: who does not hear everything must not let time pass
        self._settle(number)

    def _unsubscribed(self, _client: paho.Client, _data: Any, number: int, _reasons: Any, _properties: Any) -> None:
        self._settle(number)

    def _settle(self, answered: int | None) -> None:
        self._pending.discard(answered or 0)
        if not self._pending:
            self._remember(self._filters, self._filters)
            self._subscribed = True

    def _disconnected(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._subscribed = self.drained = False
        self._markers.clear()
        if reason.is_failure:
            log.error("%s: connection lost: %s", self.name, self._client.refused or reason)

    def _recall(self) -> tuple[set[str], set[str]]:
        """Which filters were asked for, and which of them the broker has confirmed."""
        try:
            known = msgspec.json.decode(self._remembered.read_bytes(), type=dict[str, set[str]])
            return known["asked"], known["confirmed"]
        except (FileNotFoundError, msgspec.DecodeError, KeyError):
            return set(), set()

    def _remember(self, asked: set[str], confirmed: set[str]) -> None:
        """On disk before the broker is asked, and again when it has answered.

        What was asked for may be there and must be unsubscribed one day; only what was confirmed need not be asked for
        again.
        """
        new = self._remembered.with_suffix(".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode({"asked": sorted(asked), "confirmed": sorted(confirmed)}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._remembered)


def _no_delay(_client: paho.Client, _data: Any, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
