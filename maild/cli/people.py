"""`maild user …` and `maild grant`: who there is, by which passwords they are known, and who may what."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from maild.cli.credentials import check_login, identity, invite, second_factor
from maild.cli.times import day, local, now_ms, rfc3339
from maild.cli.verb import (
    json_option,
    note,
    put_json,
    put_table,
    read_address,
    read_password,
    settings,
    verb,
    yes_option,
)
from maild.errors import MaildError

_OBJECTIONS = {
    "short": "a password has at least 12 characters; a short sentence is good",
    "long": "a password has at most 256 characters",
    "personal": "the password is made of the person's own names; take other words",
    "common": "the password is among the first that others would try; take other words",
}
_password_file = click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The first line of this file is the password.",
)


def new_password(file: Path | None, login: str, name: str) -> str:
    """Return the hash of a password that is good enough, from a file or a terminal."""
    from maild.archive.passwords import hash_password, objection

    password = read_password(file, login)
    if wrong := objection(password, login=login, name=name):
        raise MaildError(_OBJECTIONS[wrong])
    return hash_password(password)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def user() -> None:
    """Add, invite, list and disable people; set passwords, also those of mail programs."""


user.add_command(invite)
user.add_command(second_factor)
user.add_command(identity)


@verb("maild user add petra.m --name 'Petra Muster' --mail petra.muster@musterstadt.example", group=user, name="add")
@click.argument("login")
@click.option("--name", default="", help="As colleagues read it.")
@click.option("--mail", help="Where the person reads personal mail.")
@_password_file
def add(login: str, name: str, mail: str | None, password_file: Path | None) -> None:
    """Add a person. Rights come with `maild grant`."""
    from maild.archive.accounts import NewUser, add_users, fold_login
    from maild.cli.store import by_operator, carry_out
    from maild.mail.acts import Act

    check_login(login)
    if mail is not None:
        read_address(mail)
    here = settings()
    password = new_password(password_file, login, name)
    new = NewUser(login=login, name=name, mail=mail, password=password, created_ms=now_ms())
    carry_out(here, add_users, new, by_operator(Act.ACCOUNT, fold_login(login)))
    note(f"added {login}; `maild grant {login} TEAM ROLE` gives a right")


@verb("maild user list", "maild user list --json", group=user, name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List people and what they may do now."""
    from maild.archive.accounts import grants_of, list_users
    from maild.cli.store import reading

    now = now_ms()
    rows = []
    with reading(settings()) as connection:
        for person in list_users(connection):
            held = [g for g in grants_of(connection, person.id) if g.holds(now)]
            names = [
                (f"{g.team}:{g.role}" if g.team else str(g.role)) + (" (assigned)" if g.only_assigned else "")
                for g in held
            ]
            if as_json:
                disabled = rfc3339(person.disabled_ms) if person.disabled_ms else None
                put_json(
                    {
                        "login": person.login,
                        "name": person.name,
                        "mail": person.mail,
                        "disabled": disabled,
                        "grants": names,
                    }
                )
            state = "disabled" if person.disabled_ms else ", ".join(sorted(names)) or "-"
            rows.append((person.login, person.name, person.mail or "", state))
    if not as_json:
        put_table(("LOGIN", "NAME", "MAIL", "MAY"), rows)


@verb("maild user disable petra.m --yes", group=user, name="disable")
@click.argument("login")
@click.option("--undo", is_flag=True, help="Open the account again.")
@yes_option
def disable(login: str, *, undo: bool, yes: bool) -> None:
    """Close an account; its sessions end at once, its history stays."""
    from maild.archive.accounts import Disabling, disable_users, find_user
    from maild.cli.readers import lost_by_disabling, lost_text
    from maild.cli.store import by_operator, carry_out, reading
    from maild.mail.acts import Act

    here = settings()
    with reading(here) as connection:
        person = find_user(connection, login)
    if not yes and not undo:
        lost = lost_by_disabling(here, login)
        also = f"; {lost_text(lost)}" if lost else ""
        note(f"would close the account of {person.login} ({person.name}) and end its sessions{also}; --yes does it")
        raise click.exceptions.Exit(1)
    change = Disabling(login=login, disabled_ms=None if undo else now_ms())
    carry_out(here, disable_users, change, by_operator(Act.DISABLED, person.login, open=undo))
    note(f"{login} is {'open again' if undo else 'disabled'}")


@verb("maild user passwd petra.m", group=user, name="passwd")
@click.argument("login")
@_password_file
def passwd(login: str, password_file: Path | None) -> None:
    """Set a password; the person's sessions end at once."""
    from maild.archive.accounts import NewPassword, find_user, set_passwords
    from maild.cli.store import carry_out, reading

    here = settings()
    with reading(here) as connection:
        person = find_user(connection, login)
    password = new_password(password_file, person.login, person.name)
    carry_out(here, set_passwords, NewPassword(login=login, password=password, at_ms=now_ms()))
    note(f"the password of {person.login} is set")


