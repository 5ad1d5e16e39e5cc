"""Search: the query is the whole state; what is found are letters, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.responses import Response

from maild.archive.named import named
from maild.archive.outgoing import sent_to
from maild.archive.queries import Related
from maild.archive.search import Hit, search
from maild.archive.search_language import QueryError, parse
from maild.archive.search_query import Query
from maild.errors import NotFoundError
from maild.mail.ids import id_ms, parse_id, parse_reference
from maild.policy.roles import Permission
from maild.policy.visible import Visible
from maild.web.events import note_page
from maild.web.language import catalogue
from maild.web.recording import remember_search
from maild.web.shell import Shell, shell, shell_of, team_name
from maild.web.visit import Visit

PAGE_SIZE = 50
_MAX_QUERY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A letter that was found, as lists show it."""

    id: int
    reference: str
    subject: str
    from_name: str
    from_mail: str
    excerpt: str
    outgoing: bool
    received_ms: int
    tags: tuple[str, ...]
    attachments: int
    team_names: str
    state: str = ""
    priority: int = 1
    unseen: bool = False
    waiting_since_ms: int | None = None
    assignee: str | None = None
    source_only: str | None = None
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Where a query cannot be read."""

    text: str
    before: str
    at: str
    after: str


def _(text: str) -> str:
    """Mark words for translation."""
    return text


FAULTS = {
    "": _("This search cannot be read at the marked place."),
    "bad-date": _("“{0}” is no date. Dates are written 2026-05-31 or 31.5.2026, ages 30d."),
    "bad-size": _("“{0}” is no size. Sizes are written 500kB or 5MB."),
    "bad-id": _("“{0}” is not the id of a message."),
    "bad-reference": _("“{0}” is no reference such as 7K3F-9Q2A."),
    "bad-value": _("“{0}” cannot be asked for here."),
    "no-value": _("Something is missing after the colon."),
    "no-star": _("A star may stand only at the end of a word."),
    "short-prefix": _("A star needs at least two letters before it."),
    "unbalanced": _("A bracket or a quotation mark has no second one."),
    "lonely-or": _("OR needs a word on either side."),
    "unknown-field": _("There is no field “{0}”."),
    "too-deep": _("Too many brackets inside each other."),
    "too-long": _("The search is too long."),
}


async def find(visit: Visit) -> Response:
    """Search, and show what was found."""
    asked = visit.request.query_params.get("q", "").strip()[:_MAX_QUERY]
    before = _before(visit)
    try:
        query = parse(asked) if asked else None
    except QueryError as error:
        fault = _fault(asked, error, visit.language)
        around = await shell_of(visit)
        return _page(visit, around, asked=asked, fault=fault, before=before)
    if query is not None and before is None:
        remember_search(visit, asked)
    around, hits = await visit.read(_ask, visit, query, before)
    older = hits[PAGE_SIZE - 1].message_id if len(hits) > PAGE_SIZE else None
    ours = [hit.message_id for hit in hits[:PAGE_SIZE] if hit.direction == "out"]
    to = await visit.read(sent_to, visible=visit.visible, message_ids=ours) if ours else {}
    shown = [_found(hit, visit, to.get(hit.message_id, ())) for hit in hits[:PAGE_SIZE]]
    there = await visit.read(named, visible=visit.visible, references=_references(asked)) if before is None else ()
    return _page(visit, around, asked=asked, hits=shown, older=older, before=before, there=there)


def _references(asked: str) -> tuple[str, ...]:
    """Return the reference that is all of a search: as it stands in a subject, or as somebody reads it out."""
    found = parse_reference(asked.removeprefix("ref:").strip("[]# "))
    return () if found is None else (found,)


def _page(
    visit: Visit,
    around: Shell,
    *,
    asked: str,
    before: int | None,
    hits: list[Found] | None = None,
    older: int | None = None,
    fault: Fault | None = None,
    there: tuple[Related, ...] = (),
) -> Response:
    return visit.page(
        "search.html",
        status=200 if fault is None else 400,
        shell=around,
        asked=asked,
        hits=hits or [],
        older=older,
        named=there,
        before=before,
        fault=fault,
        kept=next((folder for folder in around.folders if folder.query == asked), None),
        keepers=[team for team in around.teams if visit.may(Permission.RESPOND, team.id)],
    )


def _ask(connection: Connection, visit: Visit, query: Query | None, before: int | None) -> tuple[Shell, list[Hit]]:
    visible: Visible = visit.visible
    note_page(connection, visit)
    around = shell(connection, visit)
    if query is None:
        return around, []
    hits = search(
        connection, visible, query, limit=PAGE_SIZE + 1, before_id=before, now_ms=visit.now_ms, zone=visit.zone
    )
    return around, hits


def _before(visit: Visit) -> int | None:
    said = visit.request.query_params.get("before")
    if said is None:
        return None
    number = parse_id(said)
    if number is None:
        raise NotFoundError("not an id")
    return number


def _found(hit: Hit, visit: Visit, to: tuple[str, ...]) -> Found:
    return Found(
        id=hit.message_id,
        reference=hit.reference or "",
        subject=hit.subject,
        from_name=hit.from_name,
        from_mail=hit.from_mail,
        excerpt=hit.excerpt,
        outgoing=hit.direction == "out",
        received_ms=id_ms(hit.message_id),
        tags=hit.tags,
        attachments=hit.attachments,
        team_names=", ".join(team_name(visit, team) for team in hit.teams),
        to=to,
    )


def _fault(asked: str, error: QueryError, language: str) -> Fault:
    words = catalogue(language).gettext(FAULTS.get(error.code, FAULTS[""]))
    at = min(max(error.position, 0), len(asked))
    end = len(error.word) or 1
    return Fault(
        text=words.replace("{0}", error.word),
        before=asked[:at],
        at=asked[at : at + end],
        after=asked[at + end :],
    )
