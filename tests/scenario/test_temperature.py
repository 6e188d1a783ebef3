"""The room that is too warm: maintenance goes, and the customer hears of it before he complains.

On a Monday at noon: Dora (maintenance, German) and Emil (English) are on duty.  Hana (French, by text message) is in
charge of the café C2, Ivo (German, rather by e-mail) of the lounge B.
"""

from tests.airport import Airport
from vorab.model import Meaning, State
from vorab.testing.phones import Fault, Handset, Line


def warms(airport: Airport, room: str = "cafe-c2", to: float = 28.1) -> Handset:
    """Dora is the nearest.  Her handset, once she was asked."""
    airport.room(room).has(22)
    airport.room(room).has(to)
    airport.passes(minutes=10)
    return airport.phone("dora").receives_sms("Mittel", "28,1 C", "Antwort")


def cools(airport: Airport, room: str = "cafe-c2") -> None:
    airport.room(room).has(22)
    airport.passes(minutes=2, seconds=1)


def state(airport: Airport) -> State:
    return airport.incidents()[0].state


def test_from_the_first_reading_to_the_last_word_of_the_customer(airport: Airport) -> None:
    dora = warms(airport)
    hana = airport.phone("hana").nothing_more()  # nobody goes yet
    dora.and_replies(dora.code)
    airport.passes(seconds=1)
    dora.receives_sms("Danke", "café C2")
    hana.receives_sms("café C2", "28,1 C", "Un technicien arrive", "min environ")
    airport.page("hana").shows("café C2")
    airport.page("dora").presses(Meaning.ARRIVED)
    airport.passes(minutes=15)
    cools(airport)
    dora.and_replies(f"{dora.code} fertig")
    airport.passes(seconds=1)
    hana.receives_sms("café C2", "résolu")
    airport.passes(minutes=59)
    hana.nothing_more()
    airport.passes(minutes=1)
    hana.receives_sms("1 = non").and_replies("5")
    airport.passes(minutes=10)
    [incident] = airport.incidents()
    assert (incident.state, incident.ratings) == (State.RESOLVED, {"hana": 5})


def test_the_customer_who_prefers_mail_gets_mail_with_everything(airport: Airport) -> None:
    dora = warms(airport, "lounge-b")
    dora.and_replies(dora.code)
    airport.passes(seconds=1)
    dora.receives_sms("Danke")
    ivo = airport.phone("ivo").receives_mail("lounge B", "Techniker")
    cools(airport, "lounge-b")
    dora.and_replies(f"{dora.code} fertig")
    airport.passes(minutes=61)
    ivo.receives_mail("behoben").receives_mail("War das gut?")
    airport.page("ivo").presses("4")
    assert airport.incidents()[0].ratings == {"ivo": 4}


def test_nothing_is_told_if_it_heals_before_anybody_goes(airport: Airport) -> None:
    dora = warms(airport)
    cools(airport)
    dora.receives_sms("vorbei")
    airport.passes(minutes=60)
    assert state(airport) is State.RESOLVED
    airport.phone("hana").nothing_more()


def test_one_honest_update_if_it_slips(airport: Airport) -> None:
    dora = warms(airport)
    dora.and_replies(dora.code)
    airport.passes(seconds=1)
    dora.receives_sms("Danke")
    hana = airport.phone("hana").receives_sms("Un technicien arrive")
    airport.passes(minutes=25)
    hana.receives_sms("plus long que prévu")
    airport.passes(minutes=60)
    hana.nothing_more()


def test_the_first_declines_the_second_goes_and_she_hears_it_once(airport: Airport) -> None:
    dora = warms(airport)
    dora.and_replies(f"{dora.code} nein")
    airport.passes(seconds=1)
    emil = airport.phone("emil").receives_sms("28.1 C")
    emil.and_replies(emil.code)
    airport.passes(seconds=1)
    emil.receives_sms("it is yours")
    airport.phone("hana").receives_sms("Un technicien arrive")
    emil.and_replies(f"{emil.code} no")
    airport.passes(seconds=1)
    airport.passes(minutes=1)
    assert state(airport) is State.TRIGGERED


def test_nobody_answers_then_the_telephone_rings_then_everybody_s(airport: Airport) -> None:
    dora = warms(airport)
    airport.passes(minutes=5)
    dora.rings()
    airport.passes(seconds=26)
    emil = airport.phone("emil").rings().picks_up().hears("medium priority", "café C two")
    emil.presses("1").hears("It is yours")
    airport.passes(seconds=1)
    emil.receives_sms("it is yours")
    dora.receives_sms("Emil geht")
    airport.phone("hana").receives_sms("Un technicien arrive")


