"""Charts: where bars, lines and marks stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.console.insights import drawing
from bucketlog.console.insights.filters import View

NOW = datetime(2026, 11, 22, 19, 40, tzinfo=UTC)
KINDS = (("good", "Answered", "fine"), ("bad", "Failed", "bad"))
VIEW = View("/x").ranged("1h")
STRETCH = VIEW.stretch(NOW, None, None)


def shown(value: float) -> str:
    return f"{value:g}"


def rows(*pairs: tuple[int, int]) -> list[dict[str, Any]]:
    bars = list(STRETCH.bars())
    return [{"begins": bars[n], "good": a, "bad": b} for n, (a, b) in enumerate(pairs)]


def test_bars_are_stacked_from_the_bottom_up() -> None:
    chart = drawing.bars(VIEW, STRETCH, rows((30, 10), (0, 0), (8, 0)), KINDS, shown)
    assert [mark.text for mark in chart.up] == ["0", "10", "20", "30", "40"]
    assert [mark.at for mark in chart.up] == [100, 75, 50, 25, 0]
    first, second, third = chart.bars[:3]
    assert [(p.kind, p.y, p.height) for p in first.pieces] == [("fine", 25, 75), ("bad", 0, 25)]
    assert second.pieces == ()
    assert [(p.kind, p.y, p.height) for p in third.pieces] == [("fine", 80, 20)]
    assert first.words == "22 Nov, 18:41 to 18:42 UTC\nAnswered 30\nFailed 10"
    assert second.words.endswith("nothing")
    assert first.href == "/x?from=2026-11-22T18%3A41%3A00Z&to=2026-11-22T18%3A42%3A00Z"
    assert not chart.is_empty


def test_a_kind_that_nowhere_occurs_is_not_in_the_legend_but_the_first_is() -> None:
    assert [s.name for s in drawing.bars(VIEW, STRETCH, rows((0, 1)), KINDS, shown).series] == [
        "Answered",
        "Failed",
    ]
    empty = drawing.bars(VIEW, STRETCH, [], KINDS, shown)
    assert [s.name for s in empty.series] == ["Answered"]
    assert empty.is_empty
    assert len(empty.bars) == 60


def test_one_kind_alone_needs_no_name() -> None:
    chart = drawing.bars(VIEW, STRETCH, rows((3, 0)), KINDS[:1], shown)
    assert chart.bars[0].words.splitlines()[1:] == ["3"]


@given(st.floats(0, 1e15))
def test_the_axis_ends_above_the_highest_bar_and_not_far(most: float) -> None:
    top = drawing._nice(most)
    assert top >= most
    assert top <= max(4, 2.5 * most)
    assert (top / 4).is_integer()


def test_lines_stop_where_there_is_nothing_and_one_point_is_a_dot() -> None:
    bars = list(STRETCH.bars())
    told = [{"begins": bars[n], "ms": [10, 100]} for n in (0, 1, 5)]
    told.append({"begins": bars[9], "ms": None})
    chart = drawing.lines(VIEW, STRETCH, told, (("Half", "p50"), ("Most", "p95")))
    half, most = chart.series
    assert half.paths == ("M8.3 100.00 L25.0 100.00", "M91.7 100.00 L91.7 100.00")
    assert most.paths[0] == "M8.3 0.00 L25.0 0.00"
    assert [(mark.at, mark.text) for mark in chart.up] == [(100, "10 ms"), (0, "100 ms")]
    assert chart.bars[0].words.splitlines()[1:] == ["Half 10 ms", "Most 100 ms"]
    assert chart.bars[9].words.splitlines()[1:] == ["nothing"]
    assert not chart.is_empty
    assert drawing.lines(VIEW, STRETCH, [], (("Half", "p50"),)).is_empty


def test_no_time_at_all_is_on_the_axis() -> None:
    told = [{"begins": next(STRETCH.bars()), "ms": [0, 0]}]
    chart = drawing.lines(VIEW, STRETCH, told, (("Half", "p50"), ("Most", "p95")))
    assert chart.series[0].paths[0].endswith("100.00")


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (1540, "1.5 s"), (61_000, "61 s")],
)
def test_milliseconds_in_words(count: float, words: str) -> None:
    assert drawing.milliseconds(count) == words


@pytest.mark.parametrize("days", [0.0001, 0.001, 0.01, 0.1, 1, 3, 10, 60, 300, 1000, 6000])
def test_a_few_marks_at_round_times_tell_when(days: float) -> None:
    stretch = View("/x").between(NOW - timedelta(days=days), NOW).stretch(NOW, None, None)
    chart = drawing.bars(VIEW, stretch, [], KINDS, shown)
    assert 1 <= len(chart.across) <= 7
    assert [mark.at for mark in chart.across] == sorted({mark.at for mark in chart.across})
    assert all(0 <= mark.at <= 94 for mark in chart.across)


def test_a_bar_of_days_is_named_by_its_days() -> None:
    for width, words in ((6, "22 Nov"), (40, "22 Nov 2026"), (400, " to ")):
        view = View("/x").between(NOW - timedelta(days=width), NOW)
        chart = drawing.bars(view, view.stretch(NOW, None, None), [], KINDS, shown)
        assert words in chart.bars[-1].words.partition("\n")[0]


def test_a_second_can_t_be_looked_into_any_closer() -> None:
    view = View("/x").between(NOW - timedelta(seconds=30), NOW)
    chart = drawing.bars(view, view.stretch(NOW, None, None), [], KINDS, shown)
    assert chart.bars[0].href == ""
