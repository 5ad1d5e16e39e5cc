"""Aggregate reports of DMARC: both forms, what senders make of them, and what is no report."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.dmarc_report import Authenticated, DmarcSource, parse
from maild.mail.report_values import ReportError
from tests.mail.dmarc_samples import BEGIN, END, feedback, record


def reason(octets: bytes) -> str:
    with pytest.raises(ReportError) as refused:
        parse(octets)
    return refused.value.reason


def test_a_report_of_the_new_form_is_read_whole() -> None:
    found = parse(feedback(record(reason="mailing_list"), record("2001:DB8::0:1", 4, dkim="fail", spf="pass")))
    assert (found.organisation, found.report, found.domain) == ("grosse-post.example", "r-1", "musterstadt.example")
    assert (found.begin_ms, found.end_ms) == (BEGIN * 1000, END * 1000)
    assert dict(found.policy) == {
        "domain": "musterstadt.example", "p": "none", "sp": "none", "adkim": "r", "aspf": "r", "testing": "n",
        "discovery_method": "treewalk",
    }  # fmt: skip
    first, second = found.sources
    assert first == DmarcSource(
        ip="192.0.2.7", messages=3, disposition="none", dkim="pass", spf="fail", header_from="musterstadt.example",
        authenticated=(
            Authenticated("dkim", "stadtwerke.example", "pass", "s1"),
            Authenticated("spf", "bounce.stadtwerke.example", "fail"),
        ),
        reasons=("mailing_list",),
    )  # fmt: skip
    assert (second.ip, second.messages, second.dkim, second.spf) == ("2001:db8::1", 4, "fail", "pass")


@pytest.mark.parametrize(
    "octets",
    [
        feedback(record(), namespace=""),
        feedback(record(), namespace=' xmlns="http://dmarc.org/dmarc-xml/0.1"'),
        feedback(record()).replace(b"<feedback", b"<d:feedback").replace(b"</feedback", b"</d:feedback"),
        b"\xef\xbb\xbf" + feedback(record()),
        feedback(record()).replace(b' encoding="UTF-8"', b""),
        feedback(record()).decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        feedback(record()).replace(b"UTF-8", b"windows-1252"),
        feedback(record()).partition(b"\n")[2],
        feedback(record()).replace(b"><", b">\r\n  <"),
        feedback(record(), begin=f" {BEGIN}\n", end=f"{END}.0"),
        feedback(record().replace("identifiers", "identities")),
        feedback(record("::ffff:192.0.2.7")),
        feedback(record(header_from="Musterstadt.EXAMPLE.")),
        feedback(record("192.0.2.7", 1), record("192.0.2.7", 2)),
        feedback("<unknown><more>1</more></unknown>", record()),
    ],
)  # fmt: skip
def test_other_spellings_of_a_report_say_the_same(octets: bytes) -> None:
    expected = parse(feedback(record()))
    assert parse(octets) == expected
    assert sum(source.messages for source in expected.sources) == 3


@pytest.mark.parametrize(
    ("given", "field", "read"),
    [
        (record(disposition="REJECT"), "disposition", "reject"),
        (record(disposition="blocked"), "disposition", "none"),
        (record(dkim="temperror"), "dkim", "fail"),
        (record(spf="Pass"), "spf", "pass"),
        (record(spf=""), "spf", "fail"),
        (record(header_from="bürgeramt.example"), "header_from", "xn--brgeramt-65a.example"),
        (record(header_from="<b>x</b>"), "header_from", ""),
        (record(header_from="a" * 300), "header_from", ""),
        (record(reason="unheard_of"), "reasons", ("other",)),
        (record(number=2**53 - 1), "messages", 10**10),
        (record(number=0), "messages", 0),
    ],
)
def test_values_are_one_of_those_that_there_are(given: str, field: str, read: object) -> None:
    (source,) = parse(feedback(given)).sources
    assert getattr(source, field) == read


@pytest.mark.parametrize(
    "useless",
    [
        record("not an address"), record(""), record("192.0.2.7/24"), record("fe80::1%eth0"), record("1.2.3.4.5"),
        record(number=-1), record(number="1" + "0" * 400), record(number=2**53), record(number="٣"),
        record(number="1.5"), record(number="=1+1"), record(number=""), "<record/>",
    ],
)  # fmt: skip
def test_a_record_without_machine_or_number_is_passed_over_and_counted(useless: str) -> None:
    found = parse(feedback(useless, record()))
    assert (found.skipped, len(found.sources)) == (1, 1)


def test_who_reports_is_named_by_what_there_is() -> None:
    named = feedback(record())
    assert parse(named.replace(b"<org_name>grosse-post.example</org_name>", b"")).organisation == "grosse-post.example"
    bare = parse(feedback(record(), organisation="", report=""))
    assert (bare.organisation, bare.report) == ("?", f"{BEGIN}000-{END}000")
    long = parse(feedback(record(), organisation="x\n\u202e" + "y" * 5_000))
    assert long.organisation == "x " + "y" * 198


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "xml"),
        (b"<feedback>", "xml"),
        (b"no xml", "xml"),
        (b"<feedback>&nbsp;</feedback>", "xml"),
        (b"\xff\xfe<\0", "xml"),
        (feedback(record()).replace(b"UTF-8", b"no-such-charset"), "xml"),
        (feedback(record()) + b"<more/>", "xml"),
        (b"<html><body/></html>", "kind"),
        (b"<feedback/>", "dates"),
        (feedback(record(), begin=""), "dates"),
        (feedback(record(), begin=END + 1), "dates"),
        (feedback(record(), begin=0), "dates"),
        (feedback(record(), end="9" * 400), "dates"),
        (feedback(record(), end=BEGIN + 500 * 86_400), "dates"),
        (feedback(record(), domain=""), "domain"),
        (feedback(record(), domain="a b"), "domain"),
        (b"<feedback>" * 20 + b"</feedback>" * 20, "depth"),
        (b"<!DOCTYPE feedback><feedback/>", "doctype"),
        (b'<!DOCTYPE feedback SYSTEM "file:///etc/passwd"><feedback/>', "doctype"),
    ],
)
def test_what_is_no_report_says_why(octets: bytes, why: str) -> None:
    assert reason(octets) == why


_PIECES = st.sampled_from(
    [b"<feedback>", b"</feedback>", b"<record>", b"</record>", b"<row>", b"<count>", b"1", b"&#x41;", b"<![CDATA[",
     b"]]>", b"<!--", b"-->", b"<?p ?>", b"\xff", b"\0", b' a="', b"&amp;", b"<source_ip>", b"xmlns:a='b'", b"<a:b/>"]
)  # fmt: skip


@given(st.one_of(st.binary(max_size=200), st.lists(_PIECES, max_size=20).map(b"".join)))
def test_no_octets_are_answered_with_another_error(octets: bytes) -> None:
    with contextlib.suppress(ReportError):
        parse(octets)


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=3))
def test_a_report_with_changed_octets_is_read_or_refused(at: int, octets: bytes) -> None:
    whole = feedback(record())
    at %= len(whole)
    try:
        found = parse(whole[:at] + octets + whole[at + len(octets) :])
    except ReportError:
        return
    assert all(0 <= source.messages <= 10**10 for source in found.sources)
