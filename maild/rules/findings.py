"""What is found wrong in a rules file: the codes, the collector, and the nearest right word.

Each code has a section of its own in docs/diagnostics.md; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Protocol

from maild.errors import Diagnostic, Said, said

MAX_FINDINGS = 1_000
# How other programs' rules call what has another name here.
_ELSEWHERE = {
    "action": "then",
    "actions": "then",
    "do": "then",
    "if": "when",
    "condition": "when",
    "conditions": "when",
    "except": "unless",
    "recipient": "to",
    "body": "text",
    "fileinto": "deliver",
    "move": "deliver",
    "cc": "copy",
    "label": "tag",
    "equals": "is",
    "startswith": "starts",
    "endswith": "ends",
    "glob": "matches",
}


class Code(StrEnum):
    """Stable names of findings."""

    # The text
    UNREADABLE = "unreadable-file"
    SYNTAX = "syntax"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    ALIAS = "alias"
    TAG = "tag"
    DUPLICATE_KEY = "duplicate-key"
    # The shape
    WRONG_KIND = "wrong-kind"
    MISSING_KEY = "missing-key"
    UNKNOWN_KEY = "unknown-key"
    UNKNOWN_VALUE = "unknown-value"
    EMPTY = "empty"
    # Single values
    BAD_NAME = "bad-name"
    BAD_ADDRESS = "bad-address"
    BAD_DOMAIN = "bad-domain"
    BAD_DATE = "bad-date"
    BAD_HOURS = "bad-hours"
    BAD_SIZE = "bad-size"
    BAD_REGEX = "bad-regex"
    BAD_PLACEHOLDER = "bad-placeholder"
    BAD_PLACE = "bad-place"
    BAD_REJECT = "bad-reject"
    # What parts say of each other
    UNKNOWN_TEAM = "unknown-team"
    UNKNOWN_LIST = "unknown-list"
    UNKNOWN_TEMPLATE = "unknown-template"
    UNKNOWN_ADDRESS = "unknown-address"
    UNKNOWN_DOMAIN = "unknown-domain"
    UNKNOWN_RULE = "unknown-rule"
    ADDRESS_CONFLICT = "address-conflict"
    RESERVED_ADDRESS = "reserved-address"
    DUPLICATE_RULE = "duplicate-rule"
    CYCLE = "cycle"
    FORWARD_LOOP = "forward-loop"
    LIST_FILE = "list-file"
    REJECT_TOO_LATE = "reject-too-late"
    REJECT_AND_MORE = "reject-and-more"
    SAMPLE_FILE = "sample-file"
    FAILED_TEST = "failed-test"
    # Warnings
    YAML_1_1 = "yaml-1.1"
    UNUSED_TEAM = "unused-team"
    UNUSED_LIST = "unused-list"
    UNUSED_TEMPLATE = "unused-template"
    SHADOWED = "shadowed"
    SAME_CONDITIONS = "same-conditions"
    NEGATION_IN_ANY = "negation-in-any"
    EXPIRED = "expired"
    NO_HOURS = "no-hours"
    REJECT_BEHIND = "reject-behind"
    # What the rules and the people say of each other
    UNREAD_TEAM = "unread-team"


@dataclass(frozen=True, slots=True)
class Spot:
    """A place without a node."""

    line: int
    column: int


class Place(Protocol):
    """Whatever has a place in the file: line and column from 1."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Written(Place, Protocol):
    """A place with an extent: from `begin` to `end`, in characters of the source."""

    @property
    def begin(self) -> int: ...
    @property
    def end(self) -> int: ...


class Findings:
    """Collects diagnostics of one file, in any order; `sorted` gives them by place."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.source = ""  # what is being read, as far as it is known
        self._seen: set[Diagnostic] = set()
        self._spoilt: set[tuple[int, int]] = set()

    def error(self, place: Place, code: Code, text: Said) -> None:
        if not self.spoilt(place):
            self._add(place, "error", code, text)

    def spoil(self, place: Place) -> None:
        """Take no further error at a place where no value stands: one mistake is told once."""
        self._spoilt.add((place.line, place.column))

    def spoilt(self, place: Place) -> bool:
        return (place.line, place.column) in self._spoilt

    def within(self, written: Written, part: str, before: str) -> Place:
        """Return where a part of a scalar stands; the scalar's own place where it was written otherwise than it reads.

        Args:
            written: the scalar.
            part: the piece of its text.
            before: the text before that piece.
        """
        at = written.begin - len(part)
        for _ in range(before.count(part) + 1):
            at = self.source.find(part, at + len(part), written.end)
            if at < 0:
                return written
        line = written.line + self.source.count("\n", written.begin, at)
        if line == written.line:
            return Spot(line, written.column + at - written.begin)
        return Spot(line, at - self.source.rfind("\n", 0, at))

    def warning(self, place: Place, code: Code, text: Said) -> None:
        self._add(place, "warning", code, text)

    def _add(self, place: Place, severity: str, code: Code, text: Said) -> None:
        found = Diagnostic(
            path=self.path,
            line=place.line,
            column=place.column,
            severity=severity,
            code=code.value,
            text=one_line(str(text)),
            said=text,
        )
        # A text that is read twice (a list that two rules name) complains once. Security: a file of half a million
        # mistakes is not worth half a million lines.
        if len(self._seen) < MAX_FINDINGS or (severity == "error" and not self.refused):
            self._seen.add(found)

    @property
    def refused(self) -> bool:
        return any(found.severity == "error" for found in self._seen)

    def sorted(self) -> tuple[Diagnostic, ...]:
        return tuple(sorted(self._seen, key=lambda d: (d.line, d.column, d.severity, d.code, d.text)))


class UnusableError(ValueError):
    """A file that the rules name cannot be used; the reason goes on from its name."""

    def __init__(self, reason: Said) -> None:
        super().__init__(str(reason))
        self.reason = reason


def reason_of(error: OSError | ValueError) -> Said:
    """Return why a file could not be read."""
    if isinstance(error, UnusableError):
        return error.reason
    return said((error.strerror if isinstance(error, OSError) else None) or str(error))


def one_line(text: str) -> str:
    """Return a text without what would break its line."""
    # Security: a diagnostic is a line of a log and of a terminal; what it quotes must not make another.
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def quoted(text: str) -> str:
    """Quote what the author wrote, cut to a readable length."""
    return f"'{text}'" if len(text) <= 60 else f"'{text[:59]}…'"


def likeliest(word: str, known: Iterable[str]) -> str | None:
    """Return the likeliest of the known words; None: it resembles none."""
    words = list(known)
    meant = _ELSEWHERE.get(word.lower())
    found = [meant] if meant in words else get_close_matches(word[:100], words, n=1, cutoff=0.6)
    return found[0] if found else None


def meaning(word: str | None) -> Said:
    """Ask whether this word was meant, at the end of a sentence; None: nothing is asked."""
    return said("") if word is None else said("; did you mean '%(word)s'?", word=word)


def nearest(word: str, known: Iterable[str]) -> Said:
    """Return `; did you mean 'x'?` for the likeliest of the known words, or nothing."""
    return meaning(likeliest(word, known))


def choice(known: Iterable[str]) -> Said:
    """Write a choice for a sentence: a, b or c."""
    *words, last = known
    return (
        said("%(words)s or %(last)s", words=", ".join(words), last=last)
        if words
        else Said("%(last)s", (("last", last),))
    )
