"""How many objects buckets hold, and how many bytes: counted by a worker, remembered here.

Counting takes 0.3 s a million objects, so a page waits for it only a moment and else shows what
was counted before.
"""

from __future__ import annotations

import asyncio
import time

from bucketlog.console.workers import Workers

_FRESH_S = 0.2
_TIMES_ITS_COST = 20
_PATIENCE_S = 0.06


class Usage:
    """What is known. Used in the event loop."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._known: dict[str, tuple[int, int]] | None = None
        self._fresh_until = 0.0
        self._counting: asyncio.Task[None] | None = None

    @property
    def is_counting(self) -> bool:
        """Whether `now` will soon say something else."""
        return self._counting is not None and not self._counting.done()

    async def now(self) -> dict[str, tuple[int, int]] | None:
        """Objects and bytes by bucket; a bucket that isn't there holds nothing. None while they
        are counted for the first time, or where nobody counts.
        """
        if time.monotonic() >= self._fresh_until:
            if self._counting is None or self._counting.done():
                self._counting = asyncio.create_task(self._count())
            await asyncio.wait([self._counting], timeout=_PATIENCE_S)
        return self._known

    async def _count(self) -> None:
        began_at = time.monotonic()
        answer = await self._workers.ask_any("usage")
        ended_at = time.monotonic()
        if answer is not None and answer.usage is not None:
            self._known = answer.usage
        self._fresh_until = ended_at + max(_FRESH_S, _TIMES_ITS_COST * (ended_at - began_at))
