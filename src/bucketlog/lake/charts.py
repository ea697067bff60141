"""A chart for each report, as a Vega-Lite specification; colours and type are the page's.

Marks carry a class of meaning (ok, warn, bad), never a colour: the page colours them for light,
dark and paper.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

Spec = dict[str, Any]
Row = Mapping[str, Any]

MOST_BARS = 15
_BAR = 22  # pixels a bar, its gap included
_HEX = re.compile(r"[0-9a-f]{64}")

_GOOD, _POOR, _BAD = "ok", "warn", "bad"
_STACKED = (_GOOD, _POOR, _BAD)
# d3's own ticks would say "0k" beside "1k".
_NUMBERS = "format(datum.value, '~s')"


def of(name: str, answer: pa.Table) -> Spec | None:
    """The chart of that report's answer; None where there is nothing to draw."""
    if answer.num_rows == 0:
        return None
    rows = answer.to_pylist()
    return _CHARTS[name](rows)


def short(who: str) -> str:
    """A requester's name for a label: what tells it from others, without account and path."""
    if _HEX.fullmatch(who):
        return f"{who[:8]}…"
    resource = who.split(":", 5)[-1] if who.startswith("arn:") else who
    kind, _, name = resource.partition("/")
    return name if kind in ("user", "assumed-role", "role") and name else resource


def _bars(
    rows: Sequence[Row],
    label: Callable[[Row], str],
    parts: Sequence[tuple[str, str, str]],
    title: str,
    number: str = ",d",
) -> Spec:
    """Horizontal bars, one a row: `parts` are (column, its words, its meaning), stacked."""
    values = []
    for place, row in enumerate(rows[:MOST_BARS]):
        text = label(row)
        for column, words, meaning in parts:
            if row[column]:
                values.append(
                    {
                        "place": place,
                        "label": text,
                        "part": words,
                        "rank": _STACKED.index(meaning),
                        "value": row[column],
                    }
                )
    used = [part for part in parts if any(each["part"] == part[1] for each in values)]
    if not used:
        return _nothing()
    labels = {str(each["place"]): each["label"] for each in values}
    return {
        "height": _BAR * len(labels),
        "data": {"values": values},
        # Bars are told apart by their place: two labels may read the same once shortened.
        "params": [{"name": "labels", "value": labels}],
        "mark": {"type": "bar", "cornerRadiusEnd": 2, "tooltip": True},
        "encoding": {
            "y": {
                "field": "place",
                "type": "ordinal",
                "sort": None,
                "title": None,
                "axis": {"labelExpr": "labels[datum.value]", "ticks": False, "domain": False},
            },
            "x": {
                "field": "value",
                "type": "quantitative",
                "title": title,
                "axis": {"labelExpr": _NUMBERS, "tickCount": 4, "domain": False},
            },
            "color": _colours(used),
            "order": {"field": "rank"},
            "tooltip": [
                {"field": "label", "title": "who or what"},
                {"field": "part", "title": "of these"},
                {"field": "value", "title": title, "format": number},
            ],
        },
    }


def _colours(parts: Sequence[tuple[str, str, str]]) -> Spec:
    # The page gives each class its colour; these stand for them until it has.
    marks = {_GOOD: "#000001", _POOR: "#000002", _BAD: "#000003"}
    return {
        "field": "part",
        "type": "nominal",
        "title": None,
        "scale": {
            "domain": [words for _, words, _ in parts],
            "range": [marks[meaning] for _, _, meaning in parts],
        },
        "legend": {"orient": "top"} if len(parts) > 1 else None,
    }


def _nothing() -> Spec:
    return {}


