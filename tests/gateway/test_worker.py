"""One serving process, taken apart: what it undoes, waits for, and notes of delivery."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bucketlog.gateway import process
from bucketlog.gateway.control import Question
from bucketlog.gateway.edge import listen
from bucketlog.gateway.metrics import Metrics
from bucketlog.gateway.worker import HealthSink, Layout, Worker
from bucketlog.problems import Problem, StateProblem
from bucketlog.settings import Settings, Spool
from bucketlog.state.database import Database
from bucketlog.state.generation import Generation
from bucketlog.state.rules import Rules

SETTINGS = Settings()


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that serves on a free port."""
    made = Worker(SETTINGS, Layout(tmp_path))
    await made.start([listen.bind("127.0.0.1", 0)], None)
    yield made
    await made.stop()


async def test_questions_are_answered(worker: Worker) -> None:
    shown = await worker.answer(Question("snapshot"))
    assert shown.pid > 0
    assert shown.snapshot is not None
    assert shown.snapshot.gauges["spool_full"] == 0
    assert (await worker.answer(Question("waiting", "b"))).waiting == 0
    delivered = await worker.answer(Question("deliver"))
    assert (delivered.delivered, delivered.failures, delivered.error) == ([], {}, None)
    assert (await worker.answer(Question("sing"))).error == "unknown question 'sing'"


async def test_a_worker_leaves_no_socket_and_no_lock(tmp_path: Path) -> None:
    for _ in range(2):
        worker = Worker(SETTINGS, Layout(tmp_path))
        await worker.start([listen.bind("127.0.0.1", 0)], None)
        assert (tmp_path / "run" / f"{worker.name}.sock").exists()
        await worker.stop()
        assert list((tmp_path / "run").iterdir()) == []
        assert [path.name for path in (tmp_path / "spool").iterdir()] == [worker.name]


async def test_what_was_opened_is_closed_when_something_cannot_be(tmp_path: Path) -> None:
    """So that the next try doesn't find it in use."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "index.db").write_bytes(b"none" * 1000)
    before = set(threading.enumerate())
    with pytest.raises(Problem, match="not a database"):
        Worker(SETTINGS, Layout(tmp_path))
    assert set(threading.enumerate()) == before
    (tmp_path / "store" / "index.db").unlink()
    await Worker(SETTINGS, Layout(tmp_path)).close()


async def test_a_spool_without_room_is_seen_in_its_counts(tmp_path: Path) -> None:
    settings = replace(SETTINGS, spool=Spool(max_bytes=1))  # type: ignore[arg-type]
    worker = Worker(settings, Layout(tmp_path))
    await worker.start([listen.bind("127.0.0.1", 0)], None)
    assert worker.snapshot().gauges["spool_full"] == 1
    await worker.stop()


async def test_a_cancelled_call_waits_for_its_thread(worker: Worker) -> None:
    """Or its caller would close files that the thread still writes to."""
    begun, may_end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def work() -> None:
        begun.set()
        may_end.wait(10)
        ended.append(True)
        raise ValueError("nobody is told")

    task = asyncio.create_task(worker._run(work))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, may_end.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_what_a_call_returns_or_raises_comes_back(worker: Worker) -> None:
    assert await worker._run(max, 3, 4) == 4
    with pytest.raises(ZeroDivisionError):
        await worker._run(divmod, 1, 0)


# How delivery goes


class Unwritable(Rules):
    """Rules on a full disk."""

    def delivered(self, bucket: str, key: str, records: int, at: int) -> None:
        raise StateProblem("database or disk is full")


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    return Rules(Database.open(tmp_path), Generation.open(tmp_path))


async def test_health_is_noted_in_order_and_counted(rules: Rules) -> None:
    metrics = Metrics()
    sink = HealthSink(rules, metrics)
    sink.delivered("box", "k1", 2, 100)
    sink.failed("box", "AccessDenied: no", 200)
    sink.lost("box", 3, "damaged on disk, see /some/where", 300)
    sink.lost("", 4, "damaged on disk", 400)
    await sink.settled()
    health = rules.health("box")
    assert (health.delivered_records, health.failures, health.lost_records) == (2, 1, 3)
    assert rules.health("").lost_records == 0
    assert metrics.counters == {
        "log_objects_delivered": 1,
        "records_delivered": 2,
        "delivery_failures|AccessDenied": 1,
        "records_lost|damaged on disk": 7,
    }
    sink.close()


async def test_health_that_cannot_be_noted_is_a_warning_and_no_traceback(
    rules: Rules, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("bucketlog"), "propagate", True)
    rules.__class__ = Unwritable
    sink = HealthSink(rules, Metrics())
    sink.delivered("box", "k1", 2, 100)
    sink.failed("box", "AccessDenied", 200)
    await sink.settled()
    sink.close()
    (entry,) = caplog.records
    assert (entry.levelname, entry.exc_info) == ("WARNING", None)
    assert "disk is full" in entry.getMessage()
    assert rules.health("box").failures == 1


# The process around it


async def test_the_first_to_end_ends_the_others() -> None:
    cancelled: list[bool] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def end() -> None:
        await asyncio.sleep(0)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise Problem("worker")

    await process._first(forever(), end())
    with pytest.raises(Problem, match="worker"):
        await process._first(forever(), fail())
    await asyncio.sleep(0)
    assert cancelled == [True, True]


def test_a_data_folder_is_held_by_one_server_at_a_time(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with (
        process._sole_server(layout),
        pytest.raises(Problem, match="Another server runs on"),
        process._sole_server(layout),
    ):
        raise AssertionError
    with process._sole_server(layout):
        pass


def test_the_root_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUCKETLOG_ROOT_ACCESS_KEY", raising=False)
    monkeypatch.delenv("BUCKETLOG_ROOT_SECRET_KEY", raising=False)
    made = process.ensure_root(Layout(tmp_path))
    assert made is not None
    assert process.ensure_root(Layout(tmp_path)) is None
    monkeypatch.setenv("BUCKETLOG_ROOT_ACCESS_KEY", "AKIAGIVEN00000000001")
    monkeypatch.setenv("BUCKETLOG_ROOT_SECRET_KEY", "given/secret")
    given = process.ensure_root(Layout(tmp_path))
    assert given is not None
    assert given.account == made.account
    assert process.ensure_root(Layout(tmp_path)) is None


async def test_a_worker_that_stops_at_once_leaves_nothing_held(tmp_path: Path) -> None:
    """Whatever delivery was doing on a thread has ended when the spool is given up."""
    for _ in range(20):
        worker = Worker(SETTINGS, Layout(tmp_path))
        await worker.start([listen.bind("127.0.0.1", 0)], None)
        await asyncio.sleep(0)
        await worker.stop()
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [worker.name]
