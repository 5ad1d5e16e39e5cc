"""The rules that serve: read from disk, kept as a last good copy, exchanged without a restart.

Promise: a file that does not load changes nothing. The last good one, with its list files, lies on stable storage
before it serves, so that it goes on serving after a restart too. Files are read here and nowhere else in `rules`.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from maild.durable import write_durably
from maild.errors import ConfigurationError, Diagnostic, said
from maild.mail.facts import Facts
from maild.rules.findings import Code, Findings, Spot, UnusableError, reason_of
from maild.rules.loader import load, load_tested
from maild.rules.model import Ruleset
from maild.rules.rule_tests import TestResult
from maild.rules.samples import MAX_BYTES as MAX_SAMPLE
from maild.rules.samples import SampleReader

LAST_GOOD = "rules.last-good.json"
_MAX_BYTES = 20_000_000


class Stamp(NamedTuple):
    """What changes whenever a file does."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A rules file as read: `ruleset` is None when `diagnostics` has an error. `lists`: its list files by name.

    `stamps`: each file that was looked for, as it was just before it was read; None: it was not there. `results`: of
    the file's own tests, when it could be read that far.
    """

    ruleset: Ruleset | None
    diagnostics: tuple[Diagnostic, ...]
    source: str
    lists: dict[str, str]
    stamps: Mapping[Path, Stamp | None] = field(default_factory=dict)
    results: tuple[TestResult, ...] = ()


def stamp_of(path: Path) -> Stamp | None:
    """Return what changes whenever the file does, by whatever way; links are followed. None: there is no such file."""
    try:
        state = path.stat()
    except (OSError, ValueError):
        return None
    # ctime: of a file that was copied over this one with its times, or that may be read from now on.
    return Stamp(state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def read_rules(path: Path, *, shown: str | None = None, today: date | None = None) -> Loaded:
    """Read and check a rules file and its list files; never raises.

    Args:
        path: of the file; list files are looked for beside it and below.
        shown: how diagnostics name it, when not by `path`.
        today: with it, rules whose time is over are warned of.
    """
    stamps = {path: stamp_of(path)}
    try:
        source = _read(path)
    except (OSError, ValueError) as error:
        findings = Findings(shown or str(path))
        findings.error(
            Spot(1, 1), Code.UNREADABLE, said("the rules cannot be read: %(reason)s", reason=reason_of(error))
        )
        return Loaded(ruleset=None, diagnostics=findings.sorted(), source="", lists={}, stamps=stamps)
    loaded = read_text(source, path.parent, shown=shown or str(path), today=today)
    return replace(loaded, stamps={**stamps, **loaded.stamps})


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

    With `may_read` only the list files are read whose names it allows, and letters in `samples/` alone.
    """
    with SampleReader() as samples:
        beside = _Beside(folder, samples, may_read)
        found = load_tested(source, shown, beside.read_list, beside.read_sample, today=today, tested=tested)
    return Loaded(
        ruleset=found.ruleset,
        diagnostics=found.diagnostics,
        source=source,
        lists=beside.lists,
        stamps=beside.stamps,
        results=found.results,
    )


class _Beside:
    """The files beside a rules file that it names: lists, and letters of tests; and what was read of them."""

    def __init__(self, folder: Path, samples: SampleReader, may_read: Callable[[str], bool] | None) -> None:
        self._folder = folder
        self._samples = samples
        self._may_read = may_read
        self.lists: dict[str, str] = {}
        self.stamps: dict[Path, Stamp | None] = {}

    def read_list(self, name: str) -> str:
        if self._may_read is not None and not self._may_read(name):
            raise UnusableError(said("a list file that is new in the rules lies in the folder 'lists' beside them"))
        self.lists[name] = _read(self._path(name))
        return self.lists[name]

    def read_sample(self, name: str) -> Facts:
        # Security: how a test comes out says something of the file, to whoever may try rules on it.
        parts = PurePosixPath(name).parts
        if self._may_read is not None and (parts[:1] != ("samples",) or ".." in parts):
            raise UnusableError(said("a letter that a test names lies in the folder 'samples' beside the rules"))
        return self._samples.read(_octets(self._path(name), MAX_SAMPLE))

    def _path(self, name: str) -> Path:
        self.stamps[self._folder / name] = stamp_of(self._folder / name)
        # Security: the name comes from the rules; only files beside them are theirs to quote in diagnostics.
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise UnusableError(said("a file that the rules name lies beside them or below"))
        return path


