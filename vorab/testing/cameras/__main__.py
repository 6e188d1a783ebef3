"""python -m vorab.testing.cameras --port 8100 --intercom-port 8101 --broker HOST:PORT --scene FILE"""

import argparse
import asyncio
import os
import signal
import sys
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from vorab.testing.cameras.intercom import Intercom
from vorab.testing.cameras.server import Server
from vorab.testing.cameras.world import View, World


class Scene(Struct, frozen=True):
    """What the file lists."""

    cameras: list[View] = []
    intercoms: list[str] = []


def subscriber(world: World, host: str, port: int) -> Client:
    """Listens to what the sensors in sight say, from a thread of paho's; connects again by itself."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"cameras-{os.getpid()}")

    def connected(client: Client, *_: object) -> None:
        if world.topics:
            client.subscribe([(topic, 0) for topic in world.topics])

    def heard(_client: Client, _data: object, message: MQTTMessage) -> None:
        world.hears(message.topic, bytes(message.payload))

    client.on_connect, client.on_message = connected, heard
    client.connect_async(host, port)
    client.loop_start()
    return client


async def serve(scene: Scene, port: int, intercom_port: int, broker: str) -> None:
    """Until it is told to stop (SIGTERM, SIGINT)."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    world, intercom = World(scene.cameras), Intercom(scene.intercoms)
    host, _, broker_port = broker.rpartition(":")
    client = subscriber(world, host, int(broker_port))
    server = Server(world, intercom.speakers, datetime.now)
    await intercom.serve(intercom_port)
    sys.stdout.write(f"http://127.0.0.1:{await server.serve(port)}\n")
    sys.stdout.flush()
    await stop.wait()
    client.disconnect()
    client.loop_stop()
    await server.close()
    await intercom.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="vorab.testing.cameras", description="Cameras that stand nowhere.")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--intercom-port", type=int, default=8101)
    parser.add_argument("--broker", required=True, help="HOST:PORT")
    parser.add_argument("--scene", type=Path, required=True, help="JSON: cameras and intercoms")
    asked = parser.parse_args()
    scene = msgspec.json.decode(asked.scene.read_bytes(), type=Scene)
    asyncio.run(serve(scene, asked.port, asked.intercom_port, asked.broker))


if __name__ == "__main__":
    main()
