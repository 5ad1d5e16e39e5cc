"""What a condition compares with: each operator holds when any of its values fits any value of the mail.

Values are folded (`maild.mail.address.fold`) when the rules are loaded, the mail's when they are read, so that a
comparison here is one of plain text. `Regex` alone looks at text that is normalised but not folded, and ignores
case by itself. All patterns run in RE2, in time linear in the text: no subject can stall the daemon.

Source: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2

from maild.rules.wordlist import FEW, Edges, WordList

CACHED_PATTERNS = 8192  # of one file, at most: they are compiled once in each process
_GLOB = {"*": ".*", "?": "."}

PatternError = re2.error


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    values: frozenset[str]

    def holds(self, values: tuple[str, ...]) -> bool:
        return not self.values.isdisjoint(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains:
    values: tuple[str, ...]
    _words: WordList | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_words", WordList(self.values) if len(self.values) > FEW else None)

    def holds(self, values: tuple[str, ...]) -> bool:
        if self._words is not None:
            return self._words.any_in(values)
        for value in values:  # loops, not generators: this is the hot path of every mail
            for wanted in self.values:
                if wanted in value:
                    return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    values: tuple[str, ...]
    _words: Edges | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_words", Edges(self.values) if len(self.values) > FEW else None)

    def holds(self, values: tuple[str, ...]) -> bool:
        if self._words is not None:
            return any(map(self._words.starts, values))
        return any(value.startswith(self.values) for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    values: tuple[str, ...]
    _words: Edges | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_words", Edges(self.values) if len(self.values) > FEW else None)

    def holds(self, values: tuple[str, ...]) -> bool:
        if self._words is not None:
            return any(map(self._words.ends, values))
        return any(value.endswith(self.values) for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Globs over the whole value: `*` any text, `?` one character; nothing else is special."""

    values: tuple[str, ...]

    def holds(self, values: tuple[str, ...]) -> bool:
        return any(compiled(glob(wanted)).fullmatch(value) for value in values for wanted in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex:
    """RE2 expressions, found anywhere in the value, without regard to case."""

    values: tuple[str, ...]

    def holds(self, values: tuple[str, ...]) -> bool:
        return any(compiled(wanted).search(value) for value in values for wanted in self.values)


Test = OneOf | Contains | Starts | Ends | Matches | Regex


def glob(pattern: str) -> str:
    """Translate a glob into an RE2 expression."""
    return "".join(_GLOB.get(c) or re.escape(c) for c in pattern)


@lru_cache(maxsize=CACHED_PATTERNS)
def compiled(pattern: str) -> Any:
    """Compile an RE2 expression once in each process: patterns travel between processes as text.

    Raises:
        PatternError: the linear engine refuses it (look-around, back-references, bad syntax).
    """
    options = re2.Options()
    options.case_sensitive = False
    options.dot_nl = True
    options.log_errors = False
    return re2.compile(pattern, options)  # type: ignore[no-untyped-call]  # re2 ships no types
