"""The values that cross between the stages: Reading, Breach, Incident, Notification, Receipt, Answer.

Instants are integer microseconds since 1970 (UTC), spans integer microseconds.  All values are frozen.
"""

import hashlib
from enum import IntEnum, StrEnum
from typing import NewType

from msgspec import Struct

Instant = NewType("Instant", int)  #: microseconds since 1970-01-01T00:00:00Z
Span = NewType("Span", int)  #: microseconds
SensorId = NewType("SensorId", str)
RuleId = NewType("RuleId", str)
BreachId = NewType("BreachId", str)
IncidentId = NewType("IncidentId", str)
NotificationId = NewType("NotificationId", str)
PersonId = NewType("PersonId", str)
PlaceId = NewType("PlaceId", str)
ResponseId = NewType("ResponseId", str)

MILLISECOND = Span(1_000)
SECOND = Span(1_000_000)
MINUTE = Span(60 * SECOND)
HOUR = Span(60 * MINUTE)
DAY = Span(24 * HOUR)


# --- capture ----------------------------------------------------------------------------------------------------------


class Quantity(StrEnum):
    """What is measured, with its unit.  Booleans are true for the first word of the comment."""

    OPEN = "open"  #: open / shut
    TEMPERATURE = "temperature"  #: °C, of the room
    HUMIDITY = "humidity"  #: % relative
    PRESSURE = "pressure"  #: hPa
    CO2 = "co2"  #: ppm
    ILLUMINANCE = "illuminance"  #: lx
    PM2_5 = "pm2_5"  #: µg/m³
    PM10 = "pm10"  #: µg/m³
    BATTERY = "battery"  #: %
    BATTERY_VOLTAGE = "battery_voltage"  #: V
    BATTERY_LOW = "battery_low"  #: low / enough
    WET = "wet"  #: water found / dry
    SMOKE = "smoke"  #: smoke / none
    CO_ALARM = "co_alarm"  #: carbon monoxide / none
    OCCUPIED = "occupied"  #: somebody there / nobody
    PRESENT = "present"  #: something in its place / gone
    TAKEN = "taken"  #: taken from its station / in its station
    VIBRATION = "vibration"  #: shaken / still
    TAMPER = "tamper"  #: interfered with / intact
    BUTTON = "button"  #: which press, a str: single, double, hold …
    BADGE = "badge"  #: the number of the badge read, a str; only a *granted* one (refused ones are BADGE_REFUSED)
    BADGE_REFUSED = "badge_refused"  #: the number of a badge that was refused, a str
    ONLINE = "online"  #: reachable / not
    ON = "on"  #: switched on / off
    INPUT = "input"  #: active / not
    POWER = "power"  #: W
    VOLTAGE = "voltage"  #: V, of the mains
    CURRENT = "current"  #: A
    ENERGY = "energy"  #: kWh
    LINK_QUALITY = "link_quality"  #: 0-255
    RSSI = "rssi"  #: dBm
    SNR = "snr"  #: dB


class Quality(IntEnum):
    """Trust in one value (OPC UA status codes): a bad one neither raises nor clears."""

    GOOD = 0
    UNCERTAIN = 1  #: a retained state without a time of its own
    BAD = 2  #: missing, not a number, or outside the physical range of the sensor type


class Sample(Struct, frozen=True, gc=False, array_like=True):
    """One normalised value."""

    quantity: Quantity
    value: float | bool | str | None  #: in the unit of the quantity; None only with quality BAD
    channel: str = ""  #: which of several probes or relays of the same sensor; "" = the only one
    quality: Quality = Quality.GOOD


class Reading(Struct, frozen=True, gc=False, array_like=True):
    """What one sensor said in one MQTT message: the unit of the log and of the balance (DESIGN §3, law 2)."""

    sensor: SensorId
    samples: list[Sample]
    at: Instant  #: when it was measured, never later than received_at
    received_at: Instant  #: when it reached us, by the clock of its ingest
    ordinal: int  #: the number of its message in this run of its ingest
    dated: bool = False  #: `at` comes from the device; otherwise it is received_at
    retained: bool = False  #: a state the broker kept, not an event
    sequence: int | None = None  #: the device's own counter
    packet_id: int = 0  #: of the PUBLISH, to know it again when the broker repeats it
    fingerprint: int = 0  #: crc32 of the payload


class RulesChanged(Struct, frozen=True, array_like=True, tag="rules"):
    """From here on the rule set with this hash decides."""

    rules_hash: str


class Replayed(Struct, frozen=True, array_like=True, tag="again"):
    """Quarantined messages decoded after all: a person asked for it; their readings follow in the same record."""

    id: str  #: of the person's command; one is appended once
    by: PersonId
    #: On Kafka alone: ingest, run and ordinal of each message that was understood after all.
    settled: list[tuple[str, Instant, int]] = []


Command = RulesChanged | Replayed


