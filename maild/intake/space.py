"""Room on the disk: mail is refused for now (452) before the disk is full, and a reserve lets maild still work.

The reserve is a file of real blocks. When the disk fills all the same, it is given up, so that what was accepted
can still be routed and read; it is taken again when there is room.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import structlog

_log = structlog.get_logger()
_CHECK_EVERY_MS = 500
_FULL_BYTES = 8_000_000
_LARGEST_FACTOR = 3  # a message is written to the spool, the log and the database


class Space:
    """Watches the file system of the data directory."""

    def __init__(self, data_dir: Path, *, min_free_bytes: int, reserve_bytes: int, now_ms: Callable[[], int]) -> None:
        """Watch `data_dir`; below `min_free_bytes` or without inodes nothing new is taken."""
        self._data_dir = data_dir
        self._min_free_bytes = min_free_bytes
        self._reserve = data_dir / "reserve"
        self._reserve_bytes = reserve_bytes
        self._now_ms = now_ms
        self._checked_ms = 0
        self._free_bytes = 0
        self._free_inodes = 0
        self._scarce = False

    def take_reserve(self) -> None:
        """Occupy the reserve when it is not there; without room for it, go on without."""
        if self._reserve.exists() and self._reserve.stat().st_size >= self._reserve_bytes:
            return
        try:
            fd = os.open(self._reserve, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(fd, 0, self._reserve_bytes)
            finally:
                os.close(fd)
        except OSError:
            self._reserve.unlink(missing_ok=True)

    def give_up_reserve_if_full(self) -> None:
        """Free the reserve when something of ours could not be written for want of room."""
        stat = os.statvfs(self._data_dir)
        if stat.f_bavail * stat.f_frsize < _FULL_BYTES and self._reserve.exists():
            self._reserve.unlink(missing_ok=True)
            _log.error("storage.reserve_used", path=str(self._reserve))

    def has_room(self, size: int | None) -> bool:
        """Say whether a message of `size` octets may be taken now (looked up at most twice a second)."""
        now = self._now_ms()
        if abs(now - self._checked_ms) >= _CHECK_EVERY_MS:
            self._look(now)
        wanted = self._min_free_bytes + _LARGEST_FACTOR * (size or 0)
        # Some file systems (btrfs) count no inodes and say 0 of 0; -1 stands for that.
        return self._free_bytes >= wanted and self._free_inodes != 0

    def _look(self, now_ms: int) -> None:
        self._checked_ms = now_ms
        stat = os.statvfs(self._data_dir)
        self._free_bytes = stat.f_bavail * stat.f_frsize
        self._free_inodes = stat.f_favail if stat.f_files else -1
        scarce = self._free_bytes < self._min_free_bytes or self._free_inodes == 0
        if scarce != self._scarce:
            self._scarce = scarce
            _log.warning("storage.short" if scarce else "storage.room_again", free_bytes=self._free_bytes)
        if not scarce and self._free_bytes > self._min_free_bytes + self._reserve_bytes:
            self.take_reserve()
