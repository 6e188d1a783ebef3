"""What a user would write first: stock paho, a callback, an `if`, a POST over one kept connection.

python -m benchmarks.baseline MQTT_PORT SINK_PORT: subscribes to zigbee2mqtt/# at QoS 1, posts each value above 26 °C.
"""

import http.client
import json
import sys
from urllib.parse import urlencode

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


def main(mqtt_port: int, sink_port: int) -> None:
    provider = http.client.HTTPConnection("127.0.0.1", sink_port)

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        values = json.loads(message.payload)
        if values.get("temperature", 0) > 26:
            name = message.topic.split("/")[-1]
            form = urlencode({"To": "+33639980001", "From": "+33639980000", "Body": f"{name} is too warm"})
            provider.request("POST", "/Messages.json", form, {"Content-Type": "application/x-www-form-urlencoded"})
            provider.getresponse().read()

    def on_connect(client: mqtt.Client, *_rest: object) -> None:
        client.subscribe("zigbee2mqtt/#", 1)
        print("ready", flush=True)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="baseline")
    client.on_message = on_message
    client.on_connect = on_connect
    client.connect("127.0.0.1", mqtt_port)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
