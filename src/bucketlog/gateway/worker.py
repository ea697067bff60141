"""One worker: everything one process needs to serve, joined here and taken apart here.

The only module that knows which backend answers and where each part keeps its files.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from bucketlog.backends.files.store import Store
from bucketlog.delivery.courier import Courier, CourierSettings
from bucketlog.disk import RealDisk
from bucketlog.gateway import control
from bucketlog.gateway.bucket_logging import BucketLogging
from bucketlog.gateway.control import Answer, Delivery, Question
from bucketlog.gateway.edge import listen
from bucketlog.gateway.edge.limits import Limits
from bucketlog.gateway.log_delivery import Mailbox
from bucketlog.gateway.metrics import Metrics, Snapshot
from bucketlog.gateway.pipeline import Pipeline
from bucketlog.gateway.recorder import Recorder
from bucketlog.gateway.watch import Watchers
from bucketlog.problems import Problem
from bucketlog.settings import Settings
from bucketlog.spool import folder as spool_folder
from bucketlog.spool.writer import Spool, SpoolSettings
from bucketlog.state.accounts import Accounts
from bucketlog.state.database import Database
from bucketlog.state.generation import Generation
from bucketlog.state.rules import Rules

log = logging.getLogger("bucketlog.server")

_THREADS = 16


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are in a data folder."""

    data: Path

    @property
    def store(self) -> Path:
        """The embedded store."""
        return self.data / "store"

    @property
    def spool(self) -> Path:
        """The spools, one folder each."""
        return self.data / "spool"

    @property
    def run(self) -> Path:
        """Sockets of the workers, and `server.json`."""
        return self.data / "run"


class HealthSink:
    """Takes down how delivery goes, off the event loop, in the order it happened."""

    def __init__(self, rules: Rules, metrics: Metrics) -> None:
        self._rules = rules
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "health")

    def delivered(self, bucket: str, key: str, records: int, at: int) -> None:
        """A log object was stored."""
        self._metrics.count("log_objects_delivered")
        self._metrics.count("records_delivered", records)
        self._note(self._rules.delivered, bucket, key, records, at)

    def failed(self, bucket: str, reason: str, at: int) -> None:
        """A log object was refused or could not be sent."""
        self._metrics.count("delivery_failures", label=reason.partition(":")[0])
        self._note(self._rules.failed, bucket, reason, at)

    def lost(self, bucket: str, records: int, reason: str, at: int) -> None:
        """Records were given up."""
        # What comes behind is for people: a path, say.
        label = reason.partition(":")[0].partition(",")[0]
        self._metrics.count("records_lost", records, label=label)
        if bucket:
            self._note(self._rules.lost, bucket, records, reason, at)

    def _note(self, what: Callable[..., None], *arguments: object) -> None:
        def note() -> None:
            try:
                what(*arguments)
            except Problem as problem:
                log.warning("how delivery goes can't be noted: %s", problem.message)
            except Exception:
                log.exception("how delivery goes can't be noted")

        self._thread.submit(note)

    async def settled(self) -> None:
        """Returns when all that was told so far is noted."""
        await asyncio.wrap_future(self._thread.submit(lambda: None))

    def close(self) -> None:
        """Notes what is left."""
        self._thread.shutdown()


