"""What console and messages have in common: things, units, notes, reasons and channels in every language we speak."""

import re
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from vorab.model import Quantity

LANGUAGES = ("en", "de", "fr")
Three = tuple[str, str, str]  #: a sentence in each of LANGUAGES

#: Said of numbers, in every language.
UNITS = {
    Quantity.TEMPERATURE: " °C",
    Quantity.HUMIDITY: " %",
    Quantity.PRESSURE: " hPa",
    Quantity.CO2: " ppm",
    Quantity.ILLUMINANCE: " lx",
    Quantity.PM2_5: " µg/m³",
    Quantity.PM10: " µg/m³",
    Quantity.BATTERY: " %",
    Quantity.BATTERY_VOLTAGE: " V",
    Quantity.POWER: " W",
    Quantity.VOLTAGE: " V",
    Quantity.CURRENT: " A",
    Quantity.ENERGY: " kWh",
    Quantity.RSSI: " dBm",
    Quantity.SNR: " dB",
}

#: Language → the thing, and what is said of it when the value is true and when it is false; of numbers the thing alone.
THINGS = {
    "en": {
        Quantity.OPEN: ("door", "open", "shut"),
        Quantity.WET: ("water", "found", "gone"),
        Quantity.SMOKE: ("smoke", "found", "gone"),
        Quantity.CO_ALARM: ("carbon monoxide", "found", "gone"),
        Quantity.OCCUPIED: ("room", "occupied", "empty"),
        Quantity.PRESENT: ("asset", "in its place", "gone"),
        Quantity.TAKEN: ("defibrillator", "taken", "back"),
        Quantity.VIBRATION: ("machine", "shaking", "still"),
        Quantity.TAMPER: ("sensor", "tampered with", "intact"),
        Quantity.BUTTON: ("button", "pressed", ""),
        Quantity.BADGE: ("badge", "read", ""),
        Quantity.BADGE_REFUSED: ("badge", "refused", ""),
        Quantity.BATTERY_LOW: ("battery", "low", "full"),
        Quantity.ONLINE: ("device", "reachable", "not reachable"),
        Quantity.ON: ("device", "on", "off"),
        Quantity.INPUT: ("contact", "on", "off"),
        Quantity.TEMPERATURE: ("temperature", "", ""),
        Quantity.HUMIDITY: ("humidity", "", ""),
        Quantity.PRESSURE: ("pressure", "", ""),
        Quantity.CO2: ("CO2", "", ""),
        Quantity.ILLUMINANCE: ("light", "", ""),
        Quantity.PM2_5: ("fine dust", "", ""),
        Quantity.PM10: ("dust", "", ""),
        Quantity.BATTERY: ("battery", "", ""),
        Quantity.BATTERY_VOLTAGE: ("battery", "", ""),
        Quantity.POWER: ("power", "", ""),
        Quantity.VOLTAGE: ("voltage", "", ""),
        Quantity.CURRENT: ("current", "", ""),
        Quantity.ENERGY: ("energy", "", ""),
        Quantity.LINK_QUALITY: ("radio link", "", ""),
        Quantity.RSSI: ("radio signal", "", ""),
        Quantity.SNR: ("radio signal", "", ""),
    },
    "de": {
        Quantity.OPEN: ("Tür", "offen", "zu"),
        Quantity.WET: ("Wasser", "gefunden", "weg"),
        Quantity.SMOKE: ("Rauch", "gefunden", "weg"),
        Quantity.CO_ALARM: ("Kohlenmonoxid", "gefunden", "weg"),
        Quantity.OCCUPIED: ("Raum", "belegt", "leer"),
        Quantity.PRESENT: ("Gerät", "an seinem Platz", "weg"),
        Quantity.TAKEN: ("Defibrillator", "entnommen", "zurück"),
        Quantity.VIBRATION: ("Maschine", "zittert", "ruht"),
        Quantity.TAMPER: ("Sensor", "manipuliert", "unversehrt"),
        Quantity.BUTTON: ("Taste", "gedrückt", ""),
        Quantity.BADGE: ("Ausweis", "gelesen", ""),
        Quantity.BADGE_REFUSED: ("Ausweis", "abgelehnt", ""),
        Quantity.BATTERY_LOW: ("Batterie", "schwach", "voll"),
        Quantity.ONLINE: ("Gerät", "erreichbar", "nicht erreichbar"),
        Quantity.ON: ("Gerät", "ein", "aus"),
        Quantity.INPUT: ("Kontakt", "ein", "aus"),
        Quantity.TEMPERATURE: ("Temperatur", "", ""),
        Quantity.HUMIDITY: ("Luftfeuchte", "", ""),
        Quantity.PRESSURE: ("Druck", "", ""),
        Quantity.CO2: ("CO2", "", ""),
        Quantity.ILLUMINANCE: ("Licht", "", ""),
        Quantity.PM2_5: ("Feinstaub", "", ""),
        Quantity.PM10: ("Staub", "", ""),
        Quantity.BATTERY: ("Batterie", "", ""),
        Quantity.BATTERY_VOLTAGE: ("Batterie", "", ""),
        Quantity.POWER: ("Leistung", "", ""),
        Quantity.VOLTAGE: ("Spannung", "", ""),
        Quantity.CURRENT: ("Strom", "", ""),
        Quantity.ENERGY: ("Energie", "", ""),
        Quantity.LINK_QUALITY: ("Funkverbindung", "", ""),
        Quantity.RSSI: ("Funksignal", "", ""),
        Quantity.SNR: ("Funksignal", "", ""),
    },
    "fr": {
        Quantity.OPEN: ("porte", "ouverte", "fermée"),
        Quantity.WET: ("eau", "trouvée", "partie"),
        Quantity.SMOKE: ("fumée", "trouvée", "partie"),
        Quantity.CO_ALARM: ("monoxyde de carbone", "trouvé", "parti"),
        Quantity.OCCUPIED: ("salle", "occupée", "vide"),
        Quantity.PRESENT: ("objet", "à sa place", "disparu"),
        Quantity.TAKEN: ("défibrillateur", "pris", "remis"),
        Quantity.VIBRATION: ("machine", "secouée", "calme"),
        Quantity.TAMPER: ("capteur", "manipulé", "intact"),
        Quantity.BUTTON: ("bouton", "pressé", ""),
        Quantity.BADGE: ("badge", "lu", ""),
        Quantity.BADGE_REFUSED: ("badge", "refusé", ""),
        Quantity.BATTERY_LOW: ("pile", "faible", "pleine"),
        Quantity.ONLINE: ("appareil", "joignable", "injoignable"),
        Quantity.ON: ("appareil", "allumé", "éteint"),
        Quantity.INPUT: ("contact", "actif", "inactif"),
        Quantity.TEMPERATURE: ("température", "", ""),
        Quantity.HUMIDITY: ("humidité", "", ""),
        Quantity.PRESSURE: ("pression", "", ""),
        Quantity.CO2: ("CO2", "", ""),
        Quantity.ILLUMINANCE: ("lumière", "", ""),
        Quantity.PM2_5: ("poussière fine", "", ""),
        Quantity.PM10: ("poussière", "", ""),
        Quantity.BATTERY: ("pile", "", ""),
        Quantity.BATTERY_VOLTAGE: ("pile", "", ""),
        Quantity.POWER: ("puissance", "", ""),
        Quantity.VOLTAGE: ("tension", "", ""),
        Quantity.CURRENT: ("courant", "", ""),
        Quantity.ENERGY: ("énergie", "", ""),
        Quantity.LINK_QUALITY: ("lien radio", "", ""),
        Quantity.RSSI: ("signal radio", "", ""),
        Quantity.SNR: ("signal radio", "", ""),
    },
}

