"""Putting a test at the end of `tests` in the text of a rules file; every other line stays as it is, octet by octet."""

from __future__ import annotations

import re

_TOP = re.compile(r"""["']?tests["']?[ \t]*:[ \t]*(?P<rest>.*)""")
_NOTHING = re.compile(r"(?:\[[ \t]*\]|~|null)?[ \t]*(?P<comment>#.*)?")
_ITEM = re.compile(r"(?P<indent>[ \t]*)-(?:[ \t]|$)")
_DEPTH = "  "  # of entries, where there is none to go by


class UnfitError(ValueError):
    """The text's `tests` are written in a way that nothing can be put behind."""


def appended(source: str, entry: str) -> str:
    """Return the text of a rules file with an entry at the end of its `tests`, a section that is made if need be.

    Args:
        source: of the rules file.
        entry: an item of a list in lines, the first of which begins with `- `.

    Raises:
        UnfitError: `tests` stand in one line: `tests: [{…}]`.
    """
    end = "\r\n" if "\r\n" in source else "\n"
    lines = re.findall(r"[^\n]*\n|[^\n]+", source)
    at = next((number for number, line in enumerate(lines) if _TOP.match(line)), None)
    if at is None:
        return _closed(source, end) + _block(["tests:", *_indented(entry, _DEPTH)], end)
    found = _TOP.match(lines[at].rstrip("\r\n"))
    rest = found["rest"] if found is not None else ""
    empty = _NOTHING.fullmatch(rest)
    if empty is None:
        raise UnfitError("the tests stand in one line; put each into lines of its own first")
    last = _last_of(lines, at)
    if last == at and rest != (empty["comment"] or ""):
        comment = f"  {empty['comment']}" if empty["comment"] else ""
        lines[at] = f"tests:{comment}{end}"
    indents = [item["indent"] for line in lines[at + 1 : last + 1] if (item := _ITEM.match(line)) is not None]
    new = _block(_indented(entry, indents[0] if indents else _DEPTH), end)
    return _closed("".join(lines[: last + 1]), end) + new + "".join(lines[last + 1 :])


def _last_of(lines: list[str], at: int) -> int:
    """Return the last line that belongs to the section which begins at a line."""
    last = at
    for number in range(at + 1, len(lines)):
        line = lines[number].rstrip("\r\n")
        if line.strip() == "":
            continue
        if line[0] in " \t" or _ITEM.match(line) is not None:
            last = number
        elif not line.startswith("#"):
            break
    return last


def _indented(entry: str, indent: str) -> list[str]:
    return [indent + line if line else line for line in entry.rstrip("\n").split("\n")]


def _block(lines: list[str], end: str) -> str:
    return "".join(line + end for line in lines)


def _closed(text: str, end: str) -> str:
    return text if not text or text.endswith("\n") else text + end