class Worker:
    """A serving process. Made by `start`, ended by `stop`."""

    def __init__(self, settings: Settings, layout: Layout) -> None:
        """Opens everything; serves nothing yet. Raises `Problem`."""
        self._layout = layout
        self._settings = settings
        self._undo = contextlib.ExitStack()
        try:
            self._build(settings, layout)
        except BaseException:
            self._undo.close()
            raise

    def _build(self, settings: Settings, layout: Layout) -> None:
        undo = self._undo
        self._threads = ThreadPoolExecutor(_THREADS, "worker")
        undo.callback(self._threads.shutdown)
        generation = Generation.open(layout.data)
        undo.callback(generation.close)
        database = Database.open(layout.data)
        undo.callback(database.close)
        self.accounts = Accounts(database, generation)
        self.rules = Rules(database, generation)
        self.metrics = Metrics()
        self.store = Store(
            layout.store,
            regions=settings.server.regions,
            run=self._run,
            generation=generation.read,
            bump=generation.bump,
            durability="always" if settings.store.sync else "normal",
            name_of=self.accounts.name_of,
            is_principal=self.accounts.is_principal,
        )
        undo.callback(self.store.close)
        owned = spool_folder.claim(RealDisk(), layout.spool, lambda: secrets.token_hex(8))
        self.spool = Spool.open(owned, _spool_settings(settings), time.time_ns)
        self.name = owned.spool_id
        self._health = HealthSink(self.rules, self.metrics)
        undo.callback(self._health.close)
        self.pipeline = self._pipeline(settings)
        self.courier = Courier(
            self.spool,
            Mailbox(self.pipeline, self.store).put,
            self._health,
            time.time_ns,
            random.random,
            _courier_settings(settings),
        )
        undo.callback(self.courier.close)
        # Again, as the first to be undone: no thread uses what the others close.
        undo.callback(self._threads.shutdown)
        generation.bump()

    def _pipeline(self, settings: Settings) -> Pipeline:
        recorder = Recorder(
            self.spool,
            self.rules.get,
            self.metrics,
            fields=settings.accesslog.fields,
            quoting=settings.accesslog.quoting,
            drop_when_full=settings.spool.when_full == "drop",
        )
        self.watchers = Watchers(recorder)
        handler = BucketLogging(
            self.store,
            self.store,
            self.rules,
            self.accounts,
            self._ask_all,
            self._run,
            time.time_ns,
        )
        return Pipeline(
            handler=handler,
            catalog=self.store,
            find_key=self.accounts.find_key,
            recorder=recorder,
            metrics=self.metrics,
            run=self._run,
            regions=settings.server.regions,
            domains=settings.server.domains,
            accept_sigv2=settings.server.sigv2,
        )

    async def _run(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        running = self._threads.submit(function, *arguments, **named)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            # No thread outlives its caller, who goes on to close the files that it uses.
            if not running.cancel():
                await asyncio.wait([asyncio.wrap_future(running)])
            raise

    async def start(self, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None) -> None:
        """Serves on these sockets, and delivers."""
        self._courier_task = asyncio.create_task(
            self.courier.run(asyncio.sleep, self._layout.spool), name="courier"
        )
        self.edge = await listen.serve(
            self.pipeline,
            sockets,
            limits=edge_limits(self._settings),
            tls=tls,
            trusted_proxies=[
                ip_network(network, strict=False)
                for network in self._settings.server.trusted_proxies
            ],
        )
        control.sweep(self._layout.run, lambda name: (self._layout.spool / name).exists())
        # Who answers a question serves.
        _settle_garbage()
        self._control = await control.listen(
            self._layout.run, self.name, self.answer, self.watchers.watch
        )

    async def stop(self) -> None:
        """Finishes what runs, then closes everything; what is not delivered waits on disk."""
        await self.edge.drain(self._settings.server.drain)
        self._courier_task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._courier_task
        await self._control.close()
        await self.close()

    async def close(self) -> None:
        """Closes what was opened; for a worker that was never started."""
        await asyncio.to_thread(self._undo.close)

    async def deliver(self, bucket: str | None) -> Answer:
        """Delivers what waits, now; of one source bucket or of all."""
        stored = await self.courier.deliver_now(bucket)
        await self._health.settled()
        waiting = await self.answer(Question("waiting", bucket))
        waiting.delivered = [
            Delivery(item.source_bucket, item.target_bucket, item.key, item.records)
            for item in stored
        ]
        # A bucket whose rule is gone may still have records that can't be delivered.
        concerned = {*self.rules.all(), *self.courier.refused()} if bucket is None else {bucket}
        waiting.failures = {
            name: failure
            for name in sorted(concerned)
            if (failure := self.rules.health(name).failure) is not None
        }
        return waiting

    async def answer(self, question: Question) -> Answer:
        """What this worker says to a question of another process."""
        if question.do == "snapshot":
            return Answer(pid=os.getpid(), snapshot=self.snapshot())
        if question.do == "deliver":
            return await self.deliver(question.bucket)
        if question.do == "waiting":
            waiting, oldest = self.courier.waiting(question.bucket)
            return Answer(waiting=waiting, oldest_at=oldest)
        if question.do == "usage":
            return Answer(usage=await self.store.usage())
        return Answer(error=f"unknown question {question.do!r}")

    async def _ask_all(self, question: Question) -> list[Answer]:
        others = await control.ask_all(self._layout.run, question, but=self.name)
        return [await self.answer(question), *others]

    def snapshot(self) -> Snapshot:
        """This worker's counts, for /metrics."""
        shown = self.metrics.snapshot()
        counts = self.edge.counts()
        spools = [spool.counters() for spool in self.courier.spools]
        too_many = counts.refused.pop("connections", 0)
        tally = self.courier.tally
        unfinished = tally.completed_by_recovery + sum(s.completed_by_recovery for s in spools)
        shown.counters |= {
            "records_appended": spools[0].records,
            "damaged_bytes": tally.damaged_bytes + sum(s.damaged_bytes for s in spools),
            "spool_syncs": spools[0].syncs,
            "spool_sync_failures": tally.sync_failures + sum(s.sync_failures for s in spools),
            "delivery_troubles": tally.troubles,
            "records_unfinished": shown.counters.get("records_unfinished", 0) + unfinished,
            "connections_accepted": counts.accepted,
            "connections_refused": too_many,
            **{f"malformed_requests|{why}": n for why, n in counts.refused.items()},
        }
        waiting, oldest = self.courier.waiting()
        shown.gauges = {
            "connections": counts.open,
            "records_waiting": waiting,
            "spool_bytes": sum(spool.stored_bytes for spool in spools),
            "batches_held": sum(
                total.files
                for spool in self.courier.spools
                for total in spool.folder.held_totals().values()
            ),
            "spool_full": float(spools[0].is_refusing),
        }
        if oldest is not None:
            shown.peaks["delivery_lag_seconds"] = max(0.0, (time.time_ns() - oldest) / 1e9)
        return shown


def _settle_garbage() -> None:
    """Leaves what start-up made out of garbage collection, and collects less often.

    The requests of one turn of the event loop hold some 700 objects, the default threshold: the
    collector would run each turn, and find nothing, since a request leaves no cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def edge_limits(settings: Settings) -> Limits:
    """The edge's limits as the settings have them."""
    limits = settings.limits
    return Limits(
        head_bytes=limits.head_bytes,
        head_lines=limits.head_lines,
        body_bytes=limits.body_bytes,
        connections=limits.connections,
        head_s=limits.head_timeout,
        idle_s=limits.idle_timeout,
        body_s=limits.body_timeout,
        stall_s=limits.stall_timeout,
        request_s=limits.request_timeout,
    )


def _spool_settings(settings: Settings) -> SpoolSettings:
    return SpoolSettings(
        segment_bytes=settings.spool.segment_bytes,
        seal_after_s=settings.delivery.every,
        sync=settings.spool.sync,
        sync_interval_s=settings.spool.sync_interval,
        max_bytes=settings.spool.max_bytes,
    )


def _courier_settings(settings: Settings) -> CourierSettings:
    return CourierSettings(
        hold_for_s=settings.delivery.hold_for, hold_bytes=settings.delivery.hold_bytes
    )
