"""Subjects: the sender's words, one prefix before them, and the reference of the conversation behind them.

Promises: pure. A letter that goes to and fro has one prefix and one reference, however often; another house's mark of
the same form is one of the sender's words. In the field of a letter the reference is ASCII by itself, behind the
encoded words: no program can break it, and what a mail program wrote stays octet for octet.

Source: RFC 5322 §3.6.5 ("Re: "); RFC 5256 §2.1 for what prefixes are; RFC 2047 §2, §5.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from maild.mail.header import read_header
from maild.mail.header_writing import marked_text_field
from maild.mail.ids import parse_reference

_REPLY = re.compile(r"\s*(?:re|aw|antw|sv)\s*(?:\[\d{1,3}\])?\s*:", re.IGNORECASE)
_FORWARD = re.compile(r"\s*(?:fwd?|wg)\s*:", re.IGNORECASE)
_MARK = re.compile(r"\s*\[([0-9A-Za-z]{4}-[0-9A-Za-z]{4})\]")
_NAMED = re.compile(r"(?<![\w-])[0-9A-Za-z]{4}-[0-9A-Za-z]{4}(?![\w-])")
_FIELD = re.compile(rb"^subject[ \t]*:[^\n]*+\n", re.IGNORECASE | re.MULTILINE)
_NEXT = re.compile(rb"^(?![ \t])", re.MULTILINE)  # of a pattern for all its lines the memory would be many times theirs
_LINE = 76
_READ_BYTES = 64 * 1024  # of a subject, as of every field
_MOST_NAMED = 5


def answered_subject(subject: str, references: Collection[str] = ()) -> str:
    """Return the sender's words with one `Re:` before them, without the `references` of ours that stand there."""
    return f"Re: {_bare(without(subject, references), _REPLY)}".rstrip()


def forwarded_subject(subject: str, references: Collection[str] = ()) -> str:
    """Return the sender's words with one `Fwd:` before them, without the `references` of ours that stand there."""
    return f"Fwd: {_bare(without(subject, references), _FORWARD)}".rstrip()


def _bare(subject: str, prefix: re.Pattern[str]) -> str:
    while (found := prefix.match(subject)) is not None:
        subject = subject[found.end() :]
    return subject.strip()


def without(subject: str, references: Collection[str]) -> str:
    """Return a subject without those references where they stand in square brackets; all else is as it was."""
    ours = frozenset(references)
    if not ours or "[" not in subject:
        return subject
    return _MARK.sub(lambda mark: "" if parse_reference(mark[1]) in ours else mark[0], subject).strip()


def named_references(subject: str) -> tuple[str, ...]:
    """Return what reads as a reference in a subject, in canonical form, the first few; none of them need exist.

    Security: anybody writes what they like there. It is something to look up for who may see it, and proves nothing.
    """
    found = (parse_reference(each) for each in _NAMED.findall(subject))
    return tuple(dict.fromkeys(each for each in found if each is not None))[:_MOST_NAMED]


def marked_subject(content: bytes, references: Collection[str]) -> bytes:
    """Return a letter of ours with the first of these references at the end of its subject, and no other of them.

    Args:
        content: its header's lines end in CRLF.
        references: in canonical form; that of its conversation first, then those that the letter may still bear.
    """
    reference, *_ = references
    end = content.find(b"\r\n\r\n") + 2
    head = content[:end] if end > 1 else content
    found = _FIELD.search(head)
    if found is None:
        return marked_text_field("Subject", "", f"[{reference}]") + content
    following = _NEXT.search(head, found.end())
    ends = following.start() if following else len(head)
    field = head[found.start() : ends]
    subject = read_header(field, 0, min(len(field), _READ_BYTES), b"\n").fields[0].value
    words, mark = without(subject, references), f"[{reference}]"
    if reference in named_references(words):  # a template says it in words
        new = field if words == subject else marked_text_field("Subject", words, "")
    elif words == subject:
        new = _appended(field, mark)
    elif subject == f"{words} {mark}" and field.rstrip().endswith(mark.encode("ascii")):
        new = field
    else:
        new = marked_text_field("Subject", words, mark)
    return content[: found.start()] + new + content[ends:]


def _appended(field: bytes, mark: str) -> bytes:
    written = field.rstrip()
    last = written.rpartition(b"\n")[2]
    space = b"\r\n " if len(last) + 1 + len(mark) > _LINE and not written.endswith(b":") else b" "
    return written + space + mark.encode("ascii") + b"\r\n"
