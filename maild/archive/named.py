"""Conversations that are named by their reference: on the telephone, in a search, in the subject of a letter.

Security: a reference opens nothing. Who may not see a conversation is told the same of it as of one that is not there;
and a letter that names one joins nothing by it (`maild.mail.conversation`): it is only offered to who may see both.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from maild.archive.queries import MOST_RELATED, Conversation, Related, related_of
from maild.archive.references import survivor_named
from maild.mail.subject import named_references
from maild.policy.visible import Visible


def named(connection: Connection, *, visible: Visible, references: Iterable[str]) -> tuple[Related, ...]:
    """Return the conversations that references lead to, as far as they may be seen, the newest first."""
    found = {row.id for each in references if (row := survivor_named(connection, each)) is not None}
    return related_of(connection, visible=visible, conversation_ids=found)


def named_in(connection: Connection, *, visible: Visible, talk: Conversation) -> tuple[Related, ...]:
    """Return the other conversations that letters from outside name in their subjects, and that may be seen."""
    subjects = (letter.subject for letter in reversed(talk.messages) if letter.direction == "in")
    asked = dict.fromkeys(each for subject in subjects for each in named_references(subject))
    asked.pop(talk.reference, None)
    found = named(connection, visible=visible, references=list(asked)[:MOST_RELATED]) if asked else ()
    known = {talk.reference, *(other.reference for other in talk.related)}
    return tuple(other for other in found if other.reference not in known)