@verb("maild user app-password petra.m --name 'Outlook in office 12'", group=user, name="app-password")
@click.argument("login")
@click.option("--name", required=True, metavar="DEVICE", help="The device and its program; one password for each.")
def app_password(login: str, name: str) -> None:
    """Make a password for a mail program and print it, once: maild keeps only its hash."""
    from maild.archive.app_passwords import NewAppPassword, add_app_passwords, new_secret, shown
    from maild.archive.passwords import hash_password
    from maild.cli.store import carry_out

    here = settings()
    secret = new_secret()
    new = NewAppPassword(login=login, name=name, password=hash_password(secret), at_ms=now_ms())
    password_id = carry_out(here, add_app_passwords, new)
    click.echo(shown(password_id, secret))
    note(f"this is shown once; `maild user app-passwords {login} --revoke {password_id}` takes it back")


@verb(
    "maild user app-passwords petra.m",
    "maild user app-passwords petra.m --revoke 3",
    group=user,
    name="app-passwords",
)
@click.argument("login")
@click.option("--revoke", "revoked", type=int, metavar="ID", help="Take this one back; it ends at once.")
@json_option
def app_passwords(login: str, *, revoked: int | None, as_json: bool) -> None:
    """List the passwords of a person's mail programs, or take one back."""
    from maild.archive.accounts import find_user
    from maild.archive.app_passwords import Withdrawal, app_passwords_of, revoke_app_passwords
    from maild.cli.store import carry_out, reading

    here = settings()
    if revoked is not None:
        carry_out(here, revoke_app_passwords, Withdrawal(login=login, id=revoked, at_ms=now_ms()))
        note(f"password {revoked} of {login} is revoked")
        return
    with reading(here) as connection:
        found = app_passwords_of(connection, find_user(connection, login).login)
    for each in found if as_json else ():
        used = None if each.used_ms is None else rfc3339(each.used_ms)
        put_json({"id": each.id, "name": each.name, "created": rfc3339(each.created_ms), "used": used})
    if not as_json:
        rows = [(str(e.id), e.name, local(e.created_ms), "-" if e.used_ms is None else local(e.used_ms)) for e in found]
        put_table(("ID", "DEVICE", "SINCE", "USED"), rows)


@verb(
    "maild user copies petra.m kita on",
    "maild user copies petra.m kita off",
    "maild user copies petra.m",
    group=user,
    name="copies",
)
@click.argument("login")
@click.argument("team", required=False)
@click.argument("word", required=False, type=click.Choice(["on", "off"]), metavar="[on|off]")
def copies(login: str, team: str | None, word: str | None) -> None:
    """Say whether a person gets copies of a team's letters in their own mailbox; without a team, list them.

    The rules must allow it (`copies: allowed`), and `--mail` of the account be an address elsewhere. What the person
    answers to a copy goes out from the office's address. Off ends at once what was sent before.
    """
    from maild.cli.copying import list_copies, set_copies

    if team is not None and word is None:
        raise click.UsageError("say on or off")
    if team is None or word is None:
        list_copies(settings(), login)
    else:
        set_copies(settings(), login, team, on=word == "on")


def _team_and_role(words: tuple[str, ...]) -> tuple[str | None, str]:
    if len(words) not in {1, 2}:
        raise click.UsageError("say LOGIN TEAM ROLE, or LOGIN ROLE for a role that is not about a team")
    return (None, words[0]) if len(words) == 1 else (words[0], words[1])


@verb(
    "maild grant petra.m kita responder --until 2026-12-31",
    "maild grant helga kita responder --until 2026-04-30 --only-assigned",
    "maild grant petra.m administrator",
    "maild grant petra.m kita responder --revoke",
    "maild grant petra.m kita responder --revoke --yes",
)
@click.argument("login")
@click.argument("words", nargs=-1, metavar="[TEAM] ROLE")
@click.option("--from", "first", metavar="D", callback=day, help="The first day. Default: now.")
@click.option("--until", "last", metavar="D", callback=day, help="The last day. Default: until revoked.")
@click.option("--only-assigned", is_flag=True, help="For helpers: of conversations that are assigned to them alone.")
@click.option("--revoke", is_flag=True, help="Take the role back.")
@click.option("--yes", is_flag=True, help="Take it back even from the last who can read a team.")
def grant(
    login: str,
    words: tuple[str, ...],
    *,
    first: date | None,
    last: date | None,
    only_assigned: bool,
    revoke: bool,
    yes: bool,
) -> None:
    """Give a person a role in a team, for a time or until it is revoked.

    Roles in a team: reader, drafter, responder, coordinator, manager; each may what the ones before it may. Roles
    without a team: administrator, rule-editor, auditor. Readers, drafters and responders can be helpers, who see the
    conversations that are assigned to them, for as long as they are.
    """
    from maild.cli.granting import give, take_back

    team, role = _team_and_role(words)
    if revoke:
        take_back(settings(), login, team, role, yes=yes)
    else:
        give(settings(), login, team, role, first=first, last=last, only_assigned=only_assigned)
