"""T4: somebody answers by mail after the right to do so is gone: withdrawn, run out, the account closed, the team left.

Expected: the right is asked for when the answer is about to leave, in the transaction that sends it; it is held as a
draft that the team sees, the audit log has it, and who wrote is told why, at the mailbox that is known of them.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from maild.archive.accounts import Disabling, disable_users
from maild.archive.database import Database
from maild.archive.schema import filings
from maild.intake.submission import Submission
from maild.mail.reading import facts_of
from maild.policy.roles import Role
from tests.intake.copying import MEMBER, Exchange, written


@pytest.fixture
def exchange(sqlite_database: Database) -> Exchange:
    return Exchange(sqlite_database)


def _held(exchange: Exchange) -> None:
    assert exchange.to_citizens() == []
    assert exchange.drafts() == [("kira", "right")]
    (notice,) = exchange.notices()
    assert [str(each) for each in notice.recipients] == [MEMBER]
    assert notice.reverse_path is None
    facts = facts_of(notice.content)
    assert facts.auto_submitted
    assert "Zusage" not in facts.text
    assert exchange.acts()[-1][:2] == ("kira", "refused")


@pytest.mark.parametrize("how", ["withdrawn", "reader only", "disabled", "letter moved away"])
async def test_a_right_that_went_a_second_ago_refuses(exchange: Exchange, how: str) -> None:
    letter = await exchange.letter()
    address = exchange.address(letter)
    second_ago = exchange.now()  # the mail comes a second later
    if how == "disabled":
        exchange.database.writer.submit(disable_users, Disabling(login="kira", disabled_ms=second_ago)).result()
    elif how == "letter moved away":
        with exchange.database.writing.begin() as connection:
            connection.execute(update(filings).where(filings.c.message_id == letter).values(team="bauamt"))
    else:
        exchange.withdraw("kira", Role.RESPONDER, second_ago)
        if how == "reader only":
            exchange.grant("kira", Role.DRAFTER)
    filed = await exchange.answer(address, written("Zusage", to=address))
    if how != "letter moved away":
        _held(exchange)
        return
    assert exchange.to_citizens() == []
    assert exchange.lies(filed.message_id) == [
        "kita"
    ]  # the mail as it came: of the letter, the team has nothing any more


async def test_a_right_that_goes_while_the_answer_is_read_refuses(exchange: Exchange) -> None:
    address = exchange.address(await exchange.letter())
    submit = exchange.door.submitter.submit

    async def withdrawn_before(asked: Submission) -> Any:
        if asked.kind == "answer":
            exchange.withdraw("kira", Role.RESPONDER, exchange.now())
        return await submit(asked)

    exchange.door.submitter.submit = withdrawn_before  # type: ignore[method-assign]
    await exchange.answer(address, written("Zusage", to=address))
    _held(exchange)


async def test_who_has_the_right_still_answers(exchange: Exchange) -> None:
    address = exchange.address(await exchange.letter())
    await exchange.answer(address, written("Zusage", to=address))
    assert len(exchange.to_citizens()) == 1
