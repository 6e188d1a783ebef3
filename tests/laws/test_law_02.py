"""Law 2, conservation: received = stored + duplicate + ignored + quarantined, by two witnesses."""

from deploy import balance
from tests.airport import Airport

DUP = 8


def faults(airport: Airport) -> list[str]:
    return balance.balance(airport.folder / "capture.db", airport.folder / "contact.db").faults


def flood(airport: Airport) -> None:
    """One of each: stored, quarantined, ignored, and the first once more, as the broker repeats it."""
    door = b"zigbee2mqtt/gate-b12-door"
    batch = [
        (door, b'{"contact":true}', 2, 1),
        (door, b"\xff", 2, 2),
        (b"zigbee2mqtt/bridge/logging", b'{"level":"info","message":"hello"}', 2, 3),
    ]
    airport.capture.received += 4
    airport.capture.take(batch, airport.clock.now())
    airport.capture.take([(door, b'{"contact":true}', 2 | DUP, 1)], airport.clock.now())
    airport.passes(seconds=1)


def test_law_2_every_message_is_accounted_for_once(airport: Airport) -> None:
    flood(airport)
    [(_, _, counts)] = airport.log.reader().runs()
    assert (counts.received, counts.duplicates, counts.ignored) == (4, 1, 1)
    assert len(airport.log.reader().quarantine()) == 1
    assert faults(airport) == []


def test_law_2_a_sum_that_does_not_close_is_said(airport: Airport) -> None:
    flood(airport)
    airport.capture.received += 1  # the packet reader has seen one that nobody accounts for
    airport.passes(seconds=1)
    assert len(faults(airport)) == 1


def test_law_2_the_packet_reader_is_a_witness_of_its_own(airport: Airport) -> None:
    """Messages that were sorted and never read off the wire: the reader's count is not ours to raise."""
    batch = [(b"zigbee2mqtt/gate-b12-door", b'{"contact":true}', 2, number) for number in (1, 2)]
    airport.capture.received += 1
    airport.capture.take(batch, airport.clock.now())
    assert len(faults(airport)) == 1


def test_law_2_breaches_and_messages_close_too(airport: Airport) -> None:
    airport.door("gate-c1").opens()
    airport.passes(minutes=5)
    assert airport.world.unexpected()
    assert faults(airport) == []
