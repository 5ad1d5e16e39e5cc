"""What did not arrive: entries that rise in their lists, and an index of deliveries that failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("entries", sa.Column("risen_id", sa.BigInteger(), nullable=True))
    risen, failed = sa.text("risen_id IS NOT NULL"), sa.text("state IN ('failed', 'expired')")
    op.create_index(
        "entries_risen", "entries", ["team", "state", "risen_id"], sqlite_where=risen, postgresql_where=risen
    )
    op.create_index("deliveries_failed", "deliveries", ["id"], sqlite_where=failed, postgresql_where=failed)
