"""A shared inbox as its people use it: nothing is overwritten unseen, and it goes to other teams and comes back."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from maild.archive.handling import bring_back
from maild.policy.roles import Role
from tests.web.office import Office, letter, token_in
from tests.web.writer import follow, left, reply

DAY_MS = 86_400_000


def _form(page: str, action: str, number: int = 0) -> dict[str, str]:
    forms = re.findall(rf'<form method="post" action="[^"]*{action}".*?</form>', page, re.DOTALL)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', forms[number]))


def _people(office: Office) -> None:
    office.user("petra", (Role.COORDINATOR, "kita"), name="Petra Maurer")
    office.user("jonas", (Role.RESPONDER, "kita"), name="Jonas Weiß")
    office.user("bert", (Role.RESPONDER, "bauamt"), name="Bert Bau")


def _say(client: TestClient, path: str, action: str, **fields: str) -> str:
    """Fill in the form of a page and follow where it leads; returns the page."""
    form = _form(client.get(path).text, action)
    return follow(client, client.post(f"{path}/{action}", data={**form, **fields})).text


def test_who_acts_on_an_outdated_page_is_told_who_did_what_and_asked(office: Office) -> None:
    _people(office)
    path = f"/c/{office.reference(office.mail(letter()))}"
    with office.client("petra") as petra, office.client("jonas") as jonas:
        shown = petra.get(path).text
        closing, tagging = _form(shown, "state"), _form(shown, "marks")
        assert "<dd>wartet" in _say(jonas, path, "state", state="waiting")
        for action, form, fields in (("state", closing, {"state": "closed"}), ("marks", tagging, {"tag": "neu"})):
            refused = petra.post(f"{path}/{action}", data={**form, **fields})
            assert refused.status_code == 409
            assert "Jonas Weiß lässt den Vorgang auf Antwort warten" in refused.text
        assert '<span class="tag">neu' not in petra.get(path).text
        again = _form(refused.text, "marks")
        assert again["tag"] == "neu"
        assert '<span class="tag">neu' in follow(petra, petra.post(f"{path}/marks", data=again)).text


def test_what_one_did_is_undone_by_a_press_and_a_colleagues_later_act_stays(office: Office) -> None:
    _people(office)
    path = f"/c/{office.reference(office.mail(letter()))}"
    with office.client("petra") as petra, office.client("jonas") as jonas:
        closed = _say(petra, path, "state", state="closed")
        undo = _form(closed, "/undo")
        stranger = jonas.post("/undo", data={**undo, "token": token_in(jonas.get("/sessions").text)})
        assert stranger.status_code == 303
        assert "<dd>erledigt" in petra.get(path).text
        assert "<dd>offen" in follow(petra, petra.post("/undo", data=undo)).text
        undo = _form(_say(petra, path, "state", state="closed"), "/undo")
        _say(jonas, path, "marks", priority="2")
        page = follow(petra, petra.post("/undo", data=undo)).text
        assert "das Übrige bleibt" in page
        assert "<dd>erledigt" in page


def test_only_colleagues_of_the_team_who_may_answer_are_offered_and_taken(office: Office) -> None:
    _people(office)
    office.user("leser", (Role.READER, "kita"))
    path = f"/c/{office.reference(office.mail(letter()))}"
    with office.client("petra") as petra:
        page = petra.get(path).text
        select = page[page.index("<select") : page.index("</select>")]
        assert re.findall(r'value="(\w+)"', select) == ["jonas", "petra"]
        form = _form(page, "assignee")
        for login in ("bert", "leser", "niemand"):
            assert petra.post(f"{path}/assignee", data={**form, "assignee": login}).status_code == 400
        assert "<dd>Jonas Weiß" in _say(petra, path, "assignee", assignee="jonas")


def test_what_waits_until_a_day_says_so_and_is_open_on_that_day(office: Office) -> None:
    _people(office)
    path = f"/c/{office.reference(office.mail(letter()))}"
    with office.client("jonas") as jonas:
        form = _form(jonas.get(path).text, "state")
        for day in ("2020-01-01", "2090-01-01", "morgen", "2026-02-31"):
            assert jonas.post(f"{path}/state", data={**form, "state": "waiting", "until": day}).status_code == 400
        assert "wieder offen am 30.09.2026" in _say(jonas, path, "state", state="waiting", until="2026-09-30")
        assert office.database.writer.submit(bring_back, office.clock.ms + 20 * DAY_MS).result() == {"kita"}
        assert "<dd>offen" in jonas.get(path).text


@pytest.mark.parametrize("tag", ["", " ", "x" * 41, "a\u202eb"])
def test_a_tag_is_something_that_people_can_read(office: Office, tag: str) -> None:
    _people(office)
    path = f"/c/{office.reference(office.mail(letter()))}"
    with office.client("jonas") as jonas:
        form = _form(jonas.get(path).text, "marks")
        assert jonas.post(f"{path}/marks", data={**form, "tag": tag}).status_code == 400
        page = _say(jonas, path, "marks", tag="<b>Eil&amp;t</b>")
        assert "<b>Eil" not in page


def test_a_conversation_goes_to_another_team_with_its_reason_its_letters_and_the_address(office: Office) -> None:
    _people(office)
    number = office.mail(letter("Kita und Bau", key="a@x"))
    path = f"/c/{office.reference(number)}"
    with office.client("petra") as petra, office.client("bert") as bert, office.client("jonas") as jonas:
        assert bert.get(path).status_code == 404
        assert "/hand?" not in jonas.get(path).text
        assert jonas.get(f"{path}/hand?team=kita").status_code == 403
        page = petra.get(f"{path}/hand?team=kita").text
        offered = re.findall(r'<option value="([\w.]+)"', page)
        assert offered == ["bauamt"]  # nobody can read the others
        form = _form(page, "/hand")
        assert petra.post(f"{path}/hand", data={**form, "to": "bauamt"}).status_code == 400
        assert petra.post(f"{path}/hand", data={**form, "to": "poststelle", "reason": "x"}).status_code == 400
        assert jonas.post(f"{path}/hand", data={
            "token": token_in(jonas.get(path).text), "team": "kita", "to": "bauamt", "reason": "x",
        }).status_code == 403  # fmt: skip
        done = petra.post(f"{path}/hand", data={**form, "to": "bauamt", "reason": "Geht um den Anbau"})
        assert "Übergeben. Hier liegt der Vorgang" in follow(petra, done).text
        assert "Übergeben an Bauamt" in petra.get(path).text
        mine = bert.get(path).text
        assert "Übergeben von Kita-Platzvergabe" in mine
        assert "Geht um den Anbau" in mine
        assert reply(office, bert, number).fields["from"] == "kita.platzvergabe@musterstadt.example"
        sent = reply(office, bert, number).press(bert, "send", text="Guten Tag")
        assert sent.status_code == 303, sent.text
        (ours,) = left(office)
        assert b"<kita.platzvergabe@musterstadt.example>" in ours.octets
        office.mail(letter("Re: Kita und Bau", "Danke", key="b@x", parent="a@x"), age_s=0)
        assert "Danke" not in petra.get(path).text
        assert "3 Briefe" in bert.get(path).text


def test_a_responder_gives_back_what_was_given_and_the_coordinator_fetches(office: Office) -> None:
    _people(office)
    path = f"/c/{office.reference(office.mail(letter()))}"
    with office.client("petra") as petra, office.client("bert") as bert:
        for number in range(2):
            form = _form(petra.get(f"{path}/hand?team=kita").text, "/hand")
            petra.post(f"{path}/hand", data={**form, "to": "bauamt", "reason": "x"})
            if number == 0:
                page = bert.get(f"{path}/hand?team=bauamt").text
                assert re.findall(r'<option value="([\w.]+)"', page) == ["kita"]
                back = bert.post(f"{path}/hand", data={**_form(page, "/hand"), "to": "kita", "reason": "Kein Anbau"})
                assert "Zurückgegeben." in follow(bert, back).text
                assert "Kein Anbau" in petra.get(path).text
        _say(petra, path, "hand", do="fetch")
        assert "<dd>offen" in petra.get(path).text
        assert "<dd>erledigt" in bert.get(path).text
        inbox = petra.get("/inbox/kita").text
        assert "Geht zwischen Teams hin und her" in inbox
        assert "4-mal, zwischen Bauamt, Kita-Platzvergabe" in inbox
        assert "hin und her" not in bert.get("/inbox/bauamt").text  # who responds coordinates nothing


def _select(office: Office, page: str, *numbers: int, **fields: str) -> dict[str, str]:
    form = _form(page, "/selection")
    for number in numbers:
        reference = office.reference(number)
        found = re.search(rf'name="pick-{reference}" value="(\d+)"', page)
        assert found is not None
        form[f"pick-{reference}"] = found[1]
    return {**form, **fields}


def test_a_selection_is_changed_at_once_and_undone_at_once_and_what_others_changed_is_named(office: Office) -> None:
    _people(office)
    numbers = [office.mail(letter(f"Brief {n}", key=f"{n}@x")) for n in range(4)]
    with office.client("petra") as petra, office.client("jonas") as jonas:
        page = petra.get("/inbox/kita").text
        _say(jonas, f"/c/{office.reference(numbers[0])}", "marks", priority="2")
        form = _select(office, page, *numbers[:3], do="closed")
        done = follow(petra, petra.post("/inbox/kita/selection", data=form)).text
        assert "2 Vorgänge wurden geändert." in done
        assert "1 Vorgang blieb, wie er ist" in done
        assert "Jonas Weiß hat die Priorität auf hoch gesetzt" in done
        assert sorted(re.findall(r'class="subject"[^>]*>(Brief \d)', done)) == ["Brief 0", "Brief 3"]
        back = follow(petra, petra.post("/undo", data=_form(done, "/undo"))).text
        assert len(re.findall(r'class="subject"', back)) == 4
        shown = petra.get("/inbox/kita").text
        moved = petra.post("/inbox/kita/selection", data=_select(
            office, shown, *numbers[:2], do="hand", to="bauamt", reason="Anbau",
        ))  # fmt: skip
        assert "Übergeben. Hier liegt" in follow(petra, moved).text
        with office.client("bert") as bert:
            assert len(re.findall(r'class="subject"', bert.get("/inbox/bauamt").text)) == 2
            foreign = petra.post("/inbox/bauamt/selection", data=form)
            assert foreign.status_code == 404
        # Enter in a field does what that field is for, and nothing with empty ones.
        typed = _select(office, petra.get("/inbox/kita").text, numbers[3], do="typed", tag="neu")
        assert '<li class="tag">neu' in follow(petra, petra.post("/inbox/kita/selection", data=typed)).text
        none = follow(petra, petra.post("/inbox/kita/selection", data={**typed, "tag": ""})).text
        assert "wurde geändert" not in none
        assert jonas.post("/inbox/kita/selection", data=_select(
            office, jonas.get("/inbox/kita").text, numbers[3], do="hand", to="bauamt", reason="x",
        )).status_code == 403  # fmt: skip


def test_lists_say_what_is_unanswered_overdue_and_looked_at_by_nobody_and_bold_is_each_ones_own(office: Office) -> None:
    _people(office)
    day_s = 86_400
    old = office.mail(letter("Alt", key="a@x"), age_s=9 * day_s)
    new = office.mail(letter("Neu", key="b@x"), age_s=60)
    office.mail(letter("Beantwortet", key="c@x"), age_s=9 * day_s)
    office.mail(
        letter("Re: Beantwortet", "Ja.", sender="kita.platzvergabe@musterstadt.example", key="d@x", parent="c@x"),
        "petra.mustermann@citizen.example", direction="out", age_s=30,
    )  # fmt: skip

    def listed(client: TestClient, state: str) -> set[str]:
        return set(re.findall(r'class="subject"[^>]*>([^<]*)<', client.get(f"/inbox/kita?state={state}").text))

    def bold(client: TestClient) -> int:
        return client.get("/inbox/kita").text.count(" unread")

    with office.client("petra") as petra, office.client("jonas") as jonas:
        assert {"Alt", "Neu"} <= listed(petra, "unanswered")
        assert "Alt" in (late := listed(petra, "overdue"))
        assert not late & {"Neu", "Re: Beantwortet"}
        everything = bold(jonas)
        petra.get(f"/c/{office.reference(new)}")
        assert "Neu" not in listed(jonas, "unseen")
        assert "Alt" in listed(jonas, "unseen")
        assert (bold(petra), bold(jonas)) == (everything - 1, everything)
        jonas.get(f"/c/{office.reference(old)}", headers={"sec-fetch-mode": "cors", "sec-fetch-site": "same-origin"})
        assert bold(jonas) == everything  # a page that asks anew for its list shows nobody a letter


def test_that_another_team_has_the_letter_is_said_where_the_letter_itself_names_it(office: Office) -> None:
    _people(office)
    both = ("kita.platzvergabe@musterstadt.example", "bauamt@musterstadt.example")
    hidden = office.mail(letter("Verdeckt", key="a@x"), both)
    named = office.mail(letter("Offen", key="b@x", extra="Cc: Bauamt <bauamt@musterstadt.example>\n"), both)
    with office.client("petra") as petra:
        assert "Auch im Posteingang von Bauamt" in petra.get(f"/c/{office.reference(named)}").text
        assert "Auch im Posteingang" not in petra.get(f"/c/{office.reference(hidden)}").text


@pytest.mark.parametrize(
    ("note", "field", "mentioned"),
    [
        ("@jonas, schaust du?", "", True),
        ("(@Jonas)", "", True),
        ("schaust du @jonas.", "", True),
        ("schaust du?", "jonas", True),
        ("jonas@citizen.example hat geschrieben", "", False),
        ("@jonasweiss @bert", "bert", False),
    ],
)
def test_who_is_mentioned_sees_it_until_they_have_looked_and_strangers_never(
    office: Office, note: str, field: str, mentioned: bool
) -> None:
    _people(office)
    path = f"/c/{office.reference(office.mail(letter()))}"
    with office.client("petra") as petra, office.client("jonas") as jonas, office.client("bert") as bert:
        form = _form(petra.get(path).text, "note")
        assert petra.post(f"{path}/note", data={**form, "note": note, "mention": field}).status_code == 303
        assert ("Sie werden erwähnt" in jonas.get("/inbox/kita").text) is mentioned
        assert ('class="subject"' in jonas.get("/inbox/kita?state=mine").text) is mentioned
        jonas.get(path)
        assert "Sie werden erwähnt" not in jonas.get("/inbox/kita").text
        assert 'class="subject"' not in jonas.get("/inbox/kita?state=mine").text
        assert "Sie werden erwähnt" not in bert.get("/inbox/bauamt").text


def test_a_search_is_kept_for_oneself_or_a_team_and_opened_with_each_ones_rights(office: Office) -> None:
    _people(office)
    office.user("leser", (Role.READER, "kita"))
    office.mail(letter("Anbau"))
    with office.client("petra") as petra, office.client("jonas") as jonas, office.client("bert") as bert:
        form = _form(petra.get("/search?q=anbau").text, "/search/folders")
        for team, name in (("", "Nur meine"), ("kita", "Für alle")):
            assert petra.post("/search/folders", data={**form, "name": name, "team": team}).status_code == 303
        assert petra.post("/search/folders", data={**form, "name": "x", "team": "bauamt"}).status_code == 404
        assert petra.post("/search/folders", data={**form, "name": " "}).status_code == 400
        seen = {who: client.get("/drafts").text for who, client in (("p", petra), ("j", jonas), ("b", bert))}
        assert [(name in seen[who]) for who in "pjb" for name in ("Nur meine", "Für alle")] == [
            True, True, False, True, False, False,
        ]  # fmt: skip
        with office.client("leser") as leser:
            drop = _form(leser.get("/search?q=anbau").text, "/search/folders")
            assert leser.post("/search/folders", data={**drop, "do": "drop"}).status_code == 303
            assert "Für alle" in leser.get("/drafts").text
        drop = _form(jonas.get("/search?q=anbau").text, "/search/folders")
        jonas.post("/search/folders", data={**drop, "do": "drop"})
        assert "Für alle" not in petra.get("/drafts").text
        assert "Nur meine" in petra.get("/drafts").text
