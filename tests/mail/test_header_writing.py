from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.errors import AddressError
from maild.mail.address import Address, parse_address
from maild.mail.header import read_header
from maild.mail.header_writing import ids_field, mailboxes_field, parameters_field, plain, text_field, token_field
from maild.mail.mailboxes import parse_mailboxes
from maild.mail.parameters import parse_parameters
from maild.mail.words import decode_words

OFFICE = parse_address("kita.platzvergabe@musterstadt.example")
FIELD = re.compile(rb"[A-Za-z-]+:(?: [!-~][ -~]*)?\r\n(?: [!-~][ -~]*\r\n)*")


def raw(octets: bytes) -> str:
    """Return the one field that octets are, unfolded."""
    (field,) = read_header(octets, 0, len(octets), b"\n").fields
    return field.raw


def assert_is_one_field(octets: bytes) -> None:
    assert FIELD.fullmatch(octets), octets
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))


@pytest.mark.parametrize(
    ("subject", "written"),
    [
        ("Frage zum Kitaplatz", b"Subject: Frage zum Kitaplatz\r\n"),
        ("", b"Subject: \r\n"),
        ("Müll", b"Subject: =?utf-8?B?TcO8bGw=?=\r\n"),
        ("=?x?", b"Subject: =?utf-8?B?PT94Pw==?=\r\n"),
        ("a\r\nBcc: x@y.example", b"Subject: a Bcc: x@y.example\r\n"),
    ],
)
def test_a_subject_is_one_field(subject: str, written: bytes) -> None:
    assert text_field("Subject", subject) == written


def test_a_long_subject_is_folded_between_words() -> None:
    octets = text_field("Subject", " ".join(["Bescheid"] * 40))
    assert all(len(line) <= 76 for line in octets.split(b"\r\n"))
    assert_is_one_field(octets)


@given(st.text(max_size=300))
def test_a_subject_reads_as_it_was_written(text: str) -> None:
    octets = text_field("Subject", text)
    assert_is_one_field(octets) if plain(text) else None
    assert decode_words(raw(octets)) == plain(text)


@given(st.lists(st.text(max_size=80), min_size=1, max_size=5))
def test_names_read_as_they_were_written(names: list[str]) -> None:
    octets = mailboxes_field("To", [(name, OFFICE) for name in names])
    assert_is_one_field(octets)
    found, over = parse_mailboxes(raw(octets), 500)
    assert not over
    assert [mailbox.mail for mailbox in found] == [str(OFFICE)] * len(names)
    assert [mailbox.name for mailbox in found] == [plain(name) for name in names]


def test_a_quoted_local_part_stays_one_address() -> None:
    address = Address(local='a"b, c@d', domain="firma.example")
    found, _ = parse_mailboxes(raw(mailboxes_field("To", [("", address)])), 10)
    assert len(found) == 1


def test_a_local_part_beyond_ascii_is_refused() -> None:
    with pytest.raises(AddressError):
        mailboxes_field("To", [("", parse_address("jürgen@firma.example"))])


def test_ids_that_would_break_the_header_are_left_out() -> None:
    octets = ids_field("References", ["a@b", "c\r\nBcc: d@e", "f@g", "x" * 2000, "ä@b", "<a@b>"])
    assert octets == b"References: <a@b> <f@g>\r\n"


@given(st.text(min_size=1, max_size=200))
def test_file_names_read_as_they_were_written(name: str) -> None:
    octets = parameters_field("Content-Disposition", "attachment", [("filename", name)])
    assert_is_one_field(octets)
    value, parameters, _ = parse_parameters(raw(octets), 128)
    assert value == "attachment"
    assert parameters.get("filename", "") == plain(name)


def test_a_value_of_ours_that_is_not_ascii_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="ASCII"):
        token_field("Auto-Submitted", "ja\r\nBcc: x")
