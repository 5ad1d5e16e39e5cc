"""How long an answer usually takes, as the archive knows it, in a sentence for who waits for one.

Nine of ten first answers of a team in the last three months took no longer. Of few answers nothing is said: a promise
that nobody keeps is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maild.archive.database import Database
from maild.archive.figures import usual_answer_ms
from maild.policy.visible import OPERATOR

PLACEHOLDER = "team.usual_answer"
FEWEST = 10
_DAY_MS = 24 * 3600 * 1000
_SINCE_MS = 91 * _DAY_MS
_HOLDS_MS = 3600 * 1000
_WORDS = {
    "de": ("Meist antworten wir innerhalb eines Tages.", "Meist antworten wir innerhalb von {0} Tagen.",
           "Meist antworten wir innerhalb von {0} Wochen."),
    "en": ("We usually answer within a day.", "We usually answer within {0} days.",
           "We usually answer within {0} weeks."),
}  # fmt: skip


def sentence(took_ms: int | None, language: str) -> str:
    """Say how long it takes, rounded up; "" where nobody knows."""
    if took_ms is None:
        return ""
    one_day, days, weeks = _WORDS.get(language, _WORDS["en"])
    number = max(1, -(-took_ms // _DAY_MS))
    if number == 1:
        return one_day
    return days.format(number) if number <= 14 else weeks.format(-(-number // 7))


@dataclass(frozen=True, slots=True)
class _Known:
    until_ms: int
    took_ms: int | None


class UsualAnswers:
    """Asks the archive once an hour for each team, in whatever thread asks."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._known: dict[str, _Known] = {}

    def of(self, team: str, language: str) -> str:
        """Return the sentence for a team."""
        now_ms, known = self._now_ms(), self._known.get(team)
        if known is None or not known.until_ms - _HOLDS_MS <= now_ms < known.until_ms:
            known = self._known[team] = _Known(now_ms + _HOLDS_MS, self._took_ms(team, now_ms))
        return sentence(known.took_ms, language)

    def _took_ms(self, team: str, now_ms: int) -> int | None:
        with self._database.read() as connection:
            return usual_answer_ms(
                connection, visible=OPERATOR, team=team, since_ms=now_ms - _SINCE_MS, until_ms=now_ms, fewest=FEWEST
            )
