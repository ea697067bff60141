"""Source objects in, outcomes out: what is read and parsed when, and how much of it at once.

Objects travel in lanes: a lane is one big object, read block by block, or a few dozen small ones,
read together. Threads read and parse; the caller's own thread moves what is done to its next
station whenever it asks for more, so that nothing here is locked. What the lanes hold is bounded
in bytes. Ordered, the first lane is emptied before the next; else whichever has something.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bucketlog.reader import blocks, loading, rows
from bucketlog.reader.account import Tally
from bucketlog.reader.blocks import Block
from bucketlog.reader.crew import Crew
from bucketlog.reader.listing import Found, Listing
from bucketlog.reader.loading import Loaded
from bucketlog.reader.objects import Position, SourceObject, Store, Trouble
from bucketlog.reader.rows import Outcome, Piece
from bucketlog.reader.shape import Shape

T = TypeVar("T")

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
BUDGET = 192 * 1024 * 1024
"""Bytes of text that may be under way, about."""

_AHEAD = CORES + 1  # blocks of one big object that are parsed or wait for it
_GROUP_BYTES = 2 * 1024 * 1024
_GROUP_OBJECTS = 256
_UNKNOWN = 64 * 1024  # taken for the size of an object that hasn't told it
_EXPANSION = 8  # how much text a compressed byte may stand for


@dataclass(slots=True, eq=False)
class _Lane:
    """`loading` or `blocks` until all is read; `jobs` in the order of the lines."""

    weight: int
    store: Store | None = None
    loading: Future[list[Loaded]] | None = None
    blocks: Iterator[Block | Outcome] | None = None
    found: SourceObject | None = None
    reading: Future[Block | Outcome | None] | None = None
    jobs: deque[Future[Outcome]] = field(default_factory=deque)

    @property
    def is_read(self) -> bool:
        return self.loading is None and self.blocks is None


class Flow:
    """An iterator over outcomes. To be closed, whether it came to its end or not."""

    def __init__(
        self,
        found: Iterable[Found],
        shape: Shape,
        *,
        is_ordered: bool,
        width_us: Callable[[], int],
        requests: int,
        resumed: Position | None = None,
    ) -> None:
        self._shape = shape
        self._is_ordered = is_ordered
        self._width_us = width_us
        self._resumed = resumed
        self._news = threading.Event()
        self._lanes: list[_Lane] = []
        self._weight = 0
        self._readers = Crew(max(requests, 4), "bucketlog-reader")
        self._parsers = Crew(CORES, "bucketlog-parser")
        self.listing = Listing(found, self._news.set)

    def close(self) -> None:
        """Ends all threads and requests; at once if the store answers, else within seconds."""
        self.listing.close()
        for lane in self._lanes:
            close = getattr(lane.store, "close", None)
            if close is not None and not lane.is_read:
                close()
        self._readers.dismiss()
        self._parsers.dismiss()
        for lane in self._lanes:
            if lane.blocks is not None:
                with suppress(ValueError):  # still at work: it ends with its request
                    lane.blocks.close()  # type: ignore[attr-defined]
        self._lanes.clear()

    def __iter__(self) -> Iterator[Outcome]:
        while True:
            self._news.clear()
            self._admit()
            self._move()
            outcome = self._take()
            if outcome is not None:
                yield outcome
            elif not self._lanes and self.listing.is_exhausted:
                return
            elif not (self._lanes == [] and self.listing):
                self._news.wait()

    # ── in ──────────────────────────────────────────────────────────────────────────────────────

    def _admit(self) -> None:
        while self.listing and (self._weight < BUDGET or not self._lanes):
            found = self.listing.peek()
            if isinstance(found, Trouble):
                self.listing.take()
                self._lane(_Lane(0, jobs=deque([_done(_troubled(found))])))
            elif not self._has_room(found.store):
                return
            elif self._is_big(found):
                self._lane(self._big(self.listing.take()))  # type: ignore[arg-type]
            else:
                self._lane(self._group())

    def _lane(self, lane: _Lane) -> None:
        self._lanes.append(lane)
        self._weight += lane.weight

    def _has_room(self, store: Store) -> bool:
        """Whether one more thread may read from it."""
        return sum(lane.store is store and not lane.is_read for lane in self._lanes) < store.readers

    def _is_big(self, found: SourceObject) -> bool:
        is_resumed = self._resumed is not None and found.name == self._resumed.source_object
        return is_resumed or found.store.readers == 1 or _weight(found) > loading.SMALL

    def _big(self, found: SourceObject) -> _Lane:
        resumed, behind = self._resumed, 0
        if resumed is not None and resumed.source_object == found.name:
            behind, self._resumed = resumed.line_number or 0, None
        steps = loading.steps(found, self._shape, self._width_us(), behind)
        return _Lane((_AHEAD + 1) * blocks.SIZE, found.store, blocks=steps, found=found)

    def _group(self) -> _Lane:
        """Small objects of one store, as many as are listed and make a good handful."""
        first = self.listing.take()
        assert isinstance(first, SourceObject)
        group, weight = [first], _weight(first)
        while self.listing and len(group) < _GROUP_OBJECTS:
            found = self.listing.peek()
            if isinstance(found, Trouble) or found.store is not first.store:
                break
            if weight + _weight(found) > _GROUP_BYTES or self._is_big(found):
                break
            self.listing.take()
            group.append(found)
            weight += _weight(found)
        return _Lane(weight, first.store, loading=self._submit(self._readers, loading.load, group))

    def _submit(self, crew: Crew, function: Callable[..., T], *arguments: Any) -> Future[T]:
        future = crew.submit(function, *arguments)
        future.add_done_callback(lambda _: self._news.set())
        return future

    # ── on ──────────────────────────────────────────────────────────────────────────────────────

    def _move(self) -> None:
        for lane in list(self._lanes):
            if lane.loading is not None and lane.loading.done():
                self._parse_group(lane, lane.loading.result())
            if lane.blocks is not None:
                self._read_on(lane)

    def _parse_group(self, lane: _Lane, loaded: list[Loaded]) -> None:
        """Parses what was loaded. Objects that turned out to be big get lanes of their own."""
        lane.loading = None
        small: list[Piece | Trouble] = []
        lanes: list[_Lane] = []
        for each in loaded:
            if isinstance(each, SourceObject):
                if small:
                    lanes.append(_Lane(0, jobs=deque([self._parse(small)])))
                    small = []
                big = self._big(each)
                self._weight += big.weight
                lanes.append(big)
            else:
                small.append(each)
        if small:
            job = self._parse(small)
            if not lanes:
                lane.jobs.append(job)
                return
            lanes.append(_Lane(0, jobs=deque([job])))
        at = self._lanes.index(lane)
        self._lanes[at + 1 : at + 1] = lanes

    def _parse(self, loaded: list[Piece | Trouble]) -> Future[Outcome]:
        return self._submit(self._parsers, _parsed, loaded, self._shape, self._width_us())

    def _read_on(self, lane: _Lane) -> None:
        assert lane.blocks is not None
        if lane.reading is not None and lane.reading.done():
            step = lane.reading.result()
            lane.reading = None
            if step is None:
                lane.blocks = None
                return
            if isinstance(step, Outcome):
                lane.jobs.append(_done(step))
            else:
                lane.jobs.append(
                    self._submit(
                        self._parsers,
                        rows.of_block,
                        lane.found,
                        step,
                        self._shape,
                        self._width_us(),
                    )
                )
        if lane.reading is None and len(lane.jobs) < _AHEAD:
            lane.reading = self._submit(self._readers, next, lane.blocks, None)

    # ── out ─────────────────────────────────────────────────────────────────────────────────────

    def _take(self) -> Outcome | None:
        for lane in list(self._lanes):
            if lane.jobs and lane.jobs[0].done():
                return lane.jobs.popleft().result()
            if lane.is_read and not lane.jobs:
                self._lanes.remove(lane)
                self._weight -= lane.weight
                self._news.set()
            elif self._is_ordered:
                return None
        return None


def _weight(found: SourceObject) -> int:
    """About how many bytes of text an object is."""
    size = _UNKNOWN if found.size is None else found.size
    return size * _EXPANSION if found.key.endswith((".gz", ".zst")) else size


def _parsed(loaded: list[Piece | Trouble], shape: Shape, width_us: int) -> Outcome:
    pieces = [each for each in loaded if isinstance(each, Piece)]
    troubles = [_failed(each) for each in loaded if isinstance(each, Trouble)]
    if not pieces:
        return rows.merged(troubles)
    return rows.merged([*troubles, rows.of_pieces(pieces, shape, width_us)])


def _failed(trouble: Trouble) -> Outcome:
    """What comes of an object that can't be read at all."""
    tally = Tally(objects=1, troubles=(trouble,))
    return Outcome((), None, tally, Position(trouble.name))


def _troubled(trouble: Trouble) -> Outcome:
    return Outcome((), None, Tally(troubles=(trouble,)), None)


def _done(outcome: Outcome) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return future
