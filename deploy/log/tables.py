"""What the workers of a site on Kafka keep in PostgreSQL, beside the breaches they find (deploy.store.tables).

The log itself is in Kafka: here stand how far each partition is decided, the rule sets, and what nobody understood.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
)

metadata = MetaData()

#: A cache of the log: everything below `next` is decided, and its breaches are stored.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("topic", String, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("topic_id", String, nullable=False),  # of a topic made again under the same name, another one
    Column("epoch", BigInteger, nullable=False),  # of the newest owner: an older one's checkpoint is refused
    Column("next", BigInteger, nullable=False),  # offset of the first record that is not applied
    Column("rules_hash", String, nullable=False, server_default=""),
    Column("state", LargeBinary),  # rules.engine.Engine.checkpoint; NULL = nothing is known yet
    Column("tallies", LargeBinary),  # deploy.received.Tallies: the messages below `next`
    Column("saved", DateTime(timezone=True), nullable=False),  # moves every few seconds, also when nothing comes
)

rule_sets = Table(
    "rule_sets",
    metadata,
    Column("hash", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),  # packed (rules.ruleset)
)

#: Messages that could not be understood; `again_at` is set when one was understood after all.
quarantine = Table(
    "quarantine",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("ingest", String, nullable=False),
    Column("run", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("topic", LargeBinary, nullable=False),  # of MQTT
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("retained", Boolean, nullable=False),
    Column("packet_id", Integer, nullable=False),
    Column("again_at", BigInteger),
    UniqueConstraint("ingest", "run", "ordinal"),
)

#: Records of the log that no worker could read; they were not applied, and a person must know.
poison = Table(
    "poison",
    metadata,
    Column("topic", String, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("raw", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
