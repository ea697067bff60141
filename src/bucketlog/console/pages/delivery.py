"""The tab Delivery of a bucket."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import frame


async def _show(request: Request) -> Response:
    return await frame.page(request, "bucket_empty.html", "Delivery")


routes = [Route("/buckets/{bucket}/delivery", _show)]
