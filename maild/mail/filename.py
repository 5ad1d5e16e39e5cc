"""File names for downloads, made of the names that strangers gave.

Source: threats M8; RFC 6266 §4.3 (what a recipient does with a name); UAX #9 (bidirectional controls).
"""

from __future__ import annotations

import re
import unicodedata

_LONGEST_BYTES = 180  # of 255 that file systems allow: browsers append a counter
_LONGEST_READ = 4000
_SEPARATORS = re.compile(r"[/\\\u2044\u2215\u29f5\u29f8\uff0f\uff3c\ufe68]")
# Beyond letters: what Windows refuses in names, and what a shell or a header could read.
_REFUSED = re.compile(r'[<>:"|?*`$\x7f]')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|\Z)", re.IGNORECASE)
_FALLBACK = "attachment"


def safe_filename(name: str) -> str:
    """Return a name that is no path, holds no control, and shows what it holds.

    Characters that nobody sees but that change what is seen (bidirectional controls, zero-width ones) appear
    as `[U+202E]`; the result is never empty, begins with no dot, and is at most 180 octets of UTF-8, its
    extension kept.
    """
    name = _SEPARATORS.split(name[-_LONGEST_READ:])[-1]
    name = "".join([_visible(c) for c in unicodedata.normalize("NFC", name)])
    name = " ".join(_REFUSED.sub("_", name).split()).strip(" .")
    if _DEVICES.match(name):
        name = f"_{name}"
    return _shortened(name) or _FALLBACK


def _visible(character: str) -> str:
    kind = unicodedata.category(character)
    if kind[0] not in "CZ" or character == " ":
        return character
    if kind == "Cf":
        return f"[U+{ord(character):04X}]"
    if kind == "Zs":
        return " "
    return "_" if kind in ("Cc", "Zl", "Zp") else "\ufffd"


def _shortened(name: str) -> str:
    if len(name.encode()) <= _LONGEST_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > 20:
        stem, dot, extension = name, "", ""
    room = _LONGEST_BYTES - len((dot + extension).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + extension
