"""Every request of ours through its real HTTP client, before a server made from Twilio's own description (Prism)."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifiers.http import Client
from notifiers.sms import Settings as SmsSettings
from notifiers.sms import Sms
from notifiers.voice import Settings as VoiceSettings
from notifiers.voice import Voice
from tests.live.conftest import absent
from tests.twilio_spec import Judged, description, faults, for_prism
from vorab.model import MINUTE, Delivery, Instant, Notification, NotificationId, Priority, Purpose
from vorab.ports import HttpResponse

pytestmark = pytest.mark.live

PRISM = Path(__file__).parents[2] / ".venv" / "prism" / "node_modules" / ".bin" / "prism"
WITHIN_S = 60.0  #: it reads the description first
NOW = Instant(1_800_000_000_000_000)
ACCOUNT, TOKEN = "AC" + "0" * 31 + "1", "token"
ANA, US = "+12025550121", "+12025550100"
SMS, CALL = "SM" + "0" * 32, "CA" + "0" * 32


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    described = for_prism(description())
    if not PRISM.exists():
        absent("prism (npm)")
    file = tmp_path_factory.mktemp("prism") / "twilio.json"
    file.write_text(json.dumps(described))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [str(PRISM), "mock", "--host", "127.0.0.1", "--port", str(port), str(file)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until_it_listens(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _until_it_listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "prism has ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("prism does not listen")


class Prism:
    """The real client.  Asks for the example that Prism answers with, and keeps the status of every answer."""

    def __init__(self, example: str = "") -> None:
        self._client = Client(allow_private=True, total_s=20.0)
        self._headers = {"Prefer": f"example={example}"} if example else {}
        self.statuses: list[int] = []

    def request(self, method: str, url: str, **more: Any) -> HttpResponse:
        answer = self._client.request(method, url, **more | {"headers": self._headers})
        self.statuses.append(answer.status)
        return answer


def settings(prism: str, **more: object) -> dict[str, object]:
    ours: dict[str, object] = {"account_sid": ACCOUNT, "auth_token": TOKEN, "sender": US, "base_url": prism}
    return ours | {"allow_private": True, "public_url": "https://vorab.example/hooks"} | more


def sms(prism: str, client: Prism) -> Sms:
    return Sms(SmsSettings.model_validate(settings(prism)), Judged(client, description()))


def voice(prism: str, client: Prism) -> Voice:
    return Voice(VoiceSettings.model_validate(settings(prism)), Judged(client, description()))


def message(channel: str) -> Notification:
    fields: dict[str, Any] = {"incident": "inc", "number": 1, "person": "ana", "channel": channel, "token": "4821"}
    fields |= {"purpose": Purpose.REQUEST, "priority": Priority.HIGH, "created_at": NOW}
    fields |= {"expires_at": Instant(NOW + MINUTE), "id": NotificationId(f"inc.1.ana.{channel}")}
    return Notification(**fields, address=ANA, text="High: door open.\n<&> Ça va ? 28,1 °C")


def test_a_text_message_is_taken(prism: str) -> None:
    client = Prism()
    receipt = sms(prism, client).send(message("sms"))
    assert client.statuses == [201]
    assert receipt.state in (Delivery.SENT, Delivery.DELIVERED)
    assert receipt.provider_id


def test_what_became_of_text_messages_can_be_asked(prism: str) -> None:
    client = Prism()
    assert sms(prism, client).status(SMS).provider_id
    assert sms(prism, client).find(message("sms"), NOW) is None
    assert client.statuses == [200, 200]


def test_replies_can_be_asked_for(prism: str) -> None:
    client = Prism("readEmptySentdateGreater")  # its other example has a next page for ever
    assert sms(prism, client).replies(NOW) == []
    assert client.statuses == [200]


def test_a_call_is_taken(prism: str) -> None:
    """Its example is a call that is over already."""
    client = Prism()
    receipt = voice(prism, client).send(message("voice"))
    assert client.statuses == [201]
    assert receipt.provider_id


def test_what_became_of_calls_can_be_asked_and_a_call_be_ended(prism: str) -> None:
    client = Prism()
    assert voice(prism, client).status(CALL).provider_id
    assert voice(prism, client).find(message("voice"), NOW) is None
    voice(prism, client).hang_up(CALL)
    assert client.statuses == [200, 200, 200]


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("Messages.json", {"From": US, "Body": "no To"}),
        ("Messages.json", {"To": ANA, "From": US, "Body": "x", "ValidityPeriod": "soon"}),
        ("Messages.json", {"To": ANA, "From": US, "Body": "x", "MessagingServiceSid": "MG1"}),
        ("Calls.json", {"To": ANA, "Url": "https://vorab.example"}),
        ("Calls.json", {"To": ANA, "From": US, "Url": "https://vorab.example", "StatusCallbackMethod": "BREW"}),
        ("Calls.json", {"To": ANA, "From": US, "Url": "https://vorab.example", "Timeout": "soon"}),
        (f"Calls/{CALL}.json", {"Status": "hung-up"}),
        ("Calls/XX1.json", {"Status": "completed"}),
    ],
)
def test_both_judges_refuse_what_is_wrong(prism: str, path: str, form: dict[str, str]) -> None:
    url = f"{prism}/2010-04-01/Accounts/{ACCOUNT}/{path}"
    answer = Prism().request("POST", url, form=list(form.items()), auth=(ACCOUNT, TOKEN))
    assert 400 <= answer.status < 500, answer.body
    assert faults(description(), "POST", url, list(form.items()))


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("Messages.json", {"To": ANA, "Body": "no sender"}),
        ("Messages.json", {"To": ANA, "From": US}),
        ("Messages.json", {"To": ANA, "From": US, "Body": "x", "Test": "unknown"}),
        ("Calls.json", {"To": ANA, "From": US}),
    ],
)
def test_what_the_description_lets_pass_ours_refuses(prism: str, path: str, form: dict[str, str]) -> None:
    url = f"{prism}/2010-04-01/Accounts/{ACCOUNT}/{path}"
    assert Prism().request("POST", url, form=list(form.items()), auth=(ACCOUNT, TOKEN)).status == 201
    assert faults(description(), "POST", url, list(form.items()))


def test_without_a_name_nothing_is_taken(prism: str) -> None:
    url = f"{prism}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert Prism().request("POST", url, form=[("To", ANA), ("From", US), ("Body", "x")]).status == 401
