from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maild.mail.facts import Automatic, Facts, Mailbox
from maild.mail.header import Limits
from maild.mail.reading import facts_for_rules, facts_of

MESSAGES = Path(__file__).parent.parent / "messages"


def read(name: str) -> Facts:
    return facts_of((MESSAGES / f"{name}.eml").read_bytes())


def of(*lines: str) -> Facts:
    return facts_of("\r\n".join(lines).encode())


def test_the_facts_of_an_ordinary_message() -> None:
    facts = read("reply_with_quotation_below")
    assert facts.subject == "Re: Platz"
    assert facts.senders == (Mailbox(name="Anna Beispiel", mail="anna@example.org"),)
    assert facts.to == (Mailbox(name="", mail="kita@example.net"),)
    assert (facts.date_ms, facts.message_key) == (1793610000000, "1@example.org")
    assert facts.references == ("a@example.net", "0@example.net")
    assert facts.excerpt == "Danke, das passt."
    assert facts.text.startswith("Danke, das passt.\n\nAm Mo.")
    assert (facts.automatic, facts.auto_submitted, facts.list_id) == (Automatic.PERSON, False, None)
    assert ("in-reply-to", "<0@example.net>") in [(field.key, field.value) for field in facts.fields]
    assert facts.size_bytes == (MESSAGES / "reply_with_quotation_below.eml").stat().st_size


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alternative_with_inline_image_in_related", "plain words"),
        ("attachment_between_two_texts", "before\n\nafter"),
        ("plain_alternative_is_empty", "only here"),
        ("boundary_never_appears", "still readable\n"),
        ("closing_delimiter_is_missing", "one\n\ntwo\n"),
        ("uuencoded_file_in_text", "Hello\n\n\nBye\n"),
        ("charset_label_is_a_lie", "für Grüße\n"),
        ("charset_label_is_missing", "Grüße\n"),
        ("line_ends_are_lone_returns", "one\ntwo\n"),
        ("header_without_blank_line", "This is the text.\n"),
        ("mbox_line_before_the_header", "body\n"),
        ("two_content_types_in_one_part", "read me\n--c"),
        ("nothing_at_all", ""),
    ],
)
def test_the_text_of_a_message_that_is_not_quite_right(name: str, text: str) -> None:
    assert read(name).text == text


@pytest.mark.parametrize(
    ("name", "attachments"),
    [
        ("alternative_with_inline_image_in_related", [("2.3", "unused.png", "image/png", 4)]),
        ("uuencoded_file_in_text", [("1.1", "cat.txt", "application/octet-stream", 3)]),
        ("attachment_between_two_texts", [("2", "form.pdf", "application/pdf", 4)]),
        ("signature_part_is_no_attachment", []),
    ],
)
def test_attachments_are_listed_with_their_numbers(name: str, attachments: list[tuple[str, str, str, int]]) -> None:
    facts = read(name)
    assert [(a.part, a.name, a.media_type) for a in facts.attachments] == [a[:3] for a in attachments]
    assert all(abs(a.size_bytes - size[3]) <= 3 for a, size in zip(facts.attachments, attachments, strict=True))


def test_header_fields_that_are_not_quite_right() -> None:
    assert read("raw_latin_1_in_header").subject == "für Grüße"
    assert read("date_is_in_no_calendar").date_ms is None
    assert read("mbox_line_before_the_header").subject == "mbox"


@pytest.mark.parametrize(
    ("lines", "automatic", "auto_submitted"),
    [
        (("From: a@b.example",), Automatic.PERSON, False),
        (("Auto-Submitted: no",), Automatic.PERSON, False),
        (("Auto-Submitted: auto-replied; owner-email=x",), Automatic.AUTOMATIC, True),
        (("Auto-Submitted: (vacation) auto-generated",), Automatic.AUTOMATIC, True),
        (("Precedence: bulk",), Automatic.AUTOMATIC, True),
        (("X-Auto-Response-Suppress: All",), Automatic.AUTOMATIC, True),
        (("X-Autoreply: yes",), Automatic.AUTOMATIC, True),
        (("List-Id: Eltern <eltern.example.org>",), Automatic.LIST, False),
        (("Precedence: list",), Automatic.LIST, False),
        (("From: MAILER-DAEMON",), Automatic.REPORT, False),
        (("From: postmaster@b.example", "Subject: Undeliverable: x"), Automatic.REPORT, False),
        (("From: postmaster@b.example", "Subject: Hello"), Automatic.PERSON, False),
        (("Content-Type: multipart/report; boundary=b",), Automatic.REPORT, False),
        (("X-Failed-Recipients: a@b",), Automatic.REPORT, False),
    ],
)
def test_who_wrote_a_message_is_read_from_its_header(
    lines: tuple[str, ...], automatic: Automatic, auto_submitted: bool
) -> None:
    facts = of(*lines, "", "body")
    assert (facts.automatic, facts.auto_submitted) == (automatic, auto_submitted)


