"""The rules file itself, replaced by a text: as a whole or not at all, and nothing of anybody's is lost by it.

Both the command line and the pages write the file through this, one at a time. Through a link, the file that it leads
to is replaced; the link stays. Text that never served is put aside, beside the file.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maild.durable import write_durably
from maild.errors import TemporaryError


@contextmanager
def alone(path: Path) -> Iterator[Path]:
    """Keep others out until this one has said what it did; yields the file that `path` leads to.

    Raises:
        TemporaryError: another one is at work.
        OSError: the folder cannot be opened.
    """
    target = path.resolve()
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TemporaryError(f"another change of the rules is at work in {target.parent}") from None
        yield target
    finally:
        os.close(descriptor)


def present(path: Path) -> bytes | None:
    """Return what the file holds; None when there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def may_be_written(path: Path) -> bool:
    """Tell whether `replace` would have a chance: the folder of the file lets this process write."""
    return os.access(path.resolve().parent, os.W_OK | os.X_OK)


def replace(target: Path, there: bytes | None, source: str, *, unknown: bool) -> Path | None:
    """Replace the file by a text; return where what it held was put, when that was `unknown` to the history.

    Raises:
        OSError: nothing has changed.
    """
    octets = source.encode("utf-8", "surrogatepass")
    aside = None
    if unknown and there is not None and there != octets:
        aside = _free(target)
        write_durably(aside, there)
    if there != octets:
        write_durably(target, octets)
    return aside


def _free(target: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%S")
    aside = target.with_name(f"{target.name}.{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = target.with_name(f"{target.name}.{stamp}-{number}")
    return aside


def owner_of(path: Path) -> str:
    """Return the account of the machine to which a file belongs: what is known of who has changed it."""
    try:
        number = path.stat().st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"