#: Language → the words of a breach's note, which the rules say in English.
NOTES: dict[str, dict[str, str]] = {
    "en": {},
    "de": {
        "unverified": "unbestätigt",
        "uncertain": "unsicher",
        "no badge reader": "kein Ausweisleser",
        "badge reader": "Ausweisleser",
        "gateway": "Gateway",
        "sensor": "Sensor",
        "ingest": "Erfassung",
        "never heard": "nie gehört",
        "not heard up to": "nicht gehört bis",
        "silent since": "stumm seit",
        "offline since": "getrennt seit",
        "is behind": "im Rückstand",
        "a state without a time of its own": "Zustand ohne eigene Zeit",
        "late: measured": "verspätet: gemessen",
        "rule removed": "Regel entfernt",
        "moved to another zone": "in eine andere Zone versetzt",
        "decided again": "wieder geprüft",
        "the sums close again": "die Summen gehen wieder auf",
        "messages of": "Meldungen von",
        "messages": "Nachrichten",
        "breaches": "Verstöße",
        "run": "Lauf",
        "stored": "gespeichert",
        "duplicate": "doppelt",
        "ignored": "übergangen",
        "quarantined": "in Quarantäne",
        "opened": "eröffnet",
        "attached": "zugeordnet",
        "suppressed": "unterdrückt",
        "overtaken": "überholt",
        "delivered": "zugestellt",
        "waiting": "wartend",
        "given up": "aufgegeben",
        "missing": "fehlen",
    },
    "fr": {
        "unverified": "non vérifié",
        "uncertain": "incertain",
        "no badge reader": "pas de lecteur de badges",
        "badge reader": "lecteur de badges",
        "gateway": "passerelle",
        "sensor": "capteur",
        "ingest": "saisie",
        "never heard": "jamais entendu",
        "not heard up to": "pas entendu jusqu'à",
        "silent since": "muet depuis",
        "offline since": "hors ligne depuis",
        "is behind": "en retard",
        "a state without a time of its own": "état sans heure propre",
        "late: measured": "en retard : mesuré à",
        "rule removed": "règle supprimée",
        "moved to another zone": "déplacé dans une autre zone",
        "decided again": "de nouveau évalués",
        "the sums close again": "les sommes concordent à nouveau",
        "messages of": "messages de",
        "messages": "messages",
        "breaches": "infractions",
        "run": "exécution",
        "stored": "enregistrés",
        "duplicate": "en double",
        "ignored": "ignorés",
        "quarantined": "en quarantaine",
        "opened": "ouverts",
        "attached": "rattachés",
        "suppressed": "supprimés",
        "overtaken": "dépassés",
        "delivered": "remis",
        "waiting": "en attente",
        "given up": "abandonnés",
        "missing": "manquants",
    },
}

