"""Letters as they were opened last: kept within a few megabytes, and not mixed up."""

from __future__ import annotations

from maild.policy.roles import Role
from maild.web.letter_view import LetterView
from maild.web.views import Views
from tests.web.office import Office, letter


def _view(text: str) -> LetterView:
    return LetterView(kind="text", plain_html=text)


def test_a_view_is_kept_by_all_that_it_was_made_of() -> None:
    views = Views()
    views.keep((b"1", False), _view("a"))
    views.keep((b"1", True), _view("b"))
    assert [views.get((b"1", images)) for images in (False, True)] == [_view("a"), _view("b")]
    assert views.get((b"2", False)) is None


def test_views_that_nobody_asks_for_make_room() -> None:
    views, large = Views(), "x" * 400_000
    for number in range(60):
        views.keep(number, _view(large))
        assert views.get(0) is not None
    assert views.get(1) is None
    assert views.get(59) is not None


def test_a_very_long_letter_is_not_kept() -> None:
    views = Views()
    views.keep(1, _view("x" * 600_000))
    assert views.get(1) is None


def test_a_letter_opened_before_is_shown_to_nobody_who_may_not_read_it(office: Office) -> None:
    for login, team in (("petra", "kita"), ("bert", "bauamt")):
        office.user(login)
        office.grant(login, Role.RESPONDER, team)
    reference = office.reference(office.mail(letter(text="Nur für die Kita.\n")))
    for _ in range(2):
        assert "Nur für die Kita." in office.client("petra").get(f"/c/{reference}").text
    answer = office.client("bert").get(f"/c/{reference}")
    assert answer.status_code == 404
    assert "Nur für die Kita." not in answer.text