def test_the_list_id_is_what_stands_in_brackets() -> None:
    assert of("List-Id: Eltern <Eltern.Example.org>", "", "").list_id == "eltern.example.org"


def test_references_are_the_first_and_the_newest_without_doubles() -> None:
    references = " ".join(f"<{n}@x>" for n in [*range(50), 3])
    facts = of(f"References: {references}", "In-Reply-To: <50@x> <50@x>", "Message-ID: <49@x>", "", "")
    assert facts.references == ("0@x", *(f"{n}@x" for n in [*range(21, 49), 50]))
    assert len(facts.references) == 30


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (("Message-ID: <a@b>",), "a@b"),
        (("Message-ID: <a@", " b>"), "a@b"),
        (("Message-ID: a@b",), "a@b"),
        (("Message-ID: (x) <a@b> <c@d>",), "a@b"),
        (("Message-ID: ",), None),
        (("Subject: none",), None),
    ],
)
def test_the_message_id_is_read_without_its_brackets(lines: tuple[str, ...], key: str | None) -> None:
    assert of(*lines, "", "").message_key == key


def test_more_addresses_than_the_limit_make_the_message_source_only() -> None:
    facts = facts_of(b"Subject: x\nTo: a@b,c@d,e@f\n\nbody", Limits(addresses=2))
    assert (facts.source_only, len(facts.to), facts.subject, facts.text) == ("addresses", 2, "x", "body")


def test_more_attachments_than_a_list_shows_make_the_message_source_only() -> None:
    part = b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n"
    facts = facts_of(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 600 + b"--b--")
    assert (facts.source_only, len(facts.attachments)) == ("parts", 500)


def test_text_is_at_most_a_million_characters() -> None:
    facts = facts_of(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b\r\n\r\n" + b"x" * 400_000 + b"\r\n") * 4
    )
    assert len(facts.text) == 1_000_000


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _texts(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))


@given(content=st.binary(max_size=400))
@example(content=b"\\x00")
@settings(max_examples=200, deadline=None)
def test_any_octets_have_facts_that_can_be_stored(content: bytes) -> None:
    for lead in (
        b"",
        b"Content-Type: text/html\n\n",
        b"From: ",
        b"Subject: =?utf-7?b?",
        b"Content-Type: multipart/x; boundary=",
    ):
        facts = facts_of(lead + content)
        texts = "".join(_texts((replace(facts, fields=()), [(field.key, field.value) for field in facts.fields])))
        assert "\0" not in texts
        texts.encode()
        assert pickle.loads(pickle.dumps(facts, 5)) == facts
        assert len(facts.excerpt) <= 160


FOR_RULES = (
    "subject", "senders", "references", "automatic", "auto_submitted", "list_id", "attachments", "text", "fields",
    "size_bytes", "source_only",
)  # fmt: skip
_ADDRESSES = st.lists(
    st.sampled_from(["a@b.example", '"x, y" <c@d.example>', ",", ";", "g: a@b;", "(", '"', "x"]), max_size=9
)


def _addressed(to: list[str], cc: list[str], rest: bytes) -> bytes:
    return f"To: {' '.join(to)}\nCc: {','.join(cc)}\nReply-To: x@y.example\n".encode() + rest


_LISTED = st.builds(_addressed, _ADDRESSES, _ADDRESSES, st.binary(max_size=200))


def _same_for_rules(content: bytes, limits: Limits, *, null_path: bool) -> None:
    whole = facts_of(content, limits, null_path=null_path)
    brief = facts_for_rules(content, limits, null_path=null_path)
    assert [getattr(brief, name) for name in FOR_RULES] == [getattr(whole, name) for name in FOR_RULES]


@pytest.mark.parametrize("null_path", [False, True])
def test_what_is_read_for_rules_alone_is_what_is_read_of_the_whole(null_path: bool) -> None:
    files = sorted(MESSAGES.glob("*.eml"))
    assert len(files) > 20
    for path in files:
        for limits in (Limits(), Limits(addresses=3, parts=2, depth=1)):
            _same_for_rules(path.read_bytes(), limits, null_path=null_path)


@settings(max_examples=300, deadline=None)
@given(content=st.one_of(st.binary(max_size=500), _LISTED), addresses=st.integers(1, 5), null_path=st.booleans())
def test_whatever_the_octets_rules_are_told_the_same(content: bytes, addresses: int, null_path: bool) -> None:
    _same_for_rules(content, Limits(addresses=addresses), null_path=null_path)
