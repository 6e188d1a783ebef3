"""The files of a site folder as pydantic models: their fields, their limits, and one sentence on each.

The JSON Schemas and the reference page are made from these.  What needs more than one file to judge stands in `load`.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from deploy.site.measures import UNITS, kind_of, span
from vorab.model import Priority, Quantity, Span

SPAN_PATTERN = r"^\d+(\.\d+)? ?(ms|s|min|h|d)( \d+(\.\d+)? ?(ms|s|min|h|d))*$"
SPAN_SCHEMA = {"type": "string", "pattern": SPAN_PATTERN, "examples": ["30s", "10min", "1min 30s", "2h"]}
SpanText = Annotated[int, BeforeValidator(span), WithJsonSchema(SPAN_SCHEMA)]

ID = r"^[^\W_][\w.:-]*$"
PLACE_ID = r"^[^\W_][\w.:-]*(/[\w.:-]+)*$"
SERVER = r"([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}"
Id = Annotated[str, Field(pattern=ID, max_length=64)]
PlaceName = Annotated[str, Field(pattern=PLACE_ID, max_length=64)]


def _words(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _count(value: object) -> object:
    if value == "all":
        return EVERYBODY
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < EVERYBODY:
        return value
    raise ValueError(f"{value!r}: how many at once? Write 1, 2 … or all")


def _sentence(value: object) -> object:
    texts = list(value.values()) if isinstance(value, dict) and value else [value]
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"expected a text, found {kind_of(text)}")
        if len(text) > LONGEST:
            raise ValueError(f"{len(text)} characters; {LONGEST} at the most: it has to fit into a message")
    return value


def _server(value: object) -> object:
    if isinstance(value, str) and not (re.fullmatch(SERVER, value) and 0 < int(value.rpartition(":")[2]) < 65536):
        raise ValueError(f"{value!r}: a server and its port, such as kafka-1.example:9092")
    return value


EVERYBODY = 1000  #: what `count: all` stands for
LONGEST = 200  #: characters of one sentence of a rule
Server = Annotated[str, BeforeValidator(_server), WithJsonSchema({"type": "string", "pattern": f"^{SERVER}$"})]
Words = Annotated[
    list[str],
    BeforeValidator(_words),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Findings = Annotated[
    list[str],
    BeforeValidator(lambda value: [] if value == "nothing" else value),
    WithJsonSchema({"anyOf": [{"const": "nothing"}, {"type": "array", "items": {"type": "string"}}]}),
]
Count = Annotated[
    int,
    BeforeValidator(_count),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 999}, {"const": "all"}]}),
]

SENTENCE_SCHEMA: dict[str, Any] = {"type": "string", "maxLength": LONGEST}
Sentence = Annotated[
    Any,
    BeforeValidator(_sentence),
    WithJsonSchema(
        {
            "anyOf": [
                SENTENCE_SCHEMA,
                {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": {"pattern": "^[a-z]{2}$"},
                    "additionalProperties": SENTENCE_SCHEMA,
                },
            ]
        }
    ),
]
Point = Annotated[list[float], Field(min_length=2, max_length=2)]

#: The words of `when`, each a state of a quantity.
STATES: dict[str, tuple[Quantity, bool]] = {
    "open": (Quantity.OPEN, True),
    "shut": (Quantity.OPEN, False),
    "closed": (Quantity.OPEN, False),
    "taken": (Quantity.TAKEN, True),
    "in_place": (Quantity.TAKEN, False),
    "wet": (Quantity.WET, True),
    "dry": (Quantity.WET, False),
    "smoke": (Quantity.SMOKE, True),
    "co_alarm": (Quantity.CO_ALARM, True),
    "occupied": (Quantity.OCCUPIED, True),
    "empty": (Quantity.OCCUPIED, False),
    "present": (Quantity.PRESENT, True),
    "gone": (Quantity.PRESENT, False),
    "vibration": (Quantity.VIBRATION, True),
    "still": (Quantity.VIBRATION, False),
    "tamper": (Quantity.TAMPER, True),
    "battery_low": (Quantity.BATTERY_LOW, True),
    "on": (Quantity.ON, True),
    "off": (Quantity.ON, False),
    "online": (Quantity.ONLINE, True),
    "offline": (Quantity.ONLINE, False),
    "active": (Quantity.INPUT, True),
    "inactive": (Quantity.INPUT, False),
}


QuantityName = Annotated[Quantity, Field(strict=False)]
PriorityName = Annotated[Priority, Field(strict=False)]


class Entry(BaseModel):
    """What is not named here may not be written."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


# --- site.yaml --------------------------------------------------------------------------------------------------------


