"""Insights."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import render


async def _show(request: Request) -> Response:
    return render.page(request, "empty.html", heading="Insights")


routes = [Route("/insights", _show)]
