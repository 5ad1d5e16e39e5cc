"""`maild serve`: the daemon, in the foreground."""

from __future__ import annotations

import click

from maild.cli.verb import settings, verb

ROLES = ("smtp", "router", "delivery", "web")


def _roles(ctx: click.Context, param: click.Parameter, value: str | None) -> frozenset[str]:
    del ctx, param
    asked = frozenset(part.strip() for part in (value or "").split(",") if part.strip())
    if unknown := sorted(asked - frozenset(ROLES)):
        raise click.BadParameter(f"'{unknown[0]}' is not a role; there are {', '.join(ROLES)}")
    return asked or frozenset(ROLES)


@verb("maild serve", "maild serve --config /etc/maild/maild.toml --only smtp,router")
@click.option("--only", callback=_roles, metavar="ROLE,…", help=f"Only these of {', '.join(ROLES)}.")
def serve(only: frozenset[str]) -> None:
    """Run the daemon in the foreground.

    Readiness goes to systemd when it asks. Rules and certificates are taken up when their files change,
    rules at once on SIGHUP; SIGTERM finishes what is in hand.
    """
    from maild.cli.daemon import run

    run(settings(), only)
