"""The spool one process writes to: append, sync, seal; counters; a limit.

Knows bytes, tags and counts; nothing of S3 or of logs. Each call is one write(2), so what was
appended survives the death of the process; `sync` makes it survive a power cut. Two locks keep it
right: `_lock` around each append, `_upkeep` around syncing and sealing, which take long and run
on another thread. Sealing keeps one order: a segment is sealed after all before it, and after
the open intents it holds are safe in the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from bucketlog.disk import DiskProblem
from bucketlog.problems import Problem, SpoolProblem
from bucketlog.spool import recovery
from bucketlog.spool.folder import Folder
from bucketlog.spool.frame import COMPLETION, INTENT, RECORD, Header, Part, encode
from bucketlog.spool.segment import Segment, SpoolFull

_SECOND = 1_000_000_000
_FAILING_NS = 10 * _SECOND


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """How a spool is kept.

    `segment_bytes`: size at which `tick` seals. `seal_after_s`: age of the oldest record at
    which `tick` seals. `sync`: "always" makes `durable` wait for an fsync, "interval" leaves it
    to `tick`, every `sync_interval_s`. `max_bytes`: all segments and held files together.
    """

    segment_bytes: int = 8 << 20
    seal_after_s: float = 60.0
    sync: Literal["interval", "always"] = "interval"
    sync_interval_s: float = 1.0
    max_bytes: int = 4 << 30


@dataclass(frozen=True, slots=True)
class Counters:
    """What a spool has done since it was opened, and what it holds now.

    `waiting` is records appended and neither delivered nor held, by tag; those that an earlier
    process sealed are counted once they were read. `stored_bytes` counts against the limit.
    `is_refusing`: what was last refused for want of room would be refused again, or a write has
    failed in the last ten seconds and none succeeded since.
    """

    frames: int
    records: int
    written_bytes: int
    refused: int
    completed_by_recovery: int
    torn_bytes: int
    damaged_pieces: int
    damaged_bytes: int
    syncs: int
    sync_failures: int
    sealed: int
    open_intents: int
    stored_bytes: int
    is_refusing: bool
    waiting: dict[bytes, int]


class Spool:
    """A durable queue of opaque bytes, written by one process.

    `append`, `intend` and `complete` may be called from any thread and take microseconds. `sync`,
    `seal` and `tick` wait for the disk: call them on a worker thread. All raise `SpoolProblem`;
    its kind `SpoolFull` means that nothing was written and trying again later may help.
    """

    def __init__(
        self,
        folder: Folder,
        settings: SpoolSettings,
        now: Callable[[], int],
        start: recovery.Recovered,
    ) -> None:
        """Use `Spool.open`."""
        self.folder = folder
        self.settings = settings
        self._now = now
        self._max_bytes = settings.max_bytes
        self._lock = Lock()
        self._upkeep = Lock()
        self._current = start.current
        self._old: list[Segment] = []  # full, not yet sealed, ascending
        self._old_bytes = 0
        self._stale: Segment | None = None  # a new one that could not be begun
        self._last_number = start.current.number
        self._next_sequence = start.next_sequence
        self._next_intent = start.next_intent
        self._intents: dict[int, tuple[Part, ...]] = {}
        self._frames = self._records = self._bytes = self._refused = 0
        self._syncs = self._sync_failures = self._seals = 0
        self._orphans, self._torn_bytes = start.orphans, start.torn_bytes
        self._synced_frames = 0
        self._synced_at = now()
        self._flush: asyncio.Future[None] | None = None
        self._refused_size = 0  # of what last met the limit
        self._failed_at = 0  # when the disk last failed to write, and how many frames there were
        self._failed_frames = -1

    @classmethod
    def open(cls, folder: Folder, settings: SpoolSettings, now: Callable[[], int]) -> Spool:
        """Recovers what the folder holds and begins a new segment.

        `now` gives nanoseconds since 1970 UTC. Reads what was left open; call it before serving.
        """
        try:
            return cls(folder, settings, now, recovery.recover(folder, now()))
        except DiskProblem as problem:
            raise _spool_problem(problem) from problem

    def __repr__(self) -> str:
        return f"<Spool {self.folder.path}: {self._current!r}, {len(self._intents)} intents open>"

    # Appending

    def append(self, parts: Sequence[Part], *, beyond_limit: bool = False) -> int:
        """Records; returns the sequence number of the first. They survive the process.

        `beyond_limit`: not held back by `max_bytes`; for what empties the spool.
        """
        with self._lock:
            segment, sequence = self._current, self._next_sequence
            data = encode(RECORD, sequence, 0, parts, segment.seed)
            if not beyond_limit:
                self._admit(len(data))
            self._write(segment, data)
            self._account(segment, parts)
            return sequence

    def intend(self, parts: Sequence[Part], *, beyond_limit: bool = False) -> int:
        """Says what to record should this process die before `complete`. Returns the ticket.

        `beyond_limit` as for `append`.
        """
        with self._lock:
            segment, ticket = self._current, self._next_intent
            data = encode(INTENT, 0, ticket, parts, segment.seed)
            if not beyond_limit:
                self._admit(len(data))
            self._write(segment, data)
            self._next_intent = ticket + 1
            self._intents[ticket] = tuple(parts)
            return ticket

    def complete(self, ticket: int, parts: Sequence[Part]) -> int:
        """Records what became of an intent, instead of what it said; nothing, if `parts` is empty.

        Not held back by `max_bytes`: the intent was let in. On `SpoolProblem` the intent stays
        open; it may be completed again, and is recorded as intended by the next recovery.
        Raises KeyError for a ticket that isn't open.
        """
        with self._lock:
            if ticket not in self._intents:
                raise KeyError(ticket)
            segment, sequence = self._current, self._next_sequence
            self._write(segment, encode(COMPLETION, sequence, ticket, parts, segment.seed))
            del self._intents[ticket]
            self._account(segment, parts)
            return sequence

    def _admit(self, size: int) -> None:
        stored = self._current.size + self._old_bytes + self.folder.stored_bytes
        if stored + size > self._max_bytes:
            self._refused += 1
            self._refused_size = size
            raise SpoolFull(
                f"The spool {self.folder.path} holds {stored} bytes, its limit.",
                "See `bucketlog logging status` for what can't be delivered, or raise "
                "spool.max_bytes.",
            )

    def _write(self, segment: Segment, data: bytes) -> None:
        try:
            segment.append(data)
        except Problem as problem:
            self._refused += 1
            self._failed_at, self._failed_frames = self._now(), self._frames
            if isinstance(problem, DiskProblem):
                raise _spool_problem(problem) from problem
            raise
        self._frames += 1
        self._bytes += len(data)

    def _account(self, segment: Segment, parts: Sequence[Part]) -> None:
        count = 0
        waiting = segment.waiting
        for part in parts:
            count += part.count
            waiting[part.tag] = waiting.get(part.tag, 0) + part.count
        if count and not segment.records:
            segment.first_at = self._now()
        segment.records += count
        self._next_sequence += count
        self._records += count

    # Syncing

    def sync(self) -> None:
        """Makes all that was appended before the call survive a power cut."""
        with self._upkeep:
            self._sync()

    def _sync(self) -> None:
        with self._lock:
            frames = self._frames
            segments = [*self._old, self._current]
        try:
            for segment in segments:
                segment.sync()
        except DiskProblem as problem:
            self._sync_failures += 1
            raise _spool_problem(problem) from problem
        self._syncs += 1
        self._synced_frames = frames
        self._synced_at = self._now()

    async def durable(self) -> None:
        """Returns when all that this caller appended is as safe as `settings.sync` promises.

        With "always" that is after an fsync; one serves everybody who waits. Raises
        `SpoolProblem` when that fsync failed: then what waited for it is in doubt, for a later
        one that succeeds says nothing of it (Linux reports a lost page once).
        """
        if self.settings.sync != "always":
            return
        wanted = self._frames
        while self._synced_frames < wanted:
            flush = self._flush
            if flush is None or flush.done():
                loop = asyncio.get_running_loop()
                flush = self._flush = loop.run_in_executor(None, self.sync)
            await asyncio.shield(flush)

    # Sealing

    def seal(self) -> None:
        """Seals what was appended so far, if there are records in it, for delivery."""
        with self._upkeep:
            try:
                self._rotate()
                self._seal_old()
            except DiskProblem as problem:
                raise _spool_problem(problem) from problem

    def tick(self) -> None:
        """Does what is due: syncs by the clock, seals by size and by the clock."""
        now = self._now()
        with self._lock:
            segment = self._current
            age = now - segment.first_at if segment.records else 0
            is_due = bool(self._old) or segment.size >= self.settings.segment_bytes
        # A clock set back must not keep records from being sealed: then they are due, too.
        if is_due or age < 0 or age >= self.settings.seal_after_s * _SECOND:
            self.seal()
        idle = now - self._synced_at
        if idle < 0 or idle >= self.settings.sync_interval_s * _SECOND:
            self.sync()

    def _rotate(self) -> None:
        """Goes on in a new segment, which repeats the intents that are open at that moment."""
        if self._stale is not None:
            # What it repeats may be completed by now; while it stays, nothing may be sealed.
            self._stale.discard()
            self._stale = None
        if not self._current.records and self._current.size < self.settings.segment_bytes:
            return
        self._last_number += 1
        fresh = Segment(self.folder.disk, self.folder.path, self._last_number)
        with self._lock:
            try:
                header = Header(
                    self.folder.spool_id,
                    fresh.number,
                    self._next_sequence,
                    self._next_intent,
                    self._now(),
                )
                pieces = [fresh.begin(header)]
                for ticket, parts in self._intents.items():
                    pieces.append(encode(INTENT, 0, ticket, parts, fresh.seed))
                fresh.append(b"".join(pieces))
            except BaseException:
                self._stale = fresh
                raise
            self._old.append(self._current)
            self._old_bytes += self._current.size
            self._current = fresh

    def _seal_old(self) -> None:
        if not self._old:
            return
        self._sync()  # the next segment too: it repeats the intents
        while self._old:
            segment = self._old[0]
            if segment.records:
                self.folder.add(segment.seal(self._now()), segment.waiting, segment.first_at)
                self._seals += 1
            else:
                segment.discard()
            with self._lock:
                del self._old[0]
                self._old_bytes -= segment.size

    # Seen from outside

    def counters(self) -> Counters:
        """A snapshot."""
        with self._lock:
            waiting = self.folder.waiting()
            for segment in [*self._old, self._current]:
                for tag, count in segment.waiting.items():
                    waiting[tag] = waiting.get(tag, 0) + count
            stored = self._current.size + self._old_bytes + self.folder.stored_bytes
            failing = self._failed_frames == self._frames
            return Counters(
                frames=self._frames,
                records=self._records,
                written_bytes=self._bytes,
                refused=self._refused,
                completed_by_recovery=self._orphans,
                torn_bytes=self._torn_bytes,
                damaged_pieces=self.folder.damaged_pieces,
                damaged_bytes=self.folder.damaged_bytes,
                syncs=self._syncs,
                sync_failures=self._sync_failures,
                sealed=self._seals,
                open_intents=len(self._intents),
                stored_bytes=stored,
                is_refusing=stored + self._refused_size > self._max_bytes
                or (failing and self._now() - self._failed_at < _FAILING_NS),
                waiting=waiting,
            )

    def waiting(self) -> list[tuple[int, dict[bytes, int]]]:
        """Of each segment with records: since when they wait, about, and how many by tag."""
        with self._lock:
            segments = [*self._old, self._current]
            here = [(s.first_at, dict(s.waiting)) for s in segments if s.records]
        return self.folder.segments() + here

    def is_drained(self) -> bool:
        """Whether nothing in it waits: no records, no open intents, nothing sealed or held."""
        with self._lock:
            return (
                not self._old
                and not self._current.records
                and not self._intents
                and self.folder.is_drained()
            )

    def close(self) -> None:
        """Syncs and gives the folder up. Intents still open are recorded by the next recovery."""
        try:
            self.sync()
        finally:
            self._let_go()
            self.folder.close()

    def remove(self) -> None:
        """Removes a drained spool for good. Its id and numbers are never used again."""
        if not self.is_drained():
            raise ValueError(f"records wait in {self.folder.path}")
        self._let_go()
        try:
            self.folder.remove()
        except DiskProblem as problem:
            raise _spool_problem(problem) from problem

    def _let_go(self) -> None:
        with self._upkeep:
            for segment in [*self._old, self._current]:
                segment.close()


def _spool_problem(problem: DiskProblem) -> SpoolProblem:
    return SpoolProblem(problem.message, problem.hint)
