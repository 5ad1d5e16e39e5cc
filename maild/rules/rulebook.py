"""The rules that serve: read from disk, kept as a last good copy, exchanged without a restart.

Promise: a file that does not load changes nothing. The last good one, with its list files, lies on stable storage
before it serves, so that it goes on serving after a restart too. Files are read here and nowhere else in `rules`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from maild.errors import ConfigurationError, Diagnostic
from maild.rules.durable import write_durably
from maild.rules.findings import Code, Findings, Spot
from maild.rules.loader import load
from maild.rules.model import Ruleset

LAST_GOOD = "rules.last-good.json"
_MAX_BYTES = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A rules file as read: `ruleset` is None when `diagnostics` has an error. `lists`: its list files by name."""

    ruleset: Ruleset | None
    diagnostics: tuple[Diagnostic, ...]
    source: str
    lists: dict[str, str]


def read_rules(path: Path, *, shown: str | None = None, today: date | None = None) -> Loaded:
    """Read and check a rules file and its list files; never raises.

    Args:
        path: of the file; list files are looked for beside it and below.
        shown: how diagnostics name it, when not by `path`.
        today: with it, rules whose time is over are warned of.
    """
    try:
        source = _read(path)
    except (OSError, ValueError) as error:
        findings = Findings(shown or str(path))
        reason = error.strerror if isinstance(error, OSError) else str(error)
        findings.error(Spot(1, 1), Code.UNREADABLE, f"the rules cannot be read: {reason}")
        return Loaded(ruleset=None, diagnostics=findings.sorted(), source="", lists={})
    return read_text(source, path.parent, shown=shown or str(path), today=today)


def read_text(
    source: str,
    folder: Path,
    *,
    shown: str,
    today: date | None = None,
    tested: bool = True,
    may_read: Callable[[str], bool] | None = None,
) -> Loaded:
    """Check a text as if it were a rules file in `folder`, where its list files are; never raises.

    With `may_read` only the list files are read whose names it allows.
    """
    lists: dict[str, str] = {}

    def read_list(name: str) -> str:
        if may_read is not None and not may_read(name):
            raise ValueError("a list file that is new in the rules lies in the folder 'lists' beside them")
        lists[name] = _read_list(folder, name)
        return lists[name]

    ruleset, diagnostics = load(source, shown, read_list, today=today, tested=tested)
    return Loaded(ruleset=ruleset, diagnostics=diagnostics, source=source, lists=lists)


def _read(path: Path) -> str:
    """Return a regular file's text.

    Raises:
        OSError: it cannot be opened.
        ValueError: no regular file, too large, or not UTF-8.
    """
    # Security: a FIFO would hold the daemon for ever; it is opened without waiting and then refused.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            octets = file.read(_MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(octets) > _MAX_BYTES:
        raise ValueError(f"it has more than {_MAX_BYTES:,} octets")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8 text") from None


def _read_list(folder: Path, name: str) -> str:
    # Security: the name comes from the rules; only files beside them are theirs to quote in diagnostics.
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("a list file lies beside the rules file or below it")
    return _read(path)


def read_kept(folder: Path, shown: str) -> Loaded | None:
    """Read the last good copy in `folder`; None when there is none, or none that can be read."""
    try:
        form: Any = json.loads(_read(folder / LAST_GOOD))
        source, lists = str(form["source"]), {str(k): str(v) for k, v in form["lists"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    ruleset, diagnostics = load(source, shown, _reader_of(lists))
    if ruleset is None:
        return None
    return Loaded(ruleset=ruleset, diagnostics=diagnostics, source=source, lists=lists)


class Rulebook:
    """The rules that serve now, and what became of the newest file."""

    def __init__(self, path: Path, last_good_dir: Path) -> None:
        self.path = path
        self.refused: tuple[Diagnostic, ...] = ()  # of the newest file, when another serves
        self.warnings: tuple[Diagnostic, ...] = ()  # of the file that serves
        self.source = ""  # the text that serves, for the archive's history
        self.unkept: str | None = None  # why the last good copy could not be written
        self._last_good_dir = last_good_dir
        self._current: Ruleset | None = None
        self._listeners: list[Callable[[Ruleset], None]] = []

    @property
    def current(self) -> Ruleset:
        """The rules that serve."""
        if self._current is None:
            raise ConfigurationError(self.refused)
        return self._current

    def on_change(self, listener: Callable[[Ruleset], None]) -> None:
        """Call `listener` with the new rules after each change, in the thread of the reload."""
        self._listeners.append(listener)

    def load_at_start(self) -> Ruleset:
        """Take up the newest file, or else the last good copy.

        Raises:
            ConfigurationError: the newest file is refused and there is no good copy of an older one.
        """
        # When there is no good copy either, the refusal of the newest file stands.
        if not self.reload() and (kept := read_kept(self._last_good_dir, str(self.path))) is not None:
            self._serve(kept)
        return self.current

    def reload(self) -> bool:
        """Take up the newest file; tell whether it serves now. When it is refused, nothing changes but `refused`."""
        newest = read_rules(self.path)
        if newest.ruleset is None:
            self.refused = newest.diagnostics
            return False
        if self._current is None or newest.ruleset.version != self._current.version:
            self._keep(newest)
            self._serve(newest)
        elif self.unkept is not None:
            self._keep(newest)
        self.refused = ()
        self.warnings = newest.diagnostics
        return True

    def _serve(self, loaded: Loaded) -> None:
        if loaded.ruleset is None:
            return
        self.source = loaded.source
        self.warnings = loaded.diagnostics
        self._current = loaded.ruleset
        for listener in self._listeners:
            listener(loaded.ruleset)

    def _keep(self, loaded: Loaded) -> None:
        """Write the last good copy; a full disk is told (`unkept`), and does not stop good rules from serving."""
        form = {"path": str(self.path), "source": loaded.source, "lists": loaded.lists}
        try:
            write_durably(self._last_good_dir / LAST_GOOD, json.dumps(form, ensure_ascii=False).encode())
        except OSError as error:
            self.unkept = f"{error.strerror}: {self._last_good_dir / LAST_GOOD}"
        else:
            self.unkept = None


def _reader_of(lists: dict[str, str]) -> Callable[[str], str]:
    def read(name: str) -> str:
        if name not in lists:
            raise ValueError("it is not part of the last good copy")
        return lists[name]

    return read
