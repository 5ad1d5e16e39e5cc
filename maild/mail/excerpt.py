"""The beginning of what a person wrote, for lists: without quotations, greetings of programs and signatures."""

from __future__ import annotations

import re

_LONGEST = 160
_READ = 8000
_QUOTED = (">", "|")
# The line that says whom the quotation below is from. Bounded repeats: the line is a stranger's.
_ATTRIBUTION = re.compile(
    r"(?:on|am|le|op|el|il|den|em|w dniu|dnia)\b.{4,200}(?:wrote|schrieb|a écrit|schreef|escribió|ha scritto|skrev"
    r"|escreveu|napisał\(?a?\)?|pisze)[^:]{0,80}:\s*$|.{3,120}\b(?:wrote|schrieb|writes|schreibt):\s*$",
    re.IGNORECASE,
)
_DIVIDER = re.compile(
    r"-{2,20}\s?(?:original message|ursprüngliche nachricht|original-nachricht|originalnachricht|forwarded message"
    r"|weitergeleitete nachricht|message d'origine|mensaje original)\s?-{0,20}|_{20,}$|begin forwarded message:",
    re.IGNORECASE,
)
_HEADER_LINE = re.compile(r"\*?(?:von|from|de|van|da|od)\s?:\*?\s.{0,200}[@<].{0,200}$", re.IGNORECASE)


def excerpt_of(text: str) -> str:
    """Return at most 160 characters of a text, in one line; of the quotation if there is nothing else."""
    lines = text[:_READ].split("\n")
    return _gather(_own_lines(lines)) or _gather(lines)


def _own_lines(lines: list[str]) -> list[str]:
    own: list[str] = []
    room = _LONGEST
    for number, line in enumerate(lines):
        bare = line.strip()
        if not bare or bare[0] in _QUOTED:
            continue
        if line in ("-- ", "--") or (bare[0] in "-_bB" and _DIVIDER.match(bare)):
            break
        if _is_attribution(bare, lines, number) or _HEADER_LINE.match(bare[:420]):
            break
        own.append(bare)
        room -= len(bare) + 1
        if room <= 0:
            break
    return own


def _is_attribution(line: str, lines: list[str], number: int) -> bool:
    """Tell whether a line, or it and the next, introduce a quotation."""
    if line[-1] == ":":
        return len(line) < 400 and _ATTRIBUTION.match(line) is not None
    follower = lines[number + 1].strip() if number + 1 < len(lines) else ""
    if follower[-1:] != ":" or len(line) + len(follower) > 400:
        return False
    return _ATTRIBUTION.match(f"{line} {follower}") is not None


def _gather(lines: list[str]) -> str:
    pieces: list[str] = []
    size = 0
    for line in lines:
        words = " ".join(line.split())
        if words:
            pieces.append(words)
            size += len(words) + 1
        if size > _LONGEST:
            break
    found = " ".join(pieces)
    if len(found) <= _LONGEST:
        return found
    cut = found[: _LONGEST - 1]
    space = cut.rfind(" ", _LONGEST // 2)
    return (cut[:space] if space > 0 else cut).rstrip() + "…"
