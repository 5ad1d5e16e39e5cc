"""docs/permissions.md, generated from `policy` and the route table: `python -m tests.security.permissions`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from maild.mail.inbox import confidential
from maild.policy.granting import Teams, may_grant
from maild.policy.grants import Grant, Principal, may_with, teams_with
from maild.policy.roles import LENT, PERMISSIONS, TEAM_PERMISSIONS, TEAM_ROLES, Permission, Role
from maild.web.gate import Access, Page
from maild.web.routes import pages_of
from tests.web.office import office_in

ASKS = {
    Access.PUBLIC: "nothing",
    Access.SIGNED_IN: "an account; what it concerns is one's own, or looked up like mail",
    Access.READ: "`read` in a team that has it; else it is not there (404)",
    Access.RESPOND: "`read`, else 404; the act its permission in that team, else 403",
    Access.RULES: "`rules`",
    Access.REPORTS: "`rules` or `operate`",
    Access.PEOPLE: "`people`, or `manage` in any team; each act asks again who may give which role",
    Access.AUDIT: "`audit`",
    Access.QUEUE: "`operate`",
    Access.OPERATE: "this machine itself, or `operate`; else 404",
}
_TEAMS = {"above": None, "own": "above", "below": "own", "beside": None}
_ORDER = [*(role for role in Role if role in TEAM_ROLES), *(role for role in Role if role not in TEAM_ROLES)]


def page(table: Iterable[Page]) -> str:
    """Return the page."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Iterable[Page]) -> Iterator[str]:
    yield "# Who may what"
    yield ""
    yield "Generated from `maild/policy` and the route table by `make docs`; the test `test_a1_matrix.py`"
    yield "(tests/security) walks all of it."
    yield ""
    yield "## Roles and permissions"
    yield ""
    yield "A role holds in its team and in the teams below it, from its first day to its last. The last three have no"
    yield "team."
    yield ""
    yield f"| role | {' | '.join(Permission)} |"
    yield "|---" * (len(Permission) + 1) + "|"
    for role in _ORDER:
        yield f"| {role} | {' | '.join('yes' if one in PERMISSIONS[role] else '' for one in Permission)} |"
    yield ""
    yield "## Where a role in a team holds"
    yield ""
    yield "`read` of somebody whose role is in the team *own*, which lies below *above* and has a team *below* it:"
    yield ""
    inboxes = [*_TEAMS, *(confidential(team) for team in _TEAMS)]
    yield f"| role in *own* | {' | '.join(inboxes)} |"
    yield "|---" * (len(inboxes) + 1) + "|"
    for role in _ORDER:
        if role in TEAM_ROLES:
            seen = teams_with([Grant(role=role, team="own", from_ms=0)], Permission.READ, _TEAMS, 1)
            yield f"| {role} | {' | '.join('yes' if inbox in seen else '' for inbox in inboxes)} |"
    yield ""
    yield "## Helpers"
    yield ""
    yield from _helping()
    yield ""
    yield "## Who gives which role"
    yield ""
    yield from _granting()
    yield ""
    yield "## Pages and acts"
    yield ""
    yield "| path | method | asks |"
    yield "|---|---|---|"
    for each in table:
        yield f"| `{each.path}` | {', '.join(sorted(each.methods))} | {ASKS[each.access]} |"
    yield ""
    yield "The verbs of `maild` ask for the account that owns the data directory, and nobody else's;"
    yield "what they do with people, rights and mail stands in the audit log as done by *operator*."


def _helping() -> Iterator[str]:
    asked = [each for each in Permission if each in TEAM_PERMISSIONS]
    yield "A role that is given *for assigned conversations* alone, and what its holder may with an entry in that team:"
    yield ""
    yield f"| role | entry | {' | '.join(asked)} |"
    yield "|---" * (len(asked) + 2) + "|"
    for role in _ORDER:
        if role not in LENT:
            continue
        held = Grant(role=role, team="own", from_ms=0, only_assigned=True)
        who = Principal(user_id=1, login="oneself", name="", grants=(held,))
        for assignee, words in ((1, "assigned to them"), (2, "of somebody else"), (None, "nobody's")):
            cells = [may_with(who, each, "own", assignee, now_ms=1, teams=_TEAMS) for each in asked]
            yield f"| {role} | {words} | {' | '.join('yes' if cell else '' for cell in cells)} |"


def _granting() -> Iterator[str]:
    teams = Teams(parents={**_TEAMS, "closed": None}, closed=frozenset({"closed"}))
    places: list[tuple[str | None, str]] = [(name, f"in *{name}*") for name in teams.parents]
    places += [("own:confidential", "in *own:confidential*"), (None, "without a team")]
    columns = [(place, words, to) for place, words in places for to in ("others", "oneself")]
    yield "A manager is one of the team *own* here; *closed* is a team with `closed: true`."
    yield ""
    yield f"| who | {' | '.join(f'{words}, to {to}' for _, words, to in columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for role in _ORDER:
        held = Grant(role=role, team="own" if role in TEAM_ROLES else None, from_ms=0)
        who = Principal(user_id=1, login="oneself", name="", grants=(held,))
        cells = []
        for place, _, to in columns:
            given = Role.AUDITOR if place is None else Role.READER
            cells.append("yes" if may_grant(who, to, given, place, teams=teams, now_ms=1) else "")
        yield f"| {role} | {' | '.join(cells)} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, office_in(Path(folder) / "office") as office:
        print(page(pages_of(office.services)), end="")
