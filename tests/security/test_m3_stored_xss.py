"""M3: what colleagues write is no less text than what strangers write: names, notes, tags, handbook, templates.

A colleague whose account was stolen writes script wherever something is kept; somebody who may do everything then reads
every page of the site.
"""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from maild.mail.ids import format_id
from maild.policy.roles import Role
from tests.security.crawling import Objects, objects_of, pages
from tests.security.test_m3_header_xss import POLYGLOTS
from tests.web.office import Office, letter, token_in

VECTORS = tuple(vector for vector in POLYGLOTS if "1337" in vector)
_LEADING = ("/", "#", "mailto:", "?", "https://", "http://")  # of addresses that our pages have; none runs anything
_NEVER = frozenset({"base", "object", "embed", "math", "noscript", "applet", "frame", "frameset"})
_ADDRESSES = frozenset({"href", "src", "action", "formaction", "data", "poster", "xlink:href"})


class _Elements(HTMLParser):
    """Reads a page and keeps what no template of ours writes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        from_us = (said.get("src") or said.get("href") or "").startswith("/static/")
        wrong = tag in _NEVER or (tag in {"script", "link"} and not from_us)
        wrong = wrong or (tag == "iframe" and not (said.get("src") or "").startswith("/m/"))
        wrong = wrong or (tag == "meta" and "http-equiv" in said) or tag == "style"
        for name, value in attrs:
            leads = name in _ADDRESSES and value and not value.startswith(_LEADING)
            wrong = wrong or name.startswith("on") or name in {"style", "srcdoc"} or bool(leads)
        if wrong:
            self.found.append(f"<{tag} {attrs}>")


def intruders(page: str) -> list[str]:
    elements = _Elements()
    elements.feed(page)
    return elements.found


@pytest.mark.parametrize("written", VECTORS)
def test_the_reader_of_these_tests_sees_script_where_there_is_some(written: str) -> None:
    """Unescaped, in the text or in an attribute, each of them is found: what finds nothing proves nothing."""
    assert (
        intruders(f"<p>{written}</p>") or intruders(f'<input value="{written}">') or intruders(f'<a href="{written}">')
    )


def _write(client: TestClient, objects: Objects, vector: str, number: int) -> None:
    """Write the vector wherever a colleague may write something that is kept."""
    here, token = f"/c/{objects.reference}", token_in(client.get("/sessions").text)
    draft = {"draft": format_id(7_000 + number), "do": "save", "text": vector, "subject": vector, "to": vector}
    forms = {
        f"{here}/note": {"note": vector},
        f"{here}/marks": {"tag": vector.replace(",", "")[:50]},
        f"{here}/model": {"why": vector},
        f"{here}/reply": draft,
        f"{here}/hand": {"to": "bauamt", "reason": vector},
        "/write": {**draft, "draft": format_id(8_000 + number)},
        "/handbook/kita": {"title": vector, "text": f"{vector}\n\n# {vector}\n\n- {vector}\n\n[{vector}]({vector})"},
        "/templates/kita": {"base": "0", "name": vector[:60], "text": vector, "subject": vector},
        "/search/folders": {"q": vector, "name": vector, "for": "kita"},
        "/absences": {"login": vector, "deputy": vector},
        "/people/accounts": {"login": f"neu{number}", "name": vector},
        "/audit/requests": {"person": "petra", "purpose": vector, "days": "1"},
    }
    for path, form in forms.items():
        answer = client.post(path, data={**form, "team": "kita", "token": token})
        assert answer.status_code in {200, 303, 400, 409, 422}, (path, answer.status_code)
        assert intruders(answer.text) == [], path


def test_nothing_that_a_colleague_writes_becomes_an_element_on_any_page(office: Office) -> None:
    grants = [(Role.MANAGER, "kita"), (Role.ADMINISTRATOR, None), (Role.RULE_EDITOR, None), (Role.AUDITOR, None)]
    for number, vector in enumerate(VECTORS):
        office.user(f"thief{number}", *grants, name=vector)
    office.user("petra", *grants)
    letters = [office.mail(letter(f"Brief {n}", sender=f"{n}@b.example")) for n in range(len(VECTORS))]
    found = [objects_of(office, "kita", each, author="petra") for each in letters]
    for number, vector in enumerate(VECTORS):
        with office.client(f"thief{number}") as thief:
            _write(thief, found[number], vector, number)
    with office.client("petra") as reader:
        table = [page for page in pages(office) if "GET" in page.methods]
        paths = {objects.path(page) for page in table for objects in found}
        paths |= {"/inbox/kita?state=closed", "/search?q=1337", "/handbook?q=1337", "/people?q=neu", "/audit?act=noted"}
        seen = 0
        for path in sorted(paths):
            text = reader.get(path).text
            assert intruders(text) == [], path
            seen += "1337" in text
    # Conversations, lists, handbook, templates, people, log: it is there to be read.
    assert seen > 3 * len(VECTORS)
