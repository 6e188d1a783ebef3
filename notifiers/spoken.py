"""What is said on the telephone besides the alarm itself, in each of LANGUAGES."""

from vorab.words import LANGUAGES, Three

#: As Twilio's voices are chosen (BCP 47).
VOICES = dict(zip(LANGUAGES, ("en-GB", "de-DE", "fr-FR"), strict=True))

#: By the NAME of the recording recordings/LANGUAGE/call-NAME.wav that may be played instead; what has a gap is spoken.
SENTENCES: dict[str, Three] = {
    "keys": (
        "Press 1 if you go. Press 2 if you cannot. Press 3 to hear it again. Press 9 for help.",
        "Drücken Sie die 1, wenn Sie gehen. Die 2, wenn Sie nicht können. Die 3, um es noch einmal zu hören. "
        "Die 9 für Hilfe.",
        "Tapez 1 si vous y allez. Tapez 2 si vous ne pouvez pas. Tapez 3 pour réécouter. Tapez 9 pour de l'aide.",
    ),
    "yours": ("Thank you. It is yours.", "Danke. Sie übernehmen es.", "Merci. Vous vous en chargez."),
    "already": (
        "You have already said that you go.",
        "Sie haben schon gesagt, dass Sie gehen.",
        "Vous avez déjà dit que vous y allez.",
    ),
    "way": ("The way: {names}.", "Der Weg: {names}.", "Le chemin : {names}."),
    "minute": ("One minute on foot.", "Eine Minute zu Fuß.", "Une minute à pied."),
    "minutes": ("{minutes} minutes on foot.", "{minutes} Minuten zu Fuß.", "{minutes} minutes à pied."),
    "action": ("What to do: {action}.", "Was zu tun ist: {action}.", "Ce qu'il faut faire : {action}."),
    "declined": (
        "Noted: you cannot. Others are asked.",
        "Notiert: Sie können nicht. Andere werden gefragt.",
        "C'est noté : vous ne pouvez pas. D'autres sont appelés.",
    ),
    "wrong": (
        "This key means nothing here.",
        "Diese Taste bedeutet hier nichts.",
        "Cette touche ne correspond à rien ici.",
    ),
    "why": (
        "You are called because: {reasons}.",
        "Sie werden angerufen, weil: {reasons}.",
        "Vous êtes appelé parce que : {reasons}.",
    ),
    "goes": ("{name} goes.", "{name} geht.", "{name} y va."),
    "over": ("It is over.", "Es ist vorbei.", "C'est terminé."),
    "nothing": ("There is nothing to do for you.", "Für Sie ist nichts zu tun.", "Vous n'avez rien à faire."),
    "silent": (
        "No key was pressed. Others are asked.",
        "Es wurde keine Taste gedrückt. Andere werden gefragt.",
        "Aucune touche n'a été pressée. D'autres sont appelés.",
    ),
    "unknown": (
        "This alarm is no longer known.",
        "Dieser Alarm ist nicht mehr bekannt.",
        "Cette alarme n'est plus connue.",
    ),
    "moment": ("One moment, please.", "Einen Moment, bitte.", "Un instant, s'il vous plaît."),
    "away": (
        "This cannot be done now: nothing was noted. Answer by text message, or call the control room.",
        "Das geht jetzt nicht: Es wurde nichts notiert. Antworten Sie per SMS oder rufen Sie die Leitstelle an.",
        "C'est impossible pour l'instant : rien n'a été noté. Répondez par SMS ou appelez le poste central.",
    ),
    "bye": ("Goodbye.", "Auf Wiederhören.", "Au revoir."),
}


def sentence(name: str, language: str, /, **gaps: str) -> str:
    """The sentence in this language, its gaps filled."""
    return SENTENCES[name][LANGUAGES.index(language)].format(**gaps)


def named(line: str) -> tuple[str, str]:
    """Of a line of a text, `[name] sentence`: the name of its recording and the sentence; "" = it names none."""
    name, bracket, text = line.removeprefix("[").partition("]")
    return (name.replace("/", "-"), text.strip()) if line.startswith("[") and bracket else ("", line)


def plain(text: str) -> str:
    """A text for a call as one reads it: without the names of its recordings."""
    return "\n".join(named(line)[1] for line in text.splitlines())