def test_a_voicemail_is_nobody(airport: Airport) -> None:
    airport.world.lines[airport.phone("dora").number] = Line.VOICEMAIL
    dora = warms(airport)
    airport.passes(minutes=5, seconds=5)
    dora.rings()
    airport.phone("emil").rings().picks_up().presses("2")
    airport.passes(seconds=1)
    assert state(airport) is State.TRIGGERED
    dora.receives_sms("28,1 C").rings()  # the last rung: everybody who has not said no
    dora.and_replies(dora.code)
    airport.passes(seconds=1)
    dora.receives_sms("Danke")
    airport.phone("hana").receives_sms("Un technicien arrive")


def test_a_wrong_code_and_the_answer_that_comes_after_the_next_was_called(airport: Airport) -> None:
    dora = warms(airport)
    dora.and_replies("0000" if dora.code != "0000" else "1111")
    airport.passes(minutes=5, seconds=26)
    dora.rings()
    emil = airport.phone("emil").rings()
    dora.and_replies(dora.code)
    airport.passes(seconds=1)
    dora.receives_sms("Danke")
    emil.receives_sms("Dora goes", "Nothing to do")
    airport.phone("hana").receives_sms("Un technicien arrive")
    emil.and_replies(dora.code)  # too late, and told so
    airport.passes(seconds=1)
    emil.receives_sms("Dora goes")


def test_it_rises_to_the_next_level_while_somebody_is_on_the_way(airport: Airport) -> None:
    dora = warms(airport)
    dora.and_replies(dora.code)
    airport.passes(seconds=1)
    dora.receives_sms("Danke")
    airport.phone("hana").receives_sms("Un technicien arrive")
    airport.page("dora").presses(Meaning.ARRIVED)
    airport.room("cafe-c2").has(31)
    airport.passes(minutes=5)
    [incident] = airport.incidents()
    assert (incident.breach.priority, incident.state) == ("high", State.TAKEN)


def test_a_restart_between_all_of_it_changes_nothing(airport: Airport) -> None:
    def restarts(seconds: float = 5) -> None:
        airport.goes_down()
        airport.passes(seconds=seconds)
        airport.comes_back()

    dora = warms(airport)
    restarts()
    dora.and_replies(dora.code)
    restarts()
    airport.passes(seconds=15)
    dora.receives_sms("Danke")
    hana = airport.phone("hana").receives_sms("Un technicien arrive")
    airport.page("dora").presses(Meaning.ARRIVED)
    cools(airport)
    restarts()
    dora.and_replies(f"{dora.code} fertig")
    airport.passes(seconds=15)
    hana.receives_sms("résolu")
    restarts(3600)
    airport.passes(seconds=15)
    hana.receives_sms("1 = non").and_replies("2")
    restarts()
    airport.passes(seconds=15)
    assert airport.incidents()[0].ratings == {"hana": 2}


def test_what_does_not_reach_her_by_text_goes_by_nothing_else_if_she_has_nothing_else(airport: Airport) -> None:
    airport.world.fail(Fault.BAD_REQUEST, times=9, to=airport.phone("hana").number)
    dora = warms(airport)
    dora.and_replies(dora.code)
    airport.passes(seconds=1)
    dora.receives_sms("Danke")
    airport.passes(minutes=30)
    assert state(airport) is State.TAKEN


def test_only_one_digit_of_five_is_a_rating(airport: Airport) -> None:
    dora = warms(airport)
    dora.and_replies(dora.code)
    airport.passes(seconds=1)
    dora.receives_sms("Danke")
    hana = airport.phone("hana").receives_sms("Un technicien arrive")
    cools(airport)
    dora.and_replies(f"{dora.code} fertig")
    airport.passes(minutes=61)
    hana.receives_sms("résolu").receives_sms("1 = non")
    for said in ("6", "0", "55", "five", "", "5 stars", "1 = non", "5\n5"):
        hana.and_replies(said)
    airport.passes(seconds=5)
    assert airport.incidents()[0].ratings == {}
    hana.and_replies(" 4 ")
    airport.passes(seconds=5)
    assert airport.incidents()[0].ratings == {"hana": 4}
