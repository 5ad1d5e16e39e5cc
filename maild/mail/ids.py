"""Identifiers: 64-bit time-ordered message ids and short conversation references.

A message id is `milliseconds since 1970 << 21 | 21 bits of chance`, so that newest-first is the order of the
primary key itself. It is shown as 13 characters of Crockford's base 32. A reference is 40 bits of chance,
shown as `7K3F-9Q2A`.

Source: https://www.crockford.com/base32.html
"""

from __future__ import annotations

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {c: i for i, c in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_CHANCE_BITS = 21
_MAX_MS = (1 << 42) - 1
ID_LENGTH = 13
REFERENCE_BITS = 40


def message_id_at(ms: int, chance: int) -> int:
    """Return the id of a message dated `ms` milliseconds since 1970; dates out of range are clamped."""
    return min(max(ms, 0), _MAX_MS) << _CHANCE_BITS | chance & ((1 << _CHANCE_BITS) - 1)


def id_ms(number: int) -> int:
    """Return the milliseconds since 1970 that an id carries."""
    return number >> _CHANCE_BITS


_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]  # two characters at once: every 250 names an id


def base32(number: int, length: int) -> str:
    """Write a number in so many characters, five bits each."""
    text = "".join([_PAIRS[number >> shift & 1023] for shift in range(5 * (length + length % 2) - 10, -1, -10)])
    return text[length % 2 :]


def _decode(text: str, length: int) -> int | None:
    digits = text.upper().replace("-", "")
    if len(digits) != length or any(c not in _VALUES for c in digits):
        return None
    number = 0
    for c in digits:
        number = number << 5 | _VALUES[c]
    return number


def format_id(number: int) -> str:
    """Write a message id for people, URLs and logs."""
    return base32(number, ID_LENGTH)


def parse_id(text: str) -> int | None:
    """Read what `format_id` wrote, forgiving case, hyphens and O/0, I/1, L/1; None when it is not one."""
    number = _decode(text, ID_LENGTH)
    return None if number is None or number >= 1 << 63 else number


def format_reference(number: int) -> str:
    """Write a conversation reference such as `7K3F-9Q2A` from 40 bits."""
    text = base32(number, 8)
    return f"{text[:4]}-{text[4:]}"


def parse_reference(text: str) -> str | None:
    """Return the canonical form of a reference as people type it, or None."""
    number = _decode(text, 8)
    return None if number is None else format_reference(number)
