"""Conversations that are named by their reference: on the telephone, in a search, in the subject of a letter.

Security: a reference opens nothing. Who may not see a conversation is told the same of it as of one that is not there;
and a letter that names one joins nothing by it (`maild.mail.conversation`): it is only offered to who may see both.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from maild.archive.allowed import allowed_filing
from maild.archive.queries import Conversation, Related
from maild.archive.references import survivor_named
from maild.archive.schema import conversations, filings, summaries
from maild.mail.subject import named_references
from maild.policy.visible import Visible

_MOST = 5


def named(connection: Connection, *, visible: Visible, references: Iterable[str]) -> tuple[Related, ...]:
    """Return the conversations that references lead to, as far as they may be seen, the newest first."""
    found = {row.id for each in references if (row := survivor_named(connection, each)) is not None}
    newest = (
        select(filings.c.conversation_id, func.max(filings.c.message_id).label("message_id"))
        .where(filings.c.conversation_id.in_(found), allowed_filing(visible))
        .group_by(filings.c.conversation_id)
        .subquery()
    )
    rows = connection.execute(
        select(conversations.c.reference, summaries.c.subject)
        .join_from(newest, conversations, conversations.c.id == newest.c.conversation_id)
        .join(summaries, summaries.c.message_id == newest.c.message_id)
        .order_by(newest.c.message_id.desc())
    )
    return tuple(Related(reference=row.reference, subject=row.subject) for row in rows)


def named_in(connection: Connection, *, visible: Visible, talk: Conversation) -> tuple[Related, ...]:
    """Return the other conversations that letters from outside name in their subjects, and that may be seen."""
    subjects = (letter.subject for letter in reversed(talk.messages) if letter.direction == "in")
    asked = dict.fromkeys(each for subject in subjects for each in named_references(subject))
    asked.pop(talk.reference, None)
    found = named(connection, visible=visible, references=list(asked)[:_MOST]) if asked else ()
    known = {talk.reference, *(other.reference for other in talk.related)}
    return tuple(other for other in found if other.reference not in known)
