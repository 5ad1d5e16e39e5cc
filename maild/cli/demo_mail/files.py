"""Small files of every kind that people attach: made here, so that none has to be kept."""

from __future__ import annotations

import struct
import zlib

_TYPES = {
    "pdf": ("application", "pdf"),
    "png": ("image", "png"),
    "csv": ("text", "csv"),
    "xml": ("application", "xml"),
    "ics": ("text", "calendar"),
}


def made(name: str) -> tuple[bytes, str, str]:
    """Return octets, media type and subtype of a sample file, by the end of its name."""
    kind = name.rpartition(".")[2]
    octets = {"pdf": _pdf, "png": _poster, "csv": _csv, "xml": _xml, "ics": _ics}[kind](name)
    return octets, *_TYPES[kind]


def picture(width: int, height: int, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> bytes:
    """Return a PNG that goes from one colour to another."""
    rows = bytearray()
    for y in range(height):
        part = y / (height - 1)
        colour = bytes(round(a + (b - a) * part) for a, b in zip(top, bottom, strict=True))
        rows += b"\0" + colour * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _poster(_name: str) -> bytes:
    return picture(420, 594, (20, 60, 90), (230, 190, 120))


def _pdf(name: str) -> bytes:
    title = name.removesuffix(".pdf").encode("cp1252", "replace")
    text = b"BT /F1 20 Tf 72 760 Td (" + title.replace(b"(", b"\\(").replace(b")", b"\\)") + b") Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font <</F1 5 0 R>> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, item in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _csv(_name: str) -> bytes:
    rows = ["Name;Straße;Einzug", "Müller, A.;Lindenstraße 12;01.09.", "Öztürk, E.;Am Anger 3;15.09."]
    return "\r\n".join(rows).encode() + b"\r\n"


def _xml(_name: str) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n<Rechnung nummer="2026-0815"><Betrag>412.90</Betrag></Rechnung>\n'


def _ics(_name: str) -> bytes:
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Feuerwehr//DE",
        "BEGIN:VEVENT",
        "UID:100jahre@feuerwehr.example",
    ]
    lines += ["DTSTART:20270612T140000Z", "SUMMARY:100 Jahre Löschzug 3", "END:VEVENT", "END:VCALENDAR", ""]
    return "\r\n".join(lines).encode()
