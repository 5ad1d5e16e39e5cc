"""Which mail holds reports about our domains, however its sender labelled them."""

from __future__ import annotations

import gzip
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.reading import facts_of
from maild.mail.reports import looks_like_report, reports_in
from tests.mail.dmarc_samples import NAME, dmarc_mail, feedback, mail, record, tls, tls_mail, zipped


def gzipped(octets: bytes, level: int = 9) -> bytes:
    """Pack without the time of day: what tests are called must be the same in every process."""
    return gzip.compress(octets, level, mtime=0)


XML = feedback(record())
GZIP = gzipped(XML)
ORDINARY = "Ihr Bericht"


@pytest.mark.parametrize(
    "octets",
    [
        dmarc_mail(),
        dmarc_mail(subject=ORDINARY),
        mail(("application/zip", f"{NAME}.zip", zipped(XML))),
        mail(("text/xml", f"{NAME}.xml", XML)),
        mail(("application/octet-stream", f"{NAME}!42.xml.gz", GZIP), subject=ORDINARY),
        mail(("application/zip", "report.zip", GZIP)),
        mail(("application/gzip", "", zipped(XML))),
        mail(("application/x-gzip", "dmarc.gz", XML)),
        mail(("text/plain", f"{NAME}.xml", XML)),
        b"Subject: Report Domain: musterstadt.example\r\nContent-Type: application/octet-stream\r\n\r\n" + GZIP,
        mail(("application/pdf", "letter.pdf", b"%PDF"), ("application/gzip", f"{NAME}.xml.gz", GZIP)),
    ],
)
def test_a_report_is_found_whatever_it_was_called(octets: bytes) -> None:
    assert looks_like_report(facts_of(octets))
    found = reports_in(octets)
    assert [each.report for each in found.dmarc] == ["r-1"]
    assert (found.tls, found.problems) == ((), ())


@pytest.mark.parametrize(
    "octets",
    [
        tls_mail(),
        mail(("application/tlsrpt+json", "", json.dumps(tls()).encode()), subject=ORDINARY),
        mail(("application/gzip", f"{NAME}.json.gz", gzipped(json.dumps(tls()).encode())), subject=ORDINARY),
        mail(("application/json", "r.json", b"\r\n " + json.dumps(tls()).encode())),
    ],
)
def test_a_report_about_tls_is_found(octets: bytes) -> None:
    assert looks_like_report(facts_of(octets))
    assert [each.report for each in reports_in(octets).tls] == ["t-1"]


@pytest.mark.parametrize(
    "octets",
    [
        mail(("application/zip", "unterlagen.zip", zipped(XML)), subject=ORDINARY),
        mail(("text/xml", "rechnung.xml", XML), subject="Report: Quartal"),
        mail(subject="Report Domain: musterstadt.example"),
        b"Subject: Report Domain: a.example\r\n\r\n" + XML,
    ],
)
def test_other_mail_is_not_looked_into(octets: bytes) -> None:
    assert not looks_like_report(facts_of(octets)) or octets.startswith(b"From")
    assert reports_in(octets) == ((), (), ())


def test_several_reports_of_one_mail_are_all_read_and_the_bad_ones_named() -> None:
    octets = mail(
        ("application/gzip", f"{NAME}!1.xml.gz", gzipped(feedback(record(), report="one"))),
        ("application/gzip", f"{NAME}!2.xml.gz", GZIP[:50]),
        ("application/zip", f"{NAME}!3.zip", zipped(feedback(record(), report="two"))),
        ("application/octet-stream", f"{NAME}!4.xml", b"Hello"),
        ("application/gzip", f"{NAME}!5.json.gz", gzipped(json.dumps(tls()).encode())),
    )
    found = reports_in(octets)
    assert [each.report for each in found.dmarc] == ["one", "two"]
    assert [each.report for each in found.tls] == ["t-1"]
    assert found.problems == ("broken", "kind")


def test_of_very_many_parts_the_first_ones_are_read() -> None:
    many = [("application/gzip", f"{NAME}!{n}.xml.gz", gzipped(feedback(record(), report=str(n)))) for n in range(30)]
    assert len(reports_in(mail(*many)).dmarc) == 10


def test_what_all_parts_unpack_to_is_counted_together() -> None:
    # Two of 30 MB each: the second finds no room.
    filler = f"<!--{int.from_bytes(random.Random(1).randbytes(3_750_000)):b}-->"
    packed = gzipped(feedback(record()).replace(b"<version>", filler.encode() + b"<version>"), 1)
    found = reports_in(mail(*[("application/gzip", f"{NAME}!{n}.xml.gz", packed) for n in range(2)]))
    assert (len(found.dmarc), found.problems) == (1, ("size",))


def test_what_all_reports_of_a_mail_name_is_counted_together() -> None:
    rows = [f"<record><row><source_ip>10.0.{n // 250}.{n % 250}</source_ip><count>1</count></row></record>"
            for n in range(12_000)]  # fmt: skip
    packed = [gzipped(feedback(*rows[:size], report=f"r-{size}"), 1) for size in (12_000, 11_000, 500)]
    found = reports_in(mail(*[("application/gzip", f"{NAME}!{n}.xml.gz", each) for n, each in enumerate(packed)]))
    assert ([each.report for each in found.dmarc], found.problems) == (["r-12000", "r-500"], ("records",))


def test_so_are_the_failures_that_reports_about_tls_name() -> None:
    said = tls()
    (policy,) = said["policies"]
    failures = [{"failed-session-count": 1, "result-type": f"kind-{n}"} for n in range(500)]
    said["policies"] = [
        policy
        | {"policy": policy["policy"] | {"policy-domain": f"{n}.musterstadt.example"}, "failure-details": failures}
        for n in range(50)
    ]
    assert reports_in(tls_mail(said)).problems == ("records",)
    del said["policies"][30:]
    assert not reports_in(tls_mail(said)).problems


@given(st.binary(max_size=300))
def test_no_attachment_makes_the_reader_raise(octets: bytes) -> None:
    found = reports_in(mail(("application/gzip", f"{NAME}.xml.gz", octets)))
    assert len(found.problems) == 1
