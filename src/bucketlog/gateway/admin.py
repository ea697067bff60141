"""`/healthz` and `/metrics`, for monitoring; nothing that changes anything.

Answers over the same edge as S3 does, as long as no console answers on the operator's port, and
to the console, which passes on what it is asked. With several workers it is the supervisor's, and
tells of all of them together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bucketlog.gateway import metrics
from bucketlog.gateway.edge.wire import Wire
from bucketlog.gateway.metrics import Snapshot
from bucketlog.s3.model import Reply, Request

_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Admin:
    """`snapshots` gives the counts of each worker; `expected` is how many there should be."""

    def __init__(self, snapshots: Callable[[], Awaitable[list[Snapshot]]], expected: int) -> None:
        self._snapshots = snapshots
        self._expected = expected
        self._pages = {"/healthz": self._healthz, "/metrics": self._metrics}
        self.console_comes = False
        """Whether a console will answer here soon: a browser then asks again by itself."""

    async def __call__(self, request: Request, wire: Wire) -> None:
        """Answers one request."""
        page = self._pages.get(request.target.partition("?")[0])
        if wire.refusal is not None:
            reply = _text(wire.refusal.status, wire.refusal.text)
        elif page is None:
            reply = self._nothing()
        elif request.method not in ("GET", "HEAD"):
            reply = _text(405, "Only GET and HEAD.")
            reply.headers["Allow"] = "GET, HEAD"
        else:
            reply = await page()
        await wire.send(reply, head=request.method == "HEAD")

    async def page(self, path: str) -> Reply | None:
        """The page of that path, None where there is none; its body is bytes."""
        page = self._pages.get(path)
        return None if page is None else await page()

    def _nothing(self) -> Reply:
        if not self.console_comes:
            return _text(404, "Here are /healthz and /metrics.")
        reply = _text(503, "The console is starting.")
        reply.headers |= {"Retry-After": "1", "Refresh": "1"}
        return reply

    async def _healthz(self) -> Reply:
        """200 while every worker answers and can record; else 503 and what is wrong."""
        found = await self._snapshots()
        wrong = []
        if len(found) < self._expected:
            wrong.append(f"{self._expected - len(found)} of {self._expected} workers don't answer")
        if any(snapshot.gauges.get("spool_full") for snapshot in found):
            wrong.append("a spool is full or can't be written: no record can be kept")
        return _text(503, "; ".join(wrong)) if wrong else _text(200, "ok")

    async def _metrics(self) -> Reply:
        whole = metrics.total(await self._snapshots())
        return Reply(200, {"Content-Type": _METRICS}, metrics.exposition(whole))


def _text(status: int, text: str) -> Reply:
    return Reply(status, {"Content-Type": _TEXT}, f"{text}\n".encode())
