"""Brings a store to the schema of this program; refuses a store from a newer one.

One transaction holds all of it, DDL included, so that a kill leaves the old schema or the new, never a mixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, insert, inspect, select, text

from maild.archive.chain import GENESIS
from maild.archive.database import storage_errors
from maild.archive.schema import chain_head
from maild.errors import StorageError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0014"  # the newest revision; they are numbered in order, and a test compares it with the scripts


def current_revision(connection: Connection) -> str | None:
    """Return the schema revision of a store; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def is_current(engine: Engine) -> bool:
    """Say whether the store has the schema of this program.

    Raises:
        StorageError: the store was written by a newer maild, or cannot be used.

    """
    with storage_errors(), engine.connect() as connection:
        revision = current_revision(connection)
    if revision is not None and revision > HEAD:
        raise StorageError(
            f"the database was written by a newer maild (schema {revision}); install that version or a newer one. "
            "Nothing was changed."
        )
    return revision == HEAD


def upgrade(engine: Engine) -> None:
    """Create or upgrade the tables; does nothing to a store that is current. Raises as `is_current` does."""
    if is_current(engine):
        return
    # Alembic is loaded only when there is work for it: most starts find a current store.
    from alembic import command  # noqa: PLC0415

    config = _config()
    with storage_errors(), engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if connection.scalar(select(chain_head.c.id)) is None:
            connection.execute(insert(chain_head).values(id=1, sequence=0, chain=GENESIS, revision=0))


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
