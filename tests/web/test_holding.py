"""Held mail and what waits to be sent, as the readers of a letter see it; and letting it go."""

from __future__ import annotations

import html
import re

import pytest

from maild.archive.duties import OURSELVES, RecordedDuty
from maild.policy.roles import Role
from maild.web.duty_words import lines
from tests.web.office import RULES, Office, letter, rules, shown_id, token_in

HOLDING = (
    RULES.replace("rules:\n", "templates: {frist: {text: bald}}\nrules:\n")
    + """  - id: weiter
    when: {subject: kreis}
    then: {forward: rat@kreis.example, reply: frist, assign: niemand}
  - id: halt
    when: {subject: konto}
    then: {hold: "Bitte <b>zurückrufen</b>", copy: bauamt}
"""
)
FORWARD = "Wird weitergeleitet an rat@kreis.example."
HELD_FORWARD = "Wird erst nach der Freigabe weitergeleitet an rat@kreis.example."
HOLD = "Angehalten: Bitte <b>zurückrufen</b>"


@pytest.fixture
def holding(office: Office) -> Office:
    office.book.current = rules(HOLDING)
    office.user("petra", (Role.RESPONDER, "kita"))
    office.user("leser", (Role.READER, "kita"))
    office.user("bert", (Role.RESPONDER, "bauamt"))
    return office


def _said(office: Office, login: str, path: str) -> str:
    with office.client(login) as client:
        answer = client.get(path)
    assert answer.status_code == 200, path
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text[answer.text.index("<main") :])))


def _release(office: Office, login: str, number: int, team: str = "kita") -> int:
    with office.client(login) as client:
        token = token_in(client.get("/sessions").text)
        answer = client.post(
            f"/m/{shown_id(number)}/release", data={"token": token, "team": team, "next": f"/m/{shown_id(number)}"}
        )
    return answer.status_code


def test_each_duty_is_said_in_a_line_at_the_letter(holding: Office) -> None:
    number = holding.mail(letter("An den Kreis"))
    for path in (f"/m/{shown_id(number)}", f"/c/{holding.reference(number)}"):
        said = _said(holding, "leser", path)
        assert FORWARD in said
        assert "Der Absender erhält die automatische Antwort „frist“, sobald maild senden kann." in said
        assert "Konnte niemand nicht zugewiesen werden" in said
        assert "Freigeben" not in said


def test_held_mail_says_why_and_is_let_go_by_who_may_answer(holding: Office) -> None:
    number = holding.mail(letter("Kreis: neues Konto"))
    page = f"/c/{holding.reference(number)}"
    assert HOLD in _said(holding, "petra", page).replace("< b>", "<b>")
    assert "Freigeben" in _said(holding, "petra", page)
    assert HELD_FORWARD in _said(holding, "petra", page)
    assert "Freigeben" not in _said(holding, "leser", page)
    assert _release(holding, "leser", number) == 403
    assert _release(holding, "petra", number) == 303
    assert _release(holding, "petra", number) == 303, "a second click does no harm"
    said = _said(holding, "petra", page)
    assert "War angehalten (Bitte <b>zurückrufen</b>), freigegeben von petra." in said
    assert FORWARD in said
    assert "Freigeben" not in said


def test_a_team_lets_go_its_own_and_learns_nothing_of_where_others_send_it(holding: Office) -> None:
    number = holding.mail(letter("Kreis: neues Konto"))
    said = _said(holding, "bert", f"/m/{shown_id(number)}")
    assert "Angehalten: " in said
    assert "rat@kreis.example" not in said + _said(holding, "bert", f"/m/{shown_id(number)}/why")
    assert "rat@kreis.example" in _said(holding, "leser", f"/m/{shown_id(number)}/why")
    assert _release(holding, "bert", number, "kita") == 404
    assert _release(holding, "bert", number, "bauamt") == 303
    assert HELD_FORWARD in _said(holding, "petra", f"/m/{shown_id(number)}")


