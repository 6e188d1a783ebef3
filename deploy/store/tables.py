"""The tables of `contact.db` (SQLite) and of the PostgreSQL store: incidents, their journal, outbox, inbox, audit.

Contact alone writes them, except `inbox`, `commands` and `desks`, which the console fills and contact (capture) reads.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, text

metadata = MetaData()

#: SQLite numbers rows by itself only in a column declared INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")

incidents = Table(
    "incidents",
    metadata,
    Column("id", String, primary_key=True),
    Column("breach", String, nullable=False, unique=True),  # vorab.model.BreachId
    Column("code", String, nullable=False),
    Column("state", String, nullable=False),  # vorab.model.State
    Column("priority", String, nullable=False),
    Column("subject", String, nullable=False),  # the sensor
    Column("owner", String),
    Column("opened_at", BigInteger, nullable=False),  # Instant
    Column("resolved_at", BigInteger),
    Column("wake_at", BigInteger),  # the next step is due
    Column("next_edge", Integer, nullable=False),  # the number of the breach edge that may be applied next
    Column("body", LargeBinary, nullable=False),  # the packed Incident
)
#: A code names one open incident.
Index(
    "open_code",
    incidents.c.code,
    unique=True,
    sqlite_where=text("resolved_at IS NULL"),
    postgresql_where=text("resolved_at IS NULL"),
)
Index(
    "open_wake",
    incidents.c.wake_at,
    sqlite_where=text("wake_at IS NOT NULL"),
    postgresql_where=text("wake_at IS NOT NULL"),
)
Index("by_opening", incidents.c.opened_at)
#: What a desk shows first.
Index(
    "open_by_priority",
    incidents.c.priority,
    incidents.c.opened_at,
    sqlite_where=text("resolved_at IS NULL"),
    postgresql_where=text("resolved_at IS NULL"),
)
#: A reply names a code, perhaps of an incident that is over.
Index("by_code", incidents.c.code, incidents.c.opened_at)
#: How much each person has in hand.
Index(
    "open_owner",
    incidents.c.owner,
    sqlite_where=text("resolved_at IS NULL AND owner IS NOT NULL"),
    postgresql_where=text("resolved_at IS NULL AND owner IS NOT NULL"),
)

#: Every event an incident has taken, in order; `id` makes each act once.
journal = Table(
    "journal",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),  # over all incidents: the console's replay position
    Column("incident", String, nullable=False),
    Column("event", Integer, nullable=False),  # within the incident, from 1
    Column("id", String, nullable=False, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the packed workflows.incident.Event
)
Index("journal_of", journal.c.incident, journal.c.event)

#: On one machine: edges that came before their predecessor wait here; normally empty.  On PostgreSQL the workers put
#: every edge here, and it stays.
breaches = Table(
    "breaches",
    metadata,
    Column("id", String, primary_key=True),
    Column("edge", Integer, primary_key=True),
    # new, then applied; waiting; suppressed, or overtaken by a later edge after that
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False, server_default=""),
    Column("at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("urgent", Boolean, nullable=False, server_default="0"),  # of life safety: taken first
)
Index(
    "breaches_new",
    breaches.c.urgent,
    breaches.c.at,
    sqlite_where=text("state = 'new'"),
    postgresql_where=text("state = 'new'"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", String, primary_key=True),  # vorab.model.NotificationId
    Column("incident", String, nullable=False),
    Column("event", Integer, nullable=False),
    Column("person", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("priority", Integer, nullable=False),  # Priority.rank: higher goes first
    Column("state", String, nullable=False),  # vorab.model.Delivery
    Column("token", String, nullable=False),
    Column("address", String, nullable=False, server_default=""),  # frozen when first sent
    Column("text", Text, nullable=False, server_default=""),  # frozen when first sent
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),  # not before: first try, retry, or the next look at the provider
    Column("expires_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("owner", BigInteger),  # of several contact processes, the one that is sending it
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lookups", Integer, nullable=False, server_default="0"),  # lists that did not show it
    Column("first_sent_at", BigInteger),
    Column("sent_at", BigInteger),
    Column("provider_id", String, nullable=False, server_default=""),
    Column("reason", String, nullable=False, server_default=""),
    Column("repeated", Boolean, nullable=False, server_default="0"),  # sent again because the outcome stayed unknown
)
Index(
    "outbox_due",
    outbox.c.due_at,
    sqlite_where=text("state IN ('ready','sending','unknown','sent')"),
    postgresql_where=text("state IN ('ready','sending','unknown','sent')"),
)
#: So that a backlog of messages costs nothing while the next ones are chosen.
Index(
    "outbox_open",
    outbox.c.state,
    outbox.c.priority,
    outbox.c.due_at,
    sqlite_where=text("state IN ('ready','sending','unknown','sent')"),
    postgresql_where=text("state IN ('ready','sending','unknown','sent')"),
)
Index("outbox_of", outbox.c.incident)
Index("outbox_person", outbox.c.person, outbox.c.channel, outbox.c.sent_at)
Index("outbox_provider", outbox.c.provider_id)

#: What came from people and providers: webhooks, polled replies, clicks.  Contact applies each once, in order.
inbox = Table(
    "inbox",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column(
        "id", String, nullable=False, unique=True
    ),  # e.g. the provider's SID, or "SID/delivered", or the click's own
    Column("kind", String, nullable=False),  # vorab.ports.InboxItem
    Column("at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Column("applied_at", BigInteger),
    Column("outcome", String, nullable=False, server_default=""),
)
Index(
    "inbox_waiting",
    inbox.c.number,
    sqlite_where=text("applied_at IS NULL"),
    postgresql_where=text("applied_at IS NULL"),
)

#: How often a person named a wrong code lately.
Index("inbox_outcome", inbox.c.outcome, inbox.c.at)

#: What a person asks of capture; capture appends it to the log under the same id.
commands = Table(
    "commands",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("by", String, nullable=False),
    Column("kind", String, nullable=False),  # quarantine-again
    Column("body", Text, nullable=False),  # JSON
)

audit = Table(
    "audit",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("about", String, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("seal", String),  # sha256 over the seal before and this line; NULL until the sealer came by
)
Index("unsealed", audit.c.number, sqlite_where=text("seal IS NULL"), postgresql_where=text("seal IS NULL"))

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("address", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

#: The addresses of the pages behind the links in messages; who has one may answer for this person (console/links.py).
links = Table(
    "links",
    metadata,
    Column("token", String, primary_key=True),  # deploy.links
    Column("incident", String, nullable=False),
    Column("person", String, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

#: What the camera of the place showed when the breach was found.
pictures = Table(
    "pictures",
    metadata,
    Column("incident", String, primary_key=True),
    Column("asked_at", BigInteger, nullable=False),
    Column("taken_at", BigInteger),  # NULL = not there yet, or never; then `reason` says why
    Column("jpeg", LargeBinary),
    Column("sha256", String, nullable=False, server_default=""),
    Column("reason", String, nullable=False, server_default=""),
)

#: Browsers whose shift is started; the console writes them, `seen_at` every few seconds.
desks = Table(
    "desks",
    metadata,
    Column("id", String, primary_key=True),  # of the browser's page
    Column("name", String, nullable=False),  # the address of the channel desktop
    Column("person", String, nullable=False),  # who is signed in
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

#: Where contact stands: "breaches" = the last one taken from capture.db, "breaches/urgent" = of life safety the same;
#: "messages" = how many were ordered; "sealed" = the last audit line that the sealer chained; "replies/<channel>" =
#: polled up to then.
cursors = Table(
    "cursors", metadata, Column("name", String, primary_key=True), Column("value", BigInteger, nullable=False)
)
