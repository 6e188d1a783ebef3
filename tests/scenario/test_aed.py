"""The defibrillator: rescue and security, all at once, on every channel; over when it is back and somebody says so.

On a Monday at noon: Fay (rescue, English), Ana (security, French) and Cem (security, German) are on duty.
"""

from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from deploy.store.tables import audit
from tests.airport import Airport
from vorab.errors import TemporaryFailure
from vorab.model import MINUTE, SECOND, Meaning, Rung, Span, State
from vorab.ports import InboxItem
from vorab.site import Place, Site
from vorab.testing.phones import Fault, Line
from vorab.testing.phones.world import Reports

EVERYBODY = {
    "fay": ("LIFE SAFETY", "defibrillator taken", "AED gate B"),
    "ana": ("DANGER DE MORT", "défibrillateur pris", "AED gate B"),
    "cem": ("LEBENSGEFAHR", "Defibrillator entnommen", "AED gate B"),
}
SPOKEN = {
    "fay": ("life safety", "defibrillator at gate B", "Press 1"),
    "ana": ("danger de mort", "défibrillateur porte B", "Tapez 1"),
    "cem": ("Lebensgefahr", "Defibrillator Gate B", "Drücken Sie die 1"),
}


def taken(airport: Airport) -> None:
    """Everybody's telephone rings and shows the message in his language, within the second."""
    airport.aed("aed-b").returned()
    airport.starts_shift()
    airport.aed("aed-b").taken()
    airport.passes(seconds=1)
    for name, words in EVERYBODY.items():
        airport.phone(name).receives_sms(*words)
        if airport.world.lines.get(airport.phone(name).number) is not Line.BUSY:
            airport.phone(name).rings()
    assert sorted(airport.messages("desktop")) == [(name, "request", "delivered") for name in sorted(EVERYBODY)]


def ends(airport: Airport, name: str, done: str) -> None:
    airport.aed("aed-b").returned()
    airport.passes(seconds=1)
    handset = airport.phone(name)
    handset.and_replies(f"{handset.code} {done}")
    airport.passes(seconds=1)


def state(airport: Airport) -> State:
    return airport.incidents()[0].state


def test_both_go_and_each_is_told_of_the_other(airport: Airport) -> None:
    taken(airport)
    ana = airport.phone("ana").picks_up().hears(*SPOKEN["ana"]).presses("1").hears("Merci", "porte B")
    airport.passes(seconds=2)
    assert state(airport) is State.TRIGGERED, "nobody of rescue goes yet"
    ana.receives_sms("c'est à vous")
    airport.phone("fay").receives_sms("Ana goes", "Reply")  # rescue is still wanted
    cem = airport.phone("cem").receives_sms("Ana geht")
    assert airport.world.ringing(cem.number) is None, "security is on its way"
    fay = airport.phone("fay").picks_up().hears(*SPOKEN["fay"]).presses("1").hears("It is yours")
    airport.passes(seconds=2)
    fay.receives_sms("it is yours")
    ana.receives_sms("Fay y va")
    cem.receives_sms("Fay geht")
    assert (state(airport), list(airport.incidents()[0].going)) == (State.TAKEN, ["ana", "fay"])
    airport.passes(minutes=20)
    ends(airport, "fay", "done")
    ana.receives_sms("dit Fay")
    assert state(airport) is State.RESOLVED
    airport.passes(minutes=60)


def test_nobody_answers_and_everybody_is_asked_again_by_everything(airport: Airport) -> None:
    taken(airport)
    for _ in range(3):
        airport.passes(seconds=60)
        for name in EVERYBODY:
            airport.phone(name).receives_sms("AED")
            airport.phone(name).rings()
    assert state(airport) is State.TRIGGERED


def test_the_first_declines_and_the_others_are_asked_on(airport: Airport) -> None:
    taken(airport)
    airport.phone("ana").picks_up().presses("2").hears("C'est noté")
    airport.phone("fay").picks_up().presses("1")
    airport.passes(seconds=2)
    airport.phone("fay").receives_sms("it is yours")
    cem = airport.phone("cem").receives_sms("Fay geht", "Antwort")
    cem.and_replies(cem.code)
    airport.passes(seconds=1)
    cem.receives_sms("Danke")
    airport.phone("fay").receives_sms("Cem goes")
    assert state(airport) is State.TAKEN
    airport.phone("ana").nothing_more()


def test_a_voicemail_and_a_busy_line_are_nobody(airport: Airport) -> None:
    lines = airport.world.lines
    lines[airport.phone("fay").number], lines[airport.phone("ana").number] = Line.VOICEMAIL, Line.BUSY
    taken(airport)
    airport.passes(seconds=5)
    incident = airport.incidents()[0]
    assert incident.state is State.TRIGGERED
    assert {name: ways.out for name, ways in incident.pending.items()} == {
        "fay": ["desktop", "sms"],
        "ana": ["desktop", "sms"],
        "cem": ["desktop", "sms", "voice"],
    }


