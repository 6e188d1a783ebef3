"""Every sentence of the desk: a name, and the sentence in English, German and French.

To add one is to add a line; a language or a {placeholder} that is missing fails a test.
"""

from vorab.model import Priority, Purpose
from vorab.words import Three

#: What the pages and their scripts say.
PAGES: dict[str, Three] = {
    "title": ("Vorab", "Vorab", "Vorab"),
    "language": ("Language", "Sprache", "Langue"),
    "sign_in": ("Sign in", "Anmelden", "Se connecter"),
    "name": ("Name", "Name", "Nom"),
    "secret": ("Secret", "Kennwort", "Mot de passe"),
    "secret_hint": (
        "Printed when this site was started for the first time.",
        "Beim ersten Start dieser Anlage ausgegeben.",
        "Affiché au premier démarrage de ce site.",
    ),
    "wrong": (
        "That is not it. Name and secret are the ones printed at the first start.",
        "Das stimmt nicht. Es gelten Name und Kennwort, die beim ersten Start ausgegeben wurden.",
        "Ce n'est pas cela. Le nom et le mot de passe sont ceux affichés au premier démarrage.",
    ),
    "too_often": (
        "Too many tries at once. Again in a second.",
        "Zu viele Versuche auf einmal. In einer Sekunde wieder.",
        "Trop d'essais à la fois. Réessayez dans une seconde.",
    ),
    "sign_out": ("Sign out", "Abmelden", "Se déconnecter"),
    "desk": ("Desk", "Leitstelle", "Poste"),
    "demo": ("Simulator", "Simulator", "Simulateur"),
    "phones": ("Phones", "Telefone", "Téléphones"),
    "open": ("Open", "Offen", "En cours"),
    "resolved": (
        "Resolved in the last 24 hours",
        "Erledigt in den letzten 24 Stunden",
        "Résolus ces dernières 24 heures",
    ),
    "quiet": ("All quiet. Nothing is open.", "Alles ruhig. Nichts ist offen.", "Tout est calme. Rien n'est en cours."),
    "quiet_more": (
        "New incidents appear here by themselves.",
        "Neue Vorfälle erscheinen hier von selbst.",
        "Les nouveaux incidents apparaissent ici d'eux-mêmes.",
    ),
    "nothing_resolved": ("None.", "Keine.", "Aucun."),
    "pick": (
        "Pick an incident to see its thread.",
        "Einen Vorfall wählen, um seinen Verlauf zu sehen.",
        "Choisissez un incident pour voir son déroulement.",
    ),
    "since": ("since", "seit", "depuis"),
    "take": ("Take", "Übernehmen", "Prendre"),
    "done": ("Done", "Erledigt", "Terminé"),
    "as": ("as", "als", "pour"),
    "myself": ("the desk", "die Leitstelle", "le poste"),
    "sending": ("Sending …", "Wird gesendet …", "Envoi …"),
    "not_applied": (
        "Stored, but not applied yet. It will be.",
        "Gespeichert, aber noch nicht ausgeführt. Das kommt noch.",
        "Enregistré, mais pas encore appliqué. Cela viendra.",
    ),
    "refused": ("That did not work: {reason}", "Das ging nicht: {reason}", "Cela n'a pas marché : {reason}"),
    "cause": ("Cause", "Ursache", "Cause"),
    "consequence": ("If nobody goes", "Wenn niemand geht", "Si personne n'y va"),
    "action": ("What to do", "Was zu tun ist", "Que faire"),
    "note": ("Not certain", "Nicht sicher", "Pas certain"),
    "code": ("Code", "Code", "Code"),
    "messages": ("Messages", "Nachrichten", "Messages"),
    "no_messages": (
        "Nobody has been told yet.",
        "Noch hat niemand davon gehört.",
        "Personne n'a encore été averti.",
    ),
    "lost": ("No link to the server", "Keine Verbindung zum Server", "Pas de liaison avec le serveur"),
    "lost_more": (
        "What you see may be old. Trying to reach it again …",
        "Was hier steht, kann veraltet sein. Neuer Versuch läuft …",
        "Ce que vous voyez est peut-être périmé. Nouvel essai …",
    ),
    "live": ("live", "live", "en direct"),
    "going_out": ("What just went out", "Was gerade hinausging", "Ce qui vient de partir"),
    "nothing_out": (
        "Press a button: the device's MQTT message appears here, as it was published.",
        "Eine Taste drücken: hier erscheint die MQTT-Nachricht des Geräts, so wie sie veröffentlicht wurde.",
        "Appuyez sur un bouton : le message MQTT de l'appareil apparaît ici, tel qu'il a été publié.",
    ),
    "retained": ("retained", "behalten", "conservé"),
    "simulated": (
        "Each button makes a simulated device publish over MQTT exactly what a real one publishes.",
        "Jede Taste lässt ein simuliertes Gerät über MQTT genau das veröffentlichen, was ein echtes veröffentlicht.",
        "Chaque bouton fait publier par MQTT à un appareil simulé exactement ce qu'un vrai publie.",
    ),
    "shortcuts": (
        "j k next · t take · d done",
        "j k weiter · t übernehmen · d erledigt",
        "j k suivant · t prendre · d terminé",
    ),
}

