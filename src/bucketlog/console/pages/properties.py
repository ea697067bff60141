"""The tab Properties of a bucket: what it is, and the card Server access logging.

Editing the card is `logging_rule`'s.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import frame, logging_plan, parts, s3, standing
from bucketlog.console.pages import logging_rule
from bucketlog.console.s3 import Failure

_NOT_THERE = ("NotImplemented", "MethodNotAllowed")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the overview tells. None: this key may not know."""

    created_at: datetime | None
    owner: str | None
    owner_id: str | None
    versioning: str | None
    """ "Enabled", "Suspended", "Off", or "none" where the store has no versioning."""


async def _show(request: Request) -> Response:
    console, bucket = parts.of(request), request.path_params["bucket"]
    region = await frame.region_of(request, bucket)
    client = console.store.client(parts.session(request))
    facts, found = await asyncio.gather(
        _facts(request, bucket), console.run(_look, client, bucket, console)
    )
    target = found.target if isinstance(found, standing.Standing) else None
    return await frame.page(
        request,
        "properties/page.html",
        "Properties",
        region=region,
        facts=facts,
        standing=found if isinstance(found, standing.Standing) else None,
        refusal=found if isinstance(found, Failure) else None,
        words=logging_plan.words_of(target),
        example=None
        if not isinstance(found, standing.Standing) or target is None
        else logging_plan.example(target, bucket, found.account_id, region),
        ring_words=logging_plan.ring_words(
            await console.run(standing.ring_of, client, bucket, console.rules) if target else []
        ),
    )


def _look(client: Any, bucket: str, console: parts.Parts) -> standing.Standing | Failure:
    try:
        return standing.look(client, bucket, console.rules)
    except Failure as failure:
        if failure.status != 403:
            raise
        return failure


async def _facts(request: Request, bucket: str) -> Facts:
    listed, acl, versioning = await asyncio.gather(
        s3.call(request, "list_buckets", Prefix=bucket, MaxBuckets=1),
        _unless(request, "get_bucket_acl", bucket),
        _unless(request, "get_bucket_versioning", bucket),
    )
    own = [each for each in listed.get("Buckets", []) if each["Name"] == bucket]
    owner = {} if isinstance(acl, Failure) else acl["Owner"]
    if isinstance(versioning, Failure):
        status = "none" if versioning.code in _NOT_THERE else None
    else:
        status = versioning.get("Status", "Off")
    return Facts(
        own[0]["CreationDate"] if own else None,
        owner.get("DisplayName") or owner.get("ID"),
        owner.get("ID"),
        status,
    )


async def _unless(request: Request, operation: str, bucket: str) -> dict[str, Any] | Failure:
    """What an operation answers, or that it is refused or unknown to the store."""
    try:
        return await s3.call(request, operation, Bucket=bucket)
    except Failure as failure:
        if failure.status == 403 or failure.code in _NOT_THERE:
            return failure
        raise


routes = [Route("/buckets/{bucket}/properties", _show), *logging_rule.routes]
