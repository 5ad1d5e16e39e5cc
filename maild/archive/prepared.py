"""Statements of the hot path: written in SQLAlchemy Core, compiled once for each dialect, run through the driver.

Measured: building and executing a Core statement costs 130 to 300 µs, and a message needs some twenty of them; given
to the driver as text they cost a tenth. Rows are plain tuples in the order of the columns. Whoever is not on the way
of a message uses Core directly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Executable, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

Values = dict[str, Any]


class Prepared:
    """One statement. Its parameters are given by name: the columns of an insert, the bindparams of others."""

    def __init__(self, build: Executable | Callable[[str], Executable]) -> None:
        """Take a statement, or a function that makes it for the dialect `sqlite` or `postgresql`."""
        self._build = build
        self._texts: dict[str, str] = {}

    def run(self, connection: Connection, values: Values | Sequence[Values] = ()) -> None:
        """Execute once, or once for each row; nothing when there are no rows."""
        if values:
            _run(connection, self._text(connection), values)

    def rows(self, connection: Connection, values: Values | None = None) -> list[Any]:
        """Execute a query."""
        return _rows(connection, self._text(connection), values or {})

    def _text(self, connection: Connection) -> str:
        name = connection.dialect.name
        if name not in self._texts:
            statement = self._build(name) if callable(self._build) else self._build
            self._texts[name] = _compiled(statement, name)
        return self._texts[name]


class PreparedIn:
    """A query with a list of keys, such as `column IN (…)`; compiled for 1, 4, 16, 64 … keys and padded."""

    def __init__(self, build: Callable[[list[BindParameter[Any]]], Executable]) -> None:
        """Take the function that makes the query of its list of parameters."""
        self._build = build
        self._texts: dict[tuple[str, int], str] = {}

    def rows(self, connection: Connection, keys: Sequence[Any], values: Values | None = None) -> list[Any]:
        """Execute the query; no keys find no rows. More than 1,024 keys are asked for in turns."""
        found: list[Any] = []
        for start in range(0, len(keys), _MAX_KEYS):
            part = keys[start : start + _MAX_KEYS]
            size = 1
            while size < len(part):
                size *= 4
            parameters = {f"k{n}": part[n] if n < len(part) else part[-1] for n in range(size)} | (values or {})
            found.extend(_rows(connection, self._text(connection, size), parameters))
        return found

    def _text(self, connection: Connection, size: int) -> str:
        key = (connection.dialect.name, size)
        if key not in self._texts:
            statement = self._build([bindparam(f"k{n}") for n in range(size)])
            self._texts[key] = _compiled(statement, connection.dialect.name)
        return self._texts[key]


_MAX_KEYS = 1_024


def _run(connection: Connection, text: str, values: Values | Sequence[Values]) -> None:
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor()
    try:
        if isinstance(values, dict):
            cursor.execute(text, values)
        else:
            cursor.executemany(text, values)
    except _errors(connection) as error:
        raise _wrapped(connection, error) from error
    finally:
        cursor.close()


def _rows(connection: Connection, text: str, values: Values) -> list[Any]:
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor()
    try:
        rows: list[Any] = cursor.execute(text, values).fetchall()
    except _errors(connection) as error:
        raise _wrapped(connection, error) from error
    finally:
        cursor.close()
    return rows


def _errors(connection: Connection) -> type[Exception]:
    errors: type[Exception] = connection.dialect.loaded_dbapi.Error
    return errors


def _wrapped(connection: Connection, error: Exception) -> DBAPIError:
    """Return the error as SQLAlchemy would raise it; without the parameters, which hold mail."""
    base = _errors(connection)
    wrapped: Any = DBAPIError.instance(None, None, error, base, dialect=connection.dialect)
    return wrapped if isinstance(wrapped, DBAPIError) else DBAPIError(None, None, error)


_DIALECTS: dict[str, Callable[[], Dialect]] = {
    "sqlite": lambda: sqlite.dialect(paramstyle="named"),
    "postgresql": lambda: postgresql.dialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}


def _compiled(statement: Executable, dialect: str) -> str:
    return str(statement.compile(dialect=_DIALECTS[dialect]()))  # type: ignore[attr-defined]  # every statement has it
