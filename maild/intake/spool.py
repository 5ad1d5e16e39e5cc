"""Content while it arrives: counted, hashed and compressed as it goes, and never whole in memory when it is large.

Up to one chunk (256 kB) stays in memory; beyond, finished chunks go to an unnamed file in the data directory.
The file needs no fsync: the content becomes durable in the transaction that accepts it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from maild.archive.compression import compress, decompress
from maild.archive.content import CHUNK_BYTES

_PIECE = 64 * 1024


class Spool:
    """Takes octets until `finish`; then it is a `maild.archive.content.Content`."""

    __slots__ = ("_buffer", "_directory", "_fd", "_hash", "_lengths", "digest", "size")

    def __init__(self, directory: Path) -> None:
        """Prepare to take a message; `directory` gets the file, if one is needed."""
        self._directory = directory
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._lengths: list[int] = []
        self._fd: int | None = None
        self.size = 0
        self.digest = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next octets; raises OSError when the disk is full."""
        self.size += len(data)
        self._hash.update(data)
        self._buffer += data
        while len(self._buffer) > CHUNK_BYTES:
            self._put(compress(self._buffer[:CHUNK_BYTES]))
            del self._buffer[:CHUNK_BYTES]

    def finish(self) -> None:
        """Close the content: `digest` is known from now on."""
        self.digest = self._hash.digest()

    @property
    def octets(self) -> bytes | None:
        """The content itself while it fits in memory, else None."""
        return bytes(self._buffer) if self._fd is None else None

    def beginning(self) -> bytes:
        """Return the first octets, up to a chunk of them; raises OSError or DamagedError."""
        if not self._lengths:
            return bytes(self._buffer[:CHUNK_BYTES])
        return decompress(os.pread(self._descriptor(), self._lengths[0], 0))

    def chunks(self) -> Iterator[bytes]:
        """Yield the compressed chunks; the last one is compressed here, in the thread that asks."""
        offset = 0
        for length in self._lengths:
            yield os.pread(self._descriptor(), length, offset)
            offset += length
        yield compress(self._buffer)

    def pieces(self) -> Iterator[bytes]:
        """Yield the octets themselves, at most a chunk at a time, as often as asked; raises OSError or DamagedError."""
        offset = 0
        for length in self._lengths:
            yield decompress(os.pread(self._descriptor(), length, offset))
            offset += length
        yield from (bytes(self._buffer[at : at + _PIECE]) for at in range(0, len(self._buffer), _PIECE))

    def discard(self) -> None:
        """Free what is held; safe to call twice."""
        fd, self._fd = self._fd, None
        self._lengths = []
        self._buffer = bytearray()
        if fd is not None:
            os.close(fd)  # last: whatever it raises, nothing is held any more

    def _descriptor(self) -> int:
        if self._fd is None:
            # Security: the file has no name, so nothing can be put in its place and nothing is left behind.
            self._fd = os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        return self._fd

    def _put(self, frame: bytes) -> None:
        rest = memoryview(frame)
        while rest:
            rest = rest[os.write(self._descriptor(), rest) :]
        self._lengths.append(len(frame))
