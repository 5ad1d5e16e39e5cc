"""Changes of the rules that wait for a second person, where `[rules] approval` is two.

Invariant: nobody decides on their own, also when it has been handed on to somebody else since; an author may only
withdraw. A proposal is decided once, and before it is carried out: what was withdrawn is never put in force. An
approval that cannot be carried out is taken back, and so is one amid which maild was ended: the file is in no
transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, insert, select, update

from maild.archive.audit import Record, record
from maild.archive.schema import rules_proposals, rules_versions
from maild.archive.schema_people import audit
from maild.archive.versions import BY_HAND, sign_found
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.acts import Act


class Decision(StrEnum):
    """What became of a proposal."""

    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProposal:
    """A change somebody asks for; `base_digest` is the version that it was made from."""

    base_digest: str
    source: str
    author: str
    reason: str
    made_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change that was asked for. Without a `decision` it waits."""

    id: int
    base_digest: str
    source: str
    author: str
    reason: str
    made_ms: int
    decision: Decision | None
    answer: str  # the reason of a refusal
    decided_by: str | None
    decided_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `by` says to a proposal."""

    proposal_id: int
    decision: Decision
    by: str
    at_ms: int
    answer: str = ""


class Settled(StrEnum):
    """What became of an approval amid which maild was ended."""

    IN_FORCE = "in-force"
    WAITS_AGAIN = "waits-again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """An approved change that nobody has signed. `version` is its number in the history; None: it never served."""

    proposal: Proposal
    version: int | None


def propose(connection: Connection, proposals: list[NewProposal]) -> Sequence[int]:
    """Keep proposals; return their ids. A unit of work."""
    numbers: list[int] = []
    for new in proposals:
        values = {name: getattr(new, name) for name in NewProposal.__dataclass_fields__}
        (number,) = connection.execute(insert(rules_proposals).returning(rules_proposals.c.id), values).scalars()
        details = {"what": "proposed"}
        record(connection, [
            Record(at_ms=new.made_ms, actor=new.author, act=Act.RULES, about=_named(number), details=details)
        ])  # fmt: skip
        numbers.append(number)
    return numbers


def _named(number: int) -> str:
    return f"proposal {number}"


def _has_made(connection: Connection, login: str, number: int) -> bool:
    """Tell whether somebody made a proposal, whoever has it now."""
    a = audit.c
    theirs = (a.actor == login, a.act == str(Act.RULES), a.about == _named(number))
    found = connection.scalars(select(a.details).where(*theirs))
    return any(json.loads(details).get("what") == "proposed" for details in found)


def decide(connection: Connection, verdicts: list[Verdict]) -> Sequence[None]:
    """Decide on proposals that wait. A unit of work.

    Raises:
        NotFoundError: there is none, or it is decided already.
        ForbiddenError: an author decides on their own, or another one withdraws.
    """
    for verdict in verdicts:
        waiting = proposal(connection, verdict.proposal_id)
        if waiting.decision is not None:
            raise NotFoundError("the proposal is decided")
        # Security: the page asks the same; here it holds for two requests that come at the same time, too.
        if (verdict.by == waiting.author) is not (verdict.decision is Decision.WITHDRAWN):
            raise ForbiddenError("nobody approves or declines their own proposal, nor withdraws another's")
        # Security: who leaves hands it on, and is there until the last day.
        if verdict.by != waiting.author and _has_made(connection, verdict.by, verdict.proposal_id):
            raise ForbiddenError("nobody decides on what they have proposed")
        connection.execute(
            update(rules_proposals)
            .where(rules_proposals.c.id == verdict.proposal_id, rules_proposals.c.decision.is_(None))
            .values(
                decision=str(verdict.decision),
                answer=verdict.answer or None,
                decided_by=verdict.by,
                decided_ms=verdict.at_ms,
            )
        )
    return [None] * len(verdicts)


def reopen(connection: Connection, verdicts: list[Verdict]) -> Sequence[bool]:
    """Let proposals wait again whose approval could not be carried out; tell which. A unit of work."""
    return [
        connection.execute(
            update(rules_proposals)
            .where(
                rules_proposals.c.id == verdict.proposal_id,
                rules_proposals.c.decision == str(Decision.APPROVED),
                rules_proposals.c.decided_by == verdict.by,
                rules_proposals.c.decided_ms == verdict.at_ms,
            )
            .values(decision=None, answer=None, decided_by=None, decided_ms=None)
        ).rowcount
        > 0
        for verdict in verdicts
    ]


def unsettled(connection: Connection) -> Unsettled | None:
    """Return the approval amid which maild was ended, if the last one was."""
    approved = rules_proposals.c.decision == str(Decision.APPROVED)
    newest = select(rules_proposals.c.id).where(approved).order_by(rules_proposals.c.decided_ms.desc()).limit(1)
    for found in _found(connection, rules_proposals.c.id == newest.scalar_subquery(), 1):
        at_ms = found.decided_ms or 0
        versions = select(rules_versions.c.number, rules_versions.c.author, rules_versions.c.source)
        before = connection.execute(
            versions.where(rules_versions.c.loaded_ms <= at_ms).order_by(rules_versions.c.number.desc()).limit(1)
        ).first()
        if before is not None and before.source == found.source:
            return None  # it served already
        served = connection.execute(
            versions.where(rules_versions.c.loaded_ms >= at_ms, rules_versions.c.source == found.source)
            .order_by(rules_versions.c.number)
            .limit(1)
        ).first()
        if served is None:
            return Unsettled(proposal=found, version=None)
        return Unsettled(proposal=found, version=served.number) if served.author == BY_HAND else None
    return None


def settle(connection: Connection, moments: list[int]) -> Sequence[tuple[int, Settled] | None]:
    """Settle the approval amid which maild was ended, at each time; return its number, and how. A unit of work.

    What serves by then is in the history with both names; what does not waits again.
    """
    return [_settle(connection, at_ms) for at_ms in moments]


def _settle(connection: Connection, at_ms: int) -> tuple[int, Settled] | None:
    found = unsettled(connection)
    if found is None:
        return None
    asked, by = found.proposal, found.proposal.decided_by or ""
    if found.version is not None:
        sign_found(connection, found.version, author=asked.author, reason=asked.reason, approved_by=by)
        outcome, what = Settled.IN_FORCE, "put in force"
    else:
        verdict = Verdict(proposal_id=asked.id, decision=Decision.APPROVED, by=by, at_ms=asked.decided_ms or 0)
        reopen(connection, [verdict])
        outcome, what = Settled.WAITS_AGAIN, "could not be put in force, waits again"
    details = {"what": what, "author": asked.author, "approved_by": by}
    record(connection, [Record(at_ms=at_ms, actor="", act=Act.RULES, about=_named(asked.id), details=details)])
    return asked.id, outcome


def proposal(connection: Connection, number: int) -> Proposal:
    """Return a proposal; raises NotFoundError."""
    for found in _found(connection, rules_proposals.c.id == number, 1):
        return found
    raise NotFoundError("there is no such proposal")


def waiting_proposals(connection: Connection) -> list[Proposal]:
    """Return what waits for a decision, the oldest first."""
    return _found(connection, rules_proposals.c.decision.is_(None), 100)[::-1]


def decided_proposals(connection: Connection, author: str, since_ms: int) -> list[Proposal]:
    """Return what others have decided on an author's proposals since a time, the newest first."""
    return _found(
        connection,
        (rules_proposals.c.author == author)
        & (rules_proposals.c.decided_ms >= since_ms)
        & (rules_proposals.c.decided_by != author),
        10,
    )


