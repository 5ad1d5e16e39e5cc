"""The public list of function addresses: a page, the same within a town's own site, and a form for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import Response

from maild.archive.analysis import analyse
from maild.rules.directory import Listed, as_form, listed
from maild.rules.model import Ruleset
from maild.web.gate import EMBEDDED
from maild.web.headers import framed_by_anyone
from maild.web.language import LANGUAGES
from maild.web.pages import STATIC, Pages, Surroundings
from maild.web.times import day, moment
from maild.web.visit import Visit

_MAX_QUERY = 200
# Anybody's page may read it; a copy is asked for anew each time, because a change of the rules counts at once.
_FOR_ALL = {
    "access-control-allow-origin": "*",
    "cache-control": "public, no-cache",
    "cross-origin-resource-policy": "cross-origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The addresses of one office; without a name they belong to none."""

    name: str
    lines: tuple[Listed, ...]


async def page(visit: Visit) -> Response:
    """Show the directory, or what of it was asked for; with `embed=1` as a part of another site's page."""
    asked = visit.request.query_params
    embedded = asked.get("embed") == "1"
    language = asked.get("language", "")
    if language in LANGUAGES:
        visit = replace(visit, language=language)
    query = asked.get("q", "").strip()[:_MAX_QUERY]
    every = listed(visit.services.rulebook.current)
    answer = visit.page(
        "directory.html",
        offices=offices(find(every, query)),
        total=len(every),
        query=query,
        embedded=embedded,
        language=language if language in LANGUAGES else "",
        today=day(visit.today, visit.language),
        mailto=mailto,
    )
    if embedded:
        visit.request.scope[EMBEDDED] = True
        answer.headers.update(framed_by_anyone(visit.request.scope.get("maild.nonce", "")))
    return answer


async def as_json(visit: Visit) -> Response:
    """Return the directory for programs, and for pages of other sites."""
    body = json.dumps(as_form(visit.services.rulebook.current), ensure_ascii=False, indent=1).encode()
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, **_FOR_ALL}
    known = [each.strip().removeprefix("W/") for each in visit.request.headers.get("if-none-match", "").split(",")]
    if tag in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def document(rules: Ruleset, language: str, now_ms: int) -> str:
    """Return the directory as one page that needs nothing beside it."""
    here = Surroundings(
        language=language,
        nonce="",
        form_token="",
        organisation=rules.organisation.name,
        zone=rules.organisation.timezone,
        now_ms=now_ms,
        path="",
        query="",
        person=None,
    )
    return Pages().render(
        "directory_document.html",
        here,
        offices=offices(listed(rules)),
        today=day(moment(now_ms, rules.organisation.timezone).date(), language),
        mailto=mailto,
        style=Markup(STATIC["maild.css"].decode()),  # noqa: S704 - our own stylesheet
    )


def find(lines: tuple[Listed, ...], query: str) -> tuple[Listed, ...]:
    """Return the lines that have every word of the query somewhere; case, accents and spelling do not matter."""
    words = analyse(query).split()
    return tuple(line for line in lines if all(word in _text(line) for word in words)) if words else lines


def _text(line: Listed) -> str:
    return analyse(" ".join((line.title, line.team, line.office, *line.addresses, *line.successors)))


def offices(lines: tuple[Listed, ...]) -> tuple[Office, ...]:
    """Group lines by their office, in their order."""
    groups: dict[str, list[Listed]] = {}
    for line in lines:
        groups.setdefault(line.office, []).append(line)
    return tuple(Office(name=name, lines=tuple(found)) for name, found in groups.items())


def mailto(address: str) -> str:
    """Return the link that begins a letter to an address (RFC 6068)."""
    return f"mailto:{quote(address, safe='@!$*+-._~')}"
