"""The one place that records: an Exchange becomes lines, the lines become spool frames.

The rule in force when a request began decides where its record goes, so the target is resolved
at `begin` and travels with the record. A bucket without a rule costs two dictionary look-ups.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from asyncio import current_task, get_running_loop
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic_ns

from bucketlog.accesslog import compose
from bucketlog.accesslog.exchange import Exchange
from bucketlog.accesslog.line import Quoting
from bucketlog.accesslog.targets import Target
from bucketlog.delivery.tags import tag_of
from bucketlog.gateway.edge.eager import Pause
from bucketlog.gateway.metrics import Metrics
from bucketlog.problems import SpoolProblem
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket
from bucketlog.spool.frame import Part
from bucketlog.spool.segment import SpoolFull
from bucketlog.spool.writer import Spool

log = logging.getLogger("bucketlog.records")

# A full spool is given 2 s to be emptied by the courier before the client is refused.
_POLL_S = 0.05
_POLLS = 40
_TELL_EVERY_NS = 10 * 1_000_000_000
_DAY_NS = 86_400 * 1_000_000_000


class Destination:
    """Where the records of one source bucket go under one rule. Knows the tag of the last day."""

    __slots__ = ("_day", "_tag", "source", "target")

    def __init__(self, target: Target, source: Bucket) -> None:
        self.target = target
        self.source = source
        self._day = -1
        self._tag = b""

    def tag_on(self, day: int) -> bytes:
        """The tag of records of a UTC day, counted from 1970."""
        if day != self._day:
            self._tag = tag_of(self.target, self.source, day)
            self._day = day
        return self._tag


class Recording(Pause):
    """A request that is to be recorded, and how far that is. Made by `Recorder.begin`.

    `ticket`: of the intent that stands, if one does. `is_refused`: there was no room for it, so it
    doesn't wait again. `beyond_limit`: it makes room, and must not wait for any.
    """

    __slots__ = ("beyond_limit", "destinations", "exchange", "is_kept", "is_refused", "ticket")

    def __init__(
        self, destinations: dict[str, Destination], exchange: Exchange, beyond_limit: bool
    ) -> None:
        self.destinations = destinations  # by source bucket
        self.exchange = exchange
        self.beyond_limit = beyond_limit
        self.ticket: int | None = None
        self.is_refused = False
        self.is_kept = False


class Recorder:
    """Keeps the records of one worker in its spool.

    `syncs_always`: a record is only kept once it would survive a power cut.
    """

    def __init__(
        self,
        spool: Spool,
        rule_of: Callable[[str], Target | None],
        metrics: Metrics,
        *,
        fields: int = 27,
        quoting: Quoting = "safe",
        drop_when_full: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._spool = spool
        self._rule_of = rule_of
        self._metrics = metrics
        self._fields = fields
        self._quoting = quoting
        self._drop_when_full = drop_when_full
        self.syncs_always = spool.settings.sync == "always"
        self._sleep = sleep
        self.watch: Callable[[Sequence[Part]], None] | None = None
        """Is told what was recorded, if somebody watches; raises nothing."""
        self._tell_again_at = 0
        self._turn: list[Recording] = []
        self._destinations: dict[str, dict[str, Destination]] = {}  # each with its own name

    def begin(
        self, exchange: Exchange, source: Bucket | None = None, *, is_delivery: bool = False
    ) -> Recording | None:
        """By the rules that now hold for a request's bucket and copy source; None: record nothing.

        A delivery into a bucket that delivers to itself is not recorded: it would never end (Q053).
        """
        bucket = exchange.bucket
        own = self._destination(bucket) if bucket is not None else None
        other = self._destination(source) if source is not None else None
        if own is None:
            return None if other is None else Recording(other, exchange, is_delivery)
        if is_delivery and bucket is not None and own[bucket.name].target.bucket == bucket.name:
            return None
        return Recording(own if other is None else own | other, exchange, is_delivery)

    def _destination(self, bucket: Bucket) -> dict[str, Destination] | None:
        name = bucket.name
        rule = self._rule_of(name)
        if rule is None:
            return None
        known = self._destinations.get(name)
        if known is None or known[name].target is not rule or known[name].source is not bucket:
            known = self._destinations[name] = {name: Destination(rule, bucket)}
        return known

    async def intend(self, recording: Recording) -> None:
        """Writes down that the request is about to take effect.

        Replaces an earlier intent of the same request. Raises `S3Error("SlowDown")` when there is
        no room and the rule is to refuse, `ServiceUnavailable` when the disk fails.
        """
        parts = self._parts((recording,))

        def write() -> None:
            if recording.ticket is not None:
                # Withdrawn first: dying in between loses a request that had no effect yet, where
                # the other order could record it twice.
                self._spool.complete(recording.ticket, [])
                recording.ticket = None
            recording.ticket = self._spool.intend(parts, beyond_limit=recording.beyond_limit)

        # Without room for it there may be some once the outcome is known.
        if await self._room(recording, write) and self.syncs_always:
            try:
                await self._spool.durable()
            except SpoolProblem as problem:
                raise self._refusal(recording, problem) from problem

    async def keep(self, recording: Recording) -> None:
        """Writes down what happened. Raises `S3Error` when a request that has had no effect yet
        can't be recorded; one that has (there is an intent) is never refused here.
        """
        if recording.ticket is not None:
            self._complete(recording.ticket, recording)
        elif not recording.is_kept:
            await self._append(recording)
        recording.is_kept = True
        if self.syncs_always:
            try:
                await self._spool.durable()
            except SpoolProblem as problem:
                # The record is in the system's memory and survives this process; what it
                # describes can't be undone. Counted as a failed sync, seen in /metrics.
                log.error("a record is not on the disk yet: %s", problem.message)

    def joins(self, recording: Recording) -> bool:
        """Whether a request waits for the others of this turn of the event loop, and they are all
        written down at once: a third of the work. If so, `await recording`, then `keep` it.

        Only for one that runs outside any Task, and whose answer is short and is known.
        """
        if recording.ticket is not None or recording.beyond_limit or current_task() is not None:
            return False
        turn = self._turn
        turn.append(recording)
        if len(turn) == 1:
            get_running_loop().call_soon(self._end_turn)
        return True

    def give_up(self, recording: Recording) -> None:
        """Writes down, without waiting, what is known of a request that is broken off.

        Where that can't be, nothing is missing but a request that had no effect.
        """
        if recording.is_kept:
            return
        recording.is_kept = True
        if recording.ticket is not None:
            self._complete(recording.ticket, recording)
        elif parts := self._parts((recording,)):
            with contextlib.suppress(SpoolProblem):
                self._spool.append(parts, beyond_limit=recording.beyond_limit)
                if self.watch is not None:
                    self.watch(parts)

    async def _append(self, recording: Recording) -> None:
        parts = self._parts((recording,))
        if not parts:
            return

        def write() -> None:
            self._spool.append(parts, beyond_limit=recording.beyond_limit)

        if not await self._room(recording, write):
            self._metrics.count("records_dropped", sum(part.count for part in parts))
        elif self.watch is not None:
            self.watch(parts)

    def _end_turn(self) -> None:
        # One that was broken off meanwhile is written down already.
        turn = [recording for recording in self._turn if not recording.is_kept]
        self._turn = []
        kept = False
        try:
            now = monotonic_ns()
            for recording in turn:
                timing = recording.exchange.timing
                timing.first_sent = timing.last_sent = now
            if parts := self._parts(turn):
                self._spool.append(parts)
                if self.watch is not None:
                    self.watch(parts)
            kept = True
        except SpoolProblem:
            pass  # each tries by itself, and waits for room
        except Exception:
            log.exception("several records could not be made; each is tried by itself")
        for recording in turn:
            recording.is_kept = kept
            recording.resumed(recording.coroutine)

    def _complete(self, ticket: int, recording: Recording) -> None:
        parts = self._parts((recording,))
        try:
            self._spool.complete(ticket, parts)
            if self.watch is not None:
                self.watch(parts)
        except SpoolProblem as problem:
            # The intent is on disk and will be delivered, without its outcome.
            log.error("a record stays without its outcome: %s", problem.message)
            self._metrics.count("records_unfinished", len(recording.destinations))

    async def _room(self, recording: Recording, write: Callable[[], None]) -> bool:
        """Writes as soon as there is room; False if there is none and the record may be dropped."""
        left = 0 if recording.is_refused else _POLLS
        while True:
            try:
                write()
                return True
            except SpoolFull as problem:
                if self._drop_when_full:
                    return False
                if left <= 0:
                    raise self._refusal(recording, problem) from problem
            except SpoolProblem as problem:
                raise self._refusal(recording, problem) from problem
            await self._sleep(_POLL_S)
            left -= 1

    def _refusal(self, recording: Recording, problem: SpoolProblem) -> S3Error:
        """The answer to a request that no record can be kept of: counted once, and told now and
        then.
        """
        is_full = isinstance(problem, SpoolFull)
        if not recording.is_refused:
            recording.is_refused = True
            self._metrics.count(
                "requests_refused", label="spool_full" if is_full else "spool_failed"
            )
            now = monotonic_ns()
            if now >= self._tell_again_at:
                self._tell_again_at = now + _TELL_EVERY_NS
                log.error("requests are refused, as they can't be recorded: %s", problem.message)
        return S3Error("SlowDown" if is_full else "ServiceUnavailable")

    def _parts(self, recordings: Iterable[Recording]) -> list[Part]:
        """The records of these requests, those with the same destination together."""
        groups: dict[bytes, list[bytes]] = {}
        fields, quoting, lines_of = self._fields, self._quoting, compose.lines
        for recording in recordings:
            exchange, destinations = recording.exchange, recording.destinations
            day = exchange.timing.received_at // _DAY_NS
            for bucket, line in lines_of(exchange, fields, quoting):
                if bucket in destinations:
                    tag = destinations[bucket].tag_on(day)
                    if tag in groups:
                        groups[tag].append(line)
                    else:
                        groups[tag] = [line]
        return [Part(tag, len(lines), b"".join(lines)) for tag, lines in groups.items()]
