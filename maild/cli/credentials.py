"""`maild user invite` and `maild user second-factor`: a way in for somebody who has none, or has lost it."""

from __future__ import annotations

import click

from maild.cli.times import local, now_ms
from maild.cli.verb import note, read_address, settings, verb, yes_option


def check_login(text: str) -> None:
    """Refuse a login that nobody could type; raises UsageError."""
    from maild.archive.accounts import is_login

    if not is_login(text):
        raise click.UsageError("a login is one word of at most 64 characters, such as petra.m")


@verb(
    "maild user invite petra.m --name 'Petra Muster' --mail petra.muster@musterstadt.example",
    "maild user invite petra.m",
    name="invite",
)
@click.argument("login")
@click.option("--name", default="", help="As colleagues read it; of an account that is made.")
@click.option("--mail", help="Where the person reads personal mail; of an account that is made.")
def invite(login: str, name: str, mail: str | None) -> None:
    """Print a link by which a person sets a password; makes the account when there is none.

    Hand the link over in person. maild never mails one: it could come to an inbox that colleagues read. It opens once,
    within seven days; for an account that has a password, within one day. A newer link replaces it.
    """
    from maild.archive.accounts import NewUser, add_users, list_users
    from maild.archive.audit import OPERATOR
    from maild.archive.invitations import NewInvitation
    from maild.archive.invitations import invite as make
    from maild.archive.sessions import digest_of, new_token
    from maild.cli.store import writing
    from maild.mail.address import fold

    check_login(login)
    if mail is not None:
        read_address(mail)
    here, at_ms, token = settings(), now_ms(), new_token()
    with writing(here) as database:
        with database.read() as connection:
            known = any(person.login == fold(login.strip()) for person in list_users(connection))
        if not known:
            new = NewUser(login=login, name=name, mail=mail, password=None, created_ms=at_ms)
            database.writer.submit(add_users, new).result()
            note(f"added {login}; `maild grant {login} TEAM ROLE` gives a right")
        invitation = NewInvitation(digest=digest_of(token), login=login, by=OPERATOR, at_ms=at_ms)
        until_ms = database.writer.submit(make, invitation).result()
    click.echo(f"{here.base_url}/welcome/{token}")
    note(f"shown once; opens once, until {local(until_ms)}; hand it over in person, not by mail")


@verb("maild user second-factor petra.m", "maild user second-factor petra.m --remove --yes", name="second-factor")
@click.argument("login")
@click.option(
    "--remove", is_flag=True, help="App, passkeys and codes on paper are lost: the password alone opens again."
)
@yes_option
def second_factor(login: str, *, remove: bool, yes: bool) -> None:
    """Say whether a person has a second factor, or remove one that is lost. Exit 1: there is none."""
    from maild.archive.accounts import find_user
    from maild.archive.audit import OPERATOR
    from maild.archive.second_factors import Removal, factors_of, remove_second_factors
    from maild.cli.store import carry_out, reading

    here = settings()
    with reading(here) as connection:
        person = find_user(connection, login)
        factors = factors_of(connection, person.id)
    if not factors.any:
        note(f"{person.login} has no second factor")
        raise click.exceptions.Exit(1)
    if not remove:
        app = "" if factors.since_ms is None else f"an authenticator app since {local(factors.since_ms)}; "
        keys = f"{factors.passkeys} passkey{'' if factors.passkeys == 1 else 's'}; " if factors.passkeys else ""
        click.echo(f"{app}{keys}{factors.codes_left} codes on paper left")
        return
    if not yes:
        note(f"would remove the second factor of {person.login}: the password alone would open; --yes does it")
        raise click.exceptions.Exit(1)
    gone = Removal(user_id=person.id, login=person.login, by=OPERATOR, at_ms=now_ms(), everything=True)
    carry_out(here, remove_second_factors, gone)
    note(f"{person.login} has no second factor any more")


@verb(
    "maild user identity petra.m --subject 248289761001",
    "maild user identity petra.m --remove",
    name="identity",
)
@click.argument("login")
@click.option("--subject", default="", metavar="SUB", help="As the provider of [oidc] names the person (sub).")
@click.option("--remove", is_flag=True, help="The provider opens this account no more.")
def identity(login: str, *, subject: str, remove: bool) -> None:
    """Tie an account to a person of the identity provider, who can then sign in by it."""
    from maild.archive.identities import Link, link_identities
    from maild.cli.store import carry_out

    here = settings()
    if bool(subject) is remove:
        raise click.UsageError("say --subject SUB, or --remove")
    if not here.oidc.issuer:
        raise click.UsageError("there is no identity provider: [oidc] issuer is empty")
    carry_out(here, link_identities, Link(login=login, issuer=here.oidc.issuer, subject=subject, at_ms=now_ms()))
    note(f"{login} is {'tied to no one' if remove else f'{subject} at {here.oidc.issuer}'}")
