"""Moments as people write them."""

from datetime import UTC, datetime

import pytest

from bucketlog.lake import moments
from bucketlog.problems import Problem

NOW = datetime(2026, 3, 17, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:30", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01 12:30:05", datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)),
        ("2026-03-01T12:30:05.25Z", datetime(2026, 3, 1, 12, 30, 5, 250_000, tzinfo=UTC)),
        ("2026-03-01T12:30+02:00", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
        ("20260301", datetime(2026, 3, 1, tzinfo=UTC)),
        ("now", NOW),
        ("30s", datetime(2026, 3, 17, 9, 29, 30, tzinfo=UTC)),
        ("5m", datetime(2026, 3, 17, 9, 25, tzinfo=UTC)),
        ("5 min", datetime(2026, 3, 17, 9, 25, tzinfo=UTC)),
        ("24h", datetime(2026, 3, 16, 9, 30, tzinfo=UTC)),
        ("7D", datetime(2026, 3, 10, 9, 30, tzinfo=UTC)),
        ("2w", datetime(2026, 3, 3, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_a_time_or_how_long_ago(text: str, moment: datetime) -> None:
    found = moments.parse(text, NOW)
    assert found == moment
    assert found.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "7",
        "7y",
        "-7d",
        "999999w",
        "9999999d",
        "0001-01-01T00:00+01:00",
    ],
)
def test_anything_else_is_a_problem(text: str) -> None:
    with pytest.raises(Problem) as caught:
        moments.parse(text, NOW)
    assert caught.value.message == f"{text!r} is no time."
    assert "7d" in (caught.value.hint or "")
