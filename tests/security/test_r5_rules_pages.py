"""R5: the pages on which rules are edited: no other site, no hostile text and no large form gets anywhere by them."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from maild.web.gate import Access
from tests.security.crawling import FORMS, Objects, pages
from tests.web.office import Office, letter
from tests.web.workshop import TESTED, fields, open_shop, review, save, token

SCRIPT = "<script>alert(1)</script>"
HOSTILE = TESTED.replace("  - id: eilt\n", f'  - id: eilt\n    note: "{SCRIPT}\' onload=x"\n').replace(
    "name: Bauamt", "name: '<img src=x onerror=alert(2)>'"
)
ONE = Objects(team="kita", reference="0000-0001", id="0000000000001")


def _state(office: Office, text: str) -> tuple[str, list[object]]:
    with office.database.read() as connection:
        tables = ("rules_versions", "rules_proposals")
        return text, [connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in tables]


def _handlers(page: str) -> list[str]:
    found: list[str] = []

    class Attributes(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(name for name, _ in attrs if name.startswith("on"))

    Attributes().feed(page)
    return found


@pytest.mark.parametrize("approval", ["one", "two"])
def test_a_form_from_elsewhere_changes_no_rules(office: Office, approval: str) -> None:
    shop = open_shop(office, approval=approval)
    with office.client("rita") as client:
        sent = {**fields(review(client, TESTED + "# neu\n").text, "/rules/save"), "reason": "x"}
        before = _state(office, shop.text)
        own = token(client)
        for headers, proof in (
            ({}, "0" * 64),
            ({"sec-fetch-site": "cross-site"}, own),
            ({"origin": "https://evil.example"}, own),
        ):
            for page in pages(office):
                if page.access is Access.RULES and "POST" in page.methods:
                    form = {**FORMS[page.path], **sent, "token": proof}
                    assert client.post(ONE.path(page), data=form, headers=headers).status_code == 403, page.path
            assert _state(office, shop.text) == before
        for page in pages(office):
            if page.access is Access.RULES and "GET" in page.methods:
                client.get(ONE.path(page), headers={"sec-fetch-site": "cross-site"})
        assert _state(office, shop.text) == before


def test_what_stands_in_rules_is_text_on_every_page(office: Office) -> None:
    open_shop(office, HOSTILE)
    office.mail(letter("Dringend"))
    with office.client("rita") as client:
        reviewed = review(client, HOSTILE.replace("tag: eilt,", f'tag: "{SCRIPT}",'))
        changed = HOSTILE.replace("tags: [eilt], ", "").replace("- name: Dringendes eilt", f'- name: "{SCRIPT}"')
        reason = save(client, review(client, changed + "# x\n"), f"{SCRIPT}")
        assert reason.status_code == 303, reason.text
        shown = [reviewed.text]
        shown += [client.get(ONE.path(page)).text for page in pages(office) if page.path.startswith("/rules")
                  and "GET" in page.methods]  # fmt: skip
        shown += [client.get("/rules/history/2").text]
        shown += [client.post("/rules/check", data={"token": token(client), "text": f"{SCRIPT}: ["}).text]
        shown += [client.post("/rules/new", data={"token": token(client), "f_id": SCRIPT, "f_note": '"><b>'}).text]
    assert any("&lt;script&gt;" in page for page in shown)
    for page in shown:
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "<b>" not in page
        assert _handlers(page) == []


def test_a_path_with_a_rule_that_no_rule_is_called_by_is_answered_plainly(office: Office) -> None:
    open_shop(office)
    with office.client("rita") as client:
        for name in ("%3Cscript%3E", "%2e%2e%2fetc", "x" * 900, "eilt%00"):
            assert client.get(f"/rules/rule/{name}").status_code == 404, name


def test_a_form_of_twenty_megabytes_is_refused_and_a_large_file_is_not(office: Office) -> None:
    shop = open_shop(office)
    form = {"content-type": "application/x-www-form-urlencoded"}
    with office.client("rita") as rita, office.client("petra") as petra:
        huge = b"text=" + b"a" * 20_000_000
        assert rita.post("/rules/save", content=huge, headers=form).status_code == 413
        chunks = (b"a" * 100_000 for _ in range(200))
        assert rita.post("/rules/review", content=chunks, headers=form).status_code == 413
        # Who may not edit rules is turned away before anything is read, and other forms stay small.
        assert petra.post("/rules/save", content=huge[:7_000_000], headers=form).status_code == 403
        assert rita.post("/language", content=huge[:70_000], headers=form).status_code == 413
        large = TESTED + "# Füllung: äöü\n" * 60_000
        assert save(rita, review(rita, large)).status_code == 303
    assert shop.text == large


def test_a_text_that_would_be_a_bomb_is_told_as_what_it_is(office: Office) -> None:
    shop = open_shop(office)
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: [*a, *a]\n" for n in range(50))
    with office.client("rita") as client:
        for text, code in ((bomb, "alias"), ("[" * 5_000, "too-deep"), ("\x00", "syntax"), ("", "empty")):
            page = review(client, text).text
            assert f">{code}</code>" in page, code
            assert 'name="reason"' not in page
    assert shop.text == TESTED


def test_an_editor_in_the_browser_reads_no_file_of_the_machine_by_a_list(office: Office) -> None:
    own = TESTED.replace("rules:\n", "lists: {alt: {file: sperrliste.txt}}\nrules:\n", 1)
    folder = office.database.data_dir / "site"
    folder.mkdir()
    (folder / "sperrliste.txt").write_text("a@b.example\n")
    (folder / "lists").mkdir()
    (folder / "lists" / "neu.txt").write_text("b@c.example\n")
    (folder / "lists" / "link.txt").symlink_to("/etc/hostname")
    (folder / "maild.toml").write_text("password = geheim\n")
    shop = open_shop(office, own)
    with office.client("rita") as client:
        for name, allowed in (
            ("sperrliste.txt", True),
            ("lists/neu.txt", True),
            ("maild.toml", False),
            ("./maild.toml", False),
            ("lists/../maild.toml", False),
            ("lists/link.txt", False),
            ("/etc/passwd", False),
        ):
            text = own.replace("  - id: eilt\n", "  - {id: n, when: {to: {list: neu}}, then: {tag: x}}\n  - id: eilt\n")
            page = review(client, text.replace("lists: {", f"lists: {{neu: {{file: {name}}}, ")).text
            assert ("list-file" not in page) is allowed, name
            assert "geheim" not in page
            assert "root:" not in page
        # What an administrator wrote on the machine is taken as it is, and so is a way back to it.
        shop.by_hand(own.replace("sperrliste.txt", "maild.toml"), reload=True)
        shop.by_hand(own, reload=True)
        reviewed = client.post("/rules/history/2/back", data={"token": token(client)})
        assert "list-file" not in reviewed.text
