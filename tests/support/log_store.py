"""Buckets with log objects as a scripted S3 gives them: rules, listings by pages, contents."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.console import Console, refusal

from bucketlog.accesslog import line
from bucketlog.accesslog.record import LogRecord

NOW = datetime.now(UTC).replace(microsecond=0)
PAGE = 3
"""Keys of one listing."""


def text(minutes_ago: float, **fields: Any) -> bytes:
    """One line about a request to photos, so long ago."""
    at = NOW - timedelta(minutes=minutes_ago)
    given: dict[str, Any] = {
        "bucket": "photos",
        "bucket_owner": "0" * 64,
        "time": int(at.timestamp()) * 1_000_000_000,
        "remote_ip": "192.0.2.1",
        "requester": "arn:aws:iam::123456789012:user/ann",
        "request_id": "0123456789ABCDEF",
        "operation": "REST.GET.OBJECT",
        "key": "a/cat.png",
        "request_uri": "GET /photos/a/cat.png HTTP/1.1",
        "http_status": 200,
        "bytes_sent": 1000,
        "object_size": 1000,
        "total_time": 10,
        "turn_around_time": 9,
        "user_agent": "aws-cli/2.1",
        "tls_version": "TLSv1.3",
        "authentication_type": "AuthHeader",
        "signature_version": "SigV4",
        **fields,
    }
    return line.encode(LogRecord(**given))


class LogStore:
    """Makes the S3 of a console hold log objects; `photos` is logged to `logs` under `photos/`."""

    def __init__(self, console: Console) -> None:
        self.s3 = console.s3
        self.objects: dict[str, bytes] = {}
        self.modified: dict[str, datetime] = {}
        self.rules: dict[str, tuple[str, str]] = {"photos": ("logs", "photos/")}
        self.s3.script |= {
            "get_bucket_logging": self._rule,
            "list_objects_v2": self._list,
            "get_object": lambda Bucket, Key: {"Body": io.BytesIO(self.objects[Key])},
            "head_object": lambda Bucket, Key: {"ContentLength": len(self.objects[Key])},
            "list_buckets": lambda **_: {"Buckets": [{"Name": n} for n in ("logs", "photos")]},
        }

    def put(self, minutes_ago: float, *lines: bytes, key: str | None = None) -> str:
        """Stores a log object, as one delivered so long ago."""
        at = NOW - timedelta(minutes=minutes_ago)
        number = len(self.objects)
        key = key or f"photos/{at:%Y-%m-%d-%H-%M-%S}-{number:016X}"
        self.objects[key] = b"".join(lines)
        self.modified[key] = at
        return key

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """What that operation was asked."""
        return [parameters for name, parameters in self.s3.asked if name == operation]

    def _rule(self, Bucket: str) -> dict[str, Any]:
        if Bucket not in ("photos", "logs", "plain"):
            raise refusal("NoSuchBucket", 404)
        about = {"ResponseMetadata": {"HTTPHeaders": {}}}
        if Bucket not in self.rules:
            return about
        target, prefix = self.rules[Bucket]
        return {**about, "LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix}}

    def _list(
        self,
        Bucket: str,
        Prefix: str = "",
        StartAfter: str = "",
        ContinuationToken: str = "",
        MaxKeys: int = PAGE,
    ) -> dict[str, Any]:
        after = ContinuationToken or StartAfter
        keys = [key for key in sorted(self.objects) if key.startswith(Prefix) and key > after]
        shown = keys[:MaxKeys]
        page: dict[str, Any] = {
            "Contents": [
                {"Key": k, "Size": len(self.objects[k]), "LastModified": self.modified[k]}
                for k in shown
            ],
            "IsTruncated": len(keys) > MaxKeys,
        }
        if page["IsTruncated"]:
            page["NextContinuationToken"] = shown[-1]
        return page