class Quarantined(Struct, frozen=True):
    """A message that could not be understood, kept with its bytes and the reason (law 10)."""

    ordinal: int
    topic: bytes
    payload: bytes
    reason: str
    received_at: Instant
    retained: bool = False
    packet_id: int = 0


class Counts(Struct, frozen=True, array_like=True):
    """Of one run of an ingest, so far (law 2)."""

    received: int = 0  #: PUBLISH packets, by the packet reader
    duplicates: int = 0
    ignored: int = 0


class Record(Struct, frozen=True, array_like=True):
    """One append to the log.  Applied in this order: commands, readings, until."""

    ingest: str  #: the name of the ingest in the site file
    run: Instant  #: when this ingest was started; with `ordinal` it names a message
    readings: list[Reading] = []
    until: Instant | None = None  #: all that this ingest received up to then stands above this or in this record
    commands: list[Command] = []
    life_safety: bool = False  #: the lane
    quarantined: list[Quarantined] = []  #: on Kafka alone: one machine's log keeps them in a table of its own
    counts: Counts | None = None  #: on Kafka alone, beside an `until`: of all that this run received up to then


# --- rules ------------------------------------------------------------------------------------------------------------

#: A sentence of the operator's: in his one language, or language → sentence.
Said = str | dict[str, str]


def said(sentence: Said, language: str) -> str:
    """The sentence in this language, else in the first one that it is written in."""
    if isinstance(sentence, str):
        return sentence
    return sentence.get(language) or next(iter(sentence.values()), "")


class Priority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    LIFE_SAFETY = "life-safety"

    @property
    def rank(self) -> int:
        return list(Priority).index(self)


class Edge(StrEnum):
    RAISED = "raised"
    LEVEL = "level"  #: still broken, at another level
    CLEARED = "cleared"


class Breach(Struct, frozen=True):
    """One edge of a rule's finding.  The edges of one id are numbered from 0 and applied in that order."""

    id: BreachId  #: rule, subject and onset
    number: int  #: of this edge within the id
    edge: Edge
    rule: RuleId
    subject: SensorId
    onset: Instant  #: when the condition began to hold
    at: Instant  #: when this edge fell due: onset + `for`, or the return + `clear_for`
    priority: Priority
    respond: ResponseId
    rules_hash: str
    quantity: Quantity | None = None  #: of the value that decided
    value: float | bool | str | None = None  #: the value that decided
    limit: float | None = None  #: the limit it passed, where there is one
    absent: Quantity | None = None  #: what should have come before it and did not, such as a badge
    note: str = ""  #: what is not certain about it, e.g. "unverified: badge reader silent since 09:58"
    cause: Said = ""
    consequence: Said = ""
    action: Said = ""
    owner: str = ""
    latched: bool = False  #: stays until somebody has answered, also when it clears by itself


def breach_id(rule: RuleId, subject: SensorId, onset: Instant) -> BreachId:
    return BreachId(f"{rule}/{subject}/{onset}")


# --- workflows --------------------------------------------------------------------------------------------------------


class Meaning(StrEnum):
    """What a person said."""

    TAKEN = "taken"
    DECLINED = "declined"
    ARRIVED = "arrived"  #: is there; who says so without having said before that he goes has taken it
    DONE = "done"
    HELP = "help"  #: goes, or is there, and needs one more; of who was only asked: the same as declined
    WHY = "why"  #: asks why he is called; changes nothing
    STOP = "stop"  #: no messages any more on this channel
    START = "start"  #: messages again


class Answer(Struct, frozen=True, tag="answer"):
    """A person's deliberate answer: a reply code, a key or a click; never a voicemail or an auto-reply (law 7)."""

    id: str  #: of the message or click that brought it; one acts once
    by: PersonId
    meaning: Meaning
    at: Instant
    channel: str  #: sms, voice, desktop, page …
    clicked_by: str = ""  #: who was signed in at the desk and said so for him
    roles: list[str] = []  #: his, as the directory has them now
    seconds: int | None = None  #: on foot from where he waits to the place; None = no way is known


class Purpose(StrEnum):
    """Why a message goes out: chooses the template, and what happens to it when the incident moves on."""

    REQUEST = "request"  #: please go; withdrawn when somebody has taken it
    TAKEN = "taken"  #: "Ben goes": nothing to do for you
    THANKS = "thanks"  #: "it is yours"
    HEALED = "healed"  #: over by itself, nobody need go
    DONE = "done"  #: to the owner: another has done it
    REMIND = "remind"  #: to the owner: cleared but never done, or done while still broken
    WHY = "why"  #: why he is called
    # to the customer in charge of the place:
    COMING = "coming"  #: a technician is on the way
    DELAYED = "delayed"  #: it takes longer than we said; once
    SOLVED = "solved"  #: it is over
    RATE = "rate"  #: was that good?  once


