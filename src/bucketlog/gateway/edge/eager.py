"""Coroutines that start at once: a `Task` is made only for one that has to wait.

A Task costs about 4 us to make, schedule and tear down, a third of a small request. Most
requests are answered without waiting for anything, so their coroutine is simply run, by
`send(None)`, until it ends or yields what it waits for; then `rest` goes into a Task.

What follows for a coroutine started here, until it first waits: `asyncio.current_task()` is None,
so `asyncio.timeout` and `TaskGroup` raise RuntimeError there (`await asyncio.sleep(0)` first makes
them work); and context variables that it sets stay set for later requests of the connection.
"""

from __future__ import annotations

import types
from asyncio import Future
from collections.abc import Coroutine, Generator
from typing import Any

Yielded = Future[Any] | None
"""What a coroutine hands to its event loop when it waits: a future, or None for one turn."""


@types.coroutine
def rest(coroutine: Coroutine[Any, Any, None], yielded: Yielded) -> Generator[Yielded, Any, None]:
    """The remainder of a coroutine that waits for `yielded`, to be run as a Task."""
    while True:
        try:
            yield yielded
        except BaseException as error:  # a cancellation, mostly: it is the coroutine's to handle
            try:
                yielded = coroutine.throw(error)
            except StopIteration:
                return
        else:
            break
    yield from coroutine  # `types.coroutine` allows it here
