"""A2: not one byte of another team's, in any route, list, count, search, event or error."""

from __future__ import annotations

import re

import pytest
from httpx2 import Response

from maild.archive.team_texts import Save as TeamText
from maild.archive.team_texts import save_texts
from maild.policy.roles import Role
from tests.security.crawling import ATTACHED, FORMS, NOWHERE, Objects, objects_of, pages, write_page
from tests.web.office import RULES, Office, letter, own_token, rules, shown_id, token_in

CANARY = "kanarie7"
SECRET = ATTACHED.format(
    name=f"{CANARY} Name", mail=f"{CANARY}@geheim.example",
    to="bauamt@musterstadt.example", subject=f"{CANARY} dringend",
    key=f"{CANARY}@geheim.example", text=f"{CANARY} im Text", file=f"{CANARY}.txt", inside=f"{CANARY} in der Anlage",
)  # fmt: skip


NOBODYS = "fehltganz"  # a word that nobody has


def _clean(answer: Response) -> None:
    """Fail when a canary is in an answer."""
    text = answer.text.lower()
    assert CANARY not in text, f"{answer.request.url}: {text[max(text.find(CANARY) - 200, 0) :][:400]}"
    assert CANARY not in repr(answer.headers).lower()


def _plain(answer: Response) -> str:
    return re.sub(r'nonce="[^"]*"', "", answer.text)


@pytest.fixture
def mixed(office: Office) -> tuple[Office, Objects, Objects]:
    """Two teams with letters of their own, and conversations in which both have a part."""
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("bert", (Role.MANAGER, "bauamt"), name=f"{CANARY} Bert")
    both = ("kita.platzvergabe@musterstadt.example", "bauamt@musterstadt.example")
    own = office.mail(letter("Eigener Brief", key="own@citizen.example"), age_s=9_000)
    secret = office.mail(SECRET, "bauamt@musterstadt.example", sender=f"{CANARY}@geheim.example", age_s=8_000)
    # A conversation that begins in the other team; only a later letter of it came to us, too.
    office.mail(letter(f"{CANARY} Anfang", key="begin@citizen.example"), "bauamt@musterstadt.example", age_s=7_000)
    office.mail(letter("Fortsetzung", key="go@citizen.example", parent="begin@citizen.example"), both, age_s=6_000)
    # And one that begins with us and goes on without us.
    office.mail(letter(f"Re: {CANARY}", f"{CANARY} nur hier\n", key="on@citizen.example", parent="own@citizen.example"),
                "bauamt@musterstadt.example", age_s=5_000)  # fmt: skip
    # The same octets again, to the other team alone.
    office.mail(letter("Eigener Brief", key="own@citizen.example"), "bauamt@musterstadt.example", age_s=100)
    write_page(office, "bauamt", f"{CANARY} Handbuch")
    for name in ("", f"{CANARY} Vorlage"):
        text = TeamText(team="bauamt", name=name, base=0, text=f"{CANARY} Gruß", author="bert", at_ms=1)
        assert office.database.writer.submit(save_texts, text).result()
    ours, theirs = objects_of(office, "kita", own, author="petra"), objects_of(office, "bauamt", secret, author="bert")
    # What others write about it: an answer that is not finished, and a note.
    with office.client("bert") as bert:
        token = token_in(bert.get("/sessions").text)
        note = {"token": token, "team": "bauamt", "note": f"{CANARY} Notiz"}
        assert bert.post(f"/c/{theirs.reference}/note", data=note).status_code == 303
        model = {"token": token, "team": "bauamt", "why": f"{CANARY} gut"}
        assert bert.post(f"/c/{theirs.reference}/model", data=model).status_code == 303
        office.draft("bert", secret, "bauamt", f"{CANARY} Entwurf", subject=CANARY)
        assert CANARY in bert.get("/drafts").text
    return office, ours, theirs


def test_the_canaries_are_there_for_those_who_may_see_them(mixed: tuple[Office, Objects, Objects]) -> None:
    office, _, theirs = mixed
    with office.client("bert") as bert:
        for path in ("/inbox/bauamt", f"/c/{theirs.reference}", f"/m/{theirs.id}", f"/search?q={CANARY}",
                     f"/m/{theirs.id}/source", f"/m/{theirs.id}/letter", f"/m/{theirs.id}/part/2", "/handbook",
                     "/handbook/bauamt", "/handbook/bauamt/seite", "/templates/bauamt", "/welcome"):  # fmt: skip
            answer = bert.get(path)
            assert CANARY in answer.text.lower().replace(f"?q={CANARY}", ""), path


def test_no_route_with_any_object_says_a_word_of_them(mixed: tuple[Office, Objects, Objects]) -> None:
    office, own, theirs = mixed
    with office.client("petra") as client, office.client() as stranger:
        for objects in (own, theirs, NOWHERE):
            for page in pages(office):
                path = objects.path(page)
                for who in (client, stranger):
                    if page.path == "/logout" and who is client and "POST" in page.methods:
                        continue
                    if "GET" in page.methods:
                        _clean(who.get(path))
                        _clean(who.get(path, headers={"accept": "application/json"}))
                    else:
                        form = {"token": own_token(client), "team": objects.team, **FORMS[page.path]}
                        _clean(who.post(path, data=form, follow_redirects=True))


def test_every_link_of_every_page_leads_to_nothing_of_theirs(mixed: tuple[Office, Objects, Objects]) -> None:
    office, _, _ = mixed
    with office.client("petra") as client:
        waiting, seen = ["/", "/inbox/kita", "/search"], set[str]()
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            answer = client.get(path, follow_redirects=True)
            _clean(answer)
            links = re.findall(r'(?:href|src)="(/[^"#]*)', answer.text)
            waiting += [link.replace("&amp;", "&") for link in links if not link.startswith("/static")]
    assert len(seen) > 15


