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
    "stories": ("What happens today?", "Was passiert heute?", "Que se passe-t-il aujourd'hui ?"),
    "one_by_one": ("Device by device", "Gerät für Gerät", "Appareil par appareil"),
    "simulated": (
        "Each button makes a simulated device publish over MQTT exactly what a real one publishes.",
        "Jede Taste lässt ein simuliertes Gerät über MQTT genau das veröffentlichen, was ein echtes veröffentlicht.",
        "Chaque bouton fait publier par MQTT à un appareil simulé exactement ce qu'un vrai publie.",
    ),
    "shortcuts": (
        "j k next · t take · d done · s silence · space talk · ? keys",
        "j k weiter · t übernehmen · d erledigt · s Ton aus · Leertaste sprechen · ? Tasten",
        "j k suivant · t prendre · d terminé · s couper le son · espace parler · ? touches",
    ),
    "incident": ("Incident", "Vorfall", "Incident"),
    "more": (
        "And {count} more of lower urgency.",
        "Und {count} weitere, weniger dringend.",
        "Et {count} autres, moins urgents.",
    ),
    # the shift
    "shift": ("Shift", "Schicht", "Service"),
    "which_desk": ("Desk", "Platz", "Poste"),
    "shift_start": ("Start shift", "Schicht beginnen", "Prendre le service"),
    "shift_test": ("Test tone", "Probeton", "Son d'essai"),
    "shift_end": ("End shift", "Schicht beenden", "Quitter le service"),
    "no_shift": (
        "No shift on this page: it shows everything, but takes nothing over and makes no sound.",
        "Keine Schicht auf dieser Seite: sie zeigt alles, drängt sich aber nicht vor und gibt keinen Ton.",
        "Pas de service sur cette page : elle montre tout, mais ne prend pas l'écran et ne sonne pas.",
    ),
    "no_desk": (
        "This site names no desk: this page shows everything and stays silent.",
        "Diese Anlage nennt keine Leitstelle: diese Seite zeigt alles und bleibt still.",
        "Ce site ne nomme aucun poste : cette page montre tout et reste muette.",
    ),
    "shift_on": (
        "Shift at {desk} since {time}.",
        "Schicht an {desk} seit {time}.",
        "En service à {desk} depuis {time}.",
    ),
    "shift_unheard": (
        "The server does not hear this page: nobody is asked here.",
        "Der Server hört diese Seite nicht: hier wird niemand gefragt.",
        "Le serveur n'entend pas cette page : personne n'est sollicité ici.",
    ),
    "sound_off": (
        "This browser makes no sound: press Test tone.",
        "Dieser Browser gibt keinen Ton: Probeton drücken.",
        "Ce navigateur n'émet aucun son : appuyez sur Son d'essai.",
    ),
    "not_notified": (
        "No system notifications: the browser does not allow them.",
        "Keine Systemmeldungen: der Browser erlaubt sie nicht.",
        "Pas de notifications du système : le navigateur ne les permet pas.",
    ),
    "signed_out": ("Your session has ended", "Ihre Sitzung ist zu Ende", "Votre session est terminée"),
    "signed_out_more": (
        "This page hears nothing any more, and nobody is asked here.",
        "Diese Seite hört nichts mehr, und hier wird niemand gefragt.",
        "Cette page n'entend plus rien, et personne n'est sollicité ici.",
    ),
    # an alarm
    "alarm": ("Alarm", "Alarm", "Alarme"),
    "alarm_of": ("alarm {number} of {count}", "Alarm {number} von {count}", "alarme {number} sur {count}"),
    "next_alarm": ("Next", "Nächster", "Suivante"),
    "to_list": ("List", "Liste", "Liste"),
    "to_alarm": ("Alarm", "Alarm", "Alarme"),
    "silence": ("Silence", "Ton aus", "Couper le son"),
    "silenced": ("Silenced", "Ton ist aus", "Son coupé"),
    "there_since": ("there since {time}", "da seit {time}", "sur place depuis {time}"),
    "goes_since": ("goes ({time})", "geht hin ({time})", "y va ({time})"),
    "nobody_yet": ("nobody yet", "noch niemand", "encore personne"),
    # its place
    "plan_of": ("Floor plan: {place}", "Grundriss: {place}", "Plan de l'étage : {place}"),
    "camera_of": ("Camera: {place}", "Kamera: {place}", "Caméra : {place}"),
    "camera_waits": ("The camera is being asked …", "Die Kamera wird gefragt …", "On interroge la caméra …"),
    "camera_dead": ("No picture: {reason}", "Kein Bild: {reason}", "Pas d'image : {reason}"),
    "camera_old": (
        "stands still for {seconds} s",
        "steht still seit {seconds} s",
        "figée depuis {seconds} s",
    ),
    "camera_ended": ("the camera has stopped", "die Kamera hat aufgehört", "la caméra s'est arrêtée"),
    "found_picture": ("When it was found", "Als es bemerkt wurde", "Lors de la découverte"),
    "found_at": ("When it was found, {time}", "Als es bemerkt wurde, {time}", "Lors de la découverte, {time}"),
    "found_waits": (
        "The picture of when it was found is being fetched.",
        "Das Bild vom Augenblick der Entdeckung wird geholt.",
        "L'image de la découverte est en cours de chargement.",
    ),
    "found_none": (
        "No picture of when it was found: {reason}",
        "Kein Bild vom Augenblick der Entdeckung: {reason}",
        "Pas d'image de la découverte : {reason}",
    ),
    # its loudspeaker
    "talk": ("Talk", "Sprechen", "Parler"),
    "push": ("Hold to talk (space)", "Zum Sprechen halten (Leertaste)", "Maintenir pour parler (espace)"),
    "push_held": ("You are heard …", "Sie werden gehört …", "On vous entend …"),
    "hang_up": ("Hang up", "Auflegen", "Raccrocher"),
    "talk_opening": (
        "Opening the loudspeaker: {place} …",
        "Der Lautsprecher wird geöffnet: {place} …",
        "Ouverture du haut-parleur : {place} …",
    ),
    "talk_open": (
        "{place}: you hear the place. You are heard there only while you hold the button.",
        "{place}: Sie hören, was dort geschieht. Gehört werden Sie nur, solange Sie die Taste halten.",
        "{place} : vous entendez le lieu. On ne vous y entend que tant que vous maintenez le bouton.",
    ),
    "talk_heard": (
        "{place}: you are heard there now by everybody.",
        "{place}: alle dort hören Sie jetzt.",
        "{place} : tout le monde vous y entend maintenant.",
    ),
    "talk_refused": ("No talk now: {reason}", "Jetzt kein Gespräch: {reason}", "Pas de liaison : {reason}"),
    "talk_ended": (
        "The line has ended: {reason}",
        "Die Verbindung ist zu Ende: {reason}",
        "Liaison terminée : {reason}",
    ),
    "talk_lost": (
        "The line has broken. Press Talk to open it again.",
        "Die Verbindung ist abgebrochen. Mit Sprechen neu öffnen.",
        "La liaison est coupée. Appuyez sur Parler pour la rouvrir.",
    ),
    "microphone_refused": (
        "this browser may not use the microphone. Allow it beside the address, then press Talk again.",
        "dieser Browser darf das Mikrofon nicht benutzen. Neben der Adresse erlauben, dann wieder Sprechen drücken.",
        "ce navigateur n'a pas droit au micro. Autorisez-le près de l'adresse, puis appuyez de nouveau sur Parler.",
    ),
    "microphone_missing": (
        "no microphone is connected.",
        "kein Mikrofon ist angeschlossen.",
        "aucun micro n'est branché.",
    ),
    "microphone_https": (
        "a browser gives the microphone to https pages only.",
        "ein Browser gibt das Mikrofon nur https-Seiten.",
        "un navigateur ne donne le micro qu'aux pages https.",
    ),
    # the keys
    "keys": ("Keys", "Tasten", "Touches"),
    "key_move": ("next, previous", "weiter, zurück", "suivant, précédent"),
    "key_take": ("take", "übernehmen", "prendre"),
    "key_done": ("done", "erledigt", "terminé"),
    "key_silence": (
        "silence; nobody has taken it by that",
        "Ton aus; übernommen ist damit nichts",
        "couper le son ; rien n'est pris pour autant",
    ),
    "key_next": ("next alarm", "nächster Alarm", "alarme suivante"),
    "key_list": (
        "the list, or back to the alarm",
        "zur Liste, oder zurück zum Alarm",
        "la liste, ou retour à l'alarme",
    ),
    "key_talk": (
        "open the loudspeaker, then hold to talk",
        "Lautsprecher öffnen, dann zum Sprechen halten",
        "ouvrir le haut-parleur, puis maintenir pour parler",
    ),
    "key_keys": ("these keys", "diese Tasten", "ces touches"),
    "space": ("space", "Leertaste", "espace"),
    "close": ("Close", "Schließen", "Fermer"),
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
    Priority.LIFE_SAFETY: ("Life safety", "Lebensgefahr", "Danger vital"),
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

