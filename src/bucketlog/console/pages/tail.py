"""The live tail: requests as they are recorded, as server-sent events.

Who may watch a bucket is judged by S3 before the first line and every minute again; a stream ends
with the login. The events: `rows`, a list of rows; `lost`, how many lines were passed over; `end`,
why there will be no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bucketlog.accesslog.record import FIELDS
from bucketlog.console import failures, field_marks, frame, parts, render, watching
from bucketlog.console.insights import live
from bucketlog.console.insights.live import Filter
from bucketlog.console.insights.sources import Rule
from bucketlog.console.pages import buckets as bucket_list
from bucketlog.console.s3 import Failure
from bucketlog.problems import Problem
from bucketlog.reader import explain

MOST_BUCKETS = 100
_FILTERS = ("operation", "status", "key")
_BEATS_EVERY_S = 10.0
_ASKS_EVERY_S = 60.0
_LONGEST_LINE = 256 * 1024


async def _show(request: Request) -> Response:
    """The page, of one bucket or (-) of all one's own."""
    bucket = request.path_params["bucket"]
    wanted = {name: request.query_params.get(name, "") for name in _FILTERS}
    path = f"/insights/{render.segment(bucket)}"
    context: dict[str, Any] = {"path": path, "tab": "Live", "wanted": wanted}
    if bucket == "-":
        names, _ = await _own(request)
        return render.page(request, "insights/tail.html", bucket=None, names=names, **context)
    rule = await _rule(request, bucket)
    if rule.source is None:
        return render.page(request, "insights/off.html", bucket=bucket, **context)
    return render.page(
        request, "insights/tail.html", bucket=bucket, names=[bucket], source=rule.source, **context
    )


async def _rule(request: Request, bucket: str) -> Rule:
    console = parts.of(request)
    client = console.store.client(parts.session(request))
    try:
        return await console.run(watching.rule, client, bucket)
    except Failure as failure:
        if failure.status == 404:
            await frame.region_of(request, bucket)  # which says so in words
        raise


async def _own(request: Request) -> tuple[list[str], int]:
    """The logged buckets of one's own that may be watched; and how many more are logged."""
    console = parts.of(request)
    known = await console.run(console.rules.all)
    names = [b["Name"] for b in await bucket_list.all_buckets(request) if b["Name"] in known]
    asked = [_may_watch(request, name) for name in names[:MOST_BUCKETS]]
    found = [name for name, may in zip(names, await asyncio.gather(*asked), strict=False) if may]
    return found, len(names) - len(found)


async def _may_watch(request: Request, bucket: str) -> bool:
    try:
        return (await _rule(request, bucket)).source is not None
    except Failure as failure:
        if failure.status in (403, 404):
            return False
        raise


async def _events(request: Request) -> Response:
    failures.credential(request)
    bucket = request.path_params["bucket"]
    if bucket == "-":
        names, _ = await _own(request)
    else:
        names = [bucket] if await _may_watch(request, bucket) else []
    return StreamingResponse(
        _stream(request, names, Filter.of(request.query_params)), media_type="text/event-stream"
    )


async def _stream(request: Request, names: list[str], wanted: Filter) -> AsyncIterator[str]:
    """All events of one browser, until it goes, may no longer, or the server stops."""
    if not names:
        yield _event("end", "You may watch none of these buckets.")
        return
    console = parts.of(request)
    session = parts.session(request).id
    try:
        console.streams.begin(session)
    except Problem as problem:
        yield _event("end", f"{problem.message} {problem.hint}")
        return
    loop = asyncio.get_running_loop()
    asks_at = loop.time() + _ASKS_EVERY_S
    try:
        async with contextlib.aclosing(_with_beats(watching.watch(console.workers, names))) as told:
            async for each in told:
                if loop.time() >= asks_at:
                    reason = await _refused(request, names)
                    if reason is not None:
                        yield _event("end", reason)
                        return
                    asks_at = loop.time() + _ASKS_EVERY_S
                if each is None:
                    yield ": still here\n\n"
                    continue
                if each.error is not None:
                    yield _event("end", each.error)
                    return
                rows, more = await console.run(live.rows, each.lines, wanted)
                yield _event("rows", rows)
                if each.lost or more:
                    yield _event("lost", each.lost + more)
    except (ClientDisconnect, OSError):
        return
    finally:
        console.streams.end(session)


async def _refused(request: Request, names: list[str]) -> str | None:
    """Why the stream must end; None: it needn't."""
    session = parts.session(request)
    if parts.of(request).sessions.find(session.id, is_used=False) is None:
        return "You are logged out."
    try:
        failures.credential(request)
    except Failure:
        return "Your access key is gone."
    may = await asyncio.gather(*(_may_watch(request, name) for name in names))
    if all(may):
        return None
    return "You may no longer watch this, or logging was switched off."


async def _with_beats(
    told: AsyncGenerator[watching.Watched, None],
) -> AsyncGenerator[watching.Watched | None, None]:
    """The same, with None whenever nothing came for a while."""
    coming: asyncio.Future[watching.Watched] | None = None
    try:
        while True:
            if coming is None:
                coming = asyncio.ensure_future(anext(told))
            done, _ = await asyncio.wait([coming], timeout=_BEATS_EVERY_S)
            if not done:
                yield None
                continue
            each, coming = coming.result(), None
            yield each
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await told.aclose()


def _event(name: str, data: Any) -> str:
    # Each JSON text is one line.
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


async def _explain(request: Request) -> Response:
    """One line, explained, for a dialog."""
    form = await request.form()
    line = str(form.get("line", ""))[:_LONGEST_LINE]
    explanation = explain.explain(line)
    return render.fragment(
        request,
        "insights/explained.html",
        explanation=explanation,
        line=line,
        known=len(FIELDS),
        pieces=field_marks.pieces(line, [each.value for each in explanation]),
    )


routes = [
    Route("/insights/-/explain", _explain, methods=["POST"]),
    Route("/insights/{bucket}/tail", _show, methods=["GET"]),
    Route("/insights/{bucket}/events", _events, methods=["GET"]),
]
