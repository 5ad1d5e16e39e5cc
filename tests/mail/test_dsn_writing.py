"""Delivery reports that maild writes: for whom, and that they say what is meant, to people and to programs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.address import parse_address
from maild.mail.dsn_reading import report_of
from maild.mail.dsn_reason import judge
from maild.mail.dsn_status import xtext
from maild.mail.dsn_writing import Notice, Reported, compose_report, is_wanted
from maild.mail.message import parse, text
from maild.mail.reading import facts_of

AT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
ORIGINAL = (
    b"Message-ID: <own@a.example>\r\nFrom: Petra <petra@b.example>\r\nTo: max@c.example\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nGeheimer Text\r\n"
)
FAILED = Reported(
    recipient=parse_address("max@c.example"), action="failed", said="550 5.1.1 no such user", remote="mx.c.example"
)
NOTICE = Notice(
    to=parse_address("petra@b.example"), author=parse_address("post@a.example"), host="mx.a.example",
    message_key="r1@a.example", at=AT, arrived_at=AT, recipients=(FAILED,),
)  # fmt: skip


@pytest.mark.parametrize(
    ("notify", "wanted"),
    [
        ((), {"failed", "delayed"}),
        (("NEVER",), set()),
        (("SUCCESS",), {"delivered", "relayed", "expanded"}),
        (("FAILURE",), {"failed"}),
        (("DELAY",), {"delayed"}),
        (("SUCCESS", "FAILURE", "DELAY"), {"delivered", "relayed", "expanded", "failed", "delayed"}),
    ],
)
def test_a_report_is_written_for_what_was_asked(notify: tuple[str, ...], wanted: set[str]) -> None:
    actions = ("failed", "delayed", "delivered", "relayed", "expanded")
    assert {action for action in actions if is_wanted(action, frozenset(notify))} == wanted


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("action", ["failed", "delayed", "delivered", "relayed", "expanded"])
@pytest.mark.parametrize("address", ["max@c.example", "pelé+x@c.example", '"a b"@c.example', "a=b\\c@c.example"])
def test_a_report_is_read_as_it_was_meant(language: str, action: str, address: str) -> None:
    try:
        recipient = parse_address(address)
    except ValueError:
        recipient = parse_address(address.replace("\\", "-"))
    one = replace(FAILED, recipient=recipient, action=action, orcpt="rfc822;moritz+2Bx@c.example", retried_until=AT)
    octets = compose_report(replace(NOTICE, recipients=(one,), language=language, envid="Q+2B1"), ORIGINAL)
    report = report_of(octets)
    assert report is not None
    (read,) = report.recipients
    code, hard, reason = judge(action, "", one.said)
    if '"' not in address:
        assert read.recipient == str(recipient)
    assert (read.action, read.code, read.hard, read.reason) == (action, code, hard, reason)
    assert read.text == one.said
    assert read.original == "moritz+x@c.example"
    assert b"\r\nOriginal-Envelope-Id: Q+1\r\n" in octets
    assert (report.about.message_key, report.about.subject) == ("own@a.example", "Grüße")


def test_a_report_is_marked_so_that_nothing_answers_it_and_returns_no_text() -> None:
    octets = compose_report(NOTICE, ORIGINAL)
    facts = facts_of(octets)
    assert facts.automatic == 2
    assert facts.auto_submitted
    assert facts.references == ("own@a.example",)
    assert b"\r\nAuto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\n" in octets
    assert b"Geheim" not in octets
    assert parse(octets).root.parameter("report-type") == "delivery-status"


def test_people_read_what_happened_in_their_language() -> None:
    for language, words in (("de", "Dieses Postfach gibt es nicht. (5.1.1)"), ("en", "There is no such mailbox. (5.1")):
        octets = compose_report(replace(NOTICE, language=language), ORIGINAL)
        told = text(octets, parse(octets).root.children[0])
        assert words in told
        assert "Grüße" in told
        assert "<max@c.example>" in told


@pytest.mark.parametrize(
    ("content", "eight_bit", "whole"),
    [
        (ORIGINAL, False, True),
        (ORIGINAL + "ä\r\n".encode(), False, False),
        (ORIGINAL + "ä\r\n".encode(), True, True),
        (ORIGINAL + b"x" * 1_200 + b"\r\n", True, False),
        (ORIGINAL + b"a\nb\r\n", True, False),
        (ORIGINAL + b"a\0b\r\n", True, False),
    ],
)
def test_the_whole_message_is_returned_only_where_it_gets_through(content: bytes, eight_bit: bool, whole: bool) -> None:
    octets = compose_report(replace(NOTICE, full=True, eight_bit=eight_bit), content)
    assert (b"Geheimer Text" in octets) == whole
    assert parse(octets).root.children[2].media_type == ("message/rfc822" if whole else "text/rfc822-headers")


_HOSTILE = st.text(st.sampled_from("a \r\n\0:<>;+=é\x85\u2028-"), max_size=60)


@given(said=_HOSTILE, envid=_HOSTILE, orcpt=_HOSTILE, remote=_HOSTILE, header=_HOSTILE)
@settings(max_examples=200, deadline=None)
def test_nothing_that_a_stranger_says_begins_a_line(
    said: str, envid: str, orcpt: str, remote: str, header: str
) -> None:
    one = replace(FAILED, said=said + "+0D+0AX-Evil: 1", orcpt=f"rfc822;{orcpt}+0D+0AX-Evil:1", remote=remote)
    notice = replace(NOTICE, recipients=(one,), envid=envid + "+0D+0AX-Evil: 1", full=True)
    octets = compose_report(notice, header.encode() + b"\r\n" + ORIGINAL)
    assert octets.isascii()
    assert b"\0" not in octets
    assert not re.search(rb"^X-Evil", octets, re.MULTILINE)
    assert octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    top = octets.partition(b"\r\n\r\n")[0].count(b"\r\n")
    assert top in (9, 11), "two fields more where the message has a Message-ID"
    report = report_of(octets)
    assert report is not None
    assert [each.recipient for each in report.recipients] == ["max@c.example"]


def test_a_boundary_in_the_message_ends_no_part() -> None:
    content = ORIGINAL + b"--report-r1\r\n\r\n--report-r1--\r\n"
    octets = compose_report(replace(NOTICE, full=True), content)
    assert [part.media_type for part in parse(octets).root.children] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=50))
def test_xtext_is_undone_as_it_was_done(plain: str) -> None:
    written = "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in plain)
    assert xtext(written) == plain