#: What a customer hears; nobody else gets one of these.
FOR_CUSTOMERS = frozenset({Purpose.COMING, Purpose.DELAYED, Purpose.SOLVED, Purpose.RATE})


class State(StrEnum):
    TRIGGERED = "triggered"
    TAKEN = "taken"
    RESOLVED = "resolved"


class Candidate(Struct, frozen=True):
    """One person weighed for one incident, with the reasons as text (`vorab who`)."""

    person: PersonId
    suitable: bool
    reasons: list[str]  #: "on duty until 06:00", "may enter airside T1", or what excludes him
    seconds: int | None = None  #: on foot to the place; None = no way is known
    channels: list[str] = []  #: the channels of the rung that reach him, best first
    open_incidents: int = 0  #: taken and not done


class Rung(Struct, frozen=True):
    """One step of a ladder: who is asked, how, and how long we wait for an answer."""

    role: str
    count: int  #: how many of the nearest suitable people at once
    channels: list[str]
    wait: Span
    at_once: bool = False  #: by all these channels at the same time; else by the first that works


class Ways(Struct, frozen=True):
    """The channels of one person who was asked."""

    out: list[str]  #: by which a request is out that has not failed
    untried: list[str]


class Incident(Struct, frozen=True):
    """The open case.  Only `workflows.incident.step` makes a new one from an old one."""

    id: IncidentId
    code: str  #: the digits that a reply must carry; unique among the open incidents
    breach: Breach  #: its newest edge
    opened_at: Instant
    state: State = State.TRIGGERED
    ladder: list[Rung] = []  #: as it was when the incident opened
    rung: int = -1  #: the rung being tried; -1 = none yet
    round: int = 0  #: how often the last rung was repeated, or the owner reminded
    began: int = 0  #: the number of the event with which this rung began to ask
    owner: PersonId | None = None
    asked: list[PersonId] = []  #: who got a request that was not withdrawn
    declined: list[PersonId] = []
    pending: dict[PersonId, Ways] = {}  #: asked on this rung, no answer yet
    asked_as: dict[PersonId, str] = {}  #: the role for which each was asked last
    needs: list[str] = []  #: of each of these roles somebody must go; empty = one person is enough
    wanted: int = 1  #: how many must go at least; one more with each call for help
    going: dict[PersonId, list[str]] = {}  #: who goes, the first one first → his roles
    arrived: list[PersonId] = []
    tried: list[tuple[PersonId, str]] = []  #: by which channels each was asked since the ladder began
    unreachable: list[PersonId] = []  #: asked on this rung, and no channel brought it to them
    done: bool = False  #: somebody said "done" while it was still broken
    broken: bool = True  #: the breach has not cleared
    customers: dict[PersonId, list[str]] = {}  #: in charge of the place, as it opened → channels not yet failed
    told: list[Purpose] = []  #: what the customers have been told
    expected_at: Instant | None = None  #: when the customers were told that somebody is there; None = nothing to keep
    remind_at: Instant | None = None  #: when the owner is reminded, or the ladder begins again
    ratings: dict[PersonId, int] = {}  #: what the customers answered, 1 to 5
    events: int = 0  #: the number of the last event applied
    wake_at: Instant | None = None  #: when the next step is due
    resolved_at: Instant | None = None


def incident_id(breach: BreachId) -> IncidentId:
    return IncidentId(hashlib.sha256(breach.encode()).hexdigest()[:16])


# --- notifiers --------------------------------------------------------------------------------------------------------


class Delivery(StrEnum):
    """The states of a message in the outbox."""

    READY = "ready"
    SENDING = "sending"
    SENT = "sent"  #: the provider has it
    DELIVERED = "delivered"  #: the handset has it
    FAILED = "failed"  #: given up, with a reason
    UNKNOWN = "unknown"  #: the outcome of the call is not known; the provider is being asked
    WITHDRAWN = "withdrawn"  #: not sent, because the incident had moved on


class Notification(Struct, frozen=True):
    """One message to one person on one channel."""

    id: NotificationId
    incident: IncidentId
    number: int  #: of the incident's event that ordered it
    person: PersonId
    channel: str
    purpose: Purpose
    address: str  #: as the channel understands it, e.g. +33123456789; never printed whole
    text: str
    token: str  #: the digits by which a person's reply and the provider's list know it again
    priority: Priority
    created_at: Instant
    expires_at: Instant  #: not sent after this
    picture: bytes = b""  #: JPEG of the place when the breach was found, for a channel that can show it


def notification_id(incident: IncidentId, number: int, person: PersonId, channel: str) -> NotificationId:
    return NotificationId(f"{incident}.{number}.{person}.{channel}")


class Receipt(Struct, frozen=True):
    """What a channel knows of one message."""

    state: Delivery
    provider_id: str = ""
    reason: str = ""
    retry_after_s: float | None = None  #: with READY: the provider did not process it and asks to wait
    report_within_s: float | None = None  #: with SENT: a report is due by then; None = within a minute