SEARCHES = [
    CANARY,
    f"{CANARY[:4]}*",
    f'"{CANARY} im text"',
    f"from:{CANARY}",
    f"subject:{CANARY}",
    f"filename:{CANARY}",
    f"body:{CANARY}",
    "team:bauamt",
    "is:open",
    "has:attachment",
    "tag:eilt",
    "-kita",
    "fortsetzung OR anfang",
    "from:geheim.example",
    "larger:1",
    f"{CANARY} OR eigener",
    f"-{CANARY}",
    "(",
    f"unbekannt:{CANARY}",
]


@pytest.mark.parametrize("asked", SEARCHES)
def test_a_search_for_their_words_is_answered_like_one_for_a_word_that_nobody_has(
    mixed: tuple[Office, Objects, Objects], asked: str
) -> None:
    office, _, _ = mixed
    with office.client("petra") as client:
        answer = client.get("/search", params={"q": asked})
        nobodys = client.get("/search", params={"q": asked.replace(CANARY, NOBODYS).replace(CANARY[:4], NOBODYS[:4])})
        if CANARY not in asked:
            _clean(answer)
        swapped = _plain(answer).replace(CANARY, NOBODYS).replace(CANARY[:4], NOBODYS[:4])
    assert (answer.status_code, swapped) == (nobodys.status_code, _plain(nobodys))


def test_no_search_by_their_ids_finds_them(mixed: tuple[Office, Objects, Objects]) -> None:
    office, _, theirs = mixed
    with office.client("petra") as client:
        _clean(client.get("/search", params={"q": f"id:{theirs.id}"}))
        _clean(client.get("/search", params={"q": f"ref:{theirs.reference}"}))
        _clean(client.get("/search", params={"q": "kita", "before": theirs.id}))


def test_counts_do_not_move_for_what_others_get(mixed: tuple[Office, Objects, Objects]) -> None:
    office, _, _ = mixed
    with office.client("petra") as client:
        before = _plain(client.get("/inbox/kita"))
        office.mail(SECRET + "\n", "bauamt@musterstadt.example", age_s=1)
        assert _plain(client.get("/inbox/kita")) == before


def test_the_file_of_a_shared_letter_is_shown_and_its_other_readers_are_not(
    mixed: tuple[Office, Objects, Objects],
) -> None:
    office, _, _ = mixed
    number = office.mail(letter("An beide", key="both@citizen.example"),
                         ("kita.platzvergabe@musterstadt.example", "bauamt@musterstadt.example"))  # fmt: skip
    with office.client("petra") as client:
        page = client.get(f"/m/{shown_id(number)}").text + client.get(f"/c/{office.reference(number)}").text
    assert "An beide" in page
    assert "bauamt" not in page.lower()


def test_why_a_shared_letter_is_here_does_not_say_who_else_got_it_or_by_which_rule(office: Office) -> None:
    """Not by a recipient, a place, an action, the id of a rule, or a condition on an address that is not listed."""
    with_others = (
        RULES.replace("Geheime Adresse", CANARY)
        .replace("  intern:", f"  {CANARY}:")
        .replace("  bauamt: {name: Bauamt,", f"  {CANARY}amt: {{name: {CANARY} Amt}}\n  bauamt: {{name: Bauamt,")
        + f"  - {{id: {CANARY}amt-kopie, when: {{subject: an alle}}, then: {{copy: {CANARY}amt}}}}\n"
        + f"  - {{id: {CANARY}amt-z, when: {{subject: an alle}}, then: {{copy: [{CANARY}amt, bauamt], tag: z}}}}\n"
        + f"  - {{id: verdeckt, when: {{to: [{CANARY}, kita]}}, then: {{tag: amt}}}}\n"
        + f"  - {{id: zurueck, when: {{to: {CANARY}}}, then: {{copy: kita}}}}\n"
    )
    office.book.current = rules(with_others)
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("bert", (Role.READER, "bauamt"), (Role.READER, f"{CANARY}amt"))
    number = office.mail(letter("An alle", key="all@citizen.example"),
                         ("kita@musterstadt.example", f"{CANARY}@musterstadt.example",
                          "bauamt@musterstadt.example"))  # fmt: skip
    path = f"/m/{shown_id(number)}/why"
    for language in ("de", "en"):
        with office.client("petra", **{"accept-language": language}) as petra:
            page = petra.get(path)
            _clean(page)
            assert page.status_code == 200
            assert "kita@musterstadt.example" in page.text
            assert "bauamt" not in page.text.lower()
    with office.client("bert") as bert:
        assert CANARY in bert.get(path).text
        assert "kita@musterstadt.example" in bert.get(path).text  # a copy of it came


def test_how_many_letters_an_address_has_written_counts_none_of_theirs(
    mixed: tuple[Office, Objects, Objects],
) -> None:
    office, _, _ = mixed
    # The only letter of this address that we may see; the other team has three before it.
    mail = f"{CANARY}@geheim.example"
    for number in range(3):
        theirs = letter(f"{number}", sender=mail)
        office.mail(theirs, "bauamt@musterstadt.example", age_s=4_000 - number)
    number = office.mail(letter("Nur dieser", sender=mail), age_s=50)
    shown = {}
    with office.client("petra") as petra, office.client("bert") as bert:
        shown["petra"] = petra.get(f"/m/{shown_id(number)}").text
        office.grant("bert", Role.READER, "kita")
        shown["bert"] = bert.get(f"/m/{shown_id(number)}").text
    assert "Erster Brief von dieser Adresse" in shown["petra"]
    assert "4 Briefe von dieser Adresse zuvor" in shown["bert"]
