"""Helpers who see the entries that are assigned to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("grants", sa.Column("only_assigned", sa.Integer(), server_default=sa.text("0"), nullable=False))
