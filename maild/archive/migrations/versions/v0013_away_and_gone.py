"""People who are away or leave, and teams that others cover."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "absences",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("deputy_id", sa.BigInteger(), nullable=True),
        sa.Column("marked_by", sa.Text(), nullable=False),
        sa.Column("marked_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.ForeignKeyConstraint(["deputy_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("absences_user", "absences", ["user_id", "from_ms"])
    op.create_table(
        "team_covers",
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("deputy", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("team"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "leavings",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaves_ms", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_index("leavings_due", "leavings", ["closed_ms", "leaves_ms"])
    op.create_table(
        "handovers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("from_login", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("got", sa.Text(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("handovers_user", "handovers", ["user_id", "seen_ms"])
    # What was somebody's while they were away is looked for in the log by time, and by this act alone.
    op.create_index(
        "audit_assigned",
        "audit",
        ["at_ms"],
        sqlite_where=sa.text("act = 'assigned'"),
        postgresql_where=sa.text("act = 'assigned'"),
    )
