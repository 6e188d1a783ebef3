"""What may go from Kafka: what is old and decided, of the topic that the checkpoint is of."""

import pytest

from deploy.housekeeping import Held, deletable
from deploy.log.progress import Part, Progress

PART: Part = ("vorab-depot-readings", 3)
IDS = {PART[0]: "this"}


def checkpoint(position: int, topic_id: str = "this") -> dict[Part, Progress]:
    return {PART: Progress(position, 1, 0.0, topic_id)}


@pytest.mark.parametrize(
    ("position", "held", "expected"),
    [
        (90, Held(10, 50, 100), 50),  # what is young stays
        (40, Held(10, 50, 100), 40),  # what is not decided stays, however old
        (90, Held(10, -1, 100), 90),  # all is old, and the last ten are not decided
        (100, Held(10, -1, 100), 100),  # all is old and decided
        (90, Held(10, 10, 100), None),  # nothing is old
        (10, Held(10, 50, 100), None),  # nothing is decided
        (5, Held(10, 50, 100), None),  # the worker stops with 78; nothing more goes
        (900, Held(10, -1, 100), 100),  # nor with one beyond the log
        (0, Held(0, -1, 0), None),
    ],
)
def test_what_is_old_and_decided_goes(position: int, held: Held, expected: int | None) -> None:
    assert deletable(checkpoint(position), IDS, {PART: held}).get(PART) == expected


def test_a_partition_that_no_worker_ever_had_keeps_everything() -> None:
    assert deletable({}, IDS, {PART: Held(0, -1, 100)}) == {}


def test_a_topic_that_was_made_again_keeps_everything() -> None:
    """Its records are others than those that the checkpoint counts."""
    assert deletable(checkpoint(90, "another"), IDS, {PART: Held(0, -1, 100)}) == {}
