"""The secret by which reports about our own mail are known. It lies in the data directory and not in the database.

Whoever has only a copy of the database can forge no report. Hosts that share a database must share the file, too.
Without the file a new secret is made: reports about mail that left before are then tied by its Message-ID alone.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from maild.errors import StorageError
from maild.rules.durable import write_durably

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
        write_durably(path, secrets.token_bytes(_BYTES))  # before the first letter bears a token of it
    key = path.read_bytes()
    if len(key) != _BYTES:
        raise StorageError(f"{path} holds no secret of {_BYTES} octets; remove it, and a new one is made")
    return key
