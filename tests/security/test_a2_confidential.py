"""A2, within one team: what lies in its confidential inbox is nowhere for those who only read the team."""

from __future__ import annotations

import pytest
from httpx2 import Response

from maild.mail.inbox import confidential
from maild.policy.roles import Role
from tests.security.crawling import FORMS, objects_of, pages
from tests.web.office import RULES, Office, letter, own_token, rules

CANARY = "kanarie9"
INNER = confidential("kita")
CONFIDING = """\
  - id: kinderschutz
    when: {subject: kinderschutz}
    then: {confidential: true, tag: schutz}
"""


def _clean(answer: Response) -> None:
    assert CANARY not in answer.text.lower(), answer.request.url
    assert CANARY not in repr(answer.headers).lower()


@pytest.fixture
def guarded(office: Office) -> tuple[Office, int, int]:
    """A letter that everybody of the team reads, and one that continues it in confidence; and its answer."""
    office.book.current = rules(RULES.replace("rules:\n", f"rules:\n{CONFIDING}"))
    office.user("petra", (Role.COORDINATOR, "kita"))
    office.user("lena", (Role.MANAGER, "kita"))
    office.user("nora", (Role.READER, INNER))
    first = office.mail(letter("Eigener Brief", key="a@citizen.example"), age_s=900)
    secret = f"Kinderschutz {CANARY}"
    office.mail(letter(secret, f"{CANARY}\n", key="b@citizen.example", parent="a@citizen.example"), age_s=800)
    # What answers a confidential letter is confidential, whatever its subject says.
    both = ("kita.platzvergabe@musterstadt.example", "info@musterstadt.example")
    follow_up = letter(f"Nachtrag {CANARY}", key="c@citizen.example", parent="b@citizen.example")
    return office, first, office.mail(follow_up, both[:1], age_s=700)


@pytest.mark.parametrize("login", ["lena", "nora"])
def test_who_manages_the_team_and_who_is_named_read_what_is_confidential(
    guarded: tuple[Office, int, int], login: str
) -> None:
    office, _, follow_up = guarded
    objects = objects_of(office, INNER, follow_up)
    with office.client(login) as client:
        listed = client.get(f"/inbox/{INNER}")
        assert "Kita-Platzvergabe · vertraulich" in listed.text
        for path in (f"/inbox/{INNER}", f"/c/{objects.reference}", f"/m/{objects.id}", f"/search?q=body:{CANARY}"):
            assert CANARY in client.get(path).text.lower().replace(f"?q=body:{CANARY}", ""), path
        assert client.get("/inbox/kita").status_code == (200 if login == "lena" else 404)


def test_who_only_reads_the_team_meets_it_nowhere(guarded: tuple[Office, int, int]) -> None:
    office, first, follow_up = guarded
    own, theirs = objects_of(office, "kita", first), objects_of(office, INNER, follow_up)
    assert own.reference == theirs.reference
    with office.client("petra") as client:
        assert "Eigener Brief" in client.get("/inbox/kita").text
        assert "vertraulich" not in client.get("/inbox/kita").text
        assert client.get(f"/inbox/{INNER}").status_code == 404
        for asked in (CANARY, "team:kita", f"team:{INNER}", "is:open", "tag:schutz", "larger:1", f"id:{theirs.id}"):
            _clean(client.get("/search", params={"q": asked.replace(CANARY, CANARY[:5] + "*")}))
        for objects in (own, theirs):
            for page in pages(office):
                path = objects.path(page)
                if "GET" in page.methods:
                    _clean(client.get(path))
                elif page.path != "/logout":
                    form = {"token": own_token(client), "team": objects.team, **FORMS[page.path]}
                    _clean(client.post(path, data=form, follow_redirects=True))


def test_a_letter_that_came_to_an_open_team_too_is_told_without_the_confidential_one(
    office: Office,
) -> None:
    office.book.current = rules(
        RULES.replace("rules:\n", "rules:\n  - {id: schutz, when: {to: kita}, then: {confidential: true}}\n")
    )
    office.user("ina", (Role.READER, "poststelle"), (Role.READER, "kita"))
    both = ("kita@musterstadt.example", "info@musterstadt.example")
    shown = objects_of(office, "poststelle", office.mail(letter("An beide"), both))
    with office.client("ina") as client:
        assert "An beide" in client.get("/inbox/poststelle").text
        assert "An beide" not in client.get("/inbox/kita").text
        why = client.get(f"/m/{shown.id}/why").text
    assert "Zentrale Poststelle" in why
    assert "kita@musterstadt.example" not in why
