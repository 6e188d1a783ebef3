"""From a breach to a person's answer, with the real channel, the phone world behind it, and the clock moved by hand."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError

from deploy.contact import RESERVED, SENDERS, Contact
from deploy.store import apply, audit
from deploy.store import breaches as in_table
from deploy.store.breaches import IN_A_TURN, LogBreaches, TableBreaches
from deploy.store.store import open_reader, open_store
from deploy.store.tables import audit as audit_table
from deploy.store.tables import breaches, inbox, incidents, journal, outbox
from deploy.store.transaction import AT_ONCE, Transaction
from notifiers import http
from notifiers.sms import Settings, Sms
from notifiers.text import Texts
from tests.small_site import ANA, BEN, NOON, NUMBERS, OURS, Breaches, HandClock, breach, person, rung, small_site
from tests.stores import STORES, empty_store
from vorab.model import MINUTE, SECOND, Breach, Edge, Incident, Instant, Priority, ResponseId, Rung, Span, State
from vorab.ports import HttpResponse
from vorab.site import Limits, Response
from vorab.testing.phones import Fault, Handset, Phones, PhoneWorld
from vorab.wire import INCIDENT, pack, unpack
from workflows.directory.stub import SiteDirectory


class Night:
    """One site, its people's telephones, and the contact process stepped by hand."""

    def __init__(self, where: Path | str, ladder: Sequence[Rung], limits: Limits) -> None:
        self.clock = HandClock()
        self.site = small_site(ladder, limits)
        self.world = PhoneWorld(self.clock)
        self.phone: Callable[[str], Handset] = Phones(self.world, NUMBERS)
        self.breaches = Breaches()
        self.where = where
        self.of_workers = isinstance(where, str)  #: they put what they find into the store itself
        self.store: Engine = open_store(where)
        self.reader = open_reader(where)
        self.sms = Sms(
            Settings.model_validate(
                {
                    "account_sid": self.world.account,
                    "auth_token": self.world.token,
                    "sender": OURS,
                    "base_url": "http://phones",
                }
            ),
            self.world,
        )
        self.waiting: list[Callable[[], None]] = []
        self.hold = False  #: jobs are begun and do not come back
        self.lives: list[Contact] = []
        self.start()

    def start(self) -> None:
        """A new process over the same store."""
        texts = Texts({}, self.site.zone)
        directory = SiteDirectory(self.site)
        channels = {"sms": self.sms}
        found = TableBreaches() if self.of_workers else LogBreaches(self.breaches)
        owner = partial(int, len(self.lives)) if self.of_workers else None
        clock, send = self.clock, self._send
        self.contact = Contact(self.site, self.store, found, directory, channels, texts, clock, send, owner=owner)
        self.lives.append(self.contact)

    def _send(self, job: Callable[[], None]) -> None:
        if self.hold:
            self.waiting.append(job)
        else:
            job()

    def finds(self, *found: Breach) -> None:
        self.has(*found)
        self.contact.turn()

    def has(self, *found: Breach) -> None:
        """Found, and contact has not looked yet."""
        if self.of_workers:
            with self.store.begin() as connection:
                connection.execute(breaches.insert(), [row_of(one) for one in found])
        self.breaches.found.extend(found)

    def ends(self) -> None:
        for one in self.lives:
            one.leave()
        self.store.dispose()
        self.reader.dispose()

    def passes(self, span: int) -> None:
        """Time goes by, and the process wakes whenever something is due."""
        end = Instant(self.clock.at + span)
        while True:
            due = max(self.contact.turn(), Instant(self.clock.at + SECOND))
            if due > end:
                break
            self.clock.at = due
        self.clock.at = end
        self.contact.turn()

    def incident(self) -> Incident:
        with self.reader.connect() as connection:
            return unpack(connection.scalars(select(incidents.c.body)).one(), INCIDENT)

    def outbox(self) -> list[tuple[str, str, str]]:
        with self.reader.connect() as connection:
            rows = connection.execute(
                select(outbox.c.person, outbox.c.purpose, outbox.c.state).order_by(outbox.c.event)
            )
            return [(row.person, row.purpose, row.state) for row in rows]

    def outcomes(self) -> list[str]:
        with self.reader.connect() as connection:
            return list(connection.scalars(select(inbox.c.outcome).order_by(inbox.c.number)))


