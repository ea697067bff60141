"""The one place that records: an Exchange becomes lines, the lines become spool frames.

The rule in force when a request began decides where its record goes, so the target is resolved
at `begin` and travels with the record. A bucket without a rule costs two dictionary look-ups.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from bucketlog.accesslog import compose
from bucketlog.accesslog.exchange import Exchange
from bucketlog.accesslog.line import Quoting
from bucketlog.accesslog.targets import Target
from bucketlog.delivery.tags import tag_of
from bucketlog.gateway.metrics import Metrics
from bucketlog.problems import SpoolProblem
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket
from bucketlog.spool.frame import Part
from bucketlog.spool.segment import SpoolFull
from bucketlog.spool.writer import Spool

log = logging.getLogger("bucketlog.records")

# A full spool is given this long to be emptied by the courier before the client is refused.
_PATIENCE_S = 2.0
_POLL_S = 0.05
_DAY_NS = 86_400 * 1_000_000_000

_T = TypeVar("_T")


@dataclass(slots=True)
class Recording:
    """A request that is to be recorded: under which rules, and whether an intent stands.

    `is_delivery`: it is the courier's own, and must not wait for the room that it makes.
    """

    rules: dict[str, tuple[Target, Bucket]]  # by source bucket
    is_delivery: bool = False
    ticket: int | None = None
    dropped: bool = False


class Recorder:
    """Keeps the records of one worker in its spool."""

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
        self._always_sync = spool.settings.sync == "always"
        self._sleep = sleep
        self._tags: dict[str, tuple[Target, Bucket, int, bytes]] = {}

    def begin(
        self, bucket: Bucket | None, source: Bucket | None, *, is_delivery: bool = False
    ) -> Recording | None:
        """The rules that now hold for a request's bucket and copy source; None: record nothing.

        A delivery into a bucket that delivers to itself is not recorded: it would never end.
        """
        rule = self._rule_of(bucket.name) if bucket is not None else None
        other = self._rule_of(source.name) if source is not None else None
        if rule is None and other is None:
            return None
        if is_delivery and bucket is not None and rule is not None and rule.bucket == bucket.name:
            return None
        rules: dict[str, tuple[Target, Bucket]] = {}
        if rule is not None and bucket is not None:
            rules[bucket.name] = (rule, bucket)
        if other is not None and source is not None:
            rules[source.name] = (other, source)
        return Recording(rules, is_delivery)

    async def intend(self, recording: Recording, exchange: Exchange) -> None:
        """Writes down that the request is about to take effect.

        Replaces an earlier intent of the same request. Raises `S3Error("SlowDown")` when there is
        no room and the rule is to refuse, `ServiceUnavailable` when the disk fails.
        """
        parts = self._parts(recording, exchange)
        if recording.ticket is not None:
            # Withdrawn first: dying in between loses a request that had no effect yet, where
            # the other order could record it twice.
            earlier, recording.ticket = recording.ticket, None
            self._spool.complete(earlier, [])
        beyond = recording.is_delivery
        recording.ticket = await self._room(
            recording, lambda: self._spool.intend(parts, beyond_limit=beyond)
        )
        if self._always_sync and not recording.dropped:
            try:
                await self._spool.durable()
            except SpoolProblem as problem:
                raise self._failed(problem) from problem

    async def keep(self, recording: Recording, exchange: Exchange) -> None:
        """Writes down what happened. Raises `S3Error` when a request that has had no effect yet
        can't be recorded; one that has (there is an intent) is never refused here.
        """
        if recording.dropped:
            return
        parts = self._parts(recording, exchange)
        if recording.ticket is not None:
            self._complete(recording.ticket, recording, parts)
        elif parts:
            beyond = recording.is_delivery
            try:
                self._spool.append(parts, beyond_limit=beyond)
            except SpoolProblem:
                await self._room(recording, lambda: self._spool.append(parts, beyond_limit=beyond))
        if self._always_sync:
            try:
                await self._spool.durable()
            except SpoolProblem as problem:
                # The record is in the system's memory and survives this process; what it
                # describes can't be undone. Counted as a failed sync, seen in /metrics.
                log.error("a record is not on the disk yet: %s", problem.message)

    def _complete(self, ticket: int, recording: Recording, parts: list[Part]) -> None:
        try:
            self._spool.complete(ticket, parts)
        except SpoolProblem as problem:
            # The intent is on disk and will be delivered, without its outcome.
            log.error("a record stays without its outcome: %s", problem.message)
            self._metrics.count("records_unfinished", len(recording.rules))

    async def _room(self, recording: Recording, attempt: Callable[[], _T]) -> _T | None:
        """What `attempt` gives, once there is room; None if the record may be dropped."""
        waited = 0.0
        while True:
            try:
                return attempt()
            except SpoolFull as problem:
                if self._drop_when_full:
                    recording.dropped = True
                    self._metrics.count("records_dropped", len(recording.rules))
                    return None
                if waited >= _PATIENCE_S:
                    self._metrics.count("requests_refused", label="spool_full")
                    raise S3Error("SlowDown") from problem
            except SpoolProblem as problem:
                raise self._failed(problem) from problem
            await self._sleep(_POLL_S)
            waited += _POLL_S

    def _failed(self, problem: SpoolProblem) -> S3Error:
        log.error("a request is refused, as no record of it can be kept: %s", problem.message)
        self._metrics.count("requests_refused", label="spool_failed")
        return S3Error("ServiceUnavailable")

    def _parts(self, recording: Recording, exchange: Exchange) -> list[Part]:
        rules = recording.rules
        day = exchange.timing.received_at // _DAY_NS
        found = compose.lines(exchange, fields=self._fields, quoting=self._quoting)
        if len(found) == 1:  # nearly always
            bucket, line = found[0]
            return [Part(self._tag(*rules[bucket], day), 1, line)] if bucket in rules else []
        lines: dict[str, list[bytes]] = {}
        for bucket, line in found:
            if bucket in rules:
                lines.setdefault(bucket, []).append(line)
        return [
            Part(self._tag(*rules[bucket], day), len(group), b"".join(group))
            for bucket, group in lines.items()
        ]

    def _tag(self, target: Target, source: Bucket, day: int) -> bytes:
        """The tag of a bucket's records; the last one is kept, as rules and days change rarely."""
        known = self._tags.get(source.name)
        if known is not None and known[0] is target and known[1] is source and known[2] == day:
            return known[3]
        tag = tag_of(target, source, day)
        self._tags[source.name] = (target, source, day, tag)
        return tag
