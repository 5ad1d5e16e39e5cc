"""A morning at a shared inbox: two colleagues at one list, then another team; keyboard, telephone and desk."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from maild.archive.accounts import find_user
from maild.policy.roles import Role
from tests.archive.handled import act_on
from tests.browser.accessible import faults_of
from tests.browser.conftest import BY_ITSELF_MS, Visited
from tests.browser.samples import plain
from tests.browser.screenshots import sign_in

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
SUBJECT = "Anbau am Kindergarten in der Rechtsanwaltsfachangestelltenstraße: wer ist zuständig?"


def _on_list(page: Page, visited: Visited, state: str = "open") -> None:
    page.goto(f"{visited.base}/inbox/kita?state={state}")
    page.wait_for_selector("html[data-live=yes]")


def test_a_morning_at_a_shared_inbox(visited: Visited) -> None:
    office = visited.office
    office.user("bert", (Role.RESPONDER, "bauamt"), name="Bert Bau")
    number = office.mail(plain(SUBJECT, "Lea Licht", "wir bauen an.", key="anbau@b"), age_s=0)
    reference = office.reference(number)
    petra, jonas = visited.page("petra"), visited.page("jonas", width=390, color_scheme="dark")
    violations: list[str] = []

    # Jonas reads on the telephone; Petra sees that he does, in her list and at the conversation.
    jonas.goto(f"{visited.base}/c/{reference}?team=kita")
    jonas.wait_for_selector("html[data-live=yes]")
    _on_list(petra, visited)
    row = petra.locator(f"#r-{reference}")
    expect(row).to_contain_text("Jonas Weiß liest gerade")
    expect(row).to_have_class("row unread")

    # She takes it by keyboard; his open page has it by itself, and no act of his overwrites hers.
    row.locator("a.subject").focus()
    petra.keyboard.press("Enter")
    petra.wait_for_selector(".at-letter")
    expect(petra.locator("#there")).to_have_text("Jonas Weiß liest gerade")
    jonas.locator("summary[data-key=m]").click()  # he has begun to fill in: his form stays as it is
    petra.keyboard.press("t")
    expect(petra.locator("#entries")).to_contain_text("Petra Maurer")
    violations += faults_of(petra) + faults_of(jonas)
    jonas.locator("#tag-1").fill("anbau")
    jonas.keyboard.press("Enter")
    expect(jonas.locator("[role=alert]")).to_contain_text("Petra Maurer hat den Vorgang übernommen")
    violations += faults_of(jonas)
    jonas.get_by_role("button", name="Trotzdem tun").click()
    expect(jonas.locator("#entries .tag")).to_have_text("anbau")
    expect(petra.locator("#entries .tag")).to_have_text("anbau", timeout=BY_ITSELF_MS)

    # A mention, then undo by keyboard.
    jonas.locator("#w-note").fill("@petra, das ist der Bau")
    jonas.get_by_role("button", name="Notiz hinzufügen").click()
    _on_list(petra, visited)
    expect(petra.locator(".mentions")).to_contain_text(SUBJECT)
    violations += faults_of(petra)

    # A selection by keyboard: chosen, closed, undone.
    before = petra.locator("#list .row").count()
    petra.keyboard.press("j")
    petra.keyboard.press("c")
    petra.keyboard.press("j")
    petra.keyboard.press("c")
    expect(petra.locator("#picked")).to_have_text("2")
    violations += faults_of(petra)
    petra.get_by_role("button", name="Erledigt").click()
    expect(petra.locator(".undo")).to_contain_text("2 Vorgänge wurden geändert.")
    petra.keyboard.press("z")
    expect(petra.locator("main > [role=status]")).to_have_text("Rückgängig gemacht.")
    expect(petra.locator("#list .row")).to_have_count(before)

    # To the other team, with a reason; the telephone sees where it went.
    petra.goto(f"{visited.base}/c/{reference}?team=kita")
    petra.keyboard.press("h")
    petra.locator("#hand-to").select_option("bauamt")
    petra.locator("#hand-reason").fill("Es geht um den Anbau")
    violations += faults_of(petra)
    petra.get_by_role("button", name="Übergeben").click()
    expect(petra.locator(".notice[role=status]")).to_contain_text("Übergeben.")
    jonas.goto(f"{visited.base}/c/{reference}?team=kita")
    expect(jonas.locator("#entries")).to_contain_text("Übergeben an Bauamt")
    assert jonas.evaluate("document.documentElement.scrollWidth <= innerWidth")
    bert = visited.page("bert")
    bert.goto(f"{visited.base}/c/{reference}")
    expect(bert.locator("main")).to_contain_text("Es geht um den Anbau")
    expect(bert.locator("#entries")).to_contain_text("Übergeben von Kita-Platzvergabe")
    violations += faults_of(bert)
    assert violations == []
    for page in (petra, jonas, bert):
        page.context.close()


def test_who_wishes_it_is_notified_of_team_and_number_and_of_no_word_of_a_letter(visited: Visited) -> None:
    """One window asks at the click and only then; what comes while one looks elsewhere is told; the title counts."""
    office = visited.office
    office.user("nadja", (Role.MANAGER, "kita"))
    context = visited.context()
    context.grant_permissions(["notifications"], origin=visited.base)
    context.add_init_script(_WATCHED)
    page = context.new_page()
    sign_in(page, visited.base, "nadja")
    page.goto(f"{visited.base}/sessions")
    assert page.locator("#notify-said").inner_text() == "Sie sind aus."
    assert page.evaluate("[window.asked, localStorage.length]") == [0, 0]
    page.locator("[data-notify]").click()
    page.get_by_text("Sie sind an.").wait_for()
    assert page.evaluate("window.asked") == 1
    page.goto(f"{visited.base}/inbox/kita")
    page.wait_for_selector("html[data-live=yes]")
    with office.database.read() as connection:
        nadja = find_user(connection, "nadja").id
    secret = office.mail(plain("Kanarie vertraulich", "Lea Licht", "x", key="secret@b"), age_s=0)
    with office.database.writing.begin() as connection:
        for table in ("filings", "entries"):
            connection.exec_driver_sql(
                f"UPDATE {table} SET team = 'kita:confidential' WHERE conversation_id = {secret}"
            )
    own = office.mail(plain("Kanarie Betreff", "Lea Licht", "x", key="own@b"), age_s=0)
    act_on(office.database, own, "kita", assignee=nadja)
    office.services.feed.publish(frozenset({"kita", "kita:confidential"}))
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    page.wait_for_selector("html[data-told~=Vorgänge][data-told~=Kita-Platzvergabe]")
    told = page.evaluate("window.told")
    assert {name for name, _ in told} == {"Kita-Platzvergabe", "Meine Vorgänge"}
    assert ["Meine Vorgänge", "1 ungelesen"] in told
    assert "anarie" not in str(told)
    # Off again, nothing is told; the other people of this browser were never asked.
    page.goto(f"{visited.base}/sessions")
    page.locator("[data-notify]").click()
    page.get_by_text("Sie sind aus.").wait_for()
    assert page.evaluate("localStorage.length") == 0
    context.close()


# What a notification says is kept, and the window believes that something else is looked at.
_WATCHED = """
window.told = []; window.asked = 0;
document.hasFocus = () => false;
const Real = window.Notification;
window.Notification = class extends Real {
  constructor(title, options) {
    super(title, options);
    window.told.push([title, options.body]);
    document.documentElement.dataset.told = window.told.map(([name]) => name).join(" ");
  }
  static requestPermission() { window.asked += 1; return Real.requestPermission(); }
};
"""
