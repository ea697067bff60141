"""Who watches requests as they are recorded: a copy of each line, for the buckets asked for.

Watching is for people and must never cost or delay a request: while nobody watches, the recorder
checks one attribute a turn; who is too slow loses lines, and is told how many.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence

import msgspec

from bucketlog.delivery import tags
from bucketlog.gateway.recorder import Recorder
from bucketlog.spool.frame import Part

log = logging.getLogger("bucketlog.records")

MOST_WATCHERS = 64
MOST_BYTES = 512 * 1024
"""Of lines that wait for one watcher."""

_GATHERS_S = 0.1


class Watched(msgspec.Struct):
    r"""What a watcher is told at once: whole lines, each with its "\n", by source bucket."""

    lines: dict[str, bytes] = {}
    lost: int = 0
    """How many lines there was no room for since the last time."""
    error: str | None = None


class Subscription:
    """One watcher. Made by `Watchers.subscribe`; a context manager that ends it."""

    def __init__(self, watchers: Watchers, buckets: Iterable[str]) -> None:
        self.buckets = frozenset(buckets)
        self._watchers = watchers
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._lost = 0
        self._some = asyncio.Event()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchers.leave(self)

    def offer(self, bucket: str, lines: bytes, count: int) -> None:
        """Takes the lines if there is room."""
        if self._bytes + len(lines) > MOST_BYTES:
            self._lost += count
        else:
            self._waiting.append((bucket, lines))
            self._bytes += len(lines)
        self._some.set()

    async def take(self) -> Watched:
        """What has come since the last time; waits until something has."""
        await self._some.wait()
        self._some.clear()
        gathered: dict[str, list[bytes]] = {}
        for bucket, lines in self._waiting:
            gathered.setdefault(bucket, []).append(lines)
        taken = Watched({name: b"".join(lines) for name, lines in gathered.items()}, self._lost)
        self._waiting.clear()
        self._bytes = self._lost = 0
        return taken


class Watchers:
    """All who watch one worker's records. Used in its event loop."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._all: set[Subscription] = set()

    def subscribe(self, buckets: Iterable[str]) -> Subscription | None:
        """A watcher of these source buckets; None when there are too many already."""
        if len(self._all) >= MOST_WATCHERS:
            return None
        subscription = Subscription(self, buckets)
        self._all.add(subscription)
        self._recorder.watch = self.tell
        return subscription

    async def watch(
        self, buckets: Iterable[str], gathers_s: float = _GATHERS_S
    ) -> AsyncGenerator[Watched, None]:
        """What a watcher of these source buckets is told, without end: nothing at first, so that
        it knows it is heard, then what comes, gathered for a moment.
        """
        subscription = self.subscribe(buckets)
        if subscription is None:
            yield Watched(error=f"{MOST_WATCHERS} watch already; no more can")
            return
        with subscription:
            yield Watched()
            while True:
                yield await subscription.take()
                await asyncio.sleep(gathers_s)

    def leave(self, subscription: Subscription) -> None:
        """That one watches no longer."""
        self._all.discard(subscription)
        if not self._all:
            self._recorder.watch = None

    def tell(self, parts: Sequence[Part]) -> None:
        """Passes on what was just recorded. Raises nothing: the requests don't depend on it."""
        try:
            for part in parts:
                bucket = tags.decode(part.tag).source_bucket
                for each in self._all:
                    if bucket in each.buckets:
                        each.offer(bucket, bytes(part.data), part.count)
        except Exception:
            log.exception("who watches the records was not told")
