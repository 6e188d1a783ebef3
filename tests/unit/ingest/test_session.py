"""A session and a broker that dies, refuses or swallows: nothing is deaf for ever, and no timer stops for good."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load import packet, publish
from ingest import mqtt
from ingest.mqtt import Session, split
from vorab.model import Instant
from vorab.site import Broker

CONNACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 0x20, 8, 0x90, 10, 0xB0
MARKER = "vorab/ours/drained"


class Far:
    """The broker's end of a session's connection, played by the test."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ours.filters"
        self.starts("a/#", "b/#")

    def starts(self, *filters: str) -> None:
        """Our process, anew over the same file."""
        self.session = Session(Broker(host="127.0.0.1", port=1), "ours", set(filters), self.file)
        self.end = socket.socket()

    def accepts(self, *, session_present: bool) -> dict[int, tuple[bytes, set[str]]]:
        """What it is asked for after CONNACK: kind of packet → its number and the filters in it."""
        client = self.session._client
        self.drops()
        client._sock, self.end = socket.socketpair()
        client._sock.setblocking(False)
        self.end.settimeout(1)
        self.says(packet(CONNACK, bytes([session_present, 0])))
        return self.asked()

    def says(self, data: bytes) -> None:
        self.end.sendall(data)
        self.session.take()

    def asked(self) -> dict[int, tuple[bytes, set[str]]]:
        while self.session.wants_to_write():
            self.session._client.loop_write()
        self.end.setblocking(False)
        try:
            data = self.end.recv(65536)
        except BlockingIOError:
            return {}
        found = {}
        while data:
            kind, length = data[0] >> 4, data[1]
            body, data = data[2 : 2 + length], data[2 + length :]
            number, filters, body = body[:2], set(), body[2:]
            while body:
                size = int.from_bytes(body[:2], "big")
                filters.add(body[2 : 2 + size].decode())
                body = body[2 + size + (kind == SUBSCRIBE) :]
            found[kind] = (number, filters)
        return found

    def markers(self) -> list[bytes]:
        """What we have sent to ourselves and the broker has now received."""
        while self.session.wants_to_write():
            self.session._client.loop_write()
        self.end.setblocking(False)
        try:
            return [payload for topic, payload, _, _ in split(self.end.recv(65536))[0] if topic == MARKER.encode()]
        except BlockingIOError:
            return []

    def drops(self) -> None:
        """The connection, without a word."""
        self.end.close()
        if self.session._client._sock:
            self.session.take()

    def connects(self) -> None:
        """Everything is granted."""
        for kind, (number, filters) in self.accepts(session_present=False).items():
            self.says(packet(SUBACK, number, b"\1" * len(filters)) if kind == SUBSCRIBE else packet(UNSUBACK, number))


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    far = Far(tmp_path)
    yield far
    far.drops()


EVERYTHING = {"a/#", "b/#", MARKER}


def test_what_was_confirmed_is_not_subscribed_to_again(far: Far) -> None:
    far.connects()
    assert far.accepts(session_present=True) == {}
    assert far.session._subscribed


@pytest.mark.parametrize("process", ["goes on", "starts again"])
def test_a_subscription_that_was_never_answered_is_asked_for_again(far: Far, process: str) -> None:
    assert far.accepts(session_present=False)[SUBSCRIBE][1] == EVERYTHING
    far.drops()
    if process == "starts again":
        far.starts("a/#", "b/#")
    assert far.accepts(session_present=True)[SUBSCRIBE][1] == EVERYTHING
    assert not far.session._subscribed


def test_a_refused_subscription_is_asked_for_again(far: Far, caplog: pytest.LogCaptureFixture) -> None:
    number, filters = far.accepts(session_present=False)[SUBSCRIBE]
    far.says(packet(SUBACK, number, b"\x01\x80\x01"))
    assert "refused a subscription" in caplog.text
    assert far.accepts(session_present=True)[SUBSCRIBE][1] == filters


def test_a_filter_that_is_added_later_is_asked_for_until_it_is_confirmed(far: Far) -> None:
    far.connects()
    for _ in range(2):
        far.drops()
        far.starts("a/#", "b/#", "c/#")
        assert far.accepts(session_present=True)[SUBSCRIBE][1] == {"c/#"}


def test_what_may_be_subscribed_is_unsubscribed_until_that_is_answered(far: Far) -> None:
    far.accepts(session_present=False)
    far.drops()
    far.starts("a/#")
    assert far.accepts(session_present=True)[UNSUBSCRIBE][1] == {"b/#"}
    far.drops()
    far.starts("a/#", "b/#")
    assert far.accepts(session_present=True)[SUBSCRIBE][1] == EVERYTHING, "b/# may be gone by now"


@pytest.mark.parametrize("damaged", [b"", b"\xff", b"[]", b"{}", b'["a/#"]', b'{"asked": 1, "confirmed": 2}'])
def test_a_damaged_file_means_that_everything_is_asked_for(far: Far, damaged: bytes) -> None:
    far.connects()
    far.file.write_bytes(damaged)
    assert far.accepts(session_present=True)[SUBSCRIBE][1] == EVERYTHING
    assert set(json.loads(far.file.read_bytes())["asked"]) == EVERYTHING


def test_only_one_marker_is_under_way_while_it_may_still_come(far: Far) -> None:
    far.connects()
    for at in (1, 2):
        far.session.mark(Instant(at))
    [marker] = far.markers()
    far.says(publish(MARKER.encode(), marker, 1))
    assert (far.session.drained, far.session.settled_at) == (True, 1)
    far.session.mark(Instant(3))
    assert len(far.markers()) == 1


@pytest.mark.parametrize("comes_back", [0, 1])
def test_a_marker_that_is_lost_or_late_stops_no_timer(
    far: Far, comes_back: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    far.connects()
    monkeypatch.setattr(mqtt, "MARKER_WITHIN_S", -1.0)  # each is overdue at once
    for at in (1, 2):
        far.session.mark(Instant(at))
    assert caplog.text.count("no timer runs") == 1
    markers = far.markers()
    assert len(markers) == 2
    far.says(publish(MARKER.encode(), markers[comes_back], 1))
    assert far.session.settled_at == comes_back + 1


def test_a_broker_that_forgot_our_subscriptions_is_asked_again_when_a_marker_is_overdue(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    far.connects()
    monkeypatch.setattr(mqtt, "MARKER_WITHIN_S", -1.0)
    far.session.mark(Instant(1))
    assert len(far.markers()) == 1
    far.session.mark(Instant(2))
    while far.session.wants_to_write():
        far.session._client.loop_write()
    _, others, _ = split(far.end.recv(65536))
    assert [first >> 4 for first, _ in others] == [SUBSCRIBE]


def test_a_marker_of_an_earlier_connection_or_of_a_stranger_says_nothing(far: Far) -> None:
    far.connects()
    far.session.mark(Instant(1))
    [old] = far.markers()
    far.connects()
    far.session.mark(Instant(2))
    far.says(publish(MARKER.encode(), old, 1) + publish(MARKER.encode(), b"1-2-3", 2))
    assert not far.session.drained


def test_what_waits_for_a_lost_connection_is_not_waited_for(far: Far) -> None:
    far.connects()
    far.end.close()
    far.session.mark(Instant(1))  # finds the connection broken
    assert far.session._client.want_write()
    assert far.session.fileno() == -1
    assert not far.session.wants_to_write()
