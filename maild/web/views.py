"""Letters as they were opened last: the octets of a message never change, and neither does what is read in them."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable

from maild.web.letter_view import LetterView

_MOST_BYTES = 16_000_000
_LARGE_BYTES = 500_000  # of one; larger ones are opened anew each time


class Views:
    """A few megabytes of views, by the letter's digest and whatever else they were made of. Used in one event loop.

    Whoever asks has been found to be allowed to read the letter.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: OrderedDict[Hashable, tuple[LetterView, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> LetterView | None:
        """Return the view that was kept."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def keep(self, key: Hashable, view: LetterView) -> None:
        """Keep a view; those that were not asked for longest make room."""
        size = sys.getsizeof(view.plain_html) + sys.getsizeof(view.html_document)
        people = len(view.header.to) + len(view.header.cc)
        size += 1_000 * (1 + len(view.notices) + len(view.attachments) + people)
        if size > _LARGE_BYTES or key in self._kept:
            return
        self._kept[key] = (view, size)
        self._bytes += size
        while self._bytes > _MOST_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1][1]
