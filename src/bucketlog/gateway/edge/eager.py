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
from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Pause:
    """What a coroutine may await without a Task, to be resumed by whoever holds this.

    Only where `asyncio.current_task()` is None. The edge sets both attributes;
    `resumed(coroutine)` is to be called once, later, from the event loop.
    """

    __slots__ = ("coroutine", "resumed")

    coroutine: Coroutine[Any, Any, None]
    resumed: Callable[[Coroutine[Any, Any, None]], None]

    def __await__(self) -> Generator[Any, None, None]:
        yield self


Yielded = Future[Any] | Pause | None
"""What a coroutine hands on when it waits: a future, a pause, or None for one turn of the loop."""


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
