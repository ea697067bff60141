"""Exchange to log records: one; two for a copy; one and one a key for a batch delete.

Which values a record of which request shows, by the User Guide's page on the log format and by
what Amazon's own lines show. Never raises for odd or unfinished input: what was not observed is
None.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bucketlog.accesslog import line
from bucketlog.accesslog.record import FIELDS, LogRecord

if TYPE_CHECKING:
    from bucketlog.accesslog.exchange import Exchange
    from bucketlog.s3.model import Bucket, Deleted, Facts, Route

# Operations whose records show a turn-around time when they succeed. Amazon's lines have "-" for
# all others, for every HEAD, and for answers that are errors or 304.
_SHOWING_TURN_AROUND = frozenset(
    {
        "REST.GET.OBJECT",
        "REST.PUT.OBJECT",
        "REST.POST.OBJECT",
        "REST.COPY.OBJECT",
        "REST.GET.PART",
        "REST.PUT.PART",
        "REST.COPY.PART",
        "REST.GET.UPLOAD",
        "REST.POST.UPLOAD",
        "REST.DELETE.UPLOAD",
        "REST.GET.UPLOADS",
        "REST.POST.UPLOADS",
        "REST.GET.BUCKET",
        "REST.GET.BUCKETVERSIONS",
        "REST.POST.SELECT",
        "WEBSITE.GET.OBJECT",
    }
)
_WITHOUT_OBJECT = (403, 404)
_NO_TLS = (None, None)
_DELETED = "BATCH.DELETE.OBJECT"


def records(exchange: Exchange) -> list[LogRecord]:
    """The records of one request, each naming the bucket whose log it belongs to.

    The bucket's own record comes first, then the source half of a copy or the keys of a batch
    delete. Empty when neither bucket is known: such a request appears in no log.
    """
    route = exchange.route
    found: list[LogRecord] = []
    if route is None:
        return found
    if exchange.bucket is not None:
        found.append(_record(exchange, exchange.bucket))
    if exchange.source_bucket is not None and route.source is not None:
        found.append(_source_half(exchange, exchange.source_bucket))
    if exchange.bucket is not None and exchange.facts is not None:
        for deleted in exchange.facts.deleted:
            found.append(_child(exchange, exchange.bucket, deleted))
    return found


def lines(
    exchange: Exchange, *, fields: int = len(FIELDS), quoting: line.Quoting = "safe"
) -> list[tuple[str, bytes]]:
    """The records of one request as lines, each with the name of the bucket it belongs to.

    The same as encoding each of `records`, but several times as fast where there is one record.
    """
    route, bucket, facts = exchange.route, exchange.bucket, exchange.facts
    if (
        route is None
        or bucket is None
        or exchange.source_bucket is not None
        or (facts is not None and facts.deleted)
        or quoting != "safe"
        or fields < 26
    ):
        return [
            (record.bucket or "", line.encode(record, quoting=quoting, fields=fields))
            for record in records(exchange)
        ]
    return [(bucket.name, _line(exchange, route, bucket, facts, fields))]


# ── the fast twin of encode(_record(...)) ───────────────────────────────────────────────────────

# Values that come again and again are made fit for a line once. Bounded, as clients send some.
_plain = lru_cache(maxsize=2048)(line.plain)
_quoted = lru_cache(maxsize=512)(line.quoted)


@lru_cache(maxsize=512)
def _session(
    signature_version: str | None,
    cipher_suite: str | None,
    authentication_type: str | None,
    host_header: str | None,
    tls_version: str | None,
) -> str:
    """The fields from signature version to TLS version: the same for most of a client's calls."""
    parts = (signature_version, cipher_suite, authentication_type, host_header, tls_version)
    return " ".join(line.plain(part) for part in parts)


def _line(
    exchange: Exchange, route: Route, bucket: Bucket, facts: Facts | None, fields: int
) -> bytes:
    """One record of a request as a line: all in one go, for it is on every request's way."""
    request, caller, timing = exchange.request, exchange.caller, exchange.timing
    headers, status, operation = request.headers, exchange.status, route.operation
    log_name = operation.log_name
    uri = f"{request.method} {request.target} {request.version}"
    if not (uri.isascii() and uri.isprintable()) or '"' in uri or "\\" in uri:
        uri = line.quoted(uri)[1:-1]
    error = exchange.error_code
    size: int | str | None = None
    if facts is not None:
        error = error or facts.error_code
        if operation.level == "object" and status not in _WITHOUT_OBJECT:
            size = facts.object_size
    turn_around: int | str | None = None
    if status is not None and 200 <= status < 300 and log_name in _SHOWING_TURN_AROUND:
        turn_around = timing.turn_around_ms
    total = timing.total_ms
    tls_version, cipher_suite = exchange.tls or _NO_TLS
    if caller is None:
        requester = signature_version = authentication_type = None
    else:
        requester, signature_version = caller.requester, caller.signature_version
        authentication_type = caller.authentication_type
    decision, key = exchange.decision, route.key
    region = "" if fields == 26 else f" {_plain(exchange.source_region)}"
    session = _session(
        signature_version, cipher_suite, authentication_type, headers.get("host"), tls_version
    )
    return (
        f"{_plain(bucket.owner.canonical_id)} {_plain(bucket.name)} "
        f"{line.timestamp(timing.received_at)} {_plain(exchange.remote_ip)} {_plain(requester)} "
        f"{line.plain(exchange.request_id)} {_plain(log_name)} "
        f'{line.encode_twice(key) if key else "-"} "{uri}" '
        f"{'-' if status is None else status} {_plain(error)} {exchange.bytes_sent or '-'} "
        f"{'-' if size is None else size} {'-' if total is None else total} "
        f"{'-' if turn_around is None else turn_around} "
        f"{_quoted(headers.get('referer'))} {_quoted(headers.get('user-agent'))} "
        f"{_plain(route.version_id)} {line.plain(exchange.host_id)} {session} - "
        f"{'Yes' if decision is not None and decision.acl_required else '-'}"
        f"{region}\n"
    ).encode("ascii")


