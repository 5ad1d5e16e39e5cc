"""What was found out about a message before it was ours, for its readers."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select

from maild.archive.allowed import readable
from maild.archive.queries import Message
from maild.archive.questions import Question
from maild.archive.schema_senders import examinations
from maild.mail.screening import NOT_LOOKED, VIRUS, Screening, from_json
from maild.policy.visible import Visible


def screenings(connection: Connection, *, visible: Visible, found: Iterable[Message]) -> dict[int, Screening]:
    """Return what spam filters and scanners said of these messages; where nobody was asked: no key.

    An identical resend is its first arrival: what was found in either holds for it.
    """
    first_of = {message.id: message.duplicate_of or message.id for message in found}
    known = _known(connection, first_of.keys() | first_of.values())
    if not known:
        return {}
    seen = readable(connection, visible=visible, message_ids=first_of.values())
    return {
        number: _joined(known.get(number), known.get(first) if first != number else None)
        for number, first in first_of.items()
        if (first in seen or visible.everything) and (number in known or first in known)
    }


_SCREENINGS = Question(
    lambda: select(examinations.c.message_id, examinations.c.screening).where(
        examinations.c.message_id.in_(bindparam("ids", expanding=True)), examinations.c.screening.is_not(None)
    )
)


def _joined(own: Screening | None, first: Screening | None) -> Screening:
    """Return what was found in either of two identical letters; the newer one has the word, but for a virus."""
    if own is None or first is None:
        return own or first or NOT_LOOKED
    # Security: a scanner that was away, or asked by other settings, when the letter came again takes nothing back.
    missed = tuple(each for each in first.findings if each.verdict == VIRUS and each not in own.findings)
    return own._replace(findings=(*own.findings, *missed))


def _known(connection: Connection, ids: Iterable[int]) -> dict[int, Screening]:
    rows = _SCREENINGS.rows(connection, ids=frozenset(ids))
    return {row.message_id: from_json(row.screening) for row in rows}
