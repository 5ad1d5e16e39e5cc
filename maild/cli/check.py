"""`maild check`: settings and rules, every mistake at once."""

from __future__ import annotations

import click

from maild.cli.verb import counted, json_option, note, put_json, settings, verb
from maild.config import Settings
from maild.errors import ConfigurationError, Diagnostic, MaildError
from maild.rules.model import Ruleset

_FIELDS = ("path", "line", "column", "severity", "code", "text")


@verb("maild check", "maild check --config /etc/maild/maild.toml --json")
@json_option
def check(*, as_json: bool) -> None:
    """Check settings, rules, the rules' own tests, and whether somebody can read each team that mail comes to.

    Each finding is a line `path:line:column: severity[code]: text`, as compilers write them, so that editors can
    jump to it. Exits with 1 when there is an error; warnings are no errors.
    """
    found = _findings()
    for diagnostic in found:
        if as_json:
            put_json({name: getattr(diagnostic, name) for name in _FIELDS})
        else:
            click.echo(str(diagnostic))
    errors = sum(d.severity == "error" for d in found)
    if errors:
        raise click.exceptions.Exit(1)
    if not as_json:
        note(f"good, with {counted(len(found), 'warning')}" if found else "good")


def _findings() -> tuple[Diagnostic, ...]:
    try:
        here = settings()
    except ConfigurationError as error:
        return error.diagnostics
    from maild.cli.rules import read_rules

    loaded = read_rules(here)
    return loaded.diagnostics if loaded.ruleset is None else (*loaded.diagnostics, *_unread(here, loaded.ruleset))


def _unread(here: Settings, rules: Ruleset) -> tuple[Diagnostic, ...]:
    """Ask the archive who can read what; where there is none, as on the machine of a reviewer, that is only told."""
    if not here.database.url and not here.server.data_dir.exists():
        note("not checked whether every team has a reader: there is no archive here")
        return ()
    from maild.cli.readers import unread_diagnostics

    try:
        return unread_diagnostics(here, rules)
    except MaildError as error:
        note(f"not checked whether every team has a reader: {error}")
        return ()
