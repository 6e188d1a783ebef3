"""The phone world: a provider that behaves like Twilio's messages and calls, mailboxes, and the handsets behind them.

`PhoneWorld` is a plain object and a vorab.ports.HttpClient: tests without a network hand it to the channel.  `serve`
puts it on a socket, with a page of handsets; `python -m vorab.testing.phones` is the demo's.  It reaches nobody.
"""

from vorab.testing.phones.handsets import Handset, Phones
from vorab.testing.phones.server import Server, serve
from vorab.testing.phones.world import Fault, Line, PhoneWorld, Received

__all__ = ["Fault", "Handset", "Line", "PhoneWorld", "Phones", "Received", "Server", "serve"]
