"""A broker in Python for a demo without Mosquitto: python -m deploy.python_broker PORT.

amqtt delivers 1,000 messages a second and loses none while connections hold, but does not repeat what a client that
died had not acknowledged.  Its own anonymous access makes no session persistent, so it has one of ours.
"""

import asyncio
import logging
import signal
import sys

from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.plugins.base import BaseAuthPlugin  # type: ignore[import-untyped]
from amqtt.session import Session  # type: ignore[import-untyped]


class OpenAuth(BaseAuthPlugin):  # type: ignore[misc]
    """Lets everybody in, without calling them anonymous: their sessions persist."""

    async def authenticate(self, *, session: Session) -> bool:
        return True


async def serve(port: int) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    broker = Broker({"listeners": {"default": listener}, "plugins": {"deploy.python_broker.OpenAuth": {}}})
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    asyncio.run(serve(int(sys.argv[1])))
