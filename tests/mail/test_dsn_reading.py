"""Delivery reports: those of the corpus, the forms in which they come, and what is none."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.dsn import ACTIONS, REASONS
from maild.mail.dsn_reading import report_of
from maild.mail.dsn_reason import judge
from maild.mail.reading import facts_of

# Not about a delivery: complaints (RFC 5965), vacation replies, letters by people.
_OTHER = re.compile(r"__(?:arf|rfc3834|is-not-bounce)")
# Letters by people who send on a report that they got, or a text about one, are no reports either.
SENT_ON = {"bsd__lhost-sendmail-14.eml", "err__make-test-36.eml"}
# Reports that lie among the mail of other folders.
ELSEWHERE = {
    "mime_emails__raw_email_with_mimepart_without_content_type.eml",
    "multipart_report_emails__multipart_report_multiple_status.eml",
}
_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def bounces(corpus: Path) -> list[Path]:
    return sorted((corpus / "bounces").glob("*.eml"))


def test_nearly_all_reports_of_the_corpus_yield_recipient_code_and_hardness(corpus: Path) -> None:
    total, read = Counter[str](), Counter[str]()
    for path in bounces(corpus):
        if _OTHER.search(path.name):
            continue
        kind = re.sub(r"^\w+?__|-\d+\.eml$", "", path.name)
        total[kind] += 1
        report = report_of(path.read_bytes())
        if report is None:
            continue
        for each in report.recipients:
            assert each.reason in REASONS, path.name
            assert each.action in ACTIONS, path.name
            assert each.text.isprintable(), path.name
        read[kind] += all("@" in each.recipient and _CODE.fullmatch(each.code) for each in report.recipients)
    for kind in sorted(total):
        print(f"{kind:28} {read[kind]:3} of {total[kind]:3}")
    print(f"{'all':28} {read.total():3} of {total.total():3}")
    assert total.total() > 390
    assert read.total() >= 0.95 * total.total()


def test_nothing_else_of_the_corpus_is_taken_for_a_report(corpus: Path) -> None:
    folders = [corpus / name for name in ("mime", "mixed", "replies", "broken")]
    others = [p for f in folders for p in sorted(f.iterdir()) if p.is_file() and p.suffix != ".json"]
    others += [p for p in bounces(corpus) if _OTHER.search(p.name) or p.name in SENT_ON]
    assert len(others) > 150
    assert {path.name for path in others if report_of(path.read_bytes()) is not None} == ELSEWHERE


# What a person reads in these reports, written down by hand.
EXPECTED = {
    "lhost-activehunter-02": ("kijitora@example.ed.jp", "failed", "5.1.1", True, "user-unknown"),
    "lhost-amazonworkmail-03": ("kuroneko@example.org", "failed", "5.3.5", False, "system"),
    "lhost-biglobe-01": ("postmaster@mxr.biglobe.ne.jp", "failed", "4.2.2", False, "mailbox-full"),
    "lhost-domino-01": ("kijitora@example.jp", "failed", "5.1.1", True, "user-unknown"),
    "lhost-dragonfly-02": ("pseudo-local-part@outlook.example.com", "failed", "5.7.509", True, "auth"),
    "lhost-einsundeins-02": ("kijitora@example.org", "failed", "5.3.4", True, "size"),
    "lhost-exchange2003-07": ("kijitora@example.org", "failed", "5.1.1", True, "user-unknown"),
    "lhost-exim-05": ("kijitora@neko.example.co.jp", "failed", "5.1.1", True, "user-unknown"),
    "lhost-exim-06": ("kijitora@example.com", "failed", "4.4.7", False, "expired"),
    "lhost-gmail-04": ("kijitora@example.com", "failed", "5.7.1", True, "blocked"),
    "lhost-gmx-01": ("shironeko@example.jp", "failed", "5.2.2", False, "mailbox-full"),
    "lhost-imailserver-03": ("kijitora@neko.example.co.jp", "failed", "5.1.1", True, "user-unknown"),
    "lhost-kddi-02": ("kijitora@00000000000000.dion.ne.jp", "failed", "4.2.2", False, "mailbox-full"),
    "lhost-mailfoundry-01": ("kijitora@example.org", "failed", "5.1.1", True, "user-unknown"),
    "lhost-mailru-02": ("kijitora@example.jp", "failed", "5.2.2", False, "mailbox-full"),
    "lhost-mcafee-01": ("kijitora@example.co.jp", "failed", "5.1.1", True, "user-unknown"),
    "lhost-mfilter-03": ("kijitora@example.org", "failed", "5.1.1", True, "user-unknown"),
    "lhost-office365-02": ("kijitora@example.onmicrosoft.com", "failed", "5.1.1", True, "user-unknown"),
    "lhost-opensmtpd-04": ("kijitora@neko.example.jp", "delayed", "4.4.1", False, "unreachable"),
    "lhost-qmail-11": ("neko@nyaan.jp", "failed", "5.4.4", True, "host-unknown"),
    "lhost-sendmail-07": ("kijitora@example.org", "failed", "5.7.1", True, "relay"),
    "lhost-x1-01": ("kijitora@example.co.jp", "failed", "5.1.1", True, "user-unknown"),
    "lhost-yahoo-02": ("kijitora@example.ed.jp", "failed", "5.2.2", False, "mailbox-full"),
    "rfc3464-34": ("kijitora@example.com", "delayed", "4.4.1", False, "unreachable"),
    "rfc3464-38": ("kijitora-nyaan@example.jp", "failed", "4.2.2", False, "mailbox-full"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_report_is_read_as_a_person_reads_it(corpus: Path, name: str) -> None:
    report = report_of((corpus / "bounces" / f"bsd__{name}.eml").read_bytes())
    assert report is not None
    first = report.recipients[0]
    assert (first.recipient, first.action, first.code, first.hard, first.reason) == EXPECTED[name]


def test_the_returned_message_is_known_by_its_header(corpus: Path) -> None:
    found = 0
    for path in bounces(corpus):
        report = report_of(path.read_bytes())
        found += report is not None and "@" in report.about.message_key
    assert found > 300
    report = report_of((corpus / "bounces" / "bsd__lhost-dragonfly-01.eml").read_bytes())
    assert report is not None
    assert report.about.message_key == "66681288.e06d1.3824794@df.example.jp"
    assert (report.about.sender, report.about.subject) == ("kijitora@df.example.jp", "Nyaan 01")


STATUS = """From: MAILER-DAEMON@b.example
Subject: Returned
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

