"""Make a test of this message: for who may read it and edit the rules, and with nothing of others' recipients."""

from __future__ import annotations

import html
import re

import pytest

from maild.policy.roles import Role
from maild.rules.loader import load
from maild.rules.tests_section import appended
from tests.browser.samples import SOURCE_ONLY
from tests.web.office import RULES, Office, letter, shown_id

SIGNED = "Guten Tag,\n\nbitte dringend melden: 0171 2345678.\n\nMit freundlichen Grüßen\nPetra Mustermann\n"


@pytest.fixture(scope="module", autouse=True)
def editors(shared: Office) -> None:
    shared.user("beides", (Role.RULE_EDITOR, None), (Role.READER, "kita"))
    shared.user("regel", (Role.RULE_EDITOR, None))


def entry_of(office: Office, number: int, language: str = "de") -> tuple[str, str]:
    """Return the entry, and the words around it."""
    with office.client("beides", **{"accept-language": language}) as client:
        page = client.get(f"/m/{shown_id(number)}/test")
    assert page.status_code == 200
    found = re.search(r"<pre[^>]*>(.*?)</pre>", page.text, re.DOTALL)
    main = page.text[page.text.index("<main") : page.text.index("</main>")]
    main = re.sub(r"<textarea.*</textarea>", "", main, flags=re.DOTALL)  # the rules, which an editor of rules reads
    return html.unescape(found[1]) if found else "", html.unescape(re.sub(r"<[^>]+>", " ", main))


def test_the_page_shows_a_test_that_loads_and_tells_what_it_holds(shared: Office) -> None:
    number = shared.mail(letter("Dringend: Platz für Jonas", SIGNED))
    entry, said = entry_of(shared, number)
    assert 'subject: "Dringend …"' in entry
    assert [word for word in ("Petra", "Mustermann", "0171", "Jonas", "citizen") if word in entry] == []
    loaded, found = load(appended(RULES, entry), "rules.yaml")
    assert loaded is not None, found
    assert loaded.tests[0].expect.tags == frozenset({"eilt"})
    assert "Sonst musste nichts bleiben." in said
    assert "Nothing else had to stay." in entry_of(shared, number, "en")[1]
    with shared.client("beides") as client:
        link = f'href="/m/{shown_id(number)}/test">Einen Test aus diesem Brief machen</a>'
        assert link in client.get(f"/m/{shown_id(number)}/why").text


def test_it_goes_on_to_the_review_with_every_other_line_as_it_was(shared: Office) -> None:
    number = shared.mail(letter("Dringend: Platz"))
    with shared.client("beides") as client:
        page = client.get(f"/m/{shown_id(number)}/test").text
    found = re.search(r'<textarea name="text" hidden>\n(.*?)</textarea>', page, re.DOTALL)
    assert found is not None
    assert html.unescape(found[1]) == appended(shared.services.rulebook.source, entry_of(shared, number)[0])


def test_only_recipients_of_the_readers_inboxes_are_in_it(shared: Office) -> None:
    number = shared.mail(letter("Zwei"), ("kita@musterstadt.example", "intern@musterstadt.example"))
    entry, said = entry_of(shared, number)
    assert 'to: ["kita@musterstadt.example"]' in entry
    assert "intern" not in entry + said
    assert "bauamt" not in entry + said


def test_who_may_not_both_read_it_and_edit_rules_finds_nothing(shared: Office) -> None:
    path = f"/m/{shown_id(shared.mail(letter('Für andere')))}"
    for login in ("regel", "petra", "leser"):
        with shared.client(login) as client:
            assert client.get(f"{path}/test").status_code == 404
    with shared.client("petra") as client:
        assert "Einen Test" not in client.get(f"{path}/why").text


def test_a_letter_that_no_rule_was_asked_about_makes_no_test(shared: Office) -> None:
    assert "lässt sich kein Test machen" in entry_of(shared, shared.mail(letter("Hand"), team="kita"))[1]
    entry, _ = entry_of(shared, shared.mail(SOURCE_ONLY))
    assert entry.startswith("- name:")


def test_that_a_test_was_made_is_recorded_and_an_auditor_reads_it_in_their_language(shared: Office) -> None:
    shared.user("alex", (Role.AUDITOR, None))
    number = shared.mail(letter("Dringend: Protokoll"))
    assert entry_of(shared, number)[0]
    with shared.client("alex", **{"accept-language": "de"}) as client:
        page = client.get("/audit?person=beides&act=exported").text
    row = re.sub(r"<[^>]+>", " ", page.partition("<tbody>")[2].partition("</tr>")[0])
    said = " ".join(row.split())
    assert f"beides hat ausgeleitet {shown_id(number)} · Kita-Platzvergabe" in said
    assert said.endswith("was: einen Test daraus gemacht")
