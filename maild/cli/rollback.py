"""What `maild rules rollback` does: check, put aside, replace, sign, tell the daemon."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import Connection

from maild.archive.versions import Version, ever_served, sign
from maild.cli.account import account
from maild.cli.rules import errors_of, shown_path
from maild.cli.state import reloadable
from maild.cli.store import carry_out, reading
from maild.cli.times import now_ms
from maild.cli.verb import note
from maild.cli.versions import find_version, old_text, put_lines
from maild.config import Settings
from maild.errors import ConfigurationError, MaildError, TemporaryError
from maild.rules.durable import write_durably
from maild.rules.rulebook import LAST_GOOD

_PATIENCE_S = 5.0
_LOOK_S = 0.05


def run(settings: Settings, number: int, reason: str, *, yes: bool) -> None:
    """Put a version back, or show what that would change."""
    # Through a link, the file that it leads to is replaced; the link stays.
    path = settings.server.rules.resolve()
    with _alone(path.parent):
        with reading(settings) as connection:
            _, source = find_version(connection, number)
            present = _present(path)
            unknown = present is not None and not _served(connection, present)
        loaded = old_text(settings, number, source)
        if loaded.ruleset is None:
            note(f"version {number} served once, but would not load today; nothing was changed")
            raise ConfigurationError(errors_of(loaded.diagnostics))
        if not yes:
            _preview(shown_path(path), present or b"", source, number, unknown=unknown)
            raise click.exceptions.Exit(1)
        signed = Version(
            digest=loaded.ruleset.version,
            source=source,
            loaded_ms=now_ms(),
            author=account(),
            reason=f"rollback to {number}: {reason}",
        )
        _replace(path, present, source, unknown=unknown)
        _sign(settings, signed, number)
    _tell_daemon(settings, source)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second rollback out until the first has said what it did."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TemporaryError(f"another rollback is at work in {folder}") from None
        yield
    finally:
        os.close(descriptor)


def _present(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _served(connection: Connection, present: bytes) -> bool:
    try:
        return ever_served(connection, present.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _preview(shown: str, present: bytes, source: str, number: int, *, unknown: bool) -> None:
    put_lines(present.decode("utf-8", "replace"), source, shown, f"version {number}")
    if unknown:
        note(f"{shown} holds text that never served; it would be put aside, beside the file")
    note(f"would replace {shown} by version {number}; --yes does it")


def _replace(path: Path, present: bytes | None, source: str, *, unknown: bool) -> None:
    if present == source.encode():
        note(f"{shown_path(path)} holds this text already")
        return
    if unknown and present is not None:
        aside = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}")
        write_durably(aside, present)
        note(f"what {shown_path(path)} held never served; it is kept as {shown_path(aside)}")
    write_durably(path, source.encode())


def _sign(settings: Settings, version: Version, number: int) -> None:
    try:
        signed = carry_out(settings, sign, version)
    except MaildError as error:
        # The rules matter more than their history: what was wanted is in place, and shall serve.
        note(f"maild: the file is in place, but author and reason could not be recorded: {error}")
        return
    note(f"version {number} is back, as version {signed}" if signed != number else f"version {number} is the newest")


def _tell_daemon(settings: Settings, source: str) -> None:
    process = reloadable(settings.server.data_dir)
    if process is None:
        note("no daemon runs here; it takes the rules up when it starts. Elsewhere: systemctl reload maild")
        return
    try:
        os.kill(process, signal.SIGHUP)
    except PermissionError:
        note(f"process {process} is not yours to tell; do it: systemctl reload maild")
        return
    until = time.monotonic() + _PATIENCE_S
    while _kept_source(settings.server.data_dir) != source:
        if time.monotonic() > until:
            raise TemporaryError("the daemon was told, but has not taken the rules up; `maild status` and its log know")
        time.sleep(_LOOK_S)
    note("the daemon has taken it up")


def _kept_source(data_dir: Path) -> str | None:
    try:
        kept: str = json.loads((data_dir / LAST_GOOD).read_bytes())["source"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kept
