"""Octets that were packed for the way: gzip, or a zip file of one member; unpacked within limits.

Promises: what is unpacked is counted while it comes out, never by what a header declares; an archive within an archive
is not opened.

Source: RFC 1952; APPNOTE.TXT 6.3 (zip).
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

PACKED_BYTES = 10_000_000
UNPACKED_BYTES = 50_000_000
# Deflate reaches 1,032; the reports of a large sender, which repeat themselves a lot, some dozens.
_RATIO = 250
_RATIO_FROM_BYTES = 1_000_000
_MOST_MEMBERS = 16  # folders, and what some systems add, are members, too
_CHUNK_BYTES = 256 * 1024
_GZIP, _ZIP, _ZIP_MEMBER = b"\x1f\x8b", b"PK\x03\x04", b"PK\x01\x02"
_OTHER_ARCHIVES = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\xfd7zXZ\x00", b"BZh", b"\x28\xb5\x2f\xfd")
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, LookupError,
    OverflowError, AttributeError,
)  # fmt: skip


class PackedError(ValueError):
    """Not unpacked. `reason`: `size`, `ratio`, `members`, `nested`, `encrypted`, `kind`, `broken`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def unpack(octets: bytes, most_bytes: int = UNPACKED_BYTES) -> bytes:
    """Return what is packed in gzip or zip, whatever it was called; what is neither is returned as it is.

    Raises:
        PackedError: it is beyond a limit, or broken.
    """
    if len(octets) > PACKED_BYTES:
        raise PackedError("size")
    if octets.startswith(_OTHER_ARCHIVES):
        raise PackedError("kind")
    if octets.startswith(_GZIP):
        found = _gunzip(octets, most_bytes)
    elif octets.startswith(_ZIP):
        found = _unzip(octets, most_bytes)
    else:
        found = octets
        if len(found) > most_bytes:
            raise PackedError("size")
    if found is not octets and found.startswith((_GZIP, _ZIP, *_OTHER_ARCHIVES)):
        raise PackedError("nested")
    return found


class _Pile:
    """What has come out so far."""

    def __init__(self, packed_bytes: int, most_bytes: int) -> None:
        self._packed_bytes = packed_bytes
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most_bytes:
            raise PackedError("size")
        if self._size > _RATIO_FROM_BYTES and self._size > self._packed_bytes * _RATIO:
            raise PackedError("ratio")
        self._pieces.append(piece)

    def octets(self) -> bytes:
        return b"".join(self._pieces)


def _gunzip(octets: bytes, most_bytes: int) -> bytes:
    """Unpack the first gzip member; what follows it is of no use to anyone."""
    pile = _Pile(len(octets), most_bytes)
    machine = zlib.decompressobj(wbits=31)
    try:
        # In pieces: what the machine has not taken it hands back, as a copy.
        for start in range(0, len(octets), _CHUNK_BYTES):
            rest = octets[start : start + _CHUNK_BYTES]
            while rest and not machine.eof:
                pile.add(machine.decompress(rest, _CHUNK_BYTES))
                rest = machine.unconsumed_tail
        while not machine.eof:
            piece = machine.decompress(b"", _CHUNK_BYTES)
            if not piece:
                raise PackedError("broken")  # cut off
            pile.add(piece)
    except zlib.error:
        raise PackedError("broken") from None
    return pile.octets()


def _unzip(octets: bytes, most_bytes: int) -> bytes:
    # Before the directory is read: one of a hundred thousand members would take its time.
    if octets.count(_ZIP_MEMBER) > _MOST_MEMBERS:
        raise PackedError("members")
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            member = _only_member(archive)
            pile = _Pile(len(octets), most_bytes)
            with archive.open(member) as file:
                while piece := file.read(_CHUNK_BYTES):
                    pile.add(piece)
    except PackedError:
        raise
    except _BROKEN:
        raise PackedError("broken") from None
    return pile.octets()


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    # Interop: what macOS packs has a shadow of each file.
    found = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    if len(found) != 1:
        raise PackedError("members")
    if found[0].flag_bits & 1:
        raise PackedError("encrypted")
    if found[0].compress_type not in _METHODS:
        raise PackedError("kind")
    return found[0]
