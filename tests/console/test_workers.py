"""Asking the server's processes, over their real sockets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bucketlog.console.usage import Usage
from bucketlog.console.workers import Workers
from bucketlog.gateway import control
from bucketlog.gateway.control import Answer, Delivery, Page, Question
from bucketlog.gateway.metrics import Snapshot


class Answering:
    """Answers what it was told to."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.answers: dict[str, Answer] = {}

    async def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        return self.answers.get(question.do, Answer(error="unknown"))


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Answering]:
    answering = Answering()
    listener = await control.listen(tmp_path, "one", answering)
    yield answering
    await listener.close()


async def test_what_the_server_answers_is_understood(worker: Answering, tmp_path: Path) -> None:
    worker.answers["snapshot"] = Answer(
        pid=7, snapshot=Snapshot(counters={"requests|x": 2}, gauges={"g": 1.5}, peaks={"p": 3})
    )
    worker.answers["deliver"] = Answer(
        delivered=[Delivery("a", "b", "k", 5)], failures={"a": "no"}, waiting=2, oldest_at=9
    )
    workers = Workers(tmp_path)
    (told,) = await workers.ask("snapshot")
    assert told.snapshot is not None
    assert told.snapshot.counters == {"requests|x": 2}
    (done,) = await workers.ask("deliver", "a")
    assert (done.delivered[0].key, done.failures, done.waiting) == ("k", {"a": "no"}, 2)
    assert worker.asked[-1] == Question("deliver", "a")


async def test_a_page_comes_from_the_parent(tmp_path: Path) -> None:
    parent = Answering()
    workers = Workers(tmp_path)
    assert (await workers.page("healthz")).status == 503
    listener = await control.listen(tmp_path / "console", "admin", parent)
    assert (await workers.page("healthz")).text == "unknown\n"
    parent.answers["healthz"] = Answer(page=Page(503, "text/plain", "a spool is full\n"))
    found = await workers.page("healthz")
    assert (found.status, found.type, found.text) == (503, "text/plain", "a spool is full\n")
    assert await workers.ask("snapshot") == []
    await listener.close()


async def test_a_socket_without_a_process_is_passed_over(worker: Answering, tmp_path: Path) -> None:
    worker.answers["usage"] = Answer(usage={"b": (1, 2)})
    (tmp_path / "a-dead-one.sock").touch()
    workers = Workers(tmp_path)
    assert len(await workers.ask("usage")) == 1
    found = await workers.ask_any("usage")
    assert found is not None
    assert found.usage == {"b": (1, 2)}
    assert await workers.ask_any("nonsense") is None


async def test_what_buckets_hold_is_counted_again_after_a_while_only(
    worker: Answering, tmp_path: Path
) -> None:
    usage = Usage(Workers(tmp_path))
    assert await usage.now() is None
    usage._fresh_until = 0.0
    worker.answers["usage"] = Answer(usage={"b": (1, 2)})
    assert await usage.now() == {"b": (1, 2)}
    assert await usage.now() == {"b": (1, 2)}
    assert len(worker.asked) == 2


async def test_a_count_that_takes_long_is_not_waited_for(tmp_path: Path) -> None:
    may_answer = asyncio.Event()

    async def slow(_: Question) -> Answer:
        await may_answer.wait()
        return Answer(usage={"b": (1, 2)})

    listener = await control.listen(tmp_path, "one", slow)
    usage = Usage(Workers(tmp_path))
    assert await usage.now() is None
    assert await usage.now() is None
    may_answer.set()
    assert usage._counting is not None
    await usage._counting
    assert await usage.now() == {"b": (1, 2)}
    await listener.close()


async def test_a_path_too_long_for_a_socket_is_reached_from_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path.joinpath(*["a-long-name-of-a-folder"] * 6)
    assert len(os.fsencode(run)) > 107
    answering = Answering()
    answering.answers["usage"] = Answer(usage={})
    listener = await control.listen(run, "one", answering)
    monkeypatch.chdir(run)
    assert len(await Workers(run).ask("usage")) == 1
    await listener.close()
