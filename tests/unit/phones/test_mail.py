"""Mail is kept for everybody it is addressed to, and read as a person would read it."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from vorab.model import Instant
from vorab.testing.phones import Phones, PhoneWorld

IVO, HANA = "ivo@lounge.example", "hana@lounge.example"
PICTURE = b"\xff\xd8\xff\xe0 a picture"


class Clock:
    def now(self) -> Instant:
        return Instant(1_800_000_000_000_000)


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld(Clock())


@pytest.fixture
def phone(world: PhoneWorld) -> Phones:
    return Phones(world, {"hana": "+12025550121"}, {"ivo": IVO, "hana": HANA})


def mail(
    subject: str = "A technician is on the way", text: str = "Lounge B, 4 minutes.", to: str = IVO
) -> EmailMessage:
    message = EmailMessage()
    message["To"], message["From"], message["Subject"], message["Message-ID"] = to, "v@x.example", subject, "<1@x>"
    message.set_content(text)
    return message


def test_a_mail_is_read_by_its_person(world: PhoneWorld, phone: Phones) -> None:
    world.mail(mail())
    phone("ivo").receives_mail("on the way", "lounge b").nothing_more()
    assert world.unexpected() == []


def test_a_mail_that_nobody_expected_is_listed(world: PhoneWorld, phone: Phones) -> None:
    world.mail(mail(to=f"Ivo <{IVO}>, {HANA}"))
    phone("hana").receives_mail()
    assert world.unexpected() == [f"{IVO}: A technician is on the way\n\nLounge B, 4 minutes."]
    with pytest.raises(AssertionError, match="ivo got more than expected"):
        phone("ivo").nothing_more()
    with pytest.raises(AssertionError, match="ivo: 'solved' not in the next mail"):
        phone("ivo").receives_mail("solved")
    with pytest.raises(AssertionError, match="hana got no mail; wanted anything"):
        phone("hana").receives_mail()


def test_the_picture_is_the_first_one(world: PhoneWorld) -> None:
    message = mail()
    message.add_alternative("<p>Lounge B</p>", subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(PICTURE, "image", "jpeg", cid="<camera>")  # type: ignore[union-attr]
    world.mail(message)
    assert world.picture(1) == ("image/jpeg", PICTURE)
    assert world.received(IVO, "mail")[0].text.endswith("Lounge B, 4 minutes.")
    world.mail(mail())
    assert world.picture(2) is world.picture(99) is None


@pytest.mark.parametrize(
    "told",
    [
        b"To: ivo@lounge.example\n\n\xff\xfe",
        b"To: ivo@lounge.example\nContent-Type: text/plain; charset=cat\n\nhello",
        b"To: ivo@lounge.example\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!!",
        b"To: ivo@lounge.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n--x--",
        b"To: ivo@lounge.example\nContent-Type: multipart/mixed\n\nno boundary",
        b"To: ivo@lounge.example\nContent-Type: image/png\n\nno picture",
        b"To: ivo@lounge.example\nSubject: =?cat?b?!!?=\n\n",
        b"To: ivo@lounge.example\nContent-Type: message/rfc822\n\nTo: x",
    ],
)
def test_a_mail_that_is_broken_is_shown_all_the_same(world: PhoneWorld, told: bytes) -> None:
    world.mail(message_from_bytes(told, policy=policy.default))
    assert len(world.received(IVO, "mail")) == 1
    world.picture(1)


@pytest.mark.parametrize("told", [b"", b"cat", b"To:\n\n", b"To: ,,<>\n\n"])
def test_a_mail_to_nobody_lies_nowhere(world: PhoneWorld, told: bytes) -> None:
    world.mail(message_from_bytes(told, policy=policy.default))
    assert world.ledger == []
