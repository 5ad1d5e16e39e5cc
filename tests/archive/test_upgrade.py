from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, select, text

from maild.archive import (
    schema,
    schema_absences,
    schema_copies,
    schema_handbook,
    schema_inbox,
    schema_outgoing,
    schema_people,
    schema_senders,
    schema_sign_in,
    schema_sts,
    schema_team_texts,
    schema_telling,
)
from maild.archive.database import Database, writing_engine
from maild.archive.index import index_metadata
from maild.archive.metadata import metadata
from maild.archive.upgrade import HEAD, _config, current_revision, upgrade
from maild.errors import StorageError


def test_the_migrations_lead_to_the_declared_tables(database: Database) -> None:
    theirs = set(index_metadata.tables)
    declared = (
        schema.messages,
        schema_senders.examinations,
        schema_outgoing.deliveries,
        schema_people.audit,
        schema_sign_in.totp,
        schema_handbook.handbook,
        schema_copies.copies,
        schema_inbox.seen,
        schema_sts.sts_policies,
        schema_absences.absences,
        schema_team_texts.team_texts,
        schema_telling.author_reports,
    )
    assert {table.metadata for table in declared} == {metadata}
    with database.writing.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [d for d in compare_metadata(context, metadata) if not _of_the_index(d, theirs)]
        assert differences == []
        assert current_revision(connection) == HEAD


def _of_the_index(difference: Any, tables: set[str]) -> bool:
    name = str(getattr(difference[1], "name", ""))
    return name in tables or name.startswith("search_")


def test_the_head_is_the_newest_script() -> None:
    assert ScriptDirectory.from_config(_config()).get_current_head() == HEAD


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    def looks() -> tuple[object, ...]:
        with database.writing.connect() as connection:
            tables = MetaData()
            tables.reflect(connection)
            columns = sorted(str(column) for table in tables.tables.values() for column in table.columns)
            heads = connection.execute(select(schema.chain_head)).all()
            return current_revision(connection), columns, heads

    before = looks()
    upgrade(database.writing)
    assert looks() == before


def test_a_store_of_the_first_schema_keeps_what_it_holds(tmp_path: Path) -> None:
    engine = writing_engine(f"sqlite:///{tmp_path / 'maild.sqlite3'}")
    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO chain_head VALUES (1, 7, x'00', 3)"))
        connection.execute(text("INSERT INTO rules_versions VALUES (1, 'abc', 'version: 1', 5, 'file', '')"))
    upgrade(engine)
    with engine.connect() as connection:
        assert current_revision(connection) == HEAD
        assert connection.execute(text("SELECT sequence, revision FROM chain_head")).one() == (7, 3)
        assert connection.execute(text("SELECT digest, approved_by FROM rules_versions")).one() == ("abc", None)
    engine.dispose()


def test_a_store_of_a_newer_maild_is_refused_untouched(tmp_path: Path) -> None:
    engine = writing_engine(f"sqlite:///{tmp_path / 'maild.sqlite3'}")
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="newer maild"):
        upgrade(engine)
    with engine.connect() as connection:
        assert current_revision(connection) == "9999"
    engine.dispose()