class Broker(Entry):
    """Where one ingest listens for MQTT."""

    model_config = ConfigDict(title="broker")

    host: str = Field(description="Name or address of the MQTT broker.")
    port: int = Field(1883, ge=1, le=65535, description="1883, or 8883 with tls.")
    user: str = Field("", description="User name at the broker.")
    password: str = Field("", description="Secret: env:NAME or file:PATH.")
    tls: bool = Field(False, description="Speak TLS, and check the broker's certificate.")


class Channel(BaseModel):
    """A way to people.  Beside the limits stand the settings of the channel itself, see its page."""

    model_config = ConfigDict(title="channel", extra="allow", strict=True, frozen=True)

    limits: dict[str, int] = Field(
        default_factory=dict,
        description="Messages one person may get in any window of this length, e.g. {10min: 6, 1h: 20}.",
    )
    life_safety_limits: dict[str, int] = Field(
        default_factory=dict, description="Expected of life safety, counted apart: more are noted, never withheld."
    )


class Log(Entry):
    """The readings log on Apache Kafka, for a site that one machine is too small for."""

    model_config = ConfigDict(title="log")

    kafka: list[Server] = Field(min_length=1, description="host:port of brokers; the others are found through them.")
    partitions: int = Field(4, ge=1, le=512, description="Chosen once, with `vorab kafka init`; more workers idle.")


class SiteFile(Entry):
    """Name, time zone, languages, brokers and channels of one site."""

    model_config = ConfigDict(title="site")

    name: Id = Field(description="Short name of the site; also the name of its data folder.")
    time_zone: str = Field(description="IANA name, e.g. Europe/Paris; duty hours and messages are in this time.")
    languages: list[Annotated[str, Field(pattern="^[a-z]{2}$")]] = Field(
        min_length=1, description="Two-letter codes; the first is used where a person's own is missing."
    )
    demo: bool = Field(False, description="Simulated phones and sensors: nobody can be called.")
    public_url: str = Field(
        "", pattern="^(https?://[^ ]+)?$", description="Under which providers reach us; empty: replies are polled."
    )
    brokers: dict[Id, Broker] = Field(
        default_factory=dict, description="Ingest → broker.  None in a demo: it starts its own, and calls it main."
    )
    channels: dict[Id, Channel] = Field(default_factory=dict, description="Channel → its settings.")
    log: Log | None = Field(None, description="None: a file on this machine, written by capture.")
    store: str = Field(
        "", description="postgresql://USER:PASSWORD@HOST/DATABASE as env:NAME or file:PATH; empty: a file."
    )
    workers: int = Field(1, ge=0, le=64, description="With Kafka: how many of them `vorab run` starts here.")
    retain: SpanText = Field(Span(30 * 86_400_000_000), description="The log is kept at least this long.")


# --- places.yaml ------------------------------------------------------------------------------------------------------


class Camera(Entry):
    """What looks at a place.  Its address never leaves our own processes."""

    model_config = ConfigDict(title="camera")

    stream: str = Field("", description="http(s): MJPEG; rtsp: as ONVIF cameras do; empty: pictures only.")
    snapshot: str = Field("", description="http(s): one JPEG; empty: the first picture of the stream.")
    user: str = Field("", description="User name at the camera.")
    password: str = Field("", description="Secret: env:NAME or file:PATH.")


class Intercom(Entry):
    """A loudspeaker with a microphone."""

    model_config = ConfigDict(title="intercom")

    url: str = Field(description="rtsp, with a back-channel as ONVIF describes it (profile T).")
    user: str = Field("", description="User name at the intercom.")
    password: str = Field("", description="Secret: env:NAME or file:PATH.")
    instruction: str = Field(
        "", description="A WAV file of the site folder: played when life safety begins, until somebody joins."
    )


class Place(Entry):
    """A site, building, floor, zone or point."""

    model_config = ConfigDict(title="place")

    name: str = Field("", max_length=80, description="As it is written in messages; empty: its id.")
    kind: Literal["site", "building", "floor", "zone", "point"] = Field("point", description="From large to small.")
    within: PlaceName | None = Field(None, alias="in", description="The place around it.")
    access: str = Field("", description="Permission needed to enter; holds for everything within.")
    spoken: dict[str, str] = Field(default_factory=dict, description="Language → the name as it is said aloud.")
    readers: list[str] = Field(default_factory=list, description="Badge readers of the doors of this place.")
    coordinates: Point | None = Field(None, description="[latitude, longitude] in degrees.")
    plan: str = Field("", description="Of a floor: an SVG file of the site folder, e.g. plans/level-2.svg.")
    at: Point | None = Field(None, description="[x, y] on the plan of its floor, from the left and from the top.")
    camera: Camera | None = Field(None, description="What looks at it; empty: the camera of the place around it.")
    intercom: Intercom | None = Field(None, description="Its loudspeaker; empty: that of the place around it.")