def waiting_of(connection: Connection, author: str) -> tuple[int, ...]:
    """Return the numbers of what waits for a decision on somebody's proposals, the oldest first."""
    where = (rules_proposals.c.author == author, rules_proposals.c.decision.is_(None))
    return tuple(connection.scalars(select(rules_proposals.c.id).where(*where).order_by(rules_proposals.c.id)))


def hand_on(connection: Connection, numbers: Sequence[int], author: str, by: str, at_ms: int) -> None:
    """Make proposals somebody else's, who can withdraw them and not decide on them; within a unit of work."""
    waiting = (rules_proposals.c.id.in_(list(numbers)), rules_proposals.c.decision.is_(None))
    connection.execute(update(rules_proposals).where(*waiting).values(author=author))
    record(connection, [
        Record(at_ms=at_ms, actor=by, act=Act.RULES, about=_named(number),
               details={"what": "handed over", "to": author})
        for number in numbers
    ])  # fmt: skip


def _found(connection: Connection, condition: ColumnElement[bool], most: int) -> list[Proposal]:
    rows = connection.execute(
        select(rules_proposals).where(condition).order_by(rules_proposals.c.id.desc()).limit(most)
    )
    return [
        Proposal(
            id=row.id,
            base_digest=row.base_digest,
            source=row.source,
            author=row.author,
            reason=row.reason,
            made_ms=row.made_ms,
            decision=None if row.decision is None else Decision(row.decision),
            answer=row.answer or "",
            decided_by=row.decided_by,
            decided_ms=row.decided_ms,
        )
        for row in rows
    ]
