"""What became of a letter of ours, in one plain line for each recipient."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from maild.delivery.deliveries import COLLISION
from maild.delivery.queue.listing import RecordedDelivery
from maild.web.language import catalogue

ENDED_BADLY = ("failed", "expired")


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_WORDS = {
    "queued": _("Is being sent to {0}."),
    "deferred": _("Is being tried again for {0}: {1}"),
    "held": _("Held for {0}: {1}"),
    "delivered": _("Delivered to {0}."),
    "failed": _("Not delivered to {0}: {1}"),
    "expired": _("Not delivered to {0}, given up after days of trying: {1}"),
}
_QUICKER = _("Held for {0}: a colleague has answered meanwhile.")
_SOON = _("Will be sent to {0} in {1} seconds.")
_TAKEN_BACK = _("Taken back by {1}: nothing was sent to {0}.")
_GIVEN_UP = _("Not delivered to {0}; {1} gave it up.")
_TWICE = _("It may have arrived twice.")
_SILENT = _("the other server did not answer")
_MAX_REASON = 300
_BRACES = re.compile(r"\{([01])\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """A line at a letter. `bad`: it did not arrive, and somebody has to do something."""

    text: str
    at_ms: int | None
    bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """All that is said of the deliveries of a letter."""

    lines: tuple[DeliveryLine, ...]
    can_take_back: bool
    taken_back: bool
    has_failed: bool
    waits: bool  # for somebody of the team to let it go


def fate(found: Iterable[RecordedDelivery], *, now_ms: int, language: str) -> Fate:
    """Return what is to be said of the deliveries of a letter, what went wrong first."""
    each = tuple(found)
    lines = sorted((_line(d, now_ms, language) for d in each), key=lambda line: not line.bad)
    return Fate(
        lines=tuple(lines),
        can_take_back=any(_is_soon(d, now_ms) for d in each),
        taken_back=bool(each) and all(_was_taken_back(d) for d in each),
        has_failed=any(d.state in ENDED_BADLY for d in each),
        waits=any(waits(d) for d in each),
    )


def waits(found: RecordedDelivery) -> bool:
    """Tell whether it waits because a colleague was quicker than a mail program could know."""
    return found.state == "held" and found.outcome == COLLISION


def _is_soon(found: RecordedDelivery, now_ms: int) -> bool:
    return found.state == "queued" and found.attempts == 0 and found.due_ms > now_ms


def _was_taken_back(found: RecordedDelivery) -> bool:
    return found.state == "dropped" and found.attempts == 0


def _line(found: RecordedDelivery, now_ms: int, language: str) -> DeliveryLine:
    say = catalogue(language).gettext
    words, value = _WORDS.get(found.state, _GIVEN_UP), found.outcome[:_MAX_REASON] or say(_SILENT)
    if _is_soon(found, now_ms):
        words, value = _SOON, str(-(-(found.due_ms - now_ms) // 1000))
    elif waits(found):
        words = _QUICKER
    elif found.state == "dropped":
        words, value = _TAKEN_BACK if _was_taken_back(found) else _GIVEN_UP, found.ended_by or ""
    values = (found.recipient, value)
    # One pass: braces in what another server said stay as they are.
    text = _BRACES.sub(lambda hole: values[int(hole[1])], say(words))
    if found.doubtful:
        text = f"{text} {say(_TWICE)}"
    return DeliveryLine(text=text, at_ms=found.ended_ms, bad=found.state in {*ENDED_BADLY, "held"})
