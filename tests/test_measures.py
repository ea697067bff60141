"""Durations and sizes with units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog import measures

DURATIONS = [
    ("0s", 0.0),
    ("0.25s", 0.25),
    ("1s", 1.0),
    ("75s", 75.0),
    ("3600s", 3600.0),
    ("36h", 129_600.0),
    ("7d", 604_800.0),
]
SIZES = [
    ("0B", 0),
    ("1B", 1),
    ("1000B", 1000),
    ("16KiB", 16384),
    ("5MiB", 5 << 20),
    ("3GiB", 3 << 30),
    ("2TiB", 2 << 40),
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_a_duration_is_read_and_written(text: str, seconds: float) -> None:
    assert measures.duration(text) == seconds
    assert measures.render_duration(seconds) == text


@pytest.mark.parametrize(("text", "count"), SIZES)
def test_a_size_is_read_and_written(text: str, count: int) -> None:
    assert measures.size(text) == count
    assert measures.render_size(count) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("500ms", 0.5), ("1.5h", 5400.0), (" 5 min ", 300.0), ("2m", 120.0)],
)
def test_other_ways_to_write_a_duration(text: str, seconds: float) -> None:
    assert measures.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"), [("4096", 4096), ("1.5GB", 1_500_000_000), ("5mib", 5 << 20), ("8 kB", 8000)]
)
def test_other_ways_to_write_a_size(text: str, count: int) -> None:
    assert measures.size(text) == count


@pytest.mark.parametrize("text", ["", "s", "5 years", "-5s", "1e3s", "5 5s", "inf", "٣s", "1.s"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        measures.duration(text)
    with pytest.raises(ValueError, match="is no size"):
        measures.size(text)


@given(st.integers(0, 1 << 60))
def test_every_size_comes_back(count: int) -> None:
    assert measures.size(measures.render_size(count)) == count


@given(st.integers(0, 10**12))
def test_every_duration_in_milliseconds_comes_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert measures.duration(measures.render_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_a_duration_for_people_has_one_unit(seconds: float, text: str) -> None:
    assert measures.about(seconds) == text
