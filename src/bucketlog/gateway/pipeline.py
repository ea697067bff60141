"""The one path every request takes: name it, identify the caller, permit it, do it, record it.

Read top to bottom. Every way out, a refused head and a vanished client included, ends in
`_release`, and nothing else records. A record is on disk before the answer it describes is
released: at once for a change or a short answer; for a long download an intent goes before its
first byte and the completion follows its last.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from bucketlog.accesslog.exchange import Exchange, Timing
from bucketlog.gateway.edge.wire import Wire
from bucketlog.gateway.metrics import Metrics
from bucketlog.gateway.received import RequestBody, Run
from bucketlog.gateway.recorder import Recorder, Recording
from bucketlog.problems import Problem
from bucketlog.s3 import access, errors, routing, sigv2, sigv4
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import (
    Bucket,
    Call,
    Caller,
    Catalog,
    Credential,
    Decision,
    Facts,
    Handler,
    ObjectAccess,
    Owner,
    Reply,
    Request,
    Route,
)
from bucketlog.s3.policy_context import Context

log = logging.getLogger("bucketlog.requests")

# An answer up to this size is recorded whole before it is sent (one write instead of two).
SMALL_REPLY_BYTES = 64 * 1024

# A batch delete is let through: each of its keys is judged, and answered, by itself.
_EACH_KEY = Decision(True, reason="judged key by key")

# What its owner needs to see and to permit delivery of a bucket's records. A full spool, in which
# they wait, must not stand in the way: a bucket may be its own target.
_MAKING_ROOM = frozenset(
    {
        "GetBucketAcl",
        "GetBucketLogging",
        "GetBucketOwnershipControls",
        "GetBucketPolicy",
        "FlushBucketLogging",
        "PutBucketAcl",
        "PutBucketLogging",
        "PutBucketOwnershipControls",
        "PutBucketPolicy",
        "DeleteBucketPolicy",
    }
)

# Ids need to be unique, not secret; seeded from the system's randomness in each process.
_random = random.Random()


@dataclass(frozen=True, slots=True)
class Courier:
    """Who delivers log objects, on behalf of which source bucket; needs no signature."""

    caller: Caller
    source_arn: str
    source_account: str
    object_owner: Owner | None  # who shall own the log object; None: the target's owner


class Pipeline:
    """Serves requests against one backend (`handler`, `catalog`)."""

    def __init__(
        self,
        *,
        handler: Handler,
        catalog: Catalog,
        find_key: Callable[[str], Credential | None],
        recorder: Recorder,
        metrics: Metrics,
        run: Run,
        regions: Collection[str],
        domains: tuple[str, ...] = (),
        accept_sigv2: bool = True,
    ) -> None:
        self._handler = handler
        self._catalog = catalog
        self._find_key = find_key
        self._recorder = recorder
        self._metrics = metrics
        self._run = run
        self._regions = regions
        self._domains = domains
        self._tells_all = log.isEnabledFor(logging.DEBUG)
        self._sigv2 = partial(sigv2.identify, domains=domains) if accept_sigv2 else None

    async def __call__(self, request: Request, wire: Wire, courier: Courier | None = None) -> None:
        """Answers one request: from outside, or the courier's own."""
        exchange = Exchange(
            request=request,
            timing=Timing(wire.received_at, wire.began, wire.body_received or None),
            request_id=f"{_random.getrandbits(64):016X}",
            host_id=f"{_random.getrandbits(128):032X}",
            remote_ip=wire.peer or None,
            tls=wire.tls,
        )
        recording: Recording | None = None
        try:
            try:
                self._place(exchange)
                recording = self._recording(exchange, courier)
                reply = await self._answer(exchange, wire, recording, courier)
            except S3Error as error:
                reply = self._refusal(exchange, error)
            except Problem as problem:
                log.error("%s %s", problem.message, problem.hint or "")
                self._metrics.count("requests_failed")
                reply = self._refusal(exchange, S3Error("ServiceUnavailable"))
            except Exception:
                log.exception("unexpected error", extra={"request_id": exchange.request_id})
                self._metrics.count("errors_internal")
                reply = self._refusal(exchange, S3Error("InternalError"))
            await self._release(exchange, wire, recording, reply)
        except BaseException:  # cancelled, or the sending broke
            if recording is not None:
                self._recorder.give_up(recording)
            raise

    def _place(self, exchange: Exchange) -> None:
        """Names the operation and finds the bucket."""
        exchange.route = route = routing.route(exchange.request, self._domains)
        if route.bucket is not None:
            exchange.bucket = self._catalog.bucket(route.bucket)

    def _recording(self, exchange: Exchange, courier: Courier | None) -> Recording | None:
        route, source = exchange.route, None
        if route is not None and route.source is not None:
            source = self._catalog.bucket(route.source.bucket)
        return self._recorder.begin(exchange, source, is_delivery=courier is not None)

    async def _answer(
        self,
        exchange: Exchange,
        wire: Wire,
        recording: Recording | None,
        courier: Courier | None,
    ) -> Reply:
        request, route, bucket = exchange.request, exchange.route, exchange.bucket
        assert route is not None
        if wire.refusal is not None:
            raise wire.refusal
        if route.refusal is not None:
            raise route.refusal
        caller, payload, region = self._identify(exchange, wire, courier)
        context = _context(request, route, wire, courier)
        operation = route.operation
        if bucket is not None and operation.name != "CreateBucket":
            _expect_owner(request, "x-amz-expected-bucket-owner", bucket)
            exchange.decision = self._decide(caller, route, bucket, context)
        elif operation.level == "service" or operation.name == "CreateBucket":
            exchange.decision = access.for_account(caller, request)
        else:
            raise S3Error("NoSuchBucket", BucketName=route.bucket or "")
        if not exchange.decision.allowed:
            raise S3Error("AccessDenied")
        if not operation.implemented:
            raise S3Error("NotImplemented")
        if recording is not None and operation.name in _MAKING_ROOM and _owns(caller, bucket):
            recording.beyond_limit = True
        call = Call(
            request,
            route,
            caller,
            RequestBody(
                request,
                wire,
                payload,
                self._run,
                is_described=operation.name != "CompleteMultipartUpload",
            ),
            wire.received_at,
            bucket,
            None if route.source is None else self._source(exchange, caller, context),
            object_owner=None if courier is None else courier.object_owner,
            region=region,
        )
        if operation.name == "DeleteObjects" and bucket is not None:
            self._let_delete(call, bucket, context, exchange, recording)
        if operation.mutates and recording is not None:
            await self._recorder.intend(recording)
        try:
            return await self._handler(call)
        except S3Error as error:
            # The key that a copy doesn't find is the source's.
            raise self._hiding(error, caller, call.source_bucket or bucket, context) from error

    def _identify(
        self, exchange: Exchange, wire: Wire, courier: Courier | None
    ) -> tuple[Caller, sigv4.Payload, str | None]:
        if courier is not None:
            exchange.caller = courier.caller
            return courier.caller, sigv4.UNSIGNED, None
        identity = sigv4.identify(
            exchange.request, self._find_key, wire.received_at, self._regions, self._sigv2
        )
        bucket = exchange.bucket
        if bucket is not None and identity.region not in (None, bucket.region):
            raise sigv4.wrong_region(identity, bucket.region)
        exchange.caller = identity.caller
        return identity.caller, identity.payload, identity.region

    def _decide(self, caller: Caller, route: Route, bucket: Bucket, context: Context) -> Decision:
        operation = route.operation
        if operation.name == "DeleteObjects":
            return _EACH_KEY

        def stored() -> ObjectAccess | None:
            return self._catalog.object_access(bucket.name, route.key or "", route.version_id)

        action = operation.action
        if route.version_id is not None and operation.version_action:
            action = operation.version_action
        decision = access.decide(
            caller,
            action,
            bucket,
            route.key,
            route.version_id,
            context=context,
            permission=operation.acl,
            permission_on=operation.acl_on,
            object_access=stored,
        )
        if not decision.allowed and operation.acl_on == "object" and stored() is None:
            self._tell_missing(caller, bucket, route.key, route.version_id, context)
        return decision

    def _tell_missing(
        self,
        caller: Caller,
        bucket: Bucket,
        key: str | None,
        version_id: str | None,
        context: Context,
    ) -> None:
        """Raises that there is no such object, for a caller who may list the bucket: an object
        that isn't there has no ACL that could have allowed the call.
        """
        if access.may_list(caller, bucket, context):
            if version_id is not None:
                raise S3Error("NoSuchVersion", Key=key or "", VersionId=version_id)
            raise S3Error("NoSuchKey", Key=key or "")

    def _source(self, exchange: Exchange, caller: Caller, context: Context) -> Bucket:
        """The bucket a copy reads from, once the caller is known to be allowed to."""
        route = exchange.route
        assert route is not None
        source = route.source
        assert source is not None
        bucket = self._catalog.bucket(source.bucket)
        if bucket is None:
            raise S3Error("NoSuchBucket", BucketName=source.bucket)
        _expect_owner(exchange.request, "x-amz-source-expected-bucket-owner", bucket)
        operation = route.operation
        action = operation.source_action or "s3:GetObject"
        if source.version_id is not None and operation.source_version_action:
            action = operation.source_version_action

        def stored() -> ObjectAccess | None:
            return self._catalog.object_access(bucket.name, source.key, source.version_id)

        decision = access.decide(
            caller,
            action,
            bucket,
            source.key,
            source.version_id,
            context=context,
            permission="READ",
            permission_on="object",
            object_access=stored,
        )
        exchange.source_bucket = bucket
        exchange.source_acl_required = decision.acl_required
        if not decision.allowed:
            if stored() is None:
                self._tell_missing(caller, bucket, source.key, source.version_id, context)
            raise S3Error("AccessDenied")
        return bucket

    def _let_delete(
        self,
        call: Call,
        bucket: Bucket,
        context: Context,
        exchange: Exchange,
        recording: Recording | None,
    ) -> None:
        """Lets a batch delete ask for each key, and name the keys before it deletes them."""

        def may(key: str, version_id: str | None) -> Decision:
            return access.decide(
                call.caller,
                "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion",
                bucket,
                key,
                version_id,
                context=context,
                permission="WRITE",
                permission_on="bucket",
            )

        async def foresee(facts: Facts) -> None:
            if recording is not None:
                exchange.facts = facts
                await self._recorder.intend(recording)
                exchange.facts = None

        call.authorize = may
        call.foresee = foresee

    def _hiding(
        self, error: S3Error, caller: Caller, bucket: Bucket | None, context: Context
    ) -> S3Error:
        """NoSuchKey only for those who may list the bucket: others must not learn which exist."""
        if error.code != "NoSuchKey" or bucket is None:
            return error
        return error if access.may_list(caller, bucket, context) else S3Error("AccessDenied")

    def _refusal(self, exchange: Exchange, error: S3Error) -> Reply:
        reply = errors.reply(
            error,
            resource=exchange.request.target.partition("?")[0],
            request_id=exchange.request_id,
            host_id=exchange.host_id or "",
        )
        if exchange.bucket is not None and exchange.request.method == "HEAD":
            # No document can name the right Region; SDKs look for it here, and sign again.
            reply.headers["x-amz-bucket-region"] = exchange.bucket.region
        return reply

    async def _release(
        self, exchange: Exchange, wire: Wire, recording: Recording | None, reply: Reply
    ) -> None:
        """Records and sends, in the order that leaves nothing unrecorded."""
        reply.headers["x-amz-request-id"] = exchange.request_id
        reply.headers["x-amz-id-2"] = exchange.host_id or ""
        exchange.timing.body_received = wire.body_received or None
        head = exchange.request.method == "HEAD"
        body = reply.body
        if recording is None:
            await wire.send(reply, head=head)
        elif head or (isinstance(body, bytes) and len(body) <= SMALL_REPLY_BYTES):
            # A short answer: what is about to be sent is written down, then sent.
            exchange.status, exchange.facts = reply.status, reply.facts
            exchange.bytes_sent = 0 if head or not isinstance(body, bytes) else len(body)
            recorder = self._recorder
            try:
                if recorder.joins(recording):
                    await recording
                else:
                    exchange.timing.first_sent = exchange.timing.last_sent = time.monotonic_ns()
                if not recording.is_kept or recorder.syncs_always:
                    await recorder.keep(recording)
            except S3Error as error:
                discard(reply)
                reply = self._unrecorded(exchange, error)
            await wire.send(reply, head=head)
        else:
            reply = await self._send_then_keep(exchange, wire, recording, reply)
        self._count(exchange, wire, reply)

    async def _send_then_keep(
        self, exchange: Exchange, wire: Wire, recording: Recording, reply: Reply
    ) -> Reply:
        """A long answer: an intent before its first byte, what really left after its last."""
        if recording.ticket is None:
            try:
                await self._recorder.intend(recording)
            except S3Error as error:
                discard(reply)
                reply = self._unrecorded(exchange, error)
                await wire.send(reply, head=False)
                return reply
        try:
            await wire.send(reply, head=False)
        finally:
            if wire.replied:
                timing = exchange.timing
                timing.first_sent, timing.last_sent = wire.first_sent, wire.last_sent
                exchange.status, exchange.facts = reply.status, reply.facts
                exchange.bytes_sent = wire.bytes_sent
        await self._recorder.keep(recording)
        return reply

    def _unrecorded(self, exchange: Exchange, error: S3Error) -> Reply:
        """The refusal of a request that no record could be kept of; it has had no effect."""
        reply = self._refusal(exchange, error)
        exchange.status, exchange.facts, exchange.bytes_sent = reply.status, reply.facts, None
        reply.headers["x-amz-request-id"] = exchange.request_id
        reply.headers["x-amz-id-2"] = exchange.host_id or ""
        return reply

    def _count(self, exchange: Exchange, wire: Wire, reply: Reply) -> None:
        route = exchange.route
        name = route.operation.name if route is not None else "Unknown"
        ended = wire.last_sent or time.monotonic_ns()
        self._metrics.request(
            name,
            reply.status,
            (ended - wire.began) / 1e9,
            wire.content_length or 0,
            wire.bytes_sent,
        )
        if self._tells_all:
            log.debug(
                "%s %s",
                exchange.request.method,
                exchange.request.target.partition("?")[0],  # a query may hold a signature
                extra={
                    "operation": name,
                    "status": reply.status,
                    "error": reply.facts.error_code,
                    "bytes_sent": wire.bytes_sent,
                    "ms": round((ended - wire.began) / 1e6, 3),
                    "remote_ip": wire.peer,
                    "request_id": exchange.request_id,
                },
            )


def _owns(caller: Caller, bucket: Bucket | None) -> bool:
    return bucket is not None and caller.account == bucket.owner


def _expect_owner(request: Request, header: str, bucket: Bucket) -> None:
    expected = request.headers.get(header)
    if expected is not None and expected != bucket.owner.account_id:
        raise S3Error("AccessDenied")


def _context(request: Request, route: Route, wire: Wire, courier: Courier | None) -> Context:
    tls = wire.tls
    return Context(
        request,
        wire.received_at,
        route.query,
        wire.peer or None,
        tls is not None or courier is not None,  # log delivery never leaves the server
        None if tls is None else tls.version,
        None if courier is None else courier.source_arn,
        None if courier is None else courier.source_account,
    )


def discard(reply: Reply) -> None:
    """Closes what a reply that won't be sent holds open."""
    if not isinstance(reply.body, bytes):
        for piece in reply.body if isinstance(reply.body, tuple) else (reply.body,):
            os.close(piece.descriptor)