#: What other parts of Vorab say in English and the desk shows; `{}` is anything.
PHRASES: tuple[Three, ...] = (
    # what the API refuses
    ("no such incident", "diesen Vorfall gibt es nicht", "cet incident n'existe pas"),
    (
        "no such device or button",
        "dieses Gerät oder diese Taste gibt es nicht",
        "cet appareil ou ce bouton n'existe pas",
    ),
    ("no such file", "diese Datei gibt es nicht", "ce fichier n'existe pas"),
    ("no such recording", "diese Aufnahme gibt es nicht", "cet enregistrement n'existe pas"),
    ("no plan of this floor", "kein Plan dieser Etage", "pas de plan de cet étage"),
    ("no picture was taken", "es wurde kein Bild aufgenommen", "aucune image n'a été prise"),
    ("no camera here", "hier ist keine Kamera", "pas de caméra ici"),
    ("no loudspeaker here", "hier ist kein Lautsprecher", "pas de haut-parleur ici"),
    ("too many tries at once", "zu viele Versuche auf einmal", "trop d'essais à la fois"),
    ("wrong name or secret", "Name oder Kennwort falsch", "nom ou mot de passe incorrect"),
    ("sign in first, as {}", "zuerst anmelden, als {}", "connectez-vous d'abord, comme {}"),
    (
        "a write must come from a page of this console",
        "nur eine Seite dieser Leitstelle darf etwas ändern",
        "seule une page de ce poste peut modifier",
    ),
    (
        "only application/json is read here",
        "hier wird nur application/json gelesen",
        "seul application/json est lu ici",
    ),
    (
        "person: nobody of this name in the directory can be sent",
        "person: niemand dieses Namens im Verzeichnis kann geschickt werden",
        "person : personne de ce nom dans l'annuaire ne peut être envoyé",
    ),
    (
        "desk: nobody in the directory has a desk of this name",
        "desk: niemand im Verzeichnis hat einen Leitplatz dieses Namens",
        "desk : personne dans l'annuaire n'a de poste de ce nom",
    ),
    ("not an answer of this page", "keine Antwort dieser Seite", "pas une réponse de cette page"),
    ("the store does not answer: {}", "der Speicher antwortet nicht: {}", "la base ne répond pas : {}"),
    # why a message did not arrive
    ("expired before it could be sent", "abgelaufen, bevor sie gesendet werden konnte", "expiré avant l'envoi"),
    ("expired", "abgelaufen", "expiré"),
    ("the incident moved on", "der Vorfall ist weiter", "l'incident a évolué"),
    (
        "no answer from the process that sent it",
        "keine Antwort von dem Prozess, der sie sandte",
        "pas de réponse du processus qui l'a envoyé",
    ),
    ("no delivery report in {} s", "kein Zustellbericht in {} s", "pas d'accusé de remise en {} s"),
    (
        "{}, and the provider cannot be asked",
        "{}, und der Anbieter kann nicht gefragt werden",
        "{}, et le fournisseur ne peut être interrogé",
    ),
    ("not at the provider: {}", "nicht beim Anbieter: {}", "pas chez le fournisseur : {}"),
    ("outcome unknown: {}", "Ausgang unbekannt: {}", "issue inconnue : {}"),
    ("the provider asks to wait", "der Anbieter bittet zu warten", "le fournisseur demande d'attendre"),
    ("{} is not in the directory", "{} steht nicht im Verzeichnis", "{} n'est pas dans l'annuaire"),
    ("this site has no channel {}", "diese Anlage hat keinen Kanal {}", "ce site n'a pas de canal {}"),
    ("no address for {}", "keine Adresse für {}", "pas d'adresse pour {}"),
    ("sent STOP", "hat STOP geschickt", "a envoyé STOP"),
    (
        "the limit of messages to this person is reached",
        "die Höchstzahl der Nachrichten an diese Person ist erreicht",
        "le nombre maximal de messages à cette personne est atteint",
    ),
    ("the account SID or the auth token is wrong", "Konto oder Schlüssel falsch", "compte ou clé incorrects"),
    ("no such account or message", "kein solches Konto, keine solche Nachricht", "compte ou message inexistant"),
    ("not a valid number", "keine gültige Nummer", "numéro non valable"),
    (
        "the account may not send to this country",
        "das Konto darf nicht in dieses Land senden",
        "pays interdit au compte",
    ),
    ("no text", "kein Text", "pas de texte"),
    ("too many calls at once for this account", "zu viele Anrufe zugleich", "trop d'appels à la fois"),
    ("the account may not call this country", "das Konto darf nicht in dieses Land anrufen", "pays interdit au compte"),
    ("the account may not call this number", "das Konto darf diese Nummer nicht anrufen", "numéro interdit au compte"),
    (
        "the address of our webhooks is not valid",
        "unsere Webadresse ist ungültig",
        "notre adresse web n'est pas valable",
    ),
    ("the sender is not a valid number", "der Absender ist keine gültige Nummer", "l'expéditeur n'est pas valable"),
    (
        "a trial account calls verified numbers only",
        "ein Probekonto ruft nur bestätigte Nummern an",
        "un compte d'essai n'appelle que les numéros vérifiés",
    ),
    ("the call is over", "der Anruf ist vorbei", "l'appel est terminé"),
    (
        "without a public_url nobody could answer",
        "ohne public_url könnte niemand antworten",
        "sans public_url personne ne pourrait répondre",
    ),
    (
        "the sender is not a number of this account",
        "der Absender ist keine Nummer dieses Kontos",
        "l'expéditeur n'est pas un numéro de ce compte",
    ),
    (
        "a trial account sends to verified numbers only",
        "ein Probekonto sendet nur an bestätigte Nummern",
        "un compte d'essai n'envoie qu'aux numéros vérifiés",
    ),
    ("opted out: this person wrote STOP", "abgemeldet: diese Person schrieb STOP", "désinscrit : a écrit STOP"),
    ("the sender's queue is full", "die Warteschlange des Absenders ist voll", "la file de l'expéditeur est pleine"),
    ("not reachable from this sender", "von diesem Absender nicht erreichbar", "injoignable depuis cet expéditeur"),
    ("not a mobile number", "keine Mobilnummer", "pas un numéro mobile"),
    ("the text is too long", "der Text ist zu lang", "le texte est trop long"),
    ("the account is suspended", "das Konto ist gesperrt", "le compte est suspendu"),
    (
        "the phone is switched off or out of reach",
        "das Telefon ist ausgeschaltet oder ohne Netz",
        "le téléphone est éteint ou hors réseau",
    ),
    ("blocked by the receiver", "vom Empfänger gesperrt", "bloqué par le destinataire"),
    ("no such number", "diese Nummer gibt es nicht", "ce numéro n'existe pas"),
    (
        "a landline, or out of reach for text messages",
        "ein Festnetzanschluss, oder für SMS unerreichbar",
        "une ligne fixe, ou hors d'atteinte des SMS",
    ),
    ("filtered by the carrier", "vom Netzbetreiber ausgefiltert", "filtré par l'opérateur"),
    ("the carrier gives no reason", "der Netzbetreiber nennt keinen Grund", "l'opérateur ne donne pas de motif"),
    (
        "the sender is not registered with the carriers",
        "der Absender ist bei den Netzbetreibern nicht gemeldet",
        "l'expéditeur n'est pas enregistré chez les opérateurs",
    ),
    ("not delivered before it expired", "nicht vor Ablauf zugestellt", "non remis avant expiration"),
    ("error {}", "Fehler {}", "erreur {}"),
    ("undelivered", "nicht zugestellt", "non remis"),
    ("too many requests", "zu viele Anfragen", "trop de requêtes"),
    ("no connection to {}: {}", "keine Verbindung zu {}: {}", "pas de connexion à {} : {}"),
    ("no answer from {}: {}", "keine Antwort von {}: {}", "pas de réponse de {} : {}"),
    ("busy", "besetzt", "occupé"),
    ("nobody picked up", "niemand nahm ab", "personne n'a décroché"),
    ("the call did not come through", "der Anruf kam nicht durch", "l'appel n'a pas abouti"),
    (
        "hung up before anybody picked up",
        "aufgelegt, bevor jemand abnahm",
        "raccroché avant que quelqu'un ne décroche",
    ),
    ("a machine answered", "ein Anrufbeantworter nahm ab", "un répondeur a décroché"),
    (
        "answered, but nobody pressed a key",
        "abgenommen, aber niemand drückte eine Taste",
        "décroché, mais personne n'a appuyé sur une touche",
    ),
    # why there is no picture, and no talk
    ("we were not running", "Vorab lief nicht", "Vorab était à l'arrêt"),
    ("no picture for {} s", "seit {} s kein Bild", "pas d'image depuis {} s"),
    ("the camera has ended its stream", "die Kamera hat ihr Bild beendet", "la caméra a terminé son flux"),
    ("the camera", "die Kamera", "la caméra"),
    ("the loudspeaker", "der Lautsprecher", "le haut-parleur"),
    ("there is no camera here", "hier ist keine Kamera", "il n'y a pas de caméra ici"),
    ("there is no loudspeaker here", "hier ist kein Lautsprecher", "il n'y a pas de haut-parleur ici"),
    ("the camera shows nothing within {} s", "die Kamera zeigt {} s lang nichts", "la caméra ne montre rien en {} s"),
    (
        "the camera sends no picture, or no more",
        "die Kamera sendet kein Bild (mehr)",
        "la caméra n'envoie pas (plus) d'image",
    ),
    (
        "the camera sends us to another address; write that one in the site folder",
        "die Kamera verweist auf eine andere Adresse; diese gehört in den Ordner der Anlage",
        "la caméra renvoie à une autre adresse ; écrivez celle-ci dans le dossier du site",
    ),
    (
        "{} does not let us in: look at user and password in the site folder",
        "{} lässt uns nicht ein: Benutzer und Kennwort im Ordner der Anlage prüfen",
        "{} ne nous laisse pas entrer : vérifiez utilisateur et mot de passe dans le dossier du site",
    ),
    (
        "ffmpeg is not on this machine: it is needed for cameras that speak RTSP",
        "ffmpeg fehlt auf diesem Rechner: Kameras, die RTSP sprechen, brauchen es",
        "ffmpeg manque sur cette machine : les caméras qui parlent RTSP en ont besoin",
    ),
    ("{} answers with status {}", "{} antwortet mit Status {}", "{} répond avec le statut {}"),
    ("{} answers {} with status {}", "{} antwortet auf {} mit Status {}", "{} répond à {} avec le statut {}"),
    ("{} says nothing", "{} sagt nichts", "{} ne dit rien"),
    ("{} breaks off its answer", "{} bricht die Antwort ab", "{} interrompt sa réponse"),
    ("{} accepts no connection", "{} nimmt keine Verbindung an", "{} n'accepte pas de connexion"),
    ("{} cannot be found by its name", "{} ist unter dem Namen nicht zu finden", "{} est introuvable sous son nom"),
    (
        "{} has a certificate that is not trusted here",
        "{} hat ein Zertifikat, dem hier nicht vertraut wird",
        "{} a un certificat qui n'est pas reconnu ici",
    ),
    (
        "{} cannot be reached, or the connection broke",
        "{} ist nicht zu erreichen, oder die Verbindung brach ab",
        "{} est injoignable, ou la liaison s'est rompue",
    ),
    ("{} has no audio back-channel", "{} hat keinen Rückkanal für Ton", "{} n'a pas de canal audio de retour"),
    (
        "it has no loudspeaker that can be spoken to (ONVIF back-channel with PCMU or PCMA)",
        "kein Lautsprecher, zu dem man sprechen kann (ONVIF-Rückkanal mit PCMU oder PCMA)",
        "pas de haut-parleur auquel on puisse parler (canal de retour ONVIF avec PCMU ou PCMA)",
    ),
    ("{} is talking there just now", "{} spricht dort gerade", "{} y parle en ce moment"),
    (
        "this machine cannot speak to loudspeakers: install vorab with the extra camera",
        "dieser Rechner kann nicht mit Lautsprechern sprechen: vorab mit dem Zusatz camera installieren",
        "cette machine ne peut parler aux haut-parleurs : installez vorab avec le supplément camera",
    ),
    (
        "the process that speaks to loudspeakers does not answer; it is started again",
        "der Prozess für Lautsprecher antwortet nicht; er wird neu gestartet",
        "le processus des haut-parleurs ne répond pas ; il est relancé",
    ),
    ("sdp: {}", "sdp: {}", "sdp : {}"),
    ("an offer without a microphone", "ein Angebot ohne Mikrofon", "une offre sans microphone"),
    ("no offer that can be answered ({})", "kein beantwortbares Angebot ({})", "pas d'offre à laquelle répondre ({})"),
    # mail
    (
        "the mail server does not take us ({})",
        "der Mailserver nimmt uns nicht an ({})",
        "le serveur de courrier nous refuse ({})",
    ),
    (
        "the mail server does not take messages to this address ({})",
        "der Mailserver nimmt nichts für diese Adresse an ({})",
        "le serveur de courrier refuse cette adresse ({})",
    ),
    (
        "the mail server does not take this message ({})",
        "der Mailserver nimmt diese Nachricht nicht an ({})",
        "le serveur de courrier refuse ce message ({})",
    ),
    (
        "the mail server does not answer in time",
        "der Mailserver antwortet nicht rechtzeitig",
        "le serveur de courrier tarde trop",
    ),
    (
        "the mail server cut the line",
        "der Mailserver trennte die Verbindung",
        "le serveur de courrier a coupé la liaison",
    ),
    (
        "the mail server cannot prove who it is: certificate refused",
        "der Mailserver kann sich nicht ausweisen: Zertifikat abgelehnt",
        "le serveur de courrier ne prouve pas son identité : certificat refusé",
    ),
    # the simulator
    ("open", "offen", "ouverte"),
    ("shut", "zu", "fermée"),
    ("{}.{} °C", "{},{} °C", "{},{} °C"),
    ("Opens", "Öffnet", "S'ouvre"),
    ("Shuts", "Schließt", "Se ferme"),
    ("Warms {} °C", "Wärmer um {} °C", "Plus {} °C"),
    ("Cools {} °C", "Kälter um {} °C", "Moins {} °C"),
    ("Dies", "Fällt aus", "Tombe en panne"),
    ("Comes back", "Kommt zurück", "Revient"),
    ("Badge granted", "Ausweis gültig", "Badge accepté"),
    ("Badge refused", "Ausweis ungültig", "Badge refusé"),
    ("AED is taken", "Defibrillator entnommen", "Défibrillateur pris"),
    ("AED is put back", "Defibrillator zurück", "Défibrillateur remis"),
    ("dead: its sensors are not heard", "tot: seine Sensoren schweigen", "en panne : ses capteurs se taisent"),
    ("online", "verbunden", "en ligne"),
    ("ready", "bereit", "prêt"),
    ("taken", "entnommen", "pris"),
    ("in its station", "an seinem Platz", "à sa place"),
    ("Falls silent", "Verstummt", "Se tait"),
    ("Speaks again", "Meldet sich wieder", "Reparle"),
    ("silent: nothing is heard of it", "stumm: nichts ist zu hören", "muette : on n'en entend rien"),
    # the stories of the simulator
    ("A door stands open", "Eine Tür steht offen", "Une porte reste ouverte"),
    (
        "A badge opens gate B12, and nobody shuts it. After 30 s the nearest guard is asked; a minute later his"
        " telephone rings.",
        "Ein Ausweis öffnet Gate B12, und niemand schließt es. Nach 30 s wird die nächste Wache gefragt; eine Minute"
        " später klingelt ihr Telefon.",
        "Un badge ouvre la porte B12, et personne ne la ferme. Après 30 s, l'agent le plus proche est appelé ; une"
        " minute plus tard, son téléphone sonne.",
    ),
    ("A door opens without a badge", "Eine Tür geht ohne Ausweis auf", "Une porte s'ouvre sans badge"),
    (
        "Somebody slips through gate C1. Security is asked at once, and it counts until somebody has looked.",
        "Jemand schlüpft durch Gate C1. Die Wache wird sofort gefragt, und es gilt, bis jemand nachgesehen hat.",
        "Quelqu'un se glisse par la porte C1. La sécurité est appelée aussitôt, et cela compte tant que personne"
        " n'est allé voir.",
    ),
    ("A room warms", "Ein Raum wird warm", "Une salle se réchauffe"),
    (
        "Café C2 has 31 °C. After a minute maintenance is asked; when somebody goes, the café's manager is told.",
        "Im Café C2 sind es 31 °C. Nach einer Minute wird die Technik gefragt; geht jemand, erfährt es die Leiterin"
        " des Cafés.",
        "Il fait 31 °C au café C2. Après une minute, la maintenance est appelée ; dès que quelqu'un y va, la gérante"
        " l'apprend.",
    ),
    ("The AED is taken", "Der Defibrillator wird entnommen", "Le défibrillateur est pris"),
    (
        "Rescue and security hear of it in the same second, on every channel; the cabinet says what to do.",
        "Rettung und Wache erfahren es in derselben Sekunde, auf allen Wegen; der Schrank sagt, was zu tun ist.",
        "Secours et sécurité l'apprennent à la même seconde, par tous les canaux ; l'armoire dit quoi faire.",
    ),
    ("A sensor dies", "Ein Sensor fällt aus", "Un capteur tombe en panne"),
    (
        "The AED's cabinet falls silent. After a minute first aid is asked to look: silence is no all-clear.",
        "Der Schrank des Defibrillators verstummt. Nach einer Minute soll die Rettung nachsehen: Stille ist keine"
        " Entwarnung.",
        "L'armoire du défibrillateur se tait. Après une minute, les secours sont priés d'aller voir : le silence ne"
        " rassure pas.",
    ),
    ("Set everything right again", "Alles wieder in Ordnung bringen", "Tout remettre en ordre"),
    (
        "Doors are shut, rooms are cool, the AED is back, every sensor speaks. What a person must close stays open.",
        "Türen zu, Räume kühl, Defibrillator zurück, jeder Sensor spricht. Was ein Mensch abschließen muss, bleibt"
        " offen.",
        "Portes fermées, salles fraîches, défibrillateur remis, capteurs en marche. Ce qu'une personne doit clore"
        " reste en cours.",
    ),
    ("no such story", "diese Geschichte gibt es nicht", "cette histoire n'existe pas"),
)