# ── the records, one kind each ──────────────────────────────────────────────────────────────────


def _shared(exchange: Exchange, bucket: Bucket) -> LogRecord:
    """What all records of one request have in common."""
    caller = exchange.caller
    tls_version, cipher_suite = exchange.tls or _NO_TLS
    return LogRecord(
        bucket_owner=bucket.owner.canonical_id,
        bucket=bucket.name,
        time=exchange.timing.received_at,
        remote_ip=exchange.remote_ip,
        requester=None if caller is None else caller.requester,
        request_id=exchange.request_id,
        host_id=exchange.host_id,
        signature_version=None if caller is None else caller.signature_version,
        cipher_suite=cipher_suite,
        authentication_type=None if caller is None else caller.authentication_type,
        host_header=exchange.request.headers.get("host") or None,
        tls_version=tls_version,
        source_region=exchange.source_region,
    )


def _record(exchange: Exchange, bucket: Bucket) -> LogRecord:
    request, route = exchange.request, exchange.route
    assert route is not None
    operation, status = route.operation, exchange.status
    record = _shared(exchange, bucket)
    record.operation = operation.log_name
    record.key = route.key or None
    record.request_uri = f"{request.method} {request.target} {request.version}"
    record.http_status = status
    record.error_code = error_code_of(exchange)
    record.bytes_sent = exchange.bytes_sent or None
    record.object_size = _object_size(exchange)
    record.total_time = exchange.timing.total_ms
    if _shows_turn_around(operation.log_name, status):
        record.turn_around_time = exchange.timing.turn_around_ms
    record.referer = request.headers.get("referer")
    record.user_agent = request.headers.get("user-agent")
    record.version_id = route.version_id or None
    record.acl_required = (exchange.decision is not None and exchange.decision.acl_required) or None
    return record


def _source_half(exchange: Exchange, bucket: Bucket) -> LogRecord:
    """What the read side of a copy looks like in the source bucket's log.

    No request line, times, Referer or User-Agent, as in Amazon's own lines; the status and error
    are those of the whole copy, as no other was observed.
    """
    route, facts = exchange.route, exchange.facts
    assert route is not None
    assert route.source is not None
    record = _shared(exchange, bucket)
    record.operation = route.operation.source_log_name or f"{route.operation.log_name}_GET"
    record.key = route.source.key or None
    record.http_status = exchange.status
    record.error_code = error_code_of(exchange)
    record.object_size = None if facts is None else facts.source_size
    record.version_id = route.source.version_id or None
    record.acl_required = exchange.source_acl_required or None
    return record


def _child(exchange: Exchange, bucket: Bucket, deleted: Deleted) -> LogRecord:
    """What one key of a batch delete looks like. Its own status; 204 also for a missing key."""
    record = _shared(exchange, bucket)
    record.operation = _DELETED
    record.key = deleted.key or None
    record.http_status = None if exchange.status is None else deleted.status
    record.error_code = deleted.error_code
    record.object_size = deleted.object_size
    record.version_id = deleted.version_id or None
    record.acl_required = deleted.acl_required or None
    return record


def error_code_of(exchange: Exchange) -> str | None:
    """The error code that was answered, whoever noted it."""
    if exchange.error_code is not None or exchange.facts is None:
        return exchange.error_code
    return exchange.facts.error_code


def _object_size(exchange: Exchange) -> int | None:
    """The object's size: not for buckets, and not where the answer says there is no object or
    no right to it (403, 404).
    """
    route, facts = exchange.route, exchange.facts
    if facts is None or route is None or route.operation.level != "object":
        return None
    return None if exchange.status in _WITHOUT_OBJECT else facts.object_size


def _shows_turn_around(log_name: str, status: int | None) -> bool:
    return status is not None and 200 <= status < 300 and log_name in _SHOWING_TURN_AROUND
