"""Writing a small file so that a kill or a power cut leaves it as it was or as it is to be, whole.

Source: fsync(2), rename(2), link(2): the octets are on the disk before the name leads to them, and then the name, too.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def write_durably(path: Path, octets: bytes) -> None:
    """Replace a file, or make it with mode 0600; one that is there keeps its mode and its owner.

    Raises:
        OSError: nothing has changed.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(fresh, _FLAGS | os.O_TRUNC, 0o600), "wb") as file:
            file.write(octets)
            file.flush()
            _look_like(path, file.fileno())
            os.fsync(file.fileno())
        fresh.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    sync_folder(path.parent)


def make_durably(path: Path, octets: bytes) -> None:
    """Make a file with mode 0600 where there is none; of two who try at once, one does.

    Raises:
        FileExistsError: there is one.
        OSError: nothing has changed.
    """
    fresh = path.with_name(f".{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(fresh, _FLAGS | os.O_EXCL, 0o600), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(fresh)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
