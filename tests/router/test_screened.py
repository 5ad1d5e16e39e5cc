from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.schema import entries, tags
from maild.mail.screening import Finding, Screening, to_json
from maild.router.reading import Addressed, Order, Reading, read_one
from maild.rules.loader import load
from tests.archive.samples import NOW_MS, acceptance
from tests.router.test_router import routing
from tests.scenarios.site import RULES

LEAVING = (
    RULES
    + """
templates: {eingang: {subject: Eingang, text: Danke}}
rules:
  - id: weiter
    then: {forward: [amt@elsewhere.example], reply: eingang}
"""
)
SPAM = to_json(Screening((Finding("rspamd", "spam", 15.2),), "spam"))
VIRUS = to_json(Screening((Finding("clamav", "virus", names=("X",)),), "virus"))
FINE = to_json(Screening((Finding("rspamd", "clean", 0.1),)))


def read(screening: str | None, rules: str = RULES, *, team: str | None = None, state: str | None = None) -> Reading:
    ruleset, findings = load(rules, "rules.yaml")
    assert ruleset is not None, findings
    order = Order(
        message_id=1,
        direction="in",
        received_ms=NOW_MS,
        reverse_path="petra@citizen.example",
        addressed=(Addressed(as_given="" if team else "info@musterstadt.example", team=team),),
        reference_bits=7,
        size=40,
        state=state,
        screening=screening,
    )
    return read_one(ruleset, order, b"From: petra@citizen.example\r\n\r\nx\r\n")


def test_spam_and_viruses_lie_in_spam_wherever_the_rules_put_them() -> None:
    for screening, state, names in (
        (SPAM, "spam", ()),
        (VIRUS, "spam", ("virus",)),
        (FINE, "open", ()),
        (None, "open", ()),
    ):
        for team in (None, "kita"):
            (place,) = read(screening, team=team).filing.places
            assert (place.state, place.tags) == (state, names)


def test_of_spam_nothing_leaves_unseen_and_nothing_is_answered() -> None:
    def duties(screening: str | None) -> list[tuple[str, str]]:
        return [(duty.kind, duty.target) for duty in read(screening, LEAVING).filing.duties]

    assert duties(FINE) == [("forward", "amt@elsewhere.example"), ("reply", "eingang")]
    assert duties(SPAM) == [("forward", "amt@elsewhere.example"), ("hold", "spam")]
    assert duties(VIRUS) == [("forward", "amt@elsewhere.example"), ("hold", "virus")]


async def test_what_a_restart_finds_waiting_is_filed_by_what_was_said_of_it(sqlite_database: Database) -> None:
    for number, screening in enumerate((SPAM, VIRUS, FINE, None), 1):
        sqlite_database.writer.submit(accept, replace(acceptance(number), screening=screening)).result()
    async with routing(sqlite_database):
        pass
    with sqlite_database.read() as connection:
        found = connection.execute(select(entries.c.state).order_by(entries.c.conversation_id)).scalars().all()
        assert found == ["spam", "spam", "open", "open"]
        assert connection.execute(select(tags.c.tag)).scalars().all() == ["virus"]
