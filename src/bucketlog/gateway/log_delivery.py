"""The courier's end of the pipeline: a batch becomes a PutObject by the log-delivery service.

It goes the way of every request, so it is judged by the target's policy and ACL at that moment,
stored by the same handler, counted, and recorded if the target bucket is itself logged.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from urllib.parse import quote

from bucketlog.delivery.batches import Batch
from bucketlog.gateway.edge.body import RawBody
from bucketlog.gateway.edge.wire import Wire
from bucketlog.gateway.pipeline import Courier, Pipeline
from bucketlog.s3 import acl
from bucketlog.s3.access import LOG_DELIVERY_SERVICE
from bucketlog.s3.errors import ERRORS, S3Error
from bucketlog.s3.model import Caller, Catalog, Owner, Reply, Request

_CALLER = Caller(service=LOG_DELIVERY_SERVICE)


class _InnerWire(Wire):
    """A wire without a connection: the body is at hand, the reply is kept."""

    __slots__ = ("reply",)

    def __init__(self, body: bytes) -> None:
        self.peer = ""
        self.tls = None
        self.received_at = time.time_ns()
        self.began = self.body_received = time.monotonic_ns()
        self.body = RawBody.holding(body)
        self.content_length = len(body)
        self.closes = False
        self.refusal = None
        self.first_sent = self.last_sent = self.bytes_sent = 0
        self.complete = self.replied = False
        self.reply: Reply | None = None

    async def send(self, reply: Reply, *, head: bool = False, extra: object = None) -> None:
        self.reply = reply
        self.first_sent = self.last_sent = time.monotonic_ns()
        self.bytes_sent = len(reply.body) if isinstance(reply.body, bytes) else 0
        self.complete = self.replied = True


class Mailbox:
    """Stores batches through a pipeline."""

    def __init__(self, pipeline: Pipeline, catalog: Catalog) -> None:
        self._pipeline = pipeline
        self._catalog = catalog

    async def put(self, batch: Batch) -> None:
        """Stores one log object. Raises `S3Error` when the target refuses it."""
        tag = batch.destination
        target = self._catalog.bucket(tag.target.bucket)
        if target is None:
            raise S3Error("NoSuchBucket", BucketName=tag.target.bucket)
        wire = _InnerWire(batch.data)
        headers = {
            "content-length": str(len(batch.data)),
            "content-type": "text/plain",
            **{f"x-amz-meta-{name}": value for name, value in batch.metadata.items()},
        }
        if target.acls_enabled:
            headers |= _grant_headers(tag.target.grants, target.owner)
        courier = Courier(
            _CALLER,
            f"arn:aws:s3:::{tag.source_bucket}",
            tag.account_id,
            acl.LOG_DELIVERY_OWNER if target.acls_enabled else None,
        )
        path = f"/{tag.target.bucket}/{quote(batch.key, safe='/-_.~')}"
        await self._pipeline(Request("PUT", path, "HTTP/1.1", headers), wire, courier)
        reply = wire.reply
        if reply is None or reply.status >= 300:
            code = (reply.facts.error_code if reply is not None else None) or "InternalError"
            raise S3Error(code if code in ERRORS else "InternalError")


def _grant_headers(grants: Iterable[acl.Grant], owner: Owner) -> dict[str, str]:
    """What the log object's ACL grants, as PutObject is told: everything to the owner of the
    target bucket, and the rule's target grants.
    """
    values: dict[str, list[str]] = {"x-amz-grant-full-control": [f'id="{owner.canonical_id}"']}
    names = {permission: header for header, permission in acl.GRANT_HEADERS.items()}
    for grant in grants:
        grantee = grant.grantee
        kind = "uri" if grantee.kind == "Group" else "id"
        values.setdefault(names[grant.permission], []).append(f'{kind}="{grantee.value}"')
    return {name: ", ".join(listed) for name, listed in values.items()}
