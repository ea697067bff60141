"""When events were, in bounded memory: enough to tell the largest gap between two of them.

Time is divided into spans of equal width, and of each span with events the first and the last
event are kept. Two neighbouring events further apart than a span's width lie in different spans,
so a gap longer than the width is told exactly, in whatever order events come. The width is a
second to begin with, and doubles whenever there are too many spans.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

SECOND_US = 1_000_000
MOST_SPANS = 16_384

SPANS = pa.schema([("number", pa.int64()), ("first", pa.int64()), ("last", pa.int64())])
"""Spans as a table: the number of each, its first and its last event, in microseconds since 1970.

A number may come more than once.
"""


class Timeline:
    """Spans with events. `add` is for one thread; `width_us` may be read by any."""

    def __init__(self, most_spans: int = MOST_SPANS) -> None:
        self.width_us = SECOND_US
        self._most = most_spans
        self._spans = SPANS.empty_table()
        self._added: list[pa.Table] = []  # since the spans were last put together
        self._added_rows = 0

    def add(self, width_us: int, spans: pa.Table) -> None:
        """Takes in spans of some timeline's width."""
        while self.width_us < width_us:
            self._coarsen()
        self._added.append(_renumbered(spans, self.width_us // width_us))
        self._added_rows += spans.num_rows
        if self._added_rows > self._most:
            self.settle()

    def settle(self) -> None:
        """Puts together what was added; the width may grow by it."""
        if self._added:
            self._spans = _merged(pa.concat_tables([self._spans, *self._added]))
            self._added, self._added_rows = [], 0
        while self._spans.num_rows > self._most:
            self._coarsen()

    def _coarsen(self) -> None:
        self.width_us *= 2
        self._spans = _merged(_renumbered(self._spans, 2))
        self._added = [_renumbered(spans, 2) for spans in self._added]

    @property
    def first_us(self) -> int | None:
        """The first event."""
        self.settle()
        return _whole(pc.min(self._spans.column("first")))

    @property
    def last_us(self) -> int | None:
        """The last event."""
        self.settle()
        return _whole(pc.max(self._spans.column("last")))

    def largest_gap(self) -> tuple[int, int] | None:
        """The two neighbouring events furthest apart; None for fewer than two spans."""
        self.settle()
        if self._spans.num_rows < 2:
            return None
        spans = self._spans.sort_by("number")
        ends, starts = spans.column("last").slice(0, len(spans) - 1), spans.column("first").slice(1)
        gaps = pc.subtract(starts, ends)
        place = pc.index(gaps, pc.max(gaps)).as_py()
        return ends[place].as_py(), starts[place].as_py()


def spans_of(times: pa.Array, width_us: int) -> pa.Table:
    """The spans of a batch's times (microseconds, nulls passed over)."""
    instants = times.drop_null().cast(pa.int64())
    # Division cuts towards zero, so what is before 1970 shares a span with what is after: harmless
    # but for gaps across that instant, of which there are none in logs of S3.
    numbers = pc.divide(instants, width_us)
    return _merged(pa.table([numbers, instants, instants], schema=SPANS))


def joined(all_spans: list[pa.Table]) -> pa.Table:
    """Spans of one width together."""
    return pa.concat_tables(all_spans) if all_spans else SPANS.empty_table()


def _renumbered(spans: pa.Table, by: int) -> pa.Table:
    if by == 1:
        return spans
    return spans.set_column(0, SPANS.field(0), pc.divide(spans.column(0), by))


def _merged(spans: pa.Table) -> pa.Table:
    """Each number once."""
    grouped = spans.group_by("number", use_threads=False)
    return grouped.aggregate([("first", "min"), ("last", "max")]).rename_columns(SPANS.names)


def _whole(scalar: Any) -> int | None:
    value: int | None = scalar.as_py()
    return value
