"""The list of buckets: what each is, whether it is logged, and whether its logs arrive.

Names come from one ListBuckets and are there at once; whether a bucket is logged costs a
GetBucketLogging each, so these come in a second request, for the buckets of one page only. Sizes
are counted by the server's own index, which nobody's log tells of.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import parts, render, s3
from bucketlog.console.s3 import Failure
from bucketlog.state.rules import Health

PER_PAGE = 30


@dataclass(frozen=True, slots=True)
class Facts:
    """What the second request tells of a bucket. `may_know`: its logging rule could be read."""

    may_know: bool
    target: str | None
    prefix: str
    health: Health
    usage: tuple[int, int] | None
    """Objects and bytes; None while they are being counted."""


async def _show(request: Request) -> Response:
    query = request.query_params.get("q", "").strip().lower()
    found = [b for b in await all_buckets(request) if query in b["Name"].lower()]
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(max(1, _whole(request.query_params.get("page"))), pages)
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    context: dict[str, Any] = {
        "buckets": shown,
        "facts": None,
        "is_counting": False,
        "query": query,
        "page": page,
        "pages": pages,
        "count": len(found),
        "regions": parts.of(request).config.regions,
    }
    if not render.is_fragment(request):
        return render.page(request, "buckets/page.html", **context)
    names = [bucket["Name"] for bucket in shown]
    context["facts"] = await _facts(request, names)
    context["is_counting"] = parts.of(request).usage.is_counting
    return render.fragment(request, "buckets/found.html", **context)


async def all_buckets(request: Request) -> list[dict[str, Any]]:
    """What ListBuckets tells of each bucket of the account, by name."""
    buckets: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        answer = await s3.call(request, "list_buckets", MaxBuckets=1000, **token)
        owner = answer.get("Owner", {})
        buckets += [{**bucket, "Owner": owner} for bucket in answer.get("Buckets", [])]
        if not answer.get("ContinuationToken"):
            return buckets
        token = {"ContinuationToken": answer["ContinuationToken"]}


async def _facts(request: Request, names: list[str]) -> dict[str, Facts]:
    console = parts.of(request)
    asked = [_logging(request, name) for name in names]
    rules, health, usage = await asyncio.gather(
        asyncio.gather(*asked),
        console.run(lambda: [console.rules.health(name) for name in names]),
        console.usage.now(),
    )
    return {
        name: Facts(
            may_know=rule is not None,
            target=(rule or {}).get("TargetBucket"),
            prefix=(rule or {}).get("TargetPrefix", ""),
            health=each,
            usage=None if usage is None else usage.get(name, (0, 0)),
        )
        for name, rule, each in zip(names, rules, health, strict=True)
    }


async def _logging(request: Request, name: str) -> dict[str, Any] | None:
    """The bucket's logging rule; {} where it is off, None where the key may not know."""
    try:
        answer = await s3.call(request, "get_bucket_logging", Bucket=name)
    except Failure as failure:
        if failure.status in (403, 404):
            return None
        raise
    rule: dict[str, Any] = answer.get("LoggingEnabled", {})
    return rule


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 1


routes = [Route("/buckets", _show, methods=["GET"])]