def test_who_reads_two_inboxes_sees_which_one_he_lets_go(holding: Office) -> None:
    holding.grant("petra", Role.RESPONDER, "bauamt")
    number = holding.mail(letter("Kreis: neues Konto"))
    said = _said(holding, "petra", f"/m/{shown_id(number)}")
    assert said.index("Freigeben (Bauamt)") < said.index("Freigeben (Kita-Platzvergabe)") < said.index(HELD_FORWARD)


def test_the_list_marks_what_is_held(holding: Office) -> None:
    holding.mail(letter("Ruhig"))
    number = holding.mail(letter("Konto"))

    def marks() -> list[str]:
        with holding.client("petra") as client:
            return re.findall(r"<li>angehalten</li>", client.get("/inbox/kita").text)

    assert len(marks()) == 1
    _release(holding, "petra", number)
    assert marks() == []


def test_a_letter_that_could_not_be_read_says_why_it_is_held(holding: Office) -> None:
    holding.book.current = rules(HOLDING.replace("when: {subject: kreis}", "when: {to: kita}"))
    said = _said(holding, "petra", f"/m/{shown_id(holding.mail(letter('x'), 'kita@musterstadt.example', lost=True))}")
    assert "Angehalten: nicht ganz lesbar oder nicht nach allen Regeln verteilt" in said


def test_who_may_answer_in_the_team_above_is_assigned_what_comes_below(holding: Office) -> None:
    holding.book.current = rules(HOLDING + "  - {id: wer, then: {assign: bund}}\n")
    holding.user("bund", (Role.RESPONDER, "mitglieder"), name="Bea Bund")
    number = holding.mail(letter("Beitrag"), "mitglieder-by@musterstadt.example")
    assert "Zuständig Bea Bund" in _said(holding, "bund", f"/c/{holding.reference(number)}")
    elsewhere = holding.mail(letter("Beitrag"))
    assert "Konnte bund nicht zugewiesen werden" in _said(holding, "petra", f"/m/{shown_id(elsewhere)}")


def _duty(**how: object) -> RecordedDuty:
    values: dict[str, object] = {
        "id": 1, "message_id": 1, "team": "kita", "kind": "hold", "target": "", "rule": "r", "state": "waiting",
        "made_ms": 1, "ended_ms": None, "ended_by": None, "held": False,
    }  # fmt: skip
    return RecordedDuty(**{**values, **how})  # type: ignore[arg-type]


SAID = [
    ({}, "Angehalten: eine Regel verlangt es"),
    ({"target": "{1} {0}"}, "Angehalten: {1} {0}"),
    ({"state": "dropped", "ended_by": "jan"}, "Nicht mehr angehalten: jan hat das so entschieden."),
    ({"kind": "acknowledge"}, "Der Absender erhält eine Eingangsbestätigung, sobald maild senden kann."),
    ({"kind": "also-deliver", "target": "maildir:/var/mail/x"},
     "Wird zusätzlich in ein anderes Postfach des Teams zugestellt."),
    ({"kind": "also-deliver", "target": "forward:a@b.example", "held": True},
     "Wird erst nach der Freigabe weitergeleitet an a@b.example."),
    ({"kind": "forward", "target": "a@b.example", "state": "dropped", "ended_by": "jan"},
     "Wird nicht weitergeleitet an a@b.example: jan hat das so entschieden."),
    ({"kind": "forward", "target": "a@b.example", "state": "done", "ended_by": "maild"}, None),
    ({"kind": "assign", "target": "eva", "state": "done", "ended_by": OURSELVES}, None),
    ({"kind": "assign", "target": "eva", "state": "dropped", "ended_by": OURSELVES}, None),
    ({"kind": "of a later version", "target": "x"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("how", "said"), SAID)
def test_a_duty_is_said_as_people_say_it(how: dict[str, object], said: str | None) -> None:
    assert [line.text for line in lines([_duty(**how)], "de", frozenset())] == ([] if said is None else [said])


def test_what_two_teams_have_to_say_is_said_once_but_each_lets_go_its_own() -> None:
    both = [_duty(), _duty(id=2, team="bauamt")]
    assert len(lines(both, "en", frozenset())) == 1
    assert [line.release for line in lines(both, "en", frozenset({"kita", "bauamt"}))] == ["kita", "bauamt"]
