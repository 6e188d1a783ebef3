"""Bytes from a broker to PUBLISH packets: whole, torn, too large, malformed."""

import socket
import struct
from collections.abc import Iterator

import paho.mqtt.client as stock
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.load import packet, publish, text
from ingest import mqtt
from ingest.mqtt import Client, split
from vorab.errors import Malformed
from vorab.payload import MAX_BYTES

CONNACK, SUBACK, PINGRESP = b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01", b"\xd0\x00"


class Line:
    """A client whose broker is this test."""

    def __init__(self) -> None:
        self.client = Client("line")
        self.client._sock, self.far = socket.socketpair()
        self.client._sock.setblocking(False)
        self.far.settimeout(1)

    def says(self, data: bytes) -> list[mqtt.Publish]:
        """What the client makes of it, in as many reads as it takes."""
        found = []
        for at in range(0, len(data), 60_000):
            self.far.sendall(data[at : at + 60_000])
            found += self.client.take()[0]
        return found

    @property
    def is_open(self) -> bool:
        return self.client._sock is not None


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.far.close()
    line.client._sock_close()


def qos0(topic: bytes, payload: bytes) -> bytes:
    return packet(0x30, text(topic), payload)


messages = st.lists(
    st.tuples(st.binary(max_size=40), st.one_of(st.binary(max_size=300), st.just(b"x" * 20_000)), st.integers(1, 65535))
)


@given(messages)
def test_what_is_put_in_comes_out(sent: list[tuple[bytes, bytes, int]]) -> None:
    data = b"".join(publish(topic, payload, number) for topic, payload, number in sent)
    publishes, others, used = split(data)
    assert publishes == [(topic, payload, 2, number) for topic, payload, number in sent]
    assert (others, used) == ([], len(data))


@given(messages, st.data())
def test_packets_may_be_torn_anywhere(sent: list[tuple[bytes, bytes, int]], data: st.DataObject) -> None:
    whole = b"".join(publish(topic, payload, number) for topic, payload, number in sent)
    cut = data.draw(st.integers(0, len(whole)))
    first, _, used = split(whole[:cut])
    second, _, _ = split(whole[used:])
    assert first + second == [(topic, payload, 2, number) for topic, payload, number in sent]


