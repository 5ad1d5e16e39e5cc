"""Who can read which team, for verbs that check it or change it."""

from __future__ import annotations

from maild.archive.accounts import find_user, open_grants
from maild.archive.readers import Held, Orphan, find_orphans, unread_teams
from maild.cli.rules import read_rules, shown_path
from maild.cli.store import reading
from maild.cli.times import now_ms
from maild.cli.verb import counted
from maild.config import Settings
from maild.errors import Diagnostic
from maild.policy.roles import Role
from maild.rules.findings import Code
from maild.rules.model import Ruleset
from maild.rules.rulebook import read_kept


def unread_diagnostics(settings: Settings, rules: Ruleset) -> tuple[Diagnostic, ...]:
    """Return a warning for each team that mail comes to and nobody can read; an error where nobody sees it at all.

    Raises:
        MaildError: there is no archive to ask, or it cannot be asked now.
    """
    with reading(settings) as connection:
        found = find_orphans(connection, rules, now_ms())
    path = shown_path(settings.server.rules)
    return tuple(
        Diagnostic(
            path=path,
            line=orphan.team.line,
            column=orphan.team.column,
            severity="error" if _is_unseen(orphan) else "warning",
            code=Code.UNREAD_TEAM.value,
            text=sentence(orphan),
        )
        for orphan in found
    )


def _is_unseen(orphan: Orphan) -> bool:
    """Tell whether mail lies there that nobody sees, and nobody will be back for."""
    return (orphan.is_fallback and not orphan.confidential) or (orphan.waits and not orphan.away)


def sentence(orphan: Orphan) -> str:
    """Say that nobody can read a team, what becomes of its mail, and what to do."""
    team = orphan.team.id
    if orphan.waits and not orphan.away:
        return (
            f"nobody can read '{orphan.inbox}', which is closed to administrators: its mail waits there, seen by "
            f"nobody and put nowhere else; `maild grant LOGIN {team} manager` gives it a reader"
        )
    if orphan.waits:
        return (
            f"all who can read '{orphan.inbox}' are absent, and nobody else may: its mail waits for them; `maild "
            f"absent LOGIN --end` says that somebody is back"
        )
    if orphan.away:
        return (
            f"all who can read '{orphan.inbox}' are absent, so its mail goes to the fallback, too; `maild absent LOGIN "
            f"--end` says that somebody is back, and a `deputy` of team '{team}' in the rules covers it meanwhile"
        )
    if orphan.confidential:
        return (
            f"nobody can read the confidential inbox of team '{team}', so its mail goes to that of the fallback, too, "
            f"if somebody reads that; `maild grant LOGIN {team} manager`, or `{orphan.inbox} reader`, gives it a reader"
        )
    goes = (
        "where everything goes that nobody else claims"
        if orphan.is_fallback
        else "so its mail goes to the fallback, too"
    )
    return f"nobody can read team '{team}', {goes}; `maild grant LOGIN {team} responder` gives it a reader"


def lost_by_disabling(settings: Settings, login: str) -> tuple[str, ...]:
    """Return the teams that nobody could read once this account is closed; raises NotFoundError."""
    with reading(settings) as connection:
        held, user_id = open_grants(connection), find_user(connection, login).id
    return _lost(settings, held, {**held, user_id: ()})


def lost_by_revoking(settings: Settings, login: str, team: str | None, role: Role) -> tuple[str, ...]:
    """Return the teams that nobody could read without this role; raises NotFoundError."""
    with reading(settings) as connection:
        held, user_id = open_grants(connection), find_user(connection, login).id
    kept = tuple(grant for grant in held.get(user_id, ()) if (grant.role, grant.team) != (role, team))
    return _lost(settings, held, {**held, user_id: kept})


def lost_text(teams: tuple[str, ...]) -> str:
    """Say which teams would have lost their last reader."""
    return f"nobody could read {counted(len(teams), 'team')} any more: {', '.join(teams)}"


def _lost(settings: Settings, before: Held, after: Held) -> tuple[str, ...]:
    rules, now = _rules(settings), now_ms()
    if rules is None:
        return ()
    lost = unread_teams(after, rules, now) - unread_teams(before, rules, now)
    return tuple(team for team in rules.teams if team in lost)


def _rules(settings: Settings) -> Ruleset | None:
    """Return the rules on disk, else the last good ones: a broken file must not keep an account open."""
    if (newest := read_rules(settings).ruleset) is not None:
        return newest
    kept = read_kept(settings.server.data_dir, "the rules that serve")
    return None if kept is None else kept.ruleset
