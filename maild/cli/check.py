"""`maild check`: settings and rules, every mistake at once."""

from __future__ import annotations

import click

from maild.cli.verb import counted, json_option, note, put_json, settings, verb
from maild.errors import ConfigurationError, Diagnostic


@verb("maild check", "maild check --config /etc/maild/maild.toml --json")
@json_option
def check(*, as_json: bool) -> None:
    """Check settings, rules and the rules' own tests.

    Each finding is a line `path:line:column: severity[code]: text`, as compilers write them, so that editors can
    jump to it. Exits with 1 when there is an error; warnings are no errors.
    """
    found = _findings()
    for diagnostic in found:
        if as_json:
            put_json({name: getattr(diagnostic, name) for name in Diagnostic.__dataclass_fields__})
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

    return read_rules(here).diagnostics
