"""Insights: charts and lists of what a bucket's log objects say, each with its SQL.

The records come through S3 with the key of whoever asks (`insights/`), so they are shown to those
who may read the log objects. What is looked at stands in the address.
"""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import flush, frame, parts, render
from bucketlog.console.insights import drawing, filters, questions, sources
from bucketlog.console.insights.filters import (
    DIMENSIONS,
    MEASURES,
    PRESETS,
    Dimension,
    Stretch,
    View,
)
from bucketlog.console.insights.shelf import Place
from bucketlog.console.insights.sources import Source
from bucketlog.console.pages import buckets, tail
from bucketlog.console.s3 import Failure
from bucketlog.console.sessions import Toast
from bucketlog.problems import Problem

Rows = list[dict[str, Any]]

_PATIENCE_S = 0.02

_ENDINGS = (
    ("good", "Answered", "fine"),
    ("other", "Redirected or unchanged", "other"),
    ("client_errors", "Client errors", "careful"),
    ("server_errors", "Server errors", "bad"),
)
_LATENCIES = (("Half within", "p50"), ("95 % within", "p95"), ("99 % within", "p99"))


async def _index(request: Request) -> Response:
    """The buckets whose logs there are to look into."""
    console = parts.of(request)
    known = await console.run(console.rules.all)
    names = [each["Name"] for each in await buckets.all_buckets(request)]
    logged = [(name, known[name]) for name in names if name in known]
    return render.page(
        request, "insights/index.html", logged=logged, others=len(names) - len(logged)
    )


async def _of_bucket(request: Request) -> Response:
    """The records about a bucket."""
    bucket = request.path_params["bucket"]
    console = parts.of(request)
    client = console.store.client(parts.session(request))
    try:
        rule = await console.run(sources.of_bucket, client, bucket)
    except Failure as failure:
        if failure.status == 404:
            await frame.region_of(request, bucket)  # which says so in words
        raise
    path = f"/insights/{render.segment(bucket)}"
    if rule.source is None:
        return render.page(request, "insights/off.html", bucket=bucket, path=path, tab="Charts")
    return await _board(request, rule.source, path, ())


async def _of_prefix(request: Request) -> Response:
    """The records in log objects below any prefix."""
    bucket = request.path_params["bucket"]
    prefix = request.query_params.get("prefix", "")
    source = Source(bucket, prefix)
    path = f"/insights/-/in/{render.segment(bucket)}"
    return await _board(request, source, path, (("prefix", prefix),) if prefix else ())


async def _open_prefix(request: Request) -> Response:
    """From s3://bucket/prefix, as somebody typed it."""
    given = request.query_params.get("source", "").strip().removeprefix("s3://")
    bucket, _, prefix = given.partition("/")
    if not bucket:
        raise Problem("That names no log objects.", "Write it like s3://bucket/prefix/.")
    return render.redirect(
        request, render.href(f"/insights/-/in/{render.segment(bucket)}", prefix=prefix)
    )


async def _board(
    request: Request, source: Source, path: str, fixed: tuple[tuple[str, str], ...]
) -> Response:
    now = datetime.now(UTC)
    part = request.query_params.get("part", "")
    view = filters.parse(path, request.query_params.multi_items(), now, fixed)
    place = await parts.of(request).shelf.open(
        request, source, view.since(now), anew="anew" in request.query_params
    )
    context: dict[str, Any] = {
        "bucket": source.about or source.target,
        "path": path,
        "tab": "Charts",
        "source": source,
        "view": view,
        "place": place,
        "now": now,
        "presets": PRESETS,
        "measures": MEASURES,
        "waiting": None,
        "seen": request.query_params.get("seen"),
        "board": None,
    }
    failure = place.failure
    if isinstance(failure, Failure) and failure.status in (0, 401):
        raise failure
    if failure is None and place.covers(view.since(now)):
        if part == "fresh":
            assert place.collection is not None
            return render.fragment(
                request, "insights/fresh.html", **context, holding=place.collection.holding
            )
        context |= await _answers(request, place, source, view, now, part)
        if part == "lists":
            return render.fragment(request, "insights/lists.html", **context)
    if source.about is not None and failure is None and not (context["board"] or {}).get("records"):
        told = await parts.of(request).workers.ask("waiting", source.about)
        context["waiting"] = sum(answer.waiting for answer in told)
    if render.is_fragment(request):
        return render.fragment(
            request, "insights/board.html", headers={"Vary": "HX-Request"}, **context
        )
    return render.page(request, "insights/page.html", headers={"Vary": "HX-Request"}, **context)


