"""What a breach is called in the reader's language.  A language is one entry of WORDS and one folder of templates."""

import re

from msgspec import Struct

from vorab.model import Priority, Quantity
from vorab.words import NOTES, THINGS


class Words(Struct, frozen=True):
    priorities: dict[Priority, str]
    #: The thing, and what is said of it when the value is true and when it is false; of numbers the thing alone.
    things: dict[Quantity, tuple[str, str, str]]
    silent: tuple[str, str]  #: when nothing was said: the thing, and what it is
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
    notes: dict[str, str]  #: the words of a breach's note, which the rules say in English
    #: Why a person is called, which `workflows.nearest` and `duty` say in English: pattern → how it is said here.
    #: Of what the pattern names `terms` the words are translated too; roles, skills and zones stay as they are.
    reasons: dict[str, str]
    terms: dict[str, str]  #: days and channels


def reason(phrase: str, language: str) -> str:
    """Why somebody is called, or is not, in this language."""
    words = WORDS[language]
    for ours, theirs in words.reasons.items():
        if found := re.fullmatch(ours, phrase):
            named = {name: _translated(text, words.terms) for name, text in found.groupdict().items()}
            return theirs.format(*found.groups(), **named)
    return phrase


def _translated(text: str, terms: dict[str, str]) -> str:
    return re.sub(r"\w+", lambda found: terms.get(found[0], found[0]), text)


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
        notes=NOTES["en"],
        reasons={},
        terms={},
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
        notes=NOTES["de"],
        reasons={
            r"on duty until (?P<terms>.+)": "im Dienst bis {terms}",
            r"off duty until (?P<terms>.+)": "nicht im Dienst bis {terms}",
            r"on duty": "im Dienst",
            r"off duty": "nicht im Dienst",
            r"no duty hours": "ohne Dienstzeiten",
            r"duty ('.*'|\".*\"): .+": "Dienstzeiten {0} nicht lesbar",
            r"certified: (.+)": "befähigt: {0}",
            r"lacks (.+)": "ohne Befähigung {0}",
            r"may enter (.+)": "darf in {0}",
            r"may not enter (.+)": "darf nicht in {0}",
            r"by (?P<terms>.+)": "per {terms}",
            r"no address for (?P<terms>.+)": "keine Adresse für {terms}",
            r"nobody looks at his desk": "niemand sieht auf seinen Bildschirm",
            r"sent STOP": "schrieb STOP",
            r"(\d+) min on foot": "{0} min zu Fuß",
            r"no way known": "kein Weg bekannt",
            r"has (\d+) in hand, counts as (\d+) min more": "hat {0} in Arbeit, zählt wie {1} min mehr",
        },
        terms={
            **{"Mon": "Mo", "Tue": "Di", "Wed": "Mi", "Thu": "Do", "Fri": "Fr", "Sat": "Sa", "Sun": "So"},
            **{"sms": "SMS", "voice": "Anruf", "desktop": "Bildschirm", "email": "E-Mail", "or": "oder"},
        },
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
        notes=NOTES["fr"],
        reasons={
            r"on duty until (?P<terms>.+)": "de service jusqu'à {terms}",
            r"off duty until (?P<terms>.+)": "pas de service jusqu'à {terms}",
            r"on duty": "de service",
            r"off duty": "pas de service",
            r"no duty hours": "sans heures de service",
            r"duty ('.*'|\".*\"): .+": "heures de service {0} illisibles",
            r"certified: (.+)": "qualifié : {0}",
            r"lacks (.+)": "sans qualification {0}",
            r"may enter (.+)": "peut entrer en {0}",
            r"may not enter (.+)": "ne peut pas entrer en {0}",
            r"by (?P<terms>.+)": "par {terms}",
            r"no address for (?P<terms>.+)": "pas d'adresse pour {terms}",
            r"nobody looks at his desk": "personne devant son écran",
            r"sent STOP": "a écrit STOP",
            r"(\d+) min on foot": "{0} min à pied",
            r"no way known": "aucun chemin connu",
            r"has (\d+) in hand, counts as (\d+) min more": "en a {0} en cours, compte {1} min de plus",
        },
        terms={
            **{"Mon": "lun.", "Tue": "mar.", "Wed": "mer.", "Thu": "jeu.", "Fri": "ven.", "Sat": "sam.", "Sun": "dim."},
            **{"sms": "SMS", "voice": "appel", "desktop": "écran", "email": "e-mail", "or": "ou"},
        },
    ),
}
