"""Health: how the server and the delivery of logs do, over the last minutes, and what to do.

The counts of the server tell of everybody's requests, and the settings of its machine, so only
the operator sees them. Others see how the logs of their own buckets are delivered, those of which
S3 lets them read the logging rule; that takes requests, so it isn't asked again by itself.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import bucketlog
from bucketlog import settings
from bucketlog.console import (
    alarms,
    failures,
    health_charts,
    parts,
    render,
    s3,
    troubles,
    vitals,
)
from bucketlog.console.pages import buckets
from bucketlog.console.s3 import Failure
from bucketlog.console.troubles import Words
from bucketlog.console.vitals import EVERY_S
from bucketlog.state.rules import Health

SHOWN = 50
"""Buckets listed at most, those in trouble first."""


@dataclass(frozen=True, slots=True)
class Row:
    """How delivery of one bucket's records does. `words`: why it fails, None where it doesn't."""

    bucket: str
    target: str | None
    prefix: str
    health: Health
    words: Words | None


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the server, with the bytes of memory that it holds."""

    name: str
    pid: int
    memory: int | None
    is_alive: bool = True


async def _show(request: Request) -> Response:
    if not parts.session(request).identity.is_operator:
        return await _show_own(request)
    context = await _context(request)
    return render.page(request, "health/page.html", **context, **_settings(request))


async def _now(request: Request) -> Response:
    return render.fragment(request, "health/now.html", **await _context(request))


async def _context(request: Request) -> dict[str, Any]:
    failures.operator(request)
    console = parts.of(request)
    pulse, server = console.vitals, console.config.server
    if not pulse.samples:
        await pulse.take()
    samples = list(pulse.samples)
    known = await console.run(console.rules.all_health)
    standing = alarms.of(pulse, server, known)
    rows, more = await console.run(_rows, request, known)
    return {
        "every_s": int(EVERY_S),
        "alarms": standing,
        "groups": (
            ("Requests", "requests", health_charts.requests(samples)),
            ("Records and their delivery", "records", health_charts.records(samples, server)),
        ),
        "kept": health_charts.about(samples),
        "rows": rows,
        "more": more,
        "troubles": troubles.counted(pulse.totals),
        "processes": await console.run(_processes, request),
        "server": server,
        "workers": samples[-1].workers,
        "version": bucketlog.__version__,
        "config": console.config,
    }


def _rows(request: Request, known: list[Health]) -> tuple[list[Row], int]:
    """Every bucket with a rule, and those whose delivery is in trouble; how many there are more."""
    rules = parts.of(request).rules.all()
    health = {each.bucket: each for each in known}
    found = [
        _row(name, health.get(name) or Health(name), rules.get(name))
        for name in sorted({*rules, *(each.bucket for each in known if each.failure)})
    ]
    return _first(found)


def _row(name: str, health: Health, target: Any) -> Row:
    return Row(
        name,
        None if target is None else target.bucket,
        "" if target is None else target.prefix,
        health,
        None if health.failure is None else troubles.delivery(health.failure),
    )


def _first(found: list[Row]) -> tuple[list[Row], int]:
    found.sort(key=lambda each: (each.words is None, not each.health.lost_records, each.bucket))
    return found[:SHOWN], max(0, len(found) - SHOWN)


def _processes(request: Request) -> list[Process]:
    """The workers, the one that keeps them, and this console."""
    console = parts.of(request)
    server, pids = console.config.server, console.vitals.pids
    if server.workers == 1 and set(pids) <= {server.pid}:
        found = [("Worker, and the server itself", server.pid)]
    else:
        found = [("Server, keeps the workers", server.pid)]
        found += [(f"Worker {place}", pid) for place, pid in enumerate(pids, 1)]
    found.append(("Console", os.getpid()))
    return [Process(name, pid, vitals.memory(pid)) for name, pid in found if pid]


def _settings(request: Request) -> dict[str, Any]:
    meanings = {row.name: row.meaning for row in settings.table()}
    told = parts.of(request).config.server.settings
    return {"settings": [(each, meanings.get(each.name, "")) for each in told]}


# ── for others than the operator ────────────────────────────────────────────────────────────────


async def _show_own(request: Request) -> Response:
    console = parts.of(request)
    names = [bucket["Name"] for bucket in await buckets.all_buckets(request)]
    asked = names[: 4 * SHOWN]
    answers = await asyncio.gather(*(_rule(request, name) for name in asked))

    def rows() -> list[Row]:
        return [
            _row_of(name, rule, console.rules.health(name))
            for name, rule in zip(asked, answers, strict=True)
            if rule is not None
        ]

    found = [each for each in await console.run(rows) if each.target or each.words]
    shown, more = _first(found)
    return render.page(
        request, "health/own.html", rows=shown, more=more, unasked=len(names) - len(asked)
    )


def _row_of(name: str, rule: dict[str, Any], health: Health) -> Row:
    words = None if health.failure is None else troubles.delivery(health.failure)
    return Row(name, rule.get("TargetBucket"), rule.get("TargetPrefix", ""), health, words)


async def _rule(request: Request, name: str) -> dict[str, Any] | None:
    """The bucket's logging rule; {} where it is off, None where the key may not know."""
    try:
        answer = await s3.call(request, "get_bucket_logging", Bucket=name)
    except Failure as failure:
        if failure.status in (403, 404):
            return None
        raise
    rule: dict[str, Any] = answer.get("LoggingEnabled", {})
    return rule


routes = [
    Route("/health", _show, methods=["GET"]),
    Route("/health/now", _now, methods=["GET"]),
]
