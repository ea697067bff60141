"""Small charts as paths of an SVG: numbers in, geometry out.

The box is WIDTH by HEIGHT, the newest at the right edge, 0 at the bottom. Nothing here knows
colours: those are classes of the style sheet. A value of None is a gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 240, 56

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Layer:
    """One line or area of a chart. `kind` is a class: "area hue-1". `said` is its value now."""

    name: str
    kind: str
    path: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its words. `top` is what the upper edge stands for; `told` is for who hears."""

    id: str
    title: str
    now: str
    note: str
    top: str
    told: str
    layers: tuple[Layer, ...]
    is_empty: bool = False


def top_of(*series: Values, least: float = 1.0) -> float:
    """A round number that all values are below: 1, 2 or 5 times a power of ten, or 0.8 of it."""
    most = max((value for each in series for value in each if value is not None), default=0.0)
    most = max(most, least)
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= most)


def line(ages: Sequence[float], values: Values, top: float, span: float) -> str:
    """The path of a line. `ages`: how long ago each value was, of at most `span`."""
    pieces = []
    for run in _runs(ages, values, span):
        if len(run) == 1:
            run = [run[0], (run[0][0] + 1, run[0][1])]
        pieces.append("M" + "L".join(f"{x:.1f} {_y(value, top):.1f}" for x, value in run))
    return "".join(pieces)


def area(
    ages: Sequence[float], values: Values, top: float, span: float, below: Values | None = None
) -> str:
    """The path of what lies between the values and 0, or between them and those `below`."""
    floors = [0.0] * len(values) if below is None else [each or 0.0 for each in below]
    floor_at = {_x(age, span): floor for age, floor in zip(ages, floors, strict=True)}
    pieces = []
    for run in _runs(ages, values, span):
        there = "L".join(f"{x:.1f} {_y(value, top):.1f}" for x, value in run)
        back = "L".join(f"{x:.1f} {_y(floor_at[x], top):.1f}" for x, _ in reversed(run))
        pieces.append(f"M{there}L{back}Z")
    return "".join(pieces)


def stacked(series: Sequence[Values]) -> list[list[float | None]]:
    """Each series on top of those before it."""
    found: list[list[float | None]] = []
    below: list[float] = [0.0] * len(series[0])
    for values in series:
        layer: list[float | None] = []
        for place, value in enumerate(values):
            below[place] += value or 0.0
            layer.append(None if value is None else below[place])
        found.append(layer)
    return found


def _runs(
    ages: Sequence[float], values: Values, span: float
) -> Iterator[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for age, value in zip(ages, values, strict=True):
        if value is None or age > span:
            if run:
                yield run
            run = []
        else:
            run.append((_x(age, span), value))
    if run:
        yield run


def _x(age: float, span: float) -> float:
    return WIDTH * (1 - age / span)


def _y(value: float, top: float) -> float:
    # One unit of room for the width of the line.
    return 1 + (HEIGHT - 2) * (1 - min(value, top) / top)
