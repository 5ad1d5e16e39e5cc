"""The secret by which reports about our own mail are known. It lies in the data directory and not in the database.

Whoever has only a copy of the database can forge no report. Without the file a new secret is made: reports about mail
that left before are then letters to the fallback team. So it is on machines with one database: give all the same file.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from maild.durable import make_durably
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
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # another process was quicker
            make_durably(path, secrets.token_bytes(_BYTES))
    key = path.read_bytes()
    if len(key) != _BYTES:
        raise StorageError(f"{path} holds no secret of {_BYTES} octets; remove it, and a new one is made")
    return key