def _who_changed(rows: Sequence[Row]) -> Spec:
    meanings = {"done": _GOOD, "refused": _POOR, "failed": _BAD, "unknown": _POOR}
    outcomes = [each for each in meanings if any(row["outcome"] == each for row in rows)]
    return {
        "height": 26 * len({row["change"] for row in rows}),
        "data": {
            "values": [
                {
                    "time": _milliseconds(row["time"]),
                    "change": row["change"],
                    "part": row["outcome"],
                    "key": row["key"],
                    "who": row["who"],
                }
                for row in rows
            ]
        },
        "mark": {"type": "point", "size": 70, "filled": True, "opacity": 0.75},
        "encoding": {
            "x": {**_time_axis(), "scale": {"type": "utc", "padding": 8}},
            "y": {
                "field": "change",
                "type": "nominal",
                "title": None,
                "sort": "-x",
                "axis": {"ticks": False, "domain": False, "grid": True},
            },
            "color": _colours([("", each, meanings[each]) for each in outcomes]),
            "tooltip": [
                _time_tooltip(),
                {"field": "change"},
                {"field": "key"},
                {"field": "who"},
                {"field": "part", "title": "outcome"},
            ],
        },
    }


def _requests_over_time(rows: Sequence[Row]) -> Spec:
    parts = [
        ("good", "requests without error", _GOOD),
        ("client_errors", "client errors (4xx)", _POOR),
        ("server_errors", "server errors (5xx)", _BAD),
    ]
    values = []
    for row in rows:
        at, until = _milliseconds(row["time"]), _milliseconds(row["time"]) + row["seconds"] * 1000
        counts = {**row, "good": row["requests"] - row["client_errors"] - row["server_errors"]}
        below = 0
        for column, words, _ in parts:
            if counts[column]:
                above = below + counts[column]
                values.append(
                    {"time": at, "until": until, "part": words, "from": below, "to": above}
                    | {"value": counts[column]}
                )
                below = above
    used = [part for part in parts if any(each["part"] == part[1] for each in values)]
    return {
        "height": 240,
        "data": {"values": values},
        "mark": {"type": "rect"},
        "encoding": {
            "x": _time_axis(),
            "x2": {"field": "until"},
            "y": {
                "field": "from",
                "type": "quantitative",
                "title": None,
                "axis": {"labelExpr": _NUMBERS, "tickCount": 5, "domain": False, "ticks": False},
            },
            "y2": {"field": "to"},
            "color": _colours(used),
            "tooltip": [
                _time_tooltip("from"),
                {"field": "part", "title": "what"},
                {"field": "value", "title": "how many", "format": ",d"},
            ],
        },
    }


_QUANTILES = (("p50", "half", _GOOD), ("p90", "90 %", _POOR), ("p99", "99 %", _BAD))


def _latency(rows: Sequence[Row]) -> Spec:
    values = [
        {
            "place": place,
            **{name: row[name] for name in ("operation", "requests")},
            # A logarithm of nothing can't be drawn: below a millisecond is drawn at one.
            **{part: max(row[f"total_{part}"], 1) for part, _, _ in _QUANTILES},
            **{f"{part} total": row[f"total_{part}"] for part, _, _ in _QUANTILES},
        }
        for place, row in enumerate(rows[:MOST_BARS])
    ]
    return {
        "height": _BAR * len(values),
        "data": {"values": values},
        "params": [{"name": "labels", "value": {str(v["place"]): v["operation"] for v in values}}],
        "encoding": {
            "y": {
                "field": "place",
                "type": "ordinal",
                "title": None,
                "axis": {"labelExpr": "labels[datum.value]", "ticks": False, "domain": False},
            },
            "tooltip": [
                {"field": "operation"},
                {"field": "requests", "format": ",d"},
                *({"field": f"{part} total", "title": f"{part} (ms)"} for part, _, _ in _QUANTILES),
            ],
        },
        "layer": [_span(), _points()],
    }


def _span() -> Spec:
    """A line from the first quantile to the last."""
    return {
        "name": "span",
        "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.35},
        "encoding": {"x": _logarithmic("p50"), "x2": {"field": "p99"}},
    }


def _points() -> Spec:
    """A point for each quantile."""
    names = [{"quantile": part, "part": words} for part, words, _ in _QUANTILES]
    return {
        "transform": [
            {"fold": [part for part, _, _ in _QUANTILES], "as": ["quantile", "ms"]},
            {
                "lookup": "quantile",
                "from": {"data": {"values": names}, "key": "quantile", "fields": ["part"]},
            },
        ],
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
        "encoding": {"x": _logarithmic("ms"), "color": _colours(_QUANTILES)},
    }


