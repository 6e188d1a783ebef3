"""Every text of the desk, in English: what a breach, an event and a message are called."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from vorab.model import (
    HOUR,
    MINUTE,
    SECOND,
    Answer,
    Breach,
    Candidate,
    Edge,
    Incident,
    Instant,
    Meaning,
    PersonId,
    Priority,
    Purpose,
    Quantity,
    Span,
    State,
)
from workflows.incident import (
    BreachEdge,
    DeliveryFailed,
    Event,
    FollowUpDue,
    Opened,
    Rated,
    ReminderDue,
    RungDue,
    Talked,
)

DESK = "desk"  #: the operator himself, where a person is asked for

#: What the pages and their scripts say.
TEXTS = {
    "title": "Vorab",
    "sign_in": "Sign in",
    "name": "Name",
    "secret": "Secret",
    "secret_hint": "Printed when this site was started for the first time.",
    "wrong": "That is not it. Name and secret are the ones printed at the first start.",
    "too_often": "Too many tries at once. Again in a second.",
    "sign_out": "Sign out",
    "desk": "Desk",
    "demo": "Simulator",
    "phones": "Phones",
    "open": "Open",
    "resolved": "Resolved in the last 24 hours",
    "quiet": "All quiet. Nothing is open.",
    "quiet_more": "New incidents appear here by themselves.",
    "nothing_resolved": "None.",
    "pick": "Pick an incident to see its thread.",
    "since": "since",
    "take": "Take",
    "done": "Done",
    "as": "as",
    "myself": "the desk",
    "sending": "Sending …",
    "not_applied": "Stored, but not applied yet. It will be.",
    "refused": "That did not work: {reason}",
    "cause": "Cause",
    "consequence": "If nobody goes",
    "action": "What to do",
    "note": "Not certain",
    "code": "Code",
    "messages": "Messages",
    "no_messages": "Nobody has been told yet.",
    "lost": "No link to the server",
    "lost_more": "What you see may be old. Trying to reach it again …",
    "live": "live",
    "going_out": "What just went out",
    "nothing_out": "Press a button: the device's MQTT message appears here, as it was published.",
    "retained": "retained",
    "simulated": "Each button makes a simulated device publish over MQTT exactly what a real one publishes.",
    "shortcuts": "j k next · t take · d done",
}

PRIORITIES = {
    Priority.LIFE_SAFETY: "Life safety",
    Priority.HIGH: "High",
    Priority.MEDIUM: "Medium",
    Priority.LOW: "Low",
}

CHANNELS = {"sms": "SMS", "voice": "voice", "desktop": "desk", "email": "e-mail"}

_SHORT = {"aed": "AED", "co2": "CO₂", "co": "CO", "pm2": "PM2", "pm10": "PM10"}

#: Said of a value that is true, and of one that is false.
_STATES = {
    Quantity.OPEN: ("open", "shut"),
    Quantity.WET: ("water found", "dry"),
    Quantity.SMOKE: ("smoke", "no smoke"),
    Quantity.CO_ALARM: ("carbon monoxide", "no carbon monoxide"),
    Quantity.OCCUPIED: ("occupied", "nobody there"),
    Quantity.PRESENT: ("in its place", "gone"),
    Quantity.TAKEN: ("taken", "in its station"),
    Quantity.VIBRATION: ("shaken", "still"),
    Quantity.TAMPER: ("interfered with", "intact"),
    Quantity.BATTERY_LOW: ("battery low", "battery enough"),
    Quantity.ONLINE: ("reachable", "not reachable"),
    Quantity.ON: ("on", "off"),
    Quantity.INPUT: ("active", "not active"),
}

_UNITS = {
    Quantity.TEMPERATURE: "°C",
    Quantity.HUMIDITY: "%",
    Quantity.PRESSURE: "hPa",
    Quantity.CO2: "ppm CO₂",
    Quantity.ILLUMINANCE: "lx",
    Quantity.PM2_5: "µg/m³ PM2.5",
    Quantity.PM10: "µg/m³ PM10",
    Quantity.BATTERY: "% battery",
    Quantity.BATTERY_VOLTAGE: "V battery",
    Quantity.POWER: "W",
    Quantity.VOLTAGE: "V",
    Quantity.CURRENT: "A",
    Quantity.ENERGY: "kWh",
    Quantity.RSSI: "dBm",
    Quantity.SNR: "dB",
}

_PURPOSES = {
    Purpose.REQUEST: "asked to go",
    Purpose.TAKEN: "told who goes",
    Purpose.THANKS: "thanked",
    Purpose.HEALED: "told that it is over",
    Purpose.DONE: "told that it is done",
    Purpose.REMIND: "reminded",
    Purpose.WHY: "told why",
}

_RECEIPTS = {
    "ready": "waiting",
    "sending": "being sent",
    "sent": "with the provider",
    "delivered": "delivered",
    "failed": "not delivered",
    "unknown": "outcome unknown, asking the provider",
    "withdrawn": "withdrawn",
}

Name = Callable[[PersonId | str], str]


def headline(breach: Breach) -> str:
    """The rule in the operator's own words: door-held-open → Door held open, aed-taken → AED taken."""
    words = [_SHORT.get(word, word) for word in breach.rule.replace("-", " ").replace("_", " ").split()]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]]) if words else ""


def beside(breach: Breach) -> str:
    """The finding, where the headline has not said it already."""
    said = finding(breach)
    return "" if said in headline(breach).lower().split() else said


