"""Every sentence of the pages behind the links in messages, in English, German and French.

To add one is to add a line; a language or a {placeholder} that is missing fails a test.
"""

from vorab.words import Three

FOR_ALL: dict[str, Three] = {
    "since": ("since {time}", "seit {time}", "depuis {time}"),
    "sending": ("Sending …", "Wird gesendet …", "Envoi …"),
    "again": ("Show the newest", "Neuesten Stand zeigen", "Afficher l'état actuel"),
    "picture": ("The place at {time}", "Der Ort um {time}", "Le lieu à {time}"),
}

FOR_TECHNICIANS: dict[str, Three] = {
    # where it stands for the reader
    "asked": ("Can you go?", "Können Sie hingehen?", "Pouvez-vous y aller ?"),
    "needed": (
        "Who goes: {names}. You are still needed.",
        "Wer geht: {names}. Sie fehlen noch.",
        "Qui y va : {names}. On a encore besoin de vous.",
    ),
    "yours": ("It is yours. Thank you.", "Sie haben es. Danke.", "C'est à vous. Merci."),
    "there": ("You are there. Thank you.", "Sie sind da. Danke.", "Vous êtes sur place. Merci."),
    "help_called": ("One more is being called.", "Noch jemand wird gerufen.", "On appelle quelqu'un d'autre."),
    "over_by_itself": (
        "It is over by itself. Say done when you have seen to it.",
        "Es ist von selbst vorbei. Sagen Sie erledigt, wenn Sie nachgesehen haben.",
        "C'est rentré dans l'ordre. Dites terminé quand vous aurez vérifié.",
    ),
    "still_so": (
        "Done was said, but it is still so.",
        "Erledigt wurde gesagt, aber es ist noch so.",
        "« Terminé » a été dit, mais cela dure encore.",
    ),
    "declined": (
        "You said that you cannot.",
        "Sie haben gesagt, dass Sie nicht können.",
        "Vous avez dit ne pas pouvoir.",
    ),
    "others_go": (
        "Who goes: {names}. Nothing to do for you.",
        "Wer geht: {names}. Für Sie ist nichts zu tun.",
        "Qui y va : {names}. Rien à faire pour vous.",
    ),
    "over": (
        "Over since {time}. Nothing to do.",
        "Vorbei seit {time}. Nichts zu tun.",
        "Terminé à {time}. Rien à faire.",
    ),
    # what he may say
    "taken": ("On my way", "Ich gehe hin", "J'y vais"),
    "arrived": ("Arrived", "Ich bin da", "Sur place"),
    "done": ("Done", "Erledigt", "Terminé"),
    "help": ("Need help", "Brauche Hilfe", "Besoin d'aide"),
    "cannot": ("Cannot", "Kann nicht", "Impossible"),
    "cannot_after_all": ("Cannot after all", "Kann doch nicht", "Finalement impossible"),
    # what he reads
    "do": ("What to do", "Was zu tun ist", "À faire"),
    "cause": ("Possible cause", "Mögliche Ursache", "Cause possible"),
    "consequence": ("If nothing is done", "Wenn nichts geschieht", "Si rien n'est fait"),
    "who": ("Who goes", "Wer geht", "Qui y va"),
    "nobody": ("nobody yet", "noch niemand", "personne encore"),
    "goes": ("{name}, on the way", "{name}, unterwegs", "{name}, en route"),
    "is_there": ("{name}, there", "{name}, vor Ort", "{name}, sur place"),
    "missing": ("still needed: {roles}", "noch gebraucht: {roles}", "encore nécessaire : {roles}"),
    "plan": ("Floor plan", "Grundriss", "Plan"),
    "code": (
        "No network? Text {code} = I go, {code} here, {code} done, {code} help.",
        "Kein Netz? SMS {code} = ich gehe, {code} da, {code} fertig, {code} Hilfe.",
        "Pas de réseau ? SMS {code} = j'y vais, {code} sur place, {code} fini, {code} aide.",
    ),
    "not_applied": (
        "Stored, but not confirmed yet. If it stays so, send {code} as a text message.",
        "Gespeichert, aber noch nicht bestätigt. Bleibt es so, {code} als SMS senden.",
        "Enregistré, mais pas encore confirmé. Si cela dure, envoyez {code} par SMS.",
    ),
}

FOR_CUSTOMERS: dict[str, Three] = {
    "on_it": ("We are on it.", "Wir kümmern uns darum.", "Nous nous en occupons."),
    "coming": ("A technician is on the way.", "Ein Techniker ist unterwegs.", "Un technicien est en route."),
    "at": ("There at about {time}.", "Etwa um {time} da.", "Sur place vers {time}."),
    "there": ("The technician is there.", "Der Techniker ist da.", "Le technicien est sur place."),
    "solved": ("It is solved.", "Es ist behoben.", "C'est résolu."),
    "solved_at": (
        "At {time}. Thank you for your patience.",
        "Um {time}. Danke für Ihre Geduld.",
        "À {time}. Merci de votre patience.",
    ),
    "nothing_to_do": ("You need do nothing.", "Sie müssen nichts tun.", "Vous n'avez rien à faire."),
    "question": ("Was that good?", "War das gut?", "La solution vous convient-elle ?"),
    "no": ("no", "nein", "non"),
    "very": ("very", "sehr", "très"),
    "thanks": (
        "You answered {score} of 5. Thank you.",
        "Sie haben {score} von 5 geantwortet. Danke.",
        "Vous avez répondu {score} sur 5. Merci.",
    ),
    "not_applied": (
        "Stored, but not confirmed yet. Please look again in a minute.",
        "Gespeichert, aber noch nicht bestätigt. Bitte in einer Minute noch einmal nachsehen.",
        "Enregistré, mais pas encore confirmé. Revenez dans une minute.",
    ),
}

#: For whoever comes with an address that leads nowhere; we do not know who it is, and he reads all three.
GONE: Three = (
    "This link leads nowhere any more. If you were asked to come, answer the message itself.",
    "Dieser Link führt nirgends mehr hin. Wenn Sie gerufen wurden, antworten Sie auf die Nachricht selbst.",
    "Ce lien ne mène plus nulle part. Si l'on vous a appelé, répondez au message lui-même.",
)
