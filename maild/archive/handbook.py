"""What a team knows: the pages of its handbook with every version, and the conversations it shows as models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, func, insert, select, true

from maild.archive.accounts import name_or
from maild.archive.allowed import allowed, missing, require_inbox, require_team
from maild.archive.analysis import analyse
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.outgoing import survivor_of
from maild.archive.questions import Question, Sight
from maild.archive.schema import conversations, filings, summaries, users
from maild.archive.schema_handbook import handbook, models, welcomed
from maild.mail.acts import Act
from maild.policy.visible import Visible

_MOST_PAGES = 500  # of one search or list
_MOST_MODELS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A page as it was, or is. One with an empty text was removed. `address` "": it is about the team."""

    team: str
    page: str
    version: int
    title: str
    address: str
    text: str
    author: str
    author_name: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Somebody saves a page. That they may was decided before. `base` is the version they began with, 0: a new page."""

    team: str
    page: str
    base: int
    title: str
    address: str
    text: str
    author: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A conversation that a team shows as a good answer. `subject` is that of its first letter in this team."""

    team: str
    conversation_id: int
    reference: str
    subject: str
    why: str
    author_name: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """Somebody shows a conversation as a model, or (`why` "") shows it no more. That they may was decided before."""

    team: str
    conversation_id: int
    why: str
    author: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """A person needs the first page no more."""

    user_id: int
    at_ms: int


def save_pages(connection: Connection, arguments: list[Save]) -> list[bool]:
    """Write versions down; False for one whose page somebody has saved since: nothing is kept of it. A unit of work."""
    return [_save(connection, save) for save in arguments]


def _save(connection: Connection, save: Save) -> bool:
    # Before the question: of two people who save at once the second must see the first one's version.
    lock_head(connection)
    number = save.base + 1
    act = Record(
        at_ms=save.at_ms, actor=save.author, act=Act.HANDBOOK, team=save.team, about=save.page,
        details={"version": number, "removed": not save.text},
    )  # fmt: skip
    if _newest(connection, save.team, save.page) != save.base:
        return False
    record(connection, [act])
    names = ("team", "page", "title", "address", "text", "author", "at_ms")
    connection.execute(insert(handbook).values({name: getattr(save, name) for name in names} | {"version": number}))
    return True


def _newest(connection: Connection, team: str, page: str) -> int:
    found = select(func.max(handbook.c.version)).where(handbook.c.team == team, handbook.c.page == page)
    return connection.scalar(found) or 0


def pages(connection: Connection, *, visible: Visible, team: str | None = None, query: str = "") -> tuple[Version, ...]:
    """Return the pages of visible teams as they are now, by team and title; raises NotFoundError for a hidden team.

    With a query those that have each of its words; case, accents and spelling do not matter.
    """
    if team is not None:
        require_inbox(team, visible)
    newest = (
        select(handbook.c.team, handbook.c.page, func.max(handbook.c.version).label("version"))
        .where(_known(visible), *([] if team is None else [handbook.c.team == team]))
        .group_by(handbook.c.team, handbook.c.page)
        .subquery()
    )
    same = (handbook.c.team == newest.c.team) & (handbook.c.page == newest.c.page)
    statement = _versions().join(newest, same & (handbook.c.version == newest.c.version)).where(handbook.c.text != "")
    rows = connection.execute(statement.order_by(handbook.c.team, handbook.c.title, handbook.c.page).limit(_MOST_PAGES))
    found = tuple(Version(**row) for row in rows.mappings())
    words = analyse(query).split()
    return tuple(each for each in found if _has(each, words)) if words else found


def _known(visible: Visible) -> ColumnElement[bool]:
    """Return the condition that a page is of a team of which anything may be seen: it holds no mail."""
    return true() if visible.everything else handbook.c.team.in_(sorted(visible.inboxes))


def _has(page: Version, words: list[str]) -> bool:
    text = analyse(f"{page.title} {page.address} {page.text}")
    return all(word in text for word in words)


def _versions(*conditions: ColumnElement[bool]) -> Select[Any]:
    name = name_or(handbook.c.author).label("author_name")
    return select(handbook, name).outerjoin(users, users.c.login == handbook.c.author).where(*conditions)


