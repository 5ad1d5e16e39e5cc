"""What somebody is writing: kept as it is typed, until it is sent or given up. Units of work, and questions.

A draft is its author's alone. One that its author has given to the team to be released, or that came by mail and was
refused, may be read, changed and sent by who may answer for the team. Of any other, colleagues learn that it is being
written, and by whom, and no word of it. Whether a person may write for a team is decided by `policy` before;
`releasing` are the teams they may send for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    delete,
    insert,
    not_,
    or_,
    select,
    update,
)

from maild.archive.accounts import name_or
from maild.archive.allowed import allowed, missing
from maild.archive.content import Content, store
from maild.archive.covering import covered, is_covered, take_over
from maild.archive.questions import Question, Sight
from maild.archive.schema import users
from maild.archive.schema_outgoing import draft_files, drafts
from maild.policy.visible import Visible

OPEN = ("writing", "held", "refused")
COLLISION = "collision"  # why it is held: somebody else has answered
RELEASE = "release"  # somebody who may send it has to


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """Who asks for a draft: the login, and the teams for which they may send what others wrote.

    `acts_for`: for whom they act who is away, by inbox.
    """

    login: str
    releasing: frozenset[str] = frozenset()
    acts_for: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFile:
    """A file that goes with a draft; its octets are in the archive under `digest`."""

    position: int
    name: str
    media_type: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft as it stands."""

    id: int
    author: str
    team: str
    kind: str  # answer | new | forward
    conversation_id: int | None
    answers_id: int | None
    seen_id: int | None
    fields: Mapping[str, str]
    state: str  # writing | held | refused | sent | discarded
    why: str
    changed_ms: int
    message_id: int | None
    files: tuple[DraftFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """A draft is written down. What it is about is of its first time; `team` and `fields` are of the newest.

    `seen_id` moves on only where the author was shown more. `why` given: it is to wait for a release (RELEASE), or its
    author goes on with it (""). `note` is told to its author where somebody takes it over (`maild.archive.covering`).
    """

    id: int
    by: Editor
    team: str
    kind: str
    conversation_id: int | None
    answers_id: int | None
    seen_id: int | None
    fields: Mapping[str, str]
    at_ms: int
    why: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file is added to a draft."""

    draft_id: int
    by: Editor
    name: str
    media_type: str
    content: Content
    max_bytes: int  # of all files of the draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A file is taken from a draft, or, without a position, the draft is given up."""

    draft_id: int
    by: Editor
    at_ms: int
    position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Somebody is writing: all that colleagues learn, and the way to it for who may open it."""

    id: int
    author: str
    author_name: str
    team: str
    conversation_id: int | None
    why: str
    changed_ms: int
    subject: str  # "" for who may not open it
    may_open: bool
    covered: bool = False  # its author is away, and the asker acts for them


# --- questions -----------------------------------------------------------------------------------------------


# Given to the team: to be released, or refused when it came by mail (`maild.archive.member_drafts`).
_GIVEN = or_(drafts.c.state == "refused", and_(drafts.c.state == "held", drafts.c.why == RELEASE))


def _may_open(by: Editor) -> ColumnElement[bool]:
    given = and_(_GIVEN, drafts.c.team.in_(sorted(by.releasing)))
    return or_(drafts.c.author == by.login, given, covered(by.acts_for))


def _is_others(by: Editor) -> ColumnElement[bool]:
    return and_(drafts.c.author != by.login, not_(_GIVEN))


def _seen(visible: Visible | Sight) -> ColumnElement[bool]:
    return allowed(drafts.c.team, visible, drafts.c.conversation_id)


def draft(connection: Connection, *, visible: Visible, by: Editor, draft_id: int) -> Draft:
    """Return a draft, in any state, to who may open it. Raises NotFoundError."""
    row = (
        connection.execute(select(drafts).where(drafts.c.id == draft_id, _seen(visible), _may_open(by)))
        .mappings()
        .first()
    )
    if row is None:
        raise missing()
    return _draft(row, _files(connection, draft_id))


def being_written(
    connection: Connection, *, visible: Visible, by: Editor, conversation_id: int | None = None, limit: int = 50
) -> tuple[Writing, ...]:
    """Return what is being written in a conversation; without one, what `by` may open anywhere. Newest first."""
    if conversation_id is not None and _ANY.first(connection, visible, conversation=conversation_id) is None:
        return ()
    which = _may_open(by) if conversation_id is None else drafts.c.conversation_id == conversation_id
    name = name_or(drafts.c.author).label("author_name")
    rows = connection.execute(
        select(
            drafts, name, _may_open(by).label("may_open"), and_(_is_others(by), covered(by.acts_for)).label("covered")
        )
        .outerjoin(users, users.c.login == drafts.c.author)
        .where(which, drafts.c.state.in_(OPEN), _seen(visible))
        .order_by(drafts.c.changed_ms.desc())
        .limit(limit)
    ).mappings()
    return tuple(
        Writing(
            subject=json.loads(row["fields"]).get("subject", "") if row["may_open"] else "",
            may_open=bool(row["may_open"]),
            covered=bool(row["covered"]),
            **{n: row[n] for n in ("id", "author", "author_name", "team", "conversation_id", "why", "changed_ms")},
        )
        for row in rows
    )


def _any(sight: Sight) -> Select[Any]:
    here = drafts.c.conversation_id == bindparam("conversation")
    return select(drafts.c.id).where(here, drafts.c.state.in_(OPEN), _seen(sight)).limit(1)


_ANY = Question(_any)


def _files(connection: Connection, draft_id: int) -> tuple[DraftFile, ...]:
    rows = connection.execute(
        select(draft_files).where(draft_files.c.draft_id == draft_id).order_by(draft_files.c.position)
    )
    return tuple(
        DraftFile(
            position=row.position, name=row.name, media_type=row.media_type, size=row.size, digest=bytes(row.digest)
        )
        for row in rows
    )


def _draft(row: RowMapping, files: tuple[DraftFile, ...]) -> Draft:
    names = ("id", "author", "team", "kind", "conversation_id", "answers_id", "seen_id", "state", "why", "changed_ms")
    return Draft(
        **{name: row[name] for name in names},
        message_id=row["message_id"],
        fields=json.loads(row["fields"]),
        files=files,
    )


# --- units of work -------------------------------------------------------------------------------------------


def save_drafts(connection: Connection, arguments: list[Save]) -> list[str]:
    """Write drafts down, those not there yet as new ones; returns the state of each. Raises NotFoundError.

    One that was sent or given up meanwhile stays as it is.
    """
    return [_save(connection, asked) for asked in arguments]


def _save(connection: Connection, asked: Save) -> str:
    values: dict[str, Any] = {
        "team": asked.team,
        "seen_id": asked.seen_id,
        "fields": json.dumps(dict(asked.fields), ensure_ascii=False),
        "changed_ms": asked.at_ms,
    }
    row = connection.execute(select(drafts).where(drafts.c.id == asked.id).with_for_update()).mappings().first()
    if row is None:
        state = "held" if asked.why else "writing"
        values |= {"state": state, "why": asked.why or "", "made_ms": asked.at_ms, "author": asked.by.login}
        values |= {name: getattr(asked, name) for name in ("id", "kind", "conversation_id", "answers_id")}
        connection.execute(insert(drafts).values(values))
        return state
    _require(connection, asked.by, asked.id)
    if row["state"] not in OPEN:
        return str(row["state"])
    if row["author"] != asked.by.login and is_covered(connection, asked.by.acts_for, asked.id):
        values["author"] = asked.by.login
        take_over(connection, row, asked.by.login, asked.at_ms, asked.note)
    if asked.why is not None:
        values |= {"state": "held" if asked.why else "writing", "why": asked.why}
    connection.execute(update(drafts).where(drafts.c.id == asked.id).values(values))
    return str(values.get("state", row["state"]))


def add_files(connection: Connection, arguments: list[NewFile]) -> list[bool]:
    """Add files to drafts; False for one that would make it too large. Raises NotFoundError."""
    return [_add_file(connection, new) for new in arguments]


def _add_file(connection: Connection, new: NewFile) -> bool:
    _require(connection, new.by, new.draft_id)
    there = _files(connection, new.draft_id)
    if sum(file.size for file in there) + new.content.size > new.max_bytes:
        return False
    store(connection, [new.content])
    connection.execute(
        insert(draft_files).values(
            draft_id=new.draft_id,
            position=max((file.position for file in there), default=0) + 1,
            name=new.name,
            media_type=new.media_type,
            size=new.content.size,
            digest=new.content.digest,
        )
    )
    return True


def remove(connection: Connection, arguments: list[Removal]) -> list[None]:
    """Take files from drafts, and give drafts up. What was given up is kept, and shown to nobody."""
    for asked in arguments:
        _remove(connection, asked)
    return [None] * len(arguments)


def _remove(connection: Connection, asked: Removal) -> None:
    _require(connection, asked.by, asked.draft_id)
    if asked.position is not None:
        connection.execute(
            delete(draft_files).where(
                draft_files.c.draft_id == asked.draft_id, draft_files.c.position == asked.position
            )
        )
        return
    set_draft(connection, asked.draft_id, state="discarded", at_ms=asked.at_ms, was=OPEN)


def set_draft(
    connection: Connection,
    draft_id: int,
    *,
    state: str,
    at_ms: int,
    why: str = "",
    message_id: int | None = None,
    was: Iterable[str],
) -> bool:
    """Move a draft to another state, within a unit of work; False where it was not in one of the states `was`."""
    changed: Any = connection.execute(
        update(drafts)
        .where(drafts.c.id == draft_id, drafts.c.state.in_(tuple(was)))
        .values(state=state, why=why, changed_ms=at_ms, message_id=message_id)
    )
    return bool(changed.rowcount)


def stop_draft(connection: Connection, draft_id: int, at_ms: int) -> None:
    """Hold a draft because somebody else has answered, within a unit of work.

    One that was given to the team stays so: else who may send it could not open it any more.
    """
    connection.execute(
        update(drafts)
        .where(drafts.c.id == draft_id, drafts.c.state.in_(OPEN), not_(_GIVEN))
        .values(state="held", why=COLLISION, changed_ms=at_ms)
    )


def draft_state(connection: Connection, draft_id: int) -> tuple[str, int | None]:
    """Return the state of a draft, and the message that became of it. Raises NotFoundError. For units of work."""
    row = connection.execute(
        select(drafts.c.state, drafts.c.message_id).where(drafts.c.id == draft_id).with_for_update()
    ).first()
    if row is None:
        raise missing()
    return row.state, row.message_id


def reopen_sent(connection: Connection, message_id: int, login: str, at_ms: int) -> int | None:
    """Give a draft that was sent back to its author, within a unit of work; returns its id.

    Where somebody else took it back, it waits for a release as before: both may go on with it.
    """
    row = connection.execute(
        select(drafts.c.id, drafts.c.author).where(drafts.c.message_id == message_id, drafts.c.state == "sent")
    ).first()
    if row is None:
        return None
    values = {"state": "writing", "why": ""} if row.author == login else {"state": "held", "why": RELEASE}
    connection.execute(
        # What was taken back is no answer of a colleague that its author had not seen.
        update(drafts)
        .where(drafts.c.id == row.id)
        .values(**values, changed_ms=at_ms, message_id=None, seen_id=message_id)
    )
    return int(row.id)


def _require(connection: Connection, by: Editor, draft_id: int) -> None:
    if not connection.scalar(select(drafts.c.id).where(drafts.c.id == draft_id, _may_open(by))):
        raise missing()
