"""The tab Objects of a bucket."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import frame


async def _show(request: Request) -> Response:
    return await frame.page(request, "bucket_empty.html", "Objects")


routes = [Route("/buckets/{bucket}", _show)]
