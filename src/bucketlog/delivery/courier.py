"""Takes sealed segments to their target buckets, and retires them when all is stored or held.

Given a `put`, it knows nothing of HTTP or of backends. A batch that is refused or fails is set
aside in a file of its own, so its neighbours are never put twice and never wait for it; held
batches are tried again, each route (source and target) at its own pace. Whatever is given up
is reported as lost. The order "put, hold, then unlink" makes every crash a repetition of the
same names and bytes.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from bucketlog.delivery import batches, tags
from bucketlog.delivery.batches import Batch
from bucketlog.problems import Problem
from bucketlog.s3.errors import S3Error
from bucketlog.spool.folder import Folder, Held, leftovers
from bucketlog.spool.segment import Sealed
from bucketlog.spool.writer import Spool, SpoolSettings

log = logging.getLogger("bucketlog.delivery")

_T = TypeVar("_T")

_SECOND = 1_000_000_000
_DROP_AT_ONCE = 1000  # held files looked at in one go when giving up the oldest
_HELD_PER_ROUND = 1000  # held files of a route tried before what was sealed meanwhile


@dataclass(frozen=True, slots=True)
class CourierSettings:
    """How patient delivery is.

    A route that failed is tried again after `retry_first_s`, doubling up to `retry_most_s`. Held
    records are given up when older than `hold_for_s`, or the oldest first when more than
    `hold_bytes` are held in one spool. `at_once` puts run side by side.
    """

    retry_first_s: float = 1.0
    retry_most_s: float = 60.0
    hold_for_s: float = 30 * 86400.0
    hold_bytes: int = 2 << 30
    at_once: int = 4


@dataclass(frozen=True, slots=True)
class Delivered:
    """A log object that was stored."""

    source_bucket: str
    target_bucket: str
    key: str
    records: int
    size: int
    at: int


class Health(Protocol):
    """Whom the courier tells how delivery goes, by source bucket.

    Called on the event loop's thread; must be quick and must not raise. `bucketlog.state.rules`
    has one.
    """

    def delivered(self, bucket: str, key: str, records: int, at: int) -> None:
        """A log object was stored under `key`."""

    def failed(self, bucket: str, reason: str, at: int) -> None:
        """A log object was refused or could not be sent; its records are kept."""

    def lost(self, bucket: str, records: int, reason: str, at: int) -> None:
        """Records were given up; `bucket` is "" where nobody knows whose they were."""


@dataclass(slots=True)
class Tally:
    """What a courier has done since it was made."""

    objects: int = 0
    records: int = 0
    stored_bytes: int = 0
    failures: dict[str, int] = field(default_factory=dict)  # by S3 error code or exception
    lost_records: int = 0
    damaged_pieces: int = 0
    troubles: int = 0  # steps that failed on our side; each is logged
    # Of the adopted spools that are delivered and gone:
    damaged_bytes: int = 0
    completed_by_recovery: int = 0
    sync_failures: int = 0
    last_delivered_at: int | None = None


@dataclass(slots=True)
class _Route:
    """How a route is doing: failures in a row, when to try again, and the round it failed in."""

    source_bucket: str
    failures: int = 0
    next_at: int = 0
    failed_in: int = 0


class Courier:
    """Delivers what one process's spools hold: its own, and those it adopted from the dead.

    `put` stores a batch, or raises `S3Error` (refused) or any other exception (failed).
    `now` gives nanoseconds since 1970 UTC; `chance` a number in [0, 1) that spreads retries.
    """

    def __init__(
        self,
        spool: Spool,
        put: Callable[[Batch], Awaitable[None]],
        health: Health,
        now: Callable[[], int],
        chance: Callable[[], float],
        settings: CourierSettings | None = None,
    ) -> None:
        self.settings = settings or CourierSettings()
        self.tally = Tally()
        self._own = spool
        self._adopted: list[Spool] = []
        self._put = put
        self._health = health
        self._now = now
        self._chance = chance
        self._routes: dict[str, _Route] = {}
        self._turn = asyncio.Lock()  # one round at a time: no segment is delivered twice at once
        self._rounds = 0
        self._at_once = asyncio.Semaphore(self.settings.at_once)
        self._given_up: set[str] = set()
        self._damage: dict[str, int] = {}  # by spool id: what was told

    def __repr__(self) -> str:
        return f"<Courier of {self._own!r}: {self.tally}, {len(self._adopted)} adopted>"

    @property
    def spools(self) -> list[Spool]:
        """The spools it delivers, its own first."""
        return [self._own, *self._adopted]

    # Rounds

    async def run(self, sleep: Callable[[float], Awaitable[None]], root: Path) -> None:
        """Syncs, seals and delivers by the clock until cancelled; adopts spools under `root`.

        Syncing has a loop of its own, so that a slow target doesn't hold it up.
        """

        async def keep() -> None:
            while True:
                await sleep(min(1.0, max(0.05, self._own.settings.sync_interval_s)))
                await self._guarded(_in_thread(self._own.tick))

        async def deliver() -> None:
            while True:
                await self._guarded(self.adopt_leftovers(root))
                await self._guarded(self.deliver_due())
                await sleep(1.0)

        async with asyncio.TaskGroup() as both:  # cancelled, it ends when both have
            both.create_task(keep())
            both.create_task(deliver())

    async def _guarded(self, step: Awaitable[object]) -> None:
        """Does a step of a loop that must go on: a problem is logged, and met again next time."""
        try:
            await step
        except Problem as problem:
            log.warning("%s %s", problem.message, problem.hint or "")
        except Exception:
            log.exception("a step of delivery failed")

    async def deliver_due(self) -> list[Delivered]:
        """One round: all that is sealed, then what is held and due again, then gives up the old."""
        async with self._turn:
            return await self._round(lambda route: route.next_at <= self._now())

    async def deliver_now(self, source_bucket: str | None = None) -> list[Delivered]:
        """Seals and delivers at once, and says what was stored.

        With `source_bucket`, held records of that bucket alone are tried out of their turn, and
        only its log objects are named.
        """

        def wanted(route: _Route) -> bool:
            return source_bucket in (None, route.source_bucket) or route.next_at <= self._now()

        async with self._turn:
            for spool in self.spools:
                # Where sealing fails, as on a full disk, delivering the rest is what helps.
                await self._kept_going(_in_thread(spool.seal))
            delivered = await self._round(wanted)
        return [item for item in delivered if source_bucket in (None, item.source_bucket)]

    async def _round(self, asked: Callable[[_Route], bool]) -> list[Delivered]:
        self._rounds += 1

        def wanted(route: _Route) -> bool:
            # Once a round is enough: what was just refused is refused still.
            return route.failed_in != self._rounds and asked(route)

        delivered: list[Delivered] = []
        for spool in self.spools:
            folder = spool.folder
            for sealed in folder.sealed():
                delivered += await self._kept_going(self._deliver_segment(folder, sealed, wanted))
            for items in await asyncio.gather(
                *(
                    self._kept_going(self._deliver_held(folder, route_id, wanted))
                    for route_id in folder.held_totals()
                )
            ):
                delivered += items
            await self._kept_going(self._give_up(folder))
            self._tell_of_damage(folder)
        for spool in [item for item in self._adopted if item.is_drained()]:
            await self._kept_going(self._part_with(spool))
        return delivered

    async def _part_with(self, spool: Spool) -> None:
        await _in_thread(spool.remove)
        self._adopted.remove(spool)
        counters, tally = spool.counters(), self.tally
        tally.damaged_bytes += counters.damaged_bytes
        tally.completed_by_recovery += counters.completed_by_recovery
        tally.sync_failures += counters.sync_failures

    async def _kept_going(self, step: Awaitable[list[Delivered] | None]) -> list[Delivered]:
        """A step of a round; its failure is logged and leaves the other steps alone."""
        try:
            return await step or []
        except Problem as problem:
            log.error("delivery: %s %s", problem.message, problem.hint or "")
        except Exception:
            log.exception("a step of delivery failed; it is tried again in the next round")
        self.tally.troubles += 1
        return []

    async def adopt_leftovers(self, root: Path) -> None:
        """Takes over the spools under `root` whose process is gone; they go once delivered.

        One that can't be recovered is let go of, and left alone from then on.
        """
        disk, settings = self._own.folder.disk, self._own.settings
        async with self._turn:
            found: list[Folder] = []

            def take(folder: Folder) -> None:
                try:
                    self._adopted.append(adopt(folder, settings, self._now))
                except BaseException:
                    folder.close()
                    raise

            try:
                await _in_thread(lambda: found.extend(leftovers(disk, root)))
                while found:
                    folder = found.pop(0)
                    if folder.spool_id in self._given_up:
                        folder.close()
                        continue
                    try:
                        await _in_thread(take, folder)
                    except Problem as problem:
                        log.error("spool %s: %s %s", folder.spool_id, problem.message, problem.hint)
                        self._given_up.add(folder.spool_id)
                        self.tally.troubles += 1
            finally:
                for folder in found:
                    folder.close()

    def waiting(self, source_bucket: str | None = None) -> tuple[int, int | None]:
        """How many records of a bucket, or of all, are not delivered, and since when about."""
        count = 0
        since: list[int] = []
        for spool in self.spools:
            for at, by_tag in spool.waiting():
                here = sum(
                    records
                    for tag, records in by_tag.items()
                    if source_bucket in (None, tags.decode(tag).source_bucket)
                )
                if here:
                    count += here
                    since.append(at)
            for route_id, totals in spool.folder.held_totals().items():
                route = self._routes.get(route_id)
                if source_bucket is None or (route and route.source_bucket == source_bucket):
                    count += totals.records
                    since.append(totals.oldest_at)
        return count, min(since, default=None)

    def refused(self) -> set[str]:
        """The source buckets of which records are held, as far as they are known."""
        held = {route_id for spool in self.spools for route_id in spool.folder.held_totals()}
        return {route.source_bucket for route_id, route in self._routes.items() if route_id in held}

    def close(self) -> None:
        """Gives up all its spools; what they hold waits for the next process."""
        for spool in self.spools:
            spool.close()

    # One segment, one held file

    async def _deliver_segment(
        self, folder: Folder, sealed: Sealed, wanted: Callable[[_Route], bool]
    ) -> list[Delivered]:
        items, missing = await _in_thread(_read_segment, folder, sealed)
        if missing:
            self._lost("", missing, f"damaged on disk, see {folder.path / 'damaged'}")
        results = await asyncio.gather(
            *(self._put_or_hold(folder, batch, wanted) for batch in items), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        await _in_thread(folder.retire, sealed)
        return [item for item in results if isinstance(item, Delivered)]

    async def _put_or_hold(
        self, folder: Folder, batch: Batch, wanted: Callable[[_Route], bool]
    ) -> Delivered | None:
        route_id = route_of(batch)
        route = self._routes.setdefault(route_id, _Route(batch.destination.source_bucket))
        if wanted(route):
            async with self._at_once:
                delivered = await self._try(route, batch)
            if delivered is not None:
                return delivered
        held = Held(route_id, batch.number, batch.sealed_at, batch.unique, batch.count)
        await _in_thread(folder.hold, held, batch.parts())
        return None

    async def _try(self, route: _Route, batch: Batch) -> Delivered | None:
        source = route.source_bucket
        try:
            await self._put(batch)
        except S3Error as error:
            self._failed(route, error.code, error.message)
            return None
        except Exception as error:
            self._failed(route, type(error).__name__, str(error))
            return None
        at = self._now()
        route.failures, route.next_at = 0, 0
        self.tally.objects += 1
        self.tally.records += batch.count
        self.tally.stored_bytes += len(batch.data)
        self.tally.last_delivered_at = at
        self._health.delivered(source, batch.key, batch.count, at)
        target = batch.destination.target.bucket
        return Delivered(source, target, batch.key, batch.count, len(batch.data), at)

    def _failed(self, route: _Route, kind: str, message: str | None) -> None:
        at = self._now()
        self.tally.failures[kind] = self.tally.failures.get(kind, 0) + 1
        settings = self.settings
        delay = min(settings.retry_most_s, settings.retry_first_s * 2.0 ** min(route.failures, 30))
        route.failures += 1
        route.failed_in = self._rounds
        route.next_at = at + int(delay * (0.5 + self._chance() / 2) * _SECOND)
        self._health.failed(route.source_bucket, f"{kind}: {message}" if message else kind, at)

    async def _deliver_held(
        self, folder: Folder, route_id: str, wanted: Callable[[_Route], bool]
    ) -> list[Delivered]:
        """Tries what is held for a route, one by one, until one fails."""
        delivered: list[Delivered] = []
        route = self._routes.get(route_id)
        if route is not None and not wanted(route):
            return delivered
        names = folder.held(route_id)
        for held in await _in_thread(lambda: list(islice(names, _HELD_PER_ROUND))):
            items = await _in_thread(_read_held, folder, held)
            for batch in items:
                route = self._routes.setdefault(route_id, _Route(batch.destination.source_bucket))
                if not wanted(route):
                    return delivered
                async with self._at_once:
                    stored = await self._try(route, batch)
                if stored is None:
                    return delivered
                delivered.append(stored)
            missing = held.records - sum(batch.count for batch in items)
            if missing:
                self._lost(route.source_bucket if route else "", missing, "damaged on disk")
            await _in_thread(folder.release, held)
        return delivered

    # What is given up

    async def _give_up(self, folder: Folder) -> None:
        """Drops held records that are too old or too many, and says so."""
        while overdue := await _in_thread(self._overdue, folder):
            for held, reason in overdue:
                items = await _in_thread(_read_held, folder, held)
                route = self._routes.get(held.route)
                source = items[0].destination.source_bucket if items else None
                if source is None and route is not None:
                    source = route.source_bucket
                self._lost(source or "", held.records, reason)
                await _in_thread(folder.release, held)

    def _overdue(self, folder: Folder) -> list[tuple[Held, str]]:
        """The oldest held files beyond the bounds, some at a time."""
        totals, settings, now = folder.held_totals(), self.settings, self._now()
        limit = now - int(settings.hold_for_s * _SECOND)
        excess = folder.held_bytes - settings.hold_bytes
        if excess <= 0 and not any(total.oldest_at < limit for total in totals.values()):
            return []
        since: dict[str, int] = {}

        def every() -> Iterator[Held]:
            for route_id in totals:
                for held in folder.held(route_id):
                    since[route_id] = min(since.get(route_id, held.sealed_at), held.sealed_at)
                    yield held

        oldest = heapq.nsmallest(
            _DROP_AT_ONCE, every(), key=lambda held: (held.sealed_at, held.number)
        )
        folder.waits_since(since)
        overdue = []
        for held in oldest:
            if held.sealed_at < limit:
                overdue.append((held, f"not deliverable for {settings.hold_for_s:.0f} s"))
            elif excess > 0:
                overdue.append((held, f"more than {settings.hold_bytes} bytes not deliverable"))
            else:
                break
            excess -= folder.held_size(held)
        return overdue

    def _tell_of_damage(self, folder: Folder) -> None:
        news = folder.damaged_pieces - self._damage.get(folder.spool_id, 0)
        if news:
            self._damage[folder.spool_id] = folder.damaged_pieces
            self.tally.damaged_pieces += news
            log.error("%d damaged pieces kept aside in %s", news, folder.path / "damaged")

    def _lost(self, source_bucket: str, records: int, reason: str) -> None:
        self.tally.lost_records += records
        log.error("lost %d records of bucket %s: %s", records, source_bucket or "?", reason)
        self._health.lost(source_bucket, records, reason, self._now())


async def _in_thread(function: Callable[..., _T], *arguments: object) -> _T:
    """Calls what waits for the disk. Cancelled, it ends with it: its files are closed next."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # or asyncio complains that nobody asked
        raise


