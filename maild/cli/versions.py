"""What `maild rules history`, `show` and `diff --text` print; and which rules a name on the command line means."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from maild.archive.versions import Recorded, recorded, source_of
from maild.archive.versions import history as read_history
from maild.cli.rules import errors_of, shown_path
from maild.cli.rules import read_rules as read_own
from maild.cli.store import reading
from maild.cli.times import local, rfc3339, today
from maild.cli.verb import note, plain, put_bytes, put_json, put_table
from maild.config import Settings
from maild.errors import ConfigurationError, Diagnostic, NotFoundError
from maild.rules.difference import difference
from maild.rules.findings import Code
from maild.rules.model import Ruleset
from maild.rules.rulebook import Loaded, read_kept, read_rules, read_text

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_SHORT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Rules that the command line names, and how they are called in what is printed."""

    name: str
    loaded: Loaded
    failed: tuple[Diagnostic, ...] = ()  # tests: with nothing else wrong, the rules can be tried, though not serve

    @property
    def source(self) -> str:
        return self.loaded.source

    @property
    def ruleset(self) -> Ruleset:
        """The rules; raises ConfigurationError when they are refused."""
        if self.loaded.ruleset is None:
            raise ConfigurationError(errors_of(self.loaded.diagnostics))
        return self.loaded.ruleset


def put_history(settings: Settings, *, as_json: bool) -> None:
    """Print all versions; exit with 1 when nothing has ever served."""
    with reading(settings) as connection:
        found = read_history(connection)
    if as_json:
        for version in found:
            put_json(_to_json(version))
    elif found:
        rows = [(str(v.number), local(v.loaded_ms), v.digest[:_SHORT], v.author, v.reason) for v in found]
        heads = ("NUMBER", "SINCE", "HASH", "AUTHOR", "REASON")
        put_table(heads, _fitting(heads, rows) if sys.stdout.isatty() else rows)
    if not found:
        note("no rules have served yet")
        raise click.exceptions.Exit(1)


def _fitting(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Cut the last column to the width of the terminal; `maild rules show` tells it in full."""
    before = sum(max(len(row[i]) for row in (heads, *rows)) + 2 for i in range(len(heads) - 1))
    room = max(shutil.get_terminal_size().columns - before, len(heads[-1]))
    return [(*row[:-1], shortened(row[-1], room)) for row in rows]


def shortened(text: str, room: int) -> str:
    """Cut a text to `room` characters, and say so."""
    text = plain(text)
    return text if len(text) <= room else text[: room - 1] + "…"


def put_version(settings: Settings, number: int, *, as_json: bool) -> None:
    """Print a version's text to stdout, what is known of it to stderr."""
    with reading(settings) as connection:
        version, source = find_version(connection, number)
    if as_json:
        put_json({**_to_json(version), "source": source})
        return
    why = f": {version.reason}" if version.reason else ""
    agreed = f", approved by {version.approved_by}" if version.approved_by else ""
    note(plain(f"version {number}, since {local(version.loaded_ms)}, by {version.author}{agreed}{why}"))
    if sys.stdout.isatty():
        click.echo(plain(source), nl=False)
    else:
        put_bytes([source.encode("utf-8", "surrogatepass")])


def find_version(connection: Connection, number: int) -> tuple[Recorded, str]:
    """Return a version and its text; raises NotFoundError with what to do."""
    try:
        return recorded(connection, number), source_of(connection, number)
    except NotFoundError as error:
        raise NotFoundError(f"{error}; `maild rules history` lists them") from None


def _to_json(version: Recorded) -> dict[str, Any]:
    return {
        "number": version.number,
        "digest": version.digest,
        "date": rfc3339(version.loaded_ms),
        "author": version.author,
        "reason": version.reason,
        "approved_by": version.approved_by,
    }


def put_difference(settings: Settings, names: tuple[str, ...], *, as_json: bool) -> bool:
    """Print how the texts differ; return whether they do not."""
    old, new = named_rules(settings, names)
    if as_json:
        lines = "".join(f"{line}\n" for line in difference(old.source, new.source, old.name, new.name))
        put_json({"old": old.name, "new": new.name, "same": not lines, "difference": lines})
    else:
        put_lines(old.source, new.source, old.name, new.name)
    return old.source == new.source


def put_lines(old: str, new: str, old_name: str, new_name: str) -> None:
    """Print a unified difference, coloured on a terminal unless NO_COLOR is set."""
    coloured = not os.environ.get("NO_COLOR")
    for line in difference(old, new, old_name, new_name):
        heading = line.startswith(("+++ ", "--- "))
        colour = None if heading or not coloured else _COLOURS.get(line[:1])
        click.echo(click.style(plain(line), fg=colour, bold=True if heading and coloured else None))


def named_rules(settings: Settings, names: tuple[str, ...]) -> tuple[Named, Named]:
    """Return OLD and NEW as they were read, which may be with errors."""
    new = _named(settings, names[-1])
    old = _named(settings, names[0]) if len(names) > 1 else serving(settings)
    return old, new


def _named(settings: Settings, name: str) -> Named:
    if not (name.isascii() and name.isdigit()):
        loaded = read_rules(Path(name), shown=name, today=today())
        if any(d.code == Code.UNREADABLE for d in loaded.diagnostics):
            raise ConfigurationError(loaded.diagnostics)
        return _to_try(Named(name=name, loaded=loaded), Path(name).parent)
    with reading(settings) as connection:
        _, source = find_version(connection, int(name))
    named = Named(name=f"version {name}", loaded=old_text(settings, int(name), source))
    return _to_try(named, settings.server.rules.parent)


def _to_try(named: Named, folder: Path) -> Named:
    failed = errors_of(named.loaded.diagnostics)
    if not failed or any(error.code != Code.FAILED_TEST for error in failed):
        return named
    loaded = read_text(named.source, folder, shown=named.name, tested=False)
    return replace(named, loaded=loaded, failed=failed)


def old_text(settings: Settings, number: int, source: str) -> Loaded:
    """Check the text of a version where the rules file is, with the list files of today."""
    return read_text(source, settings.server.rules.parent, shown=f"version {number}")


def serving(settings: Settings) -> Named:
    """Return the rules that serve: the last good copy, or before the first start the file on the disk."""
    with reading(settings) as connection:
        newest = next(iter(read_history(connection)), None)
    kept = read_kept(settings.server.data_dir, "the rules that serve")
    if kept is not None and kept.ruleset is not None:
        if newest is not None and newest.digest == kept.ruleset.version:
            return Named(name=f"version {newest.number}", loaded=kept)
        if newest is None:
            return Named(name="the rules that serve", loaded=kept)
    if newest is not None:
        # The copy could not be written (`maild status` says so): the archive knows what serves, but for its lists.
        return _named(settings, str(newest.number))
    return Named(name=shown_path(settings.server.rules), loaded=read_own(settings))
