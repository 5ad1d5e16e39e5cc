"""What is found out before a mail is accepted is stored in that very transaction, and met again by whoever files it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.entries import StateChange, set_states
from maild.archive.filing import file
from maild.archive.queries import conversation, message
from maild.archive.screenings import screenings
from maild.archive.work import waiting, waiting_ids
from maild.mail.ids import format_reference
from maild.mail.screening import Finding, Screening, to_json
from maild.policy.visible import OPERATOR, Visible
from tests.archive.samples import acceptance, filing

SPAM = to_json(Screening((Finding("rspamd", "spam", 15.2),), "spam"))
FINE = to_json(Screening((Finding("rspamd", "clean", 0.1),)))


def put(database: Database, number: int, screening: str | None, **how: Any) -> int:
    wanted = replace(acceptance(number), screening=screening)
    message_id = database.writer.submit(accept, wanted).result().message_id
    filed = database.writer.submit(file, filing(message_id, key=f"{number}@x", reference_bits=number, **how)).result()
    assert filed is not None
    return message_id


def state(database: Database, number: int) -> str:
    with database.read() as connection:
        return conversation(connection, visible=OPERATOR, reference=format_reference(number)).entries[0].state


def test_what_waits_brings_its_screening_along(database: Database) -> None:
    for number, screening in enumerate((SPAM, None, FINE), 1):
        database.writer.submit(accept, replace(acceptance(number), screening=screening)).result()
    with database.read() as connection:
        assert [item.screening for item in waiting(connection, waiting_ids(connection, 9))] == [SPAM, None, FINE]


def test_only_who_may_read_a_letter_learns_what_was_said_of_it(database: Database) -> None:
    number = put(database, 1, SPAM)
    with database.read() as connection:
        found = [message(connection, visible=OPERATOR, message_id=number)]
        for visible, seen in ((OPERATOR, True), (Visible(teams=frozenset({"poststelle"})), True),
                              (Visible(teams=frozenset({"kita"})), False)):  # fmt: skip
            assert bool(screenings(connection, visible=visible, found=found)) is seen


def test_what_was_found_in_a_resend_holds_for_the_first_arrival_on_its_page_and_the_other_way_round(
    database: Database,
) -> None:
    put(database, 1, SPAM)
    again = replace(acceptance(1), message_id=acceptance(1).message_id + 1, screening=None)
    resend = database.writer.submit(accept, again).result()
    assert not resend.to_route
    with database.read() as connection:
        found = [message(connection, visible=OPERATOR, message_id=resend.message_id)]
        assert screenings(connection, visible=OPERATOR, found=found)[resend.message_id].filed == "spam"


def test_a_virus_stays_found_when_the_letter_comes_again_while_the_scanner_is_away(database: Database) -> None:
    virus, away = (Finding("clamav", verdict, names=("x",)) for verdict in ("virus", "unavailable"))
    put(database, 1, to_json(Screening((virus,), "virus")))
    again = replace(acceptance(1), message_id=acceptance(1).message_id + 1, screening=to_json(Screening((away,))))
    resend = database.writer.submit(accept, again).result()
    with database.read() as connection:
        found = [message(connection, visible=OPERATOR, message_id=resend.message_id)]
        said = screenings(connection, visible=OPERATOR, found=found)[resend.message_id]
    assert said.findings == (away, virus)


def test_a_letter_that_none_objects_to_brings_out_what_only_a_filter_has_put_into_spam(database: Database) -> None:
    put(database, 1, SPAM, state="spam")
    put(database, 2, SPAM, state="spam", refers=("1@x",))
    assert state(database, 1) == "spam"
    put(database, 3, FINE, refers=("1@x",), automatic=1)
    assert state(database, 1) == "spam"


@pytest.mark.parametrize("last", [FINE, None])
def test_a_person_who_was_taken_for_spam_by_mistake_is_heard_the_next_time(
    database: Database, last: str | None
) -> None:
    put(database, 1, SPAM, state="spam")
    put(database, 2, last, refers=("1@x",))
    assert state(database, 1) == "open"


def test_what_somebody_here_has_called_spam_stays_there(database: Database) -> None:
    number = put(database, 1, FINE)
    database.writer.submit(set_states, StateChange(conversation_id=number, team="poststelle", state="spam")).result()
    put(database, 2, FINE, refers=("1@x",))
    assert state(database, 1) == "spam"


def test_spam_that_answers_an_open_letter_hides_nothing(database: Database) -> None:
    put(database, 1, FINE)
    put(database, 2, SPAM, state="spam", refers=("1@x",))
    assert state(database, 1) == "open"
