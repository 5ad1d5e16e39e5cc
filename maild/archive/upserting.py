"""INSERT that says what to do where there is a row already: each database writes it in its own words."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite


def inserting(table: Table, dialect: str) -> sqlite.Insert:
    """Return an INSERT with `on_conflict_do_update` and its like; of both dialects they are the same to write."""
    make: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    put: sqlite.Insert = make(table)
    return put
