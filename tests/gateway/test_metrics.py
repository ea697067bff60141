"""Counts of several workers, and the text Prometheus scrapes."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bucketlog.gateway import metrics
from bucketlog.gateway.metrics import COUNTERS, GAUGES, LATENCY_BOUNDS, PEAKS, Metrics, Snapshot


def samples(snapshot: Snapshot) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus' own parser reads them."""
    text = metrics.exposition(snapshot).decode()
    return {
        sample.name + "".join(f" {k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counted() -> Metrics:
    one = Metrics()
    one.request("GetObject", 200, 0.002, 0, 1000)
    one.request("GetObject", 200, 0.003, 0, 500)
    one.request("GetObject", 404, 100.0, 0, 10)
    one.request("PutObject", 200, 0.001, 7, 0)
    one.count("records_lost", 5, label="not deliverable")
    one.count("records_dropped")
    return one


def test_requests_are_shown_by_operation_and_status() -> None:
    shown = samples(counted().snapshot())
    labels = " operation=GetObject status=200"
    assert shown[f"bucketlog_requests_total{labels}"] == 2
    assert shown[f"bucketlog_sent_bytes_total{labels}"] == 1500
    assert shown["bucketlog_received_bytes_total operation=PutObject status=200"] == 7
    assert shown[f"bucketlog_request_seconds_sum{labels}"] == pytest.approx(0.005)
    assert shown[f"bucketlog_request_seconds_count{labels}"] == 2


@pytest.mark.parametrize(
    ("seconds", "within"), [(0.0, 0.001), (0.001, 0.001), (0.0011, 0.0025), (60.0, 60.0)]
)
def test_latency_buckets_include_their_bound(seconds: float, within: float) -> None:
    one = Metrics()
    one.request("GetObject", 200, seconds, 0, 0)
    shown = samples(one.snapshot())
    for bound in LATENCY_BOUNDS:
        name = f"bucketlog_request_seconds_bucket le={bound} operation=GetObject status=200"
        assert shown[name] == (1 if bound >= within else 0)


def test_every_metric_of_the_tables_is_shown_from_the_start() -> None:
    """But those with a label, which have no value before the first."""
    shown = samples(Snapshot())
    for name, (_, label) in COUNTERS.items():
        assert (f"bucketlog_{name}_total" in shown) == (label is None)
    for name in GAUGES | PEAKS:
        assert shown[f"bucketlog_{name}"] == 0


def test_workers_are_added_up_and_peaks_are_the_largest() -> None:
    first, second = counted().snapshot(), counted().snapshot()
    first.gauges, second.gauges = {"connections": 3}, {"connections": 4, "spool_full": 1}
    first.peaks, second.peaks = {"delivery_lag_seconds": 9}, {"delivery_lag_seconds": 2}
    shown = samples(metrics.total([first, second, Snapshot()]))
    assert shown["bucketlog_requests_total operation=GetObject status=200"] == 4
    assert shown["bucketlog_records_lost_total reason=not deliverable"] == 10
    assert shown["bucketlog_records_dropped_total"] == 2
    assert shown["bucketlog_connections"] == 7
    assert shown["bucketlog_spool_full"] == 1
    assert shown["bucketlog_delivery_lag_seconds"] == 9
    # And none of them was changed by it.
    assert samples(first)["bucketlog_connections"] == 3
    assert first.requests["GetObject 200"].count == 2


def test_a_counter_that_is_in_no_table_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        Metrics().count("unheard_of")


def test_labels_are_escaped() -> None:
    one = Metrics()
    one.count("records_lost", label='a "b"\n\\c|d')
    assert samples(one.snapshot())['bucketlog_records_lost_total reason=a "b"\n\\c|d'] == 1
