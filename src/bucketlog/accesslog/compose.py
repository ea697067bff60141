"""Exchange to log records: one; two for a copy; one and one a key for a batch delete.

Which values a record of which request shows, by the User Guide's page on the log format and by
what Amazon's own lines show. Never raises for odd or unfinished input: what was not observed is
None.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bucketlog._native import compose_line
from bucketlog.accesslog import line
from bucketlog.accesslog.record import FIELDS, LogRecord

if TYPE_CHECKING:
    from bucketlog.accesslog.exchange import Exchange
    from bucketlog.s3.model import Bucket, Deleted, Route

# Operations whose records show a turn-around time when they succeed. Amazon's lines have "-" for
# all others, for every HEAD, and for answers that are errors or 304 (Q027).
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
_FAST_FIELDS = 26  # as many fields as the fast lines have, without the one that may be left out
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
    exchange: Exchange, fields: int = len(FIELDS), quoting: line.Quoting = "safe"
) -> list[tuple[str, bytes]]:
    """The records of one request as lines, each with the name of the bucket it belongs to.

    The same as encoding each of `records`, in the same order, but several times as fast.
    """
    route, bucket, facts = exchange.route, exchange.bucket, exchange.facts
    source = exchange.source_bucket
    if fields < _FAST_FIELDS or route is None:
        return [
            (record.bucket or "", line.encode(record, quoting=quoting, fields=fields))
            for record in records(exchange)
        ]
    ends = _ends(fields, exchange.source_region)
    if bucket is None:
        if source is None or route.source is None:
            return []
        return [(source.name, _source_line(exchange, route, source, ends))]
    client = _client(exchange, bucket)
    found = [(bucket.name, _line(exchange, route, client, ends, fields, quoting))]
    if source is not None and route.source is not None:
        found.append((source.name, _source_line(exchange, route, source, ends)))
    if facts is not None and facts.deleted:
        head, tail = _head(exchange, client), _tail(exchange, client)
        for deleted in facts.deleted:
            found.append((bucket.name, _child_line(exchange, deleted, head, tail, ends)))
    return found


# ── the fast twin of encode(_record(...)) ───────────────────────────────────────────────────────

# Values that come again and again are made fit for a line once. Bounded, as clients send some.
_plain = lru_cache(maxsize=2048)(line.plain)


@lru_cache(maxsize=64)
def _ends(fields: int, source_region: str | None) -> tuple[str, str]:
    """The fields from access point ARN on: of a request that no ACL decided, and of one it did."""
    region = "" if fields == _FAST_FIELDS else f" {line.plain(source_region)}"
    return f"- -{region}\n", f"- Yes{region}\n"


class _Client:
    """What is the same in all records of a client's calls to a bucket, and in those of a second."""

    __slots__ = ("_owner", "_requester", "_second", "_start", "bucket", "caller", "session")

    def __init__(self, exchange: Exchange, bucket: Bucket) -> None:
        caller = exchange.caller
        tls_version, cipher_suite = exchange.tls or _NO_TLS
        parts = (
            None if caller is None else caller.signature_version,
            cipher_suite,
            None if caller is None else caller.authentication_type,
            exchange.request.headers.get("host"),
            tls_version,
        )
        self.bucket = bucket
        self.caller = caller
        self.session = " ".join(line.plain(part) for part in parts)
        self._owner = f"{line.plain(bucket.owner.canonical_id)} {line.plain(bucket.name)}"
        self._requester = (
            f"{line.plain(exchange.remote_ip)} "
            f"{line.plain(None if caller is None else caller.requester)}"
        )
        self._second = -1
        self._start = ""

    def start(self, at: int) -> str:
        """The fields from bucket owner to requester."""
        second = at // 1_000_000_000
        if second != self._second:
            self._start = f"{self._owner} {line.timestamp(at)} {self._requester}"
            self._second = second
        return self._start


