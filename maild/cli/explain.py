"""What an operating system's error means to the person at the keyboard, and what they can do."""

from __future__ import annotations

import errno

_ADVICE = {
    errno.EADDRINUSE: "another program listens there already; stop it, or set another `listen` in maild.toml",
    errno.EADDRNOTAVAIL: "this machine has no such address; set another `listen` in maild.toml",
    errno.EACCES: "permission denied; run maild as the owner, or give its user the right",
    errno.EPERM: "not permitted; run maild as the owner, or give its user the right",
    errno.ENOSPC: "the disk is full; make room, then try again",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "it does not exist",
    errno.ENOTDIR: "it is not a directory",
    errno.EISDIR: "it is a directory",
}


def os_error(error: OSError) -> str:
    """Return one line: what it was about, what is wrong, what to do."""
    what = _ADVICE.get(error.errno or 0) or (error.strerror or str(error)).lower()
    about = str(error.filename) if error.filename is not None else _address(error)
    return f"{about}: {what}" if about else what


def _address(error: OSError) -> str:
    # asyncio names the address in its text alone: "error while attempting to bind on address ('127.0.0.1', 25): …"
    import re

    match = re.search(r"address \('([^']*)', (\d+)", str(error))
    return f"{match[1]}:{match[2]}" if match else ""
