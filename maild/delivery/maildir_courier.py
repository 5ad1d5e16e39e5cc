"""Into a Maildir on this machine: written and synced in `tmp`, then renamed into `new`.

The file is named after its delivery. So a try that is repeated after a crash finds what the first has left, and there
is never a second copy of what still lies in `new` or `cur`. The octets are those of the archive, line ends included.

Source: https://cr.yp.to/proto/maildir.html
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

from maild.delivery.courier import Attempt, Load
from maild.delivery.deliveries import Delivery
from maild.delivery.outcome import Outcome, Result, shown
from maild.durable import sync_folder

_FOLDERS = ("tmp", "new", "cur")
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")


class MaildirCourier:
    """Writes files. `hostname` is part of their names."""

    def __init__(self, *, hostname: str) -> None:
        self._hostname = _UNSAFE.sub("_", hostname) or "localhost"

    async def deliver(self, load: Load, attempt: Attempt) -> dict[int, Outcome]:
        """See `Courier`. Nothing is begun: a repeated try makes no second copy."""
        del attempt
        return {delivery.id: await self._deliver(delivery, load) for delivery in load.deliveries}

    def close(self) -> None:
        """See `Courier`."""

    async def _deliver(self, delivery: Delivery, load: Load) -> Outcome:
        path, name = Path(delivery.next_hop), self._name(delivery)
        try:
            if not await asyncio.to_thread(_ready, path, name):
                await _write(path, name, load.pieces())
        except OSError as error:
            reply = f"4.2.0 {shown(error.strerror or type(error).__name__)}"
            return Outcome(result=Result.DEFERRED, reply=reply, host=str(path), stage="write", site=True)
        return Outcome(result=Result.DELIVERED, reply=f"written as {name}", host=str(path), stage="write")

    def _name(self, delivery: Delivery) -> str:
        return f"{delivery.made_ms // 1000}.D{delivery.id}M{delivery.message_id}.{self._hostname}"


def _ready(path: Path, name: str) -> bool:
    """Prepare the folders; tell whether the file is there already.

    The Maildir itself must exist: where a file system is not mounted, none is made in its place. Raises OSError.
    """
    if not path.is_dir():
        raise FileNotFoundError(2, "there is no such directory")
    for folder in _FOLDERS:
        (path / folder).mkdir(mode=0o700, exist_ok=True)
    if (path / "new" / name).exists():
        sync_folder(path / "new")
        return True
    return any(entry == name or entry.startswith(f"{name}:") for entry in os.listdir(path / "cur"))  # noqa: PTH208


async def _write(path: Path, name: str, pieces: AsyncIterator[bytes]) -> None:
    unfinished = path / "tmp" / name
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = await asyncio.to_thread(os.open, unfinished, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_finish, file.fileno(), file)
    except BaseException:
        await asyncio.to_thread(unfinished.unlink, missing_ok=True)
        raise
    await asyncio.to_thread(_publish, unfinished, path / "new", name)


def _finish(descriptor: int, file: object) -> None:
    file.flush()  # type: ignore[attr-defined]  # a binary file
    os.fsync(descriptor)


def _publish(unfinished: Path, new: Path, name: str) -> None:
    unfinished.rename(new / name)
    sync_folder(new)
