"""Pictures that a browser may show inside a letter: four kinds, known by their first octets, and of bounded size.

Source: PNG (RFC 2083), GIF89a, JFIF and ITU T.81, WebP container (RFC 9649).
"""

from __future__ import annotations

import base64
import binascii
import re
import struct

MAX_IMAGE_BYTES = 3_000_000
MAX_PIXELS = 50_000_000
_DATA_URI = re.compile(r"data:image/[a-z0-9.+-]{1,20};base64,\s*", re.IGNORECASE)
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3})


def image_type(head: bytes) -> str | None:
    """Return the media type of a picture by its first 16 octets, None for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def pixel_count(image: bytes) -> int:
    """Return width times height as a picture's header says, 0 when it cannot be found."""
    kind = image_type(image[:16])
    try:
        if kind == "image/png":
            width, height = struct.unpack(">II", image[16:24])
        elif kind == "image/gif":
            width, height = struct.unpack("<HH", image[6:10])
        elif kind == "image/jpeg":
            height, width = _jpeg_size(image)
        else:
            width, height = _webp_size(image)
    except (struct.error, IndexError):
        return 0
    return int(width) * int(height)


def _jpeg_size(image: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(1_000):
        if image[at] != 0xFF:
            return 0, 0
        marker = image[at + 1]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", image[at + 5 : at + 9])
            return int(height), int(width)
        (length,) = struct.unpack(">H", image[at + 2 : at + 4])
        at += 1 if marker == 0xFF else 2 + length
    return 0, 0


def _webp_size(image: bytes) -> tuple[int, int]:
    chunk = image[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(image[24:27], "little"), 1 + int.from_bytes(image[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(image[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        width, height = struct.unpack("<HH", image[26:30])
        return int(width) & 0x3FFF, int(height) & 0x3FFF
    return 0, 0


def data_uri(image: bytes) -> str | None:
    """Return a picture as a data: URI of its true type, None when it is no picture or too large."""
    kind = image_type(image[:16])
    if kind is None or len(image) > MAX_IMAGE_BYTES or not 0 < pixel_count(image) <= MAX_PIXELS:
        return None
    return f"data:{kind};base64,{base64.b64encode(image).decode('ascii')}"


def data_uri_of(uri: str) -> str | None:
    """Return a data: URI from a letter, written anew from the picture that it holds, or None."""
    head = _DATA_URI.match(uri)
    if head is None or len(uri) > MAX_IMAGE_BYTES * 2:
        return None
    try:
        return data_uri(base64.b64decode(uri[head.end() :]))
    except (binascii.Error, ValueError):
        return None
