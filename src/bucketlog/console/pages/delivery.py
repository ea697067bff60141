"""The tab Delivery of a bucket: how its records get to their target, and what is delivered here.

Whatever is shown of a bucket was allowed by an S3 call of whoever is logged in, GetBucketLogging
above all; only then are the workers asked what waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog import measures
from bucketlog.accesslog import line
from bucketlog.accesslog.record import LogRecord
from bucketlog.console import flush, frame, logging_plan, parts, render, s3, standing
from bucketlog.console.s3 import Failure
from bucketlog.console.standing import Standing

_TAIL_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Delivered:
    """What "deliver now" came to: the keys of the objects stored, or why it failed."""

    keys: tuple[str, ...] = ()
    failure: Failure | None = None


async def _show(request: Request) -> Response:
    return await frame.page(
        request, "delivery/page.html", "Delivery", **await _context(request, None)
    )


async def _context(request: Request, delivered: Delivered | None) -> dict[str, Any]:
    console, bucket = parts.of(request), request.path_params["bucket"]
    region = await frame.region_of(request, bucket)
    client = console.store.client(parts.session(request))

    def look() -> dict[str, Any]:
        found: Standing | None = None
        refusal = None
        try:
            found = standing.look(client, bucket, console.rules)
        except Failure as failure:
            if failure.status != 403:
                raise
            refusal = failure
        ring = standing.ring_of(client, bucket, console.rules) if found and found.target else []
        incoming, unseen = standing.sources(client, bucket, console.rules)
        return {
            "standing": found,
            "refusal": refusal,
            "ring": ring,
            "ring_words": logging_plan.ring_words(ring),
            "sources": incoming,
            # How many there are is the owner's to know.
            "unseen": 0 if refusal else unseen,
            "last_record": None if found is None else last_record(client, found),
        }

    context = await console.run(look)
    found = context["standing"]
    waiting, lag_s = 0, None
    if found is not None:
        waiting, lag_s = found.waiting or 0, found.lag_s
        if found.target is None:
            # Of what was recorded while logging was on, which S3 doesn't tell.
            answers = await console.workers.ask("waiting", bucket)
            waiting = sum(answer.waiting for answer in answers)
    return context | {
        "region": region,
        "waiting": waiting,
        "lag": measures.about(lag_s) if lag_s is not None and waiting else None,
        "delivered": delivered,
    }


def last_record(client: Any, found: Standing) -> LogRecord | None:
    """The last record that was delivered; None where it can't be read."""
    if found.target is None or found.last_object is None:
        return None
    try:
        with s3.translated():
            answer = client.get_object(
                Bucket=found.target.bucket, Key=found.last_object, Range=f"bytes=-{_TAIL_BYTES}"
            )
            tail: bytes = answer["Body"].read()
    except Failure:
        return None  # deleted, or this key may not read it
    lines = tail.splitlines()
    if len(lines) < 2 and len(tail) >= _TAIL_BYTES:
        return None  # the end of one very long line
    try:
        return line.decode(lines[-1]).record if lines else None
    except ValueError:
        return None  # somebody put something else there


async def _deliver(request: Request) -> Response:
    """Deliver now, as FlushBucketLogging by whoever is logged in."""
    console, bucket = parts.of(request), request.path_params["bucket"]
    region = await frame.region_of(request, bucket)
    try:
        keys = await console.run(
            flush.deliver,
            parts.session(request).identity,
            console.config.endpoint,
            bucket,
            region or console.config.regions[0],
        )
        delivered = Delivered(tuple(keys))
    except Failure as failure:
        delivered = Delivered(failure=failure)
    context = await _context(request, delivered)
    if render.is_fragment(request):
        return render.fragment(request, "delivery/standing.html", bucket=bucket, **context)
    return await frame.page(request, "delivery/page.html", "Delivery", **context)


routes = [
    Route("/buckets/{bucket}/delivery", _show, methods=["GET"]),
    Route("/buckets/{bucket}/delivery/now", _deliver, methods=["POST"]),
]
