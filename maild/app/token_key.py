"""The secret by which reports about our own mail are known. It lies in the data directory and not in the database.

Whoever has only a copy of the database can forge no report. Without the file a new secret is made: reports about mail
that left before are then letters to the fallback team. So it is on machines with one database: give all the same file.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from tempfile import mkstemp

from maild.errors import StorageError

FILE_NAME = "token.key"
_BYTES = 32


def token_key(data_dir: Path) -> bytes:
    """Return the secret, made at the first start.

    Raises:
        StorageError: the file is there and holds none.
        OSError: it cannot be read or written.
    """
    path = data_dir / FILE_NAME
    try:
        return _made(path)
    except FileExistsError:
        key = path.read_bytes()
    if len(key) != _BYTES:
        raise StorageError(f"{path} holds no secret of {_BYTES} octets; remove it, and a new one is made")
    return key


def _made(path: Path) -> bytes:
    if path.exists():
        raise FileExistsError(path)
    key = secrets.token_bytes(_BYTES)
    fd, fresh = mkstemp(dir=path.parent, prefix=f"{FILE_NAME}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)  # of two processes that begin at once, the second takes the secret of the first
    finally:
        Path(fresh).unlink()
    _make_durable(path.parent)  # before anything leaves that bears a token
    return key


def _make_durable(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
