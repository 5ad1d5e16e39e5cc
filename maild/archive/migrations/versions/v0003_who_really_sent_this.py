"""Who really sent this: evidence and screening, greylisting, lessons for the spam filter, reports about our domains."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_index("summaries_from", "summaries", ["from_mail", "message_id"])
    op.create_table(
        "examinations",
        sa.Column("message_id", _IDENTITY, autoincrement=False, nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("screening", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"]),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_table(
        "greylist",
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("passed", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("greylist_last", "greylist", ["last_ms"])
    op.create_table(
        "lessons",
        sa.Column("message_id", _IDENTITY, autoincrement=False, nullable=False),
        sa.Column("spam", sa.SmallInteger(), nullable=False),
        sa.Column("taught_by", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("done_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"]),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index(
        "lessons_waiting",
        "lessons",
        ["message_id"],
        sqlite_where=sa.text("done_ms IS NULL"),
        postgresql_where=sa.text("done_ms IS NULL"),
    )
    _create_dmarc_reports()
    _create_tls_reports()


def _create_dmarc_reports() -> None:
    op.create_table(
        "dmarc_reports",
        sa.Column("id", _IDENTITY, nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("begin_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organisation", "report", "domain"),
    )
    op.create_index("dmarc_reports_domain", "dmarc_reports", ["domain", "end_ms"])
    op.create_table(
        "dmarc_sources",
        sa.Column("report_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("dkim", sa.Text(), nullable=False),
        sa.Column("spf", sa.Text(), nullable=False),
        sa.Column("header_from", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["dmarc_reports.id"]),
        sa.PrimaryKeyConstraint("report_id", "position"),
    )


def _create_tls_reports() -> None:
    op.create_table(
        "tls_reports",
        sa.Column("id", _IDENTITY, nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("begin_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("policy_type", sa.Text(), nullable=False),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organisation", "report", "domain", "policy_type"),
    )
    op.create_index("tls_reports_domain", "tls_reports", ["domain", "end_ms"])
