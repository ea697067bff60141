"""The operator's port."""

from __future__ import annotations

import pytest
from tests.support.wire import MemoryWire

from bucketlog.gateway.admin import Admin
from bucketlog.gateway.metrics import Snapshot
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Request


async def ask(
    target: str,
    *found: Snapshot,
    expected: int = 1,
    method: str = "GET",
    wire: MemoryWire | None = None,
) -> MemoryWire:
    async def snapshots() -> list[Snapshot]:
        return list(found)

    wire = wire or MemoryWire()
    admin = Admin(snapshots, expected)
    await admin(Request(method, target, "HTTP/1.1", {}), wire)  # type: ignore[arg-type]
    return wire


HEALTH = [
    ((Snapshot(),), 1, 200, "ok\n"),
    ((Snapshot(gauges={"spool_full": 0.0}),) * 2, 2, 200, "ok\n"),
    ((Snapshot(),), 3, 503, "2 of 3 workers don't answer\n"),
    (
        (Snapshot(), Snapshot(gauges={"spool_full": 1.0})),
        2,
        503,
        "a spool is full or can't be written: no record can be kept\n",
    ),
    (
        (Snapshot(gauges={"spool_full": 1.0}),),
        2,
        503,
        "1 of 2 workers don't answer; a spool is full or can't be written: no record can be kept\n",
    ),
]


@pytest.mark.parametrize(("found", "expected", "status", "text"), HEALTH)
async def test_health_is_of_every_worker_and_of_recording(
    found: tuple[Snapshot, ...], expected: int, status: int, text: str
) -> None:
    wire = await ask("/healthz", *found, expected=expected)
    assert wire.reply is not None
    assert (wire.reply.status, wire.sent.decode()) == (status, text)


async def test_metrics_are_of_all_workers_together() -> None:
    wire = await ask("/metrics?x=y", *[Snapshot(gauges={"connections": 2})] * 3)
    assert b"\nbucketlog_connections 6.0\n" in wire.sent
    assert wire.headers["Content-Type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_can_be_changed(method: str) -> None:
    wire = await ask("/healthz", Snapshot(), method=method)
    assert wire.reply is not None
    assert (wire.reply.status, wire.headers["Allow"]) == (405, "GET, HEAD")


async def test_head_has_no_body() -> None:
    wire = await ask("/metrics", Snapshot(), method="HEAD")
    assert wire.reply is not None
    assert (wire.reply.status, wire.sent) == (200, b"")


@pytest.mark.parametrize("target", ["/", "/healthz/", "/bucket/key", "*"])
async def test_other_paths_are_not_found(target: str) -> None:
    wire = await ask(target)
    assert wire.reply is not None
    assert wire.reply.status == 404
    assert b"/healthz" in wire.sent


async def test_what_the_edge_refuses_is_refused() -> None:
    wire = await ask("/healthz", wire=MemoryWire(refusal=S3Error("RequestHeaderSectionTooLarge")))
    assert wire.reply is not None
    assert wire.reply.status == 400


async def test_while_a_console_is_starting_a_browser_is_told_to_ask_again() -> None:
    async def snapshots() -> list[Snapshot]:
        return [Snapshot()]

    admin = Admin(snapshots, 1)
    admin.console_comes = True
    wire = MemoryWire()
    await admin(Request("GET", "/buckets", "HTTP/1.1", {}), wire)  # type: ignore[arg-type]
    assert wire.reply is not None
    assert wire.reply.status == 503
    assert (wire.reply.headers["Refresh"], wire.reply.headers["Retry-After"]) == ("1", "1")
    assert await admin.page("/nothing") is None
    page = await admin.page("/healthz")
    assert page is not None
    assert page.body == b"ok\n"
