"""A few threads that work through a queue, and can be let go at once.

Unlike the standard library's pool its threads are daemons: a request that hangs holds up neither
`dismiss` nor the end of the program.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_GRACE_S = 2.0  # for work under way when the crew is dismissed


class Crew:
    """Up to `size` threads, started as work comes. `submit` is for one thread alone."""

    def __init__(self, size: int, name: str) -> None:
        self.size = size
        self._name = name
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None]
        self._work = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._is_dismissed = False

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Has a thread call the function, in the order of submission; its result to come."""
        future: Future[T] = Future()
        self._work.put((future, function, arguments))
        if not self._idle.acquire(blocking=False) and len(self._threads) < self.size:
            thread = threading.Thread(
                target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        return future

    def dismiss(self) -> None:
        """Ends the threads: what waits is never begun; what is under way has 2 s to finish."""
        self._is_dismissed = True
        for _ in self._threads:
            self._work.put(None)
        deadline = time.monotonic() + _GRACE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (task := self._work.get()) is not None:
            future, function, arguments = task
            if self._is_dismissed or not future.set_running_or_notify_cancel():
                continue
            result, error = None, None
            try:
                result = function(*arguments)
            except BaseException as raised:
                error = raised
            # Idle before the result is known, or what is submitted on seeing it would start another
            # thread, and every thread keeps memory for itself.
            self._idle.release()
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
            # The next task must not find the last one's bytes still held here.
            del task, future, function, arguments, result, error
