"""Encoded words: text of header fields beyond ASCII.

Source: RFC 2047; RFC 2231 §5 (language suffix).
"""

from __future__ import annotations

import re

from maild.mail import charset, transfer

# The text of a word ends at `?=` and never runs into the next `=?`: this is what keeps the search linear. A `=` just
# before `?=` is padding.
_WORD = re.compile(
    r"=\?([^?\s=]{1,80}+)\?([bBqQ])\?([^?=]*+(?:(?:=(?!\?(?!=))|\?(?!=))[^?=]*+)*)\?=",
)
_LINE = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")


def one_line(text: str) -> str:
    """Return text without line ends, tabs, NUL and lone surrogates.

    Security: an encoded word may carry a line end; nothing that is shown or written as one line may have it.
    """
    if text.isprintable():
        return text
    return charset.clean(_LINE.sub(" ", text))


def decode_words(text: str) -> str:
    """Decode the encoded words of an unfolded header value; what is none stays as it is."""
    if "=?" not in text:
        return one_line(text)
    pieces: list[str] = []
    pending: list[bytes] = []  # octets of neighbouring words in one charset: characters may be cut between them
    label, last = "", 0
    for word in _WORD.finditer(text):
        between = text[last : word.start()]
        spaced = not between or between.isspace()
        name = word[1].partition("*")[0].lower()
        if pending and not (spaced and name == label):
            pieces.append(charset.decode(b"".join(pending), label))
            pending.clear()
        if not (spaced and last):
            pieces.append(between)
        pending.append(_octets(word[2], word[3], name))
        label, last = name, word.end()
    if pending:
        pieces.append(charset.decode(b"".join(pending), label))
    pieces.append(text[last:])
    return one_line("".join(pieces))


def _octets(encoding: str, text: str, label: str) -> bytes:
    # Interop: raw characters within a word; they are of its charset.
    codec = None if text.isascii() else charset.codec_of(label)
    octets = text.encode(codec or "utf-8", "replace")
    return transfer.base64(octets) if encoding in "bB" else transfer.q_word(octets)
