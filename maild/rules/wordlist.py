"""Many words looked for in a text at once: the time goes with the text, not with the number of the words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

FEW = 100  # words: one search for each is quicker
_SEVERAL = 700  # likewise, in a text that has more characters than there are words
_GRAM = 8


class WordList:
    """Words that may occur anywhere in a text.

    Each place of the text is looked up by the few characters that begin there, and then by the lengths of the words
    that begin so: however much alike the words are, a place costs no more than there are lengths.
    """

    __slots__ = ("_gram", "_lengths", "_words")

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._gram = min([_GRAM, *map(len, self._words)])
        lengths: dict[str, set[int]] = {}
        if len(self._words) > FEW:
            for word in self._words:
                lengths.setdefault(word[: self._gram], set()).add(len(word))
        self._lengths = {gram: tuple(sorted(found)) for gram, found in lengths.items()}

    def any_in(self, texts: Iterable[str]) -> bool:
        return any(True for _ in self.all_in(texts))

    def all_in(self, texts: Iterable[str]) -> Iterator[str]:
        """Yield each word that occurs in a text, some perhaps twice."""
        for text in texts:
            if len(self._words) <= max(FEW, min(_SEVERAL, len(text))):
                yield from (word for word in self._words if word in text)
            else:
                yield from self._walk(text)

    def _walk(self, text: str) -> Iterator[str]:
        gram, lengths, words = self._gram, self._lengths, self._words
        for at in range(len(text) - gram + 1):
            for length in lengths.get(text[at : at + gram], ()):
                if (word := text[at : at + length]) in words:
                    yield word


class Edges:
    """Words that a text may begin or end with."""

    __slots__ = ("_lengths", "_words")

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._lengths = sorted({len(word) for word in self._words})

    def starts(self, text: str) -> bool:
        return any(text[:length] in self._words for length in self._lengths)

    def ends(self, text: str) -> bool:
        return any(text[max(0, len(text) - length) :] in self._words for length in self._lengths)