# By identity: a `_Client` holds on to its bucket and caller, so an id stands for one object.
_clients: dict[tuple[int, int, str | None, str | None, tuple[str, str] | None], _Client] = {}
_MOST_CLIENTS = 4096


def _client(exchange: Exchange, bucket: Bucket) -> _Client:
    caller = exchange.caller
    place = (
        id(bucket),
        id(caller),
        exchange.remote_ip,
        exchange.request.headers.get("host"),
        exchange.tls,
    )
    known = _clients.get(place)
    if known is None:
        if len(_clients) >= _MOST_CLIENTS:
            _clients.clear()
        known = _clients[place] = _Client(exchange, bucket)
    return known


def _head(exchange: Exchange, client: _Client) -> str:
    """The fields before the operation."""
    return f"{client.start(exchange.timing.received_at)} {exchange.request_id}"


def _tail(exchange: Exchange, client: _Client) -> str:
    """The fields from host id to TLS version."""
    return f"{exchange.host_id or '-'} {client.session}"


def _line(
    exchange: Exchange,
    route: Route,
    client: _Client,
    ends: tuple[str, str],
    fields: int,
    quoting: line.Quoting,
) -> bytes:
    """The record of the request itself; the kernel's where nothing in it needs encoding."""
    request, timing, status, facts = (
        exchange.request,
        exchange.timing,
        exchange.status,
        exchange.facts,
    )
    headers, operation, key = request.headers, route.operation, route.key
    log_name, error, decision = operation.log_name, exchange.error_code, exchange.decision
    size = None
    if facts is not None:
        if error is None:
            error = facts.error_code
        if operation.level == "object" and status not in _WITHOUT_OBJECT:
            size = facts.object_size
    try:
        composed = compose_line(
            client.start(timing.received_at),
            exchange.request_id,
            log_name,
            line.encode_twice(key) if key else "-",
            request.method,
            request.target,
            request.version,
            status,
            error,
            exchange.bytes_sent,
            size,
            timing.began,
            timing.body_received,
            timing.first_sent,
            timing.last_sent,
            log_name in _SHOWING_TURN_AROUND and status is not None and 200 <= status < 300,
            headers.get("referer"),
            headers.get("user-agent"),
            route.version_id,
            exchange.host_id,
            client.session,
            ends[decision is not None and decision.acl_required],
        )
    except (OverflowError, UnicodeEncodeError):  # beyond 64 bits, or half a surrogate pair
        composed = None
    return composed or line.encode(_record(exchange, client.bucket), quoting=quoting, fields=fields)


def _source_line(exchange: Exchange, route: Route, bucket: Bucket, ends: tuple[str, str]) -> bytes:
    """The read side of a copy."""
    source, operation, facts, status = (
        route.source,
        route.operation,
        exchange.facts,
        exchange.status,
    )
    assert source is not None
    size = None if facts is None else facts.source_size
    client = _client(exchange, bucket)
    return (
        f"{_head(exchange, client)} "
        f"{_plain(operation.source_log_name or f'{operation.log_name}_GET')} "
        f"{line.encode_twice(source.key) if source.key else '-'} - "
        f"{'-' if status is None else status} {_plain(error_code_of(exchange))} - "
        f"{'-' if size is None else size} - - - - {_plain(source.version_id)} "
        f"{_tail(exchange, client)} {ends[exchange.source_acl_required]}"
    ).encode("ascii")


def _child_line(
    exchange: Exchange, deleted: Deleted, head: str, tail: str, ends: tuple[str, str]
) -> bytes:
    """One key of a batch delete; there may be a thousand of them."""
    size = deleted.object_size
    return (
        f"{head} {_DELETED} {line.encode_key(_DELETED, deleted.key)} - "
        f"{'-' if exchange.status is None else deleted.status} {_plain(deleted.error_code)} - "
        f"{'-' if size is None else size} - - - - {_plain(deleted.version_id)} {tail} "
        f"{ends[deleted.acl_required]}"
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
