"""E-mail: what the message is made of, which addresses it may have, and what becomes of every outcome."""

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError

from notifiers.channels import build
from notifiers.email import Email, Rejected, Settings, thread_id, written
from notifiers.http import Client
from notifiers.text import LIMITS
from vorab.errors import ConfigurationError, OutcomeUnknown, TemporaryFailure
from vorab.model import (
    MINUTE,
    SECOND,
    Delivery,
    IncidentId,
    Instant,
    Notification,
    PersonId,
    Priority,
    Purpose,
    Receipt,
    notification_id,
)
from vorab.site import ChannelSettings

NOW = Instant(1_764_000_000 * SECOND)
JPEG = b"\xff\xd8\xff\xe0 not really \xff\xd9"
OURS: dict[str, object] = {"host": "mail.airport.com", "sender": "Example Airport <alarm@airport.com>"}


def settings(**changes: Any) -> Settings:
    return Settings.model_validate(OURS | changes)


def notification(text: str = "High: door open\n\nClose it.", **changes: Any) -> Notification:
    incident = IncidentId("0123456789abcdef")
    made = Notification(
        id=notification_id(incident, 2, PersonId("ivo"), "email"),
        incident=incident,
        number=2,
        person=PersonId("ivo"),
        channel="email",
        purpose=Purpose.REQUEST,
        address="ivo@lounge.com",
        text=text,
        token="4821",
        priority=Priority.HIGH,
        created_at=NOW,
        expires_at=Instant(NOW + MINUTE),
    )
    return replace(made, **changes)


def channel(hand_over: Callable[[Settings, EmailMessage], None], **changes: Any) -> Email:
    return Email(settings(**changes), Client(), hand_over)


def sent(one: Notification, **changes: Any) -> EmailMessage:
    """As the mail server gets it."""
    taken: list[EmailMessage] = []
    receipt = channel(lambda _, message: taken.append(message), **changes).send(one)
    assert receipt.state is Delivery.DELIVERED
    return message_from_bytes(taken[0].as_bytes(), policy=policy.default)


def plain(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def page(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


# --- the message ------------------------------------------------------------------------------------------------------


def test_the_first_line_is_the_subject_and_the_rest_the_text() -> None:
    message = sent(notification("Hoch: Tür offen, Gate B12 (4821)\n\nTür offen.\nWo: T1.\n\nSchließen.\n"))
    assert message["Subject"] == "Hoch: Tür offen, Gate B12 (4821)"
    assert plain(message) == "Tür offen.\nWo: T1.\n\nSchließen.\n"
    assert "<p>Tür offen.<br>Wo: T1.</p><p>Schließen.</p>" in page(message)


def test_from_whom_to_whom_and_when() -> None:
    message = sent(notification())
    assert str(message["From"]) == "Example Airport <alarm@airport.com>"
    assert str(message["To"]) == "ivo@lounge.com"
    assert message["Date"].datetime.timestamp() == NOW / SECOND
    assert str(sent(notification(), sender="alarm@airport.com")["From"]) == "alarm@airport.com"


def test_all_messages_of_an_incident_are_one_thread_and_each_is_itself_again() -> None:
    first, again, later = sent(notification()), sent(notification()), sent(notification(id="another"))
    assert first["Message-ID"] == again["Message-ID"] != later["Message-ID"]
    assert first["References"] == later["References"] == thread_id(IncidentId("0123456789abcdef"), settings())
    assert first["In-Reply-To"] == first["References"] != first["Message-ID"]
    assert sent(notification(incident="other"))["References"] != first["References"]


def test_no_machine_is_asked_to_answer_and_only_what_is_urgent_says_so() -> None:
    assert sent(notification())["Auto-Submitted"] == "auto-generated"
    assert sent(notification())["Importance"] == "high"
    assert sent(notification(priority=Priority.LOW))["Importance"] is None


def test_the_picture_stands_in_the_message() -> None:
    message = sent(notification(picture=JPEG))
    pictures = [part for part in message.walk() if part.get_content_type() == "image/jpeg"]
    assert [part.get_payload(decode=True) for part in pictures] == [JPEG]
    assert pictures[0]["Content-ID"] == "<picture>"
    assert pictures[0].get_content_disposition() == "inline"
    assert 'src="cid:picture"' in page(message)
    assert "cid:picture" not in page(sent(notification()))


def test_a_link_can_be_touched_and_nothing_else_is_markup() -> None:
    text = 'x\n\n<script>alert(1)</script> & https://a.com/b/4821?x=1&y="><b>\n\njavascript:alert(1)'
    shown = page(sent(notification(text)))
    assert '<a href="https://a.com/b/4821?x=1&amp;y=">https://a.com/b/4821?x=1&amp;y=</a>' in shown
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert 'href="javascript' not in shown


def test_it_is_seven_bits_and_no_line_is_too_long() -> None:
    wire = written(settings(), notification("Ü" * 300 + "\n\n" + "ß" * 3000, picture=JPEG * 100)).as_bytes()
    assert max(wire) < 128
    assert max(map(len, wire.split(b"\r\n"))) <= 998
    assert b"\n" not in wire.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "subject", ["Door\rBcc: eve@evil.com", "Door\x0bBcc: e@e.com", "Door\u2028Bcc: e@e.com", "\0\x1b"]
)
def test_nothing_in_the_subject_becomes_a_header(subject: str) -> None:
    message = sent(notification(f"{subject}\nBcc: eve@evil.com\n\nfrom: x"))
    assert message["Bcc"] is None
    assert [name for name, _ in message.items()].count("From") == 1


def test_what_cannot_be_encoded_is_replaced() -> None:
    assert plain(sent(notification("a\ud800\n\nb\udfff"))) == "b?\n"


@runs(deadline=None)
@given(st.text(max_size=200), st.text(max_size=50))
def test_whatever_the_text_and_the_id_it_is_one_message_to_one_person(text: str, name: str) -> None:
    message = sent(notification(text, id=name, incident=name))
    assert str(message["To"]) == "ivo@lounge.com"
    assert {name.lower() for name, _ in message.items()} <= {
        *("from", "to", "subject", "date", "message-id", "in-reply-to", "references", "auto-submitted", "importance"),
        *("mime-version", "content-type"),
    }


# --- outcomes ---------------------------------------------------------------------------------------------------------


def receipt(error: Exception) -> Receipt:
    def fail(*_: object) -> None:
        raise error

    return channel(fail).send(notification())


def test_what_the_server_took_is_delivered_under_its_own_id() -> None:
    got = channel(lambda *_: None).send(notification())
    assert (got.state, got.provider_id) == (Delivery.DELIVERED, sent(notification())["Message-ID"])


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TemporaryFailure("not now", 30.0), Delivery.READY),
        (OutcomeUnknown("cut"), Delivery.UNKNOWN),
        (Rejected("no such receiver (550)"), Delivery.FAILED),
        (ConfigurationError("mail is at 127.0.0.1"), Delivery.FAILED),
    ],
)
def test_every_outcome_is_a_receipt_with_a_reason(error: Exception, state: Delivery) -> None:
    got = receipt(error)
    assert (got.state, got.reason) == (state, str(error))
    assert got.retry_after_s == getattr(error, "retry_after_s", None)


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["ana@airport.com", "a.b+c@sub.airport.co.uk", "o'neil_1@x-y.fr", "A@B.DE"])
def test_an_address_that_is_one(address: str) -> None:
    assert channel(lambda *_: None).accepts(address) is None


