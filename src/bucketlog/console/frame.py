"""The frame of a bucket's page: its heading and tabs, around what a tab shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from bucketlog.console import render, s3, wording
from bucketlog.console.s3 import Failure


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab. `path` comes behind /buckets/NAME."""

    name: str
    path: str
    icon: str


TABS = (
    Tab("Objects", "", "files"),
    Tab("Properties", "/properties", "sliders"),
    Tab("Permissions", "/permissions", "shield"),
    Tab("Delivery", "/delivery", "send"),
    Tab("Insights", "/insights", "chart"),
)


async def page(
    request: Request,
    template: str,
    tab: str,
    /,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """A page of the bucket that `request.path_params["bucket"]` names, with the tab of that name
    open. The template extends `bucket.html`. Raises `Failure` when there is no such bucket.
    """
    bucket = request.path_params["bucket"]
    region = context.pop("region", None) or await region_of(request, bucket)
    return render.page(
        request,
        template,
        status=status,
        headers=headers,
        bucket=bucket,
        region=region,
        tabs=TABS,
        tab=tab,
        **context,
    )


async def region_of(request: Request, bucket: str) -> str | None:
    """The bucket's Region; None where the key may not know. Raises `Failure` NoSuchBucket."""
    try:
        answer = await s3.call(request, "head_bucket", Bucket=bucket)
    except Failure as failure:
        # The answer to a HEAD has no body, so no code.
        if failure.status == 403:
            return None
        if failure.status == 404:
            failure.code, failure.message = "NoSuchBucket", f"There is no bucket called {bucket}."
            failure.title, failure.way_out = wording.of("NoSuchBucket", 404)
        raise
    region: str | None = answer.get("BucketRegion")
    return region
