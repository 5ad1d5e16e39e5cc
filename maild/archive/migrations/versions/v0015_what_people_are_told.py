"""What the authors of letters hear by mail of their deliveries, and people of what is new."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("outgoing", sa.Column("by_mail", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "author_reports",
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"]),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"]),
        sa.PrimaryKeyConstraint("delivery_id", "action"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "author_reports_waiting", "author_reports", ["message_id"], sqlite_where=waiting, postgresql_where=waiting
    )
    # What is somebody's own is counted on each page they open.
    own = sa.text("assignee IS NOT NULL")
    op.create_index("entries_assignee", "entries", ["assignee", "state"], sqlite_where=own, postgresql_where=own)
    op.create_table(
        "digest_choices",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.Column("subjects", sa.SmallInteger(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("told_ms", sa.BigInteger(), nullable=False),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("inboxes", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("before_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "digest_silent",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("user_id", "team"),
    )
