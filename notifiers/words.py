"""What a breach is called in the reader's language.  A language is one entry of WORDS and one folder of templates."""

from msgspec import Struct

from vorab.model import Priority, Quantity
from vorab.words import THINGS


class Words(Struct, frozen=True):
    priorities: dict[Priority, str]
    #: The thing, and what is said of it when the value is true and when it is false; of numbers the thing alone.
    things: dict[Quantity, tuple[str, str, str]]
    silent: tuple[str, str]  #: when nothing was said: the thing, and what it is
    ours: dict[str, tuple[str, str]]  #: the same for the rules of our own making
    #: How it is where a number is above its limit, and where it is below: what a customer feels, not what we measure.
    beyond: dict[Quantity, tuple[str, str]]
    limit: str
    without: str  #: before what should have come first
    lasting: str  #: before how long a number has been beyond its limit
    on_foot: str
    day: str
    spans: dict[str, tuple[str, str]]  #: how s, min, h and the day are said aloud, of one and of several
    somebody: str
    desk: str  #: who goes, when it is the operator himself
    decimal: str


WORDS = {
    "en": Words(
        priorities={
            Priority.LOW: "Low",
            Priority.MEDIUM: "Medium",
            Priority.HIGH: "High",
            Priority.LIFE_SAFETY: "LIFE SAFETY",
        },
        things=THINGS["en"],
        silent=("sensor", "silent"),
        ours={"vorab-balance": ("sums", "do not close"), "vorab-workers": ("sensors", "heard, but not judged")},
        beyond={
            Quantity.TEMPERATURE: ("warmer than it should be", "colder than it should be"),
            Quantity.HUMIDITY: ("damper than it should be", "drier than it should be"),
            Quantity.CO2: ("the air is not as fresh as it should be", "the air is unusual"),
        },
        limit="limit",
        without="without",
        lasting="for",
        on_foot="on foot",
        day="d",
        spans={"s": ("second", "seconds"), "min": ("minute", "minutes"), "h": ("hour", "hours"), "d": ("day", "days")},
        somebody="somebody",
        desk="the desk",
        decimal=".",
    ),
    "de": Words(
        priorities={
            Priority.LOW: "Niedrig",
            Priority.MEDIUM: "Mittel",
            Priority.HIGH: "Hoch",
            Priority.LIFE_SAFETY: "LEBENSGEFAHR",
        },
        things=THINGS["de"],
        silent=("Sensor", "stumm"),
        ours={
            "vorab-balance": ("Summen", "gehen nicht auf"),
            "vorab-workers": ("Sensoren", "gehört, aber nicht geprüft"),
        },
        beyond={
            Quantity.TEMPERATURE: ("wärmer als vorgesehen", "kälter als vorgesehen"),
            Quantity.HUMIDITY: ("feuchter als vorgesehen", "trockener als vorgesehen"),
            Quantity.CO2: ("die Luft ist nicht so frisch wie vorgesehen", "die Luft ist ungewöhnlich"),
        },
        limit="Grenze",
        without="ohne",
        lasting="seit",
        on_foot="zu Fuß",
        day="Tage",
        spans={
            "s": ("Sekunde", "Sekunden"),
            "min": ("Minute", "Minuten"),
            "h": ("Stunde", "Stunden"),
            "d": ("Tag", "Tage"),
        },
        somebody="jemand",
        desk="die Leitstelle",
        decimal=",",
    ),
    "fr": Words(
        priorities={
            Priority.LOW: "Faible",
            Priority.MEDIUM: "Moyen",
            Priority.HIGH: "Urgent",
            Priority.LIFE_SAFETY: "DANGER DE MORT",
        },
        things=THINGS["fr"],
        silent=("capteur", "muet"),
        ours={
            "vorab-balance": ("sommes", "fausses"),
            "vorab-workers": ("capteurs", "entendus, mais pas évalués"),
        },
        beyond={
            Quantity.TEMPERATURE: ("plus chaud que prévu", "plus froid que prévu"),
            Quantity.HUMIDITY: ("plus humide que prévu", "plus sec que prévu"),
            Quantity.CO2: ("l'air est moins frais que prévu", "l'air est inhabituel"),
        },
        limit="limite",
        without="sans",
        lasting="depuis",
        on_foot="à pied",
        day="j",
        spans={
            "s": ("seconde", "secondes"),
            "min": ("minute", "minutes"),
            "h": ("heure", "heures"),
            "d": ("jour", "jours"),
        },
        somebody="quelqu'un",
        desk="le poste central",
        decimal=",",
    ),
}
