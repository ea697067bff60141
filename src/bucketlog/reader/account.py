"""The account of a scan: what was read, what came of it, and what could not be read.

Every line is a row or a reject, and lines are counted from the bytes alone, so that `adds_up` is
a proof and no tautology. Memory is bounded, whatever is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bucketlog.reader import derived, timeline
from bucketlog.reader.objects import Trouble
from bucketlog.reader.timeline import SPANS, Timeline

MOST_TROUBLES = 1000
"""Troubles that are kept by name; more are only counted."""

_STEPS = 16  # per doubling of the lag: told within 4.5 %


@dataclass(frozen=True, slots=True)
class Gap:
    """Two neighbouring events, and nothing between them."""

    start: datetime
    end: datetime

    @property
    def duration(self) -> timedelta:
        """How long nothing happened."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Tally:
    """The count of some lines of one object, or of a few whole objects; made beside the rows.

    `stored_bytes` are as stored, `bytes` after decompression. `spans` are of `width_us`. `lags`
    counts rows by step of their delivery lag; `longest_lag_us` is of any row.
    """

    objects: int = 0
    stored_bytes: int = 0
    bytes: int = 0
    bytes_not_log: int = 0
    lines: int = 0
    rows: int = 0
    selected: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    ambiguous: int = 0
    field_counts: dict[int | None, int] = field(default_factory=dict)
    eras: dict[str, int] = field(default_factory=dict)
    width_us: int = 1
    spans: pa.Table = field(default_factory=SPANS.empty_table)
    lags: dict[int, int] = field(default_factory=dict)
    longest_lag_us: int | None = None
    troubles: tuple[Trouble, ...] = ()


def combined(tallies: Sequence[Tally]) -> Tally:
    """Several tallies, made with the same width of spans, as one."""
    if len(tallies) == 1:
        return tallies[0]
    sums = {name: sum(getattr(each, name) for each in tallies) for name in _SUMMED}
    counters: dict[str, Any] = {}
    for name in ("rejects", "field_counts", "eras", "lags"):
        total: Counter[Any] = Counter()
        for each in tallies:
            total.update(getattr(each, name))
        counters[name] = dict(total)
    longest = [each.longest_lag_us for each in tallies if each.longest_lag_us is not None]
    return Tally(
        **sums,
        **counters,
        width_us=max(each.width_us for each in tallies),
        spans=timeline.joined([each.spans for each in tallies]),
        longest_lag_us=max(longest, default=None),
        troubles=tuple(trouble for each in tallies for trouble in each.troubles),
    )


_SUMMED = (
    *("objects", "stored_bytes", "bytes", "bytes_not_log"),
    *("lines", "rows", "selected", "ambiguous"),
)


