"""Absences in the browser: noted, told to the team, and what happened meanwhile."""

from __future__ import annotations

import re

from maild.archive.accounts import find_user
from maild.policy.roles import Role
from tests.web.office import RULES, Office, letter, rules, shown_id, sign_in, token_in
from tests.web.writer import Form, follow

DAY_MS = 86_400_000


def _form(page: str, action: str) -> dict[str, str]:
    form = re.search(rf'<form method="post" action="{action}".*?</form>', page, re.DOTALL)
    assert form is not None, page
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0]))
    return hidden | dict(re.findall(r'<input type="radio" name="([^"]+)" value="(\w+)" checked>', form[0]))


def _people(office: Office) -> None:
    office.user("petra", (Role.RESPONDER, "kita"), name="Petra Maurer")
    office.user("jonas", (Role.RESPONDER, "kita"), name="Jonas Weiß")
    office.user("bert", (Role.RESPONDER, "bauamt"), name="Bert Bau")


def test_an_ill_colleague_is_marked_absent_a_third_acts_and_the_one_who_returns_decides(office: Office) -> None:
    _people(office)
    office.user("karla", (Role.RESPONDER, "kita"), name="Karla Kern")
    path = f"/c/{office.reference(office.mail(letter('Spielplatz')))}"
    with office.client("petra") as petra, office.client("jonas") as jonas, office.client("karla") as karla:
        petra.post(f"{path}/assignee", data={**_form(petra.get(path).text, f"{path}/assignee"), "assignee": "petra"})
        form = _form(jonas.get("/absences").text, "/absences")
        assert "bert" not in jonas.get("/absences").text
        assert jonas.post("/absences", data={**form, "login": "bert"}).status_code == 400
        assert jonas.post("/absences", data={**form, "login": "petra", "deputy": "bert"}).status_code == 400
        later = jonas.post("/absences", data={**form, "login": "petra", "first": "2090-01-01"})
        assert "Koordinierende" in later.text
        done = jonas.post("/absences", data={**form, "login": "petra", "deputy": "karla"})
        assert "ist vermerkt" in follow(jonas, done).text
        assert "Petra Maurer, vertreten durch Karla Kern" in jonas.get(path).text
        assert "Abwesend: Petra Maurer, vertreten durch Karla Kern" in jonas.get("/inbox/kita").text
        assert "Spielplatz" in karla.get("/inbox/kita?state=mine").text
        assert "Spielplatz" not in jonas.get("/inbox/kita?state=mine").text
        assert petra.get("/").headers["location"] == "/absences?said=you"
        office.clock.ms += DAY_MS
        sign_in(petra, "petra")
        sign_in(karla, "karla")
        karla.post(f"{path}/state", data={**_form(karla.get(path).text, f"{path}/state"), "state": "waiting"})
        back = petra.post("/absences/end", data=_form(petra.get("/absences").text, "/absences/end"))
        summary = follow(petra, back).text
        assert "Vermerkt hat es jonas." in summary
        assert "vertreten durch Karla Kern" in summary
        assert petra.get("/").headers["location"] == "/absences/return"
        chosen = petra.post("/absences/return", data={**_form(summary, "/absences/return"), "do": "all-stay"})
        assert chosen.headers["location"] == "/"
        assert petra.get("/").headers["location"] == "/inbox/kita"
        assert "<dd>Karla Kern" in petra.get(path).text
        assert "Abwesend:" not in petra.get("/inbox/kita").text


def test_a_holiday_is_planned_with_a_deputy_and_called_off(office: Office) -> None:
    _people(office)
    with office.client("petra") as petra:
        form = _form(petra.get("/absences").text, "/absences")
        planned = {**form, "login": "petra", "first": "2026-10-05", "last": "2026-10-09", "deputy": "jonas"}
        page = follow(petra, petra.post("/absences", data=planned)).text
        assert "ab 05.10.2026, bis 09.10.2026" in page
        assert petra.post("/absences", data=planned).status_code == 400
        for fault in ({"last": "2026-10-01"}, {"first": "5.10."}):
            assert petra.post("/absences", data={**planned, **fault}).status_code == 400
        off = petra.post("/absences/end", data=_form(page, "/absences/end"))
        assert "Aus Ihren Teams ist niemand abwesend." in follow(petra, off).text
        assert petra.get("/").headers["location"] == "/welcome" or "/inbox" in petra.get("/").headers["location"]


def test_a_team_of_which_nobody_is_there_is_open_to_its_deputy_team_until_somebody_is_back(office: Office) -> None:
    _people(office)
    office.book.current = rules(RULES.replace("  kita:\n", "  kita:\n    deputy: bauamt\n"))
    path = f"/c/{office.reference(office.mail(letter('Spielplatz')))}"
    with office.client("bert") as bert, office.client("petra") as petra, office.client("jonas") as jonas:
        for each in (petra, jonas):
            assert bert.get(path).status_code == 404
            each.post("/absences", data=_form(each.get("/absences").text, "/absences"))
        assert "Sie sehen seinen Eingang, weil Bauamt es vertritt" in bert.get("/inbox/kita").text
        closed = bert.post(f"{path}/state", data={**_form(bert.get(path).text, f"{path}/state"), "state": "closed"})
        assert closed.status_code == 303
        token = token_in(petra.get("/absences").text)
        assert bert.get("/search?q=Spielplatz").text.count("Spielplatz") > 1
        ended = _form(petra.get("/absences").text, "/absences/end")
        petra.post("/absences/end", data={**ended, "token": token})
        assert bert.get(path).status_code == 404
        assert bert.get("/inbox/kita").status_code == 404
        assert "Spielplatz</a>" not in bert.get("/search?q=Spielplatz").text


