"""Days, weeks and months of the organisation's time zone, as statistics divide time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from babel.dates import format_date

from maild.errors import NotFoundError
from maild.mail.local_time import day_start_ms
from maild.web.times import day

STEPS = {"day": 28, "week": 13, "month": 12}  # and how many a page shows
APART = " \u2013 "  # between the ends of a time
_FIRST, _LAST = date(1990, 1, 1), date(2100, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The periods of a page; `starts` has one more, with which the last one ends."""

    step: str
    starts: tuple[date, ...]
    zone: tzinfo

    @property
    def edges_ms(self) -> tuple[int, ...]:
        """When each period begins."""
        return tuple(day_start_ms(each, self.zone) for each in self.starts)

    @property
    def until(self) -> date:
        """The last day."""
        return self.starts[-1] - timedelta(days=1)

    @property
    def earlier(self) -> date:
        """A day of the page before."""
        return self.starts[0] - timedelta(days=1)

    @property
    def later(self) -> date:
        """A day of the page after."""
        return _moved(self.starts[-1], self.step, STEPS[self.step] - 1)

    def names(self, language: str) -> tuple[str, ...]:
        """Return what people call the periods."""
        return tuple(
            _name(self.step, first, until - timedelta(days=1), language)
            for first, until in zip(self.starts, self.starts[1:], strict=False)
        )


def calendar(step: str, until: str, today: date, zone: tzinfo) -> Calendar:
    """Return the periods up to the one of a day, today's without one. Raises NotFoundError for what is no time."""
    if step not in STEPS:
        raise NotFoundError("there is no such period")
    last = _begin(_day(until) if until else today, step)
    starts = tuple(_moved(last, step, number) for number in range(1 - STEPS[step], 2))
    return Calendar(step=step, starts=starts, zone=zone)


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise NotFoundError("there is no such day") from None
    if not _FIRST <= found <= _LAST:
        raise NotFoundError("no mail is of that day")
    return found


def _begin(of: date, step: str) -> date:
    if step == "week":
        return of - timedelta(days=of.weekday())
    return of.replace(day=1) if step == "month" else of


def _moved(start: date, step: str, by: int) -> date:
    if step == "month":
        months = start.year * 12 + start.month - 1 + by
        return date(months // 12, months % 12 + 1, 1)
    return start + timedelta(days=by * (7 if step == "week" else 1))


def _name(step: str, first: date, last: date, language: str) -> str:
    if step == "month":
        return str(format_date(first, "LLLL yyyy", locale=language))
    return day(first, language) if step == "day" else f"{day(first, language)}{APART}{day(last, language)}"


def weeks_ms(monday: date, numbers: Sequence[int], zone: tzinfo) -> list[tuple[int, int]]:
    """Return the weeks that begin so many weeks from a Monday, as spans."""
    starts = [monday + timedelta(weeks=number) for number in numbers]
    return [(day_start_ms(each, zone), day_start_ms(each + timedelta(weeks=1), zone)) for each in starts]
