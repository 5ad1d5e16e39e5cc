"""The handbook and the first page of a new member: written by a team, for those who read it, safe to look at."""

from __future__ import annotations

import re

import pytest

from maild.policy.grants import Grant
from maild.policy.roles import Role
from maild.web.handbook_text import html_of
from maild.web.welcome import NEW_MS, is_new
from tests.web.office import NOW_MS, Office, letter, token_in

REL = "noopener noreferrer nofollow"
EVIL = '"><script>alert(1)</script>'


@pytest.fixture
def kita(office: Office) -> Office:
    office.user("petra", (Role.RESPONDER, "kita"), name="Petra Maurer")
    office.user("jonas", (Role.RESPONDER, "kita"), name=f"Jonas {EVIL}")
    office.user("leser", (Role.DRAFTER, "kita"))
    office.user("bert", (Role.MANAGER, "bauamt"))
    return office


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("eins\nzwei\n\ndrei", "<p>eins<br>zwei</p>\n<p>drei</p>"),
        ("# Titel\n- a\n- b\n1. c\nd", "<h2>Titel</h2>\n<ul><li>a</li><li>b</li></ul>\n<ol><li>c</li></ol>\n<p>d</p>"),
        ("**<b>** & <i>", "<p><strong>&lt;b&gt;</strong> &amp; &lt;i&gt;</p>"),
        ("[hier](/handbook/kita/frist)", '<p><a href="/handbook/kita/frist">hier</a></p>'),
        ("[a](/c/7K3F-9Q2A?open=1).", '<p><a href="/c/7K3F-9Q2A?open=1">a</a>.</p>'),
        ("https://a.example/b.", f'<p><a href="https://a.example/b" rel="{REL}">https://a.example/b</a>.</p>'),
        ("", ""),
    ],
)  # fmt: skip
def test_a_text_becomes_paragraphs_lists_and_links(text: str, html: str) -> None:
    assert html_of(text) == html


@pytest.mark.parametrize(
    "text",
    [
        "[x](javascript:alert(1))", "[x](java\tscript:alert)", "[x](//evil.example)", "[x](/logout)",
        "[x](data:text/html,x)",
        "[x](/c/../logout)", '[x](https://a.example/"onclick="alert)', '[x](/c/"><img)', "[x](https://a@b.example)",
        EVIL, f"# {EVIL}", f"- {EVIL}", f"**{EVIL}**", f"[{EVIL}](/handbook)", "[<img src=x>](https://a.example)",
        "https://a.example/<script>", "**[x](javascript:1)**", "[**x**](vbscript:1)", "&lt;script&gt;",
    ],
)  # fmt: skip
def test_no_text_becomes_an_element_or_leads_where_links_may_not(text: str) -> None:
    html = str(html_of(text))
    assert set(re.findall(r"<(/?\w+)", html)) <= {
        "p", "/p", "h2", "/h2", "ul", "/ul", "li", "/li", "strong", "/strong", "a", "/a", "br",
    }  # fmt: skip
    for attributes in re.findall(r"<a ([^>]*)>", html):
        found = re.fullmatch(
            r'href="(https://a\.example[^"<>]*|/handbook)"( rel="noopener noreferrer nofollow")?', attributes
        )
        assert found, html


def test_a_long_line_of_marks_is_read_in_no_time() -> None:
    for piece in ("**", "[", "[a](", "https://", "- ", "# "):
        assert html_of(piece * 10_000)


def test_a_team_writes_its_handbook_and_finds_it(kita: Office) -> None:
    with kita.client("petra") as client:
        form = client.get("/handbook/kita?new=1").text
        page = {
            "token": token_in(form),
            "title": "Fristen & Öffnung",
            "text": "Bis **März**",
            "address": "kita.platzvergabe",
        }
        assert client.post("/handbook/kita", data=page).headers["location"] == "/handbook/kita/fristen-offnung"
        assert client.post("/handbook/kita", data=page).headers["location"] == "/handbook/kita/fristen-offnung-2"
        shown = client.get("/handbook/kita/fristen-offnung").text
        assert "<h1><bdi>Fristen &amp; Öffnung</bdi></h1>" in shown
        assert "Bis <strong>März</strong>" in shown
        assert "Um die Adresse geht es: Kita-Platzvergabe" in re.sub(r"\s+", " ", shown)
        found = client.get("/handbook?q=maerz+fristen").text
        assert found.count("/handbook/kita/fristen-offnung") == 2
        assert "Keine Seite hat diese Wörter" in client.get("/handbook?q=nirgends").text
        assert client.post("/handbook/kita", data=page | {"title": " "}).status_code == 200
        removed = client.post("/handbook/kita/fristen-offnung", data=page | {"text": "", "base": "1"})
        assert removed.headers["location"] == "/handbook/kita"
        assert 'href="/handbook/kita/fristen-offnung"' not in client.get("/handbook/kita").text
        assert "entfernt" in client.get("/handbook/kita/fristen-offnung").text
        assert "Bis <strong>März</strong>" in client.get("/handbook/kita/fristen-offnung?version=1").text
        assert client.get("/handbook/kita/fristen-offnung?version=7").status_code == 404


