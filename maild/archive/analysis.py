"""The one analysis of text, for what is indexed and for what is asked.

`analyse` turns text into tokens separated by single spaces: caseless, without accents, with German spellings folded
together (`Straße` = `strasse`, `Müller` = `mueller` = `muller`), letters and digits only. Chinese, Japanese and
Korean have no spaces to go by: each of their characters is a token, and a word of them becomes a phrase.

Both databases store what comes out of here, and neither analyses again. Change a rule here and every index is out of
date: raise VERSION.

It runs on hostile text. Whatever comes in, the work is linear in its length and the result is at most MAX_GROWTH
times as long; nothing is raised.

Source: Unicode Standard Annex 15 (NFKD), 3.13 (case folding); DIN 5007-2 for ä = ae.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

VERSION = 2
MAX_TOKEN = 128  # characters; base64 and the like would otherwise fill the index with words nobody types
MAX_GROWTH = 18  # U+FDFA is eighteen letters

# Letters that carry a stroke instead of an accent have no decomposition; vulgar fractions have one that is no word.
_SPECIAL = dict(zip("øæœłđðıħŧŋþμ¼½¾", "oaolddihtntu   ", strict=True)) | {"µ": "u"}
# Characters of no width, which would cut words in two: soft hyphen, joiners, byte order mark.
_NO_WIDTH = frozenset("\u00ad\u034f\u061c\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff")
# Scripts without spaces: Hangul, Kana, Bopomofo, Han and their compatibility blocks.
_SINGLE = (
    range(0x1100, 0x1200),
    range(0x2E80, 0x2FE0),
    range(0x3040, 0x3200),
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xA960, 0xA980),
    range(0xAC00, 0xD800),
    range(0xF900, 0xFB00),
    range(0x1B000, 0x1B170),
    range(0x20000, 0x40000),
)
_KNOWN_AT_MOST = 20_000  # hostile text must not make us remember all of Unicode


def _stands_alone(character: str) -> bool:
    return any(ord(character) in block for block in _SINGLE)


def _fold_letter(character: str) -> str:
    """Fold one character of a decomposition: a letter, an accent to drop, a vowel sign to keep, or a gap."""
    if character.isalnum():
        return f" {character} " if _stands_alone(character) else character
    if unicodedata.category(character) in {"Mn", "Mc"} and "VARIATION" not in unicodedata.name(character, ""):
        return "" if unicodedata.combining(character) else character
    return "" if character in _NO_WIDTH or unicodedata.category(character).startswith("M") else " "


def _fold_character(character: str) -> str:
    character = character.casefold()
    if character in _SPECIAL:
        return _SPECIAL[character]
    if _stands_alone(character[0]):
        whole = unicodedata.normalize("NFKC", character)
        return f" {whole} " if whole.isalnum() else " "
    decomposed = unicodedata.normalize("NFKD", character).casefold()
    return "".join(map(_fold_letter, "".join(_SPECIAL.get(c, c) for c in decomposed)))


class _Folding(dict[int, str]):
    """What each character becomes; worked out when first met."""

    def __missing__(self, codepoint: int) -> str:
        folded = _fold_character(chr(codepoint))
        if len(self) < _KNOWN_AT_MOST:
            self[codepoint] = folded
        return folded


_FOLDING = _Folding()
_SHARP_S = b"\xdf"
# Latin-1 goes one byte for one byte, but for ß, which is replaced after, and the soft hyphen, which goes.
_LATIN_DROPPED = bytes(c for c in range(256) if not _FOLDING[c])
_LATIN = bytes(ord((_FOLDING[c].strip() or " ")[0]) if c != _SHARP_S[0] else c for c in range(256))
_ALIKE = str.maketrans("ou", "aa")
_NOT_BEFORE = "aeiouq"  # Steuer, Bauer, Quelle: no umlaut written out
_CAPPED = re.compile(rf"(\S{{{MAX_TOKEN}}})\S+")


class _OtherScriptError(Exception):
    """The text needs more than Latin letters."""


def _to_latin(error: UnicodeError) -> tuple[bytes, int]:
    """Fold a run of characters beyond Latin-1 into bytes: typographic quotes, dashes, €, č."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - it is registered for encoding alone
    folded = error.object[error.start : error.end].translate(_FOLDING)
    if not folded.isascii():
        raise _OtherScriptError
    return folded.encode("ascii"), error.end


codecs.register_error("maild.archive.analysis", _to_latin)


def _fold_characters(text: str) -> str:
    # Most mail is Latin letters: a byte table is fifty times as fast as a dictionary.
    try:
        octets = text.encode("latin-1", "maild.archive.analysis")
    except _OtherScriptError:
        return text.translate(_FOLDING)
    return octets.translate(_LATIN, _LATIN_DROPPED).replace(_SHARP_S, b"ss").decode("ascii")


def _fold_pairs(text: str) -> str:
    """Write `ae`, `oe` and `ue` as their vowel, except after q or a vowel; every e that follows goes with it."""
    alike = text.translate(_ALIKE)  # one search for the three of them
    at = alike.find("ae")
    pieces, start = [], 0
    while at >= 0:
        if at == 0 or text[at - 1] not in _NOT_BEFORE:
            pieces.append(text[start : at + 1])
            start = at + 2
            while text.startswith("e", start):
                start += 1
        at = alike.find("ae", at + 2)
    pieces.append(text[start:])
    return "".join(pieces)


def analyse(text: str) -> str:
    """Return the tokens of a text, each at most MAX_TOKEN characters, separated by single spaces."""
    if not text:
        return ""
    folded = _fold_pairs(_fold_characters(text))
    # Of a run of spaces, at most one is left on either side of a piece.
    folded = " ".join([words for piece in folded.split("  ") if (words := piece.strip(" "))])
    return _CAPPED.sub(r"\1", folded) if _has_long(folded) else folded


def _has_long(text: str) -> bool:
    """Jump from space to space, as far each time as a token may reach."""
    at = 0
    while len(text) - at > MAX_TOKEN:
        space = text.rfind(" ", at, at + MAX_TOKEN + 1)
        if space < 0:
            return True
        at = space + 1
    return False
