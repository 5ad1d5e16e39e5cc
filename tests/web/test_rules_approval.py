"""Where two must agree: who may do what with a proposal, and when it takes effect."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace

import pytest

from maild.archive.proposals import Decision, Verdict, decide, proposal, waiting_proposals
from maild.errors import NotFoundError
from tests.web.office import NOW_MS, Office, sign_in
from tests.web.workshop import TESTED, Shop, fields, open_shop, review, save, token, words

NEW = TESTED.replace("priority: high", "priority: low")


@pytest.fixture
def shop(office: Office) -> Shop:
    return open_shop(office, approval="two")


def propose(shop: Shop, login: str = "rita", text: str = NEW) -> str:
    """Propose a change; return its path."""
    with shop.office.client(login) as client:
        answer = save(client, review(client, text), "weniger eilig")
        assert answer.status_code == 303, answer.text
        number = answer.headers["location"].removeprefix("/rules?proposed=")
        return f"/rules/proposals/{number}"


def test_a_save_is_a_proposal_and_changes_nothing(shop: Shop) -> None:
    path = propose(shop)
    assert shop.text == TESTED
    assert len(shop.history()) == 1
    with shop.office.client("rita") as rita, shop.office.client("ralf") as ralf:
        assert "rita schlägt eine Änderung vor: weniger eilig" in words(rita.get("/rules").text)
        page = ralf.get(path).text
        assert "Proposal" in words(ralf.get(path, headers={"accept-language": "en"}).text)
        for part in ("Vorgeschlagen von rita", "Was sich im Text ändert", "Probelauf", "weniger eilig"):
            assert part in words(page)
        assert 'value="approved"' in page
        own = rita.get(path).text
        assert 'value="approved"' not in own
        assert 'value="withdrawn"' in own


MATRIX = [
    ("rita", "approved", 403),
    ("rita", "rejected", 403),
    ("rita", "withdrawn", 303),
    ("ralf", "approved", 303),
    ("ralf", "rejected", 303),
    ("ralf", "withdrawn", 403),
    ("petra", "approved", 403),
    ("ada", "approved", 403),
    ("ralf", "burned", 403),
]


@pytest.mark.parametrize(("login", "decision", "status"), MATRIX)
def test_nobody_approves_their_own_and_nobody_without_the_role_anything(
    shop: Shop, login: str, decision: str, status: int
) -> None:
    path = propose(shop)
    with shop.office.client(login) as client:
        sent = {"token": token(client), "decision": decision, "reason": "zu viel auf einmal"}
        assert client.post(path, data=sent).status_code == status
        if status == 303:
            assert client.post(path, data=sent).status_code == 404
    in_force = (login, decision) == ("ralf", "approved")
    assert shop.text == (NEW if in_force else TESTED)
    assert (shop.rulebook.source == NEW) is in_force
    with shop.office.database.read() as connection:
        assert bool(waiting_proposals(connection)) is (status != 303)
    if in_force:
        newest = shop.history()[0]
        assert (newest.author, newest.approved_by, newest.reason) == ("rita", "ralf", "weniger eilig")


def test_who_declines_says_why_and_the_author_reads_it(shop: Shop) -> None:
    path = propose(shop)
    with shop.office.client("ralf") as ralf, shop.office.client("rita") as rita:
        answer = ralf.post(path, data={"token": token(ralf), "decision": "rejected", "reason": " "})
        assert answer.status_code == 400
        assert "Nennen Sie den Grund" in words(answer.text)
        sent = {**fields(answer.text, path), "decision": "rejected", "reason": "erst im Januar: bitte"}
        assert ralf.post(path, data=sent).status_code == 303
        said = words(rita.get("/rules").text)
        assert "hat ralf entschieden: abgelehnt: erst im Januar: bitte" in said
        assert "schlägt eine Änderung vor" not in said


def test_a_proposal_whose_rules_have_changed_cannot_be_approved(shop: Shop) -> None:
    path = propose(shop)
    by_hand = "# von Hand\n" + TESTED
    for noticed in (False, True):
        shop.by_hand(by_hand, reload=noticed)
        with shop.office.client("ralf") as client:
            answer = client.post(path, data={"token": token(client), "decision": "approved"})
        assert answer.status_code == 409
        assert "Nicht freigegeben: Die Regeln haben sich seit dem Vorschlag geändert" in words(answer.text)
        assert 'value="approved"' not in answer.text
        assert shop.text == by_hand
    with shop.office.database.read() as connection:
        assert proposal(connection, int(path.rpartition("/")[2])).decision is None


def test_what_was_made_from_older_rules_is_shown_as_a_conflict_and_not_proposed(shop: Shop) -> None:
    with shop.office.client("rita") as client:
        reviewed = review(client, NEW)
        shop.by_hand("# von Hand\n" + TESTED, reload=True)
        answer = save(client, reviewed)
        assert answer.status_code == 409
        assert "Beide Änderungen vertragen sich." in words(answer.text)
    with shop.office.database.read() as connection:
        assert waiting_proposals(connection) == []


def test_a_rollback_needs_the_second_person_too(shop: Shop) -> None:
    path = propose(shop)
    with shop.office.client("ralf") as ralf:
        assert ralf.post(path, data={"token": token(ralf), "decision": "approved"}).status_code == 303
        page = ralf.get("/rules/history/1").text
        reviewed = ralf.post("/rules/history/1/back", data=fields(page, "/rules/history/1/back"))
        answer = save(ralf, reviewed)
        assert answer.headers["location"].startswith("/rules?proposed=")
    assert shop.text == NEW


def test_where_one_is_enough_a_second_may_still_decide_what_was_proposed_before(shop: Shop) -> None:
    path = propose(shop)
    with shop.office.client("ralf") as ralf:
        for wrong in ("/rules/proposals/99", "/rules/proposals/x"):
            assert ralf.get(wrong).status_code == 404
        assert ralf.post(path, data={"token": "0" * 64, "decision": "approved"}).status_code == 403
    assert shop.text == TESTED


def test_who_withdraws_while_another_approves_finds_it_decided(shop: Shop) -> None:
    path = propose(shop)
    reload, under_way, go_on = shop.office.services.reload_rules, threading.Event(), threading.Event()

    async def slowly() -> None:
        under_way.set()
        await asyncio.to_thread(go_on.wait, 60)
        await reload()

    shop.office.services = replace(shop.office.services, reload_rules=slowly)
    with shop.office.client("ralf") as client, ThreadPoolExecutor(2) as threads:
        approval = {"token": token(client), "decision": "approved"}
        approved = threads.submit(client.post, path, data=approval)
        assert under_way.wait(60)
        client.cookies.clear()
        sign_in(client, "rita")
        withdrawal = {"token": token(client), "decision": "withdrawn"}
        withdrawn = threads.submit(client.post, path, data=withdrawal)
        # What must not happen has a second to happen: that the proposal is decided while it is being put in force.
        assert not wait([withdrawn], timeout=1).done
        go_on.set()
        assert (approved.result(60).status_code, withdrawn.result(60).status_code) == (303, 404)
    assert shop.text == NEW


def test_a_withdrawal_from_another_process_finds_it_decided_before_it_is_in_force(shop: Shop) -> None:
    path = propose(shop)
    reload, found = shop.office.services.reload_rules, list[str]()
    withdrawal = Verdict(proposal_id=int(path.rpartition("/")[2]), decision=Decision.WITHDRAWN, by="rita", at_ms=NOW_MS)

    async def meanwhile() -> None:
        # The file is written now, and not in force yet; the other process knows nothing of this one's locks.
        try:
            await shop.office.database.writer.run(decide, withdrawal)
        except NotFoundError as error:
            found.append(str(error))
        await reload()

    shop.office.services = replace(shop.office.services, reload_rules=meanwhile)
    with shop.office.client("ralf") as client:
        approved = client.post(path, data={"token": token(client), "decision": "approved"})
    assert (approved.status_code, found, shop.text) == (303, ["the proposal is decided"], NEW)


def test_an_approval_that_cannot_be_carried_out_leaves_the_proposal_waiting(shop: Shop) -> None:
    path = propose(shop)

    async def not_at_all() -> None:
        pass

    shop.office.services = replace(shop.office.services, reload_rules=not_at_all)
    with shop.office.client("ralf") as client:
        answer = client.post(path, data={"token": token(client), "decision": "approved"})
    assert answer.status_code == 409
    with shop.office.database.read() as connection:
        assert [waiting.id for waiting in waiting_proposals(connection)] == [int(path.rpartition("/")[2])]


def test_an_approval_amid_which_maild_was_killed_is_shown_and_can_be_given_again(shop: Shop) -> None:
    path = propose(shop)
    number = int(path.rpartition("/")[2])
    approval = Verdict(proposal_id=number, decision=Decision.APPROVED, by="ralf", at_ms=NOW_MS)
    shop.office.database.writer.submit(decide, approval).result()  # and the process was gone
    with shop.office.client("rita") as rita, shop.office.client("ralf") as ralf:
        told = words(rita.get("/rules").text)
        assert "ralf hat die Änderung „weniger eilig“ von rita freigegeben, sie gilt aber nicht" in told
        assert "hat ralf entschieden" not in told
        assert f'href="{path}"' in ralf.get("/rules").text
        assert 'value="approved"' in ralf.get(path).text
        assert ralf.post(path, data={"token": token(ralf), "decision": "approved"}).status_code == 303
        assert "sie gilt aber nicht" not in words(rita.get("/rules").text)
        assert ralf.get(path).status_code == 404
    newest = shop.history()[0]
    assert (shop.text, newest.author, newest.approved_by) == (NEW, "rita", "ralf")


def test_whatever_breaks_amid_an_approval_lets_the_proposal_wait_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = propose(shop)

    def broken(*_: object) -> None:
        raise ValueError

    with shop.office.client("ralf") as client, monkeypatch.context() as patch:
        patch.setattr("maild.rules.rules_file.write_durably", broken)
        with suppress(ValueError):
            client.post(path, data={"token": token(client), "decision": "approved"})
    assert shop.text == TESTED
    with shop.office.database.read() as connection:
        assert [waiting.id for waiting in waiting_proposals(connection)] == [int(path.rpartition("/")[2])]
