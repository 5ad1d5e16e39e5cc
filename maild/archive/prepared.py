"""Statements of the hot path: written in SQLAlchemy Core, compiled once for each dialect, run through the driver.

Measured: building and executing a Core statement costs 130 to 300 µs, and a message needs some twenty of them; given
to the driver as text they cost a tenth. Parameters reach it by their place: by name it takes twice as long for a row.
Rows are plain tuples in the order of the columns. Whoever is not on the way of a message uses Core directly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Executable, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

Values = dict[str, Any]


class _Compiled(NamedTuple):
    """A statement as the driver takes it. `names` are its parameters, in order; `pick` takes them out of a dict."""

    text: str
    names: tuple[str, ...]
    pick: Callable[[Values], tuple[Any, ...]]


class Prepared:
    """One statement. Its parameters are given by name: the columns of an insert, the bindparams of others."""

    def __init__(self, build: Executable | Callable[[str], Executable]) -> None:
        """Take a statement, or a function that makes it for the dialect `sqlite` or `postgresql`."""
        self._build = build
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, values: Values | Sequence[Values] = ()) -> None:
        """Execute once, or once for each row; nothing when there are no rows."""
        if values:
            _run(connection, self._statement(connection), values)

    def rows(self, connection: Connection, values: Values | None = None) -> list[Any]:
        """Execute a query."""
        compiled = self._statement(connection)
        return ask(connection, compiled.text, compiled.pick(values or {}))

    def _statement(self, connection: Connection) -> _Compiled:
        name = connection.dialect.name
        if name not in self._compiled:
            statement = self._build(name) if callable(self._build) else self._build
            self._compiled[name] = _compile(statement, name)
        return self._compiled[name]


class PreparedIn:
    """A query with a list of keys, such as `column IN (…)`; compiled for 1, 4, 16, 64 … keys and padded."""

    def __init__(self, build: Callable[[list[BindParameter[Any]]], Executable]) -> None:
        """Take the function that makes the query of its list of parameters."""
        self._build = build
        self._compiled: dict[tuple[str, int], _Listing] = {}

    def rows(self, connection: Connection, keys: Sequence[Any], values: Values | None = None) -> list[Any]:
        """Execute the query; no keys find no rows. More than 1,024 keys are asked for in turns."""
        found: list[Any] = []
        for start in range(0, len(keys), _MAX_KEYS):
            part = tuple(keys[start : start + _MAX_KEYS])
            size = 1
            while size < len(part):
                size *= 4
            padded = (*part, *part[-1:] * (size - len(part)))
            text, before, after = self._statement(connection, size)
            found.extend(ask(connection, text, (*before(values or {}), *padded, *after(values or {}))))
        return found

    def _statement(self, connection: Connection, size: int) -> _Listing:
        key = (connection.dialect.name, size)
        if key not in self._compiled:
            statement = self._build([bindparam(f"k{n}") for n in range(size)])
            self._compiled[key] = _listing(_compile(statement, connection.dialect.name), size)
        return self._compiled[key]


class _Listing(NamedTuple):
    """A statement with a list of keys, and what takes the parameters before and after it out of a dict."""

    text: str
    before: Callable[[Values], tuple[Any, ...]]
    after: Callable[[Values], tuple[Any, ...]]


def _listing(compiled: _Compiled, size: int) -> _Listing:
    start = compiled.names.index("k0")
    # Invariant: the keys stand together and once, so that they can be given as they are.
    if (
        compiled.names[start : start + size] != tuple(f"k{n}" for n in range(size))
        or "k0" in compiled.names[start + 1 :]
    ):
        raise ValueError("the keys of a prepared statement must stand together, once")
    return _Listing(compiled.text, _picking(compiled.names[:start]), _picking(compiled.names[start + size :]))


_MAX_KEYS = 1_024


def _run(connection: Connection, compiled: _Compiled, values: Values | Sequence[Values]) -> None:
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor()
    try:
        if isinstance(values, dict):
            cursor.execute(compiled.text, compiled.pick(values))
        else:
            cursor.executemany(compiled.text, [*map(compiled.pick, values)])
    except _errors(connection) as error:
        raise _wrapped(connection, error) from error
    finally:
        cursor.close()


def ask(connection: Connection, text: str, values: tuple[Any, ...]) -> list[Any]:
    """Execute a query in the driver's words. Who listens to what a connection is asked hears it, as of any other."""
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor()
    for listener in connection.dispatch.before_cursor_execute:
        listener(connection, cursor, text, values, None, False)
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
    "sqlite": lambda: sqlite.dialect(paramstyle="qmark"),
    "postgresql": lambda: postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}


def dialect_of(name: str) -> Dialect:
    """Return what compiles statements for the driver itself."""
    return _DIALECTS[name]()


def _compile(statement: Executable, dialect: str) -> _Compiled:
    compiled = statement.compile(dialect=dialect_of(dialect))  # type: ignore[attr-defined]  # every statement has it
    names = tuple(compiled.positiontup or ())
    return _Compiled(str(compiled), names, _picking(names))


def _picking(names: tuple[str, ...]) -> Callable[[Values], tuple[Any, ...]]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        (name,) = names
        return lambda values: (values[name],)
    return itemgetter(*names)
