from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select

from maild.archive.database import Database
from maild.archive.proposals import (
    Decision,
    NewProposal,
    Settled,
    Verdict,
    decide,
    decided_proposals,
    hand_on,
    proposal,
    propose,
    settle,
    unsettled,
    waiting_proposals,
)
from maild.archive.schema_people import audit
from maild.archive.versions import BY_HAND, Version, history, record
from maild.errors import ForbiddenError, NotFoundError

ASKED = NewProposal(base_digest="a" * 64, source="zwei", author="petra", reason="Kita zieht um", made_ms=1_000)


def ask(database: Database, **change: str) -> int:
    return int(database.writer.submit(propose, replace(ASKED, **change)).result())  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("by", "decision", "allowed"),
    [
        ("jonas", Decision.APPROVED, True),
        ("jonas", Decision.REJECTED, True),
        ("jonas", Decision.WITHDRAWN, False),
        ("petra", Decision.APPROVED, False),
        ("petra", Decision.REJECTED, False),
        ("petra", Decision.WITHDRAWN, True),
    ],
)
def test_another_decides_and_the_author_withdraws(
    database: Database, by: str, decision: Decision, *, allowed: bool
) -> None:
    number = ask(database)
    verdict = Verdict(proposal_id=number, decision=decision, by=by, at_ms=2_000)
    if not allowed:
        with pytest.raises(ForbiddenError):
            database.writer.submit(decide, verdict).result()
    else:
        database.writer.submit(decide, verdict).result()
    with database.read() as connection:
        found = proposal(connection, number)
        assert (found.decision, found.decided_by) == ((decision, by) if allowed else (None, None))
        assert [p.id for p in waiting_proposals(connection)] == ([] if allowed else [number])


def test_who_made_a_proposal_does_not_decide_on_it_when_it_is_handed_on(database: Database) -> None:
    number, other = ask(database), ask(database)

    def hand(connection: Connection, arguments: list[int]) -> list[None]:
        hand_on(connection, arguments, "karl", "chef", 1_500)
        return [None] * len(arguments)

    database.writer.submit(hand, number).result()
    for by in ("petra", "karl"):  # who had the idea, and whose it is now
        for decision in (Decision.APPROVED, Decision.REJECTED):
            with pytest.raises(ForbiddenError):
                database.writer.submit(decide, Verdict(proposal_id=number, decision=decision, by=by, at_ms=2)).result()
    jonas = Verdict(proposal_id=number, decision=Decision.APPROVED, by="jonas", at_ms=2_000)
    database.writer.submit(decide, jonas).result()
    karl = Verdict(proposal_id=other, decision=Decision.APPROVED, by="karl", at_ms=2_000)
    database.writer.submit(decide, karl).result()  # another one of hers is nothing of his


def test_a_proposal_is_decided_once_and_keeps_the_answer(database: Database) -> None:
    first, second = ask(database), ask(database, reason="noch einer")
    refusal = Verdict(proposal_id=first, decision=Decision.REJECTED, by="jonas", at_ms=2_000, answer="zu weit: alle")
    database.writer.submit(decide, refusal).result()
    with pytest.raises(NotFoundError):
        database.writer.submit(decide, replace(refusal, decision=Decision.APPROVED)).result()
    with database.read() as connection:
        assert proposal(connection, first).answer == "zu weit: alle"
        assert [p.id for p in waiting_proposals(connection)] == [second]
        assert [p.id for p in decided_proposals(connection, "petra", 1_500)] == [first]
        assert decided_proposals(connection, "petra", 2_500) == []
        with pytest.raises(NotFoundError):
            proposal(connection, second + 7)


def served(database: Database, source: str, at_ms: int, author: str = BY_HAND) -> None:
    version = Version(digest=source * 8, source=source, loaded_ms=at_ms, author=author, reason="")
    database.writer.submit(record, version).result()


def approved(database: Database, at_ms: int = 2_000, **change: str) -> int:
    number = ask(database, **change)
    verdict = Verdict(proposal_id=number, decision=Decision.APPROVED, by="jonas", at_ms=at_ms)
    database.writer.submit(decide, verdict).result()
    return number


def said(database: Database, about: str) -> list[str]:
    with database.read() as connection:
        found = connection.execute(select(audit.c.details).where(audit.c.about == about).order_by(audit.c.sequence))
        return [json.loads(row.details)["what"] for row in found]


@pytest.mark.parametrize("then", ["nothing", "changed by hand"])
def test_an_approval_that_never_took_effect_waits_again(database: Database, then: str) -> None:
    served(database, "eins", 500)
    number = approved(database)
    if then != "nothing":
        served(database, "drei", 3_000)
    with database.read() as connection:
        found = unsettled(connection)
    assert found is not None
    assert (found.proposal.id, found.version) == (number, None)
    assert database.writer.submit(settle, 4_000).result() == (number, Settled.WAITS_AGAIN)
    with database.read() as connection:
        assert [(p.id, p.decided_by) for p in waiting_proposals(connection)] == [(number, None)]
    assert said(database, f"proposal {number}") == ["proposed", "could not be put in force, waits again"]
    assert database.writer.submit(settle, 4_000).result() is None


def test_an_approval_that_took_effect_unsigned_is_signed(database: Database) -> None:
    served(database, "eins", 500)
    number = approved(database)
    served(database, "zwei", 2_100)
    served(database, "drei", 2_200)  # by hand, since
    assert database.writer.submit(settle, 4_000).result() == (number, Settled.IN_FORCE)
    with database.read() as connection:
        assert [(v.number, v.author, v.approved_by) for v in history(connection)] == [
            (3, BY_HAND, None), (2, "petra", "jonas"), (1, BY_HAND, None),
        ]  # fmt: skip
        assert waiting_proposals(connection) == []
    assert said(database, f"proposal {number}") == ["proposed", "put in force"]
    assert database.writer.submit(settle, 4_000).result() is None


def test_an_approval_that_is_through_is_left_alone(database: Database) -> None:
    assert database.writer.submit(settle, 1).result() is None
    served(database, "eins", 500)
    approved(database)
    served(database, "zwei", 2_100, author="petra")
    assert database.writer.submit(settle, 4_000).result() is None
    approved(database, at_ms=3_000)  # once more, what serves already
    served(database, "drei", 3_500)
    assert database.writer.submit(settle, 4_000).result() is None
    approved(database, at_ms=3_600, source="eins")  # back to what served long ago
    assert database.writer.submit(settle, 4_000).result() is not None
