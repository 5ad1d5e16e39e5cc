"""The public directory: what anybody may search, print, embed and read by program."""

from __future__ import annotations

import html
import re

import pytest

from maild.rules.directory import listed
from maild.web.directory import document, find, mailto
from tests.web.office import NOW_MS, RULES, Office, rules

KITA = "kita.platzvergabe@musterstadt.example"


def page(office: Office, query: str = "", language: str = "de") -> str:
    with office.client(**{"accept-language": language}) as client:
        answer = client.get(f"/directory{query}")
    assert answer.status_code == 200
    return answer.text


def addresses(text: str) -> list[str]:
    return re.findall(r'href="mailto:([^"]+)"', text)


def test_the_page_has_what_is_listed_by_office_and_no_person(shared: Office) -> None:
    text = page(shared)
    assert re.findall(r'<h2 id="office-\d">([^<]*)</h2>', text) == ["Amt 10", "Amt 51, Jugendamt", "Amt 63", "Ohne Amt"]
    assert addresses(text) == [
        f"{n}@musterstadt.example" for n in ("info", "kita.platzvergabe", "bauamt", "mitglieder-by")
    ]
    assert "Mo.\u2013Do. 08:00\u201316:00" in text
    for hidden in ("intern@", "Geheime Adresse", "Petra", "kita@"):
        assert hidden not in text
    assert "Without an office" in page(shared, language="en")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kita", ["kita.platzvergabe"]),
        ("KITA jugendamt", ["kita.platzvergabe"]),
        ("bauanträge", ["bauamt"]),
        ("BAUANTRAEGE", ["bauamt"]),
        ("bauantrage", ["bauamt"]),
        ("antra", ["bauamt"]),
        ("info@musterstadt", ["info"]),
        ("amt", ["info", "kita.platzvergabe", "bauamt"]),
        ("bayern", ["mitglieder-by"]),
        ("kita bauamt", []),
        ("geheime", []),
        ("intern", []),
        ("?!", ["info", "kita.platzvergabe", "bauamt", "mitglieder-by"]),
        ("<script>", []),
    ],
)
def test_the_search_has_every_word_whatever_its_case_and_spelling(shared: Office, query: str, found: list[str]) -> None:
    with shared.client() as client:
        text = client.get("/directory", params={"q": query}).text
    assert [address.partition("@")[0] for address in addresses(text)] == found
    assert f'value="{html.escape(query)}"' in text
    assert ("Nichts passt zu" in text) is (not found)
    assert "<script>" not in text


def test_the_directory_changes_with_the_rules_at_once(office: Office) -> None:
    with office.client() as client:
        before = client.get("/directory.json")
        office.book.current = rules(RULES.replace("title: Bauanträge", "title: Bauakten"))
        after = client.get("/directory.json", headers={"if-none-match": before.headers["etag"]})
        assert (after.status_code, "Bauakten" in after.text) == (200, True)
        assert "Bauakten" in client.get("/directory").text
        office.book.current = rules(
            "version: 1\norganisation: {name: X}\ndomains: [x.example]\nteams: {a: {name: A}}\nfallback: a\n"
        )
        assert client.get("/directory.json").json() == {"organisation": "X", "language": "de", "addresses": []}
        assert "Noch ist keine Adresse" in client.get("/directory").text


def test_the_form_for_programs_may_be_read_by_any_page_and_is_asked_for_anew(shared: Office) -> None:
    with shared.client() as client:
        answer = client.get("/directory.json", headers={"origin": "https://www.stadt.example"})
        assert answer.json()["addresses"][1]["addresses"] == [KITA]
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"] == "public, no-cache"
        tag = answer.headers["etag"]
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = client.get("/directory.json", headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get("/directory.json", headers={"if-none-match": '"other"'}).status_code == 200
        assert "set-cookie" not in answer.headers
        assert not client.cookies


def test_within_another_site_it_is_the_list_and_the_search_and_nothing_of_ours(shared: Office) -> None:
    with shared.client() as client:
        answer = client.get("/directory?embed=1&language=en&q=kita")
        assert "set-cookie" not in answer.headers
        assert addresses(answer.text) == [KITA]
        assert 'name="embed" value="1"' in answer.text
        assert 'name="language" value="en"' in answer.text
        assert 'href="/directory?embed=1&amp;language=en"' in answer.text
        for ours in ("/login", "/language", "token", "/directory.json", "<script"):
            assert ours not in answer.text
        assert "Directory of function addresses" in answer.text
        assert "Verzeichnis" in client.get("/directory?language=xx").text


def test_the_document_needs_nothing_beside_it_and_asks_for_nothing() -> None:
    text = document(rules(), "en", NOW_MS)
    assert addresses(text) == [a for line in listed(rules()) for a in line.addresses]
    assert "As of Sep 21, 2026" in text
    assert not re.search(r"<(script|form|link|img|iframe)|url\(|https?://", text)
    assert "Stand 21.09.2026" in document(rules(), "de", NOW_MS)


def test_a_retired_address_that_is_listed_is_no_link_and_names_its_successor(office: Office) -> None:
    retired = "  alt: {listed: true, title: Krippen, retired: {successor: kita.platzvergabe}}\n"
    office.book.current = rules(RULES.replace("rules:\n", f"{retired}rules:\n"))
    text = page(office, "?q=krippen")
    assert "<del>alt@musterstadt.example</del>" in text
    assert addresses(text) == [KITA]
    assert "wird nicht mehr ausgegeben; jetzt" in text


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("kita.platz+1@a.example", "mailto:kita.platz+1@a.example"),
        ("a?cc=b&c#%@a.example", "mailto:a%3Fcc%3Db%26c%23%25@a.example"),
        ("bürger@a.example", "mailto:b%C3%BCrger@a.example"),
    ],
)
def test_a_link_begins_a_letter_to_that_address_and_nothing_else(address: str, link: str) -> None:
    assert mailto(address) == link


def test_no_query_finds_everything() -> None:
    assert find(listed(rules()), "") == listed(rules())
