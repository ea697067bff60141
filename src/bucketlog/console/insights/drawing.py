"""Rows to the geometry of charts: bars and lines over time, and the marks of their axes.

Everything is in hundredths of the plot's width and height, so a chart fits any screen without a
script; colours are classes of the style sheet. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bucketlog.console.insights.filters import Stretch, View

Row = Mapping[str, Any]
Format = Callable[[float], str]

_GAP = 0.16  # of a bar's width
_LABELS = 6
_DAY_S = 86_400
_STEPS_S = (
    *(1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 2 * 3600, 3 * 3600, 4 * 3600, 6 * 3600, 12 * 3600),
    *(_DAY_S, 2 * _DAY_S, 5 * _DAY_S, 7 * _DAY_S, 14 * _DAY_S, 28 * _DAY_S),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A label of an axis, and where it stands from the left or the top."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar: its kind, where it begins from the top, and its height."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of time: where it stands, what leads there, what it says."""

    x: float
    width: float
    hit_x: float
    hit_width: float
    begins_at: datetime
    ends_at: datetime
    href: str
    words: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A kind of thing in a chart, for its legend. `paths` are lines in a box of 1000 by 100."""

    kind: str
    name: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart over time."""

    bars: tuple[Bar, ...]
    series: tuple[Series, ...]
    across: tuple[Mark, ...]
    up: tuple[Mark, ...]
    is_empty: bool


def bars(
    view: View,
    stretch: Stretch,
    rows: Sequence[Row],
    kinds: Sequence[tuple[str, str, str]],
    shown: Format,
) -> Chart:
    """Stacked bars. `kinds` are (column, words, class), from the bottom up."""
    by_time = {row["begins"]: row for row in rows}
    totals = [sum(row[column] or 0 for column, _, _ in kinds) for row in rows]
    top = _nice(max(totals, default=0))
    made = []
    for bar in _places(view, stretch):
        row = by_time.get(bar.begins_at)
        pieces, from_top, told = [], 100.0, []
        for column, words, kind in kinds:
            value = (row[column] or 0) if row else 0
            if value:
                height = 100.0 * value / top
                from_top -= height
                pieces.append(Piece(kind, round(from_top, 3), round(height, 3)))
                told.append(f"{words} {shown(value)}" if len(kinds) > 1 else shown(value))
        words = f"{_span(stretch, bar.begins_at)}\n" + ("\n".join(told) or "nothing")
        made.append(replace(bar, words=words, pieces=tuple(pieces)))
    used = [
        Series(kind, words)
        for column, words, kind in kinds
        if any(row[column] for row in rows) or column == kinds[0][0]
    ]
    up = tuple(Mark(100.0 - 25.0 * part, shown(top * part / 4)) for part in range(5))
    return Chart(tuple(made), tuple(used), _times(stretch), up, not any(totals))


def lines(
    view: View, stretch: Stretch, rows: Sequence[Row], kinds: Sequence[tuple[str, str]]
) -> Chart:
    """Lines of milliseconds, on a logarithmic axis: `ms` of a row has one for each of `kinds`,
    which are (words, class).
    """
    by_time = {row["begins"]: row["ms"] for row in rows if row["ms"]}
    values = [max(1, value) for found in by_time.values() for value in found]
    low = math.floor(math.log10(min(values, default=1)))
    high = max(low + 1, math.ceil(math.log10(max(values, default=10))))

    def height(value: float) -> float:
        return 100.0 * (math.log10(max(1, value)) - low) / (high - low)

    made, points = [], []
    for bar in _places(view, stretch):
        found = by_time.get(bar.begins_at)
        said = [
            f"{words} {milliseconds(ms)}"
            for (words, _), ms in zip(kinds, found or (), strict=False)
        ]
        words = "\n".join((_span(stretch, bar.begins_at), *(said or ["nothing"])))
        made.append(replace(bar, words=words))
        middle = 10 * (bar.hit_x + bar.hit_width / 2)
        points.append((middle, None if found is None else [100 - height(ms) for ms in found]))
    series = tuple(
        Series(kind, words, tuple(_paths([(x, ys and ys[place]) for x, ys in points])))
        for place, (words, kind) in enumerate(kinds)
    )
    step = max(1, (high - low) // 4)
    up = tuple(
        Mark(round(100 - height(10**power), 3), milliseconds(10**power))
        for power in range(low, high + 1, step)
    )
    return Chart(tuple(made), series, _times(stretch), up, not by_time)


def milliseconds(count: float) -> str:
    """ "12 ms", "1.5 s"."""
    if count < 1000:
        return f"{count:,.0f} ms"
    return f"{count / 1000:,.1f}".removesuffix(".0") + " s"


def _paths(points: list[tuple[float, Any]]) -> list[str]:
    """Lines through neighbours; one alone is a dot."""
    paths: list[str] = []
    path: list[str] = []
    for x, y in [*points, (0.0, None)]:
        if y is not None:
            path.append(f"{x:.1f} {y:.2f}")
        elif path:
            paths.append("M" + " L".join(path if len(path) > 1 else path * 2))
            path = []
    return paths


def _places(view: View, stretch: Stretch) -> list[Bar]:
    begins = list(stretch.bars())
    step = timedelta(seconds=stretch.width_s)
    width = 100.0 / len(begins)
    return [
        Bar(
            round((number + _GAP / 2) * width, 3),
            round(width * (1 - _GAP), 3),
            round(number * width, 3),
            round(width, 3),
            at,
            at + step,
            view.between(at, at + step).address if stretch.width_s > 1 else "",
            "",
            (),
        )
        for number, at in enumerate(begins)
    ]


def _nice(most: float) -> float:
    """A number that isn't less, whose quarters are round."""
    if most <= 4:
        return 4.0
    power = 10.0 ** math.floor(math.log10(most / 4))
    for factor in (1, 2, 2.5, 5, 10):
        if factor * power * 4 >= most and (factor * power).is_integer():
            return float(factor * power * 4)
    return float(40 * power)


def _span(stretch: Stretch, at: datetime) -> str:
    end = at + timedelta(seconds=stretch.width_s)
    if stretch.width_s >= _DAY_S:
        last = end - timedelta(days=1)
        return f"{at:%-d %b %Y}" if last == at else f"{at:%-d %b} to {last:%-d %b %Y}"
    form = "%H:%M:%S" if stretch.width_s < 60 else "%H:%M"
    return f"{at:%-d %b}, {at.strftime(form)} to {end.strftime(form)} UTC"


def _times(stretch: Stretch) -> tuple[Mark, ...]:
    begins = list(stretch.bars())
    whole = len(begins) * stretch.width_s
    step = next(
        (each for each in _STEPS_S if whole / each <= _LABELS and each % stretch.width_s == 0),
        -(-whole // _LABELS // stretch.width_s) * stretch.width_s,
    )
    start = begins[0].timestamp()
    found = []
    for number, at in enumerate(begins):
        seconds = int(at.timestamp())
        counted = seconds if step < 7 * _DAY_S else int(seconds - start)
        if counted % step == 0:
            found.append(Mark(round(100.0 * number / len(begins), 3), _time(at, step)))
    return tuple(mark for mark in found if mark.at <= 94)


def _time(at: datetime, step: int) -> str:
    if step >= _DAY_S or (at.hour, at.minute, at.second) == (0, 0, 0):
        return f"{at:%-d %b}"
    return f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}"