#: What stands in an incident's line and in its thread.
SAID: dict[str, Three] = {
    # where it stands
    "resolved_by": ("resolved by {who}", "erledigt von {who}", "résolu par {who}"),
    "healed": ("healed by itself", "von selbst vorbei", "rentré dans l'ordre"),
    "goes": ("{who} goes", "{who} geht hin", "{who} y va"),
    "go": ("{who} go", "{who} gehen hin", "{who} y vont"),
    "still_broken": ("still broken", "noch nicht behoben", "toujours pas réglé"),
    "over": ("it is over: done?", "es ist vorbei: erledigt?", "c'est passé : terminé ?"),
    "missing": ("nobody of {roles} yet", "noch niemand von {roles}", "encore personne de {roles}"),
    "help_wanted": ("one more is wanted", "noch jemand wird gebraucht", "il faut une personne de plus"),
    "asked": ("asked {who}, no answer yet", "{who} gefragt, noch keine Antwort", "{who} : pas encore de réponse"),
    "looking": ("looking for somebody", "jemand wird gesucht", "on cherche quelqu'un"),
    "nobody": (
        "nobody can be reached, asking again",
        "niemand ist erreichbar, es wird wieder gefragt",
        "personne n'est joignable, nouvel essai",
    ),
    "no_ladder": (
        "nobody is to be asked: no ladder",
        "niemand ist vorgesehen: keine Rufkette",
        "personne n'est prévu : pas d'escalade",
    ),
    # what happened
    "lasting": ("{what} for {span}", "{what} seit {span}", "{what} depuis {span}"),
    "level": ("Now {priority}", "Jetzt {priority}", "Maintenant {priority}"),
    "cleared": ("Cleared", "Vorbei", "Passé"),
    "limit": ("limit {limit}", "Grenze {limit}", "limite {limit}"),
    "without": ("{what} without {absent}", "{what} ohne {absent}", "{what} sans {absent}"),
    "silent": ("sensor silent", "Sensor stumm", "capteur muet"),
    "nearest": (
        "Nearest who can go: {who}",
        "Am nächsten und geeignet: {who}",
        "Les plus proches qui peuvent y aller : {who}",
    ),
    "on_foot": ("{who} ({span} on foot)", "{who} ({span} zu Fuß)", "{who} ({span} à pied)"),
    "none_of": (
        "Nobody of {count} can go now",
        "Niemand von {count} kann jetzt gehen",
        "Aucun des {count} ne peut y aller maintenant",
    ),
    "no_role": ("Nobody has this role", "Niemand hat diese Rolle", "Personne n'a ce rôle"),
    "why_him": ("{mark} {who}: {reasons}", "{mark} {who}: {reasons}", "{mark} {who} : {reasons}"),
    "no_reason": ("no reason given", "kein Grund genannt", "sans motif"),
    "reminder": (
        "Time to look after it: done, still broken, or forgotten?",
        "Zeit nachzusehen: erledigt, noch nicht behoben oder vergessen?",
        "Il est temps de vérifier : terminé, pas réglé ou oublié ?",
    ),
    "undelivered": (
        "{channel} did not reach {who}: {reason}",
        "{channel} hat {who} nicht erreicht: {reason}",
        "{channel} n'a pas atteint {who} : {reason}",
    ),
    "follow_up": (
        "Time to ask the customer whether it was good",
        "Zeit, den Kunden zu fragen, ob es gut war",
        "Il est temps de demander au client si c'était bien",
    ),
    "talked": (
        "{who} spoke over the loudspeaker of {place} for {span}",
        "{who} sprach {span} über den Lautsprecher: {place}",
        "{who} a parlé {span} au haut-parleur : {place}",
    ),
    "rated": ("{who} says: {score} of 5", "{who} sagt: {score} von 5", "{who} dit : {score} sur 5"),
    "taken": ("{who} goes", "{who} geht hin", "{who} y va"),
    "declined": ("{who} cannot go", "{who} kann nicht", "{who} ne peut pas y aller"),
    "arrived": ("{who} is there", "{who} ist da", "{who} est sur place"),
    "done": ("{who}: done", "{who}: erledigt", "{who} : terminé"),
    "help": ("{who} needs help", "{who} braucht Hilfe", "{who} a besoin d'aide"),
    "why": ("{who} asks why", "{who} fragt, warum", "{who} demande pourquoi"),
    "stop": ("{who} wants no more messages", "{who} will keine Nachrichten mehr", "{who} ne veut plus de messages"),
    "start": ("{who} wants messages again", "{who} will wieder Nachrichten", "{who} veut de nouveau des messages"),
    "by": ("{what}, by {channel}", "{what}, per {channel}", "{what}, par {channel}"),
    "and": ("{who} and {last}", "{who} und {last}", "{who} et {last}"),
    "because": ("{what}: {reason}", "{what}: {reason}", "{what} : {reason}"),
    "sent_twice": (
        "{what}, sent twice because the provider's answer was lost",
        "{what}, zweimal gesendet, weil die Antwort des Anbieters verloren ging",
        "{what}, envoyé deux fois car la réponse du fournisseur s'est perdue",
    ),
    "desk": ("Desk", "Leitstelle", "Poste central"),
}

