"""Requests told as they are recorded, to who watches; nothing for those who don't."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.gate import Gate

from bucketlog.accesslog import line
from bucketlog.accesslog.targets import Target
from bucketlog.delivery.tags import tag_of
from bucketlog.gateway import control, watch
from bucketlog.gateway.control import Answer, Question
from bucketlog.gateway.watch import Watched, Watchers
from bucketlog.s3.model import Reply
from bucketlog.spool.frame import Part


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.close()


def told(watched: Watched) -> list[tuple[str, str | None, str | None, int | None]]:
    """Bucket, operation, key and status of each line."""
    found = []
    for bucket, lines in watched.lines.items():
        assert lines.endswith(b"\n")
        for text in lines.splitlines(keepends=True):
            record = line.decode(text).record
            assert record is not None
            found.append((bucket, record.operation, record.key, record.http_status))
    return found


def part(gate: Gate, bucket: str, data: bytes, count: int) -> Part:
    source = gate.catalog.buckets[bucket]
    return Part(tag_of(Target("logs", ""), source, 0), count, data)


async def test_nobody_is_told_unless_somebody_watches(gate: Gate) -> None:
    recorder = gate.pipeline._recorder
    watchers = Watchers(recorder)
    assert recorder.watch is None
    first, second = watchers.subscribe(["box"]), watchers.subscribe(["box"])
    assert first is not None
    assert second is not None
    with first:
        with second:
            assert recorder.watch is not None
        assert recorder.watch is not None
    assert recorder.watch is None
    await gate.send("GET", "/box/a")
    assert not first._waiting


async def test_a_watcher_is_told_each_request_once_with_what_came_of_it(gate: Gate) -> None:
    gate.handler.answers[:] = [Reply(200), Reply(200), Reply(200, {}, bytes(100_000)), Reply(404)]
    subscription = Watchers(gate.pipeline._recorder).subscribe(["box"])
    assert subscription is not None
    with subscription:
        for method in ("GET", "PUT", "GET", "HEAD"):
            await gate.send(method, f"/box/{method.lower()}")
        seen = await subscription.take()
    assert told(seen) == [
        ("box", "REST.GET.OBJECT", "get", 200),
        ("box", "REST.PUT.OBJECT", "put", 200),
        ("box", "REST.GET.OBJECT", "get", 200),
        ("box", "REST.HEAD.OBJECT", "head", 404),
    ]
    assert seen.lost == 0
    assert len(gate.after_a_crash()) == 4


async def test_a_watcher_is_told_of_its_buckets_only(gate: Gate) -> None:
    subscription = Watchers(gate.pipeline._recorder).subscribe(["other", "plain"])
    assert subscription is not None
    with subscription:
        for bucket in ("box", "plain", "other"):
            await gate.send("GET", f"/{bucket}/a")
        assert told(await subscription.take()) == [("other", "REST.GET.OBJECT", "a", 200)]


async def test_the_requests_of_one_turn_are_told_together(gate: Gate) -> None:
    subscription = Watchers(gate.pipeline._recorder).subscribe(["box"])
    assert subscription is not None
    with subscription:
        await asyncio.gather(*(gate.send("GET", f"/box/{n}") for n in range(5)))
        assert {key for _, _, key, _ in told(await subscription.take())} == set("01234")


async def test_who_is_too_slow_loses_lines_and_is_told_how_many(gate: Gate) -> None:
    watchers = Watchers(gate.pipeline._recorder)
    subscription = watchers.subscribe(["box"])
    assert subscription is not None
    half = bytes(watch.MOST_BYTES // 2)
    with subscription:
        for _ in range(5):
            watchers.tell([part(gate, "box", half, 10)])
        seen = await subscription.take()
        assert (len(seen.lines["box"]), seen.lost) == (watch.MOST_BYTES, 30)
        watchers.tell([part(gate, "box", b"x\n", 1)])
        assert await subscription.take() == Watched({"box": b"x\n"}, 0)


async def test_too_many_watchers_are_refused(gate: Gate) -> None:
    watchers = Watchers(gate.pipeline._recorder)
    for _ in range(watch.MOST_WATCHERS):
        assert watchers.subscribe(["box"]) is not None
    seen = [each async for each in watchers.watch(["box"])]
    assert [each.error for each in seen] == ["64 watch already; no more can"]


async def test_trouble_with_watching_is_none_of_the_requests(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    watchers = Watchers(gate.pipeline._recorder)
    with caplog.at_level(logging.ERROR, "bucketlog.records"):
        subscription = watchers.subscribe(["box"])
        assert subscription is not None
        subscription.offer = None  # type: ignore[assignment, method-assign]
        wire = await gate.send("PUT", "/box/a")
    assert wire.reply is not None
    assert wire.reply.status == 200
    assert "was not told" in caplog.text
    assert len(gate.after_a_crash()) == 1


async def _nothing(question: Question) -> Answer:
    return Answer(error=question.do)


async def test_a_watcher_on_the_socket_is_told_until_it_leaves(gate: Gate, tmp_path: Path) -> None:
    recorder = gate.pipeline._recorder
    watchers = Watchers(recorder)
    left = asyncio.Event()
    leave = watchers.leave

    def leaves(subscription: watch.Subscription) -> None:
        leave(subscription)
        left.set()

    watchers.leave = leaves  # type: ignore[method-assign]
    listener = await control.listen(tmp_path / "run", "one", _nothing, watchers.watch)
    path = control.socket_path(tmp_path / "run", "one")
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"do": "watch", "buckets": ["box"]}\n')
    assert json.loads(await reader.readline()) == {"lines": {}, "lost": 0, "error": None}
    await gate.send("GET", "/box/a")
    assert list(json.loads(await reader.readline())["lines"]) == ["box"]
    assert await control.ask(path, Question("else")) == Answer(error="else")
    writer.close()
    await asyncio.wait_for(left.wait(), 5)
    assert recorder.watch is None
    await listener.close()


async def test_a_worker_that_stops_ends_what_is_watched(gate: Gate, tmp_path: Path) -> None:
    watchers = Watchers(gate.pipeline._recorder)
    listener = await control.listen(tmp_path / "run", "one", _nothing, watchers.watch)
    path = control.socket_path(tmp_path / "run", "one")
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"do": "watch", "buckets": ["box"]}\n')
    await reader.readline()
    await listener.close()
    assert await reader.readline() == b""
    assert gate.pipeline._recorder.watch is None
    writer.close()