def test_a_wrong_code_is_no_answer_and_the_answer_that_comes_late_counts(airport: Airport) -> None:
    taken(airport)
    fay = airport.phone("fay")
    fay.and_replies("0000" if fay.code != "0000" else "1111")
    airport.phone("ana").and_replies(fay.code)  # the code is the incident's
    airport.passes(seconds=1)
    airport.phone("ana").receives_sms("c'est à vous")
    fay.receives_sms("Ana goes")
    airport.phone("cem").receives_sms("Ana geht")
    airport.passes(seconds=60)  # rescue is asked once more
    fay.receives_sms("AED").rings()
    fay.and_replies(fay.code)
    airport.passes(seconds=1)
    fay.receives_sms("it is yours")
    for name in ("ana", "cem"):
        airport.phone(name).receives_sms("Fay")
    assert state(airport) is State.TAKEN
    cem = airport.phone("cem").and_replies(fay.code)  # late, and welcome
    airport.passes(seconds=1)
    cem.receives_sms("Danke")
    airport.phone("fay").receives_sms("Cem goes")
    airport.phone("ana").receives_sms("Cem y va")


def test_a_restart_while_the_telephones_ring_calls_nobody_twice_and_forgets_nobody(airport: Airport) -> None:
    taken(airport)
    airport.goes_down()
    airport.passes(seconds=10)
    airport.comes_back()
    airport.passes(seconds=1)
    airport.phone("fay").picks_up().presses("1")
    airport.passes(seconds=1)
    airport.phone("fay").receives_sms("it is yours")
    ana = airport.phone("ana").receives_sms("Fay y va")
    airport.phone("cem").receives_sms("Fay geht")
    ana.and_replies(ana.code)
    airport.passes(seconds=1)
    ana.receives_sms("c'est à vous")
    airport.phone("fay").receives_sms("Ana goes")
    airport.phone("cem").receives_sms("Ana geht")
    airport.goes_down()
    airport.passes(minutes=5)
    airport.comes_back()
    ends(airport, "ana", "fini")
    airport.phone("fay").receives_sms("Ana")
    assert state(airport) is State.RESOLVED


def test_putting_it_back_is_not_enough_and_saying_done_is_not_enough(airport: Airport) -> None:
    taken(airport)
    airport.clicks("fay", "taken")
    airport.clicks("ana", "taken")
    airport.passes(seconds=1)
    airport.phone("fay").receives_sms("Ana goes")
    airport.phone("ana").receives_sms("Fay y va")
    airport.phone("cem").receives_sms("Fay geht").receives_sms("Ana geht")
    fay = airport.phone("fay")
    fay.and_replies(f"{fay.code} done")
    airport.passes(seconds=1)
    fay.receives_sms("still so")
    assert state(airport) is State.TAKEN
    airport.passes(seconds=60)
    fay.receives_sms("still so")  # and nobody is woken for it
    airport.aed("aed-b").returned()
    airport.passes(seconds=1)
    assert state(airport) is State.RESOLVED


def test_one_needs_help_on_the_page_and_one_more_is_asked(airport: Airport) -> None:
    taken(airport)
    airport.page("fay").shows("AED gate B", "oxygen").presses(Meaning.TAKEN).shows("It is yours")
    airport.page("ana").shows("AED gate B", "oxygène").presses(Meaning.ARRIVED)
    airport.passes(seconds=1)
    airport.phone("fay").receives_sms("Ana goes")
    airport.phone("ana").receives_sms("Fay y va")
    airport.phone("cem").receives_sms("Fay geht").receives_sms("Ana geht")
    assert state(airport) is State.TAKEN
    airport.page("ana").presses(Meaning.HELP)
    airport.passes(seconds=1)
    cem = airport.phone("cem").receives_sms("LEBENSGEFAHR").rings()
    cem.picks_up().presses("1")
    airport.passes(seconds=1)
    cem.receives_sms("Danke")
    airport.phone("fay").receives_sms("Cem goes")
    airport.phone("ana").receives_sms("Cem y va")


def test_a_picture_and_the_instruction_come_with_it(airport: Airport) -> None:
    taken(airport)
    picture = airport.reader.picture(airport.incidents()[0].id)
    assert picture is not None
    assert picture.taken_at is not None
    assert len(picture.sha256) == 64
    assert airport.cameras.plays == ["aed-b"]


def test_an_instruction_that_cannot_be_played_is_written_down_and_keeps_nobody_waiting(
    airport: Airport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_place: Place) -> bool:
        raise TemporaryFailure("the loudspeaker does not answer")

    monkeypatch.setattr(airport.cameras, "instruct", fails)
    taken(airport)
    with airport.store.connect() as connection:
        lines = connection.execute(select(audit.c.what, audit.c.detail)).all()
    assert ("instruction not played", "the loudspeaker does not answer") in [tuple(line) for line in lines]