def _octets(path: Path, limit: int) -> bytes:
    """Return what a regular file holds.

    Raises:
        OSError: it cannot be opened.
        ValueError: no regular file, or too large.
    """
    # Security: a FIFO would hold the daemon for ever; it is opened without waiting and then refused.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnusableError(said("it is not a regular file"))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            octets = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(octets) > limit:
        raise UnusableError(said("it has more than %(most)s octets", most=limit))
    return octets


def _read(path: Path) -> str:
    """Return a regular file's text; raises ValueError also when it is not UTF-8."""
    octets = _octets(path, _MAX_BYTES)
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise UnusableError(said("line %(line)s is not UTF-8 text", line=str(line))) from None


def read_kept(folder: Path, shown: str) -> Loaded | None:
    """Read the last good copy in `folder`; None when there is none, or none that can be read."""
    try:
        form: Any = json.loads(_read(folder / LAST_GOOD))
        source, lists = str(form["source"]), {str(k): str(v) for k, v in form["lists"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    ruleset, diagnostics = load(source, shown, _reader_of(lists), served=True)
    if ruleset is None:
        return None
    return Loaded(ruleset=ruleset, diagnostics=diagnostics, source=source, lists=lists)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest file as one reading found it. `turn` counts the readings in the order in which they began."""

    loaded: Loaded
    turn: int


class Rulebook:
    """The rules that serve now, and what became of the newest file."""

    def __init__(self, path: Path, last_good_dir: Path) -> None:
        self.path = path
        self.refused: tuple[Diagnostic, ...] = ()  # of the newest file, when another serves
        self.warnings: tuple[Diagnostic, ...] = ()  # of the file that serves
        self.source = ""  # the text that serves, for the archive's history
        self.unkept: str | None = None  # why the last good copy could not be written
        self.stamps: Mapping[Path, Stamp | None] = {}  # the files of the newest reading, refused or not
        self._last_good_dir = last_good_dir
        self._current: Ruleset | None = None
        self._kept = ""  # the version of the last good copy, as far as it was written here
        self._reading = threading.Lock()
        self._turns = 0  # readings begun
        self._taken = 0  # the last of them that was taken up
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
        newest = self.read()
        return newest is not None and self.take_up(newest)

    def read(self, *, settled: Mapping[Path, Stamp | None] | None = None) -> Newest | None:
        """Read the newest file, from any thread, and keep it when it is good and new; nothing serves yet.

        Args:
            settled: None is returned, and nothing kept, when one of these files has changed since then: somebody is
                writing, and what was read may be half of it.
        """
        with self._reading:
            self._turns += 1
            turn = self._turns
            newest = read_rules(self.path)
            if settled is not None and any(newest.stamps.get(path, stamp) != stamp for path, stamp in settled.items()):
                return None
            if newest.ruleset is not None and (self.unkept is not None or newest.ruleset.version != self._kept):
                self._keep(newest, newest.ruleset.version)
        return Newest(loaded=newest, turn=turn)

    def take_up(self, newest: Newest) -> bool:
        """Let what was read serve; tell whether it does. It is passed over when something read later serves already.

        Listeners are called here: in the daemon, this is for the event loop's thread alone.
        """
        if newest.turn < self._taken:
            return not self.refused
        self._taken = newest.turn
        loaded = newest.loaded
        self.stamps = loaded.stamps
        if loaded.ruleset is None:
            self.refused = loaded.diagnostics
            return False
        self.refused = ()
        self.warnings = loaded.diagnostics
        if self._current is None or loaded.ruleset.version != self._current.version:
            self._serve(loaded)
        return True

    def _serve(self, loaded: Loaded) -> None:
        if loaded.ruleset is None:
            return
        self.source = loaded.source
        self.warnings = loaded.diagnostics
        self._current = loaded.ruleset
        for listener in self._listeners:
            listener(loaded.ruleset)

    def _keep(self, loaded: Loaded, version: str) -> None:
        """Write the last good copy; a full disk is told (`unkept`), and does not stop good rules from serving."""
        form = {"path": str(self.path), "source": loaded.source, "lists": loaded.lists}
        try:
            write_durably(self._last_good_dir / LAST_GOOD, json.dumps(form, ensure_ascii=False).encode())
        except OSError as error:
            self.unkept = f"{error.strerror}: {self._last_good_dir / LAST_GOOD}"
        else:
            self.unkept = None
            self._kept = version


def _reader_of(lists: dict[str, str]) -> Callable[[str], str]:
    def read(name: str) -> str:
        if name not in lists:
            raise ValueError("it is not part of the last good copy")
        return lists[name]

    return read
