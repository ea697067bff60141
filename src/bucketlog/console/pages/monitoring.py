"""`/healthz` and `/metrics`, passed on from the server's parent process; for anyone who asks."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import parts


async def _page(request: Request) -> Response:
    found = await parts.of(request).workers.page(request.url.path[1:])
    return Response(found.text, found.status, {"Content-Type": found.type})


routes = [Route("/healthz", _page), Route("/metrics", _page)]