@dataclass(frozen=True, slots=True)
class List:
    """The values of one dimension, as a list shows them."""

    dimension: Dimension
    title: str
    rows: Rows
    most: float
    """What the longest bar stands for."""

    @property
    def many(self) -> int:
        """How many values there are."""
        return int(self.rows[0]["many"]) if self.rows else 0

    @property
    def tells_errors(self) -> bool:
        """Whether the share of errors says anything: not where all are errors."""
        if self.dimension.name in ("status", "error"):
            return False
        return any(row["errors"] < row["requests"] for row in self.rows)


async def _answers(
    request: Request, place: Place, source: Source, view: View, now: datetime, part: str
) -> dict[str, Any]:
    """All that the board shows. The lists come later where they aren't known at once, unless they
    are the part that is asked for.
    """
    assert place.collection is not None
    shelf = parts.of(request).shelf
    holding = place.collection.holding
    stretch = view.stretch(now, holding.first, holding.last)
    conditions = questions.conditions(view, stretch, source.about)
    titles = questions.LISTS if source.about else (*questions.LISTS, ("bucket", "Buckets"))
    lists = questions.lists(view, conditions, (name for name, _ in titles))
    asked = [] if part == "lists" else questions.charts(conditions, stretch)
    found = await shelf.ask(request, place, [each.sql for each in asked])
    answers = {each.name: rows for each, rows in zip(asked, found, strict=True)}
    context: dict[str, Any] = {
        "holding": holding,
        "stretch": stretch,
        "statements": {each.name: each.sql for each in (*asked, *lists)},
        "lists": None,
        "board": {"records": holding.records},
    }
    context["commands"] = {
        name: f"bucketlog query --from {shlex.quote(source.address)} {shlex.quote(sql)}"
        for name, sql in context["statements"].items()
    }
    if part != "lists":
        context["board"] |= {
            "totals": answers["totals"][0],
            **_charts(view, stretch, answers["over_time"]),
            "rows": answers["over_time"],
            "latest": answers["latest"],
        }
    wanted = asyncio.ensure_future(shelf.ask(request, place, [each.sql for each in lists]))
    wanted.add_done_callback(lambda task: task.cancelled() or task.exception())  # or it complains
    await asyncio.wait([wanted], timeout=None if part == "lists" else _PATIENCE_S)
    if wanted.done():
        context["lists"] = [
            List(DIMENSIONS[name], title, rows, _most(view, rows))
            for (name, title), rows in zip(titles, wanted.result(), strict=True)
        ]
    return context


def _charts(view: View, stretch: Stretch, rows: Rows) -> dict[str, drawing.Chart]:
    return {
        "requests": drawing.bars(view, stretch, rows, _ENDINGS, render.number),
        "bytes": drawing.bars(view, stretch, rows, (("bytes_sent", "Sent", "fine"),), render.size),
        "latency": drawing.lines(view, stretch, rows, _LATENCIES),
    }


def _most(view: View, rows: Rows) -> float:
    """What the longest bar of a list stands for."""
    return max((row[column_of(view.by)] or 0 for row in rows), default=0) or 1


def column_of(measure: str) -> str:
    """The column that a list is sorted by."""
    return {"bytes": "bytes_sent", "time": "p95"}.get(measure, measure)


async def _tab(request: Request) -> Response:
    """The tab of a bucket leads to its insights."""
    return render.redirect(request, f"/insights/{render.segment(request.path_params['bucket'])}")


async def _deliver(request: Request) -> Response:
    """Delivers what waits, and looks for it."""
    bucket = request.path_params["bucket"]
    console = parts.of(request)
    region = await frame.region_of(request, bucket)
    keys = await console.run(
        flush.deliver,
        parts.session(request).identity,
        console.config.endpoint,
        bucket,
        region or console.config.regions[0],
    )
    words = f"{render.plural(len(keys), 'log object')} delivered" if keys else "Nothing was waiting"
    said = Toast("good" if keys else "plain", words)
    return render.redirect(request, f"/insights/{render.segment(bucket)}?anew=1", said)


routes = [
    Route("/buckets/{bucket}/insights", _tab, methods=["GET"]),
    Route("/insights", _index, methods=["GET"]),
    Route("/insights/-/in", _open_prefix, methods=["GET"]),
    Route("/insights/-/in/{bucket}", _of_prefix, methods=["GET"]),
    *tail.routes,
    Route("/insights/{bucket}", _of_bucket, methods=["GET"]),
    Route("/insights/{bucket}/deliver", _deliver, methods=["POST"]),
]