def _logarithmic(field: str) -> Spec:
    tens = [10**power for power in range(9)]
    return {
        "field": field,
        "type": "quantitative",
        "title": "total time (ms)",
        "axis": {"labelExpr": _NUMBERS, "values": tens, "domain": False, "grid": True},
        "scale": {"type": "log", "nice": True},
    }


_TIMES = {
    "year": "%Y",
    "quarter": "%b %Y",
    "month": "%b %Y",
    "week": "%d %b",
    "date": "%d %b",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
    "milliseconds": "%H:%M:%S",
}


def _time_axis() -> Spec:
    return {
        "field": "time",
        "type": "temporal",
        "scale": {"type": "utc"},
        "title": None,
        "axis": {"tickCount": 6, "labelOverlap": True, "grid": False, "format": _TIMES},
    }


def _time_tooltip(title: str = "time") -> Spec:
    return {
        "field": "time",
        "type": "temporal",
        "title": f"{title} (UTC)",
        "timeUnit": "utcyearmonthdatehoursminutesseconds",
        "format": "%Y-%m-%d %H:%M:%S",
    }


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _who(row: Row) -> str:
    return short(row["who"])


_ANSWERED = (
    ("answered", "answered", _GOOD),
    ("refused", "refused", _POOR),
    ("failed", "failed", _BAD),
)
_REQUESTS = (("requests", "requests", _GOOD),)


def _spread(rows: Sequence[Row], *names: str) -> list[Row]:
    """The rows with `rest`: their count without those that are in the named columns."""
    count = "records" if rows and "records" in rows[0] else "requests"
    return [{**row, "rest": row[count] - sum(row[name] for name in names)} for row in rows]


_CHARTS: dict[str, Callable[[Sequence[Row]], Spec]] = {
    "who-changed": _who_changed,
    "principal-activity": lambda rows: _bars(
        _spread(rows, "refused", "failed"),
        lambda row: f"{_who(row)} · {row['operation']} · {row['bucket']}",
        (("rest", "without error", _GOOD), *_ANSWERED[1:]),
        "records",
    ),
    "anonymous-access": lambda rows: _bars(
        rows, lambda row: f"{row['operation']} · {row['bucket']}", _ANSWERED, "requests"
    ),
    "failed-access": lambda rows: _bars(
        rows,
        lambda row: f"{_who(row)} · {row['remote_ip'] or 'AWS'}",
        (
            ("refused", "refused", _BAD),
            ("not_found", "not found", _POOR),
            ("other", "other", _GOOD),
        ),
        "records",
    ),
    "top-keys": lambda rows: _bars(
        _spread(rows, "errors"),
        lambda row: f"{row['key']} · {row['bucket']}",
        (("rest", "without error", _GOOD), ("errors", "errors", _BAD)),
        "requests",
    ),
    "bytes-by-requester": lambda rows: _bars(
        rows, _who, (("bytes_sent", "bytes", _GOOD),), "bytes sent", ".3~s"
    ),
    "requests-over-time": _requests_over_time,
    "latency-by-operation": _latency,
    "old-tls": lambda rows: _bars(
        rows,
        lambda row: f"{row['connection']} · {_who(row)} · {row['user_agent'] or 'no user agent'}",
        _REQUESTS,
        "requests",
    ),
    "acl-dependent": lambda rows: _bars(
        rows,
        lambda row: f"{_who(row)} · {row['operation']} · {row['bucket']}",
        _REQUESTS,
        "requests",
    ),
    "presigned-use": lambda rows: _bars(
        _spread(rows, "refused"),
        lambda row: f"{_who(row)} · {row['operation']} · {row['bucket']}",
        (("rest", "not refused", _GOOD), ("refused", "refused", _POOR)),
        "requests",
    ),
    "clients": lambda rows: _bars(
        _spread(rows, "errors"),
        lambda row: row["client"],
        (("rest", "without error", _GOOD), ("errors", "errors", _POOR)),
        "requests",
    ),
}