@dataclass(slots=True)
class Account:
    """What a scan has read so far.

    `rows` are all records that were read, `selected` those that `where` let through.
    `objects_in_trouble` names the first 1000 of `troubles`. `rejects` counts by reason.
    `field_counts` and `eras` count rows by how many fields they had (None for structured records)
    and by the derived column `era`. `notes` are things to know that are no trouble, such as that
    requests went out unsigned.
    """

    objects: int = 0
    troubles: int = 0
    objects_in_trouble: list[Trouble] = field(default_factory=list)
    stored_bytes: int = 0
    bytes: int = 0
    bytes_not_log: int = 0
    lines: int = 0
    rows: int = 0
    selected: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    ambiguous: int = 0
    field_counts: Counter[int | None] = field(default_factory=Counter)
    eras: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline, repr=False)
    _lags: Counter[int] = field(default_factory=Counter, repr=False)
    _longest_lag_us: int | None = None

    @property
    def adds_up(self) -> bool:
        """Whether every line became a row or a reject."""
        return self.lines == self.rows + self.rejected

    @property
    def rejected(self) -> int:
        """How many lines could not be read."""
        return sum(self.rejects.values())

    @property
    def first_event(self) -> datetime | None:
        """The time of the earliest record."""
        return None if self.timeline.first_us is None else _instant(self.timeline.first_us)

    @property
    def last_event(self) -> datetime | None:
        """The time of the latest record."""
        return None if self.timeline.last_us is None else _instant(self.timeline.last_us)

    @property
    def largest_gap(self) -> Gap | None:
        """The longest time without a record; exact if longer than `gap_resolution`.

        One that is shorter may hide a somewhat longer one, but none longer than that.
        """
        gap = self.timeline.largest_gap()
        return None if gap is None else Gap(_instant(gap[0]), _instant(gap[1]))

    @property
    def gap_resolution(self) -> timedelta:
        """How finely gaps are told: a second, or more for records of many different times."""
        self.timeline.settle()
        return timedelta(microseconds=self.timeline.width_us)

    @property
    def longest_lag(self) -> timedelta | None:
        """The longest that a record waited for its delivery; None where no delivery is known."""
        if self._longest_lag_us is None:
            return None
        return timedelta(microseconds=self._longest_lag_us)

    @property
    def median_lag(self) -> timedelta | None:
        """How long the middle record waited for its delivery, within 5 %."""
        passed, half = 0, sum(self._lags.values()) / 2
        for step in sorted(self._lags):
            passed += self._lags[step]
            if passed >= half:
                return timedelta(seconds=2 ** ((step + 0.5) / _STEPS) if step > 0 else 0)
        return None

    def add(self, tally: Tally) -> None:
        """Takes in the count of some more lines."""
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(tally, name))
        self.rejects.update(tally.rejects)
        self.field_counts.update(tally.field_counts)
        self.eras.update(tally.eras)
        self.timeline.add(tally.width_us, tally.spans)
        self._lags.update(tally.lags)
        if tally.longest_lag_us is not None:
            known = self._longest_lag_us
            longest = tally.longest_lag_us
            self._longest_lag_us = longest if known is None else max(known, longest)
        for trouble in tally.troubles:
            self.note(trouble)

    def note(self, trouble: Trouble) -> None:
        """Counts a trouble, and keeps it if there are not too many."""
        self.troubles += 1
        if len(self.objects_in_trouble) < MOST_TROUBLES:
            self.objects_in_trouble.append(trouble)


def _instant(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


# ── counting a batch ────────────────────────────────────────────────────────────────────────────


def reasons(rejects: pa.RecordBatch) -> dict[str, int]:
    """Rejects by reason: by its words, without figures that may follow a colon."""
    if not rejects.num_rows:
        return {}
    found: Counter[str] = Counter()
    for entry in pc.value_counts(rejects.column("reason").cast(pa.string())).to_pylist():
        found[entry["values"].partition(":")[0]] += entry["counts"]
    return dict(found)


def counts(array: pa.Array) -> dict[int | None, int]:
    """How often each value of a column stands in it, for one of few values."""
    if not len(array):
        return {}
    ends = pc.min_max(array).as_py()
    if ends["min"] == ends["max"] and not array.null_count:  # most often, and much faster
        return {ends["min"]: len(array)}
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(array).to_pylist()}


def eras(batch: pa.RecordBatch, field_counts: dict[int | None, int]) -> dict[str, int]:
    """Rows by the derived column `era`; without making that column, where all is as usual."""
    if None not in field_counts and batch.column("extra_fields").null_count == batch.num_rows:
        found: Counter[str] = Counter()
        for fields, count in field_counts.items():
            known = [name for least, name in derived.ERAS if fields is not None and fields >= least]
            found[known[-1] if known else derived.ERAS[0][1]] += count
        return dict(found)
    column = derived.add(batch.select(["field_count", "extra_fields"]), ["era"]).column("era")
    entries = pc.value_counts(column.cast(pa.string())).to_pylist()
    return {entry["values"]: entry["counts"] for entry in entries}


def lags(times: pa.Array, delivered: pa.Array) -> tuple[dict[int, int], int | None]:
    """Rows by step of their delivery lag, and the longest lag in microseconds.

    Step n is of lags from 2^(n/16) seconds; step 0 is of those below a second.
    """
    waited = pc.subtract(delivered.cast(pa.int64()), times.cast(pa.int64())).drop_null()
    if not len(waited):
        return {}, None
    seconds = pc.max_element_wise(pc.divide(waited.cast(pa.float64()), 1e6), 1.0)
    steps = pc.floor(pc.multiply(pc.log2(seconds), float(_STEPS))).cast(pa.int16())
    return _histogram(steps), pc.max(waited).as_py()


def _histogram(steps: pa.Array) -> dict[int, int]:
    runs = pc.run_end_encode(steps.take(pc.sort_indices(steps)))
    ends = runs.run_ends.to_pylist()
    sizes = (end - start for start, end in zip([0, *ends], ends, strict=False))
    return dict(zip(runs.values.to_pylist(), sizes, strict=True))
