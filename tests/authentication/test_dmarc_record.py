"""DMARC records as domains publish them: the clause, the record, and what it says otherwise than the default."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maild.authentication.dmarc_record import Record, is_record, parse_record, softened

NO_RECORDS = [
    # RFC 9989 §4.7: v comes first, and its value is in capitals; §4.8: nothing stands before it.
    b"",
    b"v=spf1 -all",
    b"p=reject; v=DMARC1",
    b"v=dmarc1; p=reject",
    b"v=DMARC2; p=reject",
    b"v=DMARC1.0; p=reject",
    b"v=DMARC1 p=reject",
    b"v=DMARC1, p=reject",
    b"v=DMARC; p=reject",
    b'"v=DMARC1; p=reject"',
    b" v=DMARC1; p=reject",
    b"v:DMARC1; p=reject",
    b"\xef\xbb\xbfv=DMARC1; p=reject",
    b"v=DMARC1\n; p=reject",
    b"DMARC1; p=reject",
    b"v=DMARC1\n",
]
TWO = ("mailto:a@b.example", "mailto:c@d.example")
RECORDS: list[tuple[str, bytes, dict[str, object]]] = [
    # Version, separators, blanks, case.
    ("4.8", b"v=DMARC1", {}),
    ("4.8", b"v=DMARC1;", {}),
    ("4.8", b"v=DMARC1; p=none", {"p": "none"}),
    ("4.8", b"v=DMARC1;p=quarantine", {"p": "quarantine"}),
    ("4.8", b"v = DMARC1 ; p = reject ; ", {"p": "reject"}),
    ("4.8", b"V=DMARC1; p=reject", {"p": "reject"}),
    ("4.8", b"v=DMARC1;\tp\t=\treject\t;", {"p": "reject"}),
    ("4.8", b"v=DMARC1; P=REJECT", {"p": "reject"}),
    ("4.8", b"v=DMARC1;;; p=reject;;", {"p": "reject"}),
    ("4.8", b"v=DMARC1; p=reject\r\n", {"p": "reject"}),
    ("4.8", b"v=DMARC1; nonsense; p=reject", {"p": "reject"}),
    ("4.8", b"v=DMARC1; =x; p=reject", {"p": "reject"}),
    ("4.8", b"v=DMARC1; p=reject; v=DMARC1", {"p": "reject"}),
    # Order: only v has its place.
    ("4.7", b"v=DMARC1; rua=mailto:a@b.example; p=reject", {"p": "reject", "rua": ("mailto:a@b.example",)}),
    ("4.7", b"v=DMARC1; sp=none; p=reject", {"p": "reject", "sp": "none"}),
    # Policies.
    ("4.7", b"v=DMARC1; p=reject; sp=quarantine; np=none", {"p": "reject", "sp": "quarantine", "np": "none"}),
    ("4.10.1", b"v=DMARC1; p=rejct", {"broken": ("p",)}),
    ("4.10.1", b"v=DMARC1; p=", {"broken": ("p",)}),
    ("4.10.1", b"v=DMARC1; p", {"broken": ("p",)}),
    ("4.10.1", b"v=DMARC1; p=reject reject", {"broken": ("p",)}),
    ("4.10.1", b"v=DMARC1; p=reject p=none", {"broken": ("p",)}),
    ("4.10.1", b"v=DMARC1; p=reject; sp=all", {"p": "reject", "broken": ("sp",)}),
    ("4.10.1", b"v=DMARC1; p=reject; np=-", {"p": "reject", "broken": ("np",)}),
    ("4.10.1", b"v=DMARC1; p=rej\xe9ct", {"broken": ("p",)}),
    # The same tag twice is an error of syntax (RFC 6376 §3.2), unless it makes no difference.
    ("4.8", b"v=DMARC1; p=reject; p=reject", {"p": "reject"}),
    ("4.8", b"v=DMARC1; p=reject; p=none", {"broken": ("p",)}),
    ("4.8", b"v=DMARC1; p=reject; x=1; x=2", {"p": "reject"}),
    # Flags.
    ("4.7", b"v=DMARC1; p=reject; psd=y", {"p": "reject", "psd": "y"}),
    ("4.7", b"v=DMARC1; p=reject; psd=N", {"p": "reject", "psd": "n"}),
    ("4.7", b"v=DMARC1; p=reject; psd=u", {"p": "reject"}),
    ("4.8", b"v=DMARC1; p=reject; psd=yes", {"p": "reject", "broken": ("psd",)}),
    ("4.7", b"v=DMARC1; p=reject; t=y", {"p": "reject", "testing": True}),
    ("4.7", b"v=DMARC1; p=reject; t=n", {"p": "reject"}),
    ("4.8", b"v=DMARC1; p=reject; t=s", {"p": "reject", "broken": ("t",)}),
    ("4.7", b"v=DMARC1; p=reject; adkim=s; aspf=s", {"p": "reject", "adkim": "s", "aspf": "s"}),
    ("4.7", b"v=DMARC1; p=reject; adkim=S; aspf=R", {"p": "reject", "adkim": "s"}),
    ("4.8", b"v=DMARC1; p=reject; adkim=strict; aspf=", {"p": "reject", "broken": ("adkim", "aspf")}),
    # Reports.
    ("4.6", b"v=DMARC1; rua=mailto:a@b.example,mailto:c@d.example", {"rua": TWO}),
    ("4.8", b"v=DMARC1; rua=mailto:a@b.example , mailto:c@d.example", {"rua": TWO}),
    ("4.8", b"v=DMARC1; rua=mailto:a@b.example!10m", {"rua": ("mailto:a@b.example",)}),
    ("4.7", b"v=DMARC1; rua=https://b.example/x?y=1", {"rua": ("https://b.example/x?y=1",)}),
    ("4.7", b"v=DMARC1; rua=a@b.example", {"broken": ("rua",)}),
    ("4.7", b"v=DMARC1; rua=mailto:", {"broken": ("rua",)}),
    ("4.7", b"v=DMARC1; rua=mailto:a b@c.example", {"broken": ("rua",)}),
    ("4.7", b"v=DMARC1; rua=a@b.example,mailto:c@d.example", {"rua": ("mailto:c@d.example",)}),
    ("4.7", b"v=DMARC1; rua=<mailto:a@b.example>", {"broken": ("rua",)}),
    ("4.7", b"v=DMARC1; ruf=mailto:a@b.example; fo=1:d:s", {"ruf": ("mailto:a@b.example",), "fo": "1:d:s"}),
    ("4.7", b"v=DMARC1; ruf=mailto:a@b.example; fo=d", {"ruf": ("mailto:a@b.example",), "fo": "d"}),
    ("4.7", b"v=DMARC1; ruf=mailto:a@b.example; fo=0:1", {"ruf": ("mailto:a@b.example",), "broken": ("fo",)}),
    ("4.8", b"v=DMARC1; ruf=mailto:a@b.example; fo=d:d", {"ruf": ("mailto:a@b.example",), "broken": ("fo",)}),
    ("4.8", b"v=DMARC1; ruf=mailto:a@b.example; fo=x", {"ruf": ("mailto:a@b.example",), "broken": ("fo",)}),
    ("4.7", b"v=DMARC1; p=none; fo=1", {"p": "none"}),
    # What RFC 7489 had, and what nobody knows.
    ("A.6", b"v=DMARC1; p=reject; pct=0", {"p": "reject", "dropped": ("pct",)}),
    ("A.6", b"v=DMARC1; p=reject; pct=200", {"p": "reject", "dropped": ("pct",)}),
    ("9.3", b"v=DMARC1; p=none; rf=afrf; ri=86400", {"p": "none", "dropped": ("rf", "ri")}),
    ("4.7", b"v=DMARC1; p=none; policy=reject; x=y", {"p": "none", "unknown": ("policy", "x")}),
    ("4.7", b"v=DMARC1; p=none; x=\xff", {"p": "none"}),
]  # fmt: skip


@pytest.mark.parametrize("text", NO_RECORDS)
def test_other_texts_are_no_records(text: bytes) -> None:
    assert parse_record(text) is None
    assert not is_record(text)


@pytest.mark.parametrize(("clause", "text", "said"), RECORDS)
def test_a_record_says_what_its_tags_say(clause: str, text: bytes, said: dict[str, object]) -> None:
    record = parse_record(text)
    assert record is not None
    if clause == "4.8" and text.endswith(b"x=2"):
        assert record.unknown == ()
    assert record._replace(text="") == Record("", **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "applies", "policies"),
    [
        (b"v=DMARC1; p=reject", True, ("reject", "reject", "reject")),
        (b"v=DMARC1; p=reject; sp=none", True, ("reject", "none", "none")),
        (b"v=DMARC1; p=none; np=reject", True, ("none", "none", "reject")),
        (b"v=DMARC1; p=none; sp=quarantine; np=reject", True, ("none", "quarantine", "reject")),
        (b"v=DMARC1", False, ("none", "none", "none")),
        (b"v=DMARC1; sp=reject", False, ("none", "none", "none")),
        (b"v=DMARC1; rua=mailto:a@b.example", True, ("none", "none", "none")),
        (b"v=DMARC1; sp=reject; rua=mailto:a@b.example", True, ("none", "none", "none")),
        (b"v=DMARC1; p=rejct; rua=mailto:a@b.example", True, ("none", "none", "none")),
        (b"v=DMARC1; p=reject; sp=all; rua=mailto:a@b.example", True, ("none", "none", "none")),
        (b"v=DMARC1; p=reject; np=all", False, ("none", "none", "none")),
        (b"v=DMARC1; p=reject; rua=a@b.example", True, ("reject", "reject", "reject")),
    ],
)
def test_a_record_without_a_valid_policy_asks_for_nothing(
    text: bytes, applies: bool, policies: tuple[str, str, str]
) -> None:
    record = parse_record(text)
    assert record is not None
    assert record.applies is applies
    assert (record.of_domain, record.of_subdomain, record.of_nothing) == policies


def test_a_domain_that_tests_asks_for_one_step_less() -> None:
    assert [softened(policy) for policy in ("reject", "quarantine", "none")] == ["quarantine", "none", "none"]


def test_a_record_is_shown_without_what_cannot_be_printed() -> None:
    record = parse_record(b"v=DMARC1; p=none; x=\x1b[31m\xff\x00" + b"a" * 5_000)
    assert record is not None
    assert record.text.startswith("v=DMARC1; p=none; x=\ufffd[31m\ufffd\ufffdaaa")
    assert len(record.text) == 2_000


@given(st.binary(max_size=200))
@example(b";" * 8_000)
@example(b"p=" * 4_000)
@example(b"rua=" + b"mailto:a@b.example," * 400)
@example(b"rua=" + b"!1" * 4_000)
@example(b"fo=" + b"0:" * 4_000)
@example(b" " * 8_000)
def test_any_octets_are_read(tail: bytes) -> None:
    parse_record(tail)
    record = parse_record(b"v=DMARC1;" + tail)
    assert record is not None
    assert record.of_domain in ("none", "quarantine", "reject")
    assert record.text.isprintable()


def test_a_record_longer_than_any_that_is_meant_is_none() -> None:
    record = b"v=DMARC1; p=reject; x="
    assert parse_record(record + b"a" * 8_000) is not None
    assert parse_record(record + b"a" * 9_000) is None
