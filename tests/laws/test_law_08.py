"""Law 8: no request after the answer, none past its validity, none to the opted-out; limits hold in every window."""

from tests.airport import Airport


def opened(airport: Airport) -> None:
    airport.badge("gate-c1").reads()
    airport.door("gate-c1").opens()
    airport.passes(seconds=30)


def test_law_8_after_the_answer_nobody_is_asked(airport: Airport) -> None:
    opened(airport)
    cem = airport.phone("cem").receives_sms("C1")
    cem.and_replies(cem.code)
    airport.passes(seconds=1)
    cem.receives_sms("C1")
    airport.passes(minutes=60)
    assert airport.unexpected() == []


def test_law_8_who_has_opted_out_is_not_asked_and_the_next_is_at_once(airport: Airport) -> None:
    opened(airport)
    airport.phone("cem").receives_sms("C1").and_replies("STOP")
    airport.passes(seconds=2)
    ana = airport.phone("ana").receives_sms("C1")
    ana.and_replies(ana.code)
    airport.passes(minutes=1)
    airport.door("gate-c1").shuts()
    airport.passes(minutes=30)
    opened(airport)
    # the provider would refuse it as well: what counts is that we have not even tried
    tried = [state for person, _, state in airport.messages("sms") if person == "cem" and state != "withdrawn"]
    assert tried == ["delivered"]


def test_law_8_in_no_window_does_anybody_get_more_than_his_limit(airport: Airport) -> None:
    for _ in range(15):
        for gate in ("gate-b11", "gate-b12", "gate-c1"):
            airport.door(gate).opens()
        airport.passes(seconds=40)
        for gate in ("gate-b11", "gate-b12", "gate-c1"):
            airport.door(gate).shuts()
        airport.passes(seconds=20)
    for name in ("ana", "ben", "cem"):
        sent = [entry.at for entry in airport.world.received(airport.phone(name).number)]
        worst = max((sum(at <= other < at + 600_000_000 for other in sent) for at in sent), default=0)
        assert worst <= 8  # limits: { 10min: 8, 1h: 20 }


def test_law_8_life_safety_does_not_wait_behind_a_limit(airport: Airport) -> None:
    for _ in range(12):
        airport.door("gate-b12").opens()
        airport.passes(seconds=35)
        airport.door("gate-b12").shuts()
        airport.passes(seconds=6)
    airport.aed("aed-b").taken()
    airport.passes(seconds=1)
    assert any("AED" in entry.text for entry in airport.world.received(airport.phone("fay").number))
