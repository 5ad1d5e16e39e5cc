"""How two texts of the rules differ, line by line.

Promise: bounded. Finding the smallest difference of hostile texts takes hours; what was not found before the bound
counts as replaced. Edits of few places are found at once, however long the texts are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher
from itertools import accumulate

_MOST_COMPARISONS = 10_000_000  # about two seconds
_AROUND = 3  # lines shown before and after a change


class LineMatcher(SequenceMatcher[str]):
    """Matches lines with a bound on its work."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, old, new)
        self._old, self._new = old, new
        self._left = _MOST_COMPARISONS
        candidates = self.b2j  # type: ignore[attr-defined]  # documented, and not in the stubs
        self._cost = list(accumulate((1 + len(candidates.get(line, ())) for line in old), initial=0))

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        """Return a longest block of equal lines; an empty one when the work has become too much."""
        old, new = self._old, self._new
        a_end, b_end = len(old) if ahi is None else ahi, len(new) if bhi is None else bhi
        most = min(a_end - alo, b_end - blo)
        # What is the same at both ends is a match whatever lies between, and most of a text that was edited.
        size = next((n for n in range(most) if old[alo + n] != new[blo + n]), most)
        if size:
            return Match(alo, blo, size)
        size = next((n for n in range(most) if old[a_end - 1 - n] != new[b_end - 1 - n]), most)
        if size:
            return Match(a_end - size, b_end - size, size)
        self._left -= self._cost[a_end] - self._cost[alo]
        return Match(alo, blo, 0) if self._left < 0 else super().find_longest_match(alo, a_end, blo, b_end)


def difference(old: str, new: str, old_name: str, new_name: str) -> Iterator[str]:
    """Yield the lines of a unified difference, without their ends."""
    before, after = _lines(old), _lines(new)
    named = False
    for group in LineMatcher(before, after).get_grouped_opcodes(_AROUND):
        if not named:
            yield from (f"--- {old_name}", f"+++ {new_name}")
            named = True
        (_, i, _, j, _), (_, _, i_end, _, j_end) = group[0], group[-1]
        yield f"@@ -{_range(i, i_end)} +{_range(j, j_end)} @@"
        for kind, first, until, new_first, new_until in group:
            if kind == "equal":
                yield from (f" {line}" for line in before[first:until])
                continue
            yield from (f"-{line}" for line in before[first:until])
            yield from (f"+{line}" for line in after[new_first:new_until])


def _range(first: int, until: int) -> str:
    """Write a range of lines as POSIX `diff -u` does."""
    count = until - first
    if count == 1:
        return str(first + 1)
    return f"{first + 1 if count else first},{count}"


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1]:
        return [*lines[:-1], f"{lines[-1]}  (no line end)"]
    return lines[:-1]
