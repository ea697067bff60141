"""A coroutine run at once, its remainder in a Task: nothing of what it is told gets lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from bucketlog.gateway.edge import eager


def proceed(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """What a connection does with a coroutine that has to wait."""
    return asyncio.ensure_future(_whole(coroutine, coroutine.send(None)))


async def _whole(coroutine: Coroutine[Any, Any, None], waits_for: eager.Yielded) -> None:
    await eager.rest(coroutine, waits_for)


async def test_it_goes_on_with_what_it_waited_for_and_runs_in_a_task_then() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    got: list[Any] = []

    async def work() -> None:
        got.append(asyncio.current_task())
        got.append(await future)
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            got.append(asyncio.current_task())

    task = proceed(work())
    future.set_result(5)
    await task
    assert got[1:] == [5, task]


async def test_what_it_waited_for_may_be_done_before_its_task_starts() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, len, b"")

    await proceed(work())


async def test_it_may_catch_an_error_or_a_cancellation_and_wait_again() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    caught: list[str] = []

    async def work() -> None:
        for _ in range(2):
            try:
                await future
            except asyncio.CancelledError:
                caught.append("cancelled")
                await asyncio.sleep(0)
            except ValueError as error:
                caught.append(str(error))

    task = proceed(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    await task
    assert caught == ["cancelled", "cancelled"]  # the future itself was cancelled
    failed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future, caught = failed, []
    task = proceed(work())
    failed.set_exception(ValueError("broken"))
    await task
    assert caught == ["broken", "broken"]


async def test_what_it_raises_is_raised() -> None:
    async def work(ends: bool) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not ends:
                raise ValueError("in the end") from None

    for ends in (True, False):
        task = proceed(work(ends))
        await asyncio.sleep(0)
        task.cancel()
        if ends:
            await task
        else:
            with pytest.raises(ValueError, match="in the end"):
                await task
