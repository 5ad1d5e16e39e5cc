"""Which listed address a misspelt one may have meant, for the text of its refusal.

Names are found by their beginnings with letters left out: two words that are two slips apart have the same beginning
when at most two letters of each are left out. So a question costs a few look-ups, however many addresses there are.

Security: only addresses of the public directory are ever named, so that a refusal tells a stranger nothing new. The
work for one question is bounded, because whoever tries a dictionary asks for hundreds: at most MOST_NAMES names are
known, at most _MOST_SEEN are met for one question (again, where they begin alike), and of those at most
_MOST_COMPARED are compared letter by letter.

Source: Garbe, "1000x faster spelling correction" (2012), for the beginnings with letters left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from maild.mail.address import Address, fold
from maild.rules.model import Ruleset

MOST_NAMES = 2_000
_MOST_SEEN = 3_000
_MOST_COMPARED = 100
_MOST_KEPT = 1_000  # answers kept: the same wrong address is tried again and again
_BEGINNING = 6  # characters


def slips_allowed(length: int) -> int:
    """Return how many slips still leave a name of so many characters recognisable."""
    return 0 if length < 4 else 1 if length < 8 else 2


def is_within(one: str, other: str, slips: int) -> bool:
    """Tell whether one word becomes the other by so many slips at most.

    A slip is a letter too many or too few, another letter, or two neighbours that changed places.
    """
    if one == other:
        return True
    if not slips or abs(len(one) - len(other)) > slips:
        return False
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other, slips = one[at:], other[at:], slips - 1
    return (
        is_within(one[1:], other[1:], slips)
        or is_within(one[1:], other, slips)
        or is_within(one, other[1:], slips)
        or (one[:2] == other[1::-1] and is_within(one[2:], other[2:], slips))
    )


class _Name(NamedTuple):
    """The local part of a listed address, where it holds, and the letters that it is made of."""

    local: str
    domain: str | None
    letters: int

    def may_be(self, letters: int) -> bool:
        """Tell whether two slips can be all that is between this and a word of these letters."""
        return (self.letters ^ letters).bit_count() <= 4  # a slip changes two of them at most


class Nearby:
    """The listed addresses of one version of the rules, to be asked for the one that was meant."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._names: list[_Name] = []
        self._by_beginning: dict[str, list[int]] = {}  # positions among the names
        self._answers: dict[tuple[str, str], Address | None] = {}
        public = (a for a in ruleset.addresses if a.listed and a.retired is None and a.local.isascii())
        for number, address in zip(range(MOST_NAMES), public, strict=False):
            self._names.append(_Name(address.local, address.domain, _letters(address.local)))
            for beginning in _beginnings(address.local):
                self._by_beginning.setdefault(beginning, []).append(number)

    @property
    def version(self) -> str:
        """The version of the rules that these are the addresses of."""
        return self._ruleset.version

    def meant(self, address: Address) -> Address | None:
        """Return the one listed address in the same domain that is a slip or two away; None for none or several."""
        asked = (fold(address.local).partition("+")[0], address.domain)
        if asked not in self._answers:
            if len(self._answers) >= _MOST_KEPT:
                self._answers.clear()
            self._answers[asked] = self._search(*asked)
        return self._answers[asked]

    def _search(self, local: str, domain: str) -> Address | None:
        buckets = [self._by_beginning.get(beginning, []) for beginning in _beginnings(local)]
        if sum(map(len, buckets)) > _MOST_SEEN:
            return None
        letters = _letters(local)
        found = map(self._names.__getitem__, set[int]().union(*buckets))
        names = {name.local for name in found if name.domain in {None, domain} and name.may_be(letters)}
        if len(names) > _MOST_COMPARED:
            return None
        near = [name for name in names if _is_near(local, name)]
        return self._public(near[0], domain) if len(near) == 1 else None

    def _public(self, local: str, domain: str) -> Address | None:
        """Return the address as it is given out; None when in this domain the name is another, unlisted one."""
        address = Address(local=local, domain=domain)
        reached = self._ruleset.find(address)
        return address if reached is not None and reached.listed and reached.local == local else None


def _letters(word: str) -> int:
    """Return the set of a word's characters, a bit each."""
    made_of = 0
    for character in word:
        made_of |= 1 << (ord(character) & 63)
    return made_of


def _is_near(one: str, other: str) -> bool:
    return is_within(one, other, slips_allowed(min(len(one), len(other))))


def _beginnings(word: str) -> Iterator[str]:
    """Yield the beginning of a word with up to as many letters left out as there may be slips, each once."""
    start = word[:_BEGINNING]
    # One more than for the word itself: the other one may be longer.
    most = slips_allowed(len(word) + 1)
    seen = {start}
    for left_out in range(1, min(most, len(start)) + 1):
        seen.update("".join(kept) for kept in combinations(start, len(start) - left_out))
    yield from seen
