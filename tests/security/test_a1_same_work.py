"""A1: *forbidden* and *not there* cost the same questions to the database, so that no clock tells them apart.

Counted, not timed: a clock on a busy machine proves nothing. What one asks for is another team's, what was merged into
it, what came twice, or nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from maild.archive import queries
from maild.archive.merging import Merging, merge
from maild.policy.roles import Role
from maild.policy.visible import OPERATOR, Visible
from maild.web.gate import Page
from tests.security.crawling import FORMS, NOWHERE, Objects, guarded, pages, small_office
from tests.web.office import NOW_MS, Office, letter, shown_id, token_in


@contextmanager
def _statements() -> Iterator[list[str]]:
    """Lend a list in which the statements gather that any database is asked."""
    asked: list[str] = []

    def note(*event_arguments: object) -> None:
        asked.append(str(event_arguments[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _asked(client: TestClient, page: Page, objects: Objects, token: str) -> tuple[int, list[str]]:
    path = objects.path(page)
    with _statements() as asked:
        if "GET" in page.methods:
            answer = client.get(path)
        else:
            answer = client.post(path, data={"token": token, "team": objects.team, **FORMS[page.path]})
    return answer.status_code, asked


@pytest.mark.parametrize("only_assigned", [False, True])
def test_what_is_forbidden_costs_what_is_not_there_costs(office: Office, *, only_assigned: bool) -> None:
    office.user("petra")
    office.grant("petra", Role.RESPONDER, "kita", only_assigned=only_assigned)
    _, bauamt = small_office(office)
    others = {"of another team": bauamt, **_merged_and_resent(office, bauamt)}
    with office.client("petra") as client:
        token = token_in(client.get("/sessions").text)
        for page in filter(guarded, pages(office)):
            if "{" not in page.path:
                continue
            nothing = _asked(client, page, NOWHERE, token)
            assert nothing[0] == 404
            assert nothing[1], page.path
            for what, objects in others.items():
                assert _asked(client, page, objects, token) == nothing, f"{page.path}, {what}"


def _merged_and_resent(office: Office, known: Objects) -> dict[str, Objects]:
    """Return objects of another team that lead on to others: one that was merged, one that came twice."""
    text = letter("Doppelt", sender="doppelt@c.example", key="twice@c.example")
    first, again = (office.mail(text, "bauamt@musterstadt.example", age_s=age_s) for age_s in (900, 800))
    second = office.mail(letter("Zweiter", sender="x@c.example"), "bauamt@musterstadt.example", age_s=700)
    references = [office.reference(number) for number in (first, second)]
    with office.database.read() as connection:
        ids = {each: queries.conversation(connection, visible=OPERATOR, reference=each).id for each in references}
    mine = frozenset({"bauamt"})
    asked = Merging(
        one_id=ids[references[0]], other_id=ids[references[1]], by="bert", at_ms=NOW_MS, visible=Visible(teams=mine),
        assigns=mine,
    )  # fmt: skip
    assert office.database.writer.submit(merge, asked).result().into_id is not None
    (gone,) = set(references) - {office.reference(first)}
    return {
        "merged": replace(known, reference=gone),
        "resent": replace(known, id=shown_id(again), reference=office.reference(first)),
    }
