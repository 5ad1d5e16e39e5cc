"""Merging and splitting on the pages: offered to coordinators, by a reference or by ticking, and taken back."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from maild.archive.handling import UNDO_MS
from maild.policy.roles import Role
from tests.web.office import Office, letter, shown_id, token_in
from tests.web.writer import follow, reply

KARL = "Karl Krüger <karl.krueger@citizen.example>"
BAUAMT = "bauamt@musterstadt.example"


@pytest.fixture
def staffed(office: Office) -> Office:
    office.user("petra", (Role.COORDINATOR, "kita"), name="Petra Maurer")
    office.user("jonas", (Role.RESPONDER, "kita"))
    return office


def _say(client: TestClient, reference: str, act: str, **fields: str) -> tuple[int, str]:
    token = token_in(client.get("/sessions").text)
    answer = client.post(f"/c/{reference}/{act}", data={"token": token, "team": "kita", **fields})
    return answer.status_code, follow(client, answer).text if answer.status_code == 303 else answer.text


def _undo(client: TestClient, page: str) -> str:
    form = re.search(r'<form method="post" action="/undo".*?</form>', page, re.DOTALL)
    assert form is not None
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0]))
    return follow(client, client.post("/undo", data=fields)).text


def test_a_coordinator_merges_what_is_offered_and_takes_it_back(staffed: Office) -> None:
    first = staffed.mail(letter(key="1@x"))
    # Somebody else names the letter: alike, and not joined by itself.
    other = staffed.mail(letter("Zum Kitaplatz", sender=KARL, key="2@y", parent="1@x"))
    one, two = staffed.reference(first), staffed.reference(other)
    with staffed.client("petra") as petra:
        link = re.search(r'href="(/c/[^"]+/join[^"]*)"', petra.get(f"/c/{two}").text)
        assert link is not None
        page = petra.get(link[1].replace("&amp;", "&")).text
        assert f'<button name="with" value="{one}"' in page
        _, merged = _say(petra, two, "merge", **{"with": one})
        assert "2 Briefe" in merged
        assert staffed.reference(other) == one
        assert "2 Briefe" in petra.get(f"/c/{two}").text  # an old reference leads on
        assert "Rückgängig gemacht" in _undo(petra, merged)
        assert "1 Brief" in petra.get(f"/c/{two}").text
        assert "1 Brief" in petra.get(f"/c/{one}").text


def test_a_conversation_that_a_subject_names_is_offered_and_joined_by_hand_alone(staffed: Office) -> None:
    one = staffed.reference(staffed.mail(letter(key="1@x")))
    other = staffed.mail(letter(f"Noch etwas zu {one.lower()}", sender=KARL, key="2@y"))
    two = staffed.reference(other)
    assert two != one
    with staffed.client("petra") as petra:
        page = petra.get(f"/c/{two}").text
        assert "Im Betreff genannt" in page
        assert f'<li><a href="/c/{one}">Frage zum Kitaplatz</a>' in page
        assert "Im Betreff genannt" not in petra.get(f"/c/{one}").text
        assert f'<button name="with" value="{one}"' in petra.get(f"/c/{two}/join").text
        for typed in (one, f"[{one}]", one.lower().replace("-", ""), f"ref:{one}"):
            assert (
                f'<a href="/c/{one}">{one} · Frage zum Kitaplatz</a>' in petra.get("/search", params={"q": typed}).text
            )
        _say(petra, two, "merge", **{"with": one})
        survivor = staffed.reference(other)
        assert "Im Betreff genannt" not in petra.get(f"/c/{survivor}").text
        for typed in (one, two):  # each goes on leading there
            assert f'href="/c/{survivor}">{survivor} ·' in petra.get("/search", params={"q": typed}).text


def test_a_merge_is_taken_back_later_on_its_page_by_who_did_it(staffed: Office) -> None:
    staffed.user("olga", (Role.COORDINATOR, "kita"))
    one = staffed.reference(staffed.mail(letter(key="1@x")))
    two = staffed.reference(staffed.mail(letter("Kitaplatz", sender=KARL, key="2@y")))
    with staffed.client("petra") as petra, staffed.client("olga") as olga:
        _, merged = _say(petra, two, "merge", **{"with": one})
        assert "Die beiden Vorgänge sind jetzt einer." in merged
        staffed.clock.ms += UNDO_MS
        hers = olga.get(f"/c/{one}/join?team=kita").text
        assert "Zusammenführen" in hers
        assert 'action="/undo"' not in hers
        page = petra.get(f"/c/{one}/join?team=kita").text
        assert f"Zusammengeführt mit {two}" in page
        assert "Rückgängig gemacht" in _undo(petra, page)
        assert "1 Brief" in petra.get(f"/c/{two}").text
        assert 'action="/undo"' not in petra.get(f"/c/{one}/join?team=kita").text


def test_ticked_letters_become_a_conversation_that_names_the_other_and_go_back(staffed: Office) -> None:
    first = staffed.mail(letter(key="1@x"))
    second = staffed.mail(letter("Re: Frage zum Kitaplatz", key="2@x", parent="1@x"))
    old = staffed.reference(first)
    with staffed.client("petra") as petra:
        assert f'name="letter-{shown_id(second)}"' in petra.get(f"/c/{old}/join?team=kita").text
        _, parted = _say(petra, old, "split", **{f"letter-{shown_id(second)}": "1"})
        new = staffed.reference(second)
        assert new != old
        assert f'Die übrigen Briefe liegen im Vorgang <a href="/c/{old}">' in " ".join(parted.split())
        later = staffed.mail(letter("Re: Frage", key="3@x", parent="2@x", extra="References: <1@x> <2@x>\n"))
        assert staffed.reference(later) == new
        assert "3 Briefe" in _undo(petra, parted)
        assert staffed.reference(second) == staffed.reference(later) == old


def test_an_answer_that_was_begun_before_a_split_stays_with_the_letter_that_it_answers(staffed: Office) -> None:
    first = staffed.mail(letter(key="1@x"))
    second = staffed.mail(letter("Re: Frage", sender=KARL, key="2@x"))
    old = staffed.reference(first)
    with staffed.client("petra") as petra:
        _say(petra, old, "merge", **{"with": staffed.reference(second)})
        begun = reply(staffed, petra, second)
        _say(petra, old, "split", **{f"letter-{shown_id(second)}": "1"})
        new = staffed.reference(second)
        assert new != old
        begun.press(petra, "save", text="Sehr geehrter Herr Krüger")
        assert "Sie haben eine Antwort begonnen" in petra.get(f"/c/{new}").text
        assert "Sie haben eine Antwort begonnen" not in petra.get(f"/c/{old}").text


def test_what_cannot_be_merged_or_split_is_said_and_changes_nothing(staffed: Office) -> None:
    staffed.grant("petra", Role.READER, "poststelle")
    one = staffed.mail(letter())
    elsewhere = staffed.reference(staffed.mail(letter("Bauantrag", sender=KARL), BAUAMT))
    readable = staffed.reference(staffed.mail(letter("Auskunft", sender=KARL), "info@musterstadt.example"))
    reference = staffed.reference(one)
    with staffed.client("petra") as petra, staffed.client("jonas") as jonas:
        foreign, nowhere = (_say(petra, reference, "merge", **{"with": each}) for each in (elsewhere, "0000-0001"))
        assert foreign[0] == nowhere[0] == 404
        assert "Einen Vorgang mit diesem Zeichen gibt es hier nicht" in foreign[1]
        assert "Bauantrag" not in foreign[1]
        for fields, status, said in (
            ({"with": "Unfug"}, 404, "gibt es hier nicht"),
            ({"with": reference}, 400, "Das ist dieser Vorgang"),
            ({"with": readable}, 403, "in dem Sie nicht koordinieren"),
        ):
            assert _say(petra, reference, "merge", **fields)[0] == status
            assert said in _say(petra, reference, "merge", **fields)[1]
        letters = {f"letter-{shown_id(one)}": "1"}
        assert "mindestens einen Brief" in _say(petra, reference, "split", **letters)[1]
        assert "Kreuzen Sie die Briefe an" in _say(petra, reference, "split")[1]
        assert _say(petra, reference, "split", **{"letter-0000000000001": "1"})[0] == 404
        assert _say(jonas, reference, "split", **letters)[0] == 403
        assert _say(jonas, reference, "merge", **{"with": reference})[0] == 403
        assert jonas.get(f"/c/{reference}/join?team=kita").status_code == 403
        assert petra.get(f"/c/{reference}/join?team=bauamt").status_code == 404
        assert "/join" not in jonas.get(f"/c/{reference}").text
        assert staffed.reference(one) == reference


def test_other_conversations_of_the_same_address_in_the_same_inbox_are_offered(staffed: Office) -> None:
    talk, same = (staffed.mail(letter(subject), age_s=age_s) for subject, age_s in (("Eins", 900), ("Zwei", 800)))
    staffed.mail(letter("Nicht hier"), BAUAMT)
    staffed.mail(letter("Von Karl", sender=KARL))
    with staffed.client("petra") as petra:
        page = petra.get(f"/c/{staffed.reference(talk)}/join?team=kita").text
    assert re.findall(r'<button name="with" value="([^"]+)"', page) == [staffed.reference(same)]
    assert "Von derselben Adresse" in page