def test_flags_and_other_packets_are_kept() -> None:
    data = qos0(b"a", b"1") + PINGRESP + publish(b"b", b"2", 7, retain=True) + publish(b"c", b"3" * 200, 8)[:0] + SUBACK
    publishes, others, used = split(data)
    assert publishes == [(b"a", b"1", 0, 0), (b"b", b"2", 3, 7)]
    assert others == [(0xD0, b""), (0x90, b"\x00\x01\x01")]
    assert used == len(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packet(0x34, text(b"t"), b"\x00\x01x"), "QoS 2"),
        (packet(0x36, text(b"t"), b"\x00\x01x"), "QoS 3"),
        (packet(0x32, b"\xff\xff", b"short"), "longer than the packet"),
        (packet(0x32, b"\xff\xff", b"x" * 200), "longer than the packet"),
        (packet(0x30, b"\x00\x09", b"x"), "longer than the packet"),
        (packet(0x30), "longer than the packet"),
        (packet(0x32, text(b"t"), b"\x00"), "longer than the packet"),
        (packet(0x32, text(b"t"), b"\x00\x00x"), "packet id 0"),
        (packet(0x32, text(b"t"), b"\x00\x00", b"x" * 200), "packet id 0"),
        (b"\x32\xff\xff\xff\xff\x01", "more than four bytes"),
    ],
)
def test_what_no_broker_may_send_is_malformed(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        split(data)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        publishes, _, used = split(data)
    except Malformed:
        return
    assert 0 <= used <= len(data)
    assert all(flags & mqtt.QOS in (0, 2) for _, _, flags, _ in publishes)


def test_a_malformed_packet_ends_the_connection_and_not_the_process(line: Line) -> None:
    assert line.says(publish(b"a", b"1", 1) + packet(0x34, text(b"t"), b"\x00\x01x")) == []
    assert not line.is_open
    assert "QoS 2" in line.client.refused


@pytest.mark.parametrize(
    "broken", [packet(0x20, b"\x00"), packet(0x90, b"\x00"), packet(0xF0), b"\x20\x00", b"\x40\x00"]
)
def test_a_truncated_packet_of_another_kind_ends_the_connection(line: Line, broken: bytes) -> None:
    assert line.says(broken) == []
    assert not line.is_open


def test_what_was_torn_by_a_lost_connection_is_not_joined_with_the_next(line: Line) -> None:
    assert line.says(publish(b"a", b"1" * 300, 1)[:100]) == []
    line.client.forget_partial()
    assert line.says(publish(b"b", b"2", 2)) == [(b"b", b"2", 2, 2)]


def test_a_closed_connection_is_noticed(line: Line) -> None:
    line.far.close()
    assert line.client.take() == ([], False)
    assert not line.is_open
    assert line.client.take() == ([], False)


def test_a_payload_that_is_too_large_is_cut_and_the_next_message_is_read(line: Line) -> None:
    for size in (MAX_BYTES + 1, 400_000, 3_000_000):
        [large, small] = line.says(publish(b"big", b"x" * size, 5) + publish(b"next", b"1", 6))
        assert (large[0], large[3]) == (b"big", 5)
        assert MAX_BYTES < len(large[1]) <= mqtt.MAX_PACKET
        assert small == (b"next", b"1", 2, 6)
    assert not line.client._rest


def test_a_control_packet_without_end_is_refused(line: Line) -> None:
    line.says(b"\x90\xff\xff\xff\x7f" + b"x" * 10)
    assert not line.is_open
    assert "kind 9" in line.client.refused


def test_acknowledgements_go_out_in_order_in_one_write(line: Line) -> None:
    line.client.acknowledge([3, 1, 65535])
    assert line.far.recv(100) == b"".join(struct.pack("!BBH", 0x40, 2, number) for number in (3, 1, 65535))


def test_decrypted_bytes_that_wait_are_read_too(line: Line) -> None:
    class Tls:
        """As an SSLSocket: a read returns one record, and select() does not know of the next."""

        def __init__(self, records: list[bytes]) -> None:
            self.records = records

        def recv(self, _size: int) -> bytes:
            return self.records.pop(0)

        def pending(self) -> int:
            return sum(map(len, self.records))

        def close(self) -> None:
            self.records = []

    line.client._sock_close()
    line.client._sock = Tls([publish(b"a", b"1", 1), publish(b"b", b"2", 2)])  # type: ignore[assignment]
    assert [each[0] for each in line.client.take()[0]] == [b"a", b"b"]


def test_we_read_what_stock_paho_reads() -> None:
    """Guards against a paho whose inner parts have changed: the same bytes, the same messages and the same events."""
    sent = [publish(b"t/%d" % i, b"payload %d" % i * (i * 40 + 1), i + 1, retain=i == 3) for i in range(8)]
    data = CONNACK + SUBACK + b"".join(sent) + qos0(b"zero", b"0") + PINGRESP + b"\xb0\x02\x00\x02"

    def heard(client: stock.Client) -> list[object]:
        events: list[object] = []
        client.on_connect = lambda _c, _d, flags, reason, _p: events.append((flags.session_present, reason.value))
        client.on_subscribe = lambda _c, _d, number, reasons, _p: events.append((number, [r.value for r in reasons]))
        client.on_unsubscribe = lambda _c, _d, number, _r, _p: events.append(number)
        client._sock, far = socket.socketpair()
        client._sock.setblocking(False)
        far.sendall(data)
        if isinstance(client, Client):
            publishes = client.take()[0]
        else:
            publishes = []
            client.on_message = lambda _c, _d, m: publishes.append(
                (m.topic.encode(), bytes(m.payload), m.dup << 3 | m.qos << 1 | m.retain, m.mid)
            )
            for _ in range(100):
                client.loop_read()
        assert client._sock is not None
        client._sock_close()
        far.close()
        return [*events, *publishes]

    plain = stock.Client(
        CallbackAPIVersion.VERSION2, "stock", clean_session=False, protocol=stock.MQTTv311, manual_ack=True
    )
    assert heard(Client("ours")) == heard(plain)
