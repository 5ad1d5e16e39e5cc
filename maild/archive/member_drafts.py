"""The draft that a member's answer becomes before it is sent, and that is kept where it is not. Units of work.

Its id is that of the mail, so that the same mail never makes two. While it goes out it is its author's; one that was
refused may be opened by all who may answer for the team, because its author perhaps may no longer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from maild.archive.audit import Record, record
from maild.archive.content import Content, store
from maild.archive.drafts import COLLISION, OPEN
from maild.archive.duties import Ending, end
from maild.archive.schema_outgoing import draft_files, drafts
from maild.mail.acts import Act
from maild.mail.member_answer import UNANSWERED, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """An attachment of the mail that goes along."""

    name: str
    media_type: str
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDraft:
    """An answer as a draft. `message_id` is that of the mail, `letter_id` of what it answers."""

    message_id: int
    author: str
    team: str
    conversation_id: int
    letter_id: int
    fields: Mapping[str, str]
    files: tuple[NewFile, ...]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer is not sent. `draft` None: there is nothing of it to be kept."""

    duty_id: int
    why: Why
    login: str
    team: str
    message_id: int
    conversation_id: int | None
    draft: MemberDraft | None
    at_ms: int


def keep_drafts(connection: Connection, arguments: list[MemberDraft]) -> list[None]:
    """Write answers down before they are sent; one that is there stays as it is."""
    for draft in arguments:
        _keep(connection, draft, "writing", "")
    return [None] * len(arguments)


def refuse(connection: Connection, arguments: list[Refusal]) -> list[bool]:
    """Keep answers that are not sent as drafts, end their duties and say so in the audit log; False: it was ended."""
    return [_refuse(connection, refusal) for refusal in arguments]


def _refuse(connection: Connection, refusal: Refusal) -> bool:
    ending = Ending(duty_id=refusal.duty_id, state="dropped", by=f"maild: {refusal.why}", at_ms=refusal.at_ms)
    if not end(connection, [ending])[0]:
        return False
    if refusal.draft is not None:
        held = refusal.why is Why.COLLISION
        _keep(connection, refusal.draft, "held" if held else "refused", COLLISION if held else str(refusal.why))
    details = {"by": "mail", "why": str(refusal.why), "proven": refusal.why not in UNANSWERED}
    record(connection, [Record(at_ms=refusal.at_ms, actor=refusal.login, act=Act.REFUSED, team=refusal.team,
                               conversation_id=refusal.conversation_id, about=str(refusal.message_id),
                               details=details)])  # fmt: skip
    return True


def _keep(connection: Connection, draft: MemberDraft, state: str, why: str) -> None:
    found = connection.scalar(select(drafts.c.state).where(drafts.c.id == draft.message_id).with_for_update())
    if found is not None:
        if state != "writing" and found in OPEN:
            values = {"state": state, "why": why, "changed_ms": draft.at_ms}
            connection.execute(update(drafts).where(drafts.c.id == draft.message_id).values(values))
        return
    connection.execute(
        insert(drafts).values(
            id=draft.message_id, author=draft.author, team=draft.team, kind="answer",
            conversation_id=draft.conversation_id, answers_id=draft.letter_id, seen_id=draft.letter_id,
            fields=json.dumps(dict(draft.fields), ensure_ascii=False), state=state, why=why, made_ms=draft.at_ms,
            changed_ms=draft.at_ms,
        )
    )  # fmt: skip
    for position, file in enumerate(draft.files, start=1):
        store(connection, [file.content])
        connection.execute(
            insert(draft_files).values(
                draft_id=draft.message_id, position=position, name=file.name, media_type=file.media_type,
                size=file.content.size, digest=file.content.digest,
            )
        )  # fmt: skip
