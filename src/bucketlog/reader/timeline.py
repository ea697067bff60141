"""When events were, in bounded memory: enough to tell the largest gap between two of them.

Time is divided into spans of equal width, and of each span with events the first and the last
event are kept. Two neighbouring events further apart than a span's width lie in different spans,
so a gap longer than the width is told exactly, in whatever order events come. The width is a
second to begin with, and doubles whenever there are too many spans.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

SECOND_US = 1_000_000
MOST_SPANS = 16_384

Span = tuple[int, int, int]
"""A span's number, its first and its last event, in microseconds since 1970."""


class Timeline:
    """Spans with events. `add` is for one thread; `width_us` may be read by any."""

    def __init__(self, most_spans: int = MOST_SPANS) -> None:
        self.width_us = SECOND_US
        self._most = most_spans
        self._spans: dict[int, tuple[int, int]] = {}

    def add(self, width_us: int, spans: Iterable[Span]) -> None:
        """Takes in spans of some timeline's width."""
        while self.width_us < width_us:
            self._coarsen()
        shrink = self.width_us // width_us
        held = self._spans
        for number, first, last in spans:
            number //= shrink
            known = held.get(number)
            if known is not None:
                first, last = min(first, known[0]), max(last, known[1])
            held[number] = first, last
        while len(self._spans) > self._most:
            self._coarsen()

    def _coarsen(self) -> None:
        self.width_us *= 2
        coarser: dict[int, tuple[int, int]] = {}
        for number, (first, last) in self._spans.items():
            known = coarser.get(number // 2, (first, last))
            coarser[number // 2] = min(first, known[0]), max(last, known[1])
        self._spans = coarser

    @property
    def first_us(self) -> int | None:
        """The first event."""
        return self._spans[min(self._spans)][0] if self._spans else None

    @property
    def last_us(self) -> int | None:
        """The last event."""
        return self._spans[max(self._spans)][1] if self._spans else None

    def largest_gap(self) -> tuple[int, int] | None:
        """The two neighbouring events furthest apart; None for fewer than two."""
        spans = [self._spans[number] for number in sorted(self._spans)]
        gaps = [(last, first) for (_, last), (first, _) in pairwise(spans)]
        if not gaps:
            return None
        return max(gaps, key=lambda gap: gap[1] - gap[0])


def spans_of(times: pa.Array, width_us: int) -> list[Span]:
    """The spans of a batch's times (microseconds, nulls passed over)."""
    instants = times.drop_null().cast(pa.int64())
    if not len(instants):
        return []
    instants = instants.take(pc.sort_indices(instants))
    # Division cuts towards zero, so what is before 1970 shares a span with what is after: harmless
    # but for gaps across that instant, of which there are none in logs of S3.
    runs = pc.run_end_encode(pc.divide(instants, width_us))
    ends = runs.run_ends.to_pylist()
    starts = [0, *ends[:-1]]
    firsts = instants.take(pa.array(starts)).to_pylist()
    lasts = instants.take(pa.array([end - 1 for end in ends])).to_pylist()
    return list(zip(runs.values.to_pylist(), firsts, lasts, strict=True))