@pytest.mark.parametrize("fault", ["silent", "battery", "tamper"])
def test_a_cabinet_that_cannot_be_trusted_is_a_fault_of_its_own(airport: Airport, fault: str) -> None:
    airport.aed("aed-b").returned()
    airport.passes(seconds=5)
    if fault == "silent":
        airport.dead.add("aed-b-cabinet")
        airport.passes(seconds=65)
    else:
        airport.aed("aed-b").says(present=True, battery_low=fault == "battery", tamper=fault == "tamper")
        airport.passes(seconds=3)
    fay = airport.phone("fay").receives_sms("AED gate B")
    fay.and_replies(fay.code)
    airport.passes(seconds=1)
    fay.receives_sms("it is yours")
    assert airport.incidents()[0].breach.respond == "aed-care"


@pytest.mark.parametrize("payload", [b"cat", b'{"present": "cat"}', b'{"present": null}', b"{", b'{"battery": 1e999}'])
def test_rubbish_neither_raises_nor_clears(airport: Airport, payload: bytes) -> None:
    airport.aed("aed-b").returned()
    airport.hears("aed/aed-b-cabinet", payload)
    airport.passes(seconds=5)
    assert airport.incidents() == []
    airport.aed("aed-b").taken()
    airport.hears("aed/aed-b-cabinet", payload)
    airport.passes(seconds=1)
    for name in EVERYBODY:
        airport.phone(name).receives_sms("AED").rings()
    assert airport.incidents()[0].broken


def test_law_7_who_has_pressed_a_key_is_not_hung_up_on_when_he_is_taken_for_a_machine(airport: Airport) -> None:
    taken(airport)
    airport.world.speech = Span(SECOND // 20)
    fay = airport.phone("fay").picks_up()
    airport.passes(seconds=12)
    fay.presses("1")
    call = airport.world.calls(fay.number)[-1]
    about = {"channel": "voice", "provider_id": call.sid, "notification": f"{airport.incidents()[0].id}.2.fay.voice"}
    machine = about | {"state": "failed", "reason": "a machine answered", "hang_up": "yes"}
    airport.inbox.put([InboxItem(f"{call.sid}/failed", "status", machine)], airport.clock.now())
    airport.passes(seconds=1)
    assert call.status == "in-progress", "he hears the way"
    for name in EVERYBODY:
        airport.phone(name).receives_sms()
    airport.passes(seconds=20)


def test_law_8_a_call_of_which_we_learn_late_rings_no_more_when_others_go(airport: Airport) -> None:
    cem = airport.phone("cem")
    airport.world.reports, airport.world.list_lag = Reports.LOST, Span(3 * SECOND)
    airport.world.fail(Fault.TIMEOUT_AFTER, times=2, to=cem.number)
    taken(airport)
    for name in ("ana", "fay"):
        airport.phone(name).and_replies(cem.code)
    airport.passes(seconds=6)
    assert state(airport) is State.TAKEN
    assert airport.world.ringing(cem.number) is None
    for name in ("ana", "ana", "fay", "fay", "cem", "cem"):
        airport.phone(name).receives_sms()


def test_law_7_a_key_counts_in_either_of_two_calls(airport: Airport) -> None:
    cem = airport.phone("cem")
    airport.world.reports, airport.world.list_lag = Reports.LOST, MINUTE
    airport.world.fail(Fault.TIMEOUT_AFTER, times=2, to=cem.number)
    taken(airport)
    airport.passes(seconds=17)
    assert len(airport.world.calls(cem.number)) == 2
    cem.receives_sms().picks_up().presses("1").hears("Danke")
    airport.passes(seconds=1)
    assert "cem" in airport.incidents()[0].going
    cem.receives_sms("Danke")
    airport.phone("fay").receives_sms("Cem goes")
    airport.phone("ana").receives_sms("Cem y va")


class WithMail(Airport):
    """Rescue is asked by e-mail, which shows the picture of the place."""

    def _site(self, folder: Path) -> Site:
        site = super()._site(folder)
        people = [
            replace(one, addresses=one.addresses | {"email": "fay@airport.example"}) if one.id == "fay" else one
            for one in site.people
        ]
        ladder = [Rung("rescue", 1, ["email"], MINUTE)]
        responses = [replace(one, ladder=ladder, needs=[]) if one.id == "rescue" else one for one in site.responses]
        return replace(site, people=people, responses=responses)


def test_law_8_life_safety_does_not_wait_for_the_picture(tmp_path: Path) -> None:
    airport = WithMail(tmp_path)
    airport.aed("aed-b").returned()
    airport.aed("aed-b").taken()
    airport.phone("fay").receives_mail("LIFE SAFETY", "AED gate B")
    airport.close()