def test_a_leavers_conversations_go_over_from_a_page_without_letters_and_the_new_one_finds_the_history(
    office: Office,
) -> None:
    _people(office)
    with office.database.read() as connection:
        leaver = find_user(connection, "petra").id
    office.user("ada", (Role.ADMINISTRATOR, None), name="Ada Admin")
    reference = office.reference(office.mail(letter("Spielplatz geheim")))
    path = f"/c/{reference}"
    with office.client("petra") as petra, office.client("jonas") as jonas, office.client("ada") as ada:
        petra.post(f"{path}/assignee", data={**_form(petra.get(path).text, f"{path}/assignee"), "assignee": "petra"})
        page = f"/person/{leaver}/handover"
        shown = ada.get(page).text
        assert reference in shown
        assert "Spielplatz" not in shown
        assert '<option value="jonas" selected>' in shown
        assert 'name="last" id="h-last" min="2026-09-21" value="2026-09-21"' in shown  # nothing ends by a mere press
        assert petra.get(page).status_code == 403
        form = _form(shown, page)
        for fault in ({"last": "2020-01-01"}, {"to-kita": "bert"}):
            assert ada.post(page, data={**form, **fault}).status_code == 400
        done = ada.post(page, data={**form, "last": "2026-09-30", "to-kita": "jonas"})
        assert "Alles ist übergeben." in follow(ada, done).text
        assert "nach dem 30.09.2026" in ada.get(page).text
        assert 'value="2026-09-30"' in ada.get(page).text
        listed = jonas.get("/inbox/kita").text
        assert "Petra Maurer geht, und Sie führen diese Vorgänge weiter" in listed
        assert "Petra Maurer geht. Dieser Vorgang ist an die übergeben" in jonas.get(path).text
        jonas.post("/handovers", data=_form(listed, "/handovers"))
        assert "führen diese Vorgänge weiter" not in jonas.get("/inbox/kita").text
        assert petra.get(path).status_code == 200
        assert ada.post(page, data={**_form(ada.get(page).text, page), "do": "stay"}).status_code == 303
        assert "nach dem 30.09.2026" not in ada.get(page).text
    office.clock.ms += 10 * DAY_MS
    office.user("neu", (Role.READER, "kita"))
    with office.client("petra") as petra, office.client("neu") as new:
        assert petra.get(path).status_code == 404
        assert petra.get("/inbox/kita").status_code == 404
        assert "Spielplatz geheim" not in petra.get("/search?q=geheim").text
        assert "Spielplatz geheim" in new.get(path).text
        assert "Spielplatz geheim" in new.get("/search?q=geheim").text
        assert "Spielplatz geheim" in new.get("/inbox/kita").text


def test_a_draft_of_who_is_away_is_open_to_the_deputy_and_theirs_once_they_go_on_with_it(office: Office) -> None:
    _people(office)
    petra = office.user("anna", (Role.RESPONDER, "kita"), name="Anna Auer")
    office.user("karla", (Role.RESPONDER, "kita"), name="Karla Kern")
    number, others = office.mail(letter("Spielplatz")), office.mail(letter("Anderer", sender="x@c.example"))
    office.assign(number, "kita", petra)
    draft = f"/drafts/{shown_id(office.draft('anna', number, 'kita', 'Angefangen', subject='Halb'))}"
    elsewhere = f"/drafts/{shown_id(office.draft('anna', others, 'kita', 'Privat', subject='Fremd'))}"
    path = f"/c/{office.reference(number)}"
    with office.client("jonas") as jonas, office.client("karla") as karla:
        assert karla.get(draft).status_code == 404
        form = _form(jonas.get("/absences").text, "/absences")
        assert jonas.post("/absences", data={**form, "login": "anna", "deputy": "karla"}).status_code == 303
        # The deputy's alone, and only where the conversation is whose who is away.
        assert [who.get(each).status_code for who in (jonas, karla) for each in (draft, elsewhere)] == [
            404, 404, 200, 404,
        ]  # fmt: skip
        assert "Anna Auer hat eine Antwort begonnen und ist abwesend; Sie vertreten." in karla.get(path).text
        assert "von Anna Auer, abwesend" in karla.get("/drafts").text
        page = karla.get(draft)
        assert "Geschrieben von Anna Auer, zurzeit abwesend" in page.text
        assert "Angefangen" in page.text
        assert Form.of(page).press(karla, "save", text="Zu Ende").status_code == 303
        assert "zurzeit abwesend" not in karla.get(draft).text
        assert "Sie haben eine Antwort begonnen" in karla.get(path).text
        again = Form.of(karla.get(draft)).press(karla, "save", text="Ganz zu Ende")
        assert again.status_code == 303
    with office.client("anna") as anna:
        office.clock.ms += DAY_MS
        sign_in(anna, "anna")
        # Told as any mention is, once: above the list, in the conversation, by mail; and at the return.
        said = "Der Entwurf, den Anna Auer begonnen hat und nicht beenden konnte, wurde übernommen."
        assert 'class="mentions"' in anna.get("/inbox/kita").text
        assert anna.get(path).text.count(said) == 1
        assert "Angefangen" not in anna.get(path).text
        back = anna.post("/absences/end", data=_form(anna.get("/absences").text, "/absences/end"))
        assert "Ihr Entwurf wurde übernommen" in follow(anna, back).text
    with office.database.read() as connection:
        log = "SELECT actor, team, about, details FROM audit WHERE act = 'taken-over'"
        rows = [tuple(row) for row in connection.exec_driver_sql(log)]
    assert rows == [("karla", "kita", draft.removeprefix("/drafts/"), '{"from":"anna","what":"draft"}')]
