"""Law 2 for a log in partitions: each is as far as it is, and yet nothing that is lost or doubled goes unseen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.received import RUNS, Tallies, Told, received
from rules.partition import Routes, every_shard, guests, split
from rules.ruleset import RuleSet, Watched
from vorab.errors import Corrupt
from vorab.model import Counts, Instant, PersonId, Quarantined, Reading, Record, Replayed, SensorId

COUNT = 2
SHARDS = every_shard(COUNT)
RULES = RuleSet(
    [],
    {
        SensorId("door"): Watched(zone="north", readers=[SensorId("badge")], gateway=SensorId("bridge")),
        SensorId("badge"): Watched(zone="north", gateway=SensorId("bridge")),
        SensorId("room"): Watched(zone="south", gateway=SensorId("bridge")),
        SensorId("bridge"): Watched(),
        SensorId("aed"): Watched(zone="south", life_safety=True),
    },
)
ROUTES = Routes(RULES, COUNT)
RUN = ("main", Instant(7))


def reading(sensor: str, ordinal: int = 0) -> Reading:
    return Reading(SensorId(sensor), [], Instant(ordinal), Instant(ordinal), ordinal)


class Site:
    """One ingest, both lanes, and how far each partition has been counted."""

    def __init__(self) -> None:
        self.log: dict[object, list[Record]] = {shard: [] for shard in SHARDS}
        self.tallies = {shard: Tallies() for shard in SHARDS}
        self.counts = Counts()

    def hears(self, *sensors: str, garbage: int = 0, duplicates: int = 0, life_safety: bool = False) -> None:
        old = self.counts
        more = len(sensors) + garbage + duplicates
        self.counts = Counts(old.received + more, old.duplicates + duplicates, old.ignored)
        bad = [Quarantined(0, b"a/b", b"?", "no JSON", Instant(1)) for _ in range(garbage)]
        self._write(Record(*RUN, [reading(each) for each in sensors], None, [], life_safety, bad))

    def tells(self, *, life_safety: bool = False) -> None:
        self._write(Record(*RUN, [], Instant(9), [], life_safety, [], self.counts))

    def _write(self, record: Record) -> None:
        for shard, part in split(record, ROUTES).items():
            self.log[shard].append(part)

    def counted(self, number: int | None = None) -> None:
        """Each partition some records further; None = to its end."""
        for shard in SHARDS:
            for record in self.log[shard][:number]:
                self.tallies[shard].add(record, guests(RULES, shard, COUNT))
            del self.log[shard][:number]

    def missing(self) -> dict[object, int]:
        return {run: each.missing for run, each in received([one.told() for one in self.tallies.values()]).items()}


def both_tell(site: Site) -> None:
    site.tells()
    site.tells(life_safety=True)


def test_a_witness_that_speaks_in_every_partition_is_counted_once() -> None:
    site = Site()
    site.hears("door", "badge", "room", "bridge", garbage=1, duplicates=2)
    site.hears("aed", life_safety=True)
    both_tell(site)
    site.counted()
    assert site.missing() == {RUN: 0}
    [found] = received([one.told() for one in site.tallies.values()]).values()
    assert (found.stored, found.quarantined, found.counts) == (5, 1, Counts(8, 2, 0))


HEARD = st.lists(st.sampled_from(["door", "badge", "room", "bridge"]), max_size=4)
STEPS = st.lists(st.one_of(HEARD, st.booleans(), st.integers(0, 3)), max_size=40)


@given(STEPS)
def test_law_2_no_partition_is_as_far_as_another_and_the_sums_close(steps: list[object]) -> None:
    site = Site()
    both_tell(site)
    for step in steps:
        if isinstance(step, list):
            site.hears(*step)
        elif isinstance(step, bool):
            site.tells(life_safety=step)
        else:
            site.counted(step if isinstance(step, int) else None)
        assert not any(site.missing().values())
    both_tell(site)
    site.counted()
    assert site.missing() == {RUN: 0}


@pytest.mark.parametrize(("sensor", "written", "missing"), [("door", 0, 1), ("aed", 0, 1), ("room", 2, -1)])
def test_law_2_one_that_is_lost_or_doubled_shows(sensor: str, written: int, missing: int) -> None:
    site = Site()
    site.hears("door", "room")
    site.counts = Counts(site.counts.received + 1)
    for _ in range(written):
        site._write(Record(*RUN, [reading(sensor)]))
    both_tell(site)
    site.counted()
    assert site.missing() == {RUN: missing}


def test_a_run_that_one_partition_was_never_told_of_is_not_judged() -> None:
    site = Site()
    site.hears("door")
    site.tells()
    site.counted()
    assert site.missing() == {}


def test_what_is_understood_after_all_was_counted_when_it_came() -> None:
    tallies = Tallies()
    tallies.add(Record(*RUN, [], Instant(1), [], False, [Quarantined(1, b"a", b"?", "?", Instant(1))]), frozenset())
    again = Replayed("try-1", PersonId("operator"), [(*RUN, 1)])
    tallies.add(Record(*RUN, [reading("room")], Instant(2), [again], counts=Counts(1)), frozenset())
    assert tallies.told() == {RUN: Told(Counts(1), 0, 1)}


def test_counts_come_back_as_they_went_and_old_runs_are_forgotten() -> None:
    tallies = Tallies()
    for run in range(RUNS + 5):
        tallies.add(Record("main", Instant(run), [], Instant(run), counts=Counts(run)), frozenset())
    again = Tallies(tallies.pack())
    assert again.told() == tallies.told()
    assert min(again.told()) == ("main", 5)
    with pytest.raises(Corrupt, match="not the counts"):
        Tallies(b"rubbish")
