"""Readings and breaches in the words that the site files use."""

from deploy.site.files import STATES
from deploy.site.measures import UNITS
from vorab.model import Breach, Edge, Quality, Quantity, Reading, Sample

#: The first word of each pair in `files.STATES` is the one that is written.
_WORDS = {meaning: word for word, meaning in reversed(STATES.items())}


def plain(text: str) -> str:
    """For a terminal: what cannot be printed is escaped, so that nothing from the field moves its cursor."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def sample(one: Sample) -> str:
    """`open`, `26.4 °C`, `humidity 45 %`, `badge 4711`."""
    channel = f" ({plain(one.channel)})" if one.channel else ""
    if one.value is None:
        return f"{one.quantity}: no value{channel}"
    return f"{value(one.quantity, one.value)}{channel}{' (bad)' if one.quality is Quality.BAD else ''}"


def value(quantity: Quantity, found: float | bool | str) -> str:
    if isinstance(found, bool):
        return _WORDS.get((quantity, found), f"{quantity} {'yes' if found else 'no'}")
    if isinstance(found, str):
        return f"{quantity} {plain(found)}"
    amount = f"{found:g} {next(iter(UNITS.get(quantity, {})), '')}".rstrip()
    return amount if quantity is Quantity.TEMPERATURE else f"{quantity} {amount}"


def samples(reading: Reading) -> str:
    return ", ".join(map(sample, reading.samples)) or "nothing we know"


def breach(one: Breach) -> str:
    """`raised door-held-open (high)`."""
    edge = f"now {one.priority}:" if one.edge is Edge.LEVEL else one.edge
    priority = "" if one.edge is Edge.LEVEL else f" ({one.priority})"
    return f"{edge} {one.rule}{priority}{f' {one.note}' if one.note else ''}"


def marks(reading: Reading) -> str:
    """What is not ordinary about it: late, retained, of uncertain quality."""
    found = []
    delay = (reading.received_at - reading.at) / 1_000_000
    if reading.dated and delay >= 0.1:
        found.append(f"received {delay:.1f} s later")
    if reading.retained:
        found.append("retained")
    if any(one.quality is Quality.UNCERTAIN for one in reading.samples):
        found.append("uncertain")
    return ", ".join(found)
