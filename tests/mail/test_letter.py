from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.letter import attachment_name, letter_parts
from maild.mail.message import parse

MESSAGES = Path(__file__).parent.parent / "messages"
TYPES = ["mixed", "alternative", "related", "signed", "encrypted", "report", "digest", "unheard-of"]
LEAVES = ["text/plain", "text/html", "image/png\nContent-ID: <a>", "application/ms-tnef", "message/rfc822", "x"]


def described(name: str) -> str:
    """Tell in a line what a message shows."""
    letter = letter_parts(parse((MESSAGES / f"{name}.eml").read_bytes()))
    sections = " + ".join(
        "/".join(p.path for p in section.plain) + "|" + "/".join(p.path for p in section.html)
        for section in letter.sections
    )
    beside = {
        "related": [p.path for p in letter.related],
        "attached": [attachment_name(p) for p in letter.attachments],
        "signed": [p.path for p in letter.signatures],
        "note": letter.note,
    }
    return " ".join([sections, *(f"{key}={value}" for key, value in beside.items() if value)]).strip()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report_with_returned_message", "1| attached=['part-2.txt', 'message-3.eml']"),
        ("signature_part_is_no_attachment", "1| signed=['2']"),
        ("only_a_winmail_dat", "attached=['winmail.dat'] note=tnef"),
        ("smime_encrypted_without_text", "attached=['smime.p7m'] note=smime-encrypted"),
        ("smime_signed_opaque", "attached=['smime.p7m'] note=smime-signed"),
        ("pgp_encrypted", "attached=['part-1', 'encrypted.asc'] note=pgp-encrypted"),
        ("alternative_with_inline_image_in_related", "1|2.1 related=['2.2', '2.3']"),
        ("attachment_between_two_texts", "1| + 3| attached=['form.pdf']"),
        ("plain_alternative_is_empty", "1|2"),
        ("boundary_parameter_is_missing", "1|"),
        ("boundary_never_appears", "TEXT|"),
        ("closing_delimiter_is_missing", "1| + 2|"),
        ("uuencoded_file_in_text", "1| attached=['cat.txt']"),
        ("enclosed_message_is_none", "1| attached=['message-2.eml']"),
        ("text_part_with_a_name_is_attached", "1| attached=['list.txt']"),
        ("calendar_in_alternative", "1| attached=['part-2.ics']"),
        ("two_content_types_in_one_part", "1|"),
        ("richest_alternative_is_last", "1|3"),
        ("nothing_at_all", "1|"),
        ("nothing_but_a_header", "1|"),
    ],
)
def test_a_message_is_sorted_into_letter_and_attachments(name: str, expected: str) -> None:
    assert described(name) == expected


def build(tree: object, depth: int = 0) -> str:
    if isinstance(tree, str):
        return f"Content-Type: {tree}\n\nSubject: x\n\nbody"
    kind, children = tree if isinstance(tree, tuple) else ("mixed", [])
    inner = "".join(f"\n--b{depth}\n{build(child, depth + 1)}" for child in children)
    return f"Content-Type: multipart/{kind}; boundary=b{depth}\n\n{inner}\n--b{depth}--\n"


trees = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.tuples(st.sampled_from(TYPES), st.lists(inner, min_size=1, max_size=4)),
    max_leaves=12,
)


@given(tree=trees)
@settings(max_examples=150, deadline=None)
def test_no_part_with_content_is_lost_but_a_second_rendering(tree: object) -> None:
    message = parse(build(tree).encode())
    letter = letter_parts(message)
    shown = {p.path for s in letter.sections for p in (*s.plain, *s.html)}
    shown |= {p.path for p in (*letter.attachments, *letter.related, *letter.signatures)}
    assert shown or letter.note
    within = [message.root]
    while within:
        part = within.pop()
        if part.path in shown or part.media_type in ("multipart/alternative", "multipart/encrypted"):
            continue
        assert part.is_multipart
        within += part.children
