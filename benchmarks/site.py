"""Writes the site folder of a benchmark: climate sensors, one rule, and as many recipients as wanted."""

from collections.abc import Sequence
from pathlib import Path

from vorab.site import KafkaLog

SENDER = "+33639980000"
DESK = "control-room"  #: everybody's


def number(person: int) -> str:
    """An invented mobile number: +33 6 39 98 00 00 to 99 99 is reserved for fiction."""
    return f"+3363998{person:04d}"


def _address(channel: str, person: int) -> str:
    return DESK if channel == "desktop" else f'"{number(person)}"'


def write(
    folder: Path,
    *,
    watched: str,
    alerting: dict[str, str],
    recipients: int,
    base_url: str,
    channels: Sequence[str] = ("sms",),
    vital: dict[str, str] | None = None,
    name: str = "bench",
    log: KafkaLog | None = None,
) -> None:
    """A site with these sensors: `watched` (a pattern such as load-{0..999}) never breaks a limit; `alerting` maps a
    pattern to the recipient's place (z1, z2, …).  Each recipient waits at his own place, so he is the nearest there.

    The text of a request is the sensor and the code; no limit per person bites.  He is asked by all `channels` at once.
    `vital` is like `alerting`, in the lane of life safety and under vital/SENSOR.  With a log on Kafka, the store is
    what VORAB_STORE in the environment says.
    """
    (folder / "rules").mkdir(parents=True)
    (folder / "templates" / "sms" / "en").mkdir(parents=True)
    (folder / "templates/sms/en/request.txt").write_text("{{ sensor }} is too warm. Reply {{ code }}\n")
    if "voice" in channels:
        (folder / "templates" / "voice" / "en").mkdir(parents=True)
        (folder / "templates/voice/en/request.txt").write_text("{{ sensor }} is too warm.\n")
    account = "    account_sid: env:VORAB_SMS_ACCOUNT\n    auth_token: env:VORAB_SMS_TOKEN\n"
    account += f'    sender: "{SENDER}"\n    base_url: {base_url}\n    allow_private: true\n'
    ways = {"desktop": "    limits: { 1h: 1000000 }\n"}
    ways |= dict.fromkeys(("sms", "voice"), f"{account}    limits: {{ 1h: 1000000 }}\n")
    (folder / "site.yaml").write_text(
        f"name: {name}\n{_log(log)}time_zone: UTC\nlanguages: [en]\ndemo: true\nchannels:\n"
        + "".join(f"  {channel}:\n{ways[channel]}" for channel in channels)
    )
    places = ["places:", "  hall: { kind: site }"]
    places += [f"  z{i}: {{ in: hall }}" for i in range(1, recipients + 1)]
    (folder / "places.yaml").write_text("\n".join(places) + "\n")
    people = [
        f"p{i}: {{ name: P{i}, roles: [guard], language: en, duty: 24/7, base: z{i}, "
        f"addresses: {{ {', '.join(f'{channel}: {_address(channel, i)}' for channel in channels)} }} }}"
        for i in range(1, recipients + 1)
    ]
    (folder / "people.yaml").write_text("\n".join(people) + "\n")
    sensors = [
        "types:",
        "  probe: { decoder: zigbee2mqtt, topic: 'zigbee2mqtt/{sensor}' }",
        "  vital: { decoder: zigbee2mqtt, topic: 'vital/{sensor}', life_safety: true }",
        "sensors:",
        f"  {watched}: {{ type: probe, place: hall }}",
    ]
    sensors += [f"  {pattern}: {{ type: probe, place: {place} }}" for pattern, place in alerting.items()]
    sensors += [f"  {pattern}: {{ type: vital, place: {place} }}" for pattern, place in (vital or {}).items()]
    (folder / "sensors.yaml").write_text("\n".join(sensors) + "\n")
    (folder / "responses.yaml").write_text(
        "guard:\n  ladder:\n"
        f"    - {{ role: guard, count: 1, channels: [{', '.join(channels)}], at_once: true, wait: 6h }}\n"
    )
    (folder / "rules/rooms.yaml").write_text(
        "too-warm:\n  watch: { type: probe }\n  when: { temperature: { above: 26 °C } }\n  priority: high\n"
        "  respond: guard\n  action: Look\n"
    )
    if vital:
        (folder / "rules/vital.yaml").write_text(
            "far-too-warm:\n  watch: { type: vital }\n  when: { temperature: { above: 26 °C } }\n"
            "  priority: life-safety\n  respond: guard\n  action: Go\n"
        )


def _log(log: KafkaLog | None) -> str:
    if log is None:
        return ""
    return f"log: {{ kafka: {list(log.servers)}, partitions: {log.partitions} }}\nstore: env:VORAB_STORE\n"
