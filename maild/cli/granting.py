"""What `maild grant` does: check the words against the rules, then write the grant."""

from __future__ import annotations

import getpass
from datetime import date

import click

from maild.archive.accounts import NewGrant, Revocation
from maild.archive.audit import OPERATOR
from maild.archive.rights import Asker, Giving, Taking, take
from maild.archive.rights import give as give_role
from maild.cli import times
from maild.cli.readers import lost_by_revoking, lost_text
from maild.cli.rules import load_rules
from maild.cli.store import carry_out
from maild.cli.verb import note
from maild.config import Settings
from maild.mail.inbox import team_of
from maild.mail.local_time import day_end_ms, day_start_ms
from maild.policy.granting import Teams
from maild.policy.roles import LENT, TEAM_ROLES, Role
from maild.rules.findings import nearest


def _role(word: str, team: str | None) -> Role:
    if word not in set(Role):
        raise click.UsageError(f"'{word}' is not a role{nearest(word, [str(role) for role in Role])}")
    role = Role(word)
    if (role in TEAM_ROLES) is (team is None):
        raise click.UsageError(f"{role} is a role in a team: name it" if team is None else f"{role} has no team")
    return role


def _operator() -> Asker:
    return Asker(actor=OPERATOR, user_id=None, teams=Teams(parents={}), at_ms=times.now_ms())


def give(
    settings: Settings,
    login: str,
    team: str | None,
    role: str,
    *,
    first: date | None,
    last: date | None,
    only_assigned: bool = False,
) -> None:
    """Give a role; `first` None is now, `last` None until it is revoked."""
    checked = _role(role, team)
    if team is not None and team_of(team) not in (teams := load_rules(settings).teams):
        raise click.UsageError(f"team '{team}' is not in the rules{nearest(team, teams)}")
    from_ms, until_ms = _span(settings, first, last)
    new = NewGrant(
        login=login,
        role=checked,
        team=team,
        from_ms=from_ms,
        until_ms=until_ms,
        granted_by=f"{getpass.getuser()} on the command line",
        only_assigned=only_assigned,
    )
    if only_assigned and checked not in LENT:
        raise click.UsageError(f"--only-assigned is for {', '.join(sorted(LENT))}")
    if until_ms is not None and until_ms <= from_ms:
        raise click.UsageError("--until is before --from: the role would never hold")
    carry_out(settings, give_role, Giving(by=_operator(), grant=new))
    end = f" through {last}" if last is not None else ""
    alone = ", for what is assigned to them" if only_assigned else ""
    note(f"{login} is {checked}" + (f" in {team}" if team else "") + end + alone)


def _span(settings: Settings, first: date | None, last: date | None) -> tuple[int, int | None]:
    """Return when a role begins and ends, by the organisation's clock."""
    if first is None and last is None:  # then it needs no rules, which may be what an administrator is to set right
        return times.now_ms(), None
    zone = load_rules(settings).organisation.timezone
    from_ms = times.now_ms() if first is None else day_start_ms(first, zone)
    return from_ms, None if last is None else day_end_ms(last, zone)


def take_back(settings: Settings, login: str, team: str | None, role: str, *, yes: bool) -> None:
    """Revoke a role; without `yes` not that of the last who can read a team."""
    checked = _role(role, team)
    if not yes and (lost := lost_by_revoking(settings, login, team, checked)):
        note(
            f"would take {checked} from {login}"
            + (f" in {team}" if team else "")
            + f"; {lost_text(lost)}; --yes does it"
        )
        raise click.exceptions.Exit(1)
    revocation = Revocation(login=login, role=checked, team=team, revoked_ms=times.now_ms())
    if not carry_out(settings, take, Taking(by=_operator(), revocation=revocation)):
        note(f"{login} did not hold {checked}" + (f" in {team}" if team else ""))
        raise click.exceptions.Exit(1)
    note(f"{login} is {checked} no longer" + (f" in {team}" if team else ""))