CHANNELS: dict[str, Three] = {
    "sms": ("SMS", "SMS", "SMS"),
    "voice": ("voice", "Telefon", "téléphone"),
    "desktop": ("desk", "Leitplatz", "poste"),
    "email": ("e-mail", "E-Mail", "e-mail"),
    "page": ("link", "Link", "lien"),
}

#: Why somebody is asked or not, as `workflows.nearest` and `workflows.duty` say it, and in the other languages.
REASONS: tuple[Three, ...] = (
    ("on duty until {}", "im Dienst bis {}", "de service jusqu'à {}"),
    ("off duty until {}", "nicht im Dienst bis {}", "pas de service jusqu'à {}"),
    ("on duty", "im Dienst", "de service"),
    ("off duty", "nicht im Dienst", "pas de service"),
    ("no duty hours", "keine Dienstzeiten", "pas d'heures de service"),
    ("duty {}", "Dienstzeiten {}", "heures de service {}"),
    ("certified: {}", "Nachweis: {}", "certifié : {}"),
    ("lacks {}", "Nachweis fehlt: {}", "non certifié : {}"),
    ("may enter {}", "darf hinein: {}", "peut entrer : {}"),
    ("may not enter {}", "darf nicht hinein: {}", "ne peut pas entrer : {}"),
    ("by {}", "per {}", "par {}"),
    ("no address for {}", "keine Adresse für {}", "pas d'adresse pour {}"),
    ("nobody looks at his desk", "sein Leitplatz ist unbesetzt", "personne à son poste"),
    ("sent STOP", "hat STOP geschickt", "a envoyé STOP"),
    ("no way known", "kein Weg bekannt", "aucun chemin connu"),
    ("{} min on foot", "{} min zu Fuß", "{} min à pied"),
    (
        "has {} in hand, counts as {} min more",
        "hat {} in Arbeit, zählt {} min mehr",
        "en a {} en cours, compte {} min de plus",
    ),
)

_INSIDE: dict[str, Three] = {
    **CHANNELS,
    "or": ("or", "oder", "ou"),
    "Mon": ("Mon", "Mo", "lun."),
    "Tue": ("Tue", "Di", "mar."),
    "Wed": ("Wed", "Mi", "mer."),
    "Thu": ("Thu", "Do", "jeu."),
    "Fri": ("Fri", "Fr", "ven."),
    "Sat": ("Sat", "Sa", "sam."),
    "Sun": ("Sun", "So", "dim."),
}
_WORD = re.compile(rf"(?<![\w-])({'|'.join(_INSIDE)})(?![\w-])")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)")


def reason(text: str, language: str) -> str:
    """A candidate's reason in this language; one that we do not know, such as a role, as it is."""
    return phrase(text, language, REASONS)


def phrase(text: str, language: str, table: tuple[Three, ...]) -> str:
    """What another part says in English, by the first sentence of the table that fits; else as it is.

    `{}` stands for anything, in every language at the same place or, by number, at another.
    """
    number = LANGUAGES.index(language)
    for pattern, three in _patterns(table) if number else ():
        if found := pattern.fullmatch(text):
            inside = (_WORD.sub(lambda one: _INSIDE[one[0]][number], part) for part in found.groups())
            return three[number].format(*(phrase(part, language, table) for part in inside))
    return text


def note(text: str, language: str, zone: ZoneInfo) -> str:
    """The note of a breach in this language, its instants as the time of day in this zone."""
    if theirs := NOTES[language]:
        text = _known(language).sub(lambda found: theirs[found[0]], text)
    if language == "fr":
        text = re.sub(r"(?<=\S): ", " : ", text)
    return _ISO.sub(lambda found: datetime.fromisoformat(found[0]).astimezone(zone).strftime("%H:%M"), text)


@cache
def _known(language: str) -> re.Pattern[str]:
    """Whole words, the longest first; not those inside the name of a sensor."""
    words = sorted(NOTES[language], key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, words))})(?![\w-])")


@cache
def _patterns(table: tuple[Three, ...]) -> list[tuple[re.Pattern[str], Three]]:
    return [(re.compile(re.escape(three[0]).replace(r"\{\}", "(.+)"), re.DOTALL), three) for three in table]
