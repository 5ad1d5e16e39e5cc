"""What was known when pages were made, kept until their streams of changes ask: what came in between is told to them.

A page carries the time at which it was made and nothing else: a number of the archive's would tell how much others
get. With the session of who got it, that finds what was known then. What was forgotten, or known to another process,
costs the page one question more.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sqlalchemy import Connection

from maild.archive.lists import newest_revision, own_marks
from maild.archive.replay import newest_step
from maild.policy.visible import Visible

_MOST = 4_096
_Page = tuple[bytes, int]  # of which session, made when


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How far a page has been told; `own`: what is theirs of inboxes in which they see nothing else.

    `position` is that of the feed, by which it was asked for the last time.
    """

    revision: int
    step: tuple[int, int]
    own: dict[str, tuple[int, ...]]
    position: int


def known_now(connection: Connection, visible: Visible, position: int) -> Known:
    """Return what a page knows that is made from now on."""
    return Known(
        revision=newest_revision(connection),
        step=newest_step(connection),
        own=own_marks(connection, visible=visible),
        position=position,
    )


class MadePages:
    """The newest pages. Asked from any thread."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[_Page, Known] = {}
        self._lock = threading.Lock()

    def keep(self, session: bytes, made_ms: int, known: Known) -> None:
        """Keep what is known to a page; of two of one moment the older: rather told twice than not at all."""
        with self._lock:
            self._known.setdefault((session, made_ms), known)
            while len(self._known) > _MOST:
                del self._known[next(iter(self._known))]

    def of(self, session: bytes, made_ms: int) -> Known | None:
        """Return what was known to a page; None where that is forgotten, or was never here."""
        with self._lock:
            return self._known.get((session, made_ms))
