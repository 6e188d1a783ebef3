"""The door, both ways: it stands open too long, and it was opened without authorisation.

On a Monday at noon: Ana (French) is on duty at terminal 1, Cem (German) at terminal 2; Ben comes in the evening.
"""

from tests.airport import JPEG, Airport
from vorab.model import DAY, State
from vorab.testing.phones import Line


def test_a_door_that_stands_open_is_shut_by_the_nearest_guard_and_nobody_else_is_disturbed(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").opens()
    airport.passes(seconds=29)
    assert airport.unexpected() == []
    airport.passes(seconds=1)
    ana = airport.phone("ana").receives_sms("gate B12", "30 s", "4 min")
    ana.and_replies(ana.code)
    airport.passes(seconds=1)
    ana.receives_sms("c'est à vous")
    airport.passes(minutes=60)  # answered: nobody else is disturbed
    airport.door("gate-b12").shuts()
    airport.passes(seconds=6)
    ana.and_replies(f"{ana.code} fini")
    airport.passes(seconds=10)
    incident = airport.incidents()[0]
    assert (incident.state, incident.owner) == (State.RESOLVED, "ana")


def test_somebody_who_goes_through_with_a_badge_is_no_alarm(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.passes(seconds=3)
    airport.door("gate-b12").opens()
    airport.passes(seconds=12)
    airport.door("gate-b12").shuts()
    airport.passes(minutes=10)
    assert airport.incidents() == []


def test_a_door_opened_without_a_badge_is_told_at_once_and_stays_although_it_shuts(airport: Airport) -> None:
    airport.badge("gate-b11").says(online=True)
    airport.door("gate-b11").opens()
    airport.passes(seconds=1)
    ana = airport.phone("ana").receives_sms("gate B11", "sans badge")
    airport.door("gate-b11").shuts()
    airport.passes(seconds=20)
    ana.and_replies(ana.code)
    airport.passes(seconds=1)
    ana.receives_sms("c'est à vous")
    ana.and_replies(f"{ana.code} done")
    airport.passes(minutes=5)
    [incident] = airport.incidents()
    assert incident.state is State.RESOLVED


def test_a_refused_badge_authorises_nobody(airport: Airport) -> None:
    airport.badge("gate-b11").reads(granted=False)
    airport.door("gate-b11").opens()
    airport.passes(seconds=2)
    airport.phone("ana").receives_sms("gate B11", "sans badge")


def test_a_dead_badge_reader_makes_the_alarm_unverified(airport: Airport) -> None:
    airport.badge("gate-b11").says(online=True)
    airport.dead.add("gate-b11-badge")
    airport.passes(minutes=3)  # it is heard every minute, or it is not alive
    airport.door("gate-b11").opens()
    airport.passes(seconds=2)
    airport.phone("ana").receives_sms("gate B11", "non vérifié")


def test_the_next_guard_is_called_when_the_first_does_not_answer(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=30)
    cem = airport.phone("cem").receives_sms("gate C1")  # he is at terminal 2
    airport.passes(seconds=59)
    cem.nothing_more()
    airport.passes(seconds=1)
    cem.rings()
    airport.phone("ana").nothing_more()
    airport.passes(seconds=26)  # it rings for 25 s; he does not pick up: the next at once
    ana = airport.phone("ana").rings().picks_up().hears("priorité haute", "porte C un", "1")
    ana.presses("1").hears("Merci", "porte C un")
    airport.passes(seconds=1)
    ana.receives_sms("c'est à vous")
    cem.receives_sms("Ana", "C1")
    airport.passes(minutes=30)


def test_when_nobody_answers_everybody_is_asked_by_everything_again_and_again(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=30)
    cem, ana = airport.phone("cem"), airport.phone("ana")
    cem.receives_sms("gate C1")
    airport.passes(seconds=60)
    cem.rings()
    airport.passes(seconds=26)
    ana.rings()
    for _ in range(3):
        airport.passes(seconds=26)
        for handset in (cem, ana):
            handset.receives_sms("gate C1")
            handset.rings()
        airport.passes(seconds=94)
    assert airport.incidents()[0].state is State.TRIGGERED
    cem.and_replies(cem.code)
    airport.passes(seconds=1)
    cem.receives_sms("Danke")
    ana.receives_sms("Cem")


def test_a_voicemail_is_nobody_and_the_next_is_called_at_once(airport: Airport) -> None:
    airport.world.lines[airport.phone("cem").number] = Line.VOICEMAIL
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=91)
    airport.phone("cem").receives_sms("gate C1")
    airport.phone("cem").rings()
    airport.passes(seconds=5)
    ana = airport.phone("ana").rings().picks_up().presses("1")
    airport.passes(seconds=1)
    ana.receives_sms("c'est à vous")
    airport.phone("cem").receives_sms("Ana")


def test_who_presses_2_is_let_be_and_the_next_telephone_rings(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=91)
    cem = airport.phone("cem").receives_sms("gate C1").rings().picks_up().hears("Priorität hoch", "Gate C eins")
    cem.presses("9").hears("Sie werden angerufen, weil").presses("3").hears("Gate C eins").presses("2")
    airport.passes(seconds=1)
    ana = airport.phone("ana").rings().picks_up().presses("1")
    airport.passes(seconds=1)
    ana.receives_sms("c'est à vous")
    airport.passes(minutes=30)
    cem.nothing_more()


def test_a_telephone_that_rings_when_another_has_taken_it_stops(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=91)
    cem = airport.phone("cem").receives_sms("gate C1").rings()
    airport.starts_shift()
    airport.clicks("ana", "taken")
    airport.passes(seconds=1)
    cem.receives_sms("Ana geht")
    assert airport.world.ringing(cem.number) is None
    airport.passes(minutes=30)


def test_a_desk_that_is_looked_at_is_asked_and_one_that_is_not_is_not_waited_for(airport: Airport) -> None:
    airport.starts_shift()
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=31)
    airport.phone("cem").receives_sms("gate C1")
    assert airport.messages("desktop") == [("cem", "request", "delivered")]
    airport.clicks("cem", "taken")
    airport.passes(seconds=30)
    airport.looks = False
    airport.passes(seconds=20)  # nobody has looked for 15 s
    airport.door("gate-b11").opens()
    airport.passes(seconds=2)
    airport.phone("ana").receives_sms("gate B11")
    assert len(airport.messages("desktop")) == 1


