"""Header fields as maild writes them: ASCII, folded, with nothing in them that begins another field.

Promises: what a person, a rule or a citizen's letter put into a name or a subject can end no line: control characters
become blanks. `maild.mail.words` and `maild.mail.mailboxes` read back what is written here.

Source: RFC 5322 §2.1.1, §3.4; RFC 2047 §2, §5; RFC 2231 §3, §4; RFC 6532 is not used: every relay takes ASCII.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from maild.errors import AddressError
from maild.mail.address import Address
from maild.mail.words import one_line

_LINE = 76
_WORD_TEXT = 45  # octets of an encoded word in base64: 75 characters with what is around them
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`{|}~-]+")
_PARAMETER_TEXT = 50


def plain(text: str) -> str:
    """Return text that stands in one line: what would end it, or cannot be seen, is a blank."""
    return " ".join("".join(c if c.isprintable() else " " for c in one_line(text)).split())


def text_field(name: str, text: str) -> bytes:
    """Write an unstructured field such as Subject."""
    return _folded(name, _text_pieces(plain(text)))


def _text_pieces(text: str) -> list[str]:
    if text.isascii() and "=?" not in text and all(len(word) < _LINE - 1 for word in text.split(" ")):
        return text.split(" ")
    return encoded_words(text)


def marked_text_field(name: str, text: str, mark: str) -> bytes:
    """Write an unstructured field with an ASCII mark behind the text, beyond any encoded word; "" is none."""
    text = plain(text)
    return _folded(name, [*_text_pieces(text), *([mark] if mark else [])] if text else [mark])


def mailboxes_field(name: str, mailboxes: Iterable[tuple[str, Address]]) -> bytes:
    """Write an address list; each mailbox is (display name, address).

    Raises:
        AddressError: an address has a local part beyond ASCII, which not every relay takes.
    """
    pieces: list[str] = []
    for display_name, address in mailboxes:
        if pieces:
            pieces[-1] += ","
        pieces += _mailbox(plain(display_name), address)
    return _folded(name, pieces)


def ids_field(name: str, ids: Sequence[str]) -> bytes:
    """Write a list of message ids, given without brackets; one that cannot stand in a header is left out."""
    return _folded(name, [f"<{each}>" for each in ids if _is_id(each)])


def token_field(name: str, value: str) -> bytes:
    """Write a field of which maild itself says the value; it is ASCII and has no line end."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{name} would not be one ASCII line")
    return _folded(name, value.split(" "))


def parameters_field(name: str, value: str, parameters: Iterable[tuple[str, str]]) -> bytes:
    """Write a field with parameters, such as Content-Disposition; what is beyond ASCII as RFC 2231 has it."""
    pieces = [value]
    for key, text in parameters:
        pieces[-1] += ";"
        pieces += _parameter(key, plain(text))
    return _folded(name, pieces)


def encoded_words(text: str) -> list[str]:
    """Return text as encoded words, none of which cuts a character."""
    words: list[str] = []
    piece = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(piece) + len(octets) > _WORD_TEXT:
            words.append(_word(piece))
            piece = b""
        piece += octets
    return [*words, _word(piece)] if piece or not words else words


def _word(octets: bytes) -> str:
    return f"=?utf-8?B?{b64encode(octets).decode('ascii')}?="


def _mailbox(display_name: str, address: Address) -> list[str]:
    if not address.is_ascii:
        raise AddressError("the part before the @ has letters that not every mail server takes")
    if not display_name:
        return [str(address)]
    if display_name.isascii() and "=?" not in display_name and len(display_name) < _LINE - 2:
        if not _PHRASE.fullmatch(display_name):
            escaped = display_name.replace("\\", "\\\\").replace('"', '\\"')
            return [f'"{escaped}"', f"<{address}>"]
        return [*display_name.split(" "), f"<{address}>"]
    return [*encoded_words(display_name), f"<{address}>"]


def _parameter(key: str, text: str) -> list[str]:
    if text.isascii() and len(text) <= _PARAMETER_TEXT:
        if _TOKEN.fullmatch(text):
            return [f"{key}={text}"]
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return [f'{key}="{escaped}"']
    coded = quote(text.encode("utf-8", "replace"), safe="!#$&+-.^_`|~")
    pieces = [piece for piece in _cut(f"utf-8''{coded}") if piece]
    if len(pieces) == 1:
        return [f"{key}*={pieces[0]}"]
    last = len(pieces) - 1
    return [f"{key}*{n}*={piece}{';' if n < last else ''}" for n, piece in enumerate(pieces)]


def _cut(coded: str) -> list[str]:
    """Cut percent-encoded text into pieces, none of them within an escape."""
    pieces: list[str] = []
    at = 0
    while at < len(coded):
        end = at + _PARAMETER_TEXT
        while end < len(coded) and "%" in coded[end - 2 : end]:
            end -= 1
        pieces.append(coded[at:end])
        at = end
    return pieces


def _is_id(text: str) -> bool:
    return text.isascii() and text.isprintable() and 0 < len(text) < 900 and not set(text) & set(" <>")


def _folded(name: str, pieces: Sequence[str]) -> bytes:
    lines = [f"{name}:"]
    for piece in pieces:
        if len(lines[-1]) + 1 + len(piece) > _LINE and lines[-1].strip() and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += f" {piece}"
    return "\r\n".join(lines).encode("ascii") + b"\r\n"
