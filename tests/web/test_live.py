"""An open page asks anew for what may have changed: it gets that whole, and no letter is opened for it."""

from __future__ import annotations

import re

from maild.policy.roles import Role
from tests.web.office import Office, letter

LIVE = {"x-maild-live": "1"}
BOTH = ("kita.platzvergabe@musterstadt.example", "bauamt@musterstadt.example")


def _regions(page: str) -> dict[str, str]:
    """Return what of a page is exchanged, by its id."""
    found = {}
    for begin in re.finditer(r'<(div|nav)[^>]*id="(\w+)"[^>]*data-live[^>]*>', page):
        depth = 1
        for tag in re.finditer(rf"<(/?){begin[1]}\b", page[begin.end() :]):
            depth += -1 if tag[1] else 1
            if not depth:
                found[begin[2]] = page[begin.end() :][: tag.start()]
                break
    fresh = re.search(r'id="fresh"[^>]*data-newest="(\w+)"', page)
    title = re.search(r"<title>.*?</title>", page, re.DOTALL)
    return found | {"newest": fresh[1] if fresh else "", "title": title[0] if title else ""}


def test_what_is_live_is_the_same_and_no_letter_is_opened_for_it(office: Office) -> None:
    office.user("petra", (Role.COORDINATOR, "kita"))
    own = office.reference(office.mail(letter("Spielplatz")))
    to = "To: kita.platzvergabe@musterstadt.example, bauamt@musterstadt.example\n"
    shared = office.reference(
        office.mail(f"From: a@c.example\n{to}Subject: An zwei\n\nText\n", BOTH, sender="a@c.example")
    )
    with office.client("petra") as client:
        for path in (f"/c/{own}", f"/c/{shared}", f"/c/{own}?team=kita&state=mine", "/inbox/kita"):
            client.get(path)
            whole, live = client.get(path).text, client.get(path, headers=LIVE).text
            assert _regions(live) == _regions(whole), path
            assert len(_regions(whole)) >= 6, path
        assert "Bauamt" in _regions(client.get(f"/c/{shared}", headers=LIVE).text)["entries"]
        page, live = client.get(f"/c/{own}").text, client.get(f"/c/{own}", headers=LIVE).text
        assert len(live) < len(page)


def test_a_live_question_is_asked_by_who_may_see_the_page(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    foreign = office.reference(office.mail(letter("Bauantrag"), "bauamt@musterstadt.example"))
    with office.client("petra") as client, office.client() as stranger:
        assert client.get(f"/c/{foreign}", headers=LIVE).status_code == 404
        assert stranger.get(f"/c/{foreign}", headers=LIVE).status_code == 303
