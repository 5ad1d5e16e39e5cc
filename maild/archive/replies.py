"""Does a message that is being read belong to a conversation we have? Answered before the rules are tried.

It does when it refers to a message of ours whose author or recipients its own author was among: whoever only knows the
Message-ID of another's letter does not get their mail called a reply. Which conversation it joins, and whether, is
decided when it is filed and its teams are known (`maild.archive.threading`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, select, text

from maild.archive.as_read import Question
from maild.archive.prepared import PreparedIn
from maild.archive.schema import message_refs, summaries
from maild.archive.threading import target_of
from maild.mail.conversation import takes_part

_REFERRED = PreparedIn(
    lambda targets: (
        select(message_refs.c.target, summaries.c.people)
        .join_from(message_refs, summaries, summaries.c.message_id == message_refs.c.message_id)
        .where(message_refs.c.target.in_(targets), message_refs.c.position == text("0"))
    )
)
_JOINED = select(summaries.c.message_id, summaries.c.conversation_id)


def replies(connection: Connection, questions: Sequence[Question]) -> dict[int, bool]:
    """Return the answer for each message."""
    targets = {q.message_id: {target_of(key) for key in q.references} for q in questions}
    people: dict[bytes, list[frozenset[str]]] = {}
    for target, found in _REFERRED.rows(connection, list(set().union(*targets.values()))):
        people.setdefault(bytes(target), []).append(frozenset(json.loads(found)))
    return {
        q.message_id: any(
            takes_part(q.author, each, ours=q.ours)
            for target in targets[q.message_id]
            for each in people.get(target, ())
        )
        for q in questions
    }


def replies_between(connection: Connection, first_id: int, last_id: int) -> dict[int, bool]:
    """Return, for each filed message between two ids, both included, whether it joined an older one's conversation."""
    rows = connection.execute(_JOINED.where(summaries.c.message_id.between(first_id, last_id)))
    return {message_id: conversation_id < message_id for message_id, conversation_id in rows}
