"""Messages at the desk: the page takes the screen and sounds.  Address: the name of a desk, e.g. control-room.

Handing over is the commit itself: every page of the desk learns of it by its stream, and says so at once.  Whether
somebody looks is known before anybody is asked (`deploy.store.store.looking`).
"""

import re

from pydantic import BaseModel, ConfigDict

from vorab.model import Delivery, Notification, Receipt
from vorab.ports import HttpClient

NAME = "desktop"
SEEN_WITHIN_S = 10.0  #: a page that has not said so by then is not there

_NAME = re.compile(r"[^\W_][\w.-]{0,63}")


class Settings(BaseModel):
    """Of `channels: desktop:` in site.yaml; there are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Desktop:
    """Implements vorab.ports Channel."""

    limit = 1000
    requests_only = True  #: a desk sees all incidents anyway
    shows_pictures = False  #: the page fetches it

    def __init__(self, settings: Settings, http: HttpClient) -> None:
        """Nothing is sent anywhere."""

    def send(self, notification: Notification) -> Receipt:
        return Receipt(Delivery.SENT, notification.id, report_within_s=SEEN_WITHIN_S)

    def accepts(self, address: str) -> str | None:
        return None if _NAME.fullmatch(address) else "not the name of a desk: letters, digits, - and ."


Channel = Desktop
