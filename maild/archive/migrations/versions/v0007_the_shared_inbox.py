"""The shared inbox: revisions of entries, dates to come back, what went from team to team, undo, who has seen what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("entries", sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("entries", sa.Column("returns_ms", sa.BigInteger(), nullable=True))
    returning = sa.text("returns_ms IS NOT NULL")
    op.create_index("entries_returning", "entries", ["returns_ms"], sqlite_where=returning, postgresql_where=returning)
    op.create_table(
        "handed",
        sa.Column("id", _IDENTITY, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("from_team", sa.Text(), nullable=False),
        sa.Column("to_team", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kept", sa.SmallInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("handed_conversation", "handed", ["conversation_id"])
    op.create_table(
        "undos",
        sa.Column("id", _IDENTITY, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("undone_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("undos_by", "undos", ["by", "at_ms"])
    op.create_table(
        "seen",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("newest_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "conversation_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mentions",
        sa.Column("note_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("note_id", "user_id"),
        sqlite_with_rowid=False,
    )
    unseen = sa.text("seen_ms IS NULL")
    op.create_index(
        "mentions_user", "mentions", ["user_id", "conversation_id"], sqlite_where=unseen, postgresql_where=unseen
    )
    op.create_table(
        "folders",
        sa.Column("id", _IDENTITY, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("folders_user", "folders", ["user_id"])
    op.create_index("folders_team", "folders", ["team"])
