"""The account is right, whatever the order and however much: counts, gaps, lags, eras."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.log_lines import START, line, lines

import bucketlog
from bucketlog.reader.account import MOST_TROUBLES, Account, Tally, lags
from bucketlog.reader.objects import SourceObject, Trouble, delivered_at
from bucketlog.reader.schema import TIME
from bucketlog.reader.streams import Stream
from bucketlog.reader.timeline import SPANS, Timeline, spans_of

SECONDS = st.integers(0, 5_000)


def account_of(*given: object) -> Account:
    with bucketlog.scan(*given) as scan:
        for _ in scan:
            pass
    assert scan.account.adds_up
    return scan.account


def times(seconds: Sequence[int]) -> pa.Array:
    return pa.array([each * 1_000_000 for each in seconds], pa.int64()).cast(TIME)


def test_lines_are_counted_from_the_bytes_and_add_up(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(lines(0, 5) + b"x\n\n" + line(5).removesuffix(b"\n"))
    account = account_of(tmp_path)
    assert (account.lines, account.rows, account.selected, account.rejected) == (8, 6, 6, 2)
    assert account.rejects == {
        "no owner, bucket, time and operation at its start": 1,
        "the line is empty": 1,
    }


def test_an_account_that_does_not_add_up_says_so() -> None:
    account = Account()
    account.add(Tally(lines=3, rows=1, rejects={"why": 1}))
    assert not account.adds_up
    account.add(Tally(rejects={"why": 1}))
    assert account.adds_up


def test_rows_are_counted_by_field_count_and_era() -> None:
    data = b"".join(line(n, fields=fields) for n, fields in enumerate([18, 18, 24, 25, 26, 27]))
    newer = line(9).removesuffix(b"\n") + b" something new\n"
    account = account_of(io.BytesIO(data))
    assert account.field_counts == {18: 2, 24: 1, 25: 1, 26: 1, 27: 1}
    assert account.eras == {"2010": 2, "2019-03-28": 1, "2021": 1, "2022": 1, "2026": 1}
    account = account_of(io.BytesIO(data + newer))
    assert account.eras["newer"] == 1
    assert account.eras["2026"] == 1


def test_ambiguous_lines_are_counted() -> None:
    forged = line(0).replace(b'"-" "curl', b'"x" 403 - 1 1 1 1 "a" "curl')
    account = account_of(io.BytesIO(forged + line(1)))
    assert (account.rows, account.ambiguous) == (2, 1)


def test_first_and_last_event_and_the_largest_gap_are_told_whatever_the_order() -> None:
    seconds = [5, 3, 900, 901, 2, 4000]
    data = b"".join(line(n, START + timedelta(seconds=each)) for n, each in enumerate(seconds))
    account = account_of(io.BytesIO(data))
    assert account.first_event == START + timedelta(seconds=2)
    assert account.last_event == START + timedelta(seconds=4000)
    assert account.largest_gap is not None
    assert account.largest_gap.start == START + timedelta(seconds=901)
    assert account.largest_gap.duration == timedelta(seconds=3099)
    assert account.gap_resolution == timedelta(seconds=1)


def test_without_events_there_is_no_gap_and_no_lag() -> None:
    account = Account()
    assert (account.first_event, account.last_event, account.largest_gap) == (None, None, None)
    assert (account.longest_lag, account.median_lag) == (None, None)
    account.add(Tally(width_us=1_000_000, spans=spans_of(pa.array([1_000_000], TIME), 1_000_000)))
    assert account.first_event == account.last_event == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert account.largest_gap is None


@given(st.lists(st.lists(SECONDS, min_size=1), min_size=1, max_size=6), st.integers(2, 40))
def test_a_gap_longer_than_the_resolution_is_exact(batches: list[list[int]], most: int) -> None:
    timeline = Timeline(most)
    for batch in batches:
        width = timeline.width_us
        timeline.add(width, spans_of(times(batch), width))
    every = sorted({second * 1_000_000 for batch in batches for second in batch})
    assert (timeline.first_us, timeline.last_us) == (every[0], every[-1])
    truth = max((b - a for a, b in pairwise(every)), default=0)
    told = timeline.largest_gap()
    assert (told is None) or told[0] < told[1]
    length = 0 if told is None else told[1] - told[0]
    if truth > timeline.width_us:
        assert length == truth
    else:
        assert length <= timeline.width_us


@given(st.lists(SECONDS, min_size=1))
def test_spans_of_another_width_are_taken_in(seconds: list[int]) -> None:
    fine, coarse = Timeline(), Timeline()
    fine.add(4_000_000, spans_of(times(seconds), 4_000_000))
    coarse.add(8_000_000, SPANS.empty_table())
    coarse.add(4_000_000, spans_of(times(seconds), 4_000_000))
    assert (fine.width_us, coarse.width_us) == (4_000_000, 8_000_000)
    assert (fine.first_us, fine.last_us) == (coarse.first_us, coarse.last_us)


def test_rows_without_a_time_are_in_no_span() -> None:
    assert spans_of(pa.array([None], TIME), 1_000_000).num_rows == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("p/2026-03-01-01-02-03-0123456789ABCDEF", datetime(2026, 3, 1, 1, 2, 3, tzinfo=UTC)),
        ("p/2026-03-01-01-02-03-0123456789ABCDEF.gz", datetime(2026, 3, 1, 1, 2, 3, tzinfo=UTC)),
        ("p/2026-03-01-00-00-00-0123456789ABCDEF", None),  # partitioned by event time
        ("p/2026-13-01-01-02-03-0123456789ABCDEF", None),
        ("2026-03-01-01-02-03-0123456789ABCDEF/other", None),
        ("access.log", None),
    ],
)
def test_a_log_objects_name_tells_its_delivery(name: str, told: datetime | None) -> None:
    stored = datetime(2026, 5, 5, tzinfo=UTC)
    store = Stream(None)
    assert delivered_at(SourceObject(name, name, store)) == told
    assert delivered_at(SourceObject(name, name, store, 1, stored)) == (told or stored)


def test_the_lag_is_from_the_event_to_the_delivery(tmp_path: Path) -> None:
    (tmp_path / "2026-03-01-00-10-00-0123456789ABCDEF").write_bytes(lines(0, 101))
    (tmp_path / "2026-03-01-00-05-00-0123456789ABCDEF").write_bytes(line(60))
    (tmp_path / "other").write_bytes(line(0))
    account = account_of(tmp_path)
    assert account.longest_lag == timedelta(seconds=600)
    assert account.median_lag is not None
    assert abs(account.median_lag.total_seconds() / 550 - 1) < 0.05


@given(st.lists(st.integers(-5, 10**6), min_size=1))
def test_steps_of_lag_hold_every_row(seconds: list[int]) -> None:
    now = times([10**7] * len(seconds))
    found, longest = lags(times([10**7 - each for each in seconds]), now)
    assert sum(found.values()) == len(seconds)
    assert longest == max(seconds) * 1_000_000
    assert min(found) >= 0


def test_troubles_are_kept_up_to_a_number_and_counted_beyond() -> None:
    account = Account()
    for number in range(MOST_TROUBLES + 5):
        account.add(Tally(troubles=(Trouble(str(number), "why"),)))
    assert account.troubles == MOST_TROUBLES + 5
    assert len(account.objects_in_trouble) == MOST_TROUBLES
