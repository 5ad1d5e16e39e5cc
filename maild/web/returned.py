"""The register of returned mail: who did not get what, and why, for those who may read the team."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from maild.archive.audit import note_acts
from maild.archive.register import as_csv, mailings, register
from maild.errors import NotFoundError
from maild.mail.acts import Act
from maild.policy.visible import Visible
from maild.web.delivery_words import reason_words
from maild.web.shell import shell_of, team_name
from maild.web.visit import Visit

_SHOWN = 200


async def page(visit: Visit) -> Response:
    """Show what came back, the newest first: of all teams that the visitor reads, of one, of one mailing."""
    visible, team, mailing = _asked(visit)
    lines = await visit.read(register, visible=visible, mailing=mailing)
    found = await visit.read(mailings, visible=visible) if mailing is None else []
    return visit.page(
        "returned.html",
        shell=await shell_of(visit),
        lines=lines[:_SHOWN],
        total=len(lines),
        mailings=found[:_SHOWN],
        mailing=mailing,
        team=team,
        teams=[(each, team_name(visit, each)) for each in sorted(visit.visible.teams)],
        name_of=partial(team_name, visit),
        reason=partial(reason_words, language=visit.language),
    )


async def table(visit: Visit) -> Response:
    """Return the same as a table (CSV), with all lines."""
    visible, team, mailing = _asked(visit)
    lines = await visit.read(register, visible=visible, mailing=mailing)
    await visit.write(note_acts, visit.acted(Act.EXPORTED, team=team, about="returned.csv", lines=len(lines)))
    # With a mark, or spreadsheets take the octets for those of their own country.
    octets = as_csv(lines).encode("utf-8-sig")
    name = f"returned-{team.replace(':', '-')}.csv" if team else "returned.csv"
    return Response(
        octets,
        headers={"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"},
        media_type="text/csv",
    )


def _asked(visit: Visit) -> tuple[Visible, str, str | None]:
    """Return what may be seen of what is asked for. Security: a team is looked up among those that may be read."""
    query = visit.request.query_params
    team, mailing = query.get("team", ""), query.get("mailing")
    if not team:
        return visit.visible, "", mailing
    if team not in visit.visible.teams:
        raise NotFoundError("there is no such team")
    return Visible(teams=frozenset({team})), team, mailing