def row_of(found: Breach) -> dict[str, object]:
    """As a worker puts it there."""
    urgent = found.priority is Priority.LIFE_SAFETY
    return {
        "id": found.id,
        "edge": found.number,
        "state": "new",
        "at": found.at,
        "body": pack(found),
        "urgent": urgent,
    }


Nights = Callable[[Sequence[Rung], Limits], Night]


@pytest.fixture(params=STORES)
def nights(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Nights]:
    """Makes a night over an empty store of each kind."""
    made = []

    def make(ladder: Sequence[Rung], limits: Limits) -> Night:
        made.append(Night(empty_store(request.param, tmp_path), ladder, limits))
        return made[-1]

    yield make
    for night in made:
        night.ends()


@pytest.fixture
def night(nights: Nights) -> Iterator[Night]:
    night = nights([rung(1), rung(2)], Limits())
    yield night
    with night.store.begin() as connection:
        audit.seal(connection)
        assert audit.verify(connection) is None
    assert night.world.unexpected() == []


def test_the_nearest_is_asked_goes_and_nobody_else_is_disturbed(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12", "open 30 s", "1 min").and_replies(night.phone("ben").code)
    night.passes(10 * SECOND)
    night.phone("ben").receives_sms("it is yours")
    night.passes(60 * MINUTE)
    assert night.incident().owner == BEN


def test_the_next_person_is_called_when_nobody_answers(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    night.passes(59 * SECOND)
    night.phone("ana").nothing_more()
    night.passes(SECOND)
    night.phone("ana").receives_sms("gate B12").and_replies(night.phone("ana").code)
    night.phone("ben").receives_sms("gate B12")
    night.passes(10 * SECOND)
    night.phone("ana").receives_sms("it is yours")
    night.phone("ben").receives_sms("Ana goes", "Nothing to do for you")


def test_the_last_rung_repeats_until_somebody_takes_it(night: Night) -> None:
    night.finds(breach())
    night.passes(4 * MINUTE)
    for _ in range(5):
        night.phone("ben").receives_sms("Reply")
    for _ in range(4):
        night.phone("ana").receives_sms("Reply")
    assert night.incident().state is State.TRIGGERED


def test_who_declines_is_replaced_at_once(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12").and_replies(f"{night.phone('ben').code} no")
    night.passes(10 * SECOND)
    night.phone("ana").receives_sms("gate B12")


def test_a_wrong_code_changes_nothing_and_five_silence_the_person_for_an_hour(night: Night) -> None:
    night.finds(breach())
    phone = night.phone("ben").receives_sms("gate B12")
    wrong = "0000" if phone.code != "0000" else "1111"
    for _ in range(5):
        phone.and_replies(wrong)
    phone.and_replies(phone.code)
    night.passes(30 * SECOND)
    assert night.incident().owner is None
    assert night.outcomes() == ["wrong code, from ben"] * 5 + ["not heard: 5 wrong codes within an hour, from ben"]
    night.passes(25 * SECOND)
    assert night.incident().state is State.TRIGGERED


def test_an_answer_that_comes_after_the_next_was_asked_still_counts(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    night.passes(MINUTE)
    night.phone("ana").receives_sms("gate B12")
    night.phone("ben").receives_sms("gate B12").and_replies(night.phone("ben").code)
    night.passes(10 * SECOND)
    night.phone("ben").receives_sms("it is yours")
    night.phone("ana").receives_sms("Ben goes").and_replies(night.phone("ana").code)
    night.passes(10 * SECOND)
    night.phone("ana").receives_sms("Ben goes")
    assert night.incident().owner == BEN


def test_who_goes_hears_who_has_done_it(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    night.passes(MINUTE)
    night.phone("ana").receives_sms("gate B12")
    night.phone("ben").receives_sms("gate B12").and_replies(night.phone("ben").code)
    night.passes(10 * SECOND)
    night.phone("ben").receives_sms("it is yours")
    ana = night.phone("ana").receives_sms("Ben goes")
    night.finds(breach(number=1, edge=Edge.CLEARED))
    ana.and_replies(f"{ana.code} done")
    night.passes(10 * SECOND)
    night.phone("ben").receives_sms("gate B12", "done, says Ana")


def test_who_was_asked_hears_that_it_healed_by_itself(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    night.finds(breach(number=1, edge=Edge.CLEARED))
    night.phone("ben").receives_sms("over by itself")
    night.passes(10 * MINUTE)
    assert night.incident().state is State.RESOLVED


def test_life_safety_goes_on_after_it_has_cleared(night: Night) -> None:
    night.finds(breach(priority=Priority.LIFE_SAFETY))
    night.phone("ben").receives_sms("gate B12")
    night.finds(breach(number=1, edge=Edge.CLEARED, priority=Priority.LIFE_SAFETY))
    night.passes(MINUTE)
    night.phone("ben").receives_sms("gate B12")
    night.phone("ana").receives_sms("gate B12")
    assert night.incident().state is State.TRIGGERED


def test_done_while_still_broken_begins_the_ladder_again(night: Night) -> None:
    night.finds(breach())
    code = night.phone("ben").receives_sms("gate B12").and_replies(night.phone("ben").code).code
    night.passes(10 * SECOND)
    night.phone("ben").receives_sms("it is yours").and_replies(f"{code} done")
    night.passes(10 * SECOND)
    night.phone("ben").receives_sms("still so")
    assert night.incident().state is State.TAKEN
    night.passes(MINUTE)
    night.phone("ben").receives_sms("I go")
    assert night.incident().state is State.TRIGGERED


def test_the_owner_is_reminded_of_what_is_over_until_he_says_done(night: Night) -> None:
    night.finds(breach())
    code = night.phone("ben").receives_sms("gate B12").and_replies(night.phone("ben").code).code
    night.passes(10 * SECOND)
    night.phone("ben").receives_sms("it is yours")
    night.finds(breach(number=1, edge=Edge.CLEARED))
    night.passes(3 * MINUTE)
    night.phone("ben").receives_sms("It is over", f"{code} done")
    night.phone("ben").receives_sms("It is over").and_replies(f"{code} done")
    night.passes(10 * SECOND)
    assert night.incident().state is State.RESOLVED
    night.passes(60 * MINUTE)


def test_stop_helps_the_waiting_at_once_and_is_kept(night: Night) -> None:
    night.finds(breach())
    ben = night.phone("ben").receives_sms("gate B12").and_replies("STOP")
    night.passes(10 * SECOND)
    night.phone("ana").receives_sms("gate B12")
    night.finds(breach(onset=night.clock.at))
    night.phone("ana").receives_sms("gate B12")
    assert night.world.asked.count(ben.number) == 1  # the provider would refuse it: we must not even have tried
    night.phone("ben").and_replies("START")
    night.passes(10 * SECOND)
    night.finds(breach(onset=night.clock.at))
    night.phone("ben").receives_sms("gate B12")


def test_law_8_a_stop_is_heard_also_while_nothing_is_open(night: Night) -> None:
    night.passes(10 * MINUTE)
    night.world.write(NUMBERS["ben"], "STOP", OURS)
    night.passes(MINUTE)
    assert night.outcomes() == ["applied"]
    night.finds(breach())
    night.phone("ana").receives_sms("gate B12")


def test_who_asks_why_is_told_what_was_weighed_for_him_also_when_others_are_being_asked(nights: Nights) -> None:
    ladder = [rung(1), rung(1, role="pilots")]
    pilot = replace(person("ana", "t2"), roles=["pilots"])
    night = nights(ladder, Limits())
    night.site = small_site(ladder, people=[person("ben", "post"), pilot])
    night.start()
    night.finds(breach())
    night.passes(MINUTE)
    night.phone("ana").receives_sms("gate B12")
    phone = night.phone("ben").receives_sms("gate B12")
    phone.and_replies(f"{phone.code} why")
    night.passes(10 * SECOND)
    night.phone("ben").receives_sms("1 min on foot", "security")


def test_a_stranger_is_kept_and_not_heard(night: Night) -> None:
    night.finds(breach())
    phone = night.phone("ben").receives_sms("gate B12")
    night.world.write("+33700000000", phone.code, OURS)
    night.passes(10 * SECOND)
    assert night.incident().state is State.TRIGGERED
    assert night.outcomes() == ["unknown sender +337…00"]


def test_a_restart_in_the_middle_sends_nothing_twice_and_forgets_nobody(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    night.start()
    night.contact.turn()
    night.phone("ben").nothing_more()
    night.clock.advance(10 * MINUTE)
    night.start()
    night.contact.turn()
    night.phone("ben").receives_sms("gate B12")
    night.phone("ana").receives_sms("gate B12")


def test_law_8_after_a_start_nobody_is_asked_before_the_answers_are_known(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12").and_replies(night.phone("ben").code)
    night.clock.advance(10 * MINUTE)
    night.start()
    night.hold = True
    night.contact.turn()
    night.clock.advance(SECOND)
    night.contact.turn()
    (poll,) = night.waiting
    night.hold = False
    poll()
    night.passes(5 * MINUTE)
    night.phone("ben").receives_sms("it is yours")
    night.phone("ana").nothing_more()
    assert night.incident().owner == BEN


def test_law_7_a_provider_that_cannot_be_asked_delays_a_start_by_five_seconds(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    night.finds(breach(onset=Instant(night.clock.at + 1), priority=Priority.LIFE_SAFETY))
    night.phone("ben").receives_sms("gate B12")
    night.clock.advance(10 * MINUTE)
    night.start()
    night.hold = True
    night.contact.turn()
    assert len(night.waiting) == 3  # life safety asks two at once, and the poll
    night.waiting.clear()
    night.passes(5 * SECOND)
    for job in night.waiting:
        job()
    night.phone("ben").receives_sms("High:", "gate B12").nothing_more()
    night.phone("ana").receives_sms("High:", "gate B12").nothing_more()


def test_killed_while_sending_the_provider_is_asked_and_nothing_is_sent_twice(night: Night) -> None:
    night.contact.turn()
    night.hold = True
    night.finds(breach())
    sent, night.waiting = night.waiting, []
    for job in sent:
        job()  # the provider has it, and the process dies before it could write so
    night.hold = False
    night.start()
    night.passes(20 * SECOND)
    night.phone("ben").receives_sms("gate B12").nothing_more()
    assert night.outbox() == [("ben", "request", "delivered")] or night.outbox() == [("ben", "request", "sent")]


def test_law_7_killed_while_sending_life_safety_another_is_asked_at_once(night: Night) -> None:
    night.contact.turn()
    night.hold = True
    night.finds(breach(priority=Priority.LIFE_SAFETY))
    night.waiting.clear()
    night.hold = False
    night.start()
    night.contact.turn()
    night.phone("ana").receives_sms("gate B12")
    assert night.outbox()[0] == ("ben", "request", "unknown")


def test_killed_before_sending_it_is_sent_once_when_the_lists_do_not_show_it(night: Night) -> None:
    night.contact.turn()
    night.hold = True
    night.finds(breach())
    night.waiting.clear()
    night.hold = False
    night.start()
    night.passes(14 * SECOND)
    night.phone("ben").nothing_more()
    night.passes(6 * SECOND)
    night.phone("ben").receives_sms("gate B12").nothing_more()
    with night.reader.connect() as connection:
        assert connection.scalars(select(outbox.c.repeated)).all() == [True]


def test_life_safety_lost_on_the_way_is_not_taken_for_the_same_words_sent_before(nights: Nights) -> None:
    night = nights([rung(1, wait=30 * SECOND)], Limits())
    night.site = small_site([rung(1, wait=30 * SECOND)], people=[person("ben", "post")])
    night.start()
    night.finds(breach(priority=Priority.LIFE_SAFETY, at=night.clock.at))
    night.phone("ben").receives_sms("gate B12")
    night.passes(29 * SECOND)
    night.world.fail(Fault.TIMEOUT_BEFORE)
    night.passes(17 * SECOND)
    night.phone("ben").receives_sms("gate B12").nothing_more()
    with night.reader.connect() as connection:
        sids = connection.scalars(select(outbox.c.provider_id)).all()
    assert len(set(sids)) == len(sids) == 2


def test_a_refused_number_means_the_next_person_at_once(night: Night) -> None:
    night.world.fail(Fault.BAD_REQUEST, to=NUMBERS["ben"])
    night.finds(breach())
    night.phone("ana").receives_sms("gate B12")
    assert ("ben", "request", "failed") in night.outbox()


def test_a_busy_provider_is_asked_again_when_it_said(night: Night) -> None:
    night.world.fail(Fault.TOO_MANY, seconds=5)
    night.finds(breach())
    night.phone("ben").nothing_more()
    night.passes(6 * SECOND)
    night.phone("ben").receives_sms("gate B12")


def test_law_8_what_was_sent_late_is_valid_only_for_the_rest_of_its_time(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.world.fail(Fault.TOO_MANY, seconds=9)
    asked: list[str] = []
    request = night.world.request

    def spied(method: str, url: str, **rest: Any) -> HttpResponse:
        asked.extend(value for name, value in rest.get("form") or [] if name == "ValidityPeriod")
        return request(method, url, **rest)

    monkeypatch.setattr(night.world, "request", spied)
    night.finds(breach())
    night.passes(10 * SECOND)
    night.phone("ben").receives_sms("gate B12")
    assert asked == ["60", "51"]


def test_the_limit_of_a_person_calls_the_next_and_life_safety_has_its_own(nights: Nights) -> None:
    hour = 60 * MINUTE
    night = nights([rung(1)], Limits(windows=[(hour, 1)], life_safety=[(hour, 10)]))  # type: ignore[list-item]
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    night.finds(breach(onset=Instant(night.clock.at + 1)))
    night.phone("ana").receives_sms("gate B12")
    night.finds(breach(onset=Instant(night.clock.at + 2), priority=Priority.LIFE_SAFETY))
    night.phone("ben").receives_sms("gate B12").nothing_more()


def test_law_8_more_life_safety_than_expected_is_noted_once_and_never_withheld(nights: Nights) -> None:
    limits = Limits(life_safety=[(Span(60 * MINUTE), 3)])
    night = nights([rung(1, wait=30 * SECOND)], limits)
    night.site = small_site([rung(1, wait=30 * SECOND)], limits, [person("ben", "post")])
    night.start()
    night.finds(breach(priority=Priority.LIFE_SAFETY))
    night.passes(5 * MINUTE)
    assert len(night.world.received(NUMBERS["ben"])) == 11
    with night.reader.connect() as connection:
        about = select(audit_table.c.about).where(audit_table.c.what == "more than expected")
        assert connection.scalars(about).all() == ["ben"]


def test_life_safety_is_taken_before_all_that_lie_before_it(night: Night) -> None:
    storm = [breach(onset=Instant(NOON + number)) for number in range(250)]
    taken = breach(onset=Instant(NOON + 999), priority=Priority.LIFE_SAFETY)
    night.hold = True
    night.finds(*storm, taken)
    for _ in range(len(storm) // (IN_A_TURN if night.of_workers else AT_ONCE)):
        night.contact.turn()
    with night.reader.connect() as connection:
        opening = (journal.c.incident == incidents.c.id) & (journal.c.kind == "opened")
        rows = select(incidents.c.priority).join(journal, opening).order_by(journal.c.number)
        opened = list(connection.scalars(rows))
    assert opened[0] == Priority.LIFE_SAFETY
    assert len(opened) == 251, "and it was opened once"


def test_whoever_sends_finds_a_connection_that_is_open() -> None:
    assert http.CONNECTIONS >= SENDERS


def test_much_life_safety_leaves_room_for_one_other(night: Night) -> None:
    vital = [breach(onset=Instant(NOON + n), priority=Priority.LIFE_SAFETY) for n in range(2 * IN_A_TURN)]
    other = breach(onset=Instant(NOON + 999))
    night.hold = True
    night.finds(*vital, other)
    night.contact.turn()
    with night.reader.connect() as connection:
        opened = connection.scalars(select(incidents.c.priority).order_by(incidents.c.opened_at)).all()
    assert Priority.HIGH in opened


def test_life_safety_that_comes_in_the_middle_of_a_turn_waits_for_one_other(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not night.of_workers:
        pytest.skip("of capture's log a turn is read as a whole, before it")
    night.contact.turn()
    night.hold = True
    first, *others = storm = [breach(onset=Instant(NOON + number)) for number in range(IN_A_TURN)]
    vital = breach(onset=Instant(NOON + 999), priority=Priority.LIFE_SAFETY)
    taken: list[Breach] = []
    insert = (
        "INSERT INTO breaches (id, edge, state, at, body, urgent)"
        " VALUES (%(id)s, %(edge)s, %(state)s, %(at)s, %(body)s, %(urgent)s)"
    )

    def take(tx: Transaction, found: Breach) -> None:
        taken.append(found)
        if found == first:
            worker.execute(insert, row_of(vital))
        apply.take(tx, found)

    monkeypatch.setattr(in_table, "take", take)
    with psycopg.connect(str(night.where), autocommit=True) as worker:
        night.finds(*storm)
        night.contact.turn()
    assert taken == [first, vital, *others]


def test_law_8_life_safety_does_not_wait_behind_slow_calls_for_other_messages(night: Night) -> None:
    night.contact.turn()
    night.hold = True  # no call comes back
    for number in range(20):
        night.finds(breach(onset=Instant(night.clock.at + number)))
    assert len(night.waiting) == SENDERS - RESERVED
    night.clock.advance(20 * SECOND)
    night.contact.turn()  # polls and looks are due
    assert len(night.waiting) == SENDERS - RESERVED
    night.finds(breach(onset=Instant(night.clock.at + 100), priority=Priority.LIFE_SAFETY))
    assert len(night.waiting) == SENDERS - RESERVED + 1
    night.waiting.pop()()
    night.phone("ben").receives_sms("Life safety")


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize("times", [1, 2])
def test_a_commit_whose_outcome_is_not_known_loses_nothing_and_sends_nothing_twice(
    night: Night, monkeypatch: pytest.MonkeyPatch, times: int, happened: bool
) -> None:
    """The connection breaks while the commit is on its way: of the breach, of what came of sending, of the answer."""
    night.contact.turn()
    night.hold = True
    night.has(breach())
    dialect, left = night.store.dialect, times
    commit = dialect.do_commit

    def breaks(connection: Any) -> None:
        nonlocal left
        left -= 1
        if happened or left < 0:
            commit(connection)
        if left >= 0:
            raise OperationalError("COMMIT", None, ConnectionError("the connection is lost"))

    monkeypatch.setattr(dialect, "do_commit", breaks)
    for _ in range(times):
        with pytest.raises(OperationalError):
            night.contact.turn()
    night.contact.turn()
    assert len(night.waiting) == 1
    left = times
    night.waiting.pop()()
    for _ in range(times):
        with pytest.raises(OperationalError):
            night.contact.turn()
    night.hold = False
    night.passes(30 * SECOND)
    night.phone("ben").receives_sms("gate B12").nothing_more()
    assert [state for _, _, state in night.outbox()] == ["sent"]


def test_a_bad_row_is_set_aside_and_the_rest_goes_on(night: Night) -> None:
    with night.store.begin() as connection:
        for number, (kind, body) in enumerate(
            [
                ("reply", "cat"),
                ("click", '{"person":1}'),
                ("spell", "{}"),
                ("status", '{"channel":"sms","state":"eaten"}'),
            ]
        ):
            connection.execute(inbox.insert().values(id=f"bad-{number}", kind=kind, at=night.clock.at, body=body))
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    assert all(outcome.startswith("set aside: Malformed") for outcome in night.outcomes())
    with night.reader.connect() as connection:
        assert len(connection.scalars(select(audit_table.c.what).where(audit_table.c.about.like("bad-%"))).all()) == 4


def test_law_7_a_breach_that_was_set_aside_is_taken_again_at_the_next_start(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: SiteDirectory, response: str) -> Response:
        raise ValueError(response)

    with monkeypatch.context() as broken:
        broken.setattr(SiteDirectory, "response", fails)
        night.finds(breach())
        night.start()  # still the same
        night.passes(MINUTE)
    assert night.outbox() == []
    night.start()
    night.passes(SECOND)
    night.phone("ben").receives_sms("gate B12")


def test_law_7_a_breach_that_nobody_can_read_keeps_no_process_from_starting(night: Night) -> None:
    with night.store.begin() as connection:
        state = "new" if night.of_workers else "suppressed"
        unreadable = {"id": "door/b12/1", "edge": 0, "state": state, "at": NOON, "body": b"cat"}
        connection.execute(breaches.insert(), unreadable)
    night.passes(SECOND)
    night.start()
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    with night.reader.connect() as connection:
        reason = connection.scalar(select(breaches.c.reason).where(breaches.c.state == "suppressed"))
    assert str(reason).startswith("Corrupt: ")


def test_an_edge_that_comes_too_early_waits_for_the_one_before_it(night: Night) -> None:
    night.finds(breach(number=1, edge=Edge.CLEARED))
    assert night.outbox() == []
    night.finds(breach())
    assert night.incident().state is State.RESOLVED
    assert night.outbox() == [("ben", "request", "withdrawn")]  # both were known in one moment: nobody is disturbed


def test_one_at_the_desk_takes_it_without_having_been_asked(night: Night) -> None:
    night.finds(breach())
    night.phone("ben").receives_sms("gate B12")
    with night.store.begin() as connection:
        body = f'{{"person":"desk","incident":"{night.incident().id}","meaning":"taken"}}'
        connection.execute(inbox.insert().values(id="click-1", kind="click", at=night.clock.at, body=body))
    night.contact.turn()
    night.phone("ben").receives_sms("the desk goes")
    night.passes(10 * MINUTE)
    assert night.incident().owner == "desk"


def test_law_7_a_last_rung_without_anybody_does_not_end_the_asking(night: Night) -> None:
    night.site = small_site([rung(1), rung(1, role="pilots")])
    night.start()
    night.finds(breach())
    night.passes(5 * MINUTE)
    night.phone("ben").receives_sms("gate B12").receives_sms("gate B12")
    night.phone("ana").receives_sms("gate B12")


def test_law_7_a_response_that_the_site_lacked_is_followed_once_the_site_has_it(night: Night) -> None:
    night.finds(breach(respond="guards"))
    night.passes(10 * MINUTE)
    with night.reader.connect() as connection:
        assert len(connection.scalars(select(audit_table.c.what)).all()) == 3  # not one more each minute
    night.site = replace(night.site, responses=[Response(ResponseId("guards"), [rung(1)])])
    night.start()
    night.passes(MINUTE)
    night.phone("ben").receives_sms("gate B12")


def test_nobody_on_duty_is_told_by_the_journal_and_tried_again(night: Night) -> None:
    night.site = small_site([rung(1, role="pilots")])
    night.start()
    night.finds(breach())
    night.passes(5 * MINUTE)
    with night.reader.connect() as connection:
        lines = connection.scalars(select(audit_table.c.detail).where(audit_table.c.what == "rung due")).all()
    assert len(lines) == 6
    assert set(lines) == {"nobody suitable among 0 on rung 0"}
    assert ANA not in night.incident().asked