PRIORITIES: dict[Priority, Three] = {
    Priority.LIFE_SAFETY: ("Life safety", "Lebensgefahr", "Danger de mort"),
    Priority.HIGH: ("High", "Hoch", "Urgent"),
    Priority.MEDIUM: ("Medium", "Mittel", "Moyen"),
    Priority.LOW: ("Low", "Niedrig", "Faible"),
}

PURPOSES: dict[Purpose, Three] = {
    Purpose.REQUEST: ("asked to go", "gebeten hinzugehen", "invité à y aller"),
    Purpose.TAKEN: ("told who goes", "erfuhr, wer geht", "averti de qui y va"),
    Purpose.THANKS: ("thanked", "bekam Dank", "remercié"),
    Purpose.HEALED: ("told that it is over", "erfuhr, dass es vorbei ist", "averti que c'est passé"),
    Purpose.DONE: ("told that it is done", "erfuhr, dass es erledigt ist", "averti que c'est terminé"),
    Purpose.REMIND: ("reminded", "erinnert", "relancé"),
    Purpose.WHY: ("told why", "erfuhr, warum", "informé du pourquoi"),
    Purpose.COMING: ("told that somebody comes", "erfuhr, dass jemand kommt", "averti que quelqu'un vient"),
    Purpose.DELAYED: ("told that it takes longer", "erfuhr, dass es länger dauert", "averti d'un retard"),
    Purpose.SOLVED: ("told that it is solved", "erfuhr, dass es gelöst ist", "averti que c'est résolu"),
    Purpose.RATE: ("asked whether it was good", "gefragt, ob es gut war", "interrogé : était-ce bien ?"),
}

RECEIPTS: dict[str, Three] = {
    "ready": ("waiting", "wartet", "en attente"),
    "sending": ("being sent", "wird gesendet", "en cours d'envoi"),
    "sent": ("with the provider", "beim Anbieter", "chez le fournisseur"),
    "delivered": ("delivered", "zugestellt", "remis"),
    "failed": ("not delivered", "nicht zugestellt", "non remis"),
    "unknown": (
        "outcome unknown, asking the provider",
        "Ausgang unbekannt, der Anbieter wird gefragt",
        "issue inconnue, on demande au fournisseur",
    ),
    "withdrawn": ("withdrawn", "zurückgezogen", "retiré"),
}

#: Incidents of our own making, whose rule no operator has written.
OURS: dict[str, Three] = {
    "vorab-balance": ("The sums do not close", "Die Summen gehen nicht auf", "Les sommes ne concordent pas"),
}