def versions(connection: Connection, *, visible: Visible, team: str, page: str) -> tuple[Version, ...]:
    """Return all versions of a page, the newest first. Raises NotFoundError."""
    require_inbox(team, visible)
    if not page.isprintable():  # an address may have a NUL in it, PostgreSQL no text
        raise missing()
    asked = _versions(handbook.c.team == team, handbook.c.page == page).order_by(handbook.c.version.desc())
    found = tuple(Version(**row) for row in connection.execute(asked).mappings())
    if not found:
        raise missing()
    return found


def is_taken(connection: Connection, *, visible: Visible, team: str, page: str) -> bool:
    """Tell whether a team has, or had, a page of that name; raises NotFoundError for a hidden team."""
    require_inbox(team, visible)
    return _newest(connection, team, page) > 0


# --- model answers ------------------------------------------------------------------------------------------


def mark_models(connection: Connection, arguments: list[Marking]) -> list[None]:
    """Show conversations as models, or show them no more. A unit of work."""
    for marking in arguments:
        number = survivor_of(connection, marking.conversation_id)
        record(connection, [
            Record(at_ms=marking.at_ms, actor=marking.author, act=Act.HANDBOOK, team=marking.team,
                   conversation_id=number, details={"model": bool(marking.why)})
        ])  # fmt: skip
        same = select(models.c.conversation_id).join(conversations).where(_survives_as(number))
        key = (models.c.team == marking.team, models.c.conversation_id.in_(same))
        connection.execute(delete(models).where(*key))
        if marking.why:
            row = {name: getattr(marking, name) for name in ("team", "why", "author", "at_ms")}
            connection.execute(insert(models).values(row | {"conversation_id": number}))
    return [None] * len(arguments)


def _survives_as(conversation_id: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a model is this conversation, or was merged into it."""
    return func.coalesce(conversations.c.merged_into, conversations.c.id) == conversation_id


def model_answers(
    connection: Connection, *, visible: Visible, team: str | None = None, conversation_id: int | None = None
) -> tuple[Model, ...]:
    """Return the models of visible teams, the newest first; raises NotFoundError for a hidden team.

    Only those whose conversation lies in the team's inbox still.
    """
    if team is not None:
        require_team(team, visible)
    given = {name: value for name, value in (("team", team), ("conversation", conversation_id)) if value is not None}
    rows = _MODELS.rows(connection, visible, tuple(given), **given)
    return tuple(model for row in rows if (model := _model(connection, row)) is not None)


def _models(sight: Sight, given: tuple[str, ...]) -> Select[Any]:
    asked = (
        select(models, name_or(models.c.author).label("author_name"))
        .select_from(models)
        .outerjoin(users, users.c.login == models.c.author)
        .where(allowed(models.c.team, sight))
        .order_by(models.c.at_ms.desc(), models.c.conversation_id)
    )
    if "team" in given:
        asked = asked.where(models.c.team == bindparam("team"))
    if "conversation" in given:
        asked = asked.join(conversations).where(_survives_as(bindparam("conversation")))
    return asked.limit(_MOST_MODELS)


_MODELS = Question(_models)


def _model(connection: Connection, row: Any) -> Model | None:
    number = survivor_of(connection, row.conversation_id)
    first = connection.execute(
        select(summaries.c.subject, conversations.c.reference)
        .join_from(filings, summaries, summaries.c.message_id == filings.c.message_id)
        .join(conversations, conversations.c.id == filings.c.conversation_id)
        .where(filings.c.conversation_id == number, filings.c.team == row.team)
        .order_by(filings.c.message_id)
        .limit(1)
    ).first()
    if first is None:
        return None
    return Model(
        team=row.team, conversation_id=number, reference=first.reference, subject=first.subject, why=row.why,
        author_name=row.author_name, at_ms=row.at_ms,
    )  # fmt: skip


# --- the first page of a new member -------------------------------------------------------------------------


def end_welcomes(connection: Connection, arguments: list[Welcome]) -> list[None]:
    """Remember that people need the first page no more. A unit of work."""
    for each in arguments:
        if not is_welcomed(connection, each.user_id):
            connection.execute(insert(welcomed).values(user_id=each.user_id, at_ms=each.at_ms))
    return [None] * len(arguments)


def is_welcomed(connection: Connection, user_id: int) -> bool:
    """Tell whether a person has said that they need the first page no more."""
    return connection.scalar(select(welcomed.c.user_id).where(welcomed.c.user_id == user_id)) is not None
