"""Texts of a mail, reduced for a test: to the words that rules looked at, or at least without what names a person.

A reduction never keeps a signature, an address, a telephone number or an account: numbers keep their form alone, so
that an expression which looks for one still finds one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from maild.mail.address import fold
from maild.rules.operators import Contains, Ends, Matches, OneOf, Regex, Starts, Test, compiled

GAP = "…"
_MOST_CHARACTERS = 2_000
_MAIL = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+")
_LINK = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?:[ \u00a0]?[A-Z0-9]{2,4}){3,8}\b", re.IGNORECASE)
_NUMBER = re.compile(r"\+?\(?\d[\d ()/\u00a0.-]{4,}\d")
_CLOSING = re.compile(
    r"^\s*(?:--\s*$|__+\s*$|mit\s+(?:\w+\s+){0,3}gr(?:ü|ue)(?:ß|ss)en|(?:viele|beste|liebe|freundliche|herzliche)\s+gr"
    r"|gr(?:ü|ue)(?:ß|ss)e|hochachtungsvoll|mfg\b|lg\b|vg\b|(?:best|kind|warm)\s+regards|regards\b|sincerely|yours\b"
    r"|cheers\b|gesendet von|sent from)",
    re.IGNORECASE,
)


def masked(text: str, names: Iterable[str]) -> str:
    """Return a text without addresses, links, numbers that reach or pay somebody, and these names."""
    text = _LINK.sub("https://example.org/", _MAIL.sub("a@example.org", text))
    for pattern in (_ACCOUNT, _NUMBER):
        text = pattern.sub(lambda found: re.sub(r"\d", "0", found[0]), text)
    for name in names:
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", GAP, text, flags=re.IGNORECASE)
    return text


def body_of(text: str) -> str:
    """Return what stands before the signature, without quotations, cut to a bearable length."""
    kept: list[str] = []
    for line in text.split("\n"):
        if _CLOSING.match(line):
            break
        if not line.lstrip().startswith(">"):
            kept.append(line.rstrip())
    return "\n".join(kept)[:_MOST_CHARACTERS].strip()


def looked_at(text: str, tests: Iterable[Test]) -> str:
    """Return the words in a text that tests found there, with gaps between them."""
    spans: dict[str, tuple[int, int]] = {}
    first = last = False
    for test in tests:
        for words, at in _found(text, test):
            spans.setdefault(words, (at, at + len(words)))
            first, last = first or isinstance(test, Starts), last or isinstance(test, Ends)
    if not spans:
        return ""
    kept = _without_parts(sorted(spans, key=lambda words: (spans[words], words)))
    before = "" if first or spans[kept[0]][0] == 0 else f"{GAP} "
    after = "" if last or spans[kept[-1]][1] == len(text.strip()) else f" {GAP}"
    return before + f" {GAP} ".join(kept) + after


def lines_looked_at(text: str, tests: Iterable[Test]) -> str:
    """Return the lines of a text in which tests find something."""
    several = tuple(tests)
    found = (line for line in body_of(text).split("\n") if any(_found(line, test) for test in several))
    return "\n".join(found)


def _without_parts(words: list[str]) -> list[str]:
    """Leave out what stands within another."""
    return [word for word in words if not any(word != other and word in other for other in words)]


def _found(text: str, test: Test) -> list[tuple[str, int]]:
    """Return what a test found, as the text has it, and where."""
    folded = fold(text)
    match test:
        case Contains():
            return [_as_written(text, folded, words) for words in test.values if words in folded]
        case Starts():
            return [_as_written(text, folded, words) for words in test.values if folded.startswith(words)]
        case Ends():
            return [_as_written(text, folded, words) for words in test.values if folded.endswith(words)]
        case Regex():
            found = [compiled(pattern).search(text) for pattern in test.values]
            return [(masked(match[0], ()), match.start()) for match in found if match is not None and match[0]]
        case OneOf() | Matches():
            return [(masked(text, ()), 0)] if text and test.holds((folded,)) else []


def _as_written(text: str, folded: str, words: str) -> tuple[str, int]:
    found = re.search(re.escape(words), text, re.IGNORECASE)
    if found is not None and words == fold(found[0]):
        return found[0], found.start()
    return words, folded.find(words)
