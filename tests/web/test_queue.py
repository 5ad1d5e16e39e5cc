"""The queue in the browser: for who keeps the machine, from the envelope alone, each act in the log with its change."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import func, insert, select, update

from maild.archive.schema import duties
from maild.archive.schema_outgoing import attempts, deliveries
from maild.archive.schema_people import audit
from maild.delivery.queue.acts import Act
from maild.policy.roles import Role
from tests.web.office import Office, letter, token_in
from tests.web.writer import follow, reply

HOUR_MS = 3_600_000
PAST = {"failed", "expired", "delivered", "dropped"}
STATES = ("queued", "deferred", "held", "failed", "expired", "delivered", "dropped")
# What may be done to a delivery in a state, and the state after it; whatever is not here changes nothing.
AFTER = {
    ("queued", "retry"): "queued", ("queued", "hold"): "held", ("queued", "drop"): "dropped",
    ("deferred", "retry"): "deferred", ("deferred", "hold"): "held", ("deferred", "drop"): "dropped",
    ("held", "release"): "queued", ("held", "drop"): "dropped",
    ("failed", "retry"): "queued", ("failed", "drop"): "dropped",
    ("expired", "retry"): "queued", ("expired", "drop"): "dropped",
}  # fmt: skip


@pytest.fixture
def town(office: Office) -> Office:
    """An office with a letter on its way, and somebody who reads no mail."""
    office.user("petra", (Role.RESPONDER, "kita"))
    office.user("ada", (Role.ADMINISTRATOR, None))
    number = office.mail(letter("Geheimer Betreff", "Geheimer Text"))
    with office.client("petra") as client:
        follow(client, reply(office, client, number).press(client, "send", text="Auch geheim"))
    return office


def _put(office: Office, state: str = "queued", *, count: int = 1, **values: object) -> list[int]:
    """Put further deliveries of the letter into the queue; return their numbers."""
    with office.database.writing.begin() as connection:
        first, newest = connection.execute(select(func.min(deliveries.c.id), func.max(deliveries.c.id))).one()
        sent = connection.execute(select(deliveries).where(deliveries.c.id == first)).mappings().one()
        now = office.clock()
        row = {**sent, "state": state, "ended_ms": now if state in PAST else None, "due_ms": now + HOUR_MS}
        numbers = [newest + each + 1 for each in range(count)]
        rows = [row | {"id": each, "recipient": f"p{each}@citizen.example"} | values for each in numbers]
        connection.execute(insert(deliveries), rows)
    return numbers


def _state(office: Office, number: int) -> str:
    with office.database.read() as connection:
        return str(connection.scalar(select(deliveries.c.state).where(deliveries.c.id == number)))


def _recorded(office: Office) -> list[tuple[str, str, str, str]]:
    with office.database.read() as connection:
        rows = connection.execute(
            select(audit.c.actor, audit.c.team, audit.c.about, audit.c.details)
            .where(audit.c.act == "delivery")
            .order_by(audit.c.sequence)
        )
        return [tuple(map(str, row)) for row in rows]  # type: ignore[misc]


def test_the_queue_lists_by_state_and_destination_and_says_nothing_of_a_letter(town: Office) -> None:
    (late,) = _put(town, "deferred", recipient="frist@gmx.example", outcome="451 4.7.1 grau", attempts=3)
    (gone,) = _put(town, "failed", recipient="weg@gmx.example", next_hop="gmx.example", outcome="550 5.1.1 <b>nein</b>")
    (held,) = _put(town, "held", recipient="halt@halt.example")
    table = {
        "": {late, held},
        "state=deferred": {late},
        "state=held": {held},
        "state=failed": {gone},
        "state=expired": set(),
        "state=open&to=gmx.example": {late},
        "state=failed&to=WEG@gmx.example": {gone},
        "state=failed&to=%25": set(),
        "state=open&to=mx.example": set(),
    }
    with town.client("ada") as ada:
        for query, numbers in table.items():
            page = ada.get(f"/queue?{query}")
            assert page.status_code == 200, query
            assert set(map(int, re.findall(r'href="/queue/(\d+)"', page.text))) >= numbers, query
            if query:
                assert set(map(int, re.findall(r'href="/queue/(\d+)"', page.text))) == numbers, query
            assert "eheim" not in page.text
        assert "&lt;b&gt;nein" in ada.get("/queue?state=failed").text
        english = ada.get("/queue?state=deferred", headers={"accept-language": "en"}).text
        assert "to be tried again 1" in english
        one = ada.get(f"/queue/{late}").text
        assert "451 4.7.1 grau" in one
        assert "eheim" not in one
        for path in ("/queue?state=delivered", "/queue?after=x", "/queue/0", "/queue/x", "/queue/99999999999999999999"):
            assert ada.get(path).status_code == 404, path


def test_the_queue_goes_on_from_page_to_page_and_leaves_nothing_out(town: Office) -> None:
    for state in ("held", "expired"):
        numbers = _put(town, state, count=120)
        seen: list[int] = []
        with town.client("ada") as ada:
            path = f"/queue?state={state}&to=citizen.example"
            while path:
                page = ada.get(path).text
                seen += map(int, re.findall(r'href="/queue/(\d+)"', page))
                found = re.search(r'<a href="(/queue\?[^"]*after=[^"]*)"', page)
                path = found[1].replace("&amp;", "&") if found else ""
        assert seen == (numbers if state == "held" else numbers[::-1])


def test_a_delivery_shows_each_try_and_the_other_recipients(town: Office) -> None:
    (number,) = _put(town, "deferred", attempts=2, doubtful=1, reverse_path=None)
    row = {"delivery_id": number, "tls": "TLSv1.3", "host": "mx.gmx.example [192.0.2.1]"}
    with town.database.writing.begin() as connection:
        first = {"number": 1, "started_ms": 1, "ended_ms": 2, "outcome": "deferred", "reply": "451 später"}
        second = {"number": 2, "started_ms": 3, "ended_ms": None, "outcome": "unknown", "reply": ""}
        connection.execute(insert(attempts), [row | first, row | second])
    with town.client("ada") as ada:
        page = ada.get(f"/queue/{number}").text
    for said in ("451 später", "TLSv1.3", "aufgeschoben", "nicht beendet", "zweimal angekommen", "niemand",
                 "Weitere Empfänger"):  # fmt: skip
        assert said in page, said


def test_each_act_on_a_delivery_is_carried_out_where_it_can_be_and_recorded_with_it(town: Office) -> None:
    expected = []
    with town.client("ada") as ada:
        token = token_in(ada.get("/sessions").text)
        for state in STATES:
            for act in map(str, Act):
                (number,) = _put(town, state)
                page = ada.get(f"/queue/{number}").text
                after = AFTER.get((state, act))
                assert (f'name="do" value="{act}"' in page) is (after is not None), (state, act)
                form = {"token": token, "do": act, "sure": "yes"}
                answer = ada.post(f"/queue/{number}", data=form)
                said = answer.headers["location"].rpartition("=")[2]
                assert said == (act if after else "too-late"), (state, act)
                assert _state(town, number) == (after or state)
                assert 'role="' in ada.get(answer.headers["location"]).text
                expected += [("ada", "kita", f"D{number}", f'{{"what":"{act}"}}')] if after else []
    assert [(*row[:3], row[3].replace(" ", "")) for row in _recorded(town)] == expected


def test_giving_up_asks_first(town: Office) -> None:
    (number,) = _put(town, "queued")
    with town.client("ada") as ada:
        token = token_in(ada.get("/sessions").text)
        answer = ada.post(f"/queue/{number}", data={"token": token, "do": "drop"})
        assert _state(town, number) == "queued"
        asked = follow(ada, answer).text
        assert "endgültig aufgeben?" in asked
        assert 'name="sure" value="yes"' in asked
        assert "ask=" not in ada.post(f"/queue/{number}", data={"token": token, "do": "x"}).headers["location"]
    assert _recorded(town) == []


def test_automatic_mail_that_may_have_arrived_is_never_tried_again_from_here(town: Office) -> None:
    (number,) = _put(town, "failed", once=1, doubtful=1)
    with town.client("ada") as ada:
        page = ada.get(f"/queue/{number}").text
        assert 'value="retry"' not in page
        answer = ada.post(f"/queue/{number}", data={"token": token_in(page), "do": "retry"})
        assert "nichts geändert" in follow(ada, answer).text
    assert _state(town, number) == "failed"


def test_what_rules_ask_for_is_listed_with_its_inbox(town: Office) -> None:
    with town.database.writing.begin() as connection:
        message_id = connection.scalar(select(deliveries.c.message_id))
        row = {"message_id": message_id, "team": "kita", "rule": "eilt", "made_ms": 1, "state": "waiting"}
        kinds = {"forward": "vertretung@example.org", "hold": "Vier Augen", "member-copy": "petra"}
        rows = [row | {"kind": kind, "target": target} for kind, target in kinds.items()]
        connection.execute(insert(duties), rows)
    with town.client("ada") as ada:
        page = ada.get("/queue?state=duties").text
        for said in ("vertretung@example.org", "Vier Augen", "petra", "Kita-Platzvergabe", "eilt", "Noch zu tun 3"):
            assert said in page, said
        with town.database.writing.begin() as connection:
            connection.execute(update(duties).values(state="done", ended_ms=1, ended_by="x"))
        assert "nichts mehr zu tun" in ada.get("/queue?state=duties").text


def test_the_queue_is_closed_to_whoever_does_not_keep_the_machine(town: Office) -> None:
    town.user("bert", (Role.MANAGER, "kita"), (Role.RULE_EDITOR, None), (Role.AUDITOR, None))
    (number,) = _put(town)
    with town.client("bert") as bert:
        token = token_in(bert.get("/sessions").text)
        assert [bert.get(path).status_code for path in ("/queue", f"/queue/{number}")] == [403, 403]
        assert bert.post(f"/queue/{number}", data={"token": token, "do": "hold"}).status_code == 403
        assert 'href="/queue"' not in bert.get("/returned").text
    with town.client("ada") as ada:
        assert 'href="/queue"' in ada.get("/returned").text
        assert ada.post(f"/queue/{number}", data={"do": "hold"}).status_code == 403
    # Not even from the machine itself without a name: the log would not know whose act it was.
    with town.client() as stranger:
        assert "/login" in stranger.get("/queue").headers["location"]
    assert _state(town, number) == "queued"