HOSTILE = [
    *(
        "",
        "ana",
        "@airport.com",
        "ana@",
        "ana@airport",
        "ana@@airport.com",
        "a b@airport.com",
        ".a@x.com",
        "a..b@x.com",
    ),
    *("ana@airport.com\nBcc: eve@evil.com", "ana@airport.com\r\nDATA", "ana@airport.com>", "<ana@airport.com>"),
    *("Ana <ana@airport.com>", "ana@airport.com,eve@evil.com", '"a b"@x.com', "ana@[127.0.0.1]", "ana@-x.com"),
    *("änä@airport.com", "ana@аirport.com", "ana@airport.com\x00", "ana@airport.com ", "a" * 65 + "@x.com"),
    *("a@" + "x" * 64 + ".com", "a@" + "x." * 130 + "com", "+33639980002", "ana@airport.com. ", "a@x.c0m1"),
]


@pytest.mark.parametrize("address", HOSTILE)
def test_an_address_that_is_none_is_never_handed_over(address: str) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was handed over")

    assert channel(never).accepts(address) is not None
    assert channel(never).send(notification(address=address)).state is Delivery.FAILED


@pytest.mark.parametrize(
    "address", ["ivo@lounge.example", "a@example.com", "a@x.example.org", "a@b.test", "a@x.invalid"]
)
def test_an_address_of_fiction_is_for_demos(address: str) -> None:
    assert channel(lambda *_: None).accepts(address) is not None
    assert channel(lambda *_: None, allow_private=True).accepts(address) is None


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"tls": "none"},
        {"tls": "maybe"},
        {"port": 0},
        {"host": "mail airport"},
        {"host": "mail\r\n"},
        {"sender": "airport"},
        {"sender": "Airport\n <a@b.com>"},
        {"sender": "a@b.com\r\nBcc: x@y.com"},
        {"unknown": 1},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_a_fault_in_the_settings_does_not_show_the_password() -> None:
    with pytest.raises(ConfigurationError) as fault:
        build([ChannelSettings("email", OURS | {"password": "hunter2", "tls": "none"})])
    assert "allow_private" in str(fault.value)
    assert "hunter2" not in str(fault.value) + repr(settings(password="hunter2"))


def test_its_limit_is_the_one_that_templates_are_checked_with() -> None:
    assert Email.limit == LIMITS["email"]
