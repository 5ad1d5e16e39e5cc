"""Small charts of lines, as the server draws them: geometry in the chart's own units, and a forecast to draw.

Pure. Colours and sizes are the stylesheet's; each line has its name at its end, and a table stands beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 160
_RIGHT, _TOP, _FOOT = 370, 16, 138  # of the plot; right of it stand the names
_APART = 17  # between two names
_LEAST = 20  # letters in eight weeks of last year, or nothing can be said of this year's
_TREND_LIMITS = (0.25, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: its way as a path of SVG, its points, and where its name stands. `kind` is its class."""

    kind: str
    name: str
    path: str
    points: tuple[tuple[int, int], ...]
    name_y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines on one scale; `most` is the value at the upper edge."""

    lines: tuple[Line, ...]
    most: int


def chart(series: Sequence[tuple[str, str, Sequence[int | None]]]) -> Chart | None:
    """Draw series of (kind, name, values) as long as each other; None where there is nothing to see."""
    known = [value for _, _, values in series for value in values if value is not None]
    most = max(known, default=0)
    if most <= 0:
        return None
    drawn = [(kind, name, _points(values, most)) for kind, name, values in series]
    ends = [points[-1][1] if (points := [p for p in each if p is not None]) else _FOOT for _, _, each in drawn]
    lines = tuple(
        Line(kind=kind, name=name, path=_path(points), points=tuple(p for p in points if p is not None), name_y=y)
        for (kind, name, points), y in zip(drawn, _spread(ends), strict=True)
    )
    return Chart(lines=lines, most=most)


def _points(values: Sequence[int | None], most: int) -> list[tuple[int, int] | None]:
    step = _RIGHT / max(len(values) - 1, 1)
    return [
        None if value is None else (round(number * step), _FOOT - round(value / most * (_FOOT - _TOP)))
        for number, value in enumerate(values)
    ]


def _path(points: Sequence[tuple[int, int] | None]) -> str:
    """Write the way through the points, lifting the pen where there is none."""
    words: list[str] = []
    down = False
    for point in points:
        if point is not None:
            words.append(f"{'L' if down else 'M'}{point[0]} {point[1]}")
        down = point is not None
    return " ".join(words)


def _spread(ends: Sequence[int]) -> list[int]:
    """Return where names stand, none on another, each as near its line as may be."""
    placed: dict[int, int] = {}
    above = -_APART
    for number in sorted(range(len(ends)), key=lambda n: ends[n]):
        above = placed[number] = max(ends[number], above + _APART)
    beyond = max(above - _FOOT, 0)
    return [placed[number] - beyond for number in range(len(ends))]


def trend(recent: int, before: int) -> float | None:
    """Return this year's weeks as a multiple of the same weeks of last year; None where they say too little."""
    if before < _LEAST:
        return None
    least, most = _TREND_LIMITS
    return min(max(recent / before, least), most)


def forecast(last_year: Sequence[int], factor: float) -> tuple[int, ...]:
    """Return what last year's weeks come to this year."""
    return tuple(round(each * factor) for each in last_year)
