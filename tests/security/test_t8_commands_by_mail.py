"""T8: words in a mail to a reply address that other systems take for commands.

Expected: such a mail is an answer and nothing else. Its words go to the citizen as they are; no state, right, rule,
draft or letter is changed by them, and nobody else gets anything.
"""

from __future__ import annotations

import random

import pytest

from maild.archive.database import Database
from maild.mail.reading import facts_of
from tests.intake.copying import CITIZEN, Exchange, written

COMMANDS = (
    "#close", "!delete 1", "/assign jonas", "close", "@@recall", "STATUS: closed", "[close]", "$spam", "unsubscribe",
    "owner: jonas", "HELP", "grant kira administrator", "<cmd>drop</cmd>", "{conversation.reference}",
    "draft: send all",
)  # fmt: skip
FIELDS = ("X-Maild-State: closed", "Control: cancel <frage@citizen.example>", "Supersedes: <frage@citizen.example>",
          "X-RT-Command: close", "Recall: yes", "Expires: yesterday", "X-Maild-Conversation: 7K3F-9Q2A")  # fmt: skip


@pytest.fixture
def exchange(sqlite_database: Database) -> Exchange:
    return Exchange(sqlite_database)


async def test_words_are_words(exchange: Exchange) -> None:
    address = exchange.address(await exchange.letter())
    chance = random.Random(8)
    for _ in range(12):
        words = "\r\n".join(chance.sample(COMMANDS, 5))
        fields = chance.sample(FIELDS, 3)
        before = len(exchange.sent)
        await exchange.answer(address, written(words, *fields, to=address))
        (sent,) = exchange.sent[before:]
        assert [str(each) for each in sent.recipients] == [CITIZEN]
        assert facts_of(sent.content).text.strip().split("\n") == words.split("\r\n")
    assert {act for _, act, _ in exchange.acts()} == {"answered"}
    assert len(exchange.subjects("waiting")) == 1  # as after any answer


async def test_a_command_in_the_detail_of_the_address_is_no_address(exchange: Exchange) -> None:
    address = exchange.address(await exchange.letter())
    filed = exchange.came(written("x"), (f"close+{address}",), sender="kira@rathaus.example")
    await exchange.answers.once()
    assert exchange.sent == []
    assert exchange.fate(filed.message_id) is None
