"""What calls for somebody now: worked out of the server's pulse and of each bucket's delivery.

Pure: everything is given. An alarm stands as long as its cause does; what was counted long ago
and has stopped is told lower down the page, except records lost since the server was started, which
nobody may overlook.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bucketlog import measures
from bucketlog.console import troubles
from bucketlog.console.config import Server
from bucketlog.console.render import number, plural, size
from bucketlog.console.troubles import COUNTERS, HARMLESS, SERVERS_LOG
from bucketlog.console.vitals import Sample, Vitals
from bucketlog.state.rules import Health

NEARLY_FULL = 0.8
LATE_S = 900.0
SHOWN = 20
_TOLD_ELSEWHERE = frozenset(("records_lost", "delivery_failures"))


@dataclass(frozen=True, slots=True)
class Alarm:
    """`kind` is "bad" or "careful". `bucket`: whose tab Delivery has more, and mends it."""

    id: str
    kind: str
    title: str
    text: str
    todo: str
    bucket: str | None = None


def of(vitals: Vitals, server: Server, health: Iterable[Health]) -> list[Alarm]:
    """What stands now, the worst first."""
    if not vitals.samples:
        return []
    now = vitals.samples[-1]
    known = list(health)
    found = [
        *_workers(now, server),
        *_spool(now, server),
        *_lost(vitals, known),
        *_failing(known),
        *_counted(vitals),
    ]
    if not any(each.failure for each in known):
        found += _late(now, server)
    return sorted(found, key=lambda each: each.kind != "bad")


def _workers(now: Sample, server: Server) -> Iterator[Alarm]:
    missing = server.workers - now.workers
    if missing > 0:
        yield Alarm(
            "workers",
            "bad",
            "No worker answers"
            if not now.workers
            else f"{missing} of {server.workers} workers don't answer",
            "Requests fail or wait." if not now.workers else "The others serve meanwhile.",
            f"One that ended is started again by itself. If this stays: {SERVERS_LOG}",
        )


def _spool(now: Sample, server: Server) -> Iterator[Alarm]:
    used = now.gauges.get("spool_bytes", 0.0)
    most = server.spool_max_bytes * max(1, server.workers)
    held_most = server.hold_bytes * max(1, server.workers)
    if now.gauges.get("spool_full", 0.0):
        yield Alarm(
            "full",
            "bad",
            "The spool has no room, or can't be written",
            "No record can be kept, so requests to buckets with logging on are refused.",
            COUNTERS["requests_refused"].todo,
        )
    elif used >= NEARLY_FULL * most:
        yield Alarm(
            "nearly-full",
            "careful",
            f"The spool is nearly full: {size(used)} of {size(most)}",
            "When it is full, requests to buckets with logging on are refused.",
            COUNTERS["requests_refused"].todo,
        )
    elif now.gauges.get("batches_held", 0.0) and used >= NEARLY_FULL * held_most:
        yield Alarm(
            "nearly-held",
            "careful",
            f"Records will soon be given up: {size(used)} wait, {size(held_most)} are kept",
            "Beyond that, the oldest that can't be delivered go first.",
            "Permit delivery where it is refused, or raise delivery.hold_bytes.",
        )


def _lost(vitals: Vitals, health: list[Health]) -> Iterator[Alarm]:
    words = COUNTERS["records_lost"]
    count = sum(v for key, v in vitals.totals.items() if key.partition("|")[0] == "records_lost")
    losers = [each for each in health if each.lost_records and (count or _is_loss(each))]
    for each in losers[:SHOWN]:
        yield Alarm(
            f"lost-{each.bucket}",
            "bad",
            f"{plural(each.lost_records, 'record')} of {each.bucket} lost",
            words.meaning,
            words.todo,
            each.bucket,
        )
    if count and not losers:
        yield Alarm("lost", "bad", f"{number(count)} records lost", words.meaning, words.todo)


def _failing(health: list[Health]) -> Iterator[Alarm]:
    failing = [each for each in health if each.failure and not _is_loss(each)]
    for each in failing[:SHOWN]:
        words = troubles.delivery(each.failure or "")
        yield Alarm(
            f"failing-{each.bucket}",
            "bad",
            f"The logs of {each.bucket} aren't delivered",
            f"{words.title}. {words.meaning} Records are kept meanwhile.",
            words.todo,
            each.bucket,
        )
    if len(failing) > SHOWN:
        more = plural(len(failing) - SHOWN, "more bucket")
        yield Alarm("more", "bad", f"So it is with {more}", "They are in the list below.", "")


def _is_loss(health: Health) -> bool:
    """Whether the last that happened is that records were given up."""
    return " records lost: " in (health.failure or "")


def _counted(vitals: Vitals) -> Iterator[Alarm]:
    for name, words in COUNTERS.items():
        if name in HARMLESS or name in _TOLD_ELSEWHERE:
            continue
        count = vitals.recent(name)
        if count:
            title = f"{words.title}: {number(count)} in the last minutes"
            kind = "careful" if name == "connections_refused" else "bad"
            yield Alarm(name, kind, title, words.meaning, words.todo)


def _late(now: Sample, server: Server) -> Iterator[Alarm]:
    if now.lag_s > max(LATE_S, 5 * server.deliver_every_s):
        yield Alarm(
            "late",
            "careful",
            f"A record has waited for {measures.about(now.lag_s)}",
            f"Log objects are made every {measures.about(server.deliver_every_s)}.",
            f"Deliver now: bucketlog deliver --wait. {SERVERS_LOG}",
        )
