from __future__ import annotations

import binascii

import pytest

from maild.mail.transfer import uuencoded
from maild.mail.uuencode import find_pasted


def pasted(octets: bytes, name: bytes = b"x.bin") -> bytes:
    lines = b"".join(binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45))
    return b"begin 644 " + name + b"\n" + lines + b"`\nend\n"


def test_pasted_files_are_found_and_decoded() -> None:
    text = b"Hello\n" + pasted(b"one" * 40) + b"and\n" + pasted(b"two", b"my file.txt") + b"bye\n"
    first, second = find_pasted(text, 0, len(text), 10)
    assert [first.name, second.name] == [b"x.bin", b"my file.txt"]
    assert [uuencoded(text[f.body_start : f.body_end]) for f in (first, second)] == [b"one" * 40, b"two"]
    assert text[: first.start] + text[first.end : second.start] + text[second.end :] == b"Hello\nand\nbye\n"


@pytest.mark.parametrize(
    "text",
    [
        b"\nbegin 644 x\nThis is a sentence, not a file.\nend\n",
        b"\nbegin at nine\n",
        b"\nbegin 644 x\n",
        b"we begin 644 x\n#86)C\n`\nend\n",
    ],
)
def test_what_only_looks_like_a_file_is_text(text: bytes) -> None:
    assert find_pasted(text, 0, len(text), 10) == []


def test_a_file_without_end_reaches_to_the_end() -> None:
    text = b"\nbegin 644 x\n#86)C\n"
    (found,) = find_pasted(text, 0, len(text), 10)
    assert (found.end, uuencoded(text[found.body_start : found.body_end])) == (len(text), b"abc")


def test_no_more_files_are_found_than_asked_for() -> None:
    text = b"\n" + pasted(b"x") * 5
    assert len(find_pasted(text, 0, len(text), 3)) == 3
