"""A site as the stages see it: plain values that `deploy/site/` makes from the folder that operators write."""

from msgspec import Struct, field

from vorab.model import PersonId, PlaceId, Quantity, ResponseId, Rung, SensorId, Span


class SensorType(Struct, frozen=True):
    """What sensors of one kind have in common."""

    name: str  #: the word in `watch: { type: … }`
    decoder: str  #: the file in ingest/sensors/, or the name of an entry point
    topic: str  #: where they speak, e.g. zigbee2mqtt/{sensor}
    every: Span | None = None  #: they are heard at least this often; None = they speak only on change
    life_safety: bool = False  #: their own lane (DESIGN §4)
    ranges: dict[Quantity, tuple[float, float]] = field(default_factory=dict)  #: physical; outside is quality BAD
    options: dict[str, object] = field(default_factory=dict)  #: for the decoder, e.g. where a value stands


class Sensor(Struct, frozen=True):
    id: SensorId
    type: SensorType
    topic: str  #: the pattern of its type with the names filled in
    place: PlaceId | None = None
    gateway: SensorId | None = None  #: the sensor that tells whether its gateway is online
    ingest: str = "main"  #: the ingest that hears it
    asset: str = ""
    tags: list[str] = field(default_factory=list)


class Camera(Struct, frozen=True):
    """Its address never leaves our processes.  `demo:NAME` is the simulated camera NAME, see deploy.runtime."""

    stream: str = ""  #: http(s): MJPEG; rtsp: by ffmpeg; "" = pictures only
    snapshot: str = ""  #: http(s): one JPEG; "" = the first picture of the stream
    user: str = ""
    password: str = ""  #: already read from env: or file:


class Intercom(Struct, frozen=True):
    """A loudspeaker with a microphone that speaks RTSP with a back-channel (ONVIF).  `demo:NAME` as with cameras."""

    url: str
    user: str = ""
    password: str = ""  #: already read from env: or file:
    instruction: str = ""  #: a WAV file of the site folder, played when life safety begins, until somebody joins


class Place(Struct, frozen=True):
    id: PlaceId
    name: str
    kind: str  #: site, building, floor, zone, point
    within: PlaceId | None = None
    path: list[PlaceId] = field(default_factory=list)  #: from the site down to and including this place
    access: str = ""  #: the permission needed to enter; "" = none; inherited from the places around it
    spoken: dict[str, str] = field(default_factory=dict)  #: language → the name as it is said aloud
    readers: list[SensorId] = field(default_factory=list)  #: badge readers of the doors of this place
    coordinates: tuple[float, float] | None = None  #: latitude, longitude
    plan: str = ""  #: of a floor: an SVG file of the site folder
    at: tuple[float, float] | None = None  #: where it is on the plan of its floor: x from the left, y from the top
    camera: Camera | None = None
    intercom: Intercom | None = None


class Way(Struct, frozen=True):
    start: PlaceId
    end: PlaceId
    seconds: int  #: on foot, both directions


class Person(Struct, frozen=True):
    id: PersonId
    name: str
    roles: list[str]
    language: str
    addresses: dict[str, str] = field(default_factory=dict)  #: channel → address
    channels: list[str] = field(default_factory=list)  #: preferred first; empty = as the rung says
    duty: str = ""  #: opening_hours grammar, e.g. "Mo-Fr 07:00-19:00"; "" = never on duty by itself
    skills: list[str] = field(default_factory=list)
    access: list[str] = field(default_factory=list)  #: permissions; see Place.access
    base: PlaceId | None = None  #: where he is when on duty
    customer_of: list[PlaceId] = field(default_factory=list)


class Response(Struct, frozen=True):
    id: ResponseId
    ladder: list[Rung]
    skill: str = ""  #: needed to be suitable
    needs: list[str] = field(default_factory=list)  #: of each of these roles somebody must go; empty = one is enough
    tell_customer: bool = False  #: who is in charge of the place hears that somebody comes, and that it is solved


class Broker(Struct, frozen=True):
    """Where an ingest listens."""

    ingest: str = "main"
    host: str = ""  #: "" = the demo's own broker
    port: int = 1883
    user: str = ""
    password: str = ""  #: already read from env: or file:
    tls: bool = False


class KafkaLog(Struct, frozen=True):
    """The readings log of a site on many machines; without one, it is a file of capture's."""

    servers: list[str]  #: host:port of the brokers to begin with
    partitions: int = 4  #: of each of the two topics; a worker refuses another number


class Limits(Struct, frozen=True):
    """Messages one person may get on one channel, in any window of this length (law 8).  Life safety has its own."""

    windows: list[tuple[Span, int]] = field(default_factory=list)
    life_safety: list[tuple[Span, int]] = field(default_factory=list)  #: expected; more are noted, none is withheld


class ChannelSettings(Struct, frozen=True):
    """One channel of the site file; `settings` are validated by the channel's own Settings class."""

    name: str
    settings: dict[str, object] = field(default_factory=dict)
    limits: Limits = Limits()


class Site(Struct, frozen=True):
    name: str
    zone: str  #: IANA name, e.g. Europe/Paris
    languages: list[str]
    public_url: str  #: under which providers reach our webhooks
    brokers: list[Broker]
    channels: list[ChannelSettings]
    sensors: list[Sensor]
    places: list[Place]
    ways: list[Way]
    people: list[Person]
    responses: list[Response]
    rules: bytes  #: the packed rule set (rules.ruleset)
    rules_hash: str
    templates: dict[str, str] = field(default_factory=dict)  #: "sms/en/request.txt" → the operator's own text
    retain: Span = Span(30 * 24 * 3600 * 1_000_000)  #: log kept at the least
    log: KafkaLog | None = None
    store: str = ""  #: postgresql://…, with its password; "" = the file contact.db
    workers: int = 1  #: how many `vorab run` starts for the ordinary lane; there is always one for life safety
    demo: bool = False
    folder: str = ""  #: where it was read from; for plans and recordings
