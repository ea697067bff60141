"""What the server counts, and how it is shown to Prometheus.

On the hot path a request costs one dictionary look-up and a few additions. A worker's counts are
a plain value (`Snapshot`) that can be sent to another process and added to others; the
exposition format is prometheus_client's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

# Upper bounds in seconds. Wide apart on purpose: a label set costs one series for each.
LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class RequestCell(msgspec.Struct):
    """Counts of the requests with one operation and status."""

    count: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    within: list[int] = msgspec.field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))


class Snapshot(msgspec.Struct):
    """One worker's counts at one moment. `requests` is keyed "Operation status"."""

    requests: dict[str, RequestCell] = msgspec.field(default_factory=dict)
    counters: dict[str, float] = msgspec.field(default_factory=dict)  # "name" or "name|label"
    gauges: dict[str, float] = msgspec.field(default_factory=dict)  # added up over workers
    peaks: dict[str, float] = msgspec.field(default_factory=dict)  # the largest counts


# The tables of the metrics page of the reference. Every name gets "bucketlog_" in front, and
# counters "_total" behind.
REQUESTS: dict[str, str] = {  # name -> help; by operation and status; the last is a histogram
    "requests": "Requests answered.",
    "received_bytes": "Request body bytes announced.",
    "sent_bytes": "Body bytes sent.",
    "request_seconds": "From the first byte in to the last byte out.",
}
REQUEST_LABELS = ("operation", "status")
# name -> (help, label name or None)
COUNTERS: dict[str, tuple[str, str | None]] = {
    "records_appended": ("Log records written to the spool.", None),
    "records_delivered": ("Log records stored in a target bucket.", None),
    "log_objects_delivered": ("Log objects stored in a target bucket.", None),
    "delivery_failures": (
        "Attempts to store a log object that failed, by S3 error code.",
        "reason",
    ),
    "records_lost": ("Log records given up, by reason. Anything but 0 needs a look.", "reason"),
    "requests_refused": ("Requests refused because no record of them could be kept.", "reason"),
    "records_dropped": ("Records not kept because the spool was full and may drop.", None),
    "records_unfinished": (
        "Requests whose record has no outcome, as the process died or the disk failed.",
        None,
    ),
    "damaged_bytes": ("Spool bytes that don't check, kept aside in damaged/.", None),
    "spool_syncs": ("Times records were made safe from a power cut.", None),
    "spool_sync_failures": ("Times the disk failed to make records safe from a power cut.", None),
    "delivery_troubles": ("Steps of delivery that failed on our side; each is in the log.", None),
    "connections_accepted": ("Connections accepted.", None),
    "connections_refused": ("Connections refused over the limit.", None),
    "malformed_requests": ("Requests refused or broken off as HTTP, by what was wrong.", "reason"),
    "requests_failed": (
        "Requests answered ServiceUnavailable for what an operator can put right; see the log.",
        None,
    ),
    "errors_internal": ("Requests that ended in an unexpected exception.", None),
}
GAUGES: dict[str, str] = {
    "connections": "Connections open now.",
    "records_waiting": "Log records not yet delivered.",
    "spool_bytes": "Bytes the spool takes on disk.",
    "batches_held": "Log objects set aside because their target refused them.",
    "spool_full": "Workers whose spool has no room or can't be written: no record can be kept.",
}
PEAKS: dict[str, str] = {
    "delivery_lag_seconds": "Age of the oldest record not yet delivered; 0 when none waits.",
}


class Metrics:
    """The counts of this process."""

    __slots__ = ("_cells", "counters")

    def __init__(self) -> None:
        self._cells: dict[tuple[str, int], RequestCell] = {}
        self.counters: dict[str, float] = {}

    def request(
        self, operation: str, status: int, seconds: float, received: int, sent: int
    ) -> None:
        """Counts one answered request."""
        cell = self._cells.get((operation, status))
        if cell is None:
            cell = self._cells[operation, status] = RequestCell()
        cell.count += 1
        cell.seconds += seconds
        cell.bytes_received += received
        cell.bytes_sent += sent
        cell.within[bisect_left(LATENCY_BOUNDS, seconds)] += 1

    def count(self, name: str, amount: float = 1, label: str | None = None) -> None:
        """Adds to a counter of `COUNTERS`; `label` is the value of its label, if it has one."""
        if name not in COUNTERS:
            raise KeyError(name)
        key = name if label is None else f"{name}|{label}"
        self.counters[key] = self.counters.get(key, 0) + amount

    def snapshot(self) -> Snapshot:
        """What was counted so far; gauges are for the caller to fill in."""
        requests = {f"{name} {status}": cell for (name, status), cell in self._cells.items()}
        return Snapshot(requests, dict(self.counters))


def total(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The counts of several workers as one."""
    whole = Snapshot()
    for snapshot in snapshots:
        for key, cell in snapshot.requests.items():
            into = whole.requests.setdefault(key, RequestCell())
            into.count += cell.count
            into.seconds += cell.seconds
            into.bytes_received += cell.bytes_received
            into.bytes_sent += cell.bytes_sent
            into.within = [a + b for a, b in zip(into.within, cell.within, strict=True)]
        for mine, theirs in (
            (whole.counters, snapshot.counters),
            (whole.gauges, snapshot.gauges),
        ):
            for key, value in theirs.items():
                mine[key] = mine.get(key, 0) + value
        for key, value in snapshot.peaks.items():
            whole.peaks[key] = max(whole.peaks.get(key, 0), value)
    return whole


class _Exposition(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._counters()
        for name, text in (GAUGES | PEAKS).items():
            values = self._snapshot.gauges | self._snapshot.peaks
            yield GaugeMetricFamily(f"bucketlog_{name}", text, value=values.get(name, 0))

    def _requests(self) -> Iterator[Metric]:
        requests, received, sent = (
            CounterMetricFamily(f"bucketlog_{name}", REQUESTS[name], labels=REQUEST_LABELS)
            for name in ("requests", "received_bytes", "sent_bytes")
        )
        latency = HistogramMetricFamily(
            "bucketlog_request_seconds", REQUESTS["request_seconds"], labels=REQUEST_LABELS
        )
        for key, cell in sorted(self._snapshot.requests.items()):
            values = key.split(" ")
            requests.add_metric(values, cell.count)
            received.add_metric(values, cell.bytes_received)
            sent.add_metric(values, cell.bytes_sent)
            running, buckets = 0, []
            for bound, count in zip((*LATENCY_BOUNDS, float("inf")), cell.within, strict=True):
                running += count
                buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(running)))
            latency.add_metric(values, buckets, cell.seconds)
        yield from (requests, received, sent, latency)

    def _counters(self) -> Iterator[Metric]:
        for name, (text, label) in COUNTERS.items():
            family = CounterMetricFamily(
                f"bucketlog_{name}", text, labels=[label] if label is not None else None
            )
            found = False
            for key, value in sorted(self._snapshot.counters.items()):
                base, _, given = key.partition("|")
                if base == name:
                    family.add_metric([given] if label is not None else [], value)
                    found = True
            if not found and label is None:
                family.add_metric([], 0)
            yield family


def exposition(snapshot: Snapshot) -> bytes:
    """The text Prometheus scrapes."""
    registry: Any = CollectorRegistry(auto_describe=False)
    registry.register(_Exposition(snapshot))
    return generate_latest(registry)