no words
--b
Content-Type: message/{kind}delivery-status

Reporting-MTA: dns; b.example
Original-Envelope-Id: Q+2B1

{groups}
--b
Content-Type: text/rfc822-headers

Message-ID: <own@a.example>
From: Amt <info@a.example>
To: petra@b.example
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
--b--
"""


def status(groups: str, kind: str = "") -> bytes:
    return STATUS.format(groups=groups, kind=kind).replace("\n", "\r\n").encode()


def test_a_status_with_several_recipients_says_of_each_what_became_of_it() -> None:
    report = report_of(
        status(
            "Final-Recipient: rfc822; petra@b.example\nAction: failed\nStatus: 5.2.2\n\n"
            "Original-Recipient: rfc822; max@a.example\nFinal-Recipient: RFC822;<max@c.example>\nAction: delivered\n"
            "Status: 2.0.0\n\n"
            "Final-Recipient: rfc822; eva@b.example\nAction: delayed\nStatus: 4.4.1 (no answer)\n"
        )
    )
    assert report is not None
    assert [(r.recipient, r.action, r.code, r.hard, r.reason, r.original) for r in report.recipients] == [
        ("petra@b.example", "failed", "5.2.2", False, "mailbox-full", ""),
        ("max@c.example", "delivered", "2.0.0", False, "unknown", "max@a.example"),
        ("eva@b.example", "delayed", "4.4.1", False, "unreachable", ""),
    ]
    assert report.failed
    assert report.about[:4] == ("own@a.example", "info@a.example", "petra@b.example", "Grüße")


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("utf-8; pel\\x{E9}@b.example", ""),
        ("utf-8; pelé@b.example", "global-"),
        ("utf-8;<pel\\x{e9}@b.example>", "global-"),
    ],
)
def test_an_address_beyond_ascii_is_read_in_each_of_its_forms(written: str, kind: str) -> None:
    report = report_of(status(f"Final-Recipient: {written}\nAction: failed\nStatus: 5.1.1", kind))
    assert report is not None
    assert report.recipients[0].recipient == "pelé@b.example"


@pytest.mark.parametrize(
    ("action", "code", "text", "expected"),
    [
        ("failed", "5.1.1", "", ("5.1.1", True, "user-unknown")),
        ("failed", "5.0.0", "550 5.2.2 mailbox full", ("5.2.2", False, "mailbox-full")),
        ("failed", "", "550 no such user here", ("5.1.1", True, "user-unknown")),
        ("failed", "", "552 message too large", ("5.3.4", True, "size")),
        ("failed", "", "452 try again later", ("4.3.0", False, "system")),
        ("failed", "5.7.1", "554 blocked using zen.spamhaus.org", ("5.7.1", True, "blocked")),
        ("failed", "5.7.1", "550 relaying denied", ("5.7.1", True, "relay")),
        ("failed", "5.7.26", "550 5.7.26 DMARC", ("5.7.26", True, "auth")),
        ("failed", "4.4.7", "", ("4.4.7", False, "expired")),
        ("failed", "", "", ("5.0.0", True, "unknown")),
        ("delayed", "", "", ("4.0.0", False, "unknown")),
        ("delayed", "4.4.1", "no route to host", ("4.4.1", False, "unreachable")),
        ("delivered", "2.1.5", "250 ok", ("2.1.5", False, "unknown")),
        ("failed", "", "Das Postfach ist voll", ("4.2.2", False, "mailbox-full")),
        ("failed", "", "host 192.0.2.5.1.1 said nothing", ("5.0.0", True, "unknown")),
    ],
)
def test_code_and_words_give_code_hardness_and_reason(
    action: str, code: str, text: str, expected: tuple[str, bool, str]
) -> None:
    assert judge(action, code, text) == expected


PERSON = "From: Petra <petra@b.example>\nTo: info@a.example\nSubject: {subject}\n{more}\n\n{text}\n"
PARTS = "Content-Type: multipart/{kind}; boundary=b"
STATUS_PART = (
    "--b\n\nWas heißt das?\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; b.example\n\n"
    "Final-Recipient: rfc822; max@a.example\nAction: failed\nStatus: 5.1.1\n--b--"
)
RECEIPT = (
    "--b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; petra@b.example\n"
    "Disposition: manual-action/MDN-sent-manually; displayed\n--b--"
)
COMPLAINT = (
    "--b\n\nspam\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
    "Original-Rcpt-To: petra@b.example\n--b--"
)
NULL = "Return-Path: <>"
NO_REPORTS = {
    "a person about mail that failed": ("Nicht zugestellt", "", "Es kam 550 5.1.1 <max@a.example>: user unknown"),
    "a person sends a report on": (
        "Fwd: Undelivered",
        "",
        "> Final-Recipient: rfc822; max@a.example\n> Action: failed",
    ),
    "a vacation reply by the null path": (
        "Automatic reply: Antrag",
        f"Auto-Submitted: auto-replied\n{NULL}",
        "I could not read your mail. Please send it to eva@b.example.",
    ),
    "a vacation reply that names somebody": ("Abwesend", NULL, "Bitte wenden Sie sich an eva@b.example."),
    "a list's notice": ("You are not a member", "Precedence: bulk", "You are not a member of list@b.example."),
    "a receipt": ("Read: Antrag", PARTS.format(kind="report"), RECEIPT),
    "a complaint": ("Complaint", PARTS.format(kind="report"), COMPLAINT),
    "a status in a person's mail": ("Bitte prüfen", PARTS.format(kind="mixed"), STATUS_PART),
}


@pytest.mark.parametrize("name", NO_REPORTS)
def test_what_is_no_report_yields_none(name: str) -> None:
    subject, more, text = NO_REPORTS[name]
    assert report_of(PERSON.format(subject=subject, more=more, text=text).encode()) is None


def test_a_person_who_shows_what_came_back_reports_nothing_even_by_the_null_path() -> None:
    for subject, more, text in (NO_REPORTS["a status in a person's mail"], NO_REPORTS["a person sends a report on"]):
        content = PERSON.format(subject=subject, more=more, text=text.replace("> ", "")).encode()
        assert report_of(content, null_path=True) is None


def test_facts_carry_the_report_and_call_the_mail_one() -> None:
    facts = facts_of(status("Final-Recipient: rfc822; petra@b.example\nAction: failed\nStatus: 5.1.1"))
    assert facts.report is not None
    assert facts.automatic == 2
    plain = b"From: no-reply@b.example\n\nCould not be delivered to: <petra@b.example>\nAs their mailbox is full.\n"
    assert facts_of(plain).automatic == 2
    assert facts_of(b"From: petra@b.example\nSubject: Frage\n\nHallo\n").report is None


_WORDS = st.sampled_from(
    ["<a@b.example>", "550 5.1.1", ": user unknown", "\n", "\n\n", "\r", "Final-Recipient: rfc822; ", "Action: fail",
     "Status: 5.", "could not be delivered to ", "--b\n", "Content-Type: message/delivery-status\n", "\x1b$B",
     "\0", "é", "Received: x\nMessage-ID: <a@b>\n", " ", "\\x{110000}", "\\x{D800}", "a@", "@b"]
)  # fmt: skip


@given(st.lists(_WORDS, max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_report_however_broken_raises_or_yields_what_cannot_be_kept(words: list[str]) -> None:
    head = "From: MAILER-DAEMON@x\nSubject: Returned\nContent-Type: multipart/report; boundary=b\n\n--b\n"
    for content in (head + "".join(words), head.replace("multipart/report", "text/plain") + "".join(words)):
        report = report_of(content.encode("utf-8", "surrogatepass"))
        for each in report.recipients if report else ():
            assert each.reason in REASONS
            assert "\0" not in "".join(str(value) for value in each)
            repr(each).encode()


def test_a_report_with_very_many_recipients_is_cut() -> None:
    many = "".join(f"<a{n}@b.example>: 550 5.1.1 user unknown\n" for n in range(20_000))
    report = report_of(f"From: MAILER-DAEMON@x\nSubject: Undelivered\n\nfailed:\n\n{many}".encode())
    assert report is not None
    assert len(report.recipients) == 500