def route_of(batch: Batch) -> str:
    """What a batch's destination is filed under: 16 hex digits, the same for every day."""
    destination = batch.destination
    words = (destination.source_bucket, destination.target.bucket, destination.target.prefix)
    return sha256("\0".join(words).encode()).hexdigest()[:16]


def adopt(folder: Folder, settings: SpoolSettings, now: Callable[[], int]) -> Spool:
    """Recovers a dead process's spool and seals all of it, for delivery."""
    spool = Spool.open(folder, settings, now)
    spool.seal()
    return spool


def _read_segment(folder: Folder, sealed: Sealed) -> tuple[list[Batch], int]:
    """What a segment holds to deliver, and how many records its damage took."""
    contents = folder.read(sealed)
    frames = contents.scan.frames if contents.scan else []
    items = batches.split(frames, folder.spool_id, sealed.number, sealed.sealed_at)
    missing = 0
    if contents.header and items:
        # Numbers run without a gap from the header's on: a gap is what was lost.
        last = max(batch.last for batch in items)
        present = sum(batch.count for batch in items)
        missing = last + 1 - contents.header.next_sequence - present
    return items, missing


def _read_held(folder: Folder, held: Held) -> list[Batch]:
    frames = folder.read_held(held)
    return batches.split(frames, folder.spool_id, held.number, held.sealed_at)
