"""What rules that only observe would have done: a page for whoever edits rules, who need not read mail."""

from __future__ import annotations

import html
import re

from maild.policy.roles import Role
from tests.web.office import RULES, Office, letter, rules, shown_id

OBSERVING = (
    RULES
    + """  - id: probe
    note: Ob das <b>gut</b> geht?
    mode: observe
    when: {subject: dringend}
    then: {copy: bauamt, tag: probe}
  - id: still
    mode: observe
    when: {subject: nie}
    then: {file: closed}
"""
)


def words_of(text: str) -> str:
    main = text[text.index("<main") : text.index("</main>")]
    return re.sub(r"[ \n]+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


def test_the_page_says_what_they_would_have_done_and_links_for_readers_alone(office: Office) -> None:
    office.user("regel", (Role.RULE_EDITOR, None))
    office.user("beides", (Role.RULE_EDITOR, None), (Role.READER, "kita"))
    office.book.current = rules(OBSERVING)
    number = office.mail(letter("Dringend: geheim"))
    office.mail(letter("Ruhig"))
    with office.client("regel") as client:
        page = client.get("/rules/observed")
    assert page.status_code == 200
    said = words_of(page.text)
    assert "probe Ob das <b>gut</b> geht? Sie traf auf 1 Brief zu: 50\xa0% aller eingegangenen." in said
    assert "Hätte bewirkt Anzahl Kopie an: Bauamt; Kennzeichen: probe 1 Die neuesten vor 1 Stunde" in said
    assert "still Sie hat in dieser Zeit auf keinen Brief zugetroffen." in said
    assert "/m/" not in page.text
    assert "geheim" not in page.text
    assert "<b>gut" not in page.text
    with office.client("beides", **{"accept-language": "en"}) as client:
        page = client.get("/rules/observed?days=7")
        assert f'<a href="/m/{shown_id(number)}/why">' in page.text
        assert "It matched 1 letter" in page.text
        assert client.get("/rules/observed?days=8").status_code == 404


def test_only_who_may_edit_rules_comes_here(office: Office) -> None:
    for login, role in (("petra", Role.MANAGER), ("admin", Role.ADMINISTRATOR)):
        office.user(login, (role, "kita" if role is Role.MANAGER else None))
        with office.client(login) as client:
            assert client.get("/rules/observed").status_code == 403
    office.user("regel", (Role.RULE_EDITOR, None))
    with office.client("regel") as client:
        assert "Keine Regel beobachtet." in client.get("/rules/observed").text


def test_a_rule_that_is_gone_is_still_told_of(office: Office) -> None:
    office.user("regel", (Role.RULE_EDITOR, None))
    office.book.current = rules(OBSERVING)
    office.mail(letter("Dringend"))
    office.book.current = rules()
    with office.client("regel") as client:
        assert "probe Sie beobachtet nicht mehr, oder es gibt sie nicht mehr." in words_of(
            client.get("/rules/observed").text
        )
