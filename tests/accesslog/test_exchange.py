"""Clock marks to the two durations of a record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.accesslog.exchange import Timing

MS = 1_000_000


@pytest.mark.parametrize(
    ("elapsed_ns", "shown_ms"),
    [(0, 1), (1, 1), (499_999, 1), (MS, 1), (1_499_999, 1), (1_500_000, 2), (41_754 * MS, 41_754)],
)
def test_a_duration_is_the_nearest_millisecond_and_never_zero(
    elapsed_ns: int, shown_ms: int
) -> None:
    timing = Timing(0, 5, 5, 5 + elapsed_ns, 5 + elapsed_ns)
    assert timing.total_ms == shown_ms
    assert timing.turn_around_ms == shown_ms


@pytest.mark.parametrize("never", [None, 0])
def test_a_mark_that_was_never_made_gives_no_duration(never: int | None) -> None:
    assert Timing(0, 5, 6, 7, never).total_ms is None
    assert Timing(0, 5, 6, never, 9).turn_around_ms is None
    assert Timing(0, 5, never, 7, 9).turn_around_ms is None


def test_an_answer_begun_before_the_request_ended_has_no_turn_around() -> None:
    assert Timing(0, 5, 90, 7, 9).turn_around_ms is None


@given(st.lists(st.integers(1, 10**12), min_size=4, max_size=4).map(sorted))
def test_turn_around_never_exceeds_total(marks: list[int]) -> None:
    timing = Timing(0, *marks)
    assert timing.turn_around_ms is not None
    assert timing.total_ms is not None
    assert timing.turn_around_ms <= timing.total_ms