def finding(breach: Breach) -> str:
    """The value that decided: `open`, `28.1 °C, limit 26 °C`; "" when there is none."""
    if breach.quantity is None or breach.value is None:
        return ""
    if isinstance(breach.value, bool):
        yes, no = _STATES.get(breach.quantity, (breach.quantity.value, f"not {breach.quantity.value}"))
        return yes if breach.value else no
    if isinstance(breach.value, str):
        return f"{breach.quantity.value} {breach.value}"
    unit = _UNITS.get(breach.quantity, breach.quantity.value)
    limit = "" if breach.limit is None else f", limit {_number(breach.limit)} {unit}"
    return f"{_number(breach.value)} {unit}{limit}"


def status(incident: Incident, name: Name) -> str:
    """Where it stands, in one line."""
    if incident.state is State.RESOLVED:
        return f"resolved by {name(incident.owner)}" if incident.owner else "healed by itself"
    if incident.owner is not None:
        over = "" if incident.broken else ", it is over: done?"
        return f"{name(incident.owner)} goes{', still broken' if incident.done and incident.broken else over}"
    if incident.pending:
        return f"asked {_listed([name(person) for person in incident.pending])}, no answer yet"
    if incident.rung < 0:
        return "looking for somebody"
    return "nobody can be reached, asking again" if incident.ladder else "nobody is to be asked: no ladder"


def line(event: Event, name: Name) -> str:
    """One event of the thread as a sentence."""
    match event:
        case Opened(breach=breach) | BreachEdge(breach=breach):
            return _edge(breach)
        case RungDue(weighed=found):
            return _weighed(found, name)
        case ReminderDue():
            return "Time to look after it: done, still broken, or forgotten?"
        case DeliveryFailed(person=person, channel=channel, reason=reason):
            return f"{_channel(channel)} did not reach {name(person)}: {reason or 'no reason given'}"
        case FollowUpDue():
            return "Time to ask the customer whether it was good"
        case Talked(by=person, place=place, seconds=seconds):
            return f"{name(person)} spoke over the loudspeaker of {place} for {seconds} s"
        case Rated(by=person, score=score):
            return f"{name(person)} says: {score} of 5"
        case Answer(by=person, meaning=meaning, channel=channel):
            return f"{name(person)}{_said(meaning)}{_by(person, channel)}"


def details(event: Event, name: Name) -> list[str]:
    """What stands behind the sentence, a line each: for a rung, why each of them or why not."""
    match event:
        case RungDue(weighed=found):
            return [_reasons(one, name) for one in found]
        case Opened(breach=breach) | BreachEdge(breach=breach) if breach.note:
            return [breach.note]
    return []


def told(purpose: str) -> str:
    return _PURPOSES.get(Purpose(purpose), purpose) if purpose in set(Purpose) else purpose


def receipt(state: str, reason: str, repeated: bool) -> str:
    again = ", sent twice because the provider's answer was lost" if repeated else ""
    return _RECEIPTS.get(state, state) + (f": {reason}" if reason else "") + again


def channel(name: str) -> str:
    return CHANNELS.get(name, name)


def masked(address: str) -> str:
    """Enough to recognise it, too little to call it: +33•••••678."""
    return f"{address[:3]}•••••{address[-3:]}" if len(address) > 8 else "•••••"


def span(length: Span | int) -> str:
    """45 s, 4 min, 2 h 5 min."""
    if length < MINUTE:
        return f"{max(0, length) // SECOND} s"
    hours, minutes = length // HOUR, length % HOUR // MINUTE
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def clock(at: Instant, zone: ZoneInfo) -> str:
    """The time of day at the site: 03:14:09."""
    return datetime.fromtimestamp(at / 1_000_000, zone).strftime("%H:%M:%S")


def _edge(breach: Breach) -> str:
    said = finding(breach)
    match breach.edge:
        case Edge.RAISED:
            value, held = beside(breach), breach.at - breach.onset
            lasted = f" for {span(held)}" if held >= SECOND else ""
            return f"{headline(breach)}{f': {value}' if value else ''}{lasted}"
        case Edge.LEVEL:
            return f"Now {PRIORITIES[breach.priority].lower()}{f': {said}' if said else ''}"
        case Edge.CLEARED:
            return f"Cleared{f': {said}' if said else ''}"


def _weighed(found: list[Candidate], name: Name) -> str:
    able = [one for one in found if one.suitable and one.channels]
    if not able:
        return f"Nobody of {len(found)} can go now" if found else "Nobody has this role"
    return f"Nearest who can go: {_listed([_way(one, name) for one in able[:3]])}"


def _way(one: Candidate, name: Name) -> str:
    return name(one.person) + (f" ({span(one.seconds * SECOND)} on foot)" if one.seconds is not None else "")


def _reasons(one: Candidate, name: Name) -> str:
    return f"{'✓' if one.suitable else '✗'} {name(one.person)}: {', '.join(one.reasons) or 'no reason given'}"


def _said(meaning: Meaning) -> str:
    match meaning:
        case Meaning.TAKEN:
            return " goes"
        case Meaning.DECLINED:
            return " cannot go"
        case Meaning.DONE:
            return ": done"
        case Meaning.WHY:
            return " asks why"
        case _:
            return f": {meaning.value}"


def _by(person: str, name: str) -> str:
    return "" if person == DESK else f", by {_channel(name)}"


def _channel(name: str) -> str:
    return CHANNELS.get(name, name)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
