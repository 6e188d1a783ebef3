"""Several contact processes, and workers on Kafka: breaches come into this store itself, and messages have an owner."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

IS_OPEN = "state IN ('ready','sending','unknown','sent')"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("owner", sa.BigInteger(), nullable=True))
    op.add_column("breaches", sa.Column("urgent", sa.Boolean(), server_default="0", nullable=False))
    op.create_index(
        "breaches_new",
        "breaches",
        ["urgent", "at"],
        sqlite_where=sa.text("state = 'new'"),
        postgresql_where=sa.text("state = 'new'"),
    )
    op.create_index(
        "outbox_open",
        "outbox",
        ["state", "priority", "due_at"],
        sqlite_where=sa.text(IS_OPEN),
        postgresql_where=sa.text(IS_OPEN),
    )
    if op.get_bind().dialect.name == "postgresql":
        _of_the_workers()


def _of_the_workers() -> None:
    """As in `deploy.log.tables`: one machine keeps all of it in capture.db."""
    op.create_table(
        "checkpoints",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("topic_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.Column("rules_hash", sa.String(), server_default="", nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=True),
        sa.Column("tallies", sa.LargeBinary(), nullable=True),
        sa.Column("saved", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "part"),
        postgresql_with={"fillfactor": 50, "autovacuum_vacuum_threshold": 20, "autovacuum_vacuum_scale_factor": 0},
    )
    op.execute("ALTER TABLE checkpoints ALTER COLUMN state SET STORAGE EXTERNAL")
    op.create_table(
        "rule_sets",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "quarantine",
        sa.Column("number", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("ingest", sa.String(), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("retained", sa.Boolean(), nullable=False),
        sa.Column("packet_id", sa.Integer(), nullable=False),
        sa.Column("again_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("ingest", "run", "ordinal"),
    )
    op.create_table(
        "poison",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "part", "position"),
    )