class Way(Entry):
    """How long one walks between two places, in both directions."""

    model_config = ConfigDict(title="way")

    start: PlaceName = Field(alias="from", description="A place.")
    end: PlaceName = Field(alias="to", description="A place.")
    on_foot: SpanText = Field(description="E.g. 90s or 4min.")


class PlacesFile(Entry):
    """The places of a site and the ways between them."""

    model_config = ConfigDict(title="places")

    places: dict[PlaceName, Place] = Field(min_length=1, description="Place → what and where it is.")
    ways: list[Way] = Field(default_factory=list, description="Walking times; longer ways are added up from these.")


# --- sensors.yaml -----------------------------------------------------------------------------------------------------


class SensorType(Entry):
    """What sensors of one kind have in common."""

    model_config = ConfigDict(title="sensor type")

    decoder: Id = Field(description="How its messages are read: a file in ingest/sensors/, or a plug-in's name.")
    topic: str = Field(min_length=1, max_length=256, description="Where they speak, e.g. zigbee2mqtt/{sensor}.")
    every: SpanText | None = Field(None, description="They are heard at least this often; empty: only on change.")
    life_safety: bool = Field(False, description="Their messages have a lane of their own and never wait.")
    ranges: dict[QuantityName, str] = Field(
        default_factory=dict, description="What is physically possible, e.g. temperature: -30..60 °C."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="For the decoder, see its page.")


class Sensor(Entry):
    """One sensor, or several alike: gate-{b1,b2}-door or gate-{1..20}-door, and {} for the part that differs."""

    model_config = ConfigDict(title="sensor")

    type: str = Field(description="A type of this file.")
    place: str | None = Field(None, description="Where it is.")
    gateway: str | None = Field(None, description="The sensor that tells whether its gateway is online.")
    topic: str = Field("", max_length=256, description="Where it speaks, if not where its type says.")
    ingest: str = Field("main", description="The broker of site.yaml that it is heard at.")
    asset: str = Field("", max_length=80, description="What it watches over, e.g. Cold store 2.")
    tags: list[str] = Field(default_factory=list, description="Words of your own, for `watch`.")


class SensorsFile(Entry):
    """Which topics are which sensors, of which type, and where."""

    model_config = ConfigDict(title="sensors")

    types: dict[Id, SensorType] = Field(min_length=1, description="Type → what its sensors have in common.")
    sensors: dict[str, Sensor] = Field(min_length=1, description="Sensor → its type and place.")


# --- rules/*.yaml -----------------------------------------------------------------------------------------------------


class Watch(Entry):
    """Which sensors: those for which everything here is true."""

    model_config = ConfigDict(title="watch")

    type: Words = Field(default_factory=list, description="A type, several, or '*' for all.")
    place: str | None = Field(None, description="A place and all within it; * stands for any letters.")
    zone: str | None = Field(None, description="The same, for zones: airside/*.")
    tag: str | None = Field(None, description="A tag of the sensor.")
    sensors: Words = Field(default_factory=list, description="Sensors by name; * stands for any letters: gate-b*.")


AMOUNT_SCHEMA: dict[str, Any] = {"type": ["string", "number"], "examples": ["26 °C", "79 °F", "60 %", "1000 ppm"]}
LEVELS_SCHEMA: dict[str, Any] = {
    "anyOf": [
        AMOUNT_SCHEMA,
        {
            "type": "object",
            "minProperties": 1,
            "properties": {priority.value: AMOUNT_SCHEMA for priority in Priority},
            "additionalProperties": False,
        },
    ]
}
Levels = Annotated[Any, WithJsonSchema(LEVELS_SCHEMA)]


class LimitsWhen(Entry):
    """Broken while the value lies beyond a limit: one limit, or one for each priority."""

    model_config = ConfigDict(title="limits")

    above: Levels = Field(None, description="Broken above this: 26 °C, or {medium: 26 °C, high: 30 °C}.")
    below: Levels = Field(None, description="Broken below this.")
    outside: Levels = Field(None, description="Broken outside of this: 18..26 °C.")


class WithoutWhen(Entry):
    """Broken if the other thing did not happen shortly before."""

    model_config = ConfigDict(title="without")

    without: Literal["badge"] = Field(description="What should have come first: a granted badge at the same place.")
    within: SpanText = Field(description="How long before.")


