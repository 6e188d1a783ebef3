"""python -m benchmarks NAME [--json] …: the figures we claim, each beside a baseline measured in the same run."""

import importlib
import sys

NAMES = {
    "pipeline": "CPU a message from socket to PUBACK, beside the naive program",
    "latency": "publish to the provider's answer, beside stock paho and a keep-alive POST",
    "crash": "capture and contact killed under load: nothing lost, measured at the handsets",
    "aed": "a defibrillator is taken: desk, SMS and call; calmly and in storms of other breaches",
    "kafka": "CPU a reading on Kafka: ingest, workers on Faust, beside the plain loop and one record a message",
    "same": "every host finds the same breaches in one captured log, though its processes are killed",
    "takeover": "parts of a site on many machines are killed: how long until breaches are found again",
    "costs": "bytes of a message, rows and bytes of an incident, incidents that are decided a second",
    "scale": "how far one machine, ten and a thousand sites go: reckoned, and the worst hour simulated",
    "payloads": "real devices' messages: right, missing, wrong",
}


def main(argv: list[str]) -> int:
    """The benchmark's exit code: 0 only where its goal holds."""
    if argv == ["all"]:
        return max(main([name, *(["../shared/payloads"] if name == "payloads" else [])]) for name in NAMES)
    if not argv or argv[0] not in NAMES:
        print(__doc__, *(f"  {name:10} {what}" for name, what in NAMES.items()), sep="\n")
        return 0 if argv in ([], ["--help"], ["-h"]) else 2
    code: int = importlib.import_module(f"benchmarks.{argv[0]}").main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
