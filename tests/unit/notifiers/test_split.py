"""One message and two processes that may each believe they own it: the machine and its rules, with nothing real.

A process may freeze at any moment and go on as if nothing had been, or die; its request is up to ten seconds under way,
and the provider's list lags.
"""

import random
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from deploy.contact import CALL
from notifiers import delivery
from notifiers.delivery import LEASE, Row
from vorab.model import MINUTE, SECOND, Delivery, Instant, Receipt

STEP = SECOND // 2
LAG = 4 * SECOND  #: of the provider's list at the most


@dataclass
class Process:
    """What it claimed and has not handed over: fence, end of the lease, when its thread runs."""

    number: int
    frozen_until: int = 0
    claimed: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass
class Split:
    chance: random.Random
    checks: bool = True  #: a process looks at its lease before it hands over
    now: int = 0
    row: Row = Row(due_at=Instant(0), expires_at=Instant(5 * MINUTE))  # noqa: RUF009 - a frozen value
    arrivals: list[int] = field(default_factory=list)  #: when the provider takes it
    results: list[tuple[int, int, int, Receipt]] = field(default_factory=list)  #: when, fence, owner, what

    def __post_init__(self) -> None:
        self.processes = [Process(1), Process(2)]

    def plays(self, until: int) -> None:
        while self.now < until:
            self.now += STEP
            for at, process in enumerate(self.processes):
                fate = self.chance.random()
                if self.now < process.frozen_until:
                    continue
                if fate < 0.02:
                    process.frozen_until = self.now + self.chance.randrange(60) * SECOND
                elif fate < 0.03:
                    self.processes[at] = Process(process.number + 2)  # what it had claimed dies with it
                else:
                    self._works(process)

    def _works(self, process: Process) -> None:
        for fence, lease, at in [*process.claimed]:
            if at <= self.now:
                process.claimed.remove((fence, lease, at))
                self._hands_over(process, fence, lease)
        self._hears(process)
        row, now = self.row, Instant(self.now)
        is_orphan = row.state is Delivery.SENDING and row.owner not in [one.number for one in self.processes]
        if row.state is Delivery.READY and row.due_at <= now:
            self.row = delivery.claim(row, now, process.number).row
            if self.row.state is Delivery.SENDING:
                lease = self.row.lease_until or 0
                process.claimed.append((self.row.fence, lease, self.now + self.chance.choice([0, 0, 0, 2, 8]) * SECOND))
            return
        change = delivery.overdue(replace(row, lease_until=None) if is_orphan else row, now)
        self.row = change.row
        if change.look:
            listed = any(at <= self.now - self.chance.randrange(LAG) for at in self.arrivals)
            found = Receipt(Delivery.SENT, "SM") if listed else None
            self.row = delivery.after_lookup(self.row, found, now).row

    def _hands_over(self, process: Process, fence: int, lease: int) -> None:
        if self.checks and self.now > lease - CALL:
            self.results.append((self.now, fence, process.number, Receipt(Delivery.READY, retry_after_s=0)))
            return
        under_way = self.chance.randrange(CALL)
        match self.chance.choice(["sent", "lost before", "lost after"]):
            case "sent":
                self.arrivals.append(self.now + under_way)
                self.results.append((self.now + under_way, fence, process.number, Receipt(Delivery.SENT, "SM")))
            case "lost after":
                self.arrivals.append(self.now + under_way)
                self.results.append((self.now + CALL, fence, process.number, Receipt(Delivery.UNKNOWN)))
            case _:
                self.results.append((self.now + CALL, fence, process.number, Receipt(Delivery.UNKNOWN)))

    def _hears(self, process: Process) -> None:
        for result in [*self.results]:
            at, fence, owner, receipt = result
            if owner == process.number and at <= self.now:
                self.results.remove(result)
                if (fence, owner) == (self.row.fence, self.row.owner):
                    self.row = delivery.after_send(self.row, receipt, Instant(self.now)).row
                elif receipt.state is Delivery.SENT:
                    self.row = delivery.after_status(self.row, receipt, Instant(self.now)).row


def played(seed: int, *, checks: bool = True) -> Split:
    split = Split(random.Random(seed), checks)
    split.plays(3 * MINUTE)
    return split


@pytest.mark.parametrize("hundred", range(5))
def test_law_8_of_five_hundred_splits_none_sends_twice(hundred: int) -> None:
    splits = [played(seed) for seed in range(hundred * 100, hundred * 100 + 100)]
    assert max(len(one.arrivals) for one in splits) == 1
    assert sum(one.row.fence > 1 for one in splits) > 20, "splits that are none prove nothing"
    assert all(one.row.state is not Delivery.SENT or one.arrivals for one in splits)


def test_it_is_the_look_at_the_lease_that_keeps_a_thawed_process_from_sending() -> None:
    assert max(len(played(seed, checks=False).arrivals) for seed in range(500)) > 1


def test_a_call_that_begins_in_time_has_ended_with_its_lease() -> None:
    assert CALL < LEASE