def _when_schema() -> dict[str, Any]:
    limits, without = LimitsWhen.model_json_schema(), WithoutWhen.model_json_schema()
    states = {quantity.value: without for quantity, _ in STATES.values()}
    measured = {quantity.value: limits for quantity in UNITS}
    properties = {"silent": SPAN_SCHEMA, "button": {"type": "string"}, **states, **measured}
    one = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False}
    return {"anyOf": [{"enum": sorted(STATES)}, {**one, "properties": properties}]}


LEVELLED_SPAN_SCHEMA: dict[str, Any] = {
    "anyOf": [
        SPAN_SCHEMA,
        {
            "type": "object",
            "properties": {priority.value: SPAN_SCHEMA for priority in Priority},
            "additionalProperties": False,
        },
    ]
}


class Example(Entry):
    """What the sensor says, and what the rule must find; played by `vorab try`."""

    model_config = ConfigDict(title="example")

    given: list[str] = Field(min_length=1, description="E.g. [open @ 10:00, shut @ 10:01].")
    then: Findings = Field(description="E.g. [raised @ 10:00:30, cleared @ 10:01:05].")


class Rule(Entry):
    """What is watched, when it is broken, how long, how urgent, and who responds."""

    model_config = ConfigDict(title="rule")

    watch: Watch = Field(description="Which sensors.")
    when: Annotated[Any, WithJsonSchema(_when_schema())] = Field(description="When it is broken.")
    for_: Annotated[Any, WithJsonSchema(LEVELLED_SPAN_SCHEMA)] = Field(
        None, alias="for", description="How long it must be broken first; one span, or one for each priority."
    )
    clear_for: SpanText = Field(Span(0), description="How long it must be well again before it is cleared.")
    deadband: Annotated[Any, WithJsonSchema(AMOUNT_SCHEMA)] = Field(
        None, description="Once raised, the value must come back inside by this much: 0.5 °C."
    )
    lateness: SpanText = Field(Span(0), description="Wait this long for readings that are late, and put them in order.")
    priority: PriorityName | None = Field(None, description="Not needed where the limits have levels.")
    respond: str = Field(description="A response of responses.yaml.")
    cause: Sentence = Field("", description="The likely cause, for the person called; or {en: …, de: …, fr: …}.")
    consequence: Sentence = Field("", description="What happens if nobody goes; in one language or in several.")
    action: Sentence = Field("", description="What to do; in one language or in several.")
    owner: str = Field("", description="The person who answers for this rule.")
    latch: bool = Field(False, description="Stays until somebody has answered, also when it clears by itself.")
    examples: list[Example] = Field(default_factory=list, description="Played by vorab try.")


# --- responses.yaml ---------------------------------------------------------------------------------------------------


class Rung(Entry):
    """One step of a ladder."""

    model_config = ConfigDict(title="rung")

    role: str = Field(description="Who is asked: a role of people.yaml.")
    count: Count = Field(1, description="How many of the nearest suitable people at once, or all.")
    channels: list[str] = Field(min_length=1, description="By which channels, the best first.")
    wait: SpanText = Field(description="How long to wait for an answer; 0s: the next rung at once.")
    at_once: bool = Field(False, description="By all these channels at the same time; else by the first that works.")


class Response(Entry):
    """Who is asked, in which order, and how long to wait.  The last rung is repeated until somebody takes it."""

    model_config = ConfigDict(title="response")

    skill: str = Field("", description="A skill that a person needs to be asked.")
    needs: list[str] = Field(
        default_factory=list, description="Of each of these roles somebody must go; empty: one person is enough."
    )
    tell_customer: bool = Field(
        False, description="Who is in charge of the place hears that somebody comes, and that it is solved."
    )
    ladder: list[Rung] = Field(min_length=1, description="The steps.")


# --- people.yaml ------------------------------------------------------------------------------------------------------


class Person(Entry):
    """Somebody who is called, or told."""

    model_config = ConfigDict(title="person")

    name: str = Field(min_length=1, max_length=60, description="As colleagues read it in messages.")
    roles: list[str] = Field(default_factory=list, description="What he may be called for.")
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] = Field(description="One of the site's languages.")
    addresses: dict[str, str] = Field(default_factory=dict, description="Channel → address, e.g. sms: '+33639980001'.")
    channels: list[str] = Field(default_factory=list, description="Preferred first; empty: as the rung says.")
    duty: str = Field("", description="When on duty: Mo-Fr 07:00-19:00, or 24/7; empty: never by itself.")
    skills: list[str] = Field(default_factory=list, description="What he is trained for.")
    access: list[str] = Field(default_factory=list, description="Permissions, see places.yaml.")
    base: str | None = Field(None, description="The place where he is when on duty.")
    customer_of: list[str] = Field(default_factory=list, description="Places he is the customer of.")
