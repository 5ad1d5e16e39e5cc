"""The handbook: short pages that a team writes for itself, and conversations that it shows as good answers.

Who reads a team reads its handbook; who answers there writes it. Somebody else's version is never overwritten unseen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive import handbook as book
from maild.archive.analysis import analyse
from maild.archive.handbook import Marking, Model, Save, Version
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.inbox import team_of
from maild.policy.roles import Permission
from maild.web.asked import entry_asked
from maild.web.forms import whole_number
from maild.web.handbook_text import html_of
from maild.web.shell import shell_of, team_name
from maild.web.visit import Visit

MAX_TEXT = 20_000
MAX_TITLE = 120
MAX_WHY = 300
_MAX_QUERY = 200
_NOT_IN_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What stands in the form: what somebody typed, or the page as it is."""

    title: str
    address: str
    text: str
    base: int


def url_of(team: str, page: str = "") -> str:
    """Return the address of a page, or of a team's handbook."""
    return f"/handbook/{quote(team, safe='')}" + (f"/{quote(page, safe='')}" if page else "")


async def overview(visit: Visit) -> Response:
    """Show the handbooks of one's teams, or the pages that were searched for."""
    query = visit.request.query_params.get("q", "").strip()[:_MAX_QUERY]
    found = await visit.read(book.pages, visible=visit.visible, query=query)
    rules = visit.services.rulebook.current
    known = [team for team in rules.teams if team in visit.visible.inboxes]
    order = [*known, *sorted({page.team for page in found} - set(known))]
    return visit.page(
        "handbook.html",
        shell=await shell_of(visit),
        query=query,
        groups=[(team, team_name(visit, team), [page for page in found if page.team == team]) for team in order],
        url_of=url_of,
    )


async def team(visit: Visit) -> Response:
    """Show a team's handbook, or with `new` the form of a new page."""
    name = _team_asked(visit)
    whole = name in visit.visible.teams  # else only what is assigned to the visitor: letters of others are no models
    if "new" in visit.request.query_params:
        return await _form_page(visit, name, "", _Form(title="", address="", text="", base=0))
    return visit.page(
        "handbook_team.html",
        shell=await shell_of(visit),
        team=name,
        name=team_name(visit, name),
        pages=await visit.read(book.pages, visible=visit.visible, team=name),
        models=await visit.read(book.model_answers, visible=visit.visible, team=name) if whole else (),
        titles=dict(_addresses(visit, name)),
        may_write=visit.may(Permission.RESPOND, name),
        url_of=url_of,
    )


async def page(visit: Visit) -> Response:
    """Show a page, one of its older versions, or (with `edit`) the form to change it."""
    name, slug = _team_asked(visit), visit.request.path_params["page"]
    every = await visit.read(book.versions, visible=visit.visible, team=name, page=slug)
    query = visit.request.query_params
    if "edit" in query:
        now = every[0]
        return await _form_page(
            visit, name, slug, _Form(title=now.title, address=now.address, text=now.text, base=now.version)
        )
    shown = every[0]
    if "version" in query:
        found = next((each for each in every if str(each.version) == query["version"]), None)
        if found is None:
            raise NotFoundError("there is no such version")
        shown = found
    return visit.page(
        "handbook_page.html",
        shell=await shell_of(visit),
        team=name,
        name=team_name(visit, name),
        here_url=url_of(name, slug),
        shown=shown,
        versions=every,
        body=html_of(shown.text),
        titles=dict(_addresses(visit, name)),
        may_write=visit.may(Permission.RESPOND, name),
        url_of=url_of,
    )


async def add(visit: Visit) -> Response:
    """Write a new page, under a name made of its title."""
    name = _team_asked(visit)
    _require_writing(visit, name)
    typed = _typed(visit)
    if not typed.title or not typed.text:
        return await _form_page(visit, name, "", typed, said="empty")
    slug = await visit.read(_free_name, visit, name, typed.title)
    return await _save(visit, name, slug, typed)


