"""`maild init`: a new maild in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import click

from maild.cli.verb import is_terminal, note, verb


@verb(
    "maild init /srv/maild --domain musterstadt.example --admin petra.m",
    "maild init post --domain musterstadt.example --admin petra.m --password-file secret.txt",
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--domain", metavar="D", help="The domain that mail is accepted for.")
@click.option("--admin", metavar="LOGIN", help="The first administrator.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The first line of this file is the administrator's password.",
)
def init(folder: Path, domain: str | None, admin: str | None, password_file: Path | None) -> None:
    """Write maild.toml and rules.yaml, the database and the first administrator.

    DIR is a new folder, or an empty one. What is missing is asked for on a terminal, and nowhere else.
    """
    from maild.cli.credentials import check_login
    from maild.cli.people import new_password
    from maild.cli.site import Administrator, check_domain, check_empty, make_site

    check_empty(folder)
    domain = check_domain(domain or _ask("Domain that mail is accepted for", "--domain"))
    admin = admin or _ask("Login of the first administrator", "--admin")
    check_login(admin)
    password = new_password(password_file, admin, "")
    make_site(folder, domain, Administrator(login=admin, password=password))
    note(f"{folder / 'maild.toml'} and {folder / 'rules.yaml'} are written; next:")
    note(f"  maild check --config {folder / 'maild.toml'}")
    note(f"  maild serve --config {folder / 'maild.toml'}")
    note(f"{admin} administers maild, and manages the team 'poststelle'.")


def _ask(question: str, option: str) -> str:
    if not is_terminal():
        raise click.UsageError(f"{option} is missing (nothing is asked without a terminal)")
    return str(click.prompt(question, err=True))