def test_who_declines_is_let_be_and_the_next_is_asked_at_once(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=30)
    cem = airport.phone("cem").receives_sms("gate C1")
    cem.and_replies(f"{cem.code} nein")
    airport.passes(seconds=1)
    ana = airport.phone("ana").receives_sms("gate C1")
    ana.and_replies(ana.code)
    airport.passes(seconds=1)
    ana.receives_sms("c'est à vous")
    airport.passes(minutes=30)
    cem.nothing_more()


def test_a_door_that_shuts_before_anybody_answered_is_told_as_over(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").opens()
    airport.passes(seconds=40)
    airport.phone("ana").receives_sms("gate B12")
    airport.door("gate-b12").shuts()
    airport.passes(seconds=5)
    airport.phone("ana").receives_sms("B12")
    airport.passes(minutes=30)
    [incident] = airport.incidents()
    assert incident.state is State.RESOLVED


def test_the_answer_that_comes_after_the_next_was_called_counts_and_the_next_is_told(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=31 + 60 + 26)
    cem = airport.phone("cem").receives_sms("gate C1").rings()
    ana = airport.phone("ana").rings()
    cem.and_replies(cem.code)
    airport.passes(seconds=1)
    cem.receives_sms("Danke", "C1")
    ana.receives_sms("Cem", "C1")
    assert airport.world.ringing(ana.number) is None
    airport.passes(minutes=30)


def test_a_wrong_code_is_no_answer(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=30)
    cem = airport.phone("cem").receives_sms("gate C1")
    cem.and_replies("0000" if cem.code != "0000" else "1111")
    airport.passes(seconds=60)
    cem.rings()


def test_rubbish_on_the_door_s_topic_clears_nothing_and_hides_nothing(airport: Airport) -> None:
    airport.badge("gate-b12").reads()
    airport.door("gate-b12").opens()
    for payload in (b"\xff\xfe", b'{"contact": "cat"}', b'{"contact": null}', b"[" * 200, b'{"contact": NaN}', b""):
        airport.hears("zigbee2mqtt/gate-b12-door", payload)
    airport.passes(seconds=30)
    ana = airport.phone("ana").receives_sms("gate B12", "30 s")
    ana.and_replies(ana.code)
    airport.passes(seconds=1)
    ana.receives_sms("c'est à vous")


def test_a_server_room_that_gets_warm_is_looked_at_by_maintenance(airport: Airport) -> None:
    airport.room("server-room").has(21)
    airport.room("server-room").has(31.5)
    airport.passes(minutes=3)
    dora = airport.phone("dora").receives_sms("server room", "31,5")
    dora.and_replies(dora.code)
    airport.passes(seconds=1)
    dora.receives_sms("Danke")


def test_who_heard_it_on_the_telephone_and_pressed_nothing_is_told_who_goes(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=91)
    airport.phone("cem").receives_sms("gate C1").and_replies("STOP")  # no text any more, but calls
    airport.phone("cem").rings().picks_up().hangs_up()
    airport.passes(seconds=2)
    ana = airport.phone("ana").rings().picks_up().presses("1")
    airport.passes(seconds=2)
    ana.receives_sms("c'est à vous")
    airport.phone("cem").nothing_more()


def test_pictures_and_links_are_kept_no_longer_than_the_log(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=31)
    cem = airport.phone("cem").receives_sms("gate C1")
    page = airport.page("cem")
    incident = airport.incidents()[0].id
    assert airport.reader.jpeg(incident) == JPEG
    cem.and_replies(cem.code)
    airport.goes_down()
    airport.clock.advance(31 * DAY)
    airport.comes_back()
    airport.passes(seconds=20)
    cem.receives_sms("Danke")
    assert airport.reader.jpeg(incident) is None
    assert airport.browser.get(page.path).status_code == 200, "he has just got a message with this link again"