async def save(visit: Visit) -> Response:
    """Save a page that is there."""
    name, slug = _team_asked(visit), visit.request.path_params["page"]
    every = await visit.read(book.versions, visible=visit.visible, team=name, page=slug)
    _require_writing(visit, name)
    typed = _typed(visit)
    if not typed.title:
        return await _form_page(visit, name, slug, typed, said="empty")
    if (typed.title, typed.address, typed.text) == (every[0].title, every[0].address, every[0].text):
        return visit.go(url_of(name, slug))
    return await _save(visit, name, slug, typed)


async def mark(visit: Visit) -> Response:
    """Show a conversation as a model, with one sentence why; or, without one, no more."""
    talk, entry = await entry_asked(visit, Permission.RESPOND)
    why = _line(visit.form.get("why", ""))[:MAX_WHY]
    marking = Marking(
        team=entry.team, conversation_id=talk.id, why=why, author=visit.person.login, at_ms=visit.services.now_ms()
    )
    await visit.write(book.mark_models, marking, needs=((Permission.RESPOND, entry.team),), of=(talk.id,))
    return visit.go(f"/c/{talk.reference}")


async def models_of(visit: Visit, conversation_id: int) -> dict[str, Model]:
    """Return in which of the visible teams a conversation is a model."""
    found = await visit.read(book.model_answers, visible=visit.visible, conversation_id=conversation_id)
    return {model.team: model for model in found}


async def _save(visit: Visit, name: str, slug: str, typed: _Form) -> Response:
    written = Save(
        team=name, page=slug, base=typed.base, title=typed.title, address=typed.address, text=typed.text,
        author=visit.person.login, at_ms=visit.services.now_ms(),
    )  # fmt: skip
    if not await visit.write(book.save_pages, written, needs=((Permission.RESPOND, name),)):
        return await _form_page(visit, name, slug, typed, said="collision")
    return visit.go(url_of(name, slug) if typed.text else url_of(name))


async def _form_page(visit: Visit, name: str, slug: str, typed: _Form, *, said: str = "") -> Response:
    _require_writing(visit, name)
    other: Version | None = None
    if said == "collision":
        other = (await visit.read(book.versions, visible=visit.visible, team=name, page=slug))[0]
    return visit.page(
        "handbook_form.html",
        status=409 if other else 200,
        shell=await shell_of(visit),
        team=name,
        name=team_name(visit, name),
        action=url_of(name, slug),
        is_new=not slug,
        typed=typed,
        base=other.version if other else typed.base,
        other=other,
        other_body=html_of(other.text) if other else "",
        said=said,
        addresses=_addresses(visit, name),
        max_text=MAX_TEXT,
        max_title=MAX_TITLE,
        url_of=url_of,
    )


def _team_asked(visit: Visit) -> str:
    name = str(visit.request.path_params["team"])
    if name not in visit.visible.inboxes:
        raise NotFoundError("there is no such team")
    return name


def _require_writing(visit: Visit, name: str) -> None:
    if not visit.may(Permission.RESPOND, name):
        raise ForbiddenError("readers write nothing")


def _addresses(visit: Visit, name: str) -> list[tuple[str, str]]:
    rules = visit.services.rulebook.current
    return [(each.name, each.title or each.name) for each in rules.addresses if each.team == team_of(name)]


def _typed(visit: Visit) -> _Form:
    base, address = whole_number(visit.form.get("base", "0")), visit.form.get("address", "")
    if base is None:
        raise HTTPException(400)
    text = visit.form.get("text", "").replace("\r\n", "\n").replace("\x00", " ").strip()[:MAX_TEXT]
    known = dict(_addresses(visit, _team_asked(visit)))
    return _Form(
        title=_line(visit.form.get("title", ""))[:MAX_TITLE],
        address=address if address in known else "",
        text=text,
        base=base,
    )


def _line(text: str) -> str:
    return " ".join(text.replace("\x00", " ").split())


def _free_name(connection: Connection, visit: Visit, name: str, title: str) -> str:
    """Return what a page of that title is called in addresses: its words, and a number where that is taken."""
    words = _NOT_IN_NAME.sub("-", analyse(title))[:60].strip("-") or "seite"
    taken = partial(book.is_taken, connection, visible=visit.visible, team=name)
    found, number = words, 2
    while taken(page=found):
        found, number = f"{words}-{number}", number + 1
    return found