def test_who_saves_after_a_colleague_sees_both_versions(kita: Office) -> None:
    with kita.client("petra") as petra, kita.client("jonas") as jonas:
        token = token_in(petra.get("/handbook/kita?new=1").text)
        petra.post("/handbook/kita", data={"token": token, "title": "Frist", "text": "eins"})
        forms = [client.get("/handbook/kita/frist?edit=1").text for client in (jonas, petra)]
        theirs = {"token": token_in(forms[0]), "title": "Frist", "text": f"von Jonas {EVIL}", "base": "1"}
        assert jonas.post("/handbook/kita/frist", data=theirs).status_code == 303
        mine = {"token": token_in(forms[1]), "title": "Frist", "text": "von Petra", "base": "1"}
        answer = petra.post("/handbook/kita/frist", data=mine)
        assert answer.status_code == 409
        assert "<script>" not in answer.text
        assert "von Jonas &quot;&gt;&lt;script" in answer.text
        assert "von Petra</textarea>" in answer.text
        assert 'name="base" value="2"' in answer.text
        assert petra.post("/handbook/kita/frist", data=mine | {"base": "2"}).status_code == 303
        assert "von Petra" in petra.get("/handbook/kita/frist").text
        assert petra.post("/handbook/kita/frist", data=mine | {"base": "x"}).status_code == 400


def test_who_may_not_answer_reads_and_writes_nothing(kita: Office) -> None:
    with kita.client("petra") as petra, kita.client("leser") as reader:
        token = token_in(petra.get("/handbook/kita?new=1").text)
        petra.post("/handbook/kita", data={"token": token, "title": "Frist", "text": "eins"})
        page = reader.get("/handbook/kita/frist").text
        assert "edit=1" not in page
        form = {"token": token_in(page), "title": "Frist", "text": "zwei", "base": "1"}
        assert [reader.post(path, data=form).status_code for path in ("/handbook/kita", "/handbook/kita/frist")] == [
            403,
            403,
        ]
        assert [reader.get(path).status_code for path in ("/handbook/kita?new=1", "/handbook/kita/frist?edit=1")] == [
            403,
            403,
        ]


def test_a_good_answer_is_shown_in_the_handbook_with_its_reason(kita: Office) -> None:
    number = kita.mail(letter(f"Wann {EVIL}"))
    reference = kita.reference(number)
    with kita.client("petra") as client:
        token = token_in(client.get(f"/c/{reference}").text)
        why = {"token": token, "team": "kita", "why": f"Freundlich\n und kurz {EVIL}"}
        assert client.post(f"/c/{reference}/model", data=why).status_code == 303
        for path in ("/handbook/kita", f"/c/{reference}", "/welcome"):
            page = client.get(path).text
            assert "Freundlich und kurz &#34;" in page, path
            assert "<script>alert" not in page, path
        client.post(f"/c/{reference}/model", data={"token": token, "team": "kita"})
        assert "Freundlich" not in client.get("/handbook/kita").text
        assert client.post(f"/c/{reference}/model", data=why | {"team": "bauamt"}).status_code == 404
    with kita.client("leser") as reader:
        page = reader.get(f"/c/{reference}").text
        assert "/model" not in page
        assert reader.post(f"/c/{reference}/model", data=why | {"token": token_in(page)}).status_code == 403


@pytest.mark.parametrize(
    ("ages_ms", "new"),
    [((), False), ((0,), True), ((NEW_MS - 1,), True), ((NEW_MS,), False), ((1, NEW_MS * 9), False), ((-1,), False),
     ((5, -1), True)],
)  # fmt: skip
def test_new_is_whose_oldest_grant_of_a_team_is_younger_than_two_weeks(ages_ms: tuple[int, ...], new: bool) -> None:
    grants = [Grant(role=Role.READER, team="kita", from_ms=NOW_MS - age) for age in ages_ms]
    grants.append(Grant(role=Role.ADMINISTRATOR, team=None, from_ms=NOW_MS))
    assert is_new(grants, NOW_MS) is new


def test_a_new_member_is_welcomed_until_they_go_on(kita: Office) -> None:
    kita.mail(letter(), age_s=3 * 86_400)
    kita.mail(letter("Kanarie", key="k@x"), "bauamt@musterstadt.example")
    kita.user("neu", name="Nele Neu")
    kita.grant("neu", Role.RESPONDER, "kita", from_ms=NOW_MS - 1)
    with kita.client("neu") as client:
        assert client.get("/").headers["location"] == "/welcome"
        page = re.sub(r"\s+", " ", client.get("/welcome").text)
        for expected in ("Willkommen, Nele Neu", "kita.platzvergabe@musterstadt.example", "Amt 51, Jugendamt",
                         "Mo.", "Do. 08:00",
                         "1 offener Vorgang", "der älteste Brief wartet 3 Tage", "Petra Maurer", "leser"):  # fmt: skip
            assert expected in page, expected
        assert "Bauamt" not in page[page.index("<main") :]
        assert client.post("/welcome", data={"token": token_in(page)}).headers["location"] == "/"
        assert client.get("/").headers["location"] == "/inbox/kita"
        assert "<h1>Ihre Teams</h1>" in client.get("/welcome").text
    with kita.client("petra") as old:
        assert old.get("/").headers["location"] == "/inbox/kita"
