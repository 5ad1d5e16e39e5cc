from __future__ import annotations

from typing import Any

from sqlalchemy import select

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.schema import recipients, summaries
from maild.router.reading import Addressed, Order, read_one
from maild.router.router import Router, _Task
from maild.rules.loader import load
from tests.archive.samples import NOW_MS, acceptance
from tests.scenarios.site import RULES


async def test_a_mail_that_cannot_be_filed_as_it_was_read_is_filed_by_its_envelope(sqlite_database: Database) -> None:
    ruleset, _ = load(RULES, "rules.yaml")
    assert ruleset is not None
    message_id = sqlite_database.writer.submit(accept, acceptance(1)).result().message_id
    order = Order(
        message_id=message_id,
        direction="in",
        received_ms=NOW_MS,
        reverse_path=None,
        addressed=(Addressed(as_given="info@musterstadt.example", team=None),),
        reference_bits=7,
        size=9,
    )
    reading = read_one(ruleset, order, b"Subject: x\r\n\r\nx")
    poison = reading._replace(filing=reading.filing._replace(message_key="a@b", author="\ud800", people=("\ud800",)))
    poison = poison._replace(filing=poison.filing._replace(summary=poison.filing.summary._replace(subject="\ud800")))
    nothing: Any = None
    router = Router(
        database=sqlite_database, rulebook=nothing, pool=nothing, index=nothing, on_filed=nothing, chance=nothing
    )
    ((_, filed),) = await router._file(ruleset, [_Task(order)], [poison])
    assert filed is not None
    assert filed.teams == ("poststelle",)
    with sqlite_database.read() as connection:
        assert connection.scalar(select(recipients.c.state)) == "problem"
        assert connection.scalar(select(summaries.c.problem)) == "UnicodeEncodeError in filing"
