-- capture.db: the readings log.  Capture alone writes it; contact and console read it.
CREATE TABLE IF NOT EXISTS batches (            -- the log: one packed vorab.model.Record a row
    position    INTEGER PRIMARY KEY,
    ingest      TEXT NOT NULL,
    run         INTEGER NOT NULL,
    messages    INTEGER NOT NULL,               -- readings in it (one a message)
    received_at INTEGER NOT NULL,               -- when it came, never before the one above it: for retention and search
    body        BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS breaches (           -- found while the record at `position` was applied
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL,
    edge        INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    body        BLOB NOT NULL,                  -- packed vorab.model.Breach
    urgent      INTEGER NOT NULL DEFAULT 0,     -- of life safety: taken before all that lie before it
    UNIQUE (id, edge)
);
CREATE INDEX IF NOT EXISTS urgent_breaches ON breaches (number) WHERE urgent;
CREATE TABLE IF NOT EXISTS checkpoints (
    position    INTEGER PRIMARY KEY,            -- of the next record to apply
    rules_hash  TEXT NOT NULL,
    body        BLOB NOT NULL                   -- the engine's watches
);
CREATE TABLE IF NOT EXISTS rule_sets (hash TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS quarantine (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    ingest      TEXT NOT NULL,
    run         INTEGER NOT NULL,
    ordinal     INTEGER NOT NULL,
    topic       BLOB NOT NULL,
    payload     BLOB NOT NULL,
    reason      TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    retained    INTEGER NOT NULL,
    packet_id   INTEGER NOT NULL,
    again_at    INTEGER                         -- when it was understood after all; NULL: still here
);
CREATE TABLE IF NOT EXISTS runs (               -- law 2: the reader's own count beside what the log holds
    ingest      TEXT NOT NULL,
    run         INTEGER NOT NULL,
    received    INTEGER NOT NULL DEFAULT 0,     -- PUBLISH packets, counted by the packet reader
    duplicates  INTEGER NOT NULL DEFAULT 0,
    ignored     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (ingest, run)
);
CREATE TABLE IF NOT EXISTS applied_commands (id TEXT PRIMARY KEY, position INTEGER NOT NULL);
