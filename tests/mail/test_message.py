from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.header import Limits
from maild.mail.message import Message, Part, decoded, fields_of, parse, text

MESSAGES = Path(__file__).parent.parent / "messages"
FRAGMENTS = [
    b"Subject: x", b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: multipart/mixed; boundary=bb",
    b"Content-Type: multipart/digest; boundary=", b"Content-Type: message/rfc822", b"Content-Type: text/html",
    b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"--b", b"--b--", b"--bb",
    b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" folded", b"QUJD=", b"=C3=BC=", b"\xfc", b"\xc3\xbc", b"\0",
    b"begin 644 x\n", b"#86)C\n", b"end\n", b"Content-Type: text/plain; charset=utf-7", b"+2AA-", b"=?utf-8?b?/w==?=",
]  # fmt: skip
octets = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join))


def outline(part: Part) -> str:
    inner = ", ".join(outline(child) for child in part.children)
    return f"{part.path} {part.media_type}" + (f" ({inner})" if inner else "")


def message(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


@given(content=octets)
@settings(max_examples=400, deadline=None)
def test_any_octets_are_a_message_whose_ranges_lie_within_them(content: bytes) -> None:
    found = parse(content)
    for part in found.root.walk():
        ranges = (0, part.header_start, part.header_end, part.body_start, part.body_end, len(content))
        assert list(ranges) == sorted(ranges)
        for child in part.children:
            assert part.body_start <= child.header_start
            assert child.body_end <= part.body_end
        decoded(content, part)
        for field in fields_of(content, part):
            assert field.value.encode().count(b"\0") == field.value.count("\n") == 0
        assert "\0" not in text(content, part).encode().decode()


@given(content=octets)
@settings(max_examples=200, deadline=None)
def test_part_numbers_are_unique(content: bytes) -> None:
    paths = [part.path for part in parse(content).root.walk()]
    assert len(paths) == len(set(paths))


@given(content=octets, depth=st.integers(1, 4), parts=st.integers(1, 6), fields=st.integers(0, 4))
@settings(max_examples=200, deadline=None)
def test_no_limit_is_exceeded(content: bytes, depth: int, parts: int, fields: int) -> None:
    found = parse(content, Limits(depth=depth, parts=parts, fields=fields))
    assert len(list(found.root.walk())) <= parts
    assert len(found.fields) <= fields
    assert depth_of(found.root) <= depth


def depth_of(part: Part) -> int:
    return 1 + max((depth_of(child) for child in part.children if not part.pasted), default=0)


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r"])
def test_line_ends_of_every_kind_give_the_same_parts(line_end: bytes) -> None:
    content = message(
        "Subject: x", "Content-Type: multipart/mixed;", " boundary=b", "", "preamble", "--b", "", "first", "line",
        "--b", "Content-Type: text/html", "", "<p>second</p>", "--b--", "epilogue",
    ).replace(b"\r\n", line_end)  # fmt: skip
    found = parse(content)
    assert outline(found.root) == "TEXT multipart/mixed (1 text/plain, 2 text/html)"
    assert [text(content, part) for part in found.root.children] == ["first\nline", "<p>second</p>"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("Subject: x", "", "body"), "1 text/plain"),
        (("Content-Type: IMAGE/PNG", "", "body"), "1 image/png"),
        (("Content-Type: text", "", "body"), "1 text/plain"),
        (("Content-Type: nonsense here", "", "body"), "1 text/plain"),
        (
            ("Content-Type: message/rfc822", "", "Subject: y", "", "body"),
            "1 message/rfc822 (1.1 text/plain)",
        ),
        (
            ("Content-Type: message/rfc822", "", "Content-Type: multipart/mixed; boundary=b", "", "--b", "", "--b--"),
            "1 message/rfc822 (1.TEXT multipart/mixed (1.1 text/plain))",
        ),
        (
            ("Content-Type: multipart/digest; boundary=b", "", "--b", "", "Subject: y", "", "x", "--b--"),
            "TEXT multipart/digest (1 message/rfc822 (1.1 text/plain))",
        ),
        (
            ("Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: multipart/mixed; boundary=c", "",
             "--c", "", "x", "--b", "", "y"),
            "TEXT multipart/mixed (1 multipart/mixed (1.1 text/plain), 2 text/plain)",
        ),
        (
            ("Content-Type: multipart/mixed; boundary=b", "", "--bb", "--b", "", "x", "--b-- "),
            "TEXT multipart/mixed (1 text/plain)",
        ),
        (("Content-Type: multipart/mixed; boundary=b", "", "no part"), "TEXT multipart/mixed"),
        (
            ("Content-Type: multipart/mixed", "", "--lost", "Content-Type: text/html", "", "x", "--lost--"),
            "TEXT multipart/mixed (1 text/html)",
        ),
    ],
)  # fmt: skip
def test_the_part_tree_has_the_numbers_of_imap(lines: tuple[str, ...], expected: str) -> None:
    assert outline(parse(message(*lines)).root) == expected


def test_a_part_says_what_its_header_says() -> None:
    content = message(
        "Content-Type: image/png; name=a.png; x=y", "Content-Disposition: ATTACHMENT; filename*=utf-8''%C3%BC.png",
        "Content-Transfer-Encoding: Base64 (really)", "Content-ID: <a@b>", "", "QUJD",
    )  # fmt: skip
    part = parse(content).root
    assert (part.disposition, part.filename, part.encoding, part.content_id) == ("attachment", "ü.png", "base64", "a@b")
    assert (part.parameter("x"), part.parameter("z")) == ("y", None)
    assert decoded(content, part) == b"ABC"


@pytest.mark.parametrize(
    ("lines", "limits", "code"),
    [
        (("a: b",) * 3, Limits(fields=2), "fields"),
        (("a: " + "b" * 50, "", "x"), Limits(field_bytes=20), "header"),
        (("a: b", "c: d", "", "x" * 40), Limits(header_bytes=8), "header"),
        (("Content-Type: a/b; c=d; e=f", "", ""), Limits(parameters=1), "parameters"),
        (("Content-Type: multipart/mixed; boundary=bbb", "", "--bbb"), Limits(boundary_bytes=2), "parameters"),
        (("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "--b", "", "x"), Limits(parts=2), "parts"),
        (("Content-Type: message/rfc822", "", "Subject: x", "", ""), Limits(depth=1), "depth"),
    ],
)
def test_a_broken_limit_is_named_and_the_rest_is_kept(lines: tuple[str, ...], limits: Limits, code: str) -> None:
    found = parse(message(*lines), limits)
    assert found.source_only == code
    assert found.fields or code == "header"


def test_parts_are_found_by_their_number() -> None:
    found = parse((MESSAGES / "report_with_returned_message.eml").read_bytes())
    assert [found.part(path) is not None for path in ("TEXT", "1", "3.1", "4", "")] == [True, True, True, False, False]


@pytest.mark.parametrize("path", sorted(MESSAGES.glob("*.eml")), ids=lambda path: path.stem)
def test_handmade_messages_are_read(path: Path) -> None:
    found = parse(path.read_bytes())
    assert isinstance(found, Message)
    assert found.source_only is None


def test_text_is_cut_at_its_longest() -> None:
    content = b"Content-Type: text/plain; charset=utf-8\n\n" + "ü".encode() * 500
    assert text(content, parse(content).root, 100) == "ü" * 100
