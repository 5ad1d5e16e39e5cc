"""Alembic's entry: run the revisions over the connection that `maild.archive.upgrade` gives."""

from __future__ import annotations

from alembic import context

from maild.archive.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
