"""Log lines with known fields, sources made of them, and what reports say of these."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bucketlog.accesslog import line
from bucketlog.accesslog.record import FIELDS, LogRecord
from bucketlog.lake import reports
from bucketlog.lake.query import Open
from bucketlog.lake.reports import Filters
from bucketlog.reader.scan import scan

OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
ALICE = "arn:aws:iam::111122223333:user/alice"
BOB = "arn:aws:iam::111122223333:user/teams/bob"
ROLE = "arn:aws:sts::444455556666:assumed-role/deploy/i-0123"

_SIGNED = {"signature_version": "SigV4", "authentication_type": "AuthHeader"}
_TLS = {"cipher_suite": "TLS_AES_128_GCM_SHA256", "tls_version": "TLSv1.3"}


def moment(text: str) -> int:
    """Nanoseconds of a time in ISO 8601, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def row(
    operation: str = "REST.GET.OBJECT",
    key: str | None = "cat.jpg",
    at: str = "2026-03-01T12:00:00",
    *,
    fields: int = len(FIELDS),
    **values: Any,
) -> bytes:
    """A line: a signed GET over TLS by alice, with status 200, unless told otherwise."""
    requester = values.setdefault("requester", ALICE)
    signed = _SIGNED if requester is not None and not operation.startswith("S3.") else {}
    target = values.setdefault("request_uri", f"{operation.split('.')[1]} /photos HTTP/1.1")
    known: dict[str, Any] = {
        "bucket_owner": OWNER,
        "bucket": "photos",
        "time": moment(at),
        "remote_ip": "192.0.2.1",
        "request_id": "3E57427F33A59F07",
        "operation": operation,
        "key": key,
        "http_status": 200,
        "user_agent": "aws-cli/2.30.0",
        "host_id": "s9lzHYrFp76ZVxRcpX9=",
        "host_header": "s3.us-east-1.amazonaws.com",
        **signed,
        **_TLS,
    }
    if operation.startswith(("BATCH.", "S3.")) or operation.endswith("_GET"):
        known |= {"request_uri": None, "user_agent": None, "referer": None}
        target = None
    if operation.startswith("S3."):
        known |= {"remote_ip": None, "http_status": None, "host_header": None}
        known |= dict.fromkeys(_TLS)
        values = {**values, "requester": "AmazonS3"}
    return line.encode(LogRecord(**{**known, **values, "request_uri": target}), fields=fields)


def opening(lines: Sequence[bytes]) -> Open:
    """What opens a source of these lines, as often as one asks."""
    return lambda derive: scan(io.BytesIO(b"".join(lines)), derive=derive)


BATCH = [
    row("REST.POST.MULTI_OBJECT_DELETE", None, bytes_sent=300, total_time=20, request_id="B1"),
    row("BATCH.DELETE.OBJECT", "a b.jpg", http_status=204, object_size=5, request_id="B1"),
    row("BATCH.DELETE.OBJECT", "gone.jpg", http_status=204, request_id="B1"),
    row(
        "BATCH.DELETE.OBJECT",
        "kept.jpg",
        http_status=403,
        error_code="AccessDenied",
        request_id="B1",
    ),
]
COPY = [
    row("REST.COPY.OBJECT", "new.jpg", bytes_sent=234, object_size=9, total_time=5),
    row("REST.COPY.OBJECT_GET", "old.jpg", bucket="attic", object_size=9),
]
LIFECYCLE = [
    row("S3.EXPIRE.OBJECT", "old.log", object_size=7, at="2026-03-02T00:00:00"),
    row("S3.CREATE.DELETEMARKER", "older.log", at="2026-03-03T00:00:00"),
    row("S3.TRANSITION_SIA.OBJECT", "big.log", object_size=70, at="2026-03-04T00:00:00"),
    row("S3.DELETE.UPLOAD", "part.bin", at="2026-03-05T00:00:00"),
]


ALL = Filters()


def ask(
    name: str, lines: list[bytes], filters: Filters = ALL, top: int = 20
) -> list[dict[str, Any]]:
    """The rows of a report's answer."""
    with reports.answer(reports.named(name), opening(lines), filters, top=top) as answer:
        return answer.table().to_pylist()


def pick(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Those columns of each row."""
    return [tuple(each[name] for name in names) for each in rows]
