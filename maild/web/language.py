"""German and English: which one a reader gets, and the catalogue of words.

The words in the code are English; `locale/de/messages.po` holds the German ones and is read as it is, at start. What
is said about a rules file has a catalogue of its own, `rules.po`: there `size` is a key, and not a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from babel.messages.pofile import read_po

LANGUAGES = ("de", "en")
THOUSANDS = {"de": ".", "en": ","}  # what parts them in a number
_LOCALE = Path(__file__).parent / "locale"
_MAX_PREFERENCES = 20


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The words of one language, by the English ones."""

    single: dict[str, str]
    plural: dict[str, tuple[str, str]]

    def gettext(self, message: str) -> str:
        """Return the words for `message`."""
        return self.single.get(message, message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """Return the words for one or for many; German and English divide them alike."""
        one, many = self.plural.get(singular, (singular, plural))
        return one if number == 1 else many


@cache
def catalogue(language: str, name: str = "messages") -> Catalogue:
    """Return the words of a language: those of the pages, or `rules`."""
    path = _LOCALE / language / f"{name}.po"
    if not path.exists():
        return Catalogue({}, {})
    with path.open("rb") as file:
        return _read(file)


def _read(file: IO[bytes]) -> Catalogue:
    single: dict[str, str] = {}
    plural: dict[str, tuple[str, str]] = {}
    for message in read_po(file):
        match message.id, message.string:
            case (str(one), _), (str(translated), str(translated_many)):
                plural[one] = (translated, translated_many)
            case str(one), str(translated) if one and translated:
                single[one] = translated
            case _:
                continue
    return Catalogue(single, plural)


def negotiate(accept_language: str, default: str) -> str:
    """Return the language of ours that a browser likes best (RFC 9110 §12.5.4); `default` when it names neither."""
    best, best_quality = default, 0.0
    for choice in accept_language[:500].split(",")[:_MAX_PREFERENCES]:
        tag, _, parameters = choice.partition(";")
        language = tag.strip().lower().partition("-")[0]
        quality = _quality(parameters)
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value) if len(value) <= 5 else 0.0
    except ValueError:
        return 0.0
