"""Replacing a small file so that a kill or a power cut leaves the old one or the new one, whole.

Source: fsync(2), rename(2): the octets are on the disk before the name leads to them, and then the name, too.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_durably(path: Path, octets: bytes) -> None:
    """Replace a file, or make it with mode 0600; one that is there keeps its mode and its owner.

    Raises:
        OSError: nothing has changed.
    """
    fresh = path.with_name(path.name + ".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
            file.write(octets)
            file.flush()
            _look_like(path, file.fileno())
            os.fsync(file.fileno())
        fresh.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _look_like(path: Path, descriptor: int) -> None:
    try:
        old = path.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, 0o600)  # of one that a kill left behind, too
        return
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, old.st_mode & 0o7777)
