"""Takes mail by SMTP for the mailboxes of the phone world, from whoever reaches the port."""

from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from vorab.testing.phones.mail import Mails

MAX_MAIL = 4 * 1024 * 1024


class _Postman:
    def __init__(self, world: Mails) -> None:
        self._world = world

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        content = envelope.content
        assert isinstance(content, bytes)
        self._world.mail(message_from_bytes(content, policy=policy.default), envelope.rcpt_tos)
        return "250 OK"


def listen(world: Mails, host: str, port: int) -> Controller:
    """Listens already.  Raises OSError where the port is taken."""
    controller = Controller(_Postman(world), host, port, data_size_limit=MAX_MAIL, ident="SMTP")
    controller.start()
    return controller
