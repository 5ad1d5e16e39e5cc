"""Brings a store to the schema of this program; refuses a store from a newer one.

One transaction holds all of it, DDL included, so that a kill leaves the old schema or the new, never a mixture.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, insert, select

from maild.archive.chain import GENESIS
from maild.archive.schema import chain_head
from maild.errors import StorageError


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def current_revision(connection: Connection) -> str | None:
    """Return the schema revision of a store; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def is_current(engine: Engine) -> bool:
    """Say whether the store has the schema of this program; raises StorageError when it is newer."""
    scripts = ScriptDirectory.from_config(_config())
    with engine.connect() as connection:
        revision = current_revision(connection)
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise StorageError(
            f"the database was written by a newer maild (schema {revision}); install that version or a newer one. "
            "Nothing was changed."
        )
    return revision == scripts.get_current_head()


def upgrade(engine: Engine) -> None:
    """Create or upgrade the tables; does nothing to a store that is current."""
    if is_current(engine):
        return
    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if connection.scalar(select(chain_head.c.id)) is None:
            connection.execute(insert(chain_head).values(id=1, sequence=0, chain=GENESIS, revision=0))
