"""What can go wrong with recording and delivery, in words, each with what to do about it.

The counters of /metrics that should stay at 0, and the reasons that delivery gives. The words are
those of docs/how-to/no-delivery.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bucketlog.console import wording

SERVERS_LOG = "The server's own log, on stderr, says more."


@dataclass(frozen=True, slots=True)
class Words:
    """What it is, what it means, and what to do."""

    title: str
    meaning: str
    todo: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A counter that isn't 0. `reasons`: each in words, with its count."""

    name: str
    count: float
    words: Words
    reasons: tuple[tuple[str, float], ...] = ()


COUNTERS: Mapping[str, Words] = {
    "records_lost": Words(
        "Records lost",
        "Log records were given up: too old, too many, or damaged on disk.",
        "Permit delivery, so that no more are given up; delivery.hold_for and delivery.hold_bytes "
        "say how long and how many are kept.",
    ),
    "records_dropped": Words(
        "Records dropped",
        "The spool was full, and spool.when_full lets requests go on without a record.",
        "Mend delivery or raise spool.max_bytes; spool.when_full = wait refuses requests instead.",
    ),
    "damaged_bytes": Words(
        "Bytes of the spool damaged",
        "They don't check, so no record was made of them; they are kept in the folder damaged.",
        f"Check the disk. {SERVERS_LOG}",
    ),
    "requests_refused": Words(
        "Requests refused",
        "No record of them could be kept, so they were answered SlowDown.",
        "Mend delivery, so that the spool empties; or free disk space, or raise spool.max_bytes.",
    ),
    "delivery_failures": Words(
        "Deliveries failed",
        "A log object couldn't be stored in its target. Its records are kept, and it is tried "
        "again by itself.",
        "The tab Delivery of the bucket says what is missing, and mends it.",
    ),
    "delivery_troubles": Words(
        "Steps of delivery failed",
        "Something on the server's side went wrong, such as its disk.",
        SERVERS_LOG,
    ),
    "spool_sync_failures": Words(
        "Syncs of the spool failed",
        "The disk didn't make records safe from a power cut.",
        f"Check the disk. {SERVERS_LOG}",
    ),
    "records_unfinished": Words(
        "Records without an outcome",
        "The process died or the disk failed while the requests ran; what came of them isn't "
        "known, and their records say so.",
        "Nothing is lost. If it goes on, see why the process ends.",
    ),
    "requests_failed": Words(
        "Requests failed for want of something",
        "They were answered ServiceUnavailable, for what an operator can put right.",
        SERVERS_LOG,
    ),
    "errors_internal": Words(
        "Unexpected errors",
        "Requests ended in an exception: a bug.",
        f"Report it. {SERVERS_LOG}",
    ),
    "connections_refused": Words(
        "Connections refused",
        "There were more at once than a worker takes.",
        "Raise limits.connections, or server.workers.",
    ),
    "malformed_requests": Words(
        "Requests refused as HTTP",
        "What came was no proper request, or broke off.",
        "Usually scanners or broken clients: nothing to do, unless it is a client of yours.",
    ),
}

HARMLESS = frozenset(("malformed_requests", "records_unfinished"))
"""What is told of, but calls for nobody."""

# The log-delivery service's refusals, by S3 error code.
_DELIVERY: Mapping[str, Words] = {
    "AccessDenied": Words(
        "Log delivery may not write to the target bucket",
        "Nobody allowed the log-delivery service to write there, or a Deny of the policy hits it.",
        "Its tab Delivery says what is missing, and adds it.",
    ),
    "NoSuchBucket": Words(
        "The target bucket does not exist",
        "It was removed after the rule was set.",
        "Make it again, then permit delivery again; or choose another target.",
    ),
    "InvalidRequest": Words(
        "The target bucket refuses the log object",
        "The rule's target grants may be public while the target blocks public ACLs.",
        "Set a rule without public grants, or see the tab Delivery.",
    ),
    "InternalError": Words(
        "The server failed to store the log object",
        "Its disk may be full.",
        f"Free disk space. {SERVERS_LOG}",
    ),
}
_REASONS: Mapping[str, str] = {
    "spool_full": "the spool was full",
    "spool_failed": "the spool couldn't be written",
    "damaged on disk": "damaged on disk",
}


def delivery(reason: str) -> Words:
    """Why delivery of a bucket fails, of what its health says: "AccessDenied: ..."."""
    code, _, told = reason.partition(":")
    if code in _DELIVERY:
        return _DELIVERY[code]
    if " records lost" in code:
        return Words("Records were given up", f"{reason}.", COUNTERS["records_lost"].todo)
    title, way_out = wording.of(code, 500)
    return Words(title, told.strip() or code, f"{way_out} It is tried again by itself.")


def counted(totals: Mapping[str, float]) -> list[Trouble]:
    """The counters that aren't 0, the worst first. `totals` is by "name" or "name|reason"."""
    found = []
    for name, words in COUNTERS.items():
        reasons = {
            key.partition("|")[2]: value
            for key, value in totals.items()
            if key.partition("|")[0] == name and value
        }
        if reasons:
            shown = tuple(
                (reason_of(reason), value)
                for reason, value in sorted(reasons.items(), key=lambda each: -each[1])
                if reason
            )
            found.append(Trouble(name, sum(reasons.values()), words, shown))
    return found


def reason_of(label: str) -> str:
    """A counter's label in words."""
    if label in _DELIVERY:
        return _DELIVERY[label].title
    return _REASONS.get(label, label)
