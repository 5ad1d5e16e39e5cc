"""The signature below a letter: put there when writing begins, exchanged with the sender, left out of quotations.

Promises: pure; linear. A signature that somebody has changed is theirs, and is neither exchanged nor taken away.

Source: RFC 3676 §4.3 for the line `-- `.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from maild.mail.own_words import signature_end

DELIMITER = "-- "
_LONGEST = 15  # lines; what is longer below a `--` is no signature, and is quoted
_MOST = 50  # of one letter
_MARKS = re.compile(r"(?:>[ \t]?)*")


def signed(signature: str) -> str:
    """Return a signature below its line; nothing for none."""
    return f"{DELIMITER}\n{signature}" if signature else ""


def beginning(signature: str, quoted: str = "") -> str:
    """Return what a letter's text begins with: room to write, the signature, the quotation."""
    blocks = [block for block in (signed(signature), quoted) if block]
    return "".join(f"\n\n{block}" for block in blocks) + "\n" if blocks else ""


def ended(text: str, signature: str) -> str:
    """Return what somebody wrote elsewhere with the signature below it; nothing for a letter of files alone."""
    return f"{text.rstrip()}\n\n{signed(signature)}\n" if signature and text.strip() else text


def exchanged(text: str, others: Iterable[str], signature: str) -> str:
    """Return a text in which the signature of another sender, as it was put there, is this one."""
    # Of two that begin alike the longer one was put there.
    for other in sorted({signed(each) for each in others} - {"", signed(signature)}, key=len, reverse=True):
        at = _find(text, other)
        if at is not None:
            rest = text[at + len(other) :]
            return text[:at] + signed(signature) + rest if signature else text[:at].rstrip("\n") + "\n" + rest
    return text


def unsigned(text: str, signature: str) -> str:
    """Return a text without the signature that was put below it; a changed one stays."""
    block = signed(signature)
    at = _find(text, block) if block else None
    return text if at is None else text[:at].rstrip("\n") + "\n" + text[at + len(block) :]


def above(text: str, signature: str, quoted: str) -> int:
    """Return where somebody's own words end: before the signature and the quotation, where these still stand."""
    ends = [at for block in (signed(signature), quoted) if block and (at := _find(text, block)) is not None]
    return min(ends, default=len(text))


def _find(text: str, block: str) -> int | None:
    """Return where a block stands that begins and ends with its lines."""
    at = text.find(block)
    while at >= 0:
        if text[at - 1 : at] in ("", "\n") and text[at + len(block) :][:1] in ("", "\n"):
            return at
        at = text.find(block, at + 1)
    return None


def without_signatures(text: str) -> str:
    """Return a letter without the signatures below `-- `: that of the letter, and those in what it quotes."""
    lines = text.split("\n")
    if not any(line.rstrip().endswith("--") for line in lines):
        return text
    kept: list[str] = []
    number = begun = 0
    while number < len(lines):
        marks = _marks(lines[number])
        if begun == _MOST or not _is_delimiter(lines[number], marks):
            end = None
        else:
            end, begun = _end(lines, number, marks), begun + 1
        if end is None:
            kept.append(lines[number])
            number += 1
            continue
        while kept and kept[-1].strip() == marks.strip():
            kept.pop()
        if end < len(lines):
            kept.append(marks.rstrip())
        number = end
    return "\n".join(kept)


def _is_delimiter(line: str, marks: str) -> bool:
    # In quotations blanks at the end of a line get lost; elsewhere `--` alone is a line that somebody drew.
    content = line[len(marks) :]
    return content == DELIMITER or (">" in marks and content.rstrip() == "--")


def _end(lines: list[str], number: int, marks: str) -> int | None:
    """Return where the signature ends that begins in a line; None for one that is too long to be one."""
    deep = marks.count(">")
    seen: list[str] = []
    for line in lines[number : number + _LONGEST + 5]:
        inner = _marks(line)
        if inner.count(">") < deep:
            break
        seen.append(">" * (inner.count(">") - deep) + line[len(inner) :])
    length = signature_end(seen, 0)
    return number + length if length <= _LONGEST else None


def _marks(line: str) -> str:
    found = _MARKS.match(line)
    return found[0] if found is not None else ""
