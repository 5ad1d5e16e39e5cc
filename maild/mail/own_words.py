"""What somebody wrote themselves, without what their mail program put around it: quotations, signatures, footers.

Promises: pure; linear; what is cut is counted, so that it can be told.

Interop: the forms of Outlook, Thunderbird, Apple Mail, Gmail and telephones, in German and English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONGEST_LINE = 1_000
_ABOVE = 3  # lines that one introduction is broken into
_DATE = r"\d{1,2}[.:/\-]\s?\d{1,2}|\d{4}-\d{2}-\d{2}|\d{1,2}\.? [^\W\d]{3,9}"
_SAID = re.compile(
    r"(?:am|on|le|den)\b.{3,300}\b(?:schrieb|geschrieben|wrote|a écrit)\b.{0,300}:"
    r"|.{2,200}\b(?:schrieb|wrote)\b.{0,20}(?:" + _DATE + r").{0,200}:",
    re.IGNORECASE,
)
_DIVIDER = re.compile(
    r"[-_]{2,40}\s?(?:original message|ursprüngliche nachricht|original-?nachricht|forwarded message|reply message"
    r"|weitergeleitete nachricht|antwortnachricht)\s?[-_]{0,40}",
    re.IGNORECASE,
)
_RULE = re.compile(r"_{10,}|-{10,}")
_AUTHOR = re.compile(r"\*?(?:von|from)\s?:\*?\s?.{1,300}", re.IGNORECASE)
_BELOW_AUTHOR = re.compile(
    r"\*?(?:gesendet|datum|an|cc|kopie|betreff|sent|date|to|subject|antwort an|reply-to)\s?:\*?(?:\s.*)?", re.IGNORECASE
)
_FOOTER = re.compile(
    r"(?:von meine[mr]? .{2,40} gesendet|gesendet (?:von|mit) .{2,60}"
    r"|sent (?:from|with|via) (?:my |outlook|mail |the |proton|samsung|yahoo|gmx).{0,60}"
    r"|diese (?:e-?mail|nachricht) wurde von (?:meinem|einem) .{2,60} gesendet\.?|get outlook for .{2,20}"
    r"|outlook für (?:ios|android) (?:beziehen|herunterladen|abrufen)|holen sie sich outlook für .{2,20})"
    r"(?:\s?<[^<>]*>)?\.?",
    re.IGNORECASE,
)
_BLANK = "\u200b\ufeff\u00ad\u2060"
_QUOTE_BEGIN = re.compile(r"<blockquote(?=[\s>])", re.IGNORECASE)
_QUOTE_TAG = re.compile(r"<(/?)blockquote(?:\s[^<>]*)?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWords:
    """What is left, and how many lines were cut as quotations, and as signature or footer."""

    text: str
    quoted: int = 0
    footer: int = 0


def own_words(text: str) -> OwnWords:
    """Cut a text."""
    lines = [line.rstrip().strip(_BLANK) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    kept: list[str] = []
    quoted = footer = number = 0
    while number < len(lines):
        line = lines[number]
        if _is_mark(line):
            number, quoted = number + 1, quoted + 1
        elif length := _introduction(lines, number):
            quoted, number = quoted + length, number + length
        elif _ends_here(lines, number):
            quoted += sum(1 for each in lines[number:] if each.strip())
            break
        elif line in ("--", "-- ", "—"):
            end = signature_end(lines, number)
            footer += sum(1 for each in lines[number + 1 : end] if each.strip())
            number = end
        elif _FOOTER.fullmatch(line.strip()[:200]):
            footer, number = footer + 1, number + 1
        else:
            kept.append(line)
            number += 1
    return OwnWords(text=_tidied(kept), quoted=quoted, footer=footer)


def without_quotations(source: str) -> str:
    """Return HTML in which each `blockquote` is one line that is marked as quoted; one that is not closed ends it."""
    if _QUOTE_BEGIN.search(source) is None:
        return source
    pieces: list[str] = []
    at = depth = 0
    for tag in _QUOTE_TAG.finditer(source):
        if not tag[1]:
            if depth == 0:
                pieces += [source[at : tag.start()], "<p>&gt;</p>"]
            depth += 1
        elif depth:
            depth -= 1
            at = tag.end()
    return "".join(pieces) + ("" if depth else source[at:])


def _is_mark(line: str) -> bool:
    return line.lstrip().startswith(">")


def _introduction(lines: list[str], number: int) -> int:
    """Return of how many lines the introduction of a marked quotation consists that begins here; 0: of none."""
    if not lines[number].strip():
        return 0
    said = ""
    for length in range(1, _ABOVE + 1):
        if number + length > len(lines) or not lines[number + length - 1].strip():
            return 0
        said = f"{said} {lines[number + length - 1].strip()}".strip()
        if len(said) > _LONGEST_LINE:
            return 0
        if said.endswith(":") and _SAID.fullmatch(said):
            return length if _is_followed_by_marks(lines, number + length) else 0
    return 0


def _is_followed_by_marks(lines: list[str], number: int) -> bool:
    following = next((line for line in lines[number : number + 3] if line.strip()), "")
    return _is_mark(following)


def _ends_here(lines: list[str], number: int) -> bool:
    """Tell whether all from here on is a quotation without marks."""
    line = lines[number].strip()
    if not line or len(line) > _LONGEST_LINE:
        return False
    if _DIVIDER.fullmatch(line):
        return True
    if _RULE.fullmatch(line):
        return _is_header(lines, _next(lines, number + 1))
    return _is_header(lines, number) or _is_bare_introduction(lines, number)


def _is_header(lines: list[str], number: int) -> bool:
    """Tell whether the header of a letter stands here, as Outlook writes it: Von, Gesendet, An, Betreff."""
    if number >= len(lines) or not _AUTHOR.fullmatch(lines[number].strip()[:_LONGEST_LINE]):
        return False
    below = [line.strip() for line in lines[number + 1 : number + 12] if line.strip()][:6]
    return sum(1 for line in below if _BELOW_AUTHOR.fullmatch(line[:_LONGEST_LINE])) >= 2


def _is_bare_introduction(lines: list[str], number: int) -> bool:
    """Tell whether somebody is named here, with an address, as the author of what follows."""
    said = ""
    for line in lines[number : number + _ABOVE]:
        if not line.strip():
            return False
        said = f"{said} {line.strip()}".strip()
        if len(said) > _LONGEST_LINE:
            return False
        if said.endswith(":"):
            return "@" in said and _SAID.fullmatch(said) is not None
    return False


def _next(lines: list[str], number: int) -> int:
    while number < len(lines) and not lines[number].strip():
        number += 1
    return number


def signature_end(lines: list[str], number: int) -> int:
    """Return where a signature ends: at a quotation below it, else with the text."""
    for at in range(number + 1, len(lines)):
        if _is_mark(lines[at]) or _introduction(lines, at) or _ends_here(lines, at):
            return at
    return len(lines)


def _tidied(lines: list[str]) -> str:
    text = "\n".join(lines).strip("\n")
    return re.sub(r"\n{4,}", "\n\n\n", text) + "\n" if text.strip() else ""
