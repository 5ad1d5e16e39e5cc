"""Names that can be asked for.

Source: RFC 1035 §2.3.4 (lengths), RFC 4343 (case).
"""

from __future__ import annotations

from functools import lru_cache

_NAME_OCTETS = 253  # as text, without the dot at the end
_LABEL_OCTETS = 63


def plain_name(name: str) -> str | None:
    """Return a name in lower case and without the dot at its end; None for one that cannot be in the DNS.

    The root, empty labels, lengths beyond the limits and anything that is not ASCII cannot.
    """
    return _plain(name) if len(name) <= _NAME_OCTETS + 1 else None


@lru_cache(maxsize=4096)  # the same few domains are asked about again and again
def _plain(name: str) -> str | None:
    plain = name.removesuffix(".").lower()
    if not plain.isascii() or not 0 < len(plain) <= _NAME_OCTETS:
        return None
    return plain if all(0 < len(label) <= _LABEL_OCTETS for label in plain.split(".")) else None
