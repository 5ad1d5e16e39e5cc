"""What became of a letter of ours, in one plain line for each recipient."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol

from maild.archive.register import Came
from maild.delivery.deliveries import COLLISION, ENDED_BADLY
from maild.delivery.queue.listing import RecordedDelivery
from maild.mail.dsn import FAILED
from maild.mail.dsn_words import words_of
from maild.web.language import catalogue
from maild.web.times import to_the_second

_TROUBLED = (FAILED, "delayed")


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
_SOON = _("Will be sent to {0} at {1}; until then it can be taken back.")
_TAKEN_BACK = _("Taken back by {1}: nothing was sent to {0}.")
_GIVEN_UP = _("Not delivered to {0}; {1} gave it up.")
_TWICE = _("It may have arrived twice.")
_LATE = _("It has not got through for more than four hours; you need not do anything.")
_CAME_BACK = _("A report about {0} came back: {1}")
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
    came_back: bool


def fate(
    found: Iterable[RecordedDelivery], reports: Iterable[Came] = (), *, now_ms: int, zone: tzinfo, language: str
) -> Fate:
    """Return what is to be said of the deliveries of a letter, and of reports about it, what went wrong first."""
    each, came = tuple(found), tuple(reports)
    lines = [_line(d, now_ms, zone, language) for d in each] + [_report_line(report, language) for report in came]
    return Fate(
        lines=tuple(sorted(lines, key=lambda line: not line.bad)),
        came_back=any(report.action == FAILED for report in came),
        can_take_back=any(_is_soon(d, now_ms) for d in each),
        taken_back=bool(each) and all(_was_taken_back(d) for d in each),
        has_failed=any(d.state in ENDED_BADLY for d in each),
        waits=any(waits(d) for d in each),
    )


def waits(found: RecordedDelivery) -> bool:
    """Tell whether it waits because a colleague was quicker than a mail program could know."""
    return found.state == "held" and found.outcome == COLLISION


def reason_words(report: Reported, language: str) -> str:
    """Return in plain words why something did not arrive, with the code that the other server gave."""
    words = words_of(language)
    reason = words.reason.get(report.reason, words.reason["unknown"])
    return f"{reason} ({report.code})" if report.code else reason


class Reported(Protocol):
    """What a report, or the register, says of a recipient."""

    @property
    def reason(self) -> str: ...
    @property
    def code(self) -> str: ...


def _report_line(report: Came, language: str) -> DeliveryLine:
    became = words_of(language).action.get(report.action, report.action)
    said = f"{became}. {reason_words(report, language)}" if report.action in _TROUBLED else f"{became}."
    text = _filled(catalogue(language).gettext(_CAME_BACK), (report.recipient, said))
    return DeliveryLine(text=text, at_ms=report.at_ms, bad=report.action == FAILED)


def _is_soon(found: RecordedDelivery, now_ms: int) -> bool:
    return found.state == "queued" and found.attempts == 0 and found.due_ms > now_ms


def _was_taken_back(found: RecordedDelivery) -> bool:
    return found.state == "dropped" and found.attempts == 0


def _line(found: RecordedDelivery, now_ms: int, zone: tzinfo, language: str) -> DeliveryLine:
    say = catalogue(language).gettext
    words, value = _WORDS.get(found.state, _GIVEN_UP), found.outcome[:_MAX_REASON] or say(_SILENT)
    if _is_soon(found, now_ms):
        # The time, and not how long until then: the page says it as long as it is open.
        words, value = _SOON, to_the_second(found.due_ms, zone, language)
    elif waits(found):
        words = _QUICKER
    elif found.state == "dropped":
        words, value = _TAKEN_BACK if _was_taken_back(found) else _GIVEN_UP, found.ended_by or ""
    values = (found.recipient, value)
    text = _filled(say(words), values)
    if found.state == "deferred" and found.late:
        text = f"{text} {say(_LATE)}"
    if found.doubtful:
        text = f"{text} {say(_TWICE)}"
    return DeliveryLine(text=text, at_ms=found.ended_ms, bad=found.state in {*ENDED_BADLY, "held"})


def _filled(words: str, values: tuple[str, str]) -> str:
    # One pass: braces in what another server said stay as they are.
    return _BRACES.sub(lambda hole: values[int(hole[1])], words)
