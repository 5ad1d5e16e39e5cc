"""When do two messages belong to one conversation? A relation of pairs, the same in whatever order they arrive.

A reference alone proves nothing: anyone can write anyone's Message-ID into a header. So a message joins what it
refers to only when its author took part there, and only where a team has both. Whoever knows the Message-ID of
another's letter, but writes under an own address, starts a conversation of their own, and the likeness is only
suggested to people. Subjects are never compared to join.

Source: RFC 5322 §3.6.4; the reasons for mistrust are GHSA-j49f of FreeScout and its like.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What the relation looks at. `people` are the keys of From, To and Cc that are not ours.

    `teams` are those that have it; in `confidential` those of them that have it in their confidential inbox.
    """

    message_id: int
    conversation_id: int
    author: str
    people: frozenset[str]
    teams: frozenset[str]
    confidential: frozenset[str] = frozenset()
    ours: bool = False  # written here: its author needs no proof, and is in nobody's `people`


class Tie(Enum):
    """How two messages name each other."""

    CHILD = "child"  # this one refers to the other
    PARENT = "parent"  # the other refers to this one
    SIBLING = "sibling"  # both refer to a third
    COPY = "copy"  # both carry the same Message-ID


def takes_part(author: str, people: frozenset[str], *, ours: bool) -> bool:
    """Say whether who wrote one message had part in another, whose `people` are given; `ours`: it was written here."""
    return ours or (author != "" and author in people)


def linked(this: Member, other: Member, tie: Tie) -> bool:
    """Say whether the tie joins the two conversations."""
    into = takes_part(this.author, other.people, ours=this.ours)
    back = takes_part(other.author, this.people, ours=other.ours)
    match tie:
        case Tie.CHILD:
            taken_part = into
        case Tie.PARENT:
            taken_part = back
        case Tie.SIBLING | Tie.COPY:
            taken_part = into and back
    # A copy came by two addresses of ours in two transactions: one exchange, each team with its own entry.
    return taken_part and (tie is Tie.COPY or not this.teams.isdisjoint(other.teams))
