"""How an attachment leaves the server: as a file to keep, never as a page of ours.

Source: RFC 6266 and RFC 8187 (Content-Disposition); threats M5, M8.
"""

from __future__ import annotations

from urllib.parse import quote

from maild.mail.filename import safe_filename
from maild.web.letter_images import image_type

_OCTETS = "application/octet-stream"
# Kinds that no browser runs, and that are worth a program of the reader's to open them; all else is octets.
_PASSIVE = frozenset(
    {
        "application/gzip",
        "application/msword",
        "application/pdf",
        "application/rtf",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/zip",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "message/rfc822",
        "text/calendar",
        "text/csv",
        "text/plain",
        "text/vcard",
        "video/mp4",
    }
)


def content_disposition(filename: str, *, inline: bool = False) -> str:
    """Return the field's value: an ASCII name for old readers, and the whole one (RFC 8187).

    The name is made safe first: no path, no control, no line end can pass into the header.
    """
    name = safe_filename(filename)
    plain = "".join(c if 0x20 <= ord(c) < 0x7F and c not in '"\\%' else "_" for c in name)
    encoded = quote(name, safe="!#$&+-.^_`|~")
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def attachment_headers(filename: str, media_type: str, head: bytes) -> dict[str, str]:
    """Return the response headers for an attachment whose octets begin with `head` (16 are enough).

    Only the four kinds of pictures are shown in the browser, and only when they are what they say by their
    octets; their type comes from those, never from the sender.
    """
    picture = image_type(head)
    kind = media_type.partition(";")[0].strip().lower()
    return {
        "Content-Type": picture or (kind if kind in _PASSIVE else _OCTETS),
        "Content-Disposition": content_disposition(filename, inline=picture is not None),
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Download-Options": "noopen",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-store",
    }
