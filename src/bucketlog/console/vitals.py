"""The server's pulse: its workers' counts, taken every few seconds and kept for some minutes.

What each worker tells is what /metrics shows of it. Rates are reckoned worker by worker, so one
that ended and was started again, whose counts begin at 0, makes no rate negative.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from bucketlog.console.workers import Snapshot, Workers

log = logging.getLogger("bucketlog.console")

EVERY_S = 5.0
KEPT_S = 900.0
CLASSES = ("2xx", "3xx", "4xx", "5xx")
LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper bounds in seconds of the counts of latency, as the server has them."""

_PROCESSES = Path("/proc")
_KB = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment, and what was counted in the `span_s` before it.

    `counted`: the increase of each counter by its name, labels added up; "requests 2xx" and so
    on, "received_bytes" and "sent_bytes" among them. `within`: how many requests took up to each
    bound. `workers`: how many answered.
    """

    at: float
    span_s: float
    workers: int
    counted: Mapping[str, float] = field(default_factory=dict)
    within: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS) + 1)
    gauges: Mapping[str, float] = field(default_factory=dict)
    lag_s: float = 0.0

    def rate(self, *names: str) -> float | None:
        """A second, of counters together; None where nothing can be told."""
        if not self.span_s or not self.workers:
            return None
        return sum(self.counted.get(name, 0.0) for name in names) / self.span_s


def quantile(within: Iterable[int], share: float) -> float | None:
    """The time in seconds that this share of the requests took at most; None without any.

    Taken as spread evenly between two bounds, as Prometheus's histogram_quantile does.
    """
    counts = list(within)
    wanted = share * sum(counts)
    if not wanted:
        return None
    place = next(n for n, total in enumerate(accumulate(counts)) if total >= wanted)
    if place == len(LATENCY_BOUNDS):
        return LATENCY_BOUNDS[-1]
    low = LATENCY_BOUNDS[place - 1] if place else 0.0
    before = sum(counts[:place])
    return low + (LATENCY_BOUNDS[place] - low) * (wanted - before) / counts[place]


class Vitals:
    """What is kept. Used in the event loop. `now` is seconds since 1970."""

    def __init__(self, workers: Workers, now: Callable[[], float] = time.time) -> None:
        self._workers = workers
        self._now = now
        self._before: dict[int, Snapshot] = {}
        self._task: asyncio.Task[None] | None = None
        self.samples: deque[Sample] = deque(maxlen=int(KEPT_S / EVERY_S) + 1)
        self.totals: dict[str, float] = {}
        """Every counter since the workers started, by "name" or "name|label"."""
        self.pids: tuple[int, ...] = ()
        """Of the workers that answered last."""

    def start(self) -> None:
        """Takes a sample every few seconds from now on."""
        self._task = asyncio.create_task(self._keep(), name="vitals")

    async def stop(self) -> None:
        """Takes no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self) -> None:
        while True:
            try:
                await self.take()
            except Exception:
                log.exception("the server's pulse can't be taken")
            await asyncio.sleep(EVERY_S)

    async def take(self) -> Sample:
        """Takes one now."""
        answers = await self._workers.ask("snapshot")
        told = {each.pid: each.snapshot for each in answers if each.snapshot is not None}
        return self._note(told)

    def _note(self, told: dict[int, Snapshot]) -> Sample:
        last = self.samples[-1] if self.samples else None
        at = self._now()
        span_s = at - last.at if last is not None else 0.0
        counted: dict[str, float] = {}
        within = [0] * (len(LATENCY_BOUNDS) + 1)
        for pid, snapshot in told.items():
            before = self._before.get(pid) or Snapshot()
            if last is not None:
                _add_counters(counted, snapshot, before)
                _add_requests(counted, within, snapshot, before)
        sample = Sample(
            at,
            span_s,
            len(told),
            counted,
            tuple(within),
            _sums(each.gauges for each in told.values()),
            max((each.peaks.get("delivery_lag_seconds", 0.0) for each in told.values()), default=0),
        )
        self._before = told
        self.totals = _sums(each.counters for each in told.values()) if told else self.totals
        self.pids = tuple(sorted(told))
        self.samples.append(sample)
        return sample

    def recent(self, name: str) -> float:
        """By how much a counter has grown in the time that is kept."""
        return sum(each.counted.get(name, 0.0) for each in self.samples)


def _sums(each: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for values in each:
        for name, value in values.items():
            found[name] = found.get(name, 0.0) + value
    return found


def _add_counters(counted: dict[str, float], now: Snapshot, before: Snapshot) -> None:
    for key, value in now.counters.items():
        name = key.partition("|")[0]
        grown = max(0.0, value - before.counters.get(key, 0.0))
        counted[name] = counted.get(name, 0.0) + grown


def _add_requests(
    counted: dict[str, float], within: list[int], now: Snapshot, before: Snapshot
) -> None:
    for key, cell in now.requests.items():
        earlier = before.requests.get(key)
        # Of a process id that is used again by another worker.
        if earlier is not None and earlier.count > cell.count:
            earlier = None
        name = f"requests {key.rpartition(' ')[2][:1]}xx"
        for what, value, was in (
            (name, cell.count, earlier.count if earlier else 0),
            ("received_bytes", cell.bytes_received, earlier.bytes_received if earlier else 0),
            ("sent_bytes", cell.bytes_sent, earlier.bytes_sent if earlier else 0),
        ):
            counted[what] = counted.get(what, 0.0) + value - was
        was_within = earlier.within if earlier else [0] * len(cell.within)
        for place, (value, was) in enumerate(zip(cell.within, was_within, strict=False)):
            within[place] += value - was


def memory(pid: int, processes: Path = _PROCESSES) -> int | None:
    """Bytes of memory that a process holds (VmRSS); None where that isn't told."""
    try:
        text = (processes / str(pid) / "status").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "VmRSS":
            return int(value.split()[0]) * _KB
    return None
