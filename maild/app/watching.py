"""Takes up the rules when their files change: by hand, by Git, by SIGHUP; a restart is never needed.

The files are looked at a few times a second. A change is read only when two looks in a row agree, and when what was
read is what they saw: an editor that writes in place would otherwise have half a file served.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

import structlog

from maild.app.notify import notify
from maild.rules.model import Ruleset
from maild.rules.rulebook import Newest, Rulebook, Stamp, stamp_of

# The first half of a rules file is often rules, too, with fewer addresses: a file that is shorter, and was written in
# place, may be one that its writer has not done with.
_LOOKS_WHEN_SHORTER = 8
_LOOK_S = 0.25  # seen, agreed upon and read: within a second in all
_log = structlog.get_logger()


class RulesWatch:
    """Reloads the rules, one reload after the other; the reading is done in a thread, the exchange in the loop."""

    def __init__(self, rulebook: Rulebook, *, look_s: float = _LOOK_S) -> None:
        """Watch the files of a rulebook that serves already."""
        self._rulebook = rulebook
        self._look_s = look_s
        self._asked = asyncio.Event()
        self._before: Mapping[Path, Stamp | None] | None = None
        self._quiet_looks = 0  # that found what the one before had found
        rulebook.on_change(_tell_reloaded)
        _tell_unkept(rulebook)

    def ask(self) -> None:
        """Have the files read now, changed or not."""
        self._asked.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await (self._answer() if self._asked.is_set() else self._look())
            except Exception as error:  # noqa: BLE001 - a worker's attempt: the next look tries again
                _log.error("rules.failed", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._look_s)

    async def _answer(self) -> None:
        self._asked.clear()
        notify("RELOADING=1")
        await self.reload()
        notify("READY=1")

    async def reload(self) -> None:
        """Read the files and let them serve; returns when they do, or are refused."""
        self._take_up(await asyncio.to_thread(self._rulebook.read))

    async def _look(self) -> None:
        rulebook = self._rulebook
        now = await asyncio.to_thread(_stamps, tuple(rulebook.stamps))
        self._quiet_looks = self._quiet_looks + 1 if now == self._before else 0
        self._before = now
        wanted = _LOOKS_WHEN_SHORTER if _is_shorter(now, rulebook.stamps) else 1
        if self._quiet_looks >= wanted and now != rulebook.stamps:
            self._take_up(await asyncio.to_thread(rulebook.read, settled=now))

    def _take_up(self, newest: Newest | None) -> None:
        if newest is None:
            return
        rulebook = self._rulebook
        refused, version = rulebook.refused, rulebook.current.version
        if not rulebook.take_up(newest):
            _log.error("rules.refused", errors=len(rulebook.refused), first=str(rulebook.refused[0]))
            return
        if refused and rulebook.current.version == version:
            _tell_reloaded(rulebook.current)  # mended: it is the newest file again that serves
        _tell_unkept(rulebook)


def _stamps(paths: tuple[Path, ...]) -> Mapping[Path, Stamp | None]:
    return {path: stamp_of(path) for path in paths}


def _is_shorter(now: Mapping[Path, Stamp | None], before: Mapping[Path, Stamp | None]) -> bool:
    return any(
        old is not None and new is not None and old.inode == new.inode and new.size < old.size
        for old, new in ((before.get(path), stamp) for path, stamp in now.items())
    )


def _tell_reloaded(ruleset: Ruleset) -> None:
    _log.info("rules.reloaded", version=ruleset.version[:12])


def _tell_unkept(rulebook: Rulebook) -> None:
    """Say so when the rules serve, but would not after a restart with a broken file."""
    if rulebook.unkept is not None:
        _log.error("rules.unkept", error=rulebook.unkept)
