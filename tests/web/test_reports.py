"""The page about our domains: sums from strangers' reports, for whoever keeps the machine or the rules."""

from __future__ import annotations

import html
import json
import re

import pytest

from maild.archive.report_overview import Day
from maild.archive.reports import Arrived, record
from maild.mail.dmarc_report import parse
from maild.mail.tls_report import parse as parse_tls
from maild.policy.roles import Role
from maild.web.reports import FAILURES, HEIGHT, POLICIES, REASONS, chart
from tests.mail.dmarc_samples import feedback, tls
from tests.mail.dmarc_samples import record as row
from tests.web.office import Office, letter


def words_of(text: str) -> str:
    main = text[text.index("<main") : text.index("</main>")]
    return re.sub(r"[ \n]+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


def fill(office: Office, *reports: bytes, sessions: bool = True) -> None:
    found = Arrived(
        message_id=office.mail(letter("Report Domain: musterstadt.example")),
        dmarc=tuple(parse(each) for each in reports),
        tls=(parse_tls(json.dumps(tls()).encode()),) if sessions else (),
    )
    office.database.writer.submit(record, found).result()


def test_the_page_says_who_sends_in_our_name_and_what_failed(office: Office) -> None:
    office.user("admin", (Role.ADMINISTRATOR, None))
    fill(
        office,
        feedback(
            row(number=1_994),
            row("198.51.100.9", 6, dkim="fail", disposition="quarantine", reason="mailing_list", signer="x.example"),
        ),
    )
    with office.client("admin") as client:
        page = client.get("/reports")
    assert page.status_code == 200
    said = words_of(page.text)
    assert "1.994 von 2.000 Nachrichten haben bestanden (99,7\xa0%). Empfänger tun nichts gegen das" in said
    assert "1 Bericht von grosse-post.example ; der neueste" in said
    assert "stadtwerke.example 192.0.2.7 1.994 alle 100\xa0% 0\xa0% zugestellt" in said
    assert (
        "durch nichts belegt 198.51.100.9 6 keine 0\xa0% 0\xa0% Spam-Ordner: 6 (über eine Mailingliste gesendet)"
        in said
    )
    assert "20.09.2026 1.994 6" in said
    assert "5.326 von 5.330 Verbindungen waren verschlüsselt, wie sie sollen (99,9\xa0%)." in said
    assert "das Zertifikat ist abgelaufen 3 unser Server bot keine Verschlüsselung an (STARTTLS) 1" in said
    assert page.text.count("<rect ") == 2
    assert "style=" not in page.text
    with office.client("admin", **{"accept-language": "en"}) as client:
        said = words_of(client.get("/reports?days=90").text)
        assert "1,994 of 2,000 messages passed (99.7%). Receivers do nothing" in said
        assert client.get("/reports?days=31").status_code == 404


def test_the_empty_page_says_how_reports_are_asked_for(office: Office) -> None:
    office.user("regel", (Role.RULE_EDITOR, None))
    with office.client("regel") as client:
        page = client.get("/reports")
        assert 'href="/reports"' in page.text[: page.text.index("<main")]
    said = words_of(page.text)
    assert '_dmarc.musterstadt.example. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@musterstadt.example"' in said
    assert '_smtp._tls.musterstadt.example. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@musterstadt.example"' in said


def test_only_who_keeps_the_machine_or_the_rules_comes_here(office: Office) -> None:
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("pruefung", (Role.AUDITOR, None))
    for login in ("petra", "pruefung"):
        with office.client(login) as client:
            assert client.get("/reports").status_code == 403
            assert "/reports" not in client.get("/sessions").text


def test_a_day_without_reports_has_no_bar_and_the_last_one_is_at_the_right() -> None:
    drawn = chart(
        [Day(day=100, passed=8, failed=2), Day(day=91, passed=0, failed=1)], newest=100, days=30, language="de"
    )
    assert (drawn.width, drawn.most) == (300, 10)
    assert [(bar.x, bar.passed, bar.failed) for bar in drawn.bars] == [(290, 48, 12), (200, 0, 6)]
    assert (drawn.first, drawn.last) == ("13.03.1970", "11.04.1970")


@pytest.mark.parametrize("numbers", [(1, 10**12), (10**12, 1), (0, 0), (1, 1)])
def test_bars_show_what_there_is_and_stay_in_their_frame(numbers: tuple[int, int]) -> None:
    passed, failed = numbers
    drawn = chart([Day(day=9, passed=passed, failed=failed)], newest=9, days=30, language="en")
    (bar,) = drawn.bars
    assert (bar.passed > 0, bar.failed > 0) == (passed > 0, failed > 0)
    assert bar.passed + bar.failed <= HEIGHT + 1


def test_days_outside_the_time_are_not_drawn() -> None:
    days = [Day(day=70, passed=1, failed=0), Day(day=102, passed=1, failed=0)]
    assert chart(days, newest=100, days=30, language="en").bars == ()


def test_every_word_that_a_report_can_hold_has_one_for_people() -> None:
    assert set(POLICIES) == {"none", "quarantine", "reject"}
    assert len(FAILURES) == 11  # RFC 8460 section 4.3
    assert set(REASONS) == {
        "forwarded", "sampled_out", "trusted_forwarder", "mailing_list", "local_policy", "policy_test_mode", "other",
    }  # fmt: skip
