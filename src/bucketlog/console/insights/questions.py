"""The questions behind the charts, as SQL over `logs`; what is shown beside a chart is what ran.

A request is a record that somebody's call made: keys of a batch delete, source halves of copies
and lifecycle rules are none, and are counted in the list of keys only. As in the reports. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bucketlog.console.insights.filters import DIMENSIONS, Stretch, View, literal

SHORT, LONG = 8, 100
"""How many rows the lists have."""

LATEST = 12

IS_REQUEST = (
    "NOT (operation LIKE 'BATCH.%' OR operation LIKE 'S3.%'\n"
    r"    OR operation LIKE 'REST.COPY.%\_GET' ESCAPE '\')"
)
_BYTES = "coalesce(sum(bytes_sent) FILTER (operation NOT LIKE '%.HEAD.%'), 0)::BIGINT AS bytes_sent"
_ERRORS = "count(*) FILTER (http_status >= 400) AS errors"

LISTS = (
    ("operation", "Operations"),
    ("status", "Statuses"),
    ("error", "Error codes"),
    ("key", "Keys"),
    ("folder", "Top folders"),
    ("requester", "Requesters"),
    ("address", "Addresses"),
    ("client", "Clients"),
    ("tls", "TLS versions"),
    ("signed", "Authentication"),
)
"""The lists of a page, by dimension."""


@dataclass(frozen=True, slots=True)
class Question:
    """One statement, which names what it answers."""

    name: str
    sql: str


def conditions(view: View, stretch: Stretch, about: str | None) -> list[str]:
    """What holds for the records of a page; `about` one bucket, or all that there are."""
    found = view.conditions(stretch)
    if about is not None:  # others may deliver under the same prefix
        found.insert(0, f"bucket = {literal(about)}")
    return found


def charts(conditions: list[str], stretch: Stretch) -> list[Question]:
    """What the upper half of a page needs, and the records at its end."""
    return [totals(conditions), over_time(conditions, stretch), latest(conditions)]


def lists(view: View, conditions: list[str], names: Iterable[str]) -> list[Question]:
    """The lists of these dimensions."""
    return [top(name, view, conditions) for name in names]


def _where(conditions: list[str], *more: str) -> str:
    found = "\n  AND ".join((*conditions, *more))
    return f"WHERE {found}\n" if found else ""


def totals(conditions: list[str]) -> Question:
    """One row."""
    return Question(
        "totals",
        "SELECT\n"
        "  count(*) AS requests,\n"
        f"  {_ERRORS},\n"
        "  count(*) FILTER (http_status >= 500) AS server_errors,\n"
        f"  {_BYTES},\n"
        "  quantile_disc(total_time, [0.5, 0.95, 0.99]) AS ms\n"
        "FROM logs\n" + _where(conditions, IS_REQUEST),
    )


def _begins(stretch: Stretch) -> str:
    width = stretch.width_s
    if width % (7 * 86_400) == 0:  # weeks begin on Monday
        return f"to_timestamp((epoch(time)::BIGINT - 345600) // {width} * {width} + 345600)"
    return f"to_timestamp(epoch(time)::BIGINT // {width} * {width})"


def over_time(conditions: list[str], stretch: Stretch) -> Question:
    """A row for each stretch with requests: how they ended, bytes, and within how many
    milliseconds 50, 95 and 99 % of them were done.
    """
    return Question(
        "over_time",
        f"SELECT\n  {_begins(stretch)} AS begins,\n"
        "  count(*) FILTER (http_status < 300) AS good,\n"
        "  count(*) FILTER (http_status BETWEEN 300 AND 399) AS other,\n"
        "  count(*) FILTER (http_status BETWEEN 400 AND 499) AS client_errors,\n"
        "  count(*) FILTER (http_status >= 500) AS server_errors,\n"
        f"  {_BYTES},\n"
        "  quantile_disc(total_time, [0.5, 0.95, 0.99]) AS ms\n"
        f"FROM logs\n{_where(conditions, IS_REQUEST)}GROUP BY begins\nORDER BY begins",
    )


def top(dimension: str, view: View, conditions: list[str]) -> Question:
    """The values that come most, by the view's measure; and how many values there are."""
    column = DIMENSIONS[dimension].column
    # What S3 itself deletes by a rule is no call, but a call that names a thousand keys is one.
    which = "operation NOT LIKE 'S3.%'" if dimension in ("key", "folder") else IS_REQUEST
    more = [which]
    if dimension in ("key", "folder", "error"):
        more.append(f"{column} IS NOT NULL")
    order = {"bytes": "bytes_sent", "time": "p95"}.get(view.by, view.by)
    slowness = "  quantile_disc(total_time, 0.95) AS p95,\n" if view.by == "time" else ""
    limit = LONG if view.more == dimension else SHORT
    return Question(
        dimension,
        f"SELECT\n  {column} AS value,\n  count(*) AS requests,\n  {_ERRORS},\n  {_BYTES},\n"
        f"{slowness}  count(*) OVER () AS many\n"
        f"FROM logs\n{_where(conditions, *more)}GROUP BY value\n"
        f"ORDER BY {order} DESC NULLS LAST, requests DESC, value\nLIMIT {limit}",
    )


def latest(conditions: list[str]) -> Question:
    """The last records."""
    return Question(
        "latest",
        "SELECT time, operation, key_decoded AS key, http_status, error_code, bytes_sent,\n"
        "  total_time, requester, remote_ip, source_object, line_number\n"
        f"FROM logs\n{_where(conditions)}ORDER BY time DESC, line_number DESC\nLIMIT {LATEST}",
    )
