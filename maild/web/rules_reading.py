"""Reading the rules in the browser: what serves, who answers for which address, and every version that ever served."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from maild.archive.hits import day_of, hits_since
from maild.archive.proposals import Proposal, Unsettled, decided_proposals, unsettled, waiting_proposals
from maild.archive.versions import Recorded, history, recorded, source_of
from maild.errors import NotFoundError
from maild.rules.difference import difference
from maild.web.forms import whole_number
from maild.web.rules_draft import findings_of
from maild.web.rules_words import DECIDED, RuleWords
from maild.web.shell import shell_of
from maild.web.times import DAY_MS, day
from maild.web.visit import Visit

HIT_DAYS = 30
_NEWS_MS = 14 * DAY_MS
_MOST_LINES = 3_000


async def overview(visit: Visit) -> Response:
    """Show the rules that serve, and what waits."""
    rulebook = visit.services.rulebook
    rules, words = rulebook.current, RuleWords(visit)
    versions, hits, waiting, decided, cut_off = await visit.read(_around, visit)
    newest = next((v for v in versions if v.digest == rules.version), None)
    return visit.page(
        "rules.html",
        shell=await shell_of(visit),
        rules=rules,
        told=[words.told(rule) for rule in rules.rules],
        team=words.team,
        hits=hits,
        hit_days=HIT_DAYS,
        version=newest,
        waiting=waiting,
        cut_off=None if cut_off is None or cut_off.version is not None else cut_off.proposal,
        decided=[each for each in decided if cut_off is None or each.id != cut_off.proposal.id],
        decisions=DECIDED,
        refused=findings_of(rulebook.refused, "", visit.language) if rulebook.refused else (),
        warnings=findings_of(rulebook.warnings, rulebook.source, visit.language),
        file=rulebook.path.name,
        saved=newest is not None and visit.request.query_params.get("saved") == str(newest.number),
        proposed=visit.request.query_params.get("proposed", ""),
        day=partial(day, language=visit.language),
        two=visit.services.settings.approval == "two",
    )


def _around(
    connection: Connection, visit: Visit
) -> tuple[list[Recorded], dict[str, int], list[Proposal], list[Proposal], Unsettled | None]:
    hits = hits_since(connection, day_of(visit.now_ms) - HIT_DAYS + 1)
    decided = decided_proposals(connection, visit.person.login, visit.now_ms - _NEWS_MS)
    return history(connection), hits, waiting_proposals(connection), decided, unsettled(connection)


async def versions(visit: Visit) -> Response:
    """List every version."""
    return visit.page(
        "rules_history.html",
        shell=await shell_of(visit),
        versions=await visit.read(history),
        serving=visit.services.rulebook.current.version,
    )


async def version(visit: Visit) -> Response:
    """Show one version: its text, and what it changed."""
    number = version_number(visit)
    found, source, before = await visit.read(_version, number)
    lines = await run_in_threadpool(shown_difference, before, source)
    return visit.page(
        "rules_version.html",
        shell=await shell_of(visit),
        version=found,
        source=source,
        lines=lines,
        serving=visit.services.rulebook.source == source,
        base=visit.services.rulebook.current.version,
    )


def version_number(visit: Visit) -> int:
    """Return the number in the path; raises NotFoundError when it is none."""
    number = whole_number(visit.request.path_params["number"], digits=9)
    if number is None:
        raise NotFoundError("no number")
    return number


def _version(connection: Connection, number: int) -> tuple[Recorded, str, str]:
    before = source_of(connection, number - 1) if number > 1 else ""
    return recorded(connection, number), source_of(connection, number), before


def shown_difference(old: str, new: str) -> list[tuple[str, str]]:
    """Return the lines of a difference, each with its sign (`+`, `-`, ` ` or `@`)."""
    lines: list[tuple[str, str]] = []
    for line in difference(old, new, "", ""):
        if not lines and line.startswith(("--- ", "+++ ")):  # the names of two files
            continue
        lines.append((line[:1], line if line[:1] == "@" else line[1:]))
        if len(lines) > _MOST_LINES:
            return [*lines, ("@", "…")]
    return lines
