"""What `maild rules rollback` does: check, put aside, replace, sign, tell the daemon."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import click

from maild.archive.versions import Version, octets_ever_served, sign
from maild.cli.account import account
from maild.cli.rules import errors_of, shown_path
from maild.cli.state import reloadable
from maild.cli.store import by_operator, carry_out, reading
from maild.cli.times import now_ms
from maild.cli.verb import note
from maild.cli.versions import find_version, old_text, put_lines
from maild.config import Settings
from maild.errors import ConfigurationError, ForbiddenError, MaildError, TemporaryError
from maild.mail.acts import Act
from maild.rules import rules_file
from maild.rules.rulebook import LAST_GOOD

_PATIENCE_S = 5.0
_LOOK_S = 0.05


def run(settings: Settings, number: int, reason: str, *, yes: bool) -> None:
    """Put a version back, or show what that would change."""
    _refuse_alone(settings, number)
    with rules_file.alone(settings.server.rules) as path:
        with reading(settings) as connection:
            _, source = find_version(connection, number)
            present = rules_file.present(path)
            unknown = present is not None and not octets_ever_served(connection, present)
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


def _refuse_alone(settings: Settings, number: int) -> None:
    """Refuse where two must agree: who is on this machine can write the file, and that is recorded as what it is."""
    if settings.rules.approval == "two":
        raise ForbiddenError(
            f"two people must agree on the rules here: propose it at {settings.base_url}/rules/history/{number}. "
            f"In an emergency put the text there yourself, which is recorded as made by hand: "
            f"maild rules show {number} > FILE, then mv FILE {shown_path(settings.server.rules)}"
        )


def _preview(shown: str, present: bytes, source: str, number: int, *, unknown: bool) -> None:
    put_lines(present.decode("utf-8", "replace"), source, shown, f"version {number}")
    if unknown:
        note(f"{shown} holds text that never served; it would be put aside, beside the file")
    note(f"would replace {shown} by version {number}; --yes does it")


def _replace(path: Path, present: bytes | None, source: str, *, unknown: bool) -> None:
    if present == source.encode():
        note(f"{shown_path(path)} holds this text already")
        return
    aside = rules_file.replace(path, present, source, unknown=unknown)
    if aside is not None:
        note(f"what {shown_path(path)} held never served; it is kept as {shown_path(aside)}")


def _sign(settings: Settings, version: Version, number: int) -> None:
    try:
        done = by_operator(Act.RULES, version.digest, what="went back", version=number)
        signed = carry_out(settings, sign, version, done)
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
