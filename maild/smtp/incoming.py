"""Octets that have come and have not been dealt with: given out as command lines, or whole."""

from __future__ import annotations

LINE_LIMIT = 4_096  # octets of a command; RFC 3461 needs 1,036, RFC 5321 512
_SKIP_LIMIT = 65_536  # octets of a line that is too long, before there is no hope of its end


class EndlessLineError(Exception):
    """A command line that goes on and on."""


class Incoming:
    """A buffer that holds little of a line that is too long."""

    __slots__ = ("_octets", "_skipped", "_start")

    def __init__(self) -> None:
        """Begin empty."""
        self._octets = b""
        self._start = 0  # of what has not been given out
        self._skipped = 0  # octets of a line that is too long, thrown away so far

    def __len__(self) -> int:
        return len(self._octets) - self._start

    def put(self, octets: bytes) -> None:
        """Take what has come."""
        self._octets = self._octets[self._start :] + octets if self._octets else octets
        self._start = 0

    def take_line(self) -> bytes | None:
        """Return the next line with its line end, b"" for one that was too long, None while it has not ended.

        Raises:
            EndlessLineError: when it is too long even to wait for its end.

        """
        end = self._octets.find(b"\n", self._start)
        if end < 0:
            self._skip()
            return None
        line = self._octets[self._start : end + 1]
        self._start = end + 1
        if self._start == len(self._octets):
            self._octets, self._start = b"", 0
        skipped, self._skipped = self._skipped, 0
        return line if not skipped and len(line) <= LINE_LIMIT else b""

    def take_all(self) -> bytes:
        """Return everything; the buffer is empty then."""
        octets = self._octets[self._start :]
        self.clear()
        return octets

    def clear(self) -> None:
        """Forget everything."""
        self._octets, self._start, self._skipped = b"", 0, 0

    def _skip(self) -> None:
        if self._skipped or len(self) > LINE_LIMIT:
            self._skipped += len(self)
            self._octets, self._start = b"", 0
            if self._skipped > _SKIP_LIMIT:
                raise EndlessLineError
