"""Questions that every page asks: written in SQLAlchemy Core, compiled once for each shape, run through the driver.

Building a statement, finding out whether it is known, and unpacking its parameters costs ten times what SQLite needs
for the answer, and a page asks forty of them. What differs between two calls is given by name; lists, too, whose
lengths are padded, so that few shapes are compiled. Rows are named tuples, with values as the driver gives them.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Select, bindparam

from maild.archive.prepared import ask, dialect_of
from maild.policy.visible import Visible

_STEPS = (0, 1, 4, 16, 64, 256, 1_024, 4_096, 16_384)  # lengths that lists are padded to


@dataclass(frozen=True, slots=True)
class Sight:
    """The shape of a `Visible`: which conditions it takes. Build functions get it in the place of what is visible."""

    everything: bool
    has_assigned: bool

    @property
    def teams(self) -> BindParameter[Any]:
        """The teams that may be seen."""
        return bindparam("seen_teams", expanding=True)

    @property
    def assigned(self) -> BindParameter[Any]:
        """The inboxes of which assigned entries may be seen."""
        return bindparam("seen_assigned", expanding=True)

    @property
    def user_id(self) -> BindParameter[Any]:
        """To whom they must be assigned."""
        return bindparam("seen_by")


class _Given(NamedTuple):
    """Stands for a value that is given with each call; of a list, for that at `place`."""

    name: str
    place: int | None = None


class _Compiled(NamedTuple):
    text: str
    parameters: tuple[Any, ...]  # constants, and _Given
    row: Callable[[tuple[Any, ...]], Any]


class Question:
    """One query."""

    def __init__(self, build: Callable[..., Select[Any]]) -> None:
        """Take the function that makes it of its shape. What is given by name stands in it as bindparams."""
        self._build = build
        self._compiled: dict[Hashable, _Compiled] = {}

    def rows(self, connection: Connection, *shape: Hashable, **values: Any) -> list[Any]:
        """Ask. Of the `shape`, what is visible is split into its own shape and its values."""
        form: list[Hashable] = []
        for part in shape:
            if isinstance(part, Visible):
                form.append(Sight(part.everything, bool(part.assigned)))
                values |= {"seen_teams": part.teams, "seen_assigned": part.assigned, "seen_by": part.user_id}
            else:
                form.append(part)
        lists = {name: _padded(value) for name, value in values.items() if _is_list(value)}
        found = self._statement(connection, tuple(form), values, lists)
        given = values | lists
        parameters = [
            (each if type(each) is not _Given else given[each.name] if each.place is None
             else given[each.name][each.place])
            for each in found.parameters
        ]  # fmt: skip
        return [*map(found.row, ask(connection, found.text, tuple(parameters)))]

    def first(self, connection: Connection, *shape: Hashable, **values: Any) -> Any:
        """Return the first row, or None."""
        return next(iter(self.rows(connection, *shape, **values)), None)

    def scalars(self, connection: Connection, *shape: Hashable, **values: Any) -> list[Any]:
        """Return the first column."""
        return [row[0] for row in self.rows(connection, *shape, **values)]

    def scalar(self, connection: Connection, *shape: Hashable, **values: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = self.first(connection, *shape, **values)
        return None if row is None else row[0]

    def _statement(
        self, connection: Connection, form: tuple[Hashable, ...], values: Mapping[str, Any],
        lists: Mapping[str, tuple[Any, ...]],
    ) -> _Compiled:  # fmt: skip
        dialect = connection.dialect.name
        key = (dialect, form, tuple([(name, len(value)) for name, value in lists.items()]))
        if key not in self._compiled:
            given: dict[str, Any] = {name: _Given(name) for name in values}
            given |= {name: [_Given(name, n) for n in range(len(value))] for name, value in lists.items()}
            self._compiled[key] = _compile(self._build(*form), dialect, given)
        return self._compiled[key]


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def _padded(value: Collection[Any]) -> tuple[Any, ...]:
    """Repeat what is in a list until it is as long as one of a few lengths."""
    found = tuple(value)
    size = next((step for step in _STEPS if step >= len(found)), len(found))
    return found + found[-1:] * (size - len(found))


def _compile(statement: Select[Any], dialect: str, given: dict[str, Any]) -> _Compiled:
    expanded = statement.compile(dialect=dialect_of(dialect)).construct_expanded_state(given)
    names = [column.key or "_" for column in statement.selected_columns]
    row = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024  # known when it is compiled
    return _Compiled(expanded.statement, tuple(expanded.positional_parameters or ()), row._make)
